/* What the files of this layer share. */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "family/guard.h"
#include "family/object.h"
#include "family/waited.h"
#include "family/waitq.h"
#include "sync/mutex.h"

#include <prong/condition.h>
#include <prong/lock.h>
#include <prong/wait.h>

enum {
    KIND_LOCK = 6,
    KIND_SEMAPHORE = 7,
    KIND_EVENT = 8,
    KIND_CONDITION = 9,
    KIND_BARRIER = 10,
    KIND_SHARED = 11,
};
extern const struct object_type lock_type, semaphore_type, event_type, condition_type, barrier_type, shared_type;

/* For prong_wait. */
prong_status event_source(const prong_waitable *item, struct waited *waited);

/* object.variant: whether it is recursive. */
struct lock {
    struct object object;
    struct mutex mutex;
};

static inline prong_status sync_lock_enter(struct visit *inside, prong_lock handle, struct lock **lock) {
    return object_enter(inside, KIND_LOCK, handle.offset, handle.generation, (void **)lock);
}
/* In the object's header, which every call reads: so for an ordinary lock this costs only a test of a word that is
 * loaded already. */
static inline bool lock_is_recursive(const struct lock *lock) {
    return lock->object.variant != 0;
}

/* A thread that is inside of an object has its number already: thread_known is enough, here and below. */
static inline bool lock_is_mine(struct lock *lock) {
    return mutex_is_held_by(&lock->mutex, thread_known.token, thread_known.thread);
}

/* --- the quickest way, without a call: inline for the C functions and for Python's --- */

static inline bool lock_try_again(struct lock *lock) {
    if (lock->mutex.count == UINT32_MAX) return false;
    lock->mutex.count++;
    return true;
}

static inline bool lock_try(struct lock *lock) {
    if (__builtin_expect(lock_is_recursive(lock), 0) && lock_is_mine(lock)) return lock_try_again(lock);
    return mutex_try(&lock->mutex, thread_known.token, thread_known.thread);
}

/* False: it is held, or has no quick way; then prong_lock_acquire finds out. */
static inline bool sync_lock_try(prong_lock handle) {
    struct lock *lock;
    struct visit inside;
    if (!object_enter_quickly(&inside, KIND_LOCK, handle.offset, handle.generation, (void **)&lock)) return false;
    bool taken = lock_try(lock);
    visit_end(&inside);
    return taken;
}

/* Before the release of a recursive lock: the next thread of this process that acquires it must not be taken for this
 * one. */
static inline bool lock_try_release_recursive(struct lock *lock) {
    if (!lock_is_mine(lock)) return false;
    if (lock->mutex.count > 0) {
        lock->mutex.count--;
        return true;
    }
    atomic_store_explicit(&lock->mutex.thread, 0, memory_order_relaxed);
    if (__builtin_expect(mutex_try_release(&lock->mutex, thread_known.token), 1)) return true;
    atomic_store_explicit(&lock->mutex.thread, thread_known.thread, memory_order_relaxed);
    return false;
}

static inline bool lock_try_release(struct lock *lock) {
    if (__builtin_expect(lock_is_recursive(lock), 0)) return lock_try_release_recursive(lock);
    return mutex_try_release(&lock->mutex, thread_known.token);
}

/* False: it is not the caller's, a thread waits for it, or it has no quick way; then prong_lock_release finds out. */
static inline bool sync_lock_try_release(prong_lock handle) {
    struct lock *lock;
    struct visit inside;
    if (!object_enter_quickly(&inside, KIND_LOCK, handle.offset, handle.generation, (void **)&lock)) return false;
    bool released = lock_try_release(lock);
    visit_end(&inside);
    return released;
}

/* As prong_lock_acquire and prong_lock_release. */
prong_status sync_lock_acquire(prong_lock handle, prong_time timeout);
prong_status sync_lock_release(prong_lock handle);
/* Whether the calling thread, which is inside of the lock, holds it; for one that is not recursive, whether the calling
 * process does. */
bool sync_lock_is_mine(struct lock *lock);

/* For an object with a lock: uses the lock that the creator gives, or makes a recursive one with that name, which
 * belongs to the object. Errors: PRONG_STALE (the given one), as prong_lock_create. */
prong_status sync_lock_choose(prong_lock given, const char *name, prong_lock *lock, uint64_t *is_own);

/* Makes an object of the kind with a label, in state BUILDING. */
prong_status sync_create(uint32_t kind, const void *handle, const char *name, void **object);
/* Fills the handle's two words, and makes it live. */
void sync_publish(void *object, void *handle);

/* Enters the guard of an object of that generation; false when the object is destroyed, or a stopped process holds the
 * guard. */
bool sync_enter(void *object, struct guard *guard, uint64_t generation);

/* Waits on the queue until ready(object): spins, then sleeps, and the report shows the wait; look(object), if not NULL,
 * is called every 50 ms or so as long as this thread must look for dead members itself. False when the deadline came first. */
bool sync_wait(struct waitq *queue, bool (*ready)(void *), void *context, void *object, void (*look)(void *object),
               deadline_t deadline);

#endif
