/* Priorities of jobs, and which are none. */
#include "pool_test.h"

#include <signal.h>

struct turn {
    prong_queue order;
    int number;
    prong_shared_value tries;
};

static int note_turn(void *argument, size_t size, prong_result *result) {
    const struct turn *turn = argument;
    (void)size;
    (void)result;
    ok(prong_queue_put(turn->order, &turn->number, sizeof turn->number, PRONG_SECONDS(5)));
    return 0;
}

static int wait_for_event(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    return prong_event_wait(*(prong_event *)argument, PRONG_SECONDS(20));
}

static void expect_order(prong_queue order, const int *expected, int count) {
    for (int i = 0; i < count; i++) {
        int number;
        ok(prong_queue_get(order, &number, sizeof number, NULL, PRONG_SECONDS(5)));
        equal(number, expected[i]);
    }
}

METHOD_TEST(the_most_urgent_is_first_and_of_these_the_oldest) {
    static const prong_priority given[] = {PRONG_PRIORITY_LOW,    PRONG_PRIORITY_NORMAL, PRONG_PRIORITY_HIGH,
                                           PRONG_PRIORITY_NORMAL, PRONG_PRIORITY_HIGH,   PRONG_PRIORITY_LOW};
    static const int expected[] = {2, 4, 1, 3, 0, 5};
    enum { JOBS = sizeof given / sizeof *given };
    prong_pool pool = make(method, 1);
    prong_event go;
    prong_queue order;
    prong_job first, jobs[JOBS];
    ok(prong_event_create(&go, NULL));
    ok(prong_queue_create(&order, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(wait_for_event, go), &first, NULL));
    for (int i = 0; i < JOBS; i++)
        ok(prong_pool_submit(pool, PRONG_TASK(note_turn, ((struct turn){.order = order, .number = i})), &jobs[i],
                             &(prong_task_options){.priority = given[i]}));
    ok(prong_event_set(go));
    expect_order(order, expected, JOBS);
    for (int i = 0; i < JOBS; i++) {
        ok(prong_job_wait(jobs[i], PRONG_SECONDS(10)));
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_job_destroy(first));
    ok(prong_pool_destroy(pool));
    ok(prong_queue_destroy(order));
    ok(prong_event_destroy(go));
    test_arena_is_clean(0);
}

static int die_or_note(void *argument, size_t size, prong_result *result) {
    const struct turn *turn = argument;
    int64_t before;
    note_turn(argument, size, result);
    ok(prong_shared_value_add(turn->tries, 0, 1, &before));
    if (before == 0) raise(SIGKILL);
    return 0;
}

/* A task that is run again keeps its job's priority. */
METHOD_TEST(a_lost_task_of_high_priority_is_before_those_that_wait) {
    static const int expected[] = {0, 0, 1};
    prong_pool pool = make(method, 1);
    prong_event go;
    prong_queue order;
    prong_job waits, urgent, normal;
    prong_shared_value tries;
    ok(prong_shared_value_create(&tries, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_event_create(&go, NULL));
    ok(prong_queue_create(&order, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(wait_for_event, go), &waits, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(note_turn, ((struct turn){.order = order, .number = 1})), &normal, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(die_or_note, ((struct turn){order, 0, tries})), &urgent,
                         &(prong_task_options){.priority = PRONG_PRIORITY_HIGH, .retries = 1}));
    ok(prong_event_set(go));
    expect_order(order, expected, 3);
    ok(prong_job_wait(urgent, PRONG_SECONDS(10)));
    ok(prong_shared_value_destroy(tries));
    ok(prong_job_destroy(urgent));
    ok(prong_job_destroy(normal));
    ok(prong_job_destroy(waits));
    ok(prong_pool_destroy(pool));
    ok(prong_queue_destroy(order));
    ok(prong_event_destroy(go));
    test_arena_is_clean(0);
}

TEST(what_is_no_priority_is_refused) {
    prong_pool pool = make(PRONG_START_FORK, 1);
    long number = 3;
    is(prong_pool_run(pool, PRONG_TASK(square, number), &(prong_task_options){.priority = 3}, PRONG_SECONDS(5)),
       PRONG_INVALID);
    says("3 is no priority");
    ok(prong_pool_destroy(pool));
}
