/* Tasks that wait for pools: those that wait for themselves are told, and no others. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

static int inner(void *argument, size_t size, prong_result *result) {
    return prong_result_set(result, argument, size);
}

static int nap(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    test_sleep_ms(*(int *)argument);
    return 0;
}

/* How a task waits. */
enum form { BY_APPLY, BY_OUTCOME, BY_WAIT, BY_MAP, BY_STARMAP, BY_IMAP, BY_UNORDERED, FORMS };

/* What a task of the form is given. */
struct order {
    prong_pool pool;     /* to wait for */
    prong_queue meeting; /* where the task says that it has begun; not created: nowhere */
    prong_event start;   /* to wait for before */
    prong_time timeout;
    enum form form;
};

static int echo(const void *in, void *out) {
    *(int *)out = *(const int *)in;
    return 0;
}

static bool three(prong_bytes *argument, void *context) {
    int *count = context;
    *argument = (prong_bytes){"x", 1};
    return (*count)++ < 3;
}

static prong_status by_imap(const struct order *o) {
    prong_iterator *iterator;
    prong_outcome outcome;
    int count = 0;
    prong_work work = {.task = inner, .generator = three, .generator_context = &count};
    prong_task_options options = {.unordered = o->form == BY_UNORDERED};
    prong_status status = prong_pool_iterate(o->pool, &work, &iterator, &options);
    if (status < 0) return status;
    do status = prong_iterator_next(iterator, &outcome, o->timeout);
    while (status >= 0);
    prong_iterator_close(iterator);
    return status == PRONG_EOF ? PRONG_OK : status;
}

static prong_status by_job(const struct order *o) {
    prong_job job;
    prong_outcome outcome;
    prong_bytes arguments[3] = {{"x", 1}, {"y", 1}, {"z", 1}};
    prong_work work = {.task = inner, .arguments = arguments, .count = 3};
    if (o->form == BY_STARMAP) return prong_pool_run(o->pool, &work, NULL, o->timeout);
    prong_status status = prong_pool_submit(o->pool, &work, &job, NULL);
    if (status >= 0 && o->form == BY_OUTCOME) status = prong_job_outcome(job, 1, &outcome, o->timeout);
    if (status >= 0 && o->form == BY_WAIT) status = prong_job_wait(job, o->timeout);
    prong_job_destroy(job);
    return status;
}

static prong_status wait_by_form(const struct order *o) {
    char byte;
    int in[3] = {1, 2, 3}, out[3];
    switch (o->form) {
    case BY_APPLY:
        return prong_pool_run(
            o->pool, &(prong_work){.task = inner, .in = "x", .in_size = 1, .count = 1, .out = &byte, .out_size = 1},
            NULL, o->timeout);
    case BY_MAP: return prong_pool_run(o->pool, PRONG_MAP(echo, in, out), NULL, o->timeout);
    case BY_IMAP:
    case BY_UNORDERED: return by_imap(o);
    default: return by_job(o);
    }
}

/* Its result is the status of its wait. */
static int outer(void *argument, size_t size, prong_result *result) {
    struct order *o = argument;
    int pid = getpid();
    check(size == sizeof *o);
    if (o->meeting.generation) ok(prong_queue_put(o->meeting, &pid, sizeof pid, PRONG_FOREVER));
    if (o->start.generation) ok(prong_event_wait(o->start, PRONG_SECONDS(15)));
    prong_status status = wait_by_form(o);
    if (status == PRONG_DEADLOCK) says("wait");
    return prong_result_set(result, &status, sizeof status);
}

static prong_status run_outer(prong_pool pool, const struct order *order, const prong_task_options *options) {
    prong_status status = PRONG_SYSTEM;
    ok(prong_pool_run(pool,
                      &(prong_work){.task = outer,
                                    .in = order,
                                    .in_size = sizeof *order,
                                    .count = 1,
                                    .out = &status,
                                    .out_size = sizeof status},
                      options, PRONG_SECONDS(15)));
    return status;
}

