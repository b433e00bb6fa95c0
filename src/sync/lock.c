/* Lock and RLock: a mutex with a handle. */
#include <prong/lock.h>

#include "base/error.h"
#include "sync/types.h"

#include <limits.h>

static prong_status find(enum object_kind kind, uint64_t offset, uint64_t generation, struct lock **lock) {
    return object_find(kind, offset, generation, (void **)lock);
}

static prong_status create(enum object_kind kind, void *handle, const prong_lock_options *options) {
    void *lock;
    prong_status status = sync_create(kind, handle, options ? options->name : NULL, &lock);
    if (!status) sync_publish(lock, handle);
    return status;
}

static prong_status acquire(struct lock *lock, uint64_t generation, prong_time timeout) {
    enum mutex_result result = mutex_acquire(&lock->mutex, lock, timeout);
    if (__builtin_expect(result == MUTEX_TAKEN && object_generation(lock) == generation, 1)) return PRONG_OK;
    if (object_generation(lock) == generation) return mutex_status(result, &lock->mutex, lock);
    if (result != MUTEX_TIMED_OUT) mutex_release(&lock->mutex); /* let the next one find out */
    return fail(PRONG_STALE, "the lock was destroyed while it was waited for");
}

/* Those who wait take the lock one after the other, and see that it is gone. */
static prong_status destroy(enum object_kind kind, uint64_t offset, uint64_t generation) {
    struct lock *lock;
    prong_status status = find(kind, offset, generation, &lock);
    if (status) return status;
    object_destroy(lock, generation);
    return PRONG_OK;
}

static bool dispose(void *object) {
    struct lock *lock = object;
    if (mutex_holder(&lock->mutex)) mutex_release(&lock->mutex);
    return true;
}

static void recover(void *object, uint32_t dead) {
    mutex_recover(&((struct lock *)object)->mutex, object, dead);
}

static void holders(void *object, holder_visit *visit, void *context) {
    mutex_holders(&((struct lock *)object)->mutex, visit, context);
}

const struct object_type lock_type = {
    .name = "lock", .size = sizeof(struct lock), .recover = recover, .dispose = dispose, .holders = holders};
const struct object_type rlock_type = {
    .name = "rlock", .size = sizeof(struct lock), .recover = recover, .dispose = dispose, .holders = holders};

/* --- Lock --- */

prong_status prong_lock_create(prong_lock *handle, const prong_lock_options *options) {
    return create(KIND_LOCK, handle, options);
}

prong_status prong_lock_acquire(prong_lock handle, prong_time timeout) {
    struct lock *lock;
    prong_status status = find(KIND_LOCK, handle.offset, handle.generation, &lock);
    return status ? status : acquire(lock, handle.generation, timeout);
}

prong_status prong_lock_release(prong_lock handle) {
    struct lock *lock;
    prong_status status = find(KIND_LOCK, handle.offset, handle.generation, &lock);
    if (status) return status;
    if (mutex_holder(&lock->mutex) == 0) return fail_text(PRONG_NOT_OWNER, "release of a lock that is free");
    mutex_release(&lock->mutex);
    return PRONG_OK;
}

bool prong_lock_locked(prong_lock handle) {
    struct lock *lock;
    return !find(KIND_LOCK, handle.offset, handle.generation, &lock) && mutex_holder(&lock->mutex) != 0;
}

prong_status prong_lock_destroy(prong_lock handle) {
    return destroy(KIND_LOCK, handle.offset, handle.generation);
}

/* --- RLock --- */

static prong_status acquire_again(struct lock *lock) {
    if (lock->mutex.count == UINT_MAX) return fail_text(PRONG_INVALID, "an rlock cannot be taken more often");
    lock->mutex.count++;
    return PRONG_OK;
}

static prong_status release_once(struct lock *lock) {
    char what[80];
    if (!mutex_is_mine(&lock->mutex))
        return fail(PRONG_NOT_OWNER, "release of %s, which this thread does not hold",
                    object_describe(lock, what, sizeof what));
    if (lock->mutex.count > 0) {
        lock->mutex.count--;
        return PRONG_OK;
    }
    /* Before the release: another thread of this process that takes it next is not to be taken for us. */
    atomic_store_explicit(&lock->mutex.thread, 0, memory_order_relaxed);
    mutex_release(&lock->mutex);
    return PRONG_OK;
}

prong_status prong_rlock_create(prong_rlock *handle, const prong_lock_options *options) {
    return create(KIND_RLOCK, handle, options);
}

prong_status prong_rlock_acquire(prong_rlock handle, prong_time timeout) {
    struct lock *lock;
    prong_status status = find(KIND_RLOCK, handle.offset, handle.generation, &lock);
    if (status) return status;
    return mutex_is_mine(&lock->mutex) ? acquire_again(lock) : acquire(lock, handle.generation, timeout);
}

prong_status prong_rlock_release(prong_rlock handle) {
    struct lock *lock;
    prong_status status = find(KIND_RLOCK, handle.offset, handle.generation, &lock);
    return status ? status : release_once(lock);
}

bool prong_rlock_locked(prong_rlock handle) {
    struct lock *lock;
    return !find(KIND_RLOCK, handle.offset, handle.generation, &lock) && mutex_holder(&lock->mutex) != 0;
}

prong_status prong_rlock_destroy(prong_rlock handle) {
    return destroy(KIND_RLOCK, handle.offset, handle.generation);
}

/* --- either, for those that refer to one --- */

prong_status lock_find(const struct lock_reference *reference, struct lock **lock) {
    return find((enum object_kind)reference->kind, reference->offset, reference->generation, lock);
}

prong_status lock_acquire_any(struct lock *lock, prong_time timeout) {
    bool again = lock->object.kind == KIND_RLOCK && mutex_is_mine(&lock->mutex);
    return again ? acquire_again(lock) : acquire(lock, object_generation(lock), timeout);
}

prong_status lock_release_any(struct lock *lock) {
    if (lock->object.kind == KIND_RLOCK) return release_once(lock);
    mutex_release(&lock->mutex);
    return PRONG_OK;
}

bool lock_is_mine(struct lock *lock) {
    return lock->object.kind == KIND_RLOCK ? mutex_is_mine(&lock->mutex) : mutex_holder(&lock->mutex) == self_token();
}
