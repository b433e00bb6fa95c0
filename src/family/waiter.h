/* The waiters' table: a row for each thread of the family that sleeps in a lock or the like, so that others can see
 * which thread waits for what, and since when. Conditions queue their waiters in it, and threads that watch waitqs are
 * listed there. A call that does not wait never touches it. */
#ifndef FAMILY_WAITER_H
#define FAMILY_WAITER_H

#include "family/object.h"
#include "family/thread.h"

enum waiter_state { WAITER_WAITING, WAITER_SLEEPING, WAITER_NOTIFIED };
/* What else can end the wait: a time limit, or something that others cannot see; nothing; nothing, and the process
 * exits afterwards. */
enum waiter_limit { WAITER_LIMITED, WAITER_UNLIMITED, WAITER_EXITING };

struct waiter {
    _Alignas(64) _Atomic uint64_t who; /* token in the high half, thread in the low one; 0: the row is free */
    _Atomic uint64_t object;           /* arena offset of what it waits for; 0: not set */
    _Atomic int64_t since;             /* on CLOCK_MONOTONIC */
    /* For a Condition: changed under its guard, except state. */
    uint64_t place;         /* in which of its lists */
    uint64_t next, prev;    /* arena offsets */
    _Atomic uint32_t state; /* the futex */
    /* One that watches waitqs: see watch.c. */
    _Atomic uint32_t address, watched;
    _Atomic uint32_t limit; /* a waiter_limit, of one that waits for a process's end; LIMITED from waiter_begin on */
};
_Static_assert(sizeof(struct waiter) == 64, "a cache line");

/* Takes a row for the calling thread, which is about to wait for the object (may be NULL); NULL when all rows are in
 * use. Pair with waiter_end. */
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

#endif
