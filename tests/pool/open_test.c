/* Open jobs: tasks that are added, and what is done to one of them alone. */
#include "pool_test.h"

#include <signal.h>
#include <stdatomic.h>

enum { CAPACITY = 100 };

static prong_task_options open_for(size_t capacity) {
    return (prong_task_options){.capacity = capacity};
}

static prong_job open_job(prong_pool pool, prong_task *task, size_t capacity, unsigned retries) {
    prong_job job;
    ok(prong_pool_submit(pool, &(prong_work){.task = task}, &job,
                         &(prong_task_options){.capacity = capacity, .retries = retries}));
    return job;
}

static size_t add(prong_job job, const void *argument, size_t size) {
    size_t index = 0;
    ok(prong_job_add(job, argument, size, &index));
    return index;
}

static prong_outcome outcome_of(prong_job job, size_t index) {
    prong_outcome outcome;
    ok(prong_job_outcome(job, index, &outcome, PRONG_SECONDS(15)));
    equal(outcome.index, index);
    return outcome;
}

static void end(prong_job job, prong_pool pool) {
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

static int echo(void *argument, size_t size, prong_result *result) {
    return prong_result_set(result, argument, size);
}

METHOD_TEST(a_task_that_is_added_runs_though_others_may_follow) {
    static char bytes[CAPACITY][5000]; /* from nothing to more than there is room for beside the job */
    prong_pool pool = make(method, 2);
    prong_job job = open_job(pool, echo, CAPACITY, 0);
    prong_progress progress;
    size_t index;
    for (size_t i = 0; i < CAPACITY; i++) {
        memset(bytes[i], (int)i + 1, sizeof bytes[i]);
        equal(add(job, bytes[i], i * 50), i);
        if (i % 10) continue;
        prong_outcome outcome = outcome_of(job, i);
        check(outcome.status == PRONG_OK && outcome.size == i * 50);
    }
    is(prong_job_add(job, "x", 1, &index), PRONG_FULL);
    says("100 tasks");
    ok(prong_job_wait(job, PRONG_SECONDS(15))); /* full: nothing more will come */
    for (size_t i = 0; i < CAPACITY; i++) {
        prong_outcome outcome = outcome_of(job, i);
        check(outcome.size == i * 50 && (i == 0 || memcmp(outcome.data, bytes[i], outcome.size) == 0));
    }
    ok(prong_job_progress(job, &progress));
    check(progress.ended && progress.done == CAPACITY && progress.total == CAPACITY);
    end(job, pool);
    test_arena_is_clean(0);
}

METHOD_TEST(it_ends_when_it_was_shut_down_and_its_tasks_have_ended) {
    prong_pool pool = make(method, 2);
    long numbers[2] = {3, 4};
    prong_job job;
    size_t index;
    prong_task_options options = open_for(10);
    ok(prong_pool_submit(pool, &(prong_work){.task = square, .in = numbers, .in_size = sizeof *numbers, .count = 2},
                         &job, &options));
    equal(add(job, &numbers[1], sizeof numbers[1]), 2);
    equal(*(long *)outcome_of(job, 0).data, 9);
    equal(*(long *)outcome_of(job, 2).data, 16);
    is(prong_job_wait(job, PRONG_MS(1)), PRONG_TIMEOUT);
    ok(prong_job_shutdown(job));
    ok(prong_job_wait(job, PRONG_SECONDS(15)));
    is(prong_job_add(job, &numbers[0], sizeof numbers[0], &index), PRONG_SHUTDOWN);
    ok(prong_job_shutdown(job));
    end(job, pool);
    test_arena_is_clean(0);
}

TEST(what_goes_with_no_capacity_is_refused) {
    prong_pool pool = make(PRONG_START_FORK, 1);
    long number = 3, squared;
    double one = 1;
    prong_job job;
    size_t index;
    prong_task_options options = open_for(1);
    is(prong_pool_submit(pool, &(prong_work){.task = square, .in = "ab", .in_size = 1, .count = 2}, &job, &options),
       PRONG_INVALID);
    says("a capacity of 1, for 2 tasks");
    is(prong_pool_submit(pool, &(prong_work){.element = twice, .in = &one, .in_size = sizeof one, .count = 1}, &job,
                         &options),
       PRONG_INVALID);
    is(prong_pool_submit(pool, PRONG_APPLY(square, number, squared), &job, &options), PRONG_INVALID);
    is(prong_pool_run(pool, PRONG_TASK(square, number), &options, PRONG_SECONDS(5)), PRONG_INVALID);
    ok(prong_pool_submit(pool, PRONG_TASK(square, number), &job, NULL));
    is(prong_job_add(job, &number, sizeof number, &index), PRONG_INVALID);
    says("without a capacity");
    is(prong_job_cancel_task(job, 1, false), PRONG_INVALID);
    end(job, pool);
    is(prong_job_add(job, &number, sizeof number, &index), PRONG_STALE);
    test_arena_is_clean(0);
}

METHOD_TEST(it_ends_with_its_pool_if_that_is_shut_down) {
    prong_pool pool = make(method, 2);
    long number = 5;
    size_t index;
    prong_job job = open_job(pool, square, 8, 0);
    add(job, &number, sizeof number);
    ok(prong_pool_shutdown(pool));
    ok(prong_job_wait(job, PRONG_SECONDS(15)));
    equal(*(long *)outcome_of(job, 0).data, 25);
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    check(prong_job_add(job, &number, sizeof number, &index) < 0);
    end(job, pool);
    pool = make(PRONG_START_FORK, PRONG_INLINE);
    job = open_job(pool, square, 8, 0);
    add(job, &number, sizeof number);
    ok(prong_pool_shutdown(pool));
    ok(prong_job_wait(job, PRONG_SECONDS(15)));
    end(job, pool);
    test_arena_is_clean(0);
}

static prong_job inline_job;

static int cancel_itself(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size;
    if (prong_job_cancel_task(inline_job, 0, false) < 0) return 1;
    return prong_result_set(result, "x", 1);
}

static int destroy_its_job(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size, (void)result;
    return prong_job_destroy(inline_job);
}

/* The next jobs are made where those were. */
METHOD_TEST(a_job_whose_tasks_were_all_cancelled_leaves_the_pools_list) {
    prong_pool pool = make(method, 1);
    prong_job blocker, jobs[3];
    int nap = 300;
    long number = 7;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &blocker, NULL));
    for (int i = 0; i < 3; i++) {
        ok(prong_pool_submit(pool, PRONG_TASK(square, number), &jobs[i], NULL));
        ok(prong_job_cancel_task(jobs[i], 0, false));
        is(prong_job_wait(jobs[i], PRONG_SECONDS(15)), PRONG_CANCELLED);
    }
    for (int i = 0; i < 3; i++) ok(prong_job_destroy(jobs[i]));
    ok(prong_family_trim()); /* their memory is used again at once */
    for (int i = 0; i < 3; i++) ok(prong_pool_submit(pool, PRONG_TASK(square, number), &jobs[i], NULL));
    for (int i = 0; i < 3; i++) {
        ok(prong_job_wait(jobs[i], PRONG_SECONDS(15)));
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_job_wait(blocker, PRONG_SECONDS(15)));
    end(blocker, pool);
    test_arena_is_clean(0);
}