METHOD_TEST(a_task_that_waits_for_its_own_full_pool_is_told_at_once) {
    prong_pool pool = make(method, 1);
    struct order order = {.pool = pool};
    for (int timed = 0; timed < 2; timed++)
        for (order.form = BY_APPLY; order.form < FORMS; order.form++) {
            order.timeout = timed ? PRONG_SECONDS(600) : PRONG_FOREVER;
            equal(run_outer(pool, &order, NULL), PRONG_DEADLOCK);
        }
    order.form = BY_APPLY;
    equal(run_outer(pool, &order, &(prong_task_options){.time_limit = PRONG_SECONDS(600)}), PRONG_DEADLOCK);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_task_may_wait_for_its_own_pool_while_another_worker_is_free) {
    prong_pool pool = make(method, 2);
    struct order order = {.pool = pool, .timeout = PRONG_FOREVER};
    for (int round = 0; round < 10; round++)
        for (order.form = BY_APPLY; order.form < FORMS; order.form++) equal(run_outer(pool, &order, NULL), PRONG_OK);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_pool_that_may_grow_has_a_worker_for_it_and_one_that_shrank_has_not) {
    prong_pool pool;
    struct order order = {.timeout = PRONG_FOREVER, .form = BY_APPLY};
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .processes_most = 2,
                                                      .idle_time = PRONG_SECONDS(60),
                                                      .method = (prong_start_method)method}));
    order.pool = pool;
    equal(run_outer(pool, &order, NULL), PRONG_OK);
    ok(prong_pool_destroy(pool));
    order.pool = pool = make(method, 2);
    ok(prong_pool_resize(pool, 1));
    for (size_t count = 2; count != 1; test_sleep_ms(5)) ok(prong_pool_workers(pool, NULL, 0, &count, NULL));
    equal(run_outer(pool, &order, NULL), PRONG_DEADLOCK);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* While the other worker is there, the wait can end; whether that one ends or the one that waits depends on their places. */
METHOD_TEST(a_wait_ends_though_the_worker_that_it_counted_on_is_gone) {
    prong_pool pool = make(method, 2);
    struct order order = {.pool = pool, .timeout = PRONG_FOREVER, .form = BY_APPLY};
    prong_job busy, waits;
    prong_outcome outcome;
    prong_status status;
    int pid, nap_ms = 1000;
    ok(prong_queue_create(&order.meeting, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(nap, nap_ms), &busy, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(outer, order), &waits, NULL));
    ok(prong_queue_get(order.meeting, &pid, sizeof pid, NULL, PRONG_SECONDS(15)));
    test_sleep_ms(300); /* it sleeps by now */
    ok(prong_pool_resize(pool, 1));
    ok(prong_job_outcome(waits, 0, &outcome, PRONG_SECONDS(15)));
    ok(outcome.status);
    memcpy(&status, outcome.data, sizeof status);
    check(status == PRONG_OK || status == PRONG_DEADLOCK);
    ok(prong_job_destroy(waits));
    ok(prong_job_destroy(busy));
    ok(prong_pool_destroy(pool));
    ok(prong_queue_destroy(order.meeting));
    test_arena_is_clean(0);
}

/* `count` such tasks, each on a worker of its own before the first of them waits; how they ended. */
static void run_together(prong_pool pool, const struct order *orders, int count, prong_status *statuses) {
    prong_job jobs[8];
    prong_outcome outcome;
    prong_queue meeting;
    prong_event start;
    int pid;
    ok(prong_queue_create(&meeting, NULL));
    ok(prong_event_create(&start, NULL));
    for (int i = 0; i < count; i++) {
        struct order order = orders[i];
        order.meeting = meeting;
        order.start = start;
        ok(prong_pool_submit(pool, PRONG_TASK(outer, order), &jobs[i], NULL));
    }
    for (int i = 0; i < count; i++) ok(prong_queue_get(meeting, &pid, sizeof pid, NULL, PRONG_SECONDS(15)));
    ok(prong_event_set(start));
    for (int i = 0; i < count; i++) {
        ok(prong_job_outcome(jobs[i], 0, &outcome, PRONG_SECONDS(15)));
        ok(outcome.status);
        memcpy(&statuses[i], outcome.data, sizeof *statuses);
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_event_destroy(start));
    ok(prong_queue_destroy(meeting));
}

