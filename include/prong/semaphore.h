/* Semaphore and BoundedSemaphore, for processes and threads alike.
 *
 * By default a semaphore has no owner: any process may release, and what a process had acquired when it died stays
 * acquired. With `recover`, units belong to the process that acquired them: those of a dead process are given back
 * within 200 ms of its death, and only who holds a unit may release one. (Costs 32 KiB of arena for each semaphore.)
 *
 * Who waits is served in the order of coming, but may be passed by others once before.
 *
 * prong_semaphore_release may be called from a signal handler, whatever it interrupts: with `recover` PRONG_DEADLOCK
 * where that is a call of its own thread on this semaphore. See prong.h for all other calls.
 *
 * All calls are safe from any number of threads and in forked children. Handles are plain values. */
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

#define PRONG_SEMAPHORE_MOST 0x7fffffff

typedef struct prong_semaphore_options {
    bool bounded;     /* more releases than acquires are an error */
    bool recover;     /* give back what a dead process held */
    const char *name; /* for messages and prong_family_report; up to 23 bytes */
} prong_semaphore_options;

/* Makes a semaphore of `value` units, up to PRONG_SEMAPHORE_MOST. options may be NULL.
 * Errors: PRONG_INVALID (value or name too large), PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_semaphore_create(prong_semaphore *semaphore, unsigned value,
                                                  const prong_semaphore_options *options);
/* The same with `bounded`. */
PRONG_CHECKED prong_status prong_bounded_semaphore_create(prong_semaphore *semaphore, unsigned value,
                                                          const prong_semaphore_options *options);

/* Takes a unit. PRONG_NOWAIT tries once. Errors: PRONG_TIMEOUT, PRONG_STALE (also when it is destroyed meanwhile). */
PRONG_CHECKED prong_status prong_semaphore_acquire(prong_semaphore semaphore, prong_time timeout);

/* Gives a unit. Errors: PRONG_NOT_OWNER (bounded: all units are there already; recover: this process holds none),
 * PRONG_INVALID (it has PRONG_SEMAPHORE_MOST), PRONG_STALE. */
PRONG_API prong_status prong_semaphore_release(prong_semaphore semaphore);

/* Units that can be acquired at some moment during the call. Errors: PRONG_STALE. */
PRONG_CHECKED prong_status prong_semaphore_value(prong_semaphore semaphore, unsigned *value);

/* Ends it; who waits gets PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_semaphore_destroy(prong_semaphore semaphore);

PRONG_END_DECLS

#endif
