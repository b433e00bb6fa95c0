/* JoinableQueue. */
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

static int work(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    long number;
    (void)size;
    while (prong_queue_get(queue, &number, sizeof number, NULL, PRONG_SECONDS(10)) >= 0)
        ok(prong_queue_task_done(queue));
    return 0;
}

METHOD_TEST(join_waits_until_all_is_done) {
    prong_queue queue;
    ok(prong_queue_create(&queue, &(prong_queue_options){.joinable = true}));
    ok(prong_queue_join(queue, PRONG_NOWAIT));
    for (long i = 0; i < 1000; i++) ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    is(prong_queue_join(queue, PRONG_MS(50)), PRONG_TIMEOUT);
    says("1000");
    prong_process workers[2] = {start_with(method, work, queue), start_with(method, work, queue)};
    ok(prong_queue_join(queue, PRONG_SECONDS(10)));
    ok(prong_queue_shutdown(queue));
    for (int i = 0; i < 2; i++) equal(test_end(workers[i]), 0);
    is(prong_queue_task_done(queue), PRONG_INVALID);
    says("more often");
}

static int take_three_finish_one_and_die(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    long number;
    (void)size;
    for (int i = 0; i < 3; i++) ok(prong_queue_get(queue, &number, sizeof number, NULL, PRONG_SECONDS(10)));
    ok(prong_queue_task_done(queue));
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(join_does_not_wait_for_what_a_dead_process_had_taken) {
    prong_queue queue;
    ok(prong_queue_create(&queue, &(prong_queue_options){.joinable = true}));
    for (long i = 0; i < 3; i++) ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    prong_process child = start_with(method, take_three_finish_one_and_die, queue);
    is(prong_queue_join(queue, PRONG_SECONDS(10)), PRONG_OWNER_DIED);
    says("2 messages");
    ok(prong_queue_join(queue, PRONG_SECONDS(10)));
    equal(test_end(child), -SIGKILL);
}

static int take_one_and_stay(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    long number;
    (void)size;
    ok(prong_queue_get(queue, &number, sizeof number, NULL, PRONG_SECONDS(60)));
    for (;;) pause();
}

/* What each has taken is accounted for, however many they are, and though nobody has buried the dead before. */
LONG_METHOD_TEST(join_waits_for_none_of_a_hundred_that_took_and_died, 120) {
    enum { MANY = 100 };
    prong_queue queue;
    prong_process children[MANY];
    ok(prong_queue_create(&queue, &(prong_queue_options){.joinable = true}));
    for (int round = 0; round < 2; round++) {
        size_t left = MANY;
        for (long i = 0; i < MANY; i++) ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
        for (int i = 0; i < MANY; i++) children[i] = start_with(method, take_one_and_stay, queue);
        while (left) ok(prong_queue_size(queue, &left, NULL));
        test_sleep_ms(50); /* a take is seen before the call returns */
        for (int i = 0; i < MANY; i++) ok(prong_process_signal(children[i], SIGKILL));
        is(prong_queue_join(queue, PRONG_SECONDS(30)), PRONG_OWNER_DIED);
        says("100 messages");
        for (int i = 0; i < MANY; i++) equal(test_end(children[i]), -SIGKILL);
    }
    long number = 7; /* and it goes on as before */
    ok(prong_queue_put(queue, &number, sizeof number, PRONG_NOWAIT));
    ok(prong_queue_get(queue, &number, sizeof number, NULL, PRONG_NOWAIT));
    is(prong_queue_join(queue, PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_queue_task_done(queue));
    ok(prong_queue_join(queue, PRONG_NOWAIT));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(an_ordinary_queue_cannot_be_joined) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    is(prong_queue_join(queue, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_queue_task_done(queue), PRONG_INVALID);
}
