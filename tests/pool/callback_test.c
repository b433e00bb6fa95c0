/* Callbacks: what they may wait for, and that nothing waits for them that they wait for. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

static int give_back(void *argument, size_t size, prong_result *result) {
    return prong_result_set(result, argument, size);
}

static int die(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    (void)result;
    raise(SIGKILL);
    return 0;
}

/* What a callback is told, and tells. */
struct scene {
    prong_pool pool, other;
    _Atomic int met; /* callbacks that have begun */
    _Atomic int done;
    _Atomic int deadlocks;
    prong_status statuses[4];
};

static void call_back(prong_pool pool, void (*callback)(prong_job, void *), void *context) {
    prong_job job;
    ok(prong_pool_submit(pool, &(prong_work){.task = give_back, .in = "x", .in_size = 2, .count = 1}, &job,
                         &(prong_task_options){.callback = callback, .context = context}));
}

static void wait_for(_Atomic int *count, int wanted) {
    for (int i = 0; i < 3000 && *count < wanted; i++) test_sleep_ms(5);
    equal(*count, wanted);
}

static void end_own_pool(prong_job job, void *context) {
    struct scene *scene = context;
    ok(prong_job_destroy(job));
    scene->statuses[0] = prong_pool_destroy(scene->pool);
    says("callbacks");
    ok(prong_pool_shutdown(scene->pool));
    scene->statuses[1] = prong_pool_join(scene->pool, PRONG_FOREVER);
    says("callbacks");
    scene->statuses[2] = prong_pool_terminate(scene->pool);
    scene->statuses[3] = prong_pool_join(scene->pool, PRONG_FOREVER);
    scene->done++;
}

