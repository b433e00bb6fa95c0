/* Locks and guards from within: a dead owner, at once and with any deadline. */
#include "../support/test.h"

#include "family/guard.h"
#include "family/heap.h"
#include "family/member.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    struct guard guard;
    uint64_t words[4];
};

static struct place *make(void) {
    struct place *place;
    ok(prong_memory_alloc(sizeof *place, (void **)&place));
    memset(place, 0, sizeof *place);
    return place;
}

static void in_a_child_that_dies(void (*act)(struct place *), struct place *place) {
    pid_t pid = fork();
    if (pid == 0) {
        ok(prong_family_create(NULL));
        act(place);
        raise(SIGKILL);
    }
    check(waitpid(pid, NULL, 0) == pid);
}

static void take_lock(struct place *place) {
    equal(lock_acquire(&place->guard.lock, self_token(), PRONG_FOREVER), LOCK_TAKEN);
}

TEST(a_dead_owners_lock_is_taken_over_whatever_the_deadline) {
    const deadline_t deadlines[] = {PRONG_NOWAIT, 1, PRONG_FOREVER};
    struct place *place = make();
    for (int i = 0; i < 3; i++) {
        in_a_child_that_dies(take_lock, place);
        int64_t before = test_now();
        equal(lock_acquire(&place->guard.lock, self_token(), deadlines[i]), LOCK_RECOVERED);
        check(test_now() - before < PRONG_MS(200));
        lock_release(&place->guard.lock);
        equal(lock_acquire(&place->guard.lock, self_token(), PRONG_NOWAIT), LOCK_TAKEN);
        lock_release(&place->guard.lock);
    }
}

TEST(a_stopped_owners_lock_is_waited_for_until_the_deadline) {
    struct place *place = make();
    pid_t pid = fork();
    if (pid == 0) {
        ok(prong_family_create(NULL));
        take_lock(place);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    equal(lock_acquire(&place->guard.lock, self_token(), deadline_after(PRONG_MS(150))), LOCK_TIMED_OUT);
    equal(lock_acquire(&place->guard.lock, self_token(), PRONG_NOWAIT), LOCK_TIMED_OUT);
    kill(pid, SIGKILL);
    check(waitpid(pid, NULL, 0) == pid);
    equal(lock_acquire(&place->guard.lock, self_token(), PRONG_FOREVER), LOCK_RECOVERED);
}

/* As a burial wants it, for each of the many things that a stopped process holds up. */
TEST(a_stopped_owners_lock_is_only_tried_past_the_limit_of_a_burial) {
    enum { TIMES = 5000 };
    struct place *place = make();
    pid_t pid = fork();
    if (pid == 0) {
        ok(prong_family_create(NULL));
        take_lock(place);
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    lock_hurry(deadline_after(PRONG_MS(1)));
    test_sleep_ms(2);
    int64_t before = test_now();
    for (int i = 0; i < TIMES; i++)
        equal(lock_acquire(&place->guard.lock, self_token(), PRONG_FOREVER), LOCK_TIMED_OUT);
    check(test_now() - before < PRONG_SECONDS(2));
    check(!lock_take_time());
    kill(pid, SIGKILL);
    check(waitpid(pid, NULL, 0) == pid);
    lock_hurry(deadline_after(PRONG_MS(1)));
    test_sleep_ms(2);
    equal(lock_acquire(&place->guard.lock, self_token(), PRONG_FOREVER), LOCK_RECOVERED); /* it is dead */
    lock_release(&place->guard.lock);
    check(lock_take_time());
}

static void change_three_words(struct place *place) {
    check(guard_enter(&place->guard, PRONG_FOREVER));
    for (uint64_t i = 0; i < 3; i++) guard_set(&place->guard, &place->words[i], 100 + i);
    guard_set(&place->guard, &place->words[0], 200);
}

static pid_t inside(struct place *place, int milliseconds) {
    pid_t pid = fork();
    if (pid == 0) {
        ok(prong_family_create(NULL));
        guard_enter(&place->guard, PRONG_FOREVER);
        __atomic_store_n(&place->words[0], 1, __ATOMIC_SEQ_CST);
        test_sleep_ms(milliseconds);
        guard_leave(&place->guard);
        _exit(0);
    }
    for (int i = 0; i < 2000 && !__atomic_load_n(&place->words[0], __ATOMIC_SEQ_CST); i++) test_sleep_ms(1);
    __atomic_store_n(&place->words[0], 0, __ATOMIC_SEQ_CST);
    return pid;
}

TEST(a_guard_is_entered_after_a_wait_was_broken_off_though_somebody_is_inside) {
    struct place *place = make();
    pid_t pid = inside(place, 150);
    wait_cancelled = true;
    check(guard_enter(&place->guard, PRONG_FOREVER));
    check(wait_cancelled);
    guard_leave(&place->guard);
    check(waitpid(pid, NULL, 0) == pid);
    pid = inside(place, 100000);
    int64_t before = test_now();
    check(!guard_enter(&place->guard, PRONG_FOREVER));
    check(test_now() - before < PRONG_SECONDS(10));
    wait_cancelled = false;
    kill(pid, SIGKILL);
    check(waitpid(pid, NULL, 0) == pid);
    check(guard_enter(&place->guard, PRONG_FOREVER));
    guard_leave(&place->guard);
}

TEST(what_a_dead_member_changed_under_a_guard_is_undone) {
    struct place *place = make();
    for (uint64_t i = 0; i < 4; i++) place->words[i] = i;
    in_a_child_that_dies(change_three_words, place);
    equal(place->words[0], 200);
    check(guard_enter(&place->guard, PRONG_FOREVER));
    for (uint64_t i = 0; i < 4; i++) equal(place->words[i], i);
    guard_leave(&place->guard);
}

static void change_and_leave(struct place *place) {
    change_three_words(place);
    guard_leave(&place->guard);
}

TEST(what_was_left_before_a_death_holds) {
    struct place *place = make();
    in_a_child_that_dies(change_and_leave, place);
    check(guard_enter(&place->guard, PRONG_FOREVER));
    equal(place->words[0], 200);
    equal(place->words[2], 102);
    guard_leave(&place->guard);
}

TEST(random_allocations_keep_the_heap_whole) {
    enum { BLOCKS = 500 };
    uint64_t blocks[BLOCKS] = {0};
    unsigned seed = 7;
    struct heap_summary before, after;
    ok(prong_family_create(NULL));
    ok(heap_check(&before));
    for (int i = 0; i < 20000; i++) {
        int k = rand_r(&seed) % BLOCKS;
        if (blocks[k]) {
            ok(heap_free(blocks[k], NULL));
            blocks[k] = 0;
        } else {
            ok(heap_alloc((uint64_t)1 << rand_r(&seed) % 17 | (uint64_t)rand_r(&seed) % 100, 0, NULL, &blocks[k]));
        }
        if (i % 500 == 0) ok(heap_check(&after));
    }
    for (int k = 0; k < BLOCKS; k++)
        if (blocks[k]) ok(heap_free(blocks[k], NULL));
    ok(heap_check(&after));
    equal(after.used_bytes, before.used_bytes);
    equal(after.free_blocks, before.free_blocks);
    is(heap_free(12345, NULL), PRONG_STALE);
}
