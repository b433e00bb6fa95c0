/* Functions that run once in each worker: prong_pool_everywhere. */
#include "pool_test.h"

#include <unistd.h>

/* What the functions and tasks of these tests tell of a worker: in which order what has run. */
static long digits;

static int append(void *argument, size_t size) {
    check(size == sizeof(long));
    digits = 10 * digits + *(long *)argument;
    return 0;
}

struct told {
    long digits, place;
    pid_t pid;
};

static int tell(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size;
    struct told told = {digits, prong_worker_place(), getpid()};
    test_sleep_ms(2);
    return prong_result_set(result, &told, sizeof told);
}

static prong_status everywhere(prong_pool pool, prong_target *target, long number, prong_time timeout) {
    return prong_pool_everywhere(
        pool, &(prong_everywhere){.target = target, .argument = &number, .argument_size = sizeof number}, timeout);
}

enum { TOLD = 20 };

static void all_tell(prong_pool pool, struct told *told) {
    prong_work work = {.task = tell, .count = TOLD, .out = told, .out_size = sizeof *told};
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(20)));
}

static void all_have(prong_pool pool, long wanted) {
    struct told told[TOLD];
    all_tell(pool, told);
    for (int i = 0; i < TOLD; i++) equal(told[i].digits, wanted);
}

METHOD_TEST(it_runs_once_in_each_worker_in_order) {
    prong_pool pool = make(method, 3);
    ok(everywhere(pool, append, 1, PRONG_SECONDS(20)));
    all_have(pool, 1);
    ok(everywhere(pool, append, 2, PRONG_SECONDS(20)));
    ok(everywhere(pool, append, 3, PRONG_SECONDS(20)));
    all_have(pool, 123);
    ok(prong_pool_destroy(pool));
}

static int begin_with_seven(void *argument, size_t size) {
    (void)argument, (void)size;
    digits = 7;
    return 0;
}

METHOD_TEST(a_later_worker_runs_it_before_its_first_task) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .method = (prong_start_method)method,
                                                      .initializer = begin_with_seven,
                                                      .maxtasksperchild = 2}));
    ok(everywhere(pool, append, 1, PRONG_SECONDS(20)));
    ok(everywhere(pool, append, 2, PRONG_SECONDS(20)));
    all_have(pool, 712);
    all_have(pool, 712);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(a_worker_that_is_killed_has_its_successor_run_it) {
    prong_pool pool = make(method, 2);
    struct told told[TOLD];
    ok(everywhere(pool, append, 4, PRONG_SECONDS(20)));
    all_tell(pool, told);
    ok(kill(told[0].pid, SIGKILL));
    ok(everywhere(pool, append, 5, PRONG_SECONDS(20)));
    all_have(pool, 45);
    ok(prong_pool_destroy(pool));
}

/* --- workers that are busy, and functions that go wrong --- */

