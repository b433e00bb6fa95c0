/* The undo journal. */
#include "base/periods.h"
#include "family/guard.h"

#include "family/arena.h"
#include "family/member.h"

#define IN_ORDER() atomic_signal_fence(memory_order_seq_cst)

/* A thread whose wait was interrupted still has to clean up. It waits for the guard as always, but for a stopped
 * process not forever. */
static enum lock_result guard_acquire(struct guard *guard, deadline_t deadline) {
    if (__builtin_expect(!wait_cancelled, 1)) return lock_acquire(&guard->lock, self_token(), deadline);
    wait_cancelled = false;
    if (deadline == PRONG_FOREVER) deadline = deadline_after(STOPPED_AT_MOST);
    enum lock_result result = lock_acquire(&guard->lock, self_token(), deadline);
    wait_cancelled = true;
    return result;
}

bool guard_enter(struct guard *guard, deadline_t deadline) {
    switch (guard_acquire(guard, deadline)) {
    case LOCK_TAKEN: return true;
    case LOCK_RECOVERED: guard_undo(guard); return true;
    default: return false;
    }
}

void guard_commit(struct guard *guard) {
    IN_ORDER();
    atomic_store_explicit(&guard->journal.count, 0, memory_order_relaxed);
    IN_ORDER();
}

void guard_leave(struct guard *guard) {
    guard_commit(guard);
    lock_release(&guard->lock);
}

/* May be killed in here and begun again: putting an old value back twice changes nothing. */
void guard_undo(struct guard *guard) {
    struct journal *journal = &guard->journal;
    uint64_t count = atomic_load_explicit(&journal->count, memory_order_relaxed);
    while (count > 0) {
        count--;
        *(uint64_t *)arena_at(journal->entry[count].where) = journal->entry[count].old;
        IN_ORDER();
    }
    atomic_store_explicit(&journal->count, 0, memory_order_relaxed);
    IN_ORDER();
}

void guard_settle(struct guard *guard, uint32_t dead) {
    if (lock_held_by(&guard->lock, dead) && guard_enter(guard, PRONG_FOREVER)) guard_leave(guard);
    lock_wake(&guard->lock);
}

void guard_set(struct guard *guard, uint64_t *word, uint64_t value) {
    struct journal *journal = &guard->journal;
    uint64_t count = atomic_load_explicit(&journal->count, memory_order_relaxed);
    if (__builtin_expect(count < JOURNAL_CAPACITY, 1)) {
        journal->entry[count].where = arena_offset(word);
        journal->entry[count].old = *word;
        IN_ORDER();
        atomic_store_explicit(&journal->count, count + 1, memory_order_relaxed);
        IN_ORDER();
    } else {
        atomic_fetch_add(&arena()->journal_overflows, 1);
    }
    __atomic_store_n(word, value, __ATOMIC_RELEASE); /* some words are also read without the guard, as hints */
    IN_ORDER();
}