TEST(a_task_without_workers_may_cancel_itself_or_destroy_its_job) {
    prong_pool pool = make(PRONG_START_FORK, PRONG_INLINE);
    size_t index;
    inline_job = open_job(pool, cancel_itself, 2, 0);
    add(inline_job, NULL, 0);
    ok(prong_job_shutdown(inline_job));
    ok(prong_job_wait(inline_job, PRONG_SECONDS(15)));
    equal(outcome_of(inline_job, 0).status, PRONG_OK);
    ok(prong_job_destroy(inline_job));
    inline_job = open_job(pool, destroy_its_job, 2, 0);
    ok(prong_job_add(inline_job, NULL, 0, &index));
    is(prong_job_wait(inline_job, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- one task of several --- */

struct turn {
    prong_event go;
    int number;
};

static int wait_for_turn(void *argument, size_t size, prong_result *result) {
    const struct turn *turn = argument;
    (void)size;
    if (turn->number == 0) ok(prong_event_wait(turn->go, PRONG_SECONDS(20)));
    return prong_result_set(result, &turn->number, sizeof turn->number);
}

METHOD_TEST(one_that_has_not_begun_is_cancelled_alone) {
    prong_pool pool = make(method, 1);
    struct turn turn = {.number = 0};
    ok(prong_event_create(&turn.go, NULL));
    prong_job job = open_job(pool, wait_for_turn, 8, 0);
    for (; turn.number < 6; turn.number++) add(job, &turn, sizeof turn);
    ok(prong_job_cancel_task(job, 1, true));
    ok(prong_job_cancel_task(job, 3, false));
    ok(prong_job_cancel_task(job, 5, false));
    equal(outcome_of(job, 3).status, PRONG_CANCELLED); /* while the first still runs */
    ok(prong_event_set(turn.go));
    for (size_t i = 0; i < 6; i++) equal(outcome_of(job, i).status, i % 2 ? PRONG_CANCELLED : PRONG_OK);
    equal(add(job, &turn, sizeof turn), 6);
    equal(outcome_of(job, 6).status, PRONG_OK);
    ok(prong_job_cancel_task(job, 6, true)); /* it has ended */
    equal(outcome_of(job, 6).status, PRONG_OK);
    ok(prong_job_shutdown(job));
    is(prong_job_wait(job, PRONG_SECONDS(15)), PRONG_CANCELLED);
    says("task 1 was cancelled");
    ok(prong_event_destroy(turn.go));
    end(job, pool);
    test_arena_is_clean(0);
}

METHOD_TEST(the_rest_is_cancelled_where_some_were_before) {
    prong_pool pool = make(method, 1);
    prong_progress progress;
    struct turn turn = {.number = 0};
    ok(prong_event_create(&turn.go, NULL));
    prong_job job = open_job(pool, wait_for_turn, 8, 0);
    for (; turn.number < 6; turn.number++) add(job, &turn, sizeof turn);
    for (size_t i = 2; i < 4; i++) ok(prong_job_cancel_task(job, i, false));
    ok(prong_event_set(turn.go));
    ok(prong_job_cancel(job, true));
    is(prong_job_wait(job, PRONG_SECONDS(15)), PRONG_CANCELLED);
    ok(prong_job_progress(job, &progress));
    check(progress.done == 6 && progress.total == 6);
    is(prong_job_add(job, &turn, sizeof turn, &(size_t){0}), PRONG_CANCELLED);
    ok(prong_event_destroy(turn.go));
    end(job, pool);
    test_arena_is_clean(0);
}

METHOD_TEST(one_that_runs_is_cancelled_by_force_alone) {
    prong_pool pool = make(method, 2);
    int naps[3] = {30000, 300, 1};
    prong_job job = open_job(pool, sleep_ms, 3, 0);
    for (int i = 0; i < 3; i++) add(job, &naps[i], sizeof naps[i]);
    equal(outcome_of(job, 2).status, PRONG_OK); /* the first two run, or have */
    ok(prong_job_cancel_task(job, 0, false));
    is(prong_job_outcome(job, 0, &(prong_outcome){0}, PRONG_MS(1)), PRONG_TIMEOUT);
    ok(prong_job_cancel_task(job, 0, true));
    equal(outcome_of(job, 0).status, PRONG_CANCELLED);
    equal(outcome_of(job, 1).status, PRONG_OK);
    end(job, pool);
    test_arena_is_clean(0);
}

/* --- deaths --- */

struct death {
    prong_event go;
    prong_barrier all;
    prong_shared_value tries;
};

static int begin_when_set(void *argument, size_t size) {
    (void)size;
    return prong_event_wait(*(prong_event *)argument, PRONG_SECONDS(20));
}

static int die_once(void *argument, size_t size, prong_result *result) {
    const struct death *death = argument;
    int64_t before;
    (void)size;
    (void)result;
    ok(prong_event_clear(death->go)); /* who comes in this one's place begins later */
    ok(prong_shared_value_add(death->tries, 0, 1, &before));
    if (before >= 3) return 0;
    ok(prong_barrier_wait(death->all, NULL, NULL, PRONG_SECONDS(20)));
    raise(SIGKILL);
    return 0;
}

static void wait_for_deaths(prong_pool pool, uint64_t wanted) {
    uint64_t deaths = 0;
    for (int i = 0; i < 3000 && deaths < wanted; i++, test_sleep_ms(5))
        ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    equal(deaths, wanted);
}

/* Three wait to be run again: the one in the middle and the last are taken out. */
METHOD_TEST(one_that_waits_to_be_run_again_is_cancelled_alone) {
    prong_pool pool;
    struct death death;
    ok(prong_event_create(&death.go, NULL));
    ok(prong_event_set(death.go));
    ok(prong_barrier_create(&death.all, 3, NULL));
    ok(prong_shared_value_create(&death.tries, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 3,
                                                      .method = (prong_start_method)method,
                                                      .initializer = begin_when_set,
                                                      .initializer_argument = &death.go,
                                                      .initializer_size = sizeof death.go}));
    for (int ready = 0; ready < 3; ready++) /* all three have begun, before one of them clears the event */
        ok(prong_pool_run(
            pool, &(prong_work){.task = sleep_ms, .in = (int[]){30, 30, 30}, .in_size = sizeof(int), .count = 3}, NULL,
            PRONG_SECONDS(15)));
    prong_job job = open_job(pool, die_once, 4, 2);
    for (int i = 0; i < 3; i++) add(job, &death, sizeof death);
    wait_for_deaths(pool, 3);
    ok(prong_job_cancel_task(job, 1, false));
    ok(prong_job_cancel_task(job, 2, false));
    equal(outcome_of(job, 1).status, PRONG_CANCELLED);
    equal(outcome_of(job, 2).status, PRONG_CANCELLED);
    equal(add(job, &death, sizeof death), 3);
    ok(prong_event_set(death.go));
    equal(outcome_of(job, 0).status, PRONG_OK);
    equal(outcome_of(job, 0).tries, 2);
    equal(outcome_of(job, 3).status, PRONG_OK);
    end(job, pool);
    ok(prong_barrier_destroy(death.all));
    ok(prong_shared_value_destroy(death.tries));
    ok(prong_event_destroy(death.go));
    test_arena_is_clean(0);
}

static int die_if_odd(void *argument, size_t size, prong_result *result) {
    if (*(int *)argument % 2) raise(SIGKILL);
    return prong_result_set(result, argument, size);
}

METHOD_TEST(a_worker_that_dies_fails_the_one_task_that_it_ran) {
    prong_pool pool = make(method, 2);
    prong_job job = open_job(pool, die_if_odd, 6, 0);
    for (int i = 0; i < 6; i++) add(job, &i, sizeof i);
    for (size_t i = 0; i < 6; i++) equal(outcome_of(job, i).status, i % 2 ? PRONG_WORKER_DIED : PRONG_OK);
    end(job, pool);
    test_arena_is_clean(0);
}

static void start(prong_process *process, int method, prong_target *target, const void *argument, size_t size) {
    ok(prong_process_create(process, &(prong_process_options){.method = (prong_start_method)method,
                                                              .target = target,
                                                              .argument = argument,
                                                              .argument_size = size}));
    ok(prong_process_start(*process));
}

static int submit_and_die(void *argument, size_t size) {
    prong_job job = open_job(*(prong_pool *)argument, sleep_ms, 20, 0);
    (void)size;
    for (int i = 0; i < 10; i++) add(job, &(int){5}, sizeof(int));
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(what_a_process_that_dies_has_opened_is_freed) {
    prong_pool pool = make(method, 2);
    prong_process process;
    long number = 7;
    start(&process, method, submit_and_die, &pool, sizeof pool);
    ok(prong_process_join(process, PRONG_SECONDS(15)));
    ok(prong_process_destroy(process));
    ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int add_to_anothers(void *argument, size_t size) {
    size_t index;
    (void)size;
    is(prong_job_add(*(prong_job *)argument, "x", 1, &index), PRONG_NOT_OWNER);
    return 0;
}

METHOD_TEST(another_process_may_wait_for_it_and_adds_nothing) {
    prong_pool pool = make(method, 1);
    prong_job job = open_job(pool, echo, 4, 0);
    prong_process process;
    int code;
    start(&process, method, add_to_anothers, &job, sizeof job);
    ok(prong_process_join(process, PRONG_SECONDS(15)));
    ok(prong_process_exitcode(process, &code));
    equal(code, 0);
    ok(prong_process_destroy(process));
    end(job, pool);
    test_arena_is_clean(0);
}

/* --- the pool's end --- */

METHOD_TEST(a_pool_that_ends_takes_none_and_ends_those_that_wait) {
    prong_pool pool = make(method, 1);
    size_t index;
    prong_job job = open_job(pool, sleep_ms, 20, 0), other = open_job(pool, echo, 20, 0);
    for (int i = 0; i < 5; i++) add(job, &(int){20}, sizeof(int));
    ok(prong_pool_shutdown(pool));
    is(prong_job_add(job, "x", 1, &index), PRONG_NOT_RUNNING);
    for (size_t i = 0; i < 5; i++) equal(outcome_of(job, i).status, PRONG_OK);
    ok(prong_pool_join(pool, PRONG_SECONDS(15))); /* an open job keeps no worker */
    ok(prong_pool_terminate(pool));
    check(prong_job_add(other, "x", 1, &index) < 0);
    ok(prong_job_destroy(other));
    end(job, pool);
    is(prong_job_add(job, "x", 1, &index), PRONG_STALE);
    test_arena_is_clean(0);
}

/* --- memory --- */

METHOD_TEST(a_result_is_freed_before_its_job) {
    static char large[100000];
    prong_pool pool = make(method, 2);
    prong_family_state before, after;
    prong_job job = open_job(pool, echo, 8, 0);
    for (int i = 0; i < 6; i++) add(job, large, sizeof large);
    for (size_t i = 0; i < 6; i++) equal(outcome_of(job, i).size, sizeof large);
    ok(prong_family_check(&before));
    for (size_t i = 0; i < 6; i++) ok(prong_job_release(job, i));
    ok(prong_family_check(&after));
    check(before.used_bytes - after.used_bytes >= 6 * 2 * sizeof large);
    equal(outcome_of(job, 0).size, 0);
    end(job, pool);
    test_arena_is_clean(0);
}

/* --- callbacks --- */

struct seen {
    _Atomic int calls;
    _Atomic size_t ended;
};

/* Counts those that have ended, of those that were not yet counted. */
static void look(prong_job job, void *context) {
    struct seen *seen = context;
    prong_outcome outcome;
    while (seen->ended < CAPACITY && prong_job_outcome(job, seen->ended, &outcome, PRONG_NOWAIT) == PRONG_OK)
        seen->ended++;
    seen->calls++;
}

METHOD_TEST(its_callback_is_called_after_each_end) {
    prong_pool pool = make(method, 1);
    struct seen seen = {0};
    prong_job job;
    ok(prong_pool_submit(pool, &(prong_work){.task = echo}, &job,
                         &(prong_task_options){.capacity = CAPACITY, .callback = look, .context = &seen}));
    for (size_t i = 0; i < CAPACITY; i++) {
        add(job, "x", 1);
        if (i % 20) continue;
        outcome_of(job, i);
        for (int wait = 0; wait < 3000 && seen.ended <= i; wait++) test_sleep_ms(5);
        check(seen.ended > i);
    }
    for (int wait = 0; wait < 3000 && seen.ended < CAPACITY; wait++) test_sleep_ms(5);
    equal(seen.ended, CAPACITY);
    check(seen.calls >= 5);
    end(job, pool);
    test_arena_is_clean(0);
}

METHOD_TEST(a_callback_that_is_set_late_is_called_at_once_and_for_what_follows) {
    prong_pool pool = make(method, 1);
    struct seen seen = {0};
    prong_job job = open_job(pool, echo, 4, 0);
    outcome_of(job, add(job, "x", 1));
    ok(prong_job_set_callback(job, look, NULL, &seen));
    check(seen.calls >= 1 && seen.ended == 1);
    is(prong_job_set_callback(job, look, NULL, &seen), PRONG_INVALID);
    add(job, "y", 1);
    for (int wait = 0; wait < 3000 && seen.ended < 2; wait++) test_sleep_ms(5);
    equal(seen.ended, 2);
    end(job, pool);
    test_arena_is_clean(0);
}

/* Without workers, it has run when it was added. */
TEST(a_pool_without_workers_runs_it_at_once) {
    prong_pool pool;
    struct seen seen = {0};
    prong_job job;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = PRONG_INLINE}));
    ok(prong_pool_submit(pool, &(prong_work){.task = echo}, &job,
                         &(prong_task_options){.capacity = 2, .callback = look, .context = &seen}));
    add(job, "x", 1);
    equal(seen.ended, 1);
    add(job, "y", 1);
    equal(seen.ended, 2);
    ok(prong_job_wait(job, PRONG_NOWAIT));
    end(job, pool);
    test_arena_is_clean(0);
}
