/* Condition: no notification lost, none stolen, none given to the dead. */
#include "../support/sync.h"
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct shared {
    prong_lock lock;
    prong_condition condition;
    prong_shared_value waiting, woken, turn;
};

static struct shared make(bool own_lock) {
    struct shared s = {0};
    ok(prong_lock_create(&s.lock, NULL));
    prong_condition_options options = {.name = "news"};
    if (!own_lock) options.lock = s.lock;
    ok(prong_condition_create(&s.condition, &options));
    ok(prong_shared_value_create(&s.waiting, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_shared_value_create(&s.woken, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_shared_value_create(&s.turn, PRONG_TYPE_OF(int), 1, NULL, NULL));
    return s;
}

static void end(struct shared *s) {
    ok(prong_condition_destroy(s->condition));
    ok(prong_lock_destroy(s->lock));
    ok(prong_shared_value_destroy(s->waiting));
    ok(prong_shared_value_destroy(s->woken));
    ok(prong_shared_value_destroy(s->turn));
    test_arena_is_clean(0);
}

static int value_of(prong_shared_value value) {
    int number;
    ok(prong_shared_value_get(value, 0, 1, &number, PRONG_SECONDS(5)));
    return number;
}

static void wait_until(prong_shared_value value, int wanted) {
    for (int i = 0; i < 2000 && value_of(value) != wanted; i++) test_sleep_ms(5);
    equal(value_of(value), wanted);
}

static int wait_once(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_lock_acquire(condition_lock(s->condition), PRONG_SECONDS(5)));
    ok(prong_shared_value_add(s->waiting, 0, 1, NULL));
    prong_status status = prong_condition_wait(s->condition, PRONG_SECONDS(15));
    if (status != PRONG_OK) return (int)status;
    ok(prong_shared_value_add(s->woken, 0, 1, NULL));
    ok(prong_lock_release(condition_lock(s->condition)));
    return 0;
}

static void notify(struct shared *s, unsigned count) {
    ok(prong_lock_acquire(condition_lock(s->condition), PRONG_SECONDS(5)));
    ok(prong_condition_notify(s->condition, count));
    ok(prong_lock_release(condition_lock(s->condition)));
}

METHOD_TEST(notify_wakes_just_as_many_as_it_says) {
    for (int own_lock = 0; own_lock < 2; own_lock++) {
        struct shared s = make(own_lock);
        prong_process processes[5];
        for (int i = 0; i < 5; i++) processes[i] = start_with(method, wait_once, s);
        wait_until(s.waiting, 5);
        notify(&s, 0);
        notify(&s, 1);
        wait_until(s.woken, 1);
        notify(&s, 2);
        wait_until(s.woken, 3);
        test_sleep_ms(120); /* longer than a nap: nobody wakes by himself */
        equal(value_of(s.woken), 3);
        ok(prong_lock_acquire(condition_lock(s.condition), PRONG_SECONDS(5)));
        ok(prong_condition_notify(s.condition, PRONG_ALL));
        ok(prong_lock_release(condition_lock(s.condition)));
        for (int i = 0; i < 5; i++) equal(test_end(processes[i]), 0);
        end(&s);
    }
}

METHOD_TEST(a_notification_goes_to_who_waited_before_it_not_after) {
    struct shared s = make(true);
    for (int i = 0; i < 20; i++) {
        prong_process first =
            start_with(method == PRONG_START_SPAWN && i % 5 ? PRONG_START_FORK : method, wait_once, s);
        wait_until(s.waiting, 1);
        ok(prong_lock_acquire(condition_lock(s.condition), PRONG_SECONDS(5)));
        ok(prong_condition_notify(s.condition, 1));
        /* under the same hold of the lock we wait too: what was notified before is not for us */
        is(prong_condition_wait(s.condition, PRONG_MS(2)), PRONG_TIMEOUT);
        says("condition 'news' was not notified");
        ok(prong_lock_release(condition_lock(s.condition)));
        equal(test_end(first), 0);
        ok(prong_shared_value_set(s.waiting, 0, 1, &(int){0}, PRONG_SECONDS(1)));
    }
    end(&s);
}

TEST(wait_times_out_with_the_lock_held_however_often_it_was_taken) {
    struct shared s = make(true);
    ok(prong_lock_acquire(condition_lock(s.condition), PRONG_NOWAIT));
    ok(prong_lock_acquire(condition_lock(s.condition), PRONG_NOWAIT));
    int64_t before = test_now();
    is(prong_condition_wait(s.condition, PRONG_MS(60)), PRONG_TIMEOUT);
    check(test_now() - before >= PRONG_MS(60));
    is(prong_condition_wait(s.condition, PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_lock_release(condition_lock(s.condition)));
    ok(prong_lock_release(condition_lock(s.condition)));
    is(prong_lock_release(condition_lock(s.condition)), PRONG_NOT_OWNER);
    is(prong_condition_wait(s.condition, PRONG_MS(60)), PRONG_NOT_OWNER);
    says("wait on condition 'news' without holding its lock");
    is(prong_condition_notify(s.condition, 1), PRONG_NOT_OWNER);
    is(prong_condition_wait_for(s.condition, NULL, NULL, 0), PRONG_INVALID);
    prong_condition other;
    is(prong_condition_create(&other, &(prong_condition_options){.lock = {64, 1}}), PRONG_STALE);
    end(&s);
}

static bool is_my_turn(void *context) {
    int *turn = context;
    return turn[0] == turn[1];
}

struct hand_over {
    struct shared s;
    int me, rounds;
};

static int hand_over(void *argument, size_t size) {
    struct hand_over *h = argument;
    int *turn;
    (void)size;
    ok(prong_shared_value_data(h->s.turn, (void **)&turn, NULL));
    for (int i = 0; i < h->rounds; i++) {
        ok(prong_lock_acquire(condition_lock(h->s.condition), PRONG_SECONDS(10)));
        while (*(volatile int *)turn != h->me) ok(prong_condition_wait(h->s.condition, PRONG_SECONDS(10)));
        *turn = 1 - h->me;
        ok(prong_condition_notify(h->s.condition, 1));
        ok(prong_lock_release(condition_lock(h->s.condition)));
    }
    return 0;
}

METHOD_TEST(a_hand_over_loses_no_notification) {
    for (int own_lock = 0; own_lock < 2; own_lock++) {
        struct hand_over h = {make(own_lock), 0, 5000}, other = h;
        other.me = 1;
        prong_process a = start_with(method, hand_over, h), b = start_with(method, hand_over, other);
        equal(test_end(a), 0);
        equal(test_end(b), 0);
        end(&h.s);
    }
}

TEST(wait_for_waits_for_the_predicate) {
    struct shared s = make(true);
    int turn[2] = {0, 1};
    ok(prong_lock_acquire(condition_lock(s.condition), PRONG_NOWAIT));
    is(prong_condition_wait_for(s.condition, is_my_turn, turn, PRONG_MS(50)), PRONG_TIMEOUT);
    turn[0] = 1;
    ok(prong_condition_wait_for(s.condition, is_my_turn, turn, PRONG_NOWAIT));
    ok(prong_lock_release(condition_lock(s.condition)));
    end(&s);
}

METHOD_TEST(notify_never_waits_for_the_dead_and_skips_those_buried) {
    struct shared s = make(true);
    prong_process dead = start_with(method, wait_once, s);
    wait_until(s.waiting, 1);
    prong_process alive = start_with(method, wait_once, s);
    wait_until(s.waiting, 2);
    ok(prong_process_signal(dead, SIGKILL));
    equal(test_end(dead), -SIGKILL);
    notify(&s, 1); /* the dead one came first, and is not counted */
    equal(test_end(alive), 0);
    end(&s);
}

METHOD_TEST(a_notification_to_one_that_died_unnoticed_goes_on_to_the_next) {
    struct shared s = make(true);
    prong_process dead = start_with(method, wait_once, s);
    wait_until(s.waiting, 1);
    prong_process alive = start_with(method, wait_once, s);
    wait_until(s.waiting, 2);
    int pid = test_pid(dead);
    /* stopped, so that it cannot take up its notification; then killed, and nobody joins it */
    check(kill(pid, SIGSTOP) == 0);
    notify(&s, 1);
    test_sleep_ms(60);
    equal(value_of(s.woken), 0);
    check(kill(pid, SIGKILL) == 0);
    equal(test_end(alive), 0);
    equal(value_of(s.woken), 1);
    equal(test_end(dead), -SIGKILL);
    end(&s);
}

static int die_with_the_lock(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_lock_acquire(condition_lock(s->condition), PRONG_SECONDS(5)));
    ok(prong_condition_notify(s->condition, PRONG_ALL));
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(a_notifier_that_dies_with_the_lock_is_reported_by_wait) {
    struct shared s = make(true);
    prong_process waiter = start_with(method, wait_once, s);
    wait_until(s.waiting, 1);
    prong_process killed = start_with(method, die_with_the_lock, s);
    equal(test_end(waiter), PRONG_OWNER_DIED); /* and it holds the lock: it ends with it */
    equal(test_end(killed), -SIGKILL);
    is(prong_lock_acquire(condition_lock(s.condition), PRONG_SECONDS(5)), PRONG_OWNER_DIED);
    ok(prong_lock_release(condition_lock(s.condition)));
    end(&s);
}

METHOD_TEST(who_waits_on_a_condition_that_is_destroyed_is_told) {
    struct shared s = make(false);
    prong_process waiter = start_with(method, wait_once, s);
    wait_until(s.waiting, 1);
    test_sleep_ms(20);
    ok(prong_condition_destroy(s.condition));
    equal(test_end(waiter), PRONG_STALE & 0xff);
    is(prong_lock_acquire(condition_lock(s.condition), PRONG_NOWAIT), PRONG_STALE);
    is(prong_lock_acquire(s.lock, PRONG_SECONDS(5)), PRONG_OWNER_DIED); /* it ended with the lock */
    ok(prong_condition_create(&s.condition, NULL));
    end(&s);
}

static void *wait_in_a_thread(void *shared) {
    return (void *)(intptr_t)wait_once(shared, 0);
}

TEST(threads_wait_as_processes_do) {
    struct shared s = make(true);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) check(pthread_create(&threads[i], NULL, wait_in_a_thread, &s) == 0);
    wait_until(s.waiting, 4);
    notify(&s, 3);
    wait_until(s.woken, 3);
    notify(&s, 3);
    for (int i = 0; i < 4; i++) {
        void *code;
        pthread_join(threads[i], &code);
        check(code == NULL);
    }
    end(&s);
}
