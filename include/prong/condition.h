/* Condition: processes and threads that wait, under a lock, until they are
 * notified that something has changed.
 *
 * A notification reaches exactly those that were waiting at that moment, in the
 * order in which they arrived. None is lost, none goes to a later waiter, and
 * wait never returns PRONG_OK without one. A waiter that is killed blocks
 * nobody. If it had been notified and had not yet returned from wait, the next
 * waiter is notified in its place. So a notification may be given twice, but is
 * never lost. If a process is killed while it holds the lock, the next call
 * that acquires the lock, in wait as well, returns PRONG_OWNER_DIED.
 *
 * A signal handler may make every call, but must not wait for a lock that its
 * own thread holds; see prong.h.
 *
 * All calls are safe in threads and in forked children. */
#ifndef PRONG_CONDITION_H
#define PRONG_CONDITION_H

#include <prong/lock.h>

PRONG_BEGIN_DECLS

typedef struct prong_condition {
    uint64_t offset, generation;
} prong_condition;

typedef struct prong_condition_options {
    prong_lock lock;   /* the lock to use, which remains the caller's; all zero:
                         a recursive one of its own */
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_condition_options;

/* Creates a condition. It lives until prong_condition_destroy, or until the
 * family ends. options may be NULL. Errors: PRONG_NO_MEMORY, PRONG_INVALID (the
 * name is too long), PRONG_STALE (the lock). */
PRONG_CHECKED prong_status prong_condition_create(
    prong_condition *condition, const prong_condition_options *options);

/* The handle of its lock, to acquire and release. A lock of its own lives as
 * long as the condition. Errors: PRONG_STALE. */
PRONG_API prong_status prong_condition_get_lock(prong_condition condition,
                                                prong_lock *lock);

/* Releases the lock, however often the thread has acquired it; waits to be
 * notified; acquires the lock again. The timeout is for the notification;
 * acquiring the lock again has no time limit. The caller holds the lock after
 * every result but PRONG_STALE.
 * Success: PRONG_OK (notified), PRONG_OWNER_DIED (the lock was taken over from
 * a dead process, and there may have been a notification: check the data).
 * Errors: PRONG_TIMEOUT, PRONG_NOT_OWNER (the caller does not hold the lock),
 * PRONG_NO_MEMORY (8,192 threads are waiting already), PRONG_STALE (condition
 * or lock were destroyed). */
PRONG_CHECKED prong_status prong_condition_wait(prong_condition condition,
                                                prong_time timeout);

/* Waits until predicate(context) is true. It is called in this thread, with the
 * lock held, and may make any call that leaves the lock held. PRONG_OWNER_DIED
 * is returned at once, whatever the predicate returns.
 * Errors: as prong_condition_wait; PRONG_INVALID (no predicate). */
PRONG_CHECKED prong_status prong_condition_wait_for(
    prong_condition condition, bool (*predicate)(void *context), void *context,
    prong_time timeout);

/* As count: every waiter. */
#define PRONG_ALL 0xffffffffu

/* Wakes up to `count` waiters. Errors: PRONG_NOT_OWNER (the caller does not
 * hold the lock), PRONG_STALE. */
PRONG_API prong_status prong_condition_notify(prong_condition condition,
                                              unsigned count);

/* Destroys it, and its own lock if it has one. Waiters get PRONG_STALE.
 * Errors: PRONG_STALE. */
PRONG_API prong_status prong_condition_destroy(prong_condition condition);

PRONG_END_DECLS

#endif