METHOD_TEST(a_callback_may_terminate_its_pool_and_not_wait_for_its_end) {
    static struct scene scene;
    scene.pool = make(method, 2);
    call_back(scene.pool, end_own_pool, &scene);
    wait_for(&scene.done, 1);
    equal(scene.statuses[0], PRONG_DEADLOCK);
    equal(scene.statuses[1], PRONG_DEADLOCK);
    equal(scene.statuses[2], PRONG_OK);
    equal(scene.statuses[3], PRONG_DEADLOCK);
    ok(prong_pool_join(scene.pool, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(scene.pool));
    test_arena_is_clean(0);
}

static void destroy_own_pool(prong_job job, void *context) {
    struct scene *scene = context;
    ok(prong_job_destroy(job));
    is(prong_pool_destroy(scene->pool), PRONG_DEADLOCK);
    scene->done++;
}

METHOD_TEST(a_pool_works_on_after_its_callback_tried_to_destroy_it) {
    static struct scene scene;
    char byte;
    scene.pool = make(method, 1);
    call_back(scene.pool, destroy_own_pool, &scene);
    wait_for(&scene.done, 1);
    ok(prong_pool_run(
        scene.pool, &(prong_work){.task = give_back, .in = "y", .in_size = 1, .count = 1, .out = &byte, .out_size = 1},
        NULL, PRONG_SECONDS(10)));
    equal(byte, 'y');
    call_back(scene.pool, destroy_own_pool, &scene);
    wait_for(&scene.done, 2);
    ok(prong_pool_destroy(scene.pool));
    test_arena_is_clean(0);
}

struct side {
    struct scene *scene;
    prong_pool target;
};

static void destroy_target(prong_job job, void *context) {
    struct side *side = context;
    ok(prong_job_destroy(job));
    side->scene->met++;
    while (side->scene->met < 2) test_sleep_ms(1);
    prong_status status = prong_pool_destroy(side->target);
    check(status == PRONG_OK || status == PRONG_DEADLOCK);
    side->scene->deadlocks += status == PRONG_DEADLOCK;
    side->scene->done++;
}

METHOD_TEST(of_two_callbacks_that_wait_for_each_others_pools_one_is_told) {
    static struct scene scene;
    static struct side sides[2];
    scene.pool = make(method, 1);
    scene.other = make(method, 1);
    sides[0] = (struct side){&scene, scene.other};
    sides[1] = (struct side){&scene, scene.pool};
    call_back(scene.pool, destroy_target, &sides[0]);
    call_back(scene.other, destroy_target, &sides[1]);
    wait_for(&scene.done, 2);
    equal(scene.deadlocks, 1);
    prong_status first = prong_pool_destroy(scene.pool), second = prong_pool_destroy(scene.other);
    check((first == PRONG_OK) != (second == PRONG_OK)); /* one was destroyed by a callback */
    test_arena_is_clean(0);
}

static void apply_what_kills(prong_job job, void *context) {
    struct scene *scene = context;
    char byte;
    ok(prong_job_destroy(job));
    scene->statuses[0] = prong_pool_run(scene->pool, &(prong_work){.task = die, .count = 1}, NULL, PRONG_SECONDS(15));
    scene->statuses[1] = prong_pool_run(
        scene->pool, &(prong_work){.task = give_back, .in = "y", .in_size = 1, .count = 1, .out = &byte, .out_size = 1},
        NULL, PRONG_SECONDS(15));
    scene->done++;
}

METHOD_TEST(a_worker_that_dies_is_replaced_while_a_callback_waits_for_it) {
    static struct scene scene;
    scene.pool = make(method, 1);
    call_back(scene.pool, apply_what_kills, &scene);
    wait_for(&scene.done, 1);
    equal(scene.statuses[0], PRONG_WORKER_DIED);
    equal(scene.statuses[1], PRONG_OK);
    ok(prong_pool_destroy(scene.pool));
    test_arena_is_clean(0);
}

static _Atomic int running, most, next_number, out_of_order;

static void note_order(prong_job job, void *context) {
    (void)context;
    prong_outcome outcome;
    int now = ++running;
    if (now > most) most = now;
    ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    if (*(int *)outcome.data != next_number) out_of_order++;
    ok(prong_job_destroy(job));
    running--;
    next_number++;
}

METHOD_TEST(callbacks_run_one_at_a_time_in_order_and_all_before_the_end) {
    enum { COUNT = 300 };
    prong_pool pool = make(method, 1);
    prong_job job;
    for (int i = 0; i < COUNT; i++)
        ok(prong_pool_submit(pool, PRONG_TASK(give_back, i), &job, &(prong_task_options){.callback = note_order}));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    equal(next_number, COUNT);
    equal(most, 1);
    equal(out_of_order, 0);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* Holds the thread that runs callbacks until the two jobs have ended. */
static void hold_callbacks(prong_job job, void *context) {
    struct scene *scene = context;
    ok(prong_job_destroy(job));
    scene->met++;
    wait_for(&scene->done, 1);
}

static _Atomic int called[2], calls;

static void note_call(prong_job job, void *context) {
    (void)context;
    prong_outcome outcome;
    ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    called[calls] = *(char *)outcome.data;
    ok(prong_job_destroy(job));
    calls++;
}

static int give_back_when_told(void *argument, size_t size, prong_result *result) {
    ok(prong_event_wait(*(prong_event *)argument, PRONG_SECONDS(30)));
    (void)size;
    return prong_result_set(result, "A", 1);
}

METHOD_TEST(callbacks_run_in_the_order_in_which_their_jobs_ended) {
    static struct scene scene;
    prong_event told;
    prong_job late, early;
    prong_task_options options = {.callback = note_call};
    scene.pool = make(method, 2);
    ok(prong_event_create(&told, NULL));
    call_back(scene.pool, hold_callbacks, &scene);
    wait_for(&scene.met, 1);
    prong_work waits = {.task = give_back_when_told, .in = &told, .in_size = sizeof told, .count = 1};
    ok(prong_pool_submit(scene.pool, &waits, &late, &options));
    ok(prong_pool_submit(scene.pool, &(prong_work){.task = give_back, .in = "B", .in_size = 1, .count = 1}, &early,
                         &options));
    ok(prong_job_wait(early, PRONG_SECONDS(30)));
    ok(prong_event_set(told));
    ok(prong_job_wait(late, PRONG_SECONDS(30)));
    scene.done = 1;
    wait_for(&calls, 2);
    equal(called[0], 'B');
    equal(called[1], 'A');
    ok(prong_pool_destroy(scene.pool));
    ok(prong_event_destroy(told));
    test_arena_is_clean(0);
}

/* --- set later --- */

struct later {
    _Atomic int called;
    prong_status status;
    _Atomic pthread_t thread;
};

static void note_success(prong_job job, void *context) {
    struct later *later = context;
    ok(prong_job_wait(job, PRONG_NOWAIT));
    later->thread = pthread_self();
    later->called++;
}

static void note_failure(prong_job job, prong_status status, const char *message, void *context) {
    struct later *later = context;
    (void)job;
    (void)message;
    later->status = status;
    later->called++;
}

static prong_job submit_waiting(prong_pool pool, const prong_event *event) {
    prong_job job;
    ok(prong_pool_submit(pool,
                         &(prong_work){.task = give_back_when_told, .in = event, .in_size = sizeof *event, .count = 1},
                         &job, NULL));
    return job;
}

METHOD_TEST(a_callback_may_be_set_while_the_job_runs) {
    struct later later = {0};
    prong_event told;
    prong_pool pool = make(method, 1);
    ok(prong_event_create(&told, NULL));
    prong_job job = submit_waiting(pool, &told);
    ok(prong_job_set_callback(job, note_success, note_failure, &later));
    is(prong_job_set_callback(job, note_success, NULL, &later), PRONG_INVALID);
    says("has a callback");
    equal(later.called, 0);
    ok(prong_event_set(told));
    wait_for(&later.called, 1);
    equal(later.status, 0);
    is(pthread_equal(later.thread, pthread_self()), 0);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(told));
    test_arena_is_clean(0);
}

METHOD_TEST(a_callback_of_a_job_that_has_ended_is_called_at_once) {
    struct later later = {0};
    prong_pool pool = make(method, 1);
    prong_job job;
    int x = 1;
    ok(prong_pool_submit(pool, PRONG_TASK(give_back, x), &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(30)));
    ok(prong_job_set_callback(job, note_success, note_failure, &later));
    equal(later.called, 1);
    is(pthread_equal(later.thread, pthread_self()) != 0, 1);
    ok(prong_pool_destroy(pool));
    ok(prong_job_set_callback(job, note_success, note_failure, &later));
    equal(later.called, 2);
    ok(prong_job_destroy(job));
    is(prong_job_set_callback(job, note_success, NULL, &later), PRONG_STALE);
    is(prong_job_set_callback(job, NULL, NULL, &later), PRONG_INVALID);
    says("no callback");
    test_arena_is_clean(0);
}

METHOD_TEST(a_callback_set_later_learns_of_a_death_and_of_the_end_of_the_pool) {
    struct later died = {0}, cancelled = {0};
    prong_event told;
    prong_pool pool = make(method, 1);
    prong_job dies, waits;
    ok(prong_event_create(&told, NULL));
    ok(prong_pool_submit(pool, &(prong_work){.task = die, .count = 1}, &dies, NULL));
    ok(prong_job_set_callback(dies, note_success, note_failure, &died));
    wait_for(&died.called, 1);
    is(died.status, PRONG_WORKER_DIED);
    waits = submit_waiting(pool, &told);
    ok(prong_job_set_callback(waits, note_success, note_failure, &cancelled));
    ok(prong_pool_terminate(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(30)));
    equal(cancelled.called, 1);
    is(cancelled.status, PRONG_CANCELLED);
    ok(prong_job_destroy(dies));
    ok(prong_job_destroy(waits));
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(told));
    test_arena_is_clean(0);
}

