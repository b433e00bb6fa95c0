/* How many workers a pool has: told, or adapted; and new ones in place of the old. */
#include "pool_test.h"

#include <signal.h>
#include <unistd.h>

static size_t workers_of(prong_pool pool, int *pids, size_t capacity) {
    prong_worker workers[64];
    size_t count;
    ok(prong_pool_workers(pool, workers, 64, &count, NULL));
    for (size_t i = 0; i < count && i < capacity; i++) pids[i] = workers[i].pid;
    for (size_t i = 0; i < count; i++)
        if (!workers[i].pid) return 0;
    return count;
}

static void wait_for_workers(prong_pool pool, size_t wanted) {
    for (int i = 0; i < 2000 && workers_of(pool, NULL, 0) != wanted; i++) test_sleep_ms(10);
    equal(workers_of(pool, NULL, 0), wanted);
}

static int meet(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    return prong_barrier_wait(*(prong_barrier *)argument, NULL, NULL, PRONG_SECONDS(20)) < 0;
}

/* So many tasks, none of which ends before all have begun. */
static void run_at_the_same_time(prong_pool pool, unsigned count) {
    prong_barrier barrier;
    prong_barrier all[16];
    ok(prong_barrier_create(&barrier, count, NULL));
    for (unsigned i = 0; i < count; i++) all[i] = barrier;
    ok(prong_pool_run(pool, &(prong_work){.task = meet, .in = all, .in_size = sizeof *all, .count = count}, NULL,
                      PRONG_SECONDS(30)));
    ok(prong_barrier_destroy(barrier));
}

static int wait_for_event(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    return prong_event_wait(*(prong_event *)argument, PRONG_SECONDS(20)) < 0;
}

/* Tasks that run until the event is set. */
static void begin_tasks(prong_pool pool, prong_event go, prong_job *jobs, int count) {
    for (int i = 0; i < count; i++) ok(prong_pool_submit(pool, PRONG_TASK(wait_for_event, go), &jobs[i], NULL));
    for (int running = 0; running < count; test_sleep_ms(1)) {
        prong_worker workers[64];
        size_t listed;
        ok(prong_pool_workers(pool, workers, 64, &listed, NULL));
        running = 0;
        for (size_t i = 0; i < listed; i++) running += workers[i].busy;
    }
}

static void end_tasks(prong_job *jobs, int count) {
    for (int i = 0; i < count; i++) {
        ok(prong_job_wait(jobs[i], PRONG_SECONDS(20)));
        ok(prong_job_destroy(jobs[i]));
    }
}

METHOD_TEST(a_pool_has_as_many_workers_as_it_is_told_to) {
    prong_pool pool = make(method, 2);
    run_at_the_same_time(pool, 2);
    ok(prong_pool_resize(pool, 5));
    run_at_the_same_time(pool, 5);
    ok(prong_pool_resize(pool, 1));
    wait_for_workers(pool, 1);
    run_at_the_same_time(pool, 1);
    ok(prong_pool_resize(pool, 3));
    run_at_the_same_time(pool, 3);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(who_is_too_many_ends_its_task_first) {
    prong_pool pool = make(method, 4);
    prong_event go;
    prong_job jobs[4];
    ok(prong_event_create(&go, NULL));
    begin_tasks(pool, go, jobs, 4);
    ok(prong_pool_resize(pool, 1));
    test_sleep_ms(20);
    equal(workers_of(pool, NULL, 0), 4);
    ok(prong_event_set(go));
    end_tasks(jobs, 4);
    wait_for_workers(pool, 1);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(go));
    test_arena_is_clean(0);
}

static int resize_to_three(void *argument, size_t size) {
    (void)size;
    return prong_pool_resize(*(prong_pool *)argument, 3) < 0;
}

METHOD_TEST(any_member_may_resize) {
    prong_pool pool = make(method, 1);
    prong_process process;
    ok(prong_process_create(&process, &(prong_process_options){.target = resize_to_three,
                                                               .argument = &pool,
                                                               .argument_size = sizeof pool,
                                                               .method = (prong_start_method)method}));
    ok(prong_process_start(process));
    equal(test_end(process), 0);
    run_at_the_same_time(pool, 3);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_killed_worker_of_a_resized_pool_is_replaced) {
    prong_pool pool = make(method, 1);
    int pids[3];
    ok(prong_pool_resize(pool, 3));
    wait_for_workers(pool, 3);
    workers_of(pool, pids, 3);
    check(kill(pids[2], SIGKILL) == 0);
    run_at_the_same_time(pool, 3);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

TEST(sizes_that_cannot_be) {
    prong_pool pool = make(PRONG_START_FORK, 1);
    is(prong_pool_resize(pool, 0), PRONG_INVALID);
    is(prong_pool_resize(pool, 65), PRONG_INVALID);
    says("places for 64 (processes_most)");
    ok(prong_pool_shutdown(pool));
    is(prong_pool_resize(pool, 2), PRONG_NOT_RUNNING);
    is(prong_pool_replace_workers(pool, PRONG_SECONDS(5)), PRONG_NOT_RUNNING);
    ok(prong_pool_destroy(pool));
    is(prong_pool_resize(pool, 2), PRONG_STALE);
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = 3, .processes_most = 2}), PRONG_INVALID);
    says("less than processes (3)");
    is(prong_pool_create(&pool, &(prong_pool_options){.processes_most = 1 << 20}), PRONG_INVALID);
    is(prong_pool_create(&pool, &(prong_pool_options){.idle_time = -1}), PRONG_INVALID);
}

