/* Lock: mutual exclusion between processes and threads; with `recursive`, what
 * multiprocessing calls an RLock.
 *
 * If a process dies or ends while it holds a lock, the next caller of acquire
 * gets it within 200 ms of the death, with PRONG_OWNER_DIED. That is a success:
 * the caller holds the lock, and prong_error_message names the dead process.
 * The data that the lock protects may be half changed. Repair it, continue, and
 * release as always. If the new holder dies as well, the one after it is told
 * in turn. No call is needed to mark the lock as consistent.
 *
 * No waiter starves. A new caller may acquire the lock before those that wait,
 * which is faster than handing it from one to the next, but only until one of
 * these has waited for about a millisecond. Then the next release is for the
 * waiters, in their order.
 *
 * A signal handler may make every call, with PRONG_NOWAIT: an acquire of a lock
 * that is not recursive and that the interrupted thread holds itself would wait
 * for its timeout. See prong.h.
 *
 * All calls are safe in threads and in forked children. A forked child holds
 * none of the locks that its parent holds. In a message of values (letter h of
 * prong_build) a lock's type is "lock", or "rlock" for a recursive one, of
 * which Python makes an RLock. */
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
    bool recursive;    /* its holder is a thread, which may acquire it again */
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_lock_options;

/* Creates a lock, which is free. It lives until prong_lock_destroy, or until
 * the family ends. options may be NULL.
 * Errors: PRONG_NO_MEMORY, PRONG_INVALID (the name is too long). */
PRONG_CHECKED prong_status prong_lock_create(prong_lock *lock,
                                             const prong_lock_options *options);

/* Acquires the lock; waits for it up to the timeout. PRONG_NOWAIT tries once.
 * Returns at once if the lock is recursive and the calling thread holds it. If
 * it is not recursive, a holder that acquires it again waits for itself.
 * Success: PRONG_OK, PRONG_OWNER_DIED.
 * Errors: PRONG_TIMEOUT (the message names the holder), PRONG_STALE (also if it
 * is destroyed meanwhile), PRONG_INVALID (recursive: acquired 2^32 times). */
PRONG_CHECKED prong_status prong_lock_acquire(prong_lock lock,
                                              prong_time timeout);

/* Releases the lock. A recursive one is released by the thread that holds it,
 * once for each acquire; any other, as multiprocessing's Lock, by any process.
 * Errors: PRONG_NOT_OWNER (it is free; recursive: the calling thread does not
 * hold it), PRONG_STALE. */
PRONG_API prong_status prong_lock_release(prong_lock lock);

/* Whether a process holds it, alive or dead. False for a stale handle. */
PRONG_API bool prong_lock_locked(prong_lock lock);

/* Destroys it. Waiters get PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_lock_destroy(prong_lock lock);

PRONG_END_DECLS

#endif
