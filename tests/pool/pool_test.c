/* The pool: forms of submission, results, callbacks, its life. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

static int square(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    check(size == sizeof number);
    number *= number;
    return prong_result_set(result, &number, sizeof number);
}

static int sleep_ms(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    test_sleep_ms(*(int *)argument);
    return 0;
}

static int refuse(void *argument, size_t size, prong_result *result) {
    (void)size;
    prong_result_set(result, "no such thing", 13);
    return *(int *)argument;
}

static int large(void *argument, size_t size, prong_result *result) {
    char *bytes;
    (void)argument;
    (void)size;
    if (prong_result_reserve(result, 1 << 20, (void **)&bytes)) return 1;
    memset(bytes, 'x', 1 << 20);
    return 0;
}

METHOD_TEST(apply_gives_the_result) {
    prong_pool pool = make(method, 2);
    long number = 12, squared;
    size_t size;
    ok(prong_pool_apply(pool, square, &number, sizeof number, &squared, sizeof squared, &size, NULL,
                        PRONG_SECONDS(10)));
    equal(squared, 144);
    equal(size, sizeof squared);
    static char bytes[1 << 20];
    ok(prong_pool_apply(pool, large, NULL, 0, bytes, sizeof bytes, &size, NULL, PRONG_SECONDS(10)));
    check(size == sizeof bytes && bytes[0] == 'x' && bytes[sizeof bytes - 1] == 'x');
    is(prong_pool_apply(pool, large, NULL, 0, bytes, 10, &size, NULL, PRONG_SECONDS(10)), PRONG_TOO_LONG);
    equal(size, sizeof bytes);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_task_that_fails_says_so_and_so_does_one_out_of_time) {
    prong_pool pool = make(method, 2);
    int code = 33, nap = 2000;
    is(prong_pool_apply(pool, refuse, &code, sizeof code, NULL, 0, NULL, NULL, PRONG_SECONDS(10)), PRONG_TASK_FAILED);
    says("code 33");
    says("no such thing");
    is(prong_pool_apply(pool, sleep_ms, &nap, sizeof nap, NULL, 0, NULL, NULL, PRONG_MS(50)), PRONG_TIMEOUT);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(starmap_keeps_results_apart_and_in_their_places) {
    enum { COUNT = 500 };
    prong_pool pool = make(method, 3);
    long numbers[COUNT];
    prong_bytes arguments[COUNT];
    prong_job job;
    prong_outcome outcome;
    for (long i = 0; i < COUNT; i++) {
        numbers[i] = i;
        arguments[i] = (prong_bytes){&numbers[i], sizeof numbers[i]};
    }
    ok(prong_pool_starmap(pool, &job, square, arguments, COUNT, NULL, PRONG_SECONDS(10)));
    check(prong_job_ready(job) && prong_job_successful(job));
    for (long i = 0; i < COUNT; i++) {
        ok(prong_job_outcome(job, (size_t)i, &outcome, PRONG_NOWAIT));
        equal(outcome.status, PRONG_OK);
        equal(*(long *)outcome.data, i * i);
    }
    is(prong_job_outcome(job, COUNT, &outcome, PRONG_NOWAIT), PRONG_INVALID);
    ok(prong_job_close(job));
    is(prong_job_close(job), PRONG_STALE);
    ok(prong_pool_starmap(pool, &job, square, NULL, 0, NULL, PRONG_SECONDS(10)));
    ok(prong_job_close(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(async_jobs_can_be_waited_for_and_asked) {
    prong_pool pool = make(method, 2);
    int nap = 150;
    prong_job job;
    prong_progress progress;
    ok(prong_pool_apply_async(pool, &job, sleep_ms, &nap, sizeof nap, NULL));
    check(!prong_job_ready(job) && !prong_job_successful(job));
    is(prong_job_wait(job, PRONG_MS(10)), PRONG_TIMEOUT);
    ok(prong_job_progress(job, &progress));
    check(progress.done == 0 && progress.total == 1);
    ok(prong_job_get(job, PRONG_SECONDS(10)));
    check(prong_job_ready(job) && prong_job_successful(job));
    ok(prong_job_close(job));
    ok(prong_pool_destroy(pool));
}

/* --- typed maps --- */

