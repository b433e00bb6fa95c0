/* Condition: processes and threads that wait, under a lock, to be told that something has changed.
 *
 * Each notify reaches just those that were waiting at that moment, in the order of their coming: none is lost, none goes to
 * one that came later, and nobody returns from wait with PRONG_OK without having been notified. A process that is killed
 * while it waits holds up nobody; if it had been notified and had not yet returned from wait, the notification goes on to the
 * next (so it may happen that a notification is given twice, but not that it is lost). A process killed while it holds the lock:
 * the next to acquire it, in wait as well, is told by PRONG_OWNER_DIED.
 *
 * A predicate runs in the thread that waits, which holds the condition's lock then. It may make any call that leaves
 * the lock held.
 *
 * From a signal handler every call here comes back, but one that waits for a lock of its own thread; see prong.h.
 *
 * All calls are safe from any number of threads and in forked children. Handles are plain values. */
#ifndef PRONG_CONDITION_H
#define PRONG_CONDITION_H

#include <prong/lock.h>

PRONG_BEGIN_DECLS

typedef struct prong_condition {
    uint64_t offset, generation;
} prong_condition;

typedef struct prong_condition_options {
    prong_lock lock;   /* the lock to use, which stays the caller's … */
    prong_rlock rlock; /* … or this one; all zero: an RLock of its own */
    const char *name;  /* for messages and prong_family_report; up to 23 bytes */
} prong_condition_options;

/* options may be NULL. Errors: PRONG_NO_MEMORY, PRONG_INVALID (two locks, name too long), PRONG_STALE (a lock that is none). */
PRONG_CHECKED prong_status prong_condition_create(prong_condition *condition, const prong_condition_options *options);

/* Take and give back its lock; as prong_lock_acquire and prong_lock_release. */
PRONG_CHECKED prong_status prong_condition_acquire(prong_condition condition, prong_time timeout);
PRONG_API prong_status prong_condition_release(prong_condition condition);

/* Gives the lock back (however often the thread has taken it), waits to be notified, takes the lock again. The timeout is
 * for being notified: taking the lock again waits as long as it takes. The caller holds the lock whatever is returned, but
 * for PRONG_STALE. PRONG_OWNER_DIED: the lock was taken over from a dead process, notified or not: look at the data.
 * Errors: PRONG_TIMEOUT, PRONG_NOT_OWNER (the caller does not hold the lock), PRONG_NO_MEMORY (8,192 threads wait already),
 * PRONG_STALE (condition or lock was destroyed). */
PRONG_CHECKED prong_status prong_condition_wait(prong_condition condition, prong_time timeout);

/* Waits until the predicate, called under the lock, is true. Errors as prong_condition_wait; PRONG_OWNER_DIED is returned at
 * once, whatever the predicate says. */
PRONG_CHECKED prong_status prong_condition_wait_for(prong_condition condition, bool (*predicate)(void *context),
                                                    void *context, prong_time timeout);

/* Wakes up to count waiters, or all. Errors: PRONG_NOT_OWNER (the caller does not hold the lock), PRONG_STALE. */
PRONG_API prong_status prong_condition_notify(prong_condition condition, unsigned count);
PRONG_API prong_status prong_condition_notify_all(prong_condition condition);

/* Ends it, and its own lock if it has one; who waits gets PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_condition_destroy(prong_condition condition);

PRONG_END_DECLS

#endif
