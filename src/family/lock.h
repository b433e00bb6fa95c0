/* The family's internal lock: one 32-bit word in the arena, held for a few dozen instructions at a time.
 *
 * The word is 0 when free, else the owner's member token, with LOCK_WAITERS set when somebody sleeps on it. A lock
 * whose owner has died is taken over by the next one to want it, who is told so and repairs what the lock guards. */
#ifndef FAMILY_LOCK_H
#define FAMILY_LOCK_H

#include "base/deadline.h"

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    _Atomic uint32_t word;
} lock_t;

enum lock_result { LOCK_TAKEN, LOCK_RECOVERED, LOCK_TIMED_OUT };

#define LOCK_WAITERS 0x80000000u

enum lock_result lock_acquire_slow(lock_t *lock, uint32_t token, deadline_t deadline);
void lock_wake(lock_t *lock);

static inline enum lock_result lock_acquire(lock_t *lock, uint32_t token, deadline_t deadline) {
    uint32_t free = 0;
    if (__builtin_expect(atomic_compare_exchange_strong_explicit(&lock->word, &free, token, memory_order_acquire,
                                                                 memory_order_relaxed),
                         1))
        return LOCK_TAKEN;
    return lock_acquire_slow(lock, token, deadline);
}

/* Sequentially consistent, so that a store made under the lock is seen before any load that follows: callers look
 * at their waiters' flag next, and it pairs with the fence in waitq_prepare. */
static inline void lock_release(lock_t *lock) {
    if (__builtin_expect((atomic_exchange(&lock->word, 0) & LOCK_WAITERS) != 0, 0)) lock_wake(lock);
}

/* Whether this member holds, or died holding, the lock. */
static inline int lock_held_by(lock_t *lock, uint32_t token) {
    return (atomic_load(&lock->word) & ~LOCK_WAITERS) == token;
}

#endif
