/* Locks of a server, for its Conditions. A session that waits is parked; a release hands the lock to the first that
 * waits. */
#ifndef MANAGER_TYPES_LOCK_H
#define MANAGER_TYPES_LOCK_H

#include "manager/types/type.h"

/* A Lock has no owner, only a state; an RLock belongs to a session. For a session that waits, wish[0] is how many times
 * it is to hold the lock (a Condition's waiter gets back as many as it had), and wish[1] is what acquire, or wait, then
 * returns. */
struct served_lock {
    bool reentrant;
    struct session *owner; /* of an RLock; of a Lock who took it, if that is still known */
    uint64_t count;
    struct waiters waiters;
};

prong_status served_rlock_make(prong_call *call, struct managed *object);
bool served_lock_is_held_by(const struct served_lock *lock, const struct session *session);
/* Gives a free lock to the next session that waits. If the reply finds that its client is gone, the session passes the
 * lock on when it is closed. */
void served_lock_pass(struct managed *object);
void served_lock_describe(const struct managed *object, char *text, size_t size);

/* Its methods, for a Condition, which has them too. */
prong_status served_lock_acquire(prong_call *call);
prong_status served_lock_release(prong_call *call);
prong_status served_lock_locked(prong_call *call);

#endif
