/* The waiters' table: a row for each thread of the family that sleeps in a lock or the like, so that others can see who
 * waits for what, and since when; and Conditions queue their waiters in it. Never touched on a path without waiting. */
#ifndef FAMILY_WAITER_H
#define FAMILY_WAITER_H

#include "family/object.h"

enum waiter_state { WAITER_WAITING, WAITER_SLEEPING, WAITER_NOTIFIED };

struct waiter {
    _Alignas(64) _Atomic uint64_t who; /* token in the high half, thread in the low one; 0: the row is free */
    _Atomic uint64_t object;           /* arena offset of what it waits for, 0 while none is said */
    _Atomic int64_t since;             /* on CLOCK_MONOTONIC */
    /* A Condition's: under its guard, but for state. */
    uint64_t place;         /* in which of its lists */
    uint64_t next, prev;    /* arena offsets */
    _Atomic uint32_t state; /* the futex */
};

/* A row for the calling thread, which is about to wait for the object; NULL when all are in use. Pair with waiter_end. */
struct waiter *waiter_begin(void *object);
/* waiter may be NULL. */
void waiter_end(struct waiter *waiter);
/* Frees the rows of a dead member. */
void waiters_forget(uint32_t dead);
/* Calls visit for each row in use. */
void waiters_each(void (*visit)(struct waiter *waiter, void *context), void *context);

static inline uint32_t waiter_token(const struct waiter *waiter) {
    return (uint32_t)(atomic_load(&waiter->who) >> 32);
}

/* The calling thread, as the kernel numbers it; unique in the system. */
uint32_t thread_self_slow(void);
struct thread_self {
    uint32_t thread, token; /* as of which process: a fork has another */
};
extern HIDDEN _Thread_local struct thread_self thread_known;

static inline uint32_t thread_self(void) {
    return __builtin_expect(thread_known.token == self_token() && thread_known.token, 1) ? thread_known.thread
                                                                                         : thread_self_slow();
}

#endif
