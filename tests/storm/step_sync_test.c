/* Death at every instruction of locks, semaphores, events, conditions, barriers and values. */
#define _GNU_SOURCE
#include "../support/sync.h"
#include "step.h"

/* Success, taken over or not. */
static bool got(prong_status status) {
    if (status == PRONG_OK || status == PRONG_OWNER_DIED) return true;
    test_failed(__FILE__, __LINE__, "%s: %s", prong_status_name(status), prong_error_message());
}

static void start_helper(struct stage *stage, void (*run)(struct stage *)) {
    ok(prong_shared_value_set(stage->value, 0, 1, &(long){0}, PRONG_SECONDS(5)));
    stage->helper = fork();
    if (stage->helper == 0) {
        run(stage);
        _exit(0);
    }
    long begun = 0;
    for (int i = 0; i < 5000 && !begun; i++) {
        ok(prong_shared_value_get(stage->value, 0, 1, &begun, PRONG_SECONDS(5)));
        if (!begun) usleep(200);
    }
    check(begun);
    usleep(300); /* it is about to wait, or does: both are worth a try */
}

static void helper_begins(struct stage *stage) {
    ok(prong_shared_value_set(stage->value, 0, 1, &(long){1}, PRONG_SECONDS(5)));
}

static void helper_ends_well(struct stage *stage) {
    int status;
    check(waitpid(stage->helper, &status, 0) == stage->helper);
    if (status != 0) test_failed(__FILE__, __LINE__, "the helper ended with %x", (unsigned)status);
    stage->helper = 0;
}

static void make_value(struct stage *stage) {
    ok(prong_shared_value_create(&stage->value, PRONG_TYPE_OF(long), 1, NULL, NULL));
}

/* --- locks --- */

static void prepare_locks(struct stage *stage) {
    make_value(stage);
    ok(prong_lock_create(&stage->lock, NULL));
    ok(prong_lock_create(&stage->rlock, &(prong_lock_options){.recursive = true}));
}

static void verify_locks(struct stage *stage) {
    check(got(prong_lock_acquire(stage->lock, PRONG_SECONDS(5))));
    ok(prong_lock_release(stage->lock));
    check(got(prong_lock_acquire(stage->rlock, PRONG_SECONDS(5))));
    ok(prong_lock_acquire(stage->rlock, PRONG_NOWAIT));
    ok(prong_lock_release(stage->rlock));
    ok(prong_lock_release(stage->rlock));
    is(prong_lock_release(stage->rlock), PRONG_NOT_OWNER);
    ok(prong_lock_acquire(stage->lock, PRONG_NOWAIT)); /* told once */
    ok(prong_lock_destroy(stage->lock));
    ok(prong_lock_destroy(stage->rlock));
    ok(prong_shared_value_destroy(stage->value));
}

static void lock_and_unlock(struct stage *stage) {
    prong_lock_acquire(stage->lock, PRONG_NOWAIT);
    prong_lock_release(stage->lock);
}

static void lock_twice_and_unlock(struct stage *stage) {
    prong_lock_acquire(stage->rlock, PRONG_NOWAIT);
    prong_lock_acquire(stage->rlock, PRONG_NOWAIT);
    prong_lock_release(stage->rlock);
    prong_lock_release(stage->rlock);
}

LONG_TEST(acquire_and_release_of_a_lock, 120) {
    kill_everywhere(&(struct operation){prepare_locks, join_family, lock_and_unlock, verify_locks, 1});
}

LONG_TEST(acquire_and_release_of_an_rlock, 120) {
    kill_everywhere(&(struct operation){prepare_locks, join_family, lock_twice_and_unlock, verify_locks, 1});
}

static void prepare_held_lock(struct stage *stage) {
    prepare_locks(stage);
    ok(prong_lock_acquire(stage->lock, PRONG_NOWAIT));
}

static void wait_for_held_lock(struct stage *stage) {
    prong_lock_acquire(stage->lock, PRONG_MS(1));
}

static void verify_held_lock(struct stage *stage) {
    ok(prong_lock_release(stage->lock)); /* still ours */
    verify_locks(stage);
}

