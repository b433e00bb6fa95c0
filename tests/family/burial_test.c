/* The dead are buried, and give back their places in the tables, also where nobody waits for one of them or sleeps. */
#include "../support/sync.h"
#include "../support/test.h"

#include "family/object.h"
#include "family/waiter.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int rows_in_use(void) {
    int rows = 0;
    for (int i = 0; i < MEMBER_LIMIT; i++) rows += atomic_load(&member_rows()[i].state) != MEMBER_FREE;
    return rows;
}

/* Members by a fork of the host's own, of which the family learns nothing when they die. */
static void die_as_member(void (*before)(void)) {
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        ok(prong_family_create(NULL));
        if (before) before();
        kill(getpid(), SIGKILL);
    }
    check(waitpid(child, NULL, 0) == child);
}

TEST(each_that_joins_or_is_started_pays_for_the_burial_of_one_that_died) {
    ok(prong_family_create(NULL));
    for (int i = 0; i < 60; i++) die_as_member(NULL);
    check(rows_in_use() < 6);
}

static void wait_everywhere(void) {
    while (waiter_begin(NULL)) {}
}

TEST(a_condition_has_waiters_again_when_those_that_had_all_places_are_dead) {
    prong_condition condition;
    ok(prong_condition_create(&condition, NULL));
    die_as_member(wait_everywhere);
    ok(prong_lock_acquire(condition_lock(condition), PRONG_NOWAIT));
    is(prong_condition_wait(condition, PRONG_MS(1)), PRONG_TIMEOUT);
    ok(prong_lock_release(condition_lock(condition)));
    ok(prong_condition_destroy(condition));
    test_arena_is_clean(0);
}

static void be_looked_at_by_another_clock(void) {
    atomic_store(&member_row(self_token())->looked_at, test_now() + PRONG_SECONDS(3600));
    atomic_store(&member_row(self_token())->not_before, test_now() + PRONG_SECONDS(3600));
}

/* In another time namespace, CLOCK_MONOTONIC may be ahead. */
TEST(one_whose_row_has_times_of_another_clock_is_buried) {
    ok(prong_family_create(NULL));
    int before = rows_in_use();
    die_as_member(be_looked_at_by_another_clock);
    family_bury_dead();
    equal(rows_in_use(), before);
}
