/* The family's internal lock: one 32-bit word in the arena, held for a few dozen instructions at a time.
 *
 * The word is 0 when free, else the owner's member token, with LOCK_WAITERS set when a thread sleeps on it. If the
 * owner has died, the next process that wants the lock takes it over; it is told so, and repairs what the lock
 * guards. */
#ifndef FAMILY_LOCK_H
#define FAMILY_LOCK_H

#include "base/deadline.h"
#include "base/local.h"

#include <stdatomic.h>
#include <prong/status.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    _Atomic uint32_t word;
} lock_t;

enum lock_result { LOCK_TAKEN, LOCK_RECOVERED, LOCK_TIMED_OUT };

#define LOCK_WAITERS 0x80000000u

/* Which of these locks the calling thread holds, or is about to take: a signal handler that wants one of them is
 * refused, as it would wait for the thread that it interrupts. A lock is noted before it is taken, and until it is
 * free. */
#ifndef LOCK_NOTES /* the model in tests/model has none: all its threads are one thread of the system */
enum { LOCK_NOTES = 12 };
struct lock_notes {
    uint32_t count;
    bool refused;       /* the last one that timed out was one of them */
    bool gave_up;       /* one of an object has timed out since lock_hurry */
    deadline_t limit;   /* of waits for locks of objects, between lock_hurry and lock_take_time; else 0 */
    const lock_t *late; /* the last one that was not to be had past the limit */
    lock_t *lock[LOCK_NOTES];
};
extern __attribute__((visibility("hidden"))) QUICK_LOCAL struct lock_notes lock_notes;

static inline void lock_note(lock_t *lock) {
    uint32_t count = lock_notes.count;
    lock_notes.count = count + 1;
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect(count < LOCK_NOTES, 1)) lock_notes.lock[count] = lock;
    atomic_signal_fence(memory_order_seq_cst);
}

/* Locks are released in the reverse order of acquiring. */
static inline void lock_unnote(void) {
    atomic_signal_fence(memory_order_seq_cst);
    lock_notes.count--;
}

/* For lock_refused, when a lock that is built on this one is not to be had. interrupted: by a signal handler of its own
 * thread. */
static inline void lock_note_refusal(bool interrupted) {
    lock_notes.refused = interrupted;
    lock_notes.gave_up = true;
}

/* From here on the calling thread waits for locks of objects until the deadline only, also where it would wait forever;
 * past that it only tries.
 * For a burial: whoever holds such a lock may be stopped, or wait for what the burying thread holds. */
static inline void lock_hurry(deadline_t limit) {
    lock_notes.gave_up = false;
    lock_notes.limit = limit;
    lock_notes.late = NULL;
}

/* Ends what lock_hurry has begun. True when the thread got all locks that it wanted. */
static inline bool lock_take_time(void) {
    lock_notes.limit = 0;
    return !lock_notes.gave_up;
}
#endif

/* Reports why a lock could not be taken: PRONG_DEADLOCK if this thread holds it itself, and was interrupted by the
 * signal handler that makes this call; else `status`, as a stopped process holds it. what: "the allocator". */
prong_status lock_refused(prong_status status, const char *what);

#ifndef lock_give_up_at
/* When to give a lock up whose holder is stopped: not as early as the deadline, or earlier (lock_hurry). */
deadline_t lock_give_up_at(const lock_t *lock, deadline_t deadline);
#endif
enum lock_result lock_acquire_slow(lock_t *lock, uint32_t token, deadline_t deadline);
void lock_wake(lock_t *lock);

static inline enum lock_result lock_acquire(lock_t *lock, uint32_t token, deadline_t deadline) {
    uint32_t free = 0;
    lock_note(lock);
    if (__builtin_expect(atomic_compare_exchange_strong_explicit(&lock->word, &free, token, memory_order_acquire,
                                                                 memory_order_relaxed),
                         1))
        return LOCK_TAKEN;
    enum lock_result result = lock_acquire_slow(lock, token, deadline);
    if (result == LOCK_TIMED_OUT) lock_unnote();
    return result;
}

/* Sequentially consistent, so that a store made under the lock is seen before any load that follows: callers look
 * at their waiters' flag next, and it pairs with the fence in waitq_prepare. */
static inline void lock_release(lock_t *lock) {
    if (__builtin_expect((atomic_exchange(&lock->word, 0) & LOCK_WAITERS) != 0, 0)) lock_wake(lock);
    lock_unnote();
}

/* Whether this member holds, or died holding, the lock. */
static inline int lock_held_by(lock_t *lock, uint32_t token) {
    return (atomic_load(&lock->word) & ~LOCK_WAITERS) == token;
}

#endif
