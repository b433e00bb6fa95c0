/* The lock that users hold: a word in the arena, for as long as they like, and nobody starves.
 *
 * The word is 0 when free, else the holder's token, with MUTEX_WAITERS beside it when somebody sleeps. A release of such a
 * word wakes one sleeper and leaves a bare 0; the woken one, when it takes the lock, sets MUTEX_WAITERS again for those that
 * may be left. So while anybody sleeps, either the word says so or somebody that has slept is on the way.
 *
 * Others may take the lock before the woken one has arrived, for throughput: it needs some 30 us, in which they take and
 * release it a hundred times. But not without bound. After BYPASSES such releases, or when one was woken in vain and has said
 * so by MUTEX_RESERVED on the holder's word, the release leaves MUTEX_RESERVED alone, and that is for those only that have
 * slept. Sleepers are woken in the order of their coming (the kernel's), those woken in vain before all others.
 *
 * A member that dies holding it leaves MUTEX_ABANDONED in its token's place (whoever buries it writes that), and the next
 * one to take it is told. A sleeper killed just as it was woken takes the wake-up with it: nobody sleeps longer than DEAD_MUTEX_LAST
 * without looking again, at the word and whether the holder lives.
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
#define MUTEX_ABANDONED 1u /* no token: those have a generation from 1 on above bit 12 */
#define MUTEX_GONE 2u      /* nor is this: what it was part of is destroyed, and nobody takes it any more */

struct mutex {
    _Atomic uint32_t word;
    _Atomic uint32_t thread; /* of the holder; for the report, and for recursion */
    /* While a sleeper is on its way: releases since it was woken. Written by holders, and, as no more than the bound depends
     * on it, set to 0 by those that find it wrong. */
    _Atomic uint32_t bypasses;
    /* the holder's own */
    uint32_t count; /* further acquisitions by the same thread */
    uint32_t died_pid;
    char died[48]; /* the name of the member that died holding it */
};

/* A mutex ends gone: whoever waits has MUTEX_TIMED_OUT then. */
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

static inline enum mutex_result mutex_acquire(struct mutex *mutex, void *object, prong_time timeout) {
    if (__builtin_expect(mutex_try(mutex, self_token(), thread_self()), 1)) return MUTEX_TAKEN;
    return mutex_acquire_slow(mutex, object, deadline_after(timeout));
}

/* Where nobody waits. Pairs with the acquire in mutex_try. */
static inline bool mutex_try_release(struct mutex *mutex, uint32_t holder) {
    return atomic_load_explicit(&mutex->bypasses, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(&mutex->word, &holder, 0, memory_order_release,
                                                   memory_order_relaxed);
}

/* What this holder has, by any member; false when he has it no more. */
static inline bool mutex_release(struct mutex *mutex, uint32_t holder) {
    return mutex_try_release(mutex, holder) || mutex_release_slow(mutex, holder);
}

/* The holder's token, MUTEX_ABANDONED, MUTEX_GONE, or 0. */
static inline uint32_t mutex_holder(struct mutex *mutex) {
    return atomic_load_explicit(&mutex->word, memory_order_relaxed) & MUTEX_HOLDER;
}

/* Whether the calling thread took it. Exact: nobody else writes this thread's number there, and it is wiped before a
 * release wherever this is asked (see lock_release_recursive). */
static inline bool mutex_is_held_by(struct mutex *mutex, uint32_t token, uint32_t thread) {
    return mutex_holder(mutex) == token && atomic_load_explicit(&mutex->thread, memory_order_relaxed) == thread;
}

/* MUTEX_TAKEN is success; PRONG_OWNER_DIED and PRONG_TIMEOUT with a message that names holder and object. */
prong_status mutex_status(enum mutex_result result, struct mutex *mutex, void *object);
/* For object_type: a member has died; who holds it. */
void mutex_recover(struct mutex *mutex, void *object, uint32_t dead);
void mutex_holders(struct mutex *mutex, holder_visit *visit, void *context);

#endif
