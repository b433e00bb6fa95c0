/* Workers that die, tasks that run too long, cancelling. */
#include "../support/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

enum how { BY_KILL, BY_SEGV, BY_ABORT, BY_EXIT, BY_QUICK_EXIT, NOT_AT_ALL };

static int die(void *argument, size_t size, prong_result *result) {
    (void)size;
    switch (*(int *)argument) {
    case BY_KILL: raise(SIGKILL); break;
    case BY_SEGV:
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
        break;
    case BY_ABORT:
        signal(SIGABRT, SIG_DFL);
        raise(SIGABRT);
        break;
    case BY_EXIT: exit(3);
    case BY_QUICK_EXIT: _exit(0);
    default: break;
    }
    return prong_result_set(result, "alive", 6);
}

METHOD_TEST(a_death_fails_just_its_task_and_says_how) {
    enum { COUNT = 60 };
    prong_pool pool = make(method, 2);
    prong_bytes arguments[COUNT];
    int hows[COUNT];
    prong_job job;
    prong_outcome outcome;
    char text[200];
    const char *says_what[] = {"signal 9", "signal 11", "signal 6", "code 3", "code 0"};
    for (int i = 0; i < COUNT; i++) {
        hows[i] = i % 10 == 4 ? i / 10 % 5 : NOT_AT_ALL;
        arguments[i] = (prong_bytes){&hows[i], sizeof hows[i]};
    }
    ok(prong_pool_submit(pool, &(prong_work){.task = die, .arguments = arguments, .count = COUNT}, &job, NULL));
    is(prong_job_wait(job, PRONG_SECONDS(15)), PRONG_WORKER_DIED);
    says("task 4:");
    says("signal 9");
    for (size_t i = 0; i < COUNT; i++) {
        ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
        if (hows[i] == NOT_AT_ALL) {
            check(outcome.status == PRONG_OK && strcmp(outcome.data, "alive") == 0);
            continue;
        }
        equal(outcome.status, PRONG_WORKER_DIED);
        prong_outcome_text(&outcome, text, sizeof text);
        check(strstr(text, says_what[hows[i]]));
    }
    ok(prong_job_destroy(job));
    prong_worker workers[2];
    size_t count, alive = 0;
    for (int i = 0; i < 500 && alive < 2; i++, test_sleep_ms(10)) {
        ok(prong_pool_workers(pool, workers, 2, &count, NULL));
        alive = (workers[0].pid != 0) + (workers[1].pid != 0);
    }
    equal(alive, 2);
    uint64_t deaths;
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    equal(deaths, 6);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

struct attempt {
    prong_queue tries;
    int deaths;
};

static int die_a_few_times(void *argument, size_t size, prong_result *result) {
    struct attempt *attempt = argument;
    size_t tries;
    (void)size;
    (void)result;
    ok(prong_queue_put(attempt->tries, "x", 1, PRONG_FOREVER));
    ok(prong_queue_size(attempt->tries, &tries, NULL));
    if (tries <= (size_t)attempt->deaths) raise(SIGKILL);
    return 0;
}

METHOD_TEST(a_task_is_run_again_as_often_as_asked) {
    prong_pool pool = make(method, 2);
    struct attempt attempt = {.deaths = 2};
    size_t tries;
    prong_job job;
    prong_outcome outcome;
    ok(prong_queue_create(&attempt.tries, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(die_a_few_times, attempt), &job, &(prong_task_options){.retries = 2}));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    equal(outcome.tries, 3);
    ok(prong_job_destroy(job));
    attempt.deaths = 100;
    is(prong_pool_run(pool, PRONG_TASK(die_a_few_times, attempt), &(prong_task_options){.retries = 3},
                      PRONG_SECONDS(10)),
       PRONG_WORKER_DIED);
    ok(prong_queue_size(attempt.tries, &tries, NULL));
    equal(tries, 3 + 4);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(1);
}

struct first_try {
    prong_shared_value begun; /* an element a task */
    int index;
};

static int die_once(void *argument, size_t size, prong_result *result) {
    const struct first_try *try = argument;
    int64_t before;
    (void)size;
    ok(prong_shared_value_add(try->begun, (size_t)try->index, 1, &before));
    if (before == 0) raise(SIGKILL);
    return prong_result_set(result, &try->index, sizeof try->index);
}

METHOD_TEST(all_of_many_lost_tasks_are_run_again) {
    enum { LOST = 12 };
    prong_pool pool = make(method, 3);
    struct first_try tries[LOST];
    int results[LOST] = {0};
    prong_shared_value begun;
    ok(prong_shared_value_create(&begun, PRONG_TYPE_OF(int), LOST, NULL, NULL));
    for (int i = 0; i < LOST; i++) tries[i] = (struct first_try){begun, i};
    prong_work work = {.task = die_once,
                       .in = tries,
                       .in_size = sizeof *tries,
                       .count = LOST,
                       .out = results,
                       .out_size = sizeof *results};
    ok(prong_pool_run(pool, &work, &(prong_task_options){.retries = 1}, PRONG_SECONDS(30)));
    for (int i = 0; i < LOST; i++) equal(results[i], i);
    ok(prong_shared_value_destroy(begun));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int sleep_ms(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    test_sleep_ms(*(int *)argument);
    return 0;
}

METHOD_TEST(a_task_over_its_limit_is_killed_and_the_others_are_not) {
    prong_pool pool = make(method, 2);
    int naps[8] = {1, 1, 30000, 1, 1, 30000, 1, 1};
    prong_bytes arguments[8];
    prong_job job;
    prong_outcome outcome;
    for (int i = 0; i < 8; i++) arguments[i] = (prong_bytes){&naps[i], sizeof naps[i]};
    int64_t before = test_now();
    prong_task_options options = {.time_limit = PRONG_MS(300), .retries = 5};
    ok(prong_pool_submit(pool, &(prong_work){.task = sleep_ms, .arguments = arguments, .count = 8}, &job, &options));
    is(prong_job_wait(job, PRONG_SECONDS(10)), PRONG_TASK_TIMEOUT);
    says("task 2 ran longer");
    check(test_now() - before < PRONG_SECONDS(8));
    for (size_t i = 0; i < 8; i++) {
        ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
        equal(outcome.status, naps[i] > 1 ? PRONG_TASK_TIMEOUT : PRONG_OK);
    }
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(cancel_stops_what_has_not_begun_and_by_force_what_has) {
    enum { COUNT = 20 };
    prong_pool pool = make(method, 2);
    prong_bytes arguments[COUNT];
    prong_job job;
    prong_outcome outcome;
    int nap = 300;
    for (int i = 0; i < COUNT; i++) arguments[i] = (prong_bytes){&nap, sizeof nap};
    for (int force = 0; force < 2; force++) {
        ok(prong_pool_submit(pool, &(prong_work){.task = sleep_ms, .arguments = arguments, .count = COUNT}, &job,
                             NULL));
        for (int i = 0; i < 200; i++) {
            prong_worker workers[2];
            size_t count;
            ok(prong_pool_workers(pool, workers, 2, &count, NULL));
            if (workers[0].busy && workers[1].busy) break;
            test_sleep_ms(5);
        }
        ok(prong_job_cancel(job, force));
        ok(prong_job_cancel(job, force));
        is(prong_job_wait(job, PRONG_SECONDS(10)), PRONG_CANCELLED);
        int good = 0;
        for (size_t i = 0; i < COUNT; i++) {
            ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
            good += outcome.status == PRONG_OK;
        }
        check(force ? good == 0 : good > 0 && good < COUNT);
        ok(prong_job_destroy(job));
        nap = 30000;
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(killing_an_idle_worker_fails_nothing) {
    prong_pool pool = make(method, 2);
    prong_worker workers[2];
    size_t count;
    int nap = 1;
    for (int round = 0; round < 5; round++) {
        ok(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), NULL, PRONG_SECONDS(10)));
        ok(prong_pool_workers(pool, workers, 2, &count, NULL));
        for (int i = 0; i < 2; i++)
            if (workers[i].pid) kill(workers[i].pid, SIGKILL);
        for (int i = 0; i < 4; i++)
            ok(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), &(prong_task_options){.retries = 1}, PRONG_SECONDS(10)));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int own_a_pool(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    prong_pool pool = make(0, 2);
    prong_worker workers[2];
    size_t count;
    int nap = 30000;
    prong_job job;
    (void)size;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    do ok(prong_pool_workers(pool, workers, 2, &count, NULL));
    while (!workers[0].pid || !workers[1].pid);
    ok(prong_queue_put(queue, workers, sizeof workers, PRONG_FOREVER));
    for (;;) pause();
    return 0;
}

METHOD_TEST(workers_die_with_an_owner_that_is_killed) {
    prong_queue queue;
    prong_worker workers[2];
    ok(prong_set_start_method((prong_start_method)method));
    ok(prong_queue_create(&queue, NULL));
    prong_process owner = start_with(PRONG_START_FORK, own_a_pool, queue);
    ok(prong_queue_get(queue, workers, sizeof workers, NULL, PRONG_SECONDS(10)));
    ok(prong_process_signal(owner, SIGKILL));
    equal(test_end(owner), -SIGKILL);
    /* the runner fails the test if a worker is left */
}

static int submit_and_die(void *argument, size_t size) {
    prong_pool pool = *(prong_pool *)argument;
    int nap = 50;
    prong_job job;
    (void)size;
    for (int i = 0; i < 10; i++) ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    raise(SIGKILL);
    return 0;
}

static int own_a_large_pool(void *argument, size_t size) {
    (void)argument;
    (void)size;
    prong_pool pool;
    prong_status status = prong_pool_create(&pool, &(prong_pool_options){.processes = 32, .method = PRONG_START_FORK});
    if (status >= 0) test_sleep_ms(20000);
    return status;
}

/* Workers that are forked wait for the last of them: not for one that will never be. */
TEST(workers_die_with_an_owner_that_is_killed_while_it_forks_them) {
    for (int i = 0; i < 12; i++) {
        prong_process owner = start_with(PRONG_START_FORK, own_a_large_pool, i);
        usleep((useconds_t)(i * 700));
        ok(prong_process_signal(owner, SIGKILL));
        equal(test_end(owner), -SIGKILL);
        int64_t end = test_now() + PRONG_SECONDS(10);
        while (prong_family_count() > 1 && test_now() < end) test_sleep_ms(5);
        equal(prong_family_count(), 1);
    }
}

static int own_pid(void *argument, size_t size, prong_result *result) {
    int pid = getpid();
    (void)argument;
    (void)size;
    return prong_result_set(result, &pid, sizeof pid);
}

static int ignore_sigterm(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    signal(SIGTERM, SIG_IGN);
    ok(prong_queue_put(*(prong_queue *)argument, "x", 1, PRONG_FOREVER));
    for (;;) pause();
    return 0;
}

METHOD_TEST(a_worker_that_does_not_end_when_it_is_told_to_is_killed) {
    prong_pool pool = make(method, 2);
    prong_queue queue;
    prong_job job;
    char byte;
    ok(prong_queue_create(&queue, NULL));
    for (int by_destroy = 0; by_destroy < 2; by_destroy++) {
        ok(prong_pool_submit(pool, PRONG_TASK(ignore_sigterm, queue), &job, NULL));
        ok(prong_queue_get(queue, &byte, 1, NULL, PRONG_SECONDS(10)));
        int64_t before = test_now();
        if (!by_destroy) {
            ok(prong_pool_terminate(pool));
            ok(prong_pool_join(pool, PRONG_SECONDS(10)));
            check(test_now() - before >= PRONG_SECONDS(1)); /* it had its time */
        }
        ok(prong_pool_destroy(pool));
        check(test_now() - before < PRONG_SECONDS(10));
        is(prong_job_wait(job, PRONG_NOWAIT), PRONG_CANCELLED);
        ok(prong_job_destroy(job));
        if (!by_destroy) pool = make(method, 1);
    }
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* Further descriptors have lower numbers than that; less than 0: as many as allowed. Those that are open stay. */
static void limit_descriptors(int number) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = number < 0 ? limit.rlim_max : (rlim_t)number;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Each worker takes a descriptor, so with each further one a later worker is the one that cannot be started. */
METHOD_TEST(a_pool_of_which_a_worker_cannot_be_started_leaves_nothing) {
    enum { WORKERS = 6 };
    prong_pool pool = make(method, 1);
    ok(prong_pool_destroy(pool)); /* whatever stays open is open now */
    size_t members = prong_family_count();
    int failures = 0, open_before = test_open_descriptors();
    prong_status status;
    for (int number = 3; number < 60; number++) {
        limit_descriptors(number);
        status = prong_pool_create(&pool, &(prong_pool_options){.processes = WORKERS, .method = method});
        limit_descriptors(-1);
        if (status >= 0) break;
        failures++;
        says("pool of 6 workers");
        equal(prong_family_count(), members);
        equal(test_open_descriptors(), open_before);
        test_arena_is_clean(0);
    }
    ok(status);
    check(failures >= WORKERS - 1);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_worker_that_cannot_be_replaced_at_first_is_replaced_later) {
    prong_pool pool = make(method, 1);
    int pause_for = 1, worker;
    ok(prong_pool_run(pool, &(prong_work){.task = own_pid, .count = 1, .out = &worker, .out_size = sizeof worker}, NULL,
                      PRONG_SECONDS(10)));
    limit_descriptors(3);
    check(kill(worker, SIGKILL) == 0);
    while (kill(worker, 0) == 0) test_sleep_ms(1);
    test_sleep_ms(300);
    is(prong_pool_run(pool, PRONG_TASK(sleep_ms, pause_for), NULL, PRONG_MS(100)), PRONG_TIMEOUT);
    limit_descriptors(-1);
    ok(prong_pool_run(pool, PRONG_TASK(sleep_ms, pause_for), NULL, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(jobs_of_a_submitter_that_died_are_freed) {
    prong_pool pool = make(method, 2);
    equal(test_end(start_with(method, submit_and_die, pool)), -SIGKILL);
    int nap = 1;
    ok(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), NULL, PRONG_SECONDS(10)));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- an owner that becomes a daemon, by a fork whose parent ends --- */

static int twice(const void *in, void *out) {
    *(long *)out = *(const long *)in * 2;
    return 0;
}

static void use_left_pool(prong_pool pool, int method) {
    long number = 21, doubled = 0;
    prong_status status = PRONG_OK;
    for (int i = 0; i < 1000 && status != PRONG_STALE; i++) { /* until its parent's end is known */
        status = prong_pool_run(pool, PRONG_MAP_N(twice, &number, &doubled, 1), NULL, PRONG_SECONDS(10));
        if (status == PRONG_CANCELLED)
            says(": its pool "); /* was terminated, as its owner ends, or has ended with it */
        check(status == PRONG_OK || status == PRONG_CANCELLED || status == PRONG_STALE || status == PRONG_NOT_RUNNING);
        test_sleep_ms(10);
    }
    is(status, PRONG_STALE);
    says("a program that becomes a daemon creates its pools after that");
    is(prong_pool_join(pool, PRONG_NOWAIT), PRONG_STALE);
    is(prong_pool_destroy(pool), PRONG_STALE);
    says("from which this one was forked");
    pool = make(method, 2); /* one of its own */
    ok(prong_pool_run(pool, PRONG_MAP_N(twice, &number, &doubled, 1), NULL, PRONG_SECONDS(10)));
    equal(doubled, 42);
    ok(prong_pool_destroy(pool));
}

static void become_daemon(int method, bool by_exit, int tell) {
    prong_pool pool = make(method, 2);
    if (fork() != 0) {
        if (by_exit) exit(0);
        _exit(0);
    }
    setsid();
    use_left_pool(pool, method);
    _exit(write(tell, "d", 1) != 1);
}

METHOD_TEST(a_daemon_is_told_that_its_pool_stayed_with_its_parent) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    test_skip("a sanitizer's own locks and threads do not survive a fork of a process with threads");
#endif
    for (int by_exit = 0; by_exit < 2; by_exit++) {
        int ends[2];
        char told = 0;
        check(pipe(ends) == 0);
        if (fork() == 0) become_daemon(method, by_exit, ends[1]);
        close(ends[1]);
        check(read(ends[0], &told, 1) == 1 && told == 'd');
        close(ends[0]);
    }
    while (wait(NULL) > 0) {}
}
