/* Lock and RLock: exclusion, timeouts, owners, and what becomes of a lock whose holder dies. */
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct shared {
    prong_lock lock;
    prong_lock rlock;
    prong_event ready, go;
    prong_shared_value number;
    int rounds;
};

static struct shared make(void) {
    struct shared s = {.rounds = 20000};
    ok(prong_lock_create(&s.lock, &(prong_lock_options){.name = "accounts"}));
    ok(prong_lock_create(&s.rlock, &(prong_lock_options){.recursive = true}));
    ok(prong_event_create(&s.ready, NULL));
    ok(prong_event_create(&s.go, NULL));
    ok(prong_shared_value_create(&s.number, PRONG_TYPE_OF(long), 1, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    return s;
}

static void end(struct shared *s) {
    ok(prong_lock_destroy(s->lock));
    ok(prong_lock_destroy(s->rlock));
    ok(prong_event_destroy(s->ready));
    ok(prong_event_destroy(s->go));
    ok(prong_shared_value_destroy(s->number));
    test_arena_is_clean(0);
}

static int count_up(void *argument, size_t size) {
    struct shared *s = argument;
    long *number;
    (void)size;
    ok(prong_shared_value_data(s->number, (void **)&number, NULL));
    for (int i = 0; i < s->rounds; i++) {
        ok(prong_lock_acquire(s->lock, PRONG_SECONDS(20)));
        *(volatile long *)number += 1;
        ok(prong_lock_release(s->lock));
    }
    return 0;
}

METHOD_TEST(only_one_holds_a_lock) {
    struct shared s = make();
    prong_process processes[4];
    long number;
    for (int i = 0; i < 4; i++) processes[i] = start_with(method, count_up, s);
    for (int i = 0; i < 4; i++) equal(test_end(processes[i]), 0);
    ok(prong_shared_value_get(s.number, 0, 1, &number, PRONG_FOREVER));
    equal(number, 4L * s.rounds);
    end(&s);
}

static int count_up_recursively(void *argument, size_t size) {
    struct shared *s = argument;
    long *number;
    (void)size;
    ok(prong_shared_value_data(s->number, (void **)&number, NULL));
    for (int i = 0; i < s->rounds; i++) {
        ok(prong_lock_acquire(s->rlock, PRONG_SECONDS(20)));
        ok(prong_lock_acquire(s->rlock, PRONG_NOWAIT));
        *(volatile long *)number += 1;
        ok(prong_lock_release(s->rlock));
        ok(prong_lock_release(s->rlock));
    }
    return 0;
}

static void *count_up_in_a_thread(void *shared) {
    count_up_recursively(shared, 0);
    return NULL;
}

METHOD_TEST(only_one_thread_of_one_process_holds_an_rlock) {
    struct shared s = make();
    prong_process process = start_with(method, count_up_recursively, s);
    pthread_t threads[2];
    long number;
    for (int i = 0; i < 2; i++) check(pthread_create(&threads[i], NULL, count_up_in_a_thread, &s) == 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    equal(test_end(process), 0);
    ok(prong_shared_value_get(s.number, 0, 1, &number, PRONG_FOREVER));
    equal(number, 3L * s.rounds);
    end(&s);
}

static int hold_until_told(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_lock_acquire(s->lock, PRONG_SECONDS(5)));
    ok(prong_lock_acquire(s->rlock, PRONG_SECONDS(5)));
    ok(prong_lock_acquire(s->rlock, PRONG_SECONDS(5)));
    ok(prong_event_set(s->ready));
    ok(prong_event_wait(s->go, PRONG_SECONDS(10)));
    prong_lock_release(s->rlock);
    prong_lock_release(s->rlock);
    return 0;
}

METHOD_TEST(a_lock_that_is_held_is_waited_for_until_the_timeout_and_any_process_may_release_it) {
    struct shared s = make();
    prong_process holder = start_with(method, hold_until_told, s);
    ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    check(prong_lock_locked(s.lock) && prong_lock_locked(s.rlock));
    is(prong_lock_acquire(s.lock, PRONG_NOWAIT), PRONG_TIMEOUT);
    int64_t before = test_now();
    is(prong_lock_acquire(s.lock, PRONG_MS(60)), PRONG_TIMEOUT);
    says("lock 'accounts' is held by process");
    check(test_now() - before >= PRONG_MS(60));
    is(prong_lock_acquire(s.rlock, PRONG_MS(20)), PRONG_TIMEOUT);
    is(prong_lock_release(s.rlock), PRONG_NOT_OWNER);
    says("which this thread does not hold");
    ok(prong_lock_release(s.lock)); /* a Lock's release is anybody's */
    ok(prong_lock_acquire(s.lock, PRONG_NOWAIT));
    ok(prong_lock_release(s.lock));
    is(prong_lock_release(s.lock), PRONG_NOT_OWNER);
    ok(prong_event_set(s.go));
    equal(test_end(holder), 0);
    ok(prong_lock_acquire(s.rlock, PRONG_NOWAIT));
    ok(prong_lock_release(s.rlock));
    end(&s);
}

METHOD_TEST(the_lock_of_a_dead_holder_goes_to_who_waits_already_and_says_who_died) {
    struct shared s = make();
    for (int waiting = 0; waiting < 2; waiting++) {
        ok(prong_event_clear(s.ready));
        prong_process holder = start_with(method, hold_until_told, s);
        char wanted[32];
        ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
        int pid = test_pid(holder);
        snprintf(wanted, sizeof wanted, "process %d", pid);
        if (waiting) is(prong_lock_acquire(s.lock, PRONG_MS(150)), PRONG_TIMEOUT); /* naps have grown long by now */
        ok(prong_process_signal(holder, SIGKILL));
        is(prong_lock_acquire(s.lock, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
        says(wanted);
        says("lock 'accounts'");
        is(prong_lock_acquire(s.rlock, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
        ok(prong_lock_acquire(s.rlock, PRONG_NOWAIT));
        ok(prong_lock_release(s.rlock));
        ok(prong_lock_release(s.rlock));
        is(prong_lock_release(s.rlock), PRONG_NOT_OWNER);
        ok(prong_lock_release(s.lock));
        ok(prong_lock_acquire(s.lock, PRONG_NOWAIT)); /* told once */
        ok(prong_lock_release(s.lock));
        equal(test_end(holder), -SIGKILL);
    }
    end(&s);
}

static int kill_after(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(100);
    kill(*(int *)argument, SIGKILL);
    return 0;
}

METHOD_TEST(a_waiter_has_the_lock_within_200_ms_of_the_death) {
    struct shared s = make();
    prong_process holder = start_with(method, hold_until_told, s);
    ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    int pid = test_pid(holder);
    prong_process killer = start_with(PRONG_START_FORK, kill_after, pid);
    is(prong_lock_acquire(s.lock, PRONG_SECONDS(10)), PRONG_OWNER_DIED);
    prong_process_join(killer, PRONG_FOREVER);
    check(!test_is_alive(holder));
    ok(prong_lock_release(s.lock));
    equal(test_end(killer), 0);
    equal(test_end(holder), -SIGKILL);
    end(&s);
}

static int die_holding(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    prong_status status = prong_lock_acquire(s->lock, PRONG_SECONDS(5));
    check(status == PRONG_OK || status == PRONG_OWNER_DIED);
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(each_of_many_that_die_holding_it_is_followed_by_the_next) {
    struct shared s = make();
    prong_process processes[6];
    for (int i = 0; i < 6; i++) processes[i] = start_with(method, die_holding, s);
    for (int i = 0; i < 6; i++) equal(test_end(processes[i]), -SIGKILL);
    is(prong_lock_acquire(s.lock, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
    ok(prong_lock_release(s.lock));
    end(&s);
}

METHOD_TEST(a_try_alone_gets_the_lock_of_a_dead_holder_in_the_end) {
    struct shared s = make();
    prong_process holder = start_with(method, die_holding, s);
    int64_t give_up = test_now() + PRONG_SECONDS(10);
    prong_status status;
    while ((status = prong_lock_acquire(s.lock, PRONG_NOWAIT)) != PRONG_OWNER_DIED && test_now() < give_up) {
        if (status >= 0) ok(prong_lock_release(s.lock));
        test_sleep_ms(1);
    }
    equal(status, PRONG_OWNER_DIED);
    equal(test_end(holder), -SIGKILL);
    ok(prong_lock_release(s.lock));
    end(&s);
}

static int wait_for_lock(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_event_set(s->ready));
    return prong_lock_acquire(s->lock, PRONG_SECONDS(10));
}

METHOD_TEST(a_waiter_that_is_killed_holds_up_nobody) {
    struct shared s = make();
    ok(prong_lock_acquire(s.lock, PRONG_NOWAIT));
    prong_process victims[3];
    for (int i = 0; i < 3; i++) {
        ok(prong_event_clear(s.ready));
        victims[i] = start_with(method, wait_for_lock, s);
        ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    }
    test_sleep_ms(30);
    for (int i = 0; i < 2; i++) {
        ok(prong_process_signal(victims[i], SIGKILL));
        equal(test_end(victims[i]), -SIGKILL);
    }
    ok(prong_lock_release(s.lock));
    equal(test_end(victims[2]), PRONG_OK); /* it got the lock, and ended with it */
    is(prong_lock_acquire(s.lock, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
    ok(prong_lock_release(s.lock));
    end(&s);
}

METHOD_TEST(who_waits_for_a_lock_that_is_destroyed_is_told) {
    struct shared s = make();
    ok(prong_lock_acquire(s.lock, PRONG_NOWAIT));
    prong_process waiter = start_with(method, wait_for_lock, s);
    ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    test_sleep_ms(30);
    ok(prong_lock_destroy(s.lock));
    equal(test_end(waiter), PRONG_STALE & 0xff);
    is(prong_lock_acquire(s.lock, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_lock_create(&s.lock, NULL));
    end(&s);
}

static int record_longest_wait(void *argument, size_t size) {
    struct shared *s = argument;
    int64_t longest = 0;
    (void)size;
    ok(prong_event_wait(s->go, PRONG_SECONDS(10)));
    for (int i = 0; i < 2000; i++) {
        int64_t before = test_now();
        ok(prong_lock_acquire(s->lock, PRONG_SECONDS(20)));
        if (test_now() - before > longest) longest = test_now() - before;
        ok(prong_lock_release(s->lock));
    }
    return longest > PRONG_SECONDS(2); /* 2,000 turns of all take some 0.1 s: nobody waits for all others to end */
}

METHOD_TEST(nobody_starves_among_eight_contenders) {
    struct shared s = make();
    prong_process processes[8];
    for (int i = 0; i < 8; i++) processes[i] = start_with(method, record_longest_wait, s);
    ok(prong_event_set(s.go));
    for (int i = 0; i < 8; i++) equal(test_end(processes[i]), 0);
    end(&s);
}

/* A holder that releases only to take it again at once: barging would keep the waiter out for ever. */
static int hog(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_lock_acquire(s->lock, PRONG_SECONDS(5)));
    ok(prong_event_set(s->ready));
    while (!prong_event_is_set(s->go)) {
        ok(prong_lock_release(s->lock));
        ok(prong_lock_acquire(s->lock, PRONG_SECONDS(5)));
        usleep(2000);
    }
    ok(prong_lock_release(s->lock));
    return 0;
}

METHOD_TEST(a_holder_that_takes_the_lock_again_at_once_does_not_keep_it) {
    struct shared s = make();
    prong_process process = start_with(method, hog, s);
    ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) {
        ok(prong_lock_acquire(s.lock, PRONG_SECONDS(2)));
        ok(prong_lock_release(s.lock));
    }
    ok(prong_event_set(s.go));
    equal(test_end(process), 0);
    end(&s);
}

/* The same without a pause: the lock is free for nanoseconds, and a sleeper needs microseconds to wake up. */
static int hog_without_pause(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_event_set(s->ready));
    while (!prong_event_is_set(s->go))
        for (int i = 0; i < 100; i++) {
            ok(prong_lock_acquire(s->lock, PRONG_SECONDS(20)));
            ok(prong_lock_release(s->lock));
        }
    return 0;
}

METHOD_TEST(a_waiter_is_served_between_two_processes_that_never_pause) {
    struct shared s = make();
    prong_process processes[2];
    for (int i = 0; i < 2; i++) processes[i] = start_with(method, hog_without_pause, s);
    ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    for (int i = 0; i < 50; i++) {
        ok(prong_lock_acquire(s.lock, PRONG_SECONDS(5)));
        test_sleep_ms(3); /* both sleep by now, and are due at the release */
        ok(prong_lock_release(s.lock));
    }
    ok(prong_event_set(s.go));
    for (int i = 0; i < 2; i++) equal(test_end(processes[i]), 0);
    end(&s);
}

METHOD_TEST(a_waiter_that_is_stopped_keeps_the_lock_from_nobody) {
    struct shared s = make();
    ok(prong_lock_acquire(s.lock, PRONG_NOWAIT));
    prong_process stopped = start_with(method, wait_for_lock, s);
    ok(prong_event_wait(s.ready, PRONG_SECONDS(10)));
    test_sleep_ms(30); /* it is due: the release reserves the lock for it */
    ok(prong_process_signal(stopped, SIGSTOP));
    for (int i = 0; i < 20; i++) {
        ok(prong_lock_release(s.lock));
        ok(prong_lock_acquire(s.lock, PRONG_SECONDS(5)));
    }
    ok(prong_process_signal(stopped, SIGCONT));
    ok(prong_lock_release(s.lock));
    equal(test_end(stopped), PRONG_OK); /* it got the lock, and ended with it */
    is(prong_lock_acquire(s.lock, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
    ok(prong_lock_release(s.lock));
    end(&s);
}

TEST(bad_handles_and_names_are_errors) {
    prong_lock lock = {0, 0};
    prong_event event;
    is(prong_lock_acquire(lock, PRONG_NOWAIT), PRONG_STALE);
    says("it was never created");
    is(prong_lock_create(NULL, NULL), PRONG_INVALID);
    is(prong_lock_create(&lock, &(prong_lock_options){.name = "a name that is longer than anybody needs"}),
       PRONG_INVALID);
    says("longer than 23 bytes");
    ok(prong_event_create(&event, NULL));
    lock = (prong_lock){event.offset, event.generation};
    is(prong_lock_acquire(lock, PRONG_NOWAIT), PRONG_STALE); /* an event is no lock */
    check(!prong_lock_locked(lock));
    ok(prong_event_destroy(event));
    ok(prong_lock_create(&lock, NULL));
    ok(prong_lock_destroy(lock));
    is(prong_lock_destroy(lock), PRONG_STALE);
    test_arena_is_clean(0);
}
