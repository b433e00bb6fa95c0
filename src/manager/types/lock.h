/* Locks of a server, for its Conditions. A thread that waits is parked; the one that gives up what it waits for hands it over, in the
 * order in which they came. */
#ifndef MANAGER_TYPES_LOCK_H
#define MANAGER_TYPES_LOCK_H

#include "manager/types/type.h"

/* A Lock has no owner, only a state; an RLock belongs to a session. A session that waits has in wish[0] how often it wants the lock (a
 * Condition's waiter gets back what it had), and in wish[1] what acquire, or wait, then returns. */
struct served_lock {
    bool reentrant;
    struct session *owner; /* of an RLock; of a Lock who took it, if that is still known */
    uint64_t count;
    struct waiters waiters;
};

prong_status served_rlock_make(prong_call *call, struct managed *object);
bool served_lock_is_held_by(const struct served_lock *lock, const struct session *session);
/* If it is free, the next session that waits has it. One whose client is found gone as it is told passes it on when it is closed. */
void served_lock_pass(struct managed *object);
void served_lock_describe(const struct managed *object, char *text, size_t size);

/* Its methods, for a Condition, which has them too. */
prong_status served_lock_acquire(prong_call *call);
prong_status served_lock_release(prong_call *call);
prong_status served_lock_locked(prong_call *call);

#endif
