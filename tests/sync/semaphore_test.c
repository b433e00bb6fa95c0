/* Semaphore and BoundedSemaphore: units, limits, and what a dead holder gives back. */
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

struct shared {
    prong_semaphore semaphore;
    prong_shared_value inside, most, ready;
};

static struct shared make(unsigned units, const prong_semaphore_options *options) {
    struct shared s;
    ok(prong_semaphore_create(&s.semaphore, units, options));
    ok(prong_shared_value_create(&s.inside, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_shared_value_create(&s.most, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_shared_value_create(&s.ready, PRONG_TYPE_OF(int), 1, NULL, NULL));
    return s;
}

static void end(struct shared *s) {
    ok(prong_semaphore_destroy(s->semaphore));
    ok(prong_shared_value_destroy(s->inside));
    ok(prong_shared_value_destroy(s->most));
    ok(prong_shared_value_destroy(s->ready));
    test_arena_is_clean(0);
}

static int value_of(prong_shared_value value) {
    int number;
    ok(prong_shared_value_get(value, 0, 1, &number, PRONG_SECONDS(5)));
    return number;
}

static void wait_until_ready(struct shared *s, int wanted) {
    for (int i = 0; i < 2000 && value_of(s->ready) < wanted; i++) test_sleep_ms(5);
    equal(value_of(s->ready), wanted);
}

static int go_in_and_out(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    for (int i = 0; i < 300; i++) {
        int64_t before;
        ok(prong_semaphore_acquire(s->semaphore, PRONG_SECONDS(20)));
        ok(prong_shared_value_add(s->inside, 0, 1, &before));
        if (before + 1 > value_of(s->most))
            ok(prong_shared_value_set(s->most, 0, 1, &(int){(int)before + 1}, PRONG_SECONDS(5)));
        if (i % 10 == 0) usleep(100);
        ok(prong_shared_value_add(s->inside, 0, -1, NULL));
        ok(prong_semaphore_release(s->semaphore));
    }
    return 0;
}

METHOD_TEST(no_more_get_in_than_there_are_units) {
    for (int recover = 0; recover < 2; recover++) {
        struct shared s = make(2, &(prong_semaphore_options){.bounded = true, .recover = recover});
        prong_process processes[5];
        for (int i = 0; i < 5; i++) processes[i] = start_with(method, go_in_and_out, s);
        for (int i = 0; i < 5; i++) equal(test_end(processes[i]), 0);
        check(value_of(s.most) <= 2);
        equal(prong_semaphore_value(s.semaphore), 2);
        is(prong_semaphore_release(s.semaphore), PRONG_NOT_OWNER);
        end(&s);
    }
}

TEST(units_limits_and_timeouts) {
    prong_semaphore semaphore;
    is(prong_semaphore_create(&semaphore, 0x80000000u, NULL), PRONG_INVALID);
    ok(prong_semaphore_create(&semaphore, 1, &(prong_semaphore_options){.bounded = true, .name = "desk"}));
    ok(prong_semaphore_acquire(semaphore, PRONG_NOWAIT));
    is(prong_semaphore_acquire(semaphore, PRONG_NOWAIT), PRONG_TIMEOUT);
    int64_t before = test_now();
    is(prong_semaphore_acquire(semaphore, PRONG_MS(60)), PRONG_TIMEOUT);
    says("semaphore 'desk' has no unit left");
    check(test_now() - before >= PRONG_MS(60));
    ok(prong_semaphore_release(semaphore));
    is(prong_semaphore_release(semaphore), PRONG_NOT_OWNER);
    ok(prong_semaphore_destroy(semaphore));
    is(prong_semaphore_acquire(semaphore, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_semaphore_create(&semaphore, PRONG_SEMAPHORE_MAX, NULL));
    is(prong_semaphore_release(semaphore), PRONG_INVALID);
    ok(prong_semaphore_destroy(semaphore));
    ok(prong_semaphore_create(&semaphore, 0, NULL)); /* unbounded: anybody may add a unit */
    ok(prong_semaphore_release(semaphore));
    ok(prong_semaphore_release(semaphore));
    equal(prong_semaphore_value(semaphore), 2);
    ok(prong_semaphore_destroy(semaphore));
    equal(prong_semaphore_value(semaphore), 0);
    test_arena_is_clean(0);
}

static int take_two_and_wait(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_semaphore_acquire(s->semaphore, PRONG_SECONDS(5)));
    ok(prong_semaphore_acquire(s->semaphore, PRONG_SECONDS(5)));
    ok(prong_shared_value_add(s->ready, 0, 1, NULL));
    test_sleep_ms(20000);
    return 0;
}

METHOD_TEST(units_of_a_dead_process_are_given_back_where_that_is_asked_for) {
    struct shared s = make(3, &(prong_semaphore_options){.recover = true, .bounded = true});
    prong_process holder = start_with(method, take_two_and_wait, s);
    wait_until_ready(&s, 1);
    ok(prong_semaphore_acquire(s.semaphore, PRONG_NOWAIT));
    is(prong_semaphore_acquire(s.semaphore, PRONG_MS(120)), PRONG_TIMEOUT);
    ok(prong_process_signal(holder, SIGKILL));
    ok(prong_semaphore_acquire(s.semaphore, PRONG_SECONDS(5))); /* by looking, nobody has joined it */
    ok(prong_semaphore_acquire(s.semaphore, PRONG_SECONDS(5)));
    is(prong_semaphore_acquire(s.semaphore, PRONG_NOWAIT), PRONG_TIMEOUT);
    for (int i = 0; i < 3; i++) ok(prong_semaphore_release(s.semaphore));
    is(prong_semaphore_release(s.semaphore), PRONG_NOT_OWNER);
    says("this process holds no unit");
    equal(test_end(holder), -SIGKILL);
    end(&s);
}

METHOD_TEST(units_of_a_dead_process_stay_taken_otherwise) {
    struct shared s = make(2, NULL);
    prong_process holder = start_with(method, take_two_and_wait, s);
    wait_until_ready(&s, 1);
    ok(prong_process_signal(holder, SIGKILL));
    equal(test_end(holder), -SIGKILL);
    is(prong_semaphore_acquire(s.semaphore, PRONG_MS(50)), PRONG_TIMEOUT);
    ok(prong_semaphore_release(s.semaphore)); /* but anybody may give them back for it */
    ok(prong_semaphore_acquire(s.semaphore, PRONG_NOWAIT));
    end(&s);
}

static int wait_for_unit(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_shared_value_add(s->ready, 0, 1, NULL));
    return prong_semaphore_acquire(s->semaphore, PRONG_SECONDS(10));
}

METHOD_TEST(a_killed_waiter_takes_no_unit_along) {
    struct shared s = make(0, NULL);
    prong_process victim = start_with(method, wait_for_unit, s), other = start_with(method, wait_for_unit, s);
    wait_until_ready(&s, 2);
    test_sleep_ms(20);
    ok(prong_process_signal(victim, SIGKILL));
    ok(prong_semaphore_release(s.semaphore));
    equal(test_end(other), PRONG_OK);
    equal(test_end(victim), -SIGKILL);
    end(&s);
}

METHOD_TEST(who_waits_for_a_semaphore_that_is_destroyed_is_told) {
    struct shared s = make(0, NULL);
    prong_process waiter = start_with(method, wait_for_unit, s);
    wait_until_ready(&s, 1);
    test_sleep_ms(20);
    ok(prong_semaphore_destroy(s.semaphore));
    equal(test_end(waiter), PRONG_STALE & 0xff);
    ok(prong_semaphore_create(&s.semaphore, 0, NULL));
    end(&s);
}

/* It gives its unit back only to take it again at once. */
static int hog(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_semaphore_acquire(s->semaphore, PRONG_SECONDS(5)));
    ok(prong_shared_value_add(s->ready, 0, 1, NULL));
    while (value_of(s->inside) == 0) {
        ok(prong_semaphore_release(s->semaphore));
        ok(prong_semaphore_acquire(s->semaphore, PRONG_SECONDS(5)));
        usleep(2000);
    }
    return 0;
}