/* --- one that adapts itself --- */

METHOD_TEST(a_pool_grows_where_tasks_wait_and_shrinks_when_there_are_fewer) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .processes_most = 4,
                                                      .idle_time = PRONG_MS(100),
                                                      .method = (prong_start_method)method}));
    equal(workers_of(pool, NULL, 0), 1);
    for (int i = 0; i < 2; i++) {
        run_at_the_same_time(pool, 4);
        wait_for_workers(pool, 1);
    }
    ok(prong_pool_resize(pool, 2));
    run_at_the_same_time(pool, 4);
    wait_for_workers(pool, 2);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_pool_that_was_shut_down_grows_for_what_is_left) {
    prong_pool pool;
    prong_barrier barrier;
    prong_job job;
    prong_barrier all[4];
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .processes_most = 4,
                                                      .idle_time = PRONG_SECONDS(60),
                                                      .method = (prong_start_method)method}));
    ok(prong_barrier_create(&barrier, 4, NULL));
    for (int i = 0; i < 4; i++) all[i] = barrier;
    ok(prong_pool_submit(pool, &(prong_work){.task = meet, .in = all, .in_size = sizeof *all, .count = 4}, &job, NULL));
    ok(prong_pool_shutdown(pool));
    ok(prong_job_wait(job, PRONG_SECONDS(30)));
    ok(prong_pool_join(pool, PRONG_SECONDS(30)));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    ok(prong_barrier_destroy(barrier));
    test_arena_is_clean(0);
}

static int begin_slowly(void *argument, size_t size) {
    (void)argument;
    (void)size;
    test_sleep_ms(300);
    return 0;
}

METHOD_TEST(workers_that_begin_more_slowly_than_idle_time_are_not_given_up) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .processes_most = 3,
                                                      .idle_time = PRONG_MS(40),
                                                      .initializer = begin_slowly,
                                                      .method = (prong_start_method)method}));
    run_at_the_same_time(pool, 3);
    wait_for_workers(pool, 1);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_pool_keeps_the_workers_that_it_uses) {
    prong_pool pool;
    prong_event go;
    prong_job jobs[3];
    ok(prong_event_create(&go, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .processes_most = 4,
                                                      .idle_time = PRONG_MS(20),
                                                      .method = (prong_start_method)method}));
    begin_tasks(pool, go, jobs, 3);
    test_sleep_ms(200);
    equal(workers_of(pool, NULL, 0), 3);
    ok(prong_event_set(go));
    end_tasks(jobs, 3);
    wait_for_workers(pool, 1);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(go));
    test_arena_is_clean(0);
}

/* --- new workers --- */

static bool any_in_both(const int *some, const int *others, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            if (some[i] == others[k]) return true;
    return false;
}

METHOD_TEST(all_workers_are_replaced_and_no_task_is_lost) {
    enum { NAPS = 300 };
    prong_pool pool = make(method, 3);
    int before[3], after[3], naps[NAPS];
    prong_job job;
    wait_for_workers(pool, 3);
    workers_of(pool, before, 3);
    for (int i = 0; i < NAPS; i++) naps[i] = 1;
    ok(prong_pool_submit(pool, &(prong_work){.task = sleep_ms, .in = naps, .in_size = sizeof *naps, .count = NAPS},
                         &job, NULL));
    for (int i = 0; i < 3; i++) ok(prong_pool_replace_workers(pool, PRONG_SECONDS(30)));
    equal(workers_of(pool, after, 3), 3);
    check(!any_in_both(before, after, 3));
    ok(prong_job_wait(job, PRONG_SECONDS(30)));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_busy_worker_is_waited_for_and_one_that_is_killed_is_not) {
    prong_pool pool = make(method, 2);
    prong_event go;
    prong_job jobs[2];
    int before[2], after[2];
    ok(prong_event_create(&go, NULL));
    begin_tasks(pool, go, jobs, 2);
    workers_of(pool, before, 2);
    is(prong_pool_replace_workers(pool, PRONG_MS(50)), PRONG_TIMEOUT);
    says("are to be replaced");
    check(kill(before[0], SIGKILL) == 0);
    ok(prong_event_set(go));
    for (int i = 0; i < 2; i++) {
        (void)!prong_job_wait(jobs[i], PRONG_SECONDS(20));
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_pool_replace_workers(pool, PRONG_SECONDS(30)));
    equal(workers_of(pool, after, 2), 2);
    check(!any_in_both(before, after, 2));
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(go));
    test_arena_is_clean(0);
}

static int replace_own(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    return prong_pool_replace_workers(*(prong_pool *)argument, PRONG_SECONDS(10)) == PRONG_DEADLOCK ? 0 : 1;
}

METHOD_TEST(a_worker_does_not_wait_for_its_own_end) {
    prong_pool pool = make(method, 1);
    ok(prong_pool_run(pool, PRONG_TASK(replace_own, pool), NULL, PRONG_SECONDS(20)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
