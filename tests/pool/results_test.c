/* Where results go: what is delivered when some tasks fail, and whose memory it is when a call has returned. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

enum { COUNT = 10, OLD = -1 };

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

static void *in_arena(size_t size) {
    void *memory;
    ok(prong_memory_alloc(size, &memory));
    memset(memory, 0, size);
    return memory;
}

static void fill(int *in, int *out) {
    for (int i = 0; i < COUNT; i++) {
        in[i] = i;
        out[i] = OLD;
    }
}

/* 4 fails, 7 kills its worker, the others are doubled. */
static int twice_or_not(const void *in, void *out) {
    int number = *(const int *)in;
    if (number == 7) raise(SIGKILL);
    *(int *)out = 2 * number;
    return number == 4 ? 9 : 0;
}

static int twice_or_not_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int code = twice_or_not((const int *)in + i, (int *)out + i);
        if (code) return code;
    }
    return 0;
}

/* Of chunks of `size` elements, those with a 4 or a 7 in them are not delivered. */
static void check_delivered(const int *out, int size) {
    for (int i = 0; i < COUNT; i++) {
        bool lost = i / size == 4 / size || i / size == 7 / size;
        equal(out[i], lost ? OLD : 2 * i);
    }
}

METHOD_TEST(a_map_delivers_every_chunk_that_succeeded) {
    prong_pool pool = make(method, 2);
    int in[COUNT], out[COUNT];
    for (int size = 1; size <= 3; size++) {
        prong_task_options options = {.chunk_size = (size_t)size};
        fill(in, out);
        is(prong_pool_run(pool, PRONG_MAP(twice_or_not, in, out), &options, PRONG_SECONDS(15)), PRONG_TASK_FAILED);
        says("code 9");
        check_delivered(out, size);
        fill(in, out);
        is(prong_pool_run(pool, PRONG_MAP(twice_or_not_range, in, out), &options, PRONG_SECONDS(15)),
           PRONG_TASK_FAILED);
        check_delivered(out, size);
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_wait_delivers_every_chunk_that_succeeded_and_only_once) {
    prong_pool pool = make(method, 2);
    int in[COUNT], out[COUNT];
    prong_task_options options = {.chunk_size = 2};
    prong_job job;
    for (int round = 0; round < 2; round++) {
        fill(in, out);
        ok(prong_pool_submit(pool, PRONG_MAP(twice_or_not, in, out), &job, &options));
        is(prong_job_wait(job, PRONG_SECONDS(15)), PRONG_TASK_FAILED);
        check_delivered(out, 2);
        for (int i = 0; i < COUNT; i++) out[i] = 1000 + i; /* ours again */
        is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TASK_FAILED);
        for (int i = 0; i < COUNT; i++) equal(out[i], 1000 + i);
        ok(prong_job_destroy(job));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- out of time --- */

/* Even ones at once, odd ones far too late. */
static int late_if_odd(const void *in, void *out) {
    int number = *(const int *)in;
    if (number % 2) test_sleep_ms(30000);
    *(int *)out = 2 * number;
    return 0;
}

METHOD_TEST(a_map_out_of_time_delivers_what_was_done) {
    prong_pool pool = make(method, 2);
    int in[COUNT] = {0, 2, 4, 6, 8, 1, 10, 12}, out[COUNT];
    for (int i = 0; i < COUNT; i++) out[i] = OLD;
    int64_t before = test_now();
    is(prong_pool_run(pool, PRONG_MAP_N(late_if_odd, in, out, 8), &(prong_task_options){.chunk_size = 1},
                      PRONG_MS(1500)),
       PRONG_TIMEOUT);
    check(test_now() - before < PRONG_SECONDS(15));
    for (int i = 0; i < 8; i++) equal(out[i], in[i] % 2 ? OLD : 2 * in[i]);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* Writes for as long as it lives. */
static int write_on(const void *in, void *out) {
    for (;;) {
        *(_Atomic int *)out = *(const int *)in;
        usleep(100);
    }
    return 0;
}

static int stop_in_the_middle(const void *in, void *out) {
    *(int *)out = *(const int *)in;
    raise(SIGSTOP);
    return write_on(in, out);
}

static void check_untouched(int *out) {
    memset(out, 0, COUNT * sizeof *out);
    test_sleep_ms(100);
    for (int i = 0; i < COUNT; i++) equal(out[i], 0);
}

static void wait_until_written(const int *out, int count) {
    int written = 0;
    for (int i = 0; i < 2000 && written < count; i++, test_sleep_ms(5)) {
        written = 0;
        for (int k = 0; k < COUNT; k++) written += __atomic_load_n(&out[k], __ATOMIC_RELAXED) != 0;
    }
    check(written >= count);
}

METHOD_TEST(no_worker_writes_to_the_results_of_a_map_that_has_timed_out) {
    prong_pool pool = make(method, 2);
    int *in = in_arena(COUNT * sizeof *in), *out = in_arena(COUNT * sizeof *out), result = 0;
    prong_element *const functions[] = {write_on, stop_in_the_middle};
    for (int i = 0; i < COUNT; i++) in[i] = i + 1;
    for (int i = 0; i < 2; i++) {
        memset(out, 0, COUNT * sizeof *out);
        is(prong_pool_run(pool, PRONG_MAP_N(functions[i], in, out, COUNT), &(prong_task_options){.chunk_size = 1},
                          PRONG_MS(400)),
           PRONG_TIMEOUT);
        says("not done in the time");
        check_untouched(out);
        ok(prong_pool_run(pool, PRONG_MAP_N(late_if_odd, &(int){4}, &result, 1), NULL, PRONG_SECONDS(15)));
        equal(result, 8);
    }
    ok(prong_memory_free(in));
    ok(prong_memory_free(out));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(no_worker_writes_to_the_results_of_a_job_that_was_closed) {
    prong_pool pool = make(method, 2);
    int in[COUNT], *out = in_arena(COUNT * sizeof *out);
    prong_job job;
    for (int i = 0; i < COUNT; i++) in[i] = i + 1;
    ok(prong_pool_submit(pool, PRONG_MAP_N(write_on, in, out, COUNT), &job, &(prong_task_options){.chunk_size = 1}));
    wait_until_written(out, 2);
    ok(prong_job_destroy(job));
    check_untouched(out);
    ok(prong_memory_free(out));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- with an owner that is stopped --- */

struct shared {
    prong_queue queue;
    prong_start_method method;
};

static int own_a_pool(void *argument, size_t size) {
    struct shared *shared = argument;
    (void)size;
    prong_pool pool = make(shared->method, 2);
    ok(prong_queue_put(shared->queue, &pool, sizeof pool, PRONG_FOREVER));
    for (;;) pause();
    return 0;
}

METHOD_TEST(no_worker_writes_to_the_results_though_the_owner_is_stopped) {
    struct shared shared = {.method = (prong_start_method)method};
    prong_pool pool;
    prong_job job;
    int in[COUNT], *out = in_arena(COUNT * sizeof *out), pid;
    for (int i = 0; i < COUNT; i++) in[i] = i + 1;
    ok(prong_queue_create(&shared.queue, NULL));
    prong_process owner = start_with(method, own_a_pool, shared);
    ok(prong_queue_get(shared.queue, &pool, sizeof pool, NULL, PRONG_SECONDS(15)));
    pid = test_pid(owner);
    ok(prong_pool_submit(pool, PRONG_MAP_N(write_on, in, out, COUNT), &job, &(prong_task_options){.chunk_size = 1}));
    wait_until_written(out, 2);
    check(kill(pid, SIGSTOP) == 0);
    test_sleep_ms(20);
    ok(prong_job_destroy(job));
    check_untouched(out);
    check(kill(pid, SIGCONT) == 0);
    ok(prong_process_signal(owner, SIGKILL));
    equal(test_end(owner), -SIGKILL);
    ok(prong_memory_free(out));
}
