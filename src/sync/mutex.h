/* The lock that users hold: a word in the arena, which they may hold as long as they like, and by which no waiter
 * starves.
 *
 * The word is 0 when free, else the holder's token, with MUTEX_WAITERS set when a thread sleeps. A release of a word
 * with that flag wakes one sleeper and leaves 0; the woken thread, when it takes the mutex, sets MUTEX_WAITERS again
 * for those that may still sleep. So while any thread sleeps, either the word has the flag, or a thread that has slept
 * is on its way.
 *
 * Other threads may take the mutex before the woken one has arrived, for throughput: it needs some 30 us, in which they
 * can take and release the mutex a hundred times. But this is limited in time. `since` is when the sleeper that is woken
 * next began to sleep, or somewhat earlier. When that was a millisecond ago, the release leaves MUTEX_RESERVED as the
 * word, and then only threads that have slept may take the mutex. A thread that was woken in vain after that time sets
 * MUTEX_RESERVED on the holder's word itself, with the same effect. Sleepers are woken in the order in which they came
 * (the kernel keeps it), those woken in vain first. If the thread that was woken for it is killed or stopped, the
 * reservation ends with another waiter's nap: that one has slept, too.
 *
 * If a member dies while it holds the mutex, the process that buries it writes MUTEX_ABANDONED in place of its token,
 * and the next holder is told. If a sleeper is killed just as it was woken, its wake-up is lost: so each thread
 * checks the word, and whether the holder is alive, after naps of up to DEAD_MUTEX_LAST, or when a member was buried
 * (family/lookout.h).
 *
 * tests/model explores all this exhaustively, for two and three threads. */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "base/deadline.h"
#include "family/waiter.h"

enum mutex_result { MUTEX_TAKEN, MUTEX_OWNER_DIED, MUTEX_TIMED_OUT };

#define MUTEX_WAITERS 0x80000000u
#define MUTEX_RESERVED 0x40000000u
#define MUTEX_HOLDER 0x3fffffffu
#define MUTEX_ABANDONED 1u /* not a token: a token has a generation of 1 or more above bit 12 */
#define MUTEX_GONE 2u      /* nor is this: the object is destroyed, and nobody can take the mutex */

struct mutex {
    _Atomic uint32_t word;
    _Atomic uint32_t thread; /* of the holder; for the report, and for recursion */
    /* When the oldest sleeper began to sleep, see mutex_clock. If it is wrong, because of a race or a death, a release is
     * fair too early, or too late until a sleeper wakes; nothing else depends on it. */
    _Atomic uint32_t since;
    /* the holder's own */
    uint32_t count; /* further acquisitions by the same thread */
    uint32_t died_pid;
    char died[48]; /* the name of the member that died holding it */
};

/* Ends a mutex: its word becomes MUTEX_GONE, and its waiters get MUTEX_TIMED_OUT. */
void mutex_begin(struct mutex *mutex);
void mutex_end(struct mutex *mutex);

/* object: what the mutex is part of, for messages and the report. */
enum mutex_result mutex_acquire_slow(struct mutex *mutex, void *object, deadline_t deadline);
bool mutex_release_slow(struct mutex *mutex, uint32_t holder);

static inline bool mutex_try(struct mutex *mutex, uint32_t token, uint32_t thread) {
    uint32_t free = 0;
    if (!atomic_compare_exchange_strong_explicit(&mutex->word, &free, token, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&mutex->thread, thread, memory_order_relaxed);
    return true;
}

/* If no thread waits. Pairs with the acquire in mutex_try. */
static inline bool mutex_try_release(struct mutex *mutex, uint32_t holder) {
    return atomic_compare_exchange_strong_explicit(&mutex->word, &holder, 0, memory_order_release,
                                                   memory_order_relaxed);
}

/* Releases the mutex for that holder, in any member; false when it holds the mutex no longer. */
static inline bool mutex_release(struct mutex *mutex, uint32_t holder) {
    return mutex_try_release(mutex, holder) || mutex_release_slow(mutex, holder);
}

/* The holder's token, MUTEX_ABANDONED, MUTEX_GONE, or 0. */
static inline uint32_t mutex_holder(struct mutex *mutex) {
    return atomic_load_explicit(&mutex->word, memory_order_relaxed) & MUTEX_HOLDER;
}

/* Whether the calling thread took it. Exact: no other thread writes this thread's number there, and for mutexes of
 * which this is asked it is cleared before a release (see lock_release_recursive). */
static inline bool mutex_is_held_by(struct mutex *mutex, uint32_t token, uint32_t thread) {
    return mutex_holder(mutex) == token && atomic_load_explicit(&mutex->thread, memory_order_relaxed) == thread;
}

/* MUTEX_TAKEN is success; PRONG_OWNER_DIED and PRONG_TIMEOUT with a message that names holder and object. */
prong_status mutex_status(enum mutex_result result, struct mutex *mutex, void *object);
/* For object_type: a member has died; who holds it. */
void mutex_recover(struct mutex *mutex, void *object, uint32_t dead);
/* A member died that was inside of the object: wakes a sleeper if none is on its way. */
void mutex_wake(struct mutex *mutex);
void mutex_holders(struct mutex *mutex, holder_visit *visit, void *context);

#endif
