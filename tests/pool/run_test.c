/* Forms of work: single tasks, lists of arguments, arrays; from many threads and processes at once. */
#define _GNU_SOURCE
#include "pool_test.h"

#include <pthread.h>

static int large(void *argument, size_t size, prong_result *result) {
    char *bytes;
    (void)argument;
    (void)size;
    if (prong_result_reserve(result, 1 << 20, (void **)&bytes) < 0) return 1;
    memset(bytes, 'x', 1 << 20);
    return 0;
}

METHOD_TEST(apply_gives_the_result) {
    prong_pool pool = make(method, 2);
    long number = 12, squared;
    size_t size;
    ok(prong_pool_run(pool,
                      &(prong_work){.task = square,
                                    .in = &number,
                                    .in_size = sizeof number,
                                    .count = 1,
                                    .out = &squared,
                                    .out_size = sizeof squared,
                                    .sizes = &size},
                      NULL, PRONG_SECONDS(10)));
    equal(squared, 144);
    equal(size, sizeof squared);
    static char bytes[1 << 20];
    ok(prong_pool_run(pool,
                      &(prong_work){.task = large, .count = 1, .out = bytes, .out_size = sizeof bytes, .sizes = &size},
                      NULL, PRONG_SECONDS(10)));
    check(size == sizeof bytes && bytes[0] == 'x' && bytes[sizeof bytes - 1] == 'x');
    is(prong_pool_run(pool, &(prong_work){.task = large, .count = 1, .out = bytes, .out_size = 10, .sizes = &size},
                      NULL, PRONG_SECONDS(10)),
       PRONG_TOO_LONG);
    equal(size, sizeof bytes);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_task_that_fails_says_so_and_so_does_one_out_of_time) {
    prong_pool pool = make(method, 2);
    int code = 33, nap = 2000;
    is(prong_pool_run(pool, PRONG_TASK(refuse, code), NULL, PRONG_SECONDS(10)), PRONG_TASK_FAILED);
    says("code 33");
    says("no such thing");
    is(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), NULL, PRONG_MS(50)), PRONG_TIMEOUT);
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
    ok(prong_pool_submit(pool, &(prong_work){.task = square, .arguments = arguments, .count = COUNT}, &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    check(test_job_has_ended(job));
    ok(prong_job_wait(job, PRONG_NOWAIT));
    for (long i = 0; i < COUNT; i++) {
        ok(prong_job_outcome(job, (size_t)i, &outcome, PRONG_NOWAIT));
        equal(outcome.status, PRONG_OK);
        equal(*(long *)outcome.data, i * i);
    }
    is(prong_job_outcome(job, COUNT, &outcome, PRONG_NOWAIT), PRONG_INVALID);
    ok(prong_job_destroy(job));
    is(prong_job_destroy(job), PRONG_STALE);
    ok(prong_pool_submit(pool, &(prong_work){.task = square}, &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(async_jobs_can_be_waited_for_and_asked) {
    prong_pool pool = make(method, 2);
    int nap = 150;
    prong_job job;
    prong_progress progress;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    check(!test_job_has_ended(job));
    is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_job_wait(job, PRONG_MS(10)), PRONG_TIMEOUT);
    ok(prong_job_progress(job, &progress));
    check(progress.done == 0 && progress.total == 1);
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    check(test_job_has_ended(job));
    ok(prong_job_wait(job, PRONG_NOWAIT));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

struct waiter {
    prong_job job;
    bool for_one;
    prong_status status;
};

static void *wait_for_job(void *context) {
    struct waiter *waiter = context;
    prong_outcome outcome;
    waiter->status = waiter->for_one ? prong_job_outcome(waiter->job, 0, &outcome, PRONG_FOREVER)
                                     : prong_job_wait(waiter->job, PRONG_FOREVER);
    return NULL;
}

METHOD_TEST(a_wait_for_a_job_that_is_closed_ends_and_no_other_job_has_its_memory_before) {
    prong_pool pool = make(method, 1);
    int nap = 60000;
    prong_job blocker, other;
    pthread_t thread;
    struct timespec end;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &blocker, NULL));
    for (int for_one = 0; for_one < 2; for_one++) {
        struct waiter waiter = {.for_one = for_one};
        ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &waiter.job, NULL));
        check(pthread_create(&thread, NULL, wait_for_job, &waiter) == 0);
        test_sleep_ms(50); /* for it to wait */
        ok(prong_job_destroy(waiter.job));
        ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &other, NULL));
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 10;
        check(pthread_timedjoin_np(thread, NULL, &end) == 0);
        check(waiter.status == PRONG_STALE || waiter.status == (for_one ? PRONG_OK : PRONG_CANCELLED));
        ok(prong_job_destroy(other));
    }
    ok(prong_job_cancel(blocker, true));
    ok(prong_job_destroy(blocker));
    ok(prong_pool_destroy(pool));
}

/* --- typed maps --- */

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
                ok(prong_pool_run(pool, PRONG_MAP_N(twice, in[from], out[to], COUNT), &options, PRONG_SECONDS(10)));
                for (int i = 0; i < COUNT; i++) check(out[to][i] == 2 * i);
                memset(out[to], 0, COUNT * sizeof(double));
                ok(prong_pool_run(pool, PRONG_MAP_N(twice_range, in[from], out[to], COUNT), &options,
                                  PRONG_SECONDS(10)));
                for (int i = 0; i < COUNT; i++) check(out[to][i] == 2 * i);
            }
    ok(prong_pool_run(pool, PRONG_MAP_N(twice, in[0], out[0], 0), NULL, PRONG_SECONDS(10)));
    is(prong_pool_run(pool,
                      &(prong_work){.element = twice,
                                    .in = NULL,
                                    .in_size = sizeof(double),
                                    .count = 5,
                                    .out = out[0],
                                    .out_size = sizeof(double)},
                      NULL, PRONG_SECONDS(10)),
       PRONG_INVALID);
    int ints[100];
    is(prong_pool_run(pool, PRONG_MAP_N(narrow, in[0], ints, 100), &(prong_task_options){.chunk_size = 10},
                      PRONG_SECONDS(10)),
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
    ok(prong_pool_submit(pool, PRONG_MAP(twice, in, out), &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    for (int i = 0; i < COUNT; i++) check(out[i] == 2 * i);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

/* --- many at once --- */

static void *submit_many(void *context) {
    prong_pool pool = *(prong_pool *)context;
    for (long i = 0; i < 300; i++) {
        long squared;
        ok(prong_pool_run(pool, PRONG_APPLY(square, i, squared), NULL, PRONG_SECONDS(10)));
        equal(squared, i * i);
        double in[50], out[50];
        for (int k = 0; k < 50; k++) in[k] = (double)i + k;
        ok(prong_pool_run(pool, PRONG_MAP(twice, in, out), &(prong_task_options){.chunk_size = 9}, PRONG_SECONDS(10)));
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
    ok(prong_pool_run(pool, PRONG_MAP(twice, in, out), NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) sum += out[i];
    ok(prong_pool_destroy(pool));
    return prong_result_set(result, &sum, sizeof sum);
}

METHOD_TEST(a_worker_may_have_a_pool_of_its_own) {
    ok(prong_set_start_method((prong_start_method)method));
    prong_pool pool = make(method, 2);
    double sum;
    ok(prong_pool_run(pool,
                      &(prong_work){.task = use_a_pool_of_its_own, .count = 1, .out = &sum, .out_size = sizeof sum},
                      NULL, PRONG_SECONDS(15)));
    check(sum == 380);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