METHOD_TEST(callbacks_set_as_jobs_end_are_each_called_once) {
    enum { COUNT = 500 };
    struct later later = {0};
    static prong_job jobs[COUNT];
    prong_pool pool = make(method, 2);
    for (int i = 0; i < COUNT; i++) {
        ok(prong_pool_submit(pool, PRONG_TASK(give_back, i), &jobs[i], NULL));
        ok(prong_job_set_callback(jobs[i], note_success, note_failure, &later));
    }
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(60)));
    equal(later.called, COUNT);
    for (int i = 0; i < COUNT; i++) ok(prong_job_destroy(jobs[i]));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- at exit --- */

static void wait_forever(prong_job job, void *context) {
    (void)job;
    ++*(_Atomic int *)context;
    for (;;) pause();
}

static void call_exit(prong_job job, void *context) {
    (void)job;
    (void)context;
    exit(7);
}

static int exit_during_a_callback(void *argument, size_t size) {
    static _Atomic int begun;
    (void)size;
    prong_pool pool = make(*(int *)argument, 2);
    call_back(pool, wait_forever, &begun);
    wait_for(&begun, 1);
    exit(5);
}

static int exit_in_a_callback(void *argument, size_t size) {
    (void)size;
    prong_pool pool = make(*(int *)argument, 2), other = make(*(int *)argument, 1);
    (void)other;
    call_back(pool, call_exit, NULL);
    for (;;) pause();
    return 0;
}

METHOD_TEST(exit_does_not_wait_for_a_callback_that_waits_forever) {
    equal(test_end(start_with(method, exit_during_a_callback, method)), 5);
}

METHOD_TEST(a_callback_may_exit) {
    equal(test_end(start_with(method, exit_in_a_callback, method)), 7);
}
