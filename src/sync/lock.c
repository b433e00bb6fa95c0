/* Lock: a mutex with a handle; a recursive one counts how often its thread has acquired it. */
#include <prong/lock.h>

#include "base/error.h"
#include "sync/sync.h"

#include <limits.h>

bool sync_lock_is_mine(struct lock *lock) {
    return lock_is_recursive(lock) ? lock_is_mine(lock) : mutex_holder(&lock->mutex) == thread_known.token;
}

static prong_status lock_gone(void) {
    return fail(PRONG_STALE, "the lock was destroyed meanwhile");
}

/* --- creating and destroying --- */

prong_status prong_lock_create(prong_lock *handle, const prong_lock_options *options) {
    struct lock *lock;
    const prong_lock_options o = options ? *options : (prong_lock_options){0};
    CHECK_RESERVED(options, "lock create: options");
    TRY(sync_create(KIND_LOCK, handle, o.name, (void **)&lock));
    lock->object.variant = o.recursive;
    mutex_begin(&lock->mutex);
    sync_publish(lock, handle);
    return PRONG_OK;
}

prong_status prong_lock_destroy(prong_lock handle) {
    return object_destroy_handle(KIND_LOCK, handle.offset, handle.generation);
}

/* --- acquiring --- */

static prong_status lock_acquire_slowly(struct lock *lock, uint64_t generation, prong_time timeout) {
    INTERRUPTIBLE;
    enum mutex_result result = mutex_acquire_slow(&lock->mutex, lock, deadline_after(timeout));
    if (result == MUTEX_TIMED_OUT && object_generation(lock) != generation) return lock_gone();
    return mutex_status(result, &lock->mutex, lock);
}

static __attribute__((noinline)) prong_status lock_acquire_checked(prong_lock handle, prong_time timeout) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(sync_lock_enter(&inside, handle, &lock));
    if (lock_try(lock)) return PRONG_OK;
    if (lock_is_recursive(lock) && lock_is_mine(lock))
        return fail_text(PRONG_INVALID, "the lock cannot be acquired more often");
    return lock_acquire_slowly(lock, handle.generation, timeout);
}

prong_status prong_lock_acquire(prong_lock handle, prong_time timeout) {
    return __builtin_expect(sync_lock_try(handle), 1) ? PRONG_OK : lock_acquire_checked(handle, timeout);
}

/* --- releasing --- */

static prong_status lock_not_mine(struct lock *lock) {
    char what[80];
    if (mutex_holder(&lock->mutex) == MUTEX_GONE) return lock_gone();
    return fail(PRONG_NOT_OWNER, "release of %s, which this thread does not hold",
                object_describe(lock, what, sizeof what));
}

/* There are waiters; or another process has acquired the lock, which any process may release unless it is recursive; or
 * the lock was destroyed meanwhile. */
static prong_status lock_release_slowly(struct lock *lock) {
    if (mutex_release_slow(&lock->mutex, self_token())) return PRONG_OK;
    uint32_t holder = mutex_holder(&lock->mutex);
    if (holder == MUTEX_GONE) return lock_gone();
    if (holder && mutex_release(&lock->mutex, holder)) return PRONG_OK;
    return fail_text(PRONG_NOT_OWNER, "release of a lock that is free");
}

static __attribute__((noinline)) prong_status lock_release_checked(prong_lock handle) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(sync_lock_enter(&inside, handle, &lock));
    if (lock_try_release(lock)) return PRONG_OK;
    if (lock_is_recursive(lock)) {
        if (!lock_is_mine(lock)) return lock_not_mine(lock);
        atomic_store_explicit(&lock->mutex.thread, 0, memory_order_relaxed); /* as in lock_try_release_recursive */
    }
    return lock_release_slowly(lock);
}

prong_status prong_lock_release(prong_lock handle) {
    return __builtin_expect(sync_lock_try_release(handle), 1) ? PRONG_OK : lock_release_checked(handle);
}

/* For the other objects of this layer: a call of an exported function goes through the linkage table, which is
 * slower. */
prong_status sync_lock_acquire(prong_lock handle, prong_time timeout) __attribute__((alias("prong_lock_acquire")));
prong_status sync_lock_release(prong_lock handle) __attribute__((alias("prong_lock_release")));

bool prong_lock_locked(prong_lock handle) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    return !sync_lock_enter(&inside, handle, &lock) && mutex_holder(&lock->mutex) != 0;
}

/* --- the lock of another object --- */

prong_status sync_lock_choose(prong_lock given, const char *name, prong_lock *lock, uint64_t *is_own) {
    struct lock *found;
    INSIDE struct visit inside = {0};
    *lock = given;
    if (given.generation) return sync_lock_enter(&inside, given, &found);
    TRY(prong_lock_create(lock, &(prong_lock_options){.recursive = true, .name = name}));
    *is_own = 1;
    return PRONG_OK;
}

/* --- as an object --- */

static void lock_end(void *object) {
    mutex_end(&((struct lock *)object)->mutex);
}

static bool lock_dispose(void *object) {
    (void)object;
    return true;
}

static void lock_recover(void *object, uint32_t dead) {
    mutex_recover(&((struct lock *)object)->mutex, object, dead);
}

static void lock_wake_waiters(void *object) {
    mutex_wake(&((struct lock *)object)->mutex);
}

static void lock_holders(void *object, holder_visit *visit, void *context) {
    mutex_holders(&((struct lock *)object)->mutex, visit, context);
}

const struct object_type lock_type = {
    .name = "lock",
    .size = sizeof(struct lock),
    .recover = lock_recover,
    .wake = lock_wake_waiters,
    .end = lock_end,
    .dispose = lock_dispose,
    .holders = lock_holders,
};