static void wait_ten_times_for_a_hog(prong_start_method method, bool recover) {
    struct shared s = make(1, &(prong_semaphore_options){.recover = recover});
    prong_process process = start_with(method, hog, s);
    wait_until_ready(&s, 1);
    for (int i = 0; i < 10; i++) {
        ok(prong_semaphore_acquire(s.semaphore, PRONG_SECONDS(10)));
        ok(prong_semaphore_release(s.semaphore));
    }
    ok(prong_shared_value_set(s.inside, 0, 1, &(int){1}, PRONG_SECONDS(5)));
    equal(test_end(process), 0);
    end(&s);
}

METHOD_TEST(a_holder_that_takes_its_unit_again_at_once_does_not_keep_it) {
    for (int recover = 0; recover < 2; recover++) wait_ten_times_for_a_hog(method, recover);
}

static bool passes_over(const struct shared *s, prong_process waiter) {
    ok(prong_process_signal(waiter, SIGSTOP));
    ok(prong_semaphore_release(s->semaphore));
    bool taken = prong_semaphore_acquire(s->semaphore, PRONG_MS(20)) == PRONG_OK;
    ok(prong_process_signal(waiter, SIGCONT));
    test_sleep_ms(5);
    return taken;
}

/* The one that waits is stopped whenever there is a unit: it sees none, and yet one is kept for it. */
METHOD_TEST(nor_does_one_that_is_always_faster) {
    for (int recover = 0; recover < 2; recover++) {
        struct shared s = make(1, &(prong_semaphore_options){.recover = recover});
        ok(prong_semaphore_acquire(s.semaphore, PRONG_NOWAIT));
        prong_process waiter = start_with(method, wait_for_unit, s);
        wait_until_ready(&s, 1);
        test_sleep_ms(20);
        int times = 0;
        while (times < 100 && passes_over(&s, waiter)) times++;
        check(times < 100);
        equal(test_end(waiter), PRONG_OK);
        end(&s);
    }
}