LONG_TEST(a_wait_for_a_lock_that_times_out, 240) {
    kill_everywhere(&(struct operation){prepare_held_lock, join_family, wait_for_held_lock, verify_held_lock, 97});
}

/* The stepped one holds the lock, and a helper waits for it. */
static void take_and_tell(struct stage *stage) {
    join_family(stage);
    ok(prong_lock_acquire(stage->lock, PRONG_SECONDS(5)));
    stage->helper = fork();
    if (stage->helper == 0) {
        /* of another process group of members, but a child of the stepped: it must not be waited for there */
        check(got(prong_lock_acquire(stage->lock, PRONG_SECONDS(10))));
        ok(prong_lock_release(stage->lock));
        ok(prong_shared_value_add(stage->value, 0, 1, NULL));
        _exit(0);
    }
    usleep(3000);
}

static void release_to_waiter(struct stage *stage) {
    prong_lock_release(stage->lock);
}

static void verify_waiter_got_it(struct stage *stage) {
    long done = 0;
    for (int i = 0; i < 2000 && !done; i++) {
        ok(prong_shared_value_get(stage->value, 0, 1, &done, PRONG_SECONDS(5)));
        if (!done) usleep(1000);
    }
    check(done == 1);
    verify_locks(stage);
}

/* What is counted as a member beside us comes and goes by itself here. */
static void kill_while_releasing(void) {
    const struct operation operation = {prepare_locks, take_and_tell, release_to_waiter, verify_waiter_got_it, 1};
    struct stage stage;
    bool through = false;
    for (long steps = 0; !through; steps += getenv("PRONG_STEP_ALL") ? 1 : 3) {
        make_stage(&operation, &stage);
        through = run_to(&operation, &stage, steps);
        operation.verify(&stage);
        clear_stage(&stage);
    }
}

LONG_TEST(release_of_a_lock_that_is_waited_for, 240) {
    kill_while_releasing();
}

/* --- semaphores --- */

static void prepare_semaphore(struct stage *stage) {
    ok(prong_semaphore_create(&stage->semaphore, 2, &(prong_semaphore_options){.bounded = true, .recover = true}));
    ok(prong_semaphore_acquire(stage->semaphore, PRONG_NOWAIT));
}

static void take_a_unit_and_give_it(struct stage *stage) {
    prong_semaphore_acquire(stage->semaphore, PRONG_NOWAIT);
    prong_semaphore_release(stage->semaphore);
}

