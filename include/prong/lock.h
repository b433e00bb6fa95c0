/* Lock and RLock, for processes and threads alike.
 *
 * A process that dies (or ends) while it holds a lock does not take it along: the next to acquire it gets it within 200 ms
 * of the death, with PRONG_OWNER_DIED, and prong_error_message says who died. That is a success: the caller holds the
 * lock. What the lock protects may be half changed; put it right, then go on and release as always. If the new holder
 * dies as well, the one after it is told in turn. There is nothing to mark as consistent.
 *
 * Nobody starves: a lock may be taken past those who wait (that is faster than handing it from one to the next), but only
 * some 16 times; then, or when a waiter was woken in vain, the next release is for those who wait, in their order.
 *
 * From a signal handler every call comes back, but one that waits for a Lock that the interrupted thread holds itself:
 * acquire with PRONG_NOWAIT there. See prong.h.
 *
 * All calls are safe from any number of threads and in forked children. A fork copies no holding: what the parent holds, the child does not. Handles are plain values. */
#ifndef PRONG_LOCK_H
#define PRONG_LOCK_H

#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_lock {
    uint64_t offset, generation;
} prong_lock;

typedef struct prong_lock_options {
    const char *name; /* for messages and prong_family_report; up to 23 bytes */
} prong_lock_options;

/* Makes a lock, free; it lives until prong_lock_destroy, or until the family ends. options may be NULL.
 * Errors: PRONG_NO_MEMORY, PRONG_INVALID (the name is too long). */
PRONG_CHECKED prong_status prong_lock_create(prong_lock *lock, const prong_lock_options *options);

/* Takes it. PRONG_NOWAIT tries once. Errors: PRONG_TIMEOUT (the message names the holder), PRONG_STALE (also when it is
 * destroyed meanwhile). Success: PRONG_OK, PRONG_OWNER_DIED. The same thread taking it twice waits for itself; see RLock. */
PRONG_CHECKED prong_status prong_lock_acquire(prong_lock lock, prong_time timeout);

/* Frees it: any process may, as with multiprocessing's. Errors: PRONG_NOT_OWNER (it is free), PRONG_STALE. */
PRONG_API prong_status prong_lock_release(prong_lock lock);

/* Whether somebody holds it, dead or alive. False for a stale handle. */
PRONG_API bool prong_lock_locked(prong_lock lock);

/* Ends it. Who waits in acquire gets PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_lock_destroy(prong_lock lock);

/* --- RLock: held by one thread of one process, which may take it any number of times --- */

typedef struct prong_rlock {
    uint64_t offset, generation;
} prong_rlock;

PRONG_CHECKED prong_status prong_rlock_create(prong_rlock *lock, const prong_lock_options *options);
/* At once when the calling thread holds it already; else as prong_lock_acquire. PRONG_INVALID at 2^32 - 1 times. */
PRONG_CHECKED prong_status prong_rlock_acquire(prong_rlock lock, prong_time timeout);
/* Once for each acquire. Errors: PRONG_NOT_OWNER (another thread or process holds it, or nobody), PRONG_STALE. */
PRONG_API prong_status prong_rlock_release(prong_rlock lock);
PRONG_API bool prong_rlock_locked(prong_rlock lock);
PRONG_API prong_status prong_rlock_destroy(prong_rlock lock);

PRONG_END_DECLS

#endif
