/* What the sync room's files share. */
#ifndef SYNC_TYPES_H
#define SYNC_TYPES_H

#include "family/guard.h"
#include "family/object.h"
#include "family/waitq.h"
#include "sync/mutex.h"

#include <prong/condition.h>
#include <prong/lock.h>

extern const struct object_type lock_type, rlock_type, semaphore_type, event_type, condition_type, barrier_type,
    shared_type, block_type;

/* Lock or RLock. */
struct lock {
    struct object object;
    struct mutex mutex;
};

/* A lock of either kind, as a Condition or a Value refers to it. */
struct lock_reference {
    uint64_t kind, offset, generation;
};
prong_status lock_enter_any(struct visit *inside, const struct lock_reference *reference, struct lock **lock);
prong_status lock_acquire_any(const struct lock_reference *reference, prong_time timeout);
prong_status lock_release_any(const struct lock_reference *reference);
/* Whether the calling thread (of a Lock: process) holds it. */
bool lock_is_mine(struct lock *lock);

/* Makes an object of the kind with a label, in state BUILDING. */
prong_status sync_create(enum object_kind kind, const void *handle, const char *name, void **object);
/* Fills the handle's two words, and makes it live. */
void sync_publish(void *object, void *handle);

/* Inside the guard of an object of that generation; false when the object is destroyed, or a stopped process is inside. */
bool sync_enter(void *object, struct guard *guard, uint64_t generation);

/* Waits on the queue until ready(object): spins, then sleeps, in view of the report; look(object), where not NULL, is called
 * every 50 ms or so, to find the dead. False when the deadline came first. */
bool sync_wait(struct waitq *queue, bool (*ready)(void *), void *context, void *object, void (*look)(void *object),
               deadline_t deadline);

#endif