static void verify_semaphore(struct stage *stage) {
    equal(prong_semaphore_value(stage->semaphore), 1);
    ok(prong_semaphore_release(stage->semaphore));
    for (int i = 0; i < 2; i++) ok(prong_semaphore_acquire(stage->semaphore, PRONG_NOWAIT));
    is(prong_semaphore_acquire(stage->semaphore, PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_semaphore_destroy(stage->semaphore));
}

LONG_TEST(acquire_and_release_of_a_semaphore_that_recovers, 120) {
    kill_everywhere(&(struct operation){prepare_semaphore, join_family, take_a_unit_and_give_it, verify_semaphore, 1});
}

static void prepare_plain_semaphore(struct stage *stage) {
    ok(prong_semaphore_create(&stage->semaphore, 2, NULL));
}

static void verify_plain_semaphore(struct stage *stage) {
    unsigned value = prong_semaphore_value(stage->semaphore);
    check(value == 2 || value == 1); /* what it held stays taken */
    ok(prong_semaphore_acquire(stage->semaphore, PRONG_NOWAIT));
    ok(prong_semaphore_destroy(stage->semaphore));
}

LONG_TEST(acquire_and_release_of_a_plain_semaphore, 120) {
    kill_everywhere(
        &(struct operation){prepare_plain_semaphore, join_family, take_a_unit_and_give_it, verify_plain_semaphore, 1});
}

/* --- events --- */

static void wait_for_event(struct stage *stage) {
    helper_begins(stage);
    ok(prong_event_wait(stage->event, PRONG_SECONDS(10)));
}

static void prepare_event(struct stage *stage) {
    make_value(stage);
    ok(prong_event_create(&stage->event, NULL));
    start_helper(stage, wait_for_event);
}

static void set_event(struct stage *stage) {
    prong_event_set(stage->event);
}

static void verify_event(struct stage *stage) {
    ok(prong_event_set(stage->event));
    helper_ends_well(stage);
    ok(prong_event_destroy(stage->event));
    ok(prong_shared_value_destroy(stage->value));
}

LONG_TEST(set_of_an_event_that_is_waited_for, 120) {
    kill_everywhere(&(struct operation){prepare_event, join_family, set_event, verify_event, 1});
}

/* --- conditions --- */

static void wait_on_condition(struct stage *stage) {
    ok(prong_lock_acquire(condition_lock(stage->condition), PRONG_SECONDS(5)));
    helper_begins(stage);
    check(got(prong_condition_wait(stage->condition, PRONG_SECONDS(10))));
    ok(prong_lock_release(condition_lock(stage->condition)));
}

static void prepare_condition(struct stage *stage) {
    make_value(stage);
    ok(prong_condition_create(&stage->condition, NULL));
    start_helper(stage, wait_on_condition);
}

static void notify_one(struct stage *stage) {
    prong_lock_acquire(condition_lock(stage->condition), PRONG_NOWAIT);
    prong_condition_notify(stage->condition, 1);
    prong_lock_release(condition_lock(stage->condition));
}

static void verify_condition(struct stage *stage) {
    check(got(prong_lock_acquire(condition_lock(stage->condition), PRONG_SECONDS(5))));
    ok(prong_condition_notify(stage->condition, 1));
    ok(prong_lock_release(condition_lock(stage->condition)));
    helper_ends_well(stage);
    check(got(prong_lock_acquire(condition_lock(stage->condition), PRONG_SECONDS(5))));
    is(prong_condition_wait(stage->condition, PRONG_US(10)), PRONG_TIMEOUT); /* no notification is left over */
    ok(prong_lock_release(condition_lock(stage->condition)));
    ok(prong_condition_destroy(stage->condition));
    ok(prong_shared_value_destroy(stage->value));
}

LONG_TEST(notify_of_a_condition_that_is_waited_for, 240) {
    kill_everywhere(&(struct operation){prepare_condition, join_family, notify_one, verify_condition, 7});
}

static void wait_briefly(struct stage *stage) {
    prong_lock_acquire(condition_lock(stage->condition), PRONG_MS(100));
    prong_condition_wait(stage->condition, PRONG_NOWAIT);
    prong_lock_release(condition_lock(stage->condition));
}

LONG_TEST(wait_on_a_condition_that_times_out, 240) {
    kill_everywhere(&(struct operation){prepare_condition, join_family, wait_briefly, verify_condition, 13});
}

/* The stepped one is notified, and dies somewhere on its way out: the helper, behind it, must get one in its place. */
static void wait_to_be_notified(struct stage *stage) {
    prong_lock_acquire(condition_lock(stage->condition), PRONG_MS(100));
    prong_condition_notify(stage->condition, PRONG_ALL); /* the helper leaves the list, and comes back behind us */
    prong_condition_wait(stage->condition, PRONG_MS(5));
    prong_lock_release(condition_lock(stage->condition));
}

static void wait_twice(struct stage *stage) {
    ok(prong_lock_acquire(condition_lock(stage->condition), PRONG_SECONDS(5)));
    helper_begins(stage);
    check(got(prong_condition_wait(stage->condition, PRONG_SECONDS(10))));
    ok(prong_condition_notify(stage->condition, 1)); /* to the stepped one, if it got so far */
    prong_condition_wait(stage->condition, PRONG_MS(30));
    ok(prong_lock_release(condition_lock(stage->condition)));
}

static void prepare_condition_for_two(struct stage *stage) {
    make_value(stage);
    ok(prong_condition_create(&stage->condition, NULL));
    start_helper(stage, wait_twice);
}

LONG_TEST(wait_on_a_condition_that_is_notified, 240) {
    kill_everywhere(
        &(struct operation){prepare_condition_for_two, join_family, wait_to_be_notified, verify_condition, 101});
}

/* --- barriers --- */

static void wait_at_barrier(struct stage *stage) {
    helper_begins(stage);
    prong_status status = prong_barrier_wait(stage->barrier, NULL, NULL, PRONG_SECONDS(10));
    check(status == PRONG_OK || status == PRONG_BROKEN);
}

static void prepare_barrier(struct stage *stage) {
    make_value(stage);
    ok(prong_barrier_create(&stage->barrier, 2, NULL));
    start_helper(stage, wait_at_barrier);
    while (barrier_now(stage->barrier).waiting < 1) usleep(100);
}

static void complete_round(struct stage *stage) {
    prong_barrier_wait(stage->barrier, NULL, NULL, PRONG_MS(100));
}

static void verify_barrier(struct stage *stage) {
    if (barrier_now(stage->barrier).waiting == 1 && !barrier_now(stage->barrier).broken) /* it did not get so far */
        ok(prong_barrier_wait(stage->barrier, NULL, NULL, PRONG_SECONDS(5)));
    helper_ends_well(stage);
    ok(prong_barrier_reset(stage->barrier));
    start_helper(stage, wait_at_barrier);
    ok(prong_barrier_wait(stage->barrier, NULL, NULL, PRONG_SECONDS(5)));
    helper_ends_well(stage);
    ok(prong_barrier_destroy(stage->barrier));
    ok(prong_shared_value_destroy(stage->value));
}

LONG_TEST(wait_at_a_barrier, 240) {
    kill_everywhere(&(struct operation){prepare_barrier, join_family, complete_round, verify_barrier, 7});
}

/* --- values --- */

struct pair {
    long a, fill[6], b;
};

static void prepare_pair(struct stage *stage) {
    ok(prong_shared_value_create(&stage->value, PRONG_TYPE_STRUCT, 1, &(struct pair){.a = 1, .b = 1},
                                 &(prong_shared_value_options){.size = sizeof(struct pair)}));
}

static void get_and_set(struct stage *stage) {
    struct pair pair;
    prong_shared_value_get(stage->value, 0, 1, &pair, PRONG_NOWAIT);
    pair.a++;
    pair.b++;
    prong_shared_value_set(stage->value, 0, 1, &pair, PRONG_NOWAIT);
}

/* Either whole, old or new; or the next one is told that it may not be. */
static void verify_pair(struct stage *stage) {
    struct pair pair;
    prong_status status = prong_shared_value_get(stage->value, 0, 1, &pair, PRONG_SECONDS(5));
    check(got(status));
    if (status == PRONG_OK) check(pair.a == pair.b && (pair.a == 1 || pair.a == 2));
    ok(prong_shared_value_get(stage->value, 0, 1, &pair, PRONG_NOWAIT));
    ok(prong_shared_value_destroy(stage->value));
}

LONG_TEST(get_and_set_of_a_value_under_its_lock, 120) {
    kill_everywhere(&(struct operation){prepare_pair, join_family, get_and_set, verify_pair, 1});
}

/* --- what a member has touched (family/touched.h): first in its row, then in a block --- */

enum { SLAB_LOCKS = 128, SLABS_BEFORE = 10, SLABS_STEPPED = 5, MANY = SLAB_LOCKS * (SLABS_BEFORE + SLABS_STEPPED) };
static prong_lock many[MANY];

static void prepare_many_locks(struct stage *stage) {
    (void)stage;
    for (int i = 0; i < MANY; i++) ok(prong_lock_create(&many[i], NULL));
}

static void touch_some(struct stage *stage) {
    join_family(stage);
    for (int i = 0; i < SLABS_BEFORE * SLAB_LOCKS; i += SLAB_LOCKS) check(prong_lock_locked(many[i]) == false);
}

static void take_more(struct stage *stage) {
    (void)stage;
    for (int i = SLABS_BEFORE * SLAB_LOCKS; i < MANY; i += SLAB_LOCKS)
        if (prong_lock_acquire(many[i], PRONG_NOWAIT) < 0) return;
}

static void verify_many_locks(struct stage *stage) {
    (void)stage;
    for (int i = 0; i < MANY; i++) {
        check(got(prong_lock_acquire(many[i], PRONG_NOWAIT)));
        ok(prong_lock_destroy(many[i]));
    }
}

LONG_TEST(touching_more_and_more, 240) {
    kill_everywhere(&(struct operation){prepare_many_locks, touch_some, take_more, verify_many_locks, 23, NULL});
}