METHOD_TEST(of_all_workers_that_wait_for_their_own_pool_one_is_told) {
    enum { WORKERS = 4 };
    prong_pool pool = make(method, WORKERS);
    struct order orders[WORKERS];
    prong_status statuses[WORKERS];
    for (enum form form = BY_APPLY; form < FORMS; form++) {
        int told = 0;
        for (int i = 0; i < WORKERS; i++)
            orders[i] = (struct order){.pool = pool, .form = form, .timeout = PRONG_FOREVER};
        run_together(pool, orders, WORKERS, statuses);
        for (int i = 0; i < WORKERS; i++) {
            check(statuses[i] == PRONG_OK || statuses[i] == PRONG_DEADLOCK);
            told += statuses[i] == PRONG_DEADLOCK;
        }
        equal(told, 1);
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_worker_whose_wait_ends_by_time_is_not_counted_as_stuck) {
    prong_pool pool = make(method, 2);
    struct order orders[2] = {{.pool = pool, .timeout = PRONG_MS(700)}, {.pool = pool, .timeout = PRONG_FOREVER}};
    prong_status statuses[2];
    for (int i = 0; i < 4; i++) {
        run_together(pool, orders, 2, statuses);
        check(statuses[0] == PRONG_TIMEOUT || statuses[0] == PRONG_DEADLOCK);
        equal(statuses[1], PRONG_OK);
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_worker_that_is_replaced_after_each_task_is_told_too) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .maxtasksperchild = 1, .method = method}));
    struct order order = {.pool = pool, .timeout = PRONG_FOREVER};
    for (int i = 0; i < 3; i++) equal(run_outer(pool, &order, NULL), PRONG_DEADLOCK);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_worker_that_died_waiting_does_not_wait_any_more) {
    prong_pool pool = make(method, 2);
    struct order order = {.pool = pool, .timeout = PRONG_FOREVER};
    prong_job blocker, waiting;
    int pid, long_nap = 60000;
    ok(prong_queue_create(&order.meeting, NULL));
    for (int round = 0; round < 4; round++) {
        ok(prong_pool_submit(pool, PRONG_TASK(nap, long_nap), &blocker, NULL));
        ok(prong_pool_submit(pool, PRONG_TASK(outer, order), &waiting, NULL));
        ok(prong_queue_get(order.meeting, &pid, sizeof pid, NULL, PRONG_SECONDS(15)));
        test_sleep_ms(50); /* for it to wait */
        check(kill(pid, SIGKILL) == 0);
        is(prong_job_wait(waiting, PRONG_SECONDS(15)), PRONG_WORKER_DIED);
        ok(prong_job_destroy(waiting));
        ok(prong_job_cancel(blocker, true));
        is(prong_job_wait(blocker, PRONG_SECONDS(15)), PRONG_CANCELLED);
        ok(prong_job_destroy(blocker));
        struct order later = {.pool = pool, .timeout = PRONG_FOREVER};
        equal(run_outer(pool, &later, NULL), PRONG_OK);
    }
    ok(prong_queue_destroy(order.meeting));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- pools that wait for one another --- */

struct circle {
    prong_pool a, b;
};

static int back_to_a(void *argument, size_t size, prong_result *result) {
    struct order order = {.pool = ((struct circle *)argument)->a, .timeout = PRONG_FOREVER};
    (void)size;
    prong_status status = wait_by_form(&order);
    return prong_result_set(result, &status, sizeof status);
}

/* Its result: how its own wait ended, and that of the task it waited for. */
static int by_way_of_b(void *argument, size_t size, prong_result *result) {
    prong_status statuses[2] = {PRONG_SYSTEM, PRONG_SYSTEM};
    prong_pool b = ((struct circle *)argument)->b;
    statuses[0] = prong_pool_run(b,
                                 &(prong_work){.task = back_to_a,
                                               .in = argument,
                                               .in_size = size,
                                               .count = 1,
                                               .out = &statuses[1],
                                               .out_size = sizeof *statuses},
                                 NULL, PRONG_FOREVER);
    return prong_result_set(result, statuses, sizeof statuses);
}

METHOD_TEST(pools_whose_workers_wait_in_a_circle_are_told) {
    struct circle circle = {make(method, 1), make(method, 2)};
    prong_status statuses[2];
    for (int i = 0; i < 20; i++) {
        ok(prong_pool_run(circle.a, PRONG_APPLY(by_way_of_b, circle, statuses), NULL, PRONG_SECONDS(15)));
        /* a worker of b is free, but only a's could run the job for a; one of the two that wait is told */
        check(statuses[0] == PRONG_DEADLOCK || (statuses[0] == PRONG_OK && statuses[1] == PRONG_DEADLOCK));
    }
    ok(prong_pool_destroy(circle.a));
    ok(prong_pool_destroy(circle.b));
    test_arena_is_clean(0);
}

METHOD_TEST(pools_may_wait_in_a_circle_while_each_has_a_free_worker) {
    struct circle circle = {make(method, 2), make(method, 1)};
    prong_status statuses[2];
    for (int i = 0; i < 20; i++) {
        ok(prong_pool_run(circle.a, PRONG_APPLY(by_way_of_b, circle, statuses), NULL, PRONG_SECONDS(15)));
        equal(statuses[0], PRONG_OK);
        equal(statuses[1], PRONG_OK);
    }
    ok(prong_pool_destroy(circle.a));
    ok(prong_pool_destroy(circle.b));
    test_arena_is_clean(0);
}

/* --- other ways to wait for oneself --- */

static int wait_for_own_job(void *argument, size_t size, prong_result *result) {
    prong_job job;
    (void)size;
    ok(prong_queue_get(*(prong_queue *)argument, &job, sizeof job, NULL, PRONG_SECONDS(15)));
    prong_status status = prong_job_wait(job, PRONG_FOREVER);
    return prong_result_set(result, &status, sizeof status);
}

METHOD_TEST(a_task_that_waits_for_its_own_job_is_told_though_workers_are_free) {
    prong_pool pool = make(method, 3);
    prong_queue queue;
    prong_job job;
    prong_outcome outcome;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(wait_for_own_job, queue), &job, NULL));
    ok(prong_queue_put(queue, &job, sizeof job, PRONG_FOREVER));
    ok(prong_job_wait(job, PRONG_SECONDS(15)));
    ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    equal(*(prong_status *)outcome.data, PRONG_DEADLOCK);
    ok(prong_job_destroy(job));
    ok(prong_queue_destroy(queue));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* A pool of the task's own, whose task waits for the pool of the task. */
static int join_a_pool_of_its_own(void *argument, size_t size, prong_result *result) {
    struct circle circle = {*(prong_pool *)argument, make(0, 1)};
    prong_job job;
    prong_outcome outcome;
    (void)size;
    ok(prong_pool_submit(circle.b, PRONG_TASK(back_to_a, circle), &job, NULL));
    ok(prong_pool_shutdown(circle.b));
    prong_status status = prong_pool_join(circle.b, PRONG_FOREVER), inside = PRONG_OK;
    if (status >= 0) {
        ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
        ok(outcome.status);
        inside = *(prong_status *)outcome.data;
    }
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(circle.b));
    return prong_result_set(result, status ? &status : &inside, sizeof status);
}

METHOD_TEST(a_join_in_a_task_that_waits_for_the_task_is_told) {
    ok(prong_set_start_method((prong_start_method)method));
    prong_pool pool = make(method, 1);
    prong_status status;
    for (int i = 0; i < 3; i++) {
        ok(prong_pool_run(pool, PRONG_APPLY(join_a_pool_of_its_own, pool, status), NULL, PRONG_SECONDS(18)));
        equal(status, PRONG_DEADLOCK);
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
