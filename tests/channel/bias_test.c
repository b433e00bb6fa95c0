/* A lock that a thread keeps: which thread it is that enters it quickly. */
#include "../support/test.h"

#include "channel/bias.h"
#include "family/heap.h"

#include <prong/prong.h>

enum { TAKEN_OFTEN = 100 };

static struct biased_lock *make_lock(void) {
    uint64_t block;
    ok(prong_family_create(NULL));
    ok(heap_alloc(sizeof(struct biased_lock), 0, &block, NULL));
    struct biased_lock *lock = arena_at(block);
    *lock = (struct biased_lock){0};
    return lock;
}

static void take_often(struct biased_lock *lock) {
    for (int i = 0; i < TAKEN_OFTEN; i++) {
        check(biased_lock_acquire(lock, deadline_after(PRONG_SECONDS(10))) == LOCK_TAKEN);
        if (!bias_try_leave(lock)) biased_lock_release_and_keep(lock);
    }
}

static void enter_and_leave(struct biased_lock *lock) {
    check(bias_enter(lock));
    check(atomic_load(&thread_known.row->holding) == bias_name(lock));
    bias_leave(lock);
}

TEST(the_thread_that_takes_a_lock_often_keeps_it) {
    struct biased_lock *lock = make_lock();
    check(!bias_enter(lock));
    take_often(lock);
    enter_and_leave(lock);
}

/* The thread that has the row of one that has ended keeps what that one kept; also if the system has given it the same
 * number, one with another row does not. */
TEST(a_thread_with_another_row_does_not_keep_the_lock) {
    struct biased_lock *lock = make_lock();
    take_often(lock);
    struct thread_row *before = thread_known.row;
    atomic_store(&before->who, (uint64_t)self_token() << 32 | 1); /* another thread has it by now */
    thread_know_self();
    check(thread_known.row != before);
    check(!bias_enter(lock));
    check(atomic_load(&thread_known.row->holding) == 0);
    take_often(lock); /* revokes it */
    atomic_store(&before->who, 0);
}