METHOD_TEST(a_busy_worker_runs_it_after_its_task) {
    prong_pool pool = make(method, 1);
    int busy = 300;
    prong_job job;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, busy), &job, NULL));
    while (true) {
        prong_worker worker;
        ok(prong_pool_workers(pool, &worker, 1, NULL, NULL));
        if (worker.busy) break;
        test_sleep_ms(1);
    }
    is(everywhere(pool, append, 8, PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(everywhere(pool, append, 9, PRONG_SECONDS(20)));
    ok(prong_job_wait(job, PRONG_NOWAIT));
    all_have(pool, 89);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

static int return_it(void *argument, size_t size) {
    (void)size;
    return (int)*(long *)argument;
}

METHOD_TEST(a_failure_is_told_with_its_code_and_place) {
    prong_pool pool = make(method, 1);
    is(everywhere(pool, return_it, 6, PRONG_SECONDS(20)), PRONG_TASK_FAILED);
    says("the function returned 6 in worker 0");
    ok(everywhere(pool, append, 1, PRONG_SECONDS(20)));
    all_have(pool, 1);
    is(prong_pool_everywhere(pool, &(prong_everywhere){.name = "no_such_library.so:f"}, PRONG_SECONDS(20)),
       PRONG_TASK_FAILED);
    ok(prong_pool_destroy(pool));
}

struct once {
    prong_shared_value count;
    long deaths;
};

static int die_so_often(void *argument, size_t size) {
    const struct once *once = argument;
    long count = 0;
    (void)size;
    ok(prong_shared_value_add(once->count, 0, 1, &count));
    if (count < once->deaths) raise(SIGKILL);
    digits = 1;
    return 0;
}

static prong_status die_everywhere(prong_pool pool, long deaths) {
    struct once once = {.deaths = deaths};
    ok(prong_shared_value_create(&once.count, PRONG_TYPE_OF(long), 1, NULL, NULL));
    return prong_pool_everywhere(
        pool, &(prong_everywhere){.target = die_so_often, .argument = &once, .argument_size = sizeof once},
        PRONG_SECONDS(20));
}

METHOD_TEST(a_worker_that_dies_of_it_has_its_successor_run_it) {
    prong_pool pool = make(method, 2);
    ok(die_everywhere(pool, 2));
    all_have(pool, 1);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(a_function_that_kills_every_worker_breaks_the_pool) {
    prong_pool pool = make(method, 2);
    is(die_everywhere(pool, 1000), PRONG_POOL_BROKEN);
    is(everywhere(pool, append, 1, PRONG_SECONDS(20)), PRONG_POOL_BROKEN);
    ok(prong_pool_destroy(pool));
}

static prong_pool pool_of_task;

static int call_it(void *argument, size_t size, prong_result *result) {
    (void)size;
    prong_status status = everywhere(*(prong_pool *)argument, append, 1, PRONG_SECONDS(20));
    return prong_result_set(result, &status, sizeof status);
}

METHOD_TEST(a_worker_cannot_wait_for_itself_but_for_another_pool) {
    prong_pool pool = make(method, 1), other = make(method, 2);
    prong_status status = PRONG_OK;
    prong_work work = {
        .task = call_it, .in = &pool, .in_size = sizeof pool, .count = 1, .out = &status, .out_size = sizeof status};
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(20)));
    is(status, PRONG_DEADLOCK);
    work.in = &other;
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(20)));
    ok(status);
    all_have(other, 1);
    ok(prong_pool_destroy(pool));
    ok(prong_pool_destroy(other));
}

TEST(everywhere_in_a_pool_without_workers_runs_it_here) {
    ok(prong_pool_create(&pool_of_task, &(prong_pool_options){.processes = PRONG_INLINE}));
    digits = 0;
    ok(everywhere(pool_of_task, append, 3, PRONG_SECONDS(5)));
    equal(digits, 3);
    is(everywhere(pool_of_task, return_it, 3, PRONG_SECONDS(5)), PRONG_TASK_FAILED);
    ok(prong_pool_shutdown(pool_of_task));
    is(everywhere(pool_of_task, append, 3, PRONG_SECONDS(5)), PRONG_NOT_RUNNING);
    ok(prong_pool_destroy(pool_of_task));
    digits = 0;
}

TEST(everywhere_refuses_what_makes_no_sense) {
    prong_pool pool = make(PRONG_START_FORK, 1);
    is(prong_pool_everywhere(pool, NULL, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_pool_everywhere(pool, &(prong_everywhere){0}, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_pool_everywhere(pool, &(prong_everywhere){.target = append, .name = "x:y"}, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_pool_everywhere(pool, &(prong_everywhere){.target = append, .argument_size = 3}, PRONG_NOWAIT),
       PRONG_INVALID);
    ok(prong_pool_shutdown(pool));
    is(everywhere(pool, append, 1, PRONG_SECONDS(5)), PRONG_NOT_RUNNING);
    ok(prong_pool_destroy(pool));
    is(everywhere(pool, append, 1, PRONG_SECONDS(5)), PRONG_STALE);
}
