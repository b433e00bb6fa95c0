/* Semaphore: a number of units, which processes and threads acquire and
 * release.
 *
 * By default a unit has no owner: any process may release one, and the units
 * that a process had acquired when it died stay acquired. With `recover`, a
 * unit belongs to the process that acquired it. Only a process that holds a
 * unit may release one, and the units of a dead process are given back within
 * 200 ms of its death.
 *
 * Waiters are served in the order in which they arrived. Another caller may
 * pass a waiter at most once.
 *
 * prong_semaphore_release may be called from a signal handler. With `recover`
 * it returns PRONG_DEADLOCK there if the handler interrupted a call of its own
 * thread on this semaphore. For all other calls see prong.h.
 *
 * All calls are safe in threads and in forked children. */
#ifndef PRONG_SEMAPHORE_H
#define PRONG_SEMAPHORE_H

#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_semaphore {
    uint64_t offset, generation;
} prong_semaphore;

/* The most units that a semaphore can have. */
#define PRONG_SEMAPHORE_MAX 0x7fffffff

typedef struct prong_semaphore_options {
    bool bounded;      /* there are never more units than at the start */
    bool recover;      /* see above; costs 32 KiB of the arena */
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_semaphore_options;

/* Creates a semaphore of `value` units, 0 to PRONG_SEMAPHORE_MAX. It lives
 * until prong_semaphore_destroy, or until the family ends. options may be NULL.
 * Errors: PRONG_INVALID (value too large, name too long), PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status
prong_semaphore_create(prong_semaphore *semaphore, unsigned value,
                       const prong_semaphore_options *options);

/* Acquires a unit; waits for one up to the timeout. PRONG_NOWAIT tries once.
 * Errors: PRONG_TIMEOUT, PRONG_STALE (also if it is destroyed meanwhile). */
PRONG_CHECKED prong_status prong_semaphore_acquire(prong_semaphore semaphore,
                                                   prong_time timeout);

/* Releases a unit.
 * Errors: PRONG_NOT_OWNER (bounded: no unit is acquired; recover: this process
 * holds none), PRONG_INVALID (it has PRONG_SEMAPHORE_MAX units already),
 * PRONG_STALE. */
PRONG_API prong_status prong_semaphore_release(prong_semaphore semaphore);

/* The units that could be acquired at some moment during the call. 0 for a
 * stale handle. */
PRONG_API unsigned prong_semaphore_value(prong_semaphore semaphore);

/* Destroys it. Waiters get PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_semaphore_destroy(prong_semaphore semaphore);

PRONG_END_DECLS

#endif
