/* JoinableQueue. */
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

static int work(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    long number;
    (void)size;
    while (!prong_queue_get(queue, &number, sizeof number, NULL, PRONG_SECONDS(10))) ok(prong_queue_task_done(queue));
    return 0;
}

METHOD_TEST(join_waits_until_all_is_done) {
    prong_joinable_queue queue;
    ok(prong_joinable_queue_create(&queue, 0));
    ok(prong_queue_join(queue, PRONG_NOWAIT));
    for (long i = 0; i < 1000; i++) ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    is(prong_queue_join(queue, PRONG_MS(50)), PRONG_TIMEOUT);
    says("1000");
    prong_process workers[2] = {start_with(method, work, queue), start_with(method, work, queue)};
    ok(prong_queue_join(queue, PRONG_SECONDS(10)));
    ok(prong_queue_close(queue));
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
    prong_joinable_queue queue;
    ok(prong_joinable_queue_create(&queue, 0));
    for (long i = 0; i < 3; i++) ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    prong_process child = start_with(method, take_three_finish_one_and_die, queue);
    is(prong_queue_join(queue, PRONG_SECONDS(10)), PRONG_OWNER_DIED);
    says("2 messages");
    ok(prong_queue_join(queue, PRONG_SECONDS(10)));
    equal(test_end(child), -SIGKILL);
}

TEST(an_ordinary_queue_cannot_be_joined) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    is(prong_queue_join(queue, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_queue_task_done(queue), PRONG_INVALID);
}
