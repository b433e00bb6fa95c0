/* Event, Semaphore and Barrier across processes. */
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

struct shared {
    prong_event event, ready;
    prong_shared_value count;
};

static struct shared make(void) {
    struct shared s;
    ok(prong_event_create(&s.event, &(prong_event_options){.name = "gun"}));
    ok(prong_event_create(&s.ready, NULL));
    ok(prong_shared_value_create(&s.count, PRONG_TYPE_OF(int), 1, NULL, NULL));
    return s;
}

static void end(struct shared *s) {
    ok(prong_event_destroy(s->event));
    ok(prong_event_destroy(s->ready));
    ok(prong_shared_value_destroy(s->count));
    test_arena_is_clean(0);
}

static void wait_for_count(struct shared *s, int wanted) {
    int count = -1;
    for (int i = 0; i < 1000 && count != wanted; i++) {
        ok(prong_shared_value_get(s->count, 0, 1, &count, PRONG_SECONDS(1)));
        if (count != wanted) test_sleep_ms(5);
    }
    equal(count, wanted);
}

static int wait_for_event(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_shared_value_add(s->count, 0, 1, NULL));
    return prong_event_wait(s->event, PRONG_SECONDS(10));
}

METHOD_TEST(set_wakes_all_even_if_clear_follows_at_once) {
    struct shared s = make();
    prong_process processes[4];
    for (int i = 0; i < 4; i++) processes[i] = start_with(method, wait_for_event, s);
    wait_for_count(&s, 4);
    test_sleep_ms(20);
    ok(prong_event_set(s.event));
    ok(prong_event_clear(s.event));
    for (int i = 0; i < 4; i++) equal(test_end(processes[i]), PRONG_OK);
    check(!prong_event_is_set(s.event));
    end(&s);
}

METHOD_TEST(wait_times_out_and_set_stays_until_cleared) {
    struct shared s = make();
    int64_t before = test_now();
    is(prong_event_wait(s.event, PRONG_MS(60)), PRONG_TIMEOUT);
    says("event 'gun' was not set");
    check(test_now() - before >= PRONG_MS(60));
    is(prong_event_wait(s.event, PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_event_set(s.event));
    ok(prong_event_set(s.event));
    ok(prong_event_wait(s.event, PRONG_NOWAIT));
    equal(test_end(start_with(method, wait_for_event, s)), PRONG_OK);
    ok(prong_event_clear(s.event));
    is(prong_event_wait(s.event, PRONG_NOWAIT), PRONG_TIMEOUT);
    end(&s);
}

METHOD_TEST(set_never_waits_for_a_waiter_that_was_killed) {
    struct shared s = make();
    prong_process dead = start_with(method, wait_for_event, s), alive = start_with(method, wait_for_event, s);
    wait_for_count(&s, 2);
    ok(prong_process_signal(dead, SIGKILL));
    ok(prong_process_join(dead, PRONG_SECONDS(10)));
    int64_t before = test_now();
    ok(prong_event_set(s.event));
    check(test_now() - before < PRONG_MS(100) * (getenv("TEST_TIME_FACTOR") ? 10 : 1));
    equal(test_end(alive), PRONG_OK);
    equal(test_end(dead), -SIGKILL);
    end(&s);
}

METHOD_TEST(who_waits_for_an_event_that_is_destroyed_is_told) {
    struct shared s = make();
    prong_process waiter = start_with(method, wait_for_event, s);
    wait_for_count(&s, 1);
    test_sleep_ms(20);
    ok(prong_event_destroy(s.event));
    equal(test_end(waiter), PRONG_STALE & 0xff);
    is(prong_event_set(s.event), PRONG_STALE);
    check(!prong_event_is_set(s.event));
    ok(prong_event_create(&s.event, NULL));
    end(&s);
}