static int twice(const void *in, void *out) {
    *(double *)out = *(const double *)in * 2;
    return 0;
}

static int twice_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++) ((double *)out)[i] = ((const double *)in)[i] * 2;
    return 0;
}

static int narrow(const void *in, void *out) {
    double value = *(const double *)in;
    *(int *)out = (int)value;
    return value == 77 ? 5 : 0;
}

METHOD_TEST(map_fills_arrays_wherever_they_are) {
    enum { COUNT = 10000 };
    prong_pool pool = make(method, 2);
    double *in[2], *out[2];
    in[0] = malloc(COUNT * sizeof(double));
    out[0] = malloc(COUNT * sizeof(double));
    ok(prong_memory_alloc(COUNT * sizeof(double), (void **)&in[1]));
    ok(prong_memory_alloc(COUNT * sizeof(double), (void **)&out[1]));
    for (int i = 0; i < COUNT; i++) in[0][i] = in[1][i] = i;
    for (int from = 0; from < 2; from++)
        for (int to = 0; to < 2; to++)
            for (size_t chunk = 0; chunk <= 7; chunk += 7) {
                prong_task_options options = {.chunk_size = chunk};
                memset(out[to], 0, COUNT * sizeof(double));
                ok(prong_pool_map(pool, twice, in[from], COUNT, sizeof(double), out[to], sizeof(double), &options,
                                  PRONG_SECONDS(10)));
                for (int i = 0; i < COUNT; i++) check(out[to][i] == 2 * i);
                memset(out[to], 0, COUNT * sizeof(double));
                ok(prong_pool_map_range(pool, twice_range, in[from], COUNT, sizeof(double), out[to], sizeof(double),
                                        &options, PRONG_SECONDS(10)));
                for (int i = 0; i < COUNT; i++) check(out[to][i] == 2 * i);
            }
    ok(prong_pool_map(pool, twice, in[0], 0, sizeof(double), out[0], sizeof(double), NULL, PRONG_SECONDS(10)));
    is(prong_pool_map(pool, twice, NULL, 5, sizeof(double), out[0], sizeof(double), NULL, PRONG_SECONDS(10)),
       PRONG_INVALID);
    int ints[100];
    is(prong_pool_map(pool, narrow, in[0], 100, sizeof(double), ints, sizeof(int),
                      &(prong_task_options){.chunk_size = 10}, PRONG_SECONDS(10)),
       PRONG_TASK_FAILED);
    says("task 7");
    says("code 5");
    ok(prong_memory_free(in[1]));
    ok(prong_memory_free(out[1]));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(map_async_delivers_with_the_wait) {
    enum { COUNT = 1000 };
    prong_pool pool = make(method, 2);
    double in[COUNT], out[COUNT];
    prong_job job;
    for (int i = 0; i < COUNT; i++) in[i] = i;
    ok(prong_pool_map_async(pool, &job, twice, in, COUNT, sizeof *in, out, sizeof *out, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    for (int i = 0; i < COUNT; i++) check(out[i] == 2 * i);
    ok(prong_job_close(job));
    ok(prong_pool_destroy(pool));
}

/* --- callbacks and progress --- */

struct seen {
    _Atomic int good, bad;
    _Atomic long sum;
    char message[200];
};

static void on_success(prong_job job, void *context) {
    struct seen *seen = context;
    prong_outcome outcome;
    ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    seen->sum += *(long *)outcome.data;
    ok(prong_job_close(job)); /* its own job, from within */
    seen->good++;
}

static void on_failure(prong_job job, prong_status status, const char *message, void *context) {
    struct seen *seen = context;
    check(status == PRONG_TASK_FAILED);
    snprintf(seen->message, sizeof seen->message, "%s", message);
    ok(prong_job_close(job));
    seen->bad++;
}

METHOD_TEST(callbacks_are_called_once_for_each_job) {
    enum { COUNT = 200 };
    prong_pool pool = make(method, 2);
    static struct seen seen;
    prong_task_options options = {.callback = on_success, .error_callback = on_failure, .context = &seen};
    prong_job job;
    for (long i = 0; i < COUNT; i++) ok(prong_pool_apply_async(pool, &job, square, &i, sizeof i, &options));
    int code = 4;
    ok(prong_pool_apply_async(pool, &job, refuse, &code, sizeof code, &options));
    for (int i = 0; i < 1000 && (seen.good < COUNT || !seen.bad); i++) test_sleep_ms(5);
    equal(seen.good, COUNT);
    equal(seen.bad, 1);
    equal(seen.sum, (long)COUNT * (COUNT - 1) * (2 * COUNT - 1) / 6);
    check(strstr(seen.message, "code 4"));
    ok(prong_pool_close(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static void note_progress(const prong_progress *progress, void *context) {
    prong_progress *last = context;
    check(progress->done >= last->done && progress->done <= progress->total);
    *last = *progress;
}

METHOD_TEST(progress_is_reported_while_a_job_is_waited_for) {
    prong_pool pool = make(method, 2);
    prong_progress last = {0};
    prong_bytes arguments[10];
    prong_job job;
    int nap = 60;
    for (int i = 0; i < 10; i++) arguments[i] = (prong_bytes){&nap, sizeof nap};
    prong_task_options options = {.progress = note_progress, .progress_context = &last};
    ok(prong_pool_starmap(pool, &job, sleep_ms, arguments, 10, &options, PRONG_SECONDS(10)));
    check(last.done == 10 && last.total == 10 && last.rate > 0 && last.elapsed > 0);
    prong_progress_bar(&last, NULL); /* silent: standard error is no terminal here */
    ok(prong_pool_destroy(pool));
}

/* --- imap --- */

struct source {
    long next, end;
};

static bool next_number(prong_bytes *argument, void *context) {
    struct source *source = context;
    if (source->next == source->end) return false;
    static long number;
    number = source->next++;
    *argument = (prong_bytes){&number, sizeof number};
    return true;
}

METHOD_TEST(imap_gives_results_in_order_and_reads_ahead_only_so_far) {
    prong_pool pool = make(method, 2);
    struct source source = {0, 2000};
    prong_imap *imap;
    prong_outcome outcome;
    ok(prong_pool_imap(pool, &imap, square, next_number, &source, &(prong_task_options){.buffer = 16}));
    for (long i = 0; i < 2000; i++) {
        ok(prong_imap_next(imap, &outcome, PRONG_SECONDS(10)));
        equal(outcome.index, i);
        equal(*(long *)outcome.data, i * i);
        check(source.next <= i + 16);
    }
    is(prong_imap_next(imap, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    is(prong_imap_next(imap, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_imap_close(imap);
    prong_imap_close(NULL);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(imap_unordered_gives_each_result_once) {
    prong_pool pool = make(method, 3);
    struct source source = {0, 1000};
    prong_imap *imap;
    prong_outcome outcome;
    static bool seen[1000];
    ok(prong_pool_imap_unordered(pool, &imap, square, next_number, &source, NULL));
    for (int i = 0; i < 1000; i++) {
        ok(prong_imap_next(imap, &outcome, PRONG_SECONDS(10)));
        check(!seen[outcome.index]);
        seen[outcome.index] = true;
        equal(*(long *)outcome.data, outcome.index * outcome.index);
    }
    is(prong_imap_next(imap, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_imap_close(imap);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(an_imap_may_be_closed_half_way_and_wait_in_vain) {
    prong_pool pool = make(method, 2);
    struct source source = {0, 1000};
    prong_imap *imap;
    prong_outcome outcome;
    ok(prong_pool_imap(pool, &imap, square, next_number, &source, NULL));
    ok(prong_imap_next(imap, &outcome, PRONG_SECONDS(10)));
    prong_imap_close(imap);
    source = (struct source){3000, 3001};
    ok(prong_pool_imap(pool, &imap, sleep_ms, next_number, &source, NULL));
    is(prong_imap_next(imap, &outcome, PRONG_MS(20)), PRONG_TIMEOUT);
    prong_imap_close(imap);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- many at once --- */

static void *submit_many(void *context) {
    prong_pool pool = *(prong_pool *)context;
    for (long i = 0; i < 300; i++) {
        long squared;
        ok(prong_pool_apply(pool, square, &i, sizeof i, &squared, sizeof squared, NULL, NULL, PRONG_SECONDS(10)));
        equal(squared, i * i);
        double in[50], out[50];
        for (int k = 0; k < 50; k++) in[k] = (double)i + k;
        ok(prong_pool_map(pool, twice, in, 50, sizeof *in, out, sizeof *out, &(prong_task_options){.chunk_size = 9},
                          PRONG_SECONDS(10)));
        for (int k = 0; k < 50; k++) check(out[k] == 2 * ((double)i + k));
    }
    return NULL;
}

METHOD_TEST(several_threads_submit_at_once_and_get_their_own_results) {
    enum { THREADS = 4 };
    prong_pool pool = make(method, 2);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, submit_many, &pool) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int submit_from_a_child(void *argument, size_t size) {
    (void)size;
    submit_many(argument);
    is(prong_pool_destroy(*(prong_pool *)argument), PRONG_NOT_CHILD);
    return 0;
}

METHOD_TEST(any_member_may_submit_to_a_pool) {
    prong_pool pool = make(method, 2);
    equal(test_end(start_with(method, submit_from_a_child, pool)), 0);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int use_a_pool_of_its_own(void *argument, size_t size, prong_result *result) {
    prong_pool pool = make(0, 2);
    double in[20], out[20], sum = 0;
    (void)argument;
    (void)size;
    for (int i = 0; i < 20; i++) in[i] = i;
    ok(prong_pool_map(pool, twice, in, 20, sizeof *in, out, sizeof *out, NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) sum += out[i];
    ok(prong_pool_destroy(pool));
    return prong_result_set(result, &sum, sizeof sum);
}

METHOD_TEST(a_worker_may_have_a_pool_of_its_own) {
    ok(prong_set_start_method((prong_start_method)method));
    prong_pool pool = make(method, 2);
    double sum;
    ok(prong_pool_apply(pool, use_a_pool_of_its_own, NULL, 0, &sum, sizeof sum, NULL, NULL, PRONG_SECONDS(15)));
    check(sum == 380);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- its life --- */

static int worker_pid(void *argument, size_t size, prong_result *result) {
    int pid = getpid();
    (void)argument;
    (void)size;
    return prong_result_set(result, &pid, sizeof pid);
}

static int set_level(void *argument, size_t size) {
    check(size == sizeof(int));
    setenv("LEVEL", *(int *)argument == 7 ? "seven" : "other", 1);
    return 0;
}

static int tell_level(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    const char *level = getenv("LEVEL");
    return level && strcmp(level, "seven") == 0 ? prong_result_set(result, level, 6) : 1;
}

METHOD_TEST(workers_are_initialized) {
    prong_pool pool;
    int level = 7;
    char text[8];
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .initializer = set_level,
                                                      .method = method,
                                                      .initializer_argument = &level,
                                                      .initializer_size = sizeof level}));
    ok(prong_pool_apply(pool, tell_level, NULL, 0, text, sizeof text, NULL, NULL, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
}

static int fail_to_start(void *argument, size_t size) {
    (void)size;
    return prong_queue_put(*(prong_queue *)argument, "x", 1, PRONG_FOREVER) + 3;
}

METHOD_TEST(an_initializer_that_fails_breaks_the_pool_after_a_try_a_worker) {
    prong_pool pool;
    prong_queue tries;
    prong_job job;
    long number = 1;
    ok(prong_queue_create(&tries, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .initializer = fail_to_start,
                                                      .method = method,
                                                      .initializer_argument = &tries,
                                                      .initializer_size = sizeof tries}));
    prong_status status = prong_pool_apply_async(pool, &job, square, &number, sizeof number, NULL);
    if (!status)
        is(prong_job_get(job, PRONG_SECONDS(10)), PRONG_POOL_BROKEN);
    else
        check(status == PRONG_POOL_BROKEN);
    is(prong_pool_apply(pool, square, &number, sizeof number, NULL, 0, NULL, NULL, PRONG_SECONDS(10)),
       PRONG_POOL_BROKEN);
    says("code 3");
    test_sleep_ms(100);
    size_t count;
    ok(prong_queue_size(tries, &count));
    check(count <= 2);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(workers_are_replaced_after_maxtasksperchild) {
    prong_pool pool;
    int pids[10], pid;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .maxtasksperchild = 3, .method = method}));
    for (int i = 0; i < 10; i++)
        ok(prong_pool_apply(pool, worker_pid, NULL, 0, &pids[i], sizeof pid, NULL, NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 10; i++) check((pids[i] == pids[0]) == (i < 3));
    uint64_t deaths;
    ok(prong_pool_deaths(pool, &deaths));
    equal(deaths, 0);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_closed_pool_finishes_what_it_has_and_takes_no_more) {
    prong_pool pool = make(method, 2);
    prong_job jobs[20];
    int nap = 20;
    for (int i = 0; i < 20; i++) ok(prong_pool_apply_async(pool, &jobs[i], sleep_ms, &nap, sizeof nap, NULL));
    is(prong_pool_join(pool, PRONG_NOWAIT), PRONG_STILL_RUNNING);
    ok(prong_pool_close(pool));
    is(prong_pool_apply(pool, sleep_ms, &nap, sizeof nap, NULL, 0, NULL, NULL, PRONG_NOWAIT), PRONG_NOT_RUNNING);
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) {
        check(prong_job_successful(jobs[i]));
        ok(prong_job_close(jobs[i]));
    }
    ok(prong_pool_destroy(pool));
    is(prong_pool_close(pool), PRONG_STALE);
    test_arena_is_clean(0);
}

METHOD_TEST(terminate_ends_it_at_once) {
    prong_pool pool = make(method, 2);
    prong_job jobs[10];
    int nap = 20000;
    for (int i = 0; i < 10; i++) ok(prong_pool_apply_async(pool, &jobs[i], sleep_ms, &nap, sizeof nap, NULL));
    test_sleep_ms(30);
    int64_t before = test_now();
    ok(prong_pool_terminate(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    check(test_now() - before < PRONG_SECONDS(5));
    for (int i = 0; i < 10; i++) {
        is(prong_job_get(jobs[i], PRONG_NOWAIT), PRONG_CANCELLED);
        ok(prong_job_close(jobs[i]));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_pool_left_running_ends_with_its_owner) {
    prong_pool pool = make(method, 2);
    int nap = 20000;
    prong_job job;
    ok(prong_pool_apply_async(pool, &job, sleep_ms, &nap, sizeof nap, NULL));
}

METHOD_TEST(wrong_options_are_named) {
    prong_pool pool;
    prong_job job;
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = 1000000}), PRONG_INVALID);
    says("1000000");
    is(prong_pool_create(&pool, &(prong_pool_options){.initializer_size = 4}), PRONG_INVALID);
    is(prong_pool_create(NULL, NULL), PRONG_INVALID);
    pool = make(method, 1);
    is(prong_pool_apply_async(pool, &job, NULL, NULL, 0, NULL), PRONG_INVALID);
    is(prong_pool_apply_async(pool, &job, square, NULL, 8, NULL), PRONG_INVALID);
    is(prong_pool_apply_async(pool, &job, square, NULL, 0, &(prong_task_options){.retries = 300}), PRONG_INVALID);
    is(prong_pool_apply_async((prong_pool){64, 5}, &job, square, NULL, 0, NULL), PRONG_STALE);
    ok(prong_pool_destroy(pool));
}

TEST(the_default_size_is_what_the_process_may_use) {
    prong_pool pool;
    size_t count;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    check(sched_setaffinity(0, sizeof one, &one) == 0);
    ok(prong_pool_create(&pool, NULL));
    ok(prong_pool_workers(pool, NULL, 0, &count));
    equal(count, 1);
    ok(prong_pool_destroy(pool));
}
