/* The life of a pool: its options and workers, and how it ends. */
#define _GNU_SOURCE
#include "pool_test.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

static int worker_pid(void *argument, size_t size, prong_result *result) {
    int pid = getpid();
    (void)argument;
    (void)size;
    return prong_result_set(result, &pid, sizeof pid);
}

METHOD_TEST(workers_are_replaced_after_maxtasksperchild) {
    prong_pool pool;
    int pids[10], pid;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .maxtasksperchild = 3, .method = method}));
    for (int i = 0; i < 10; i++)
        ok(prong_pool_run(pool, &(prong_work){.task = worker_pid, .count = 1, .out = &pids[i], .out_size = sizeof pid},
                          NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 10; i++) check((pids[i] == pids[0]) == (i < 3));
    uint64_t deaths;
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    equal(deaths, 0);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_closed_pool_finishes_what_it_has_and_takes_no_more) {
    prong_pool pool = make(method, 2);
    prong_job jobs[20];
    int nap = 20;
    for (int i = 0; i < 20; i++) ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &jobs[i], NULL));
    is(prong_pool_join(pool, PRONG_NOWAIT), PRONG_STILL_RUNNING);
    ok(prong_pool_shutdown(pool));
    is(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), NULL, PRONG_NOWAIT), PRONG_NOT_RUNNING);
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) {
        ok(prong_job_wait(jobs[i], PRONG_NOWAIT));
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_pool_destroy(pool));
    is(prong_pool_shutdown(pool), PRONG_STALE);
    test_arena_is_clean(0);
}

TEST(workers_with_nothing_to_do_sleep_while_a_closed_pool_finishes) {
    prong_pool pool = make(PRONG_START_FORK, 3);
    prong_job job;
    struct rusage before, after;
    int nap = 2000;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    getrusage(RUSAGE_CHILDREN, &before);
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    getrusage(RUSAGE_CHILDREN, &after);
    long us =
        (after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec - before.ru_stime.tv_sec) * 1000000L +
        after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec - before.ru_stime.tv_usec;
    check(us < 100000);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(terminate_ends_it_at_once) {
    prong_pool pool = make(method, 2);
    prong_job jobs[10];
    int nap = 20000;
    for (int i = 0; i < 10; i++) ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &jobs[i], NULL));
    test_sleep_ms(30);
    int64_t before = test_now();
    ok(prong_pool_terminate(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    check(test_now() - before < PRONG_SECONDS(5));
    for (int i = 0; i < 10; i++) {
        is(prong_job_wait(jobs[i], PRONG_NOWAIT), PRONG_CANCELLED);
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_pool_left_running_ends_with_its_owner) {
    prong_pool pool = make(method, 2);
    int nap = 20000;
    prong_job job;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
}

static int begin_well(void *argument, size_t size) {
    (void)argument;
    return size != 0;
}

METHOD_TEST(workers_have_the_pools_name_and_begin_without_limit) {
    prong_pool pool;
    prong_process workers[4];
    size_t count;
    prong_process_state state;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .method = (prong_start_method)method,
                                                      .name = "a-name-of-thirty-one-characters",
                                                      .initializer = begin_well,
                                                      .initializer_time_limit = PRONG_FOREVER}));
    ok(prong_active_children(workers, 4, &count));
    equal(count, 1);
    ok(prong_process_get_state(workers[0], &state));
    check(strcmp(state.name, "a-name-of-thirty-one-characters-1") == 0);
    long four = 4, got;
    ok(prong_pool_run(pool, PRONG_APPLY(square, four, got), NULL, PRONG_SECONDS(10)));
    equal(got, 16);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(wrong_options_are_named) {
    prong_pool pool;
    prong_job job;
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = 1000000}), PRONG_INVALID);
    says("1000000");
    is(prong_pool_create(&pool, &(prong_pool_options){.initializer_size = 4}), PRONG_INVALID);
    is(prong_pool_create(NULL, NULL), PRONG_INVALID);
    is(prong_pool_create(&pool, &(prong_pool_options){.name = "a-name-of-thirty-two-characters-"}), PRONG_INVALID);
    says("the name has more than");
    is(prong_pool_create(&pool, &(prong_pool_options){.method = (prong_start_method)9}), PRONG_INVALID);
    says("start method 9 is none");
    is(prong_pool_create(&pool, &(prong_pool_options){.initializer = begin_well, .initializer_name = ":begin"}),
       PRONG_INVALID);
    says("both an initializer and a name (':begin')");
    pool = make(method, 1);
    is(prong_pool_submit(pool, &(prong_work){.count = 1}, &job, NULL), PRONG_INVALID);
    is(prong_pool_submit(pool, &(prong_work){.task = square, .in = NULL, .in_size = 8, .count = 1}, &job, NULL),
       PRONG_INVALID);
    is(prong_pool_submit(pool, &(prong_work){.task = square, .count = 1}, &job, &(prong_task_options){.retries = 300}),
       PRONG_INVALID);
    is(prong_pool_submit((prong_pool){64, 5}, &(prong_work){.task = square, .count = 1}, &job, NULL), PRONG_STALE);
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
    ok(prong_pool_workers(pool, NULL, 0, &count, NULL));
    equal(count, 1);
    ok(prong_pool_destroy(pool));
}
