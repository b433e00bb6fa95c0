/* Lock and RLock: a mutex with a handle. */
#include <prong/lock.h>

#include "base/error.h"
#include "sync/types.h"

#include <limits.h>

static inline prong_status lock_enter(struct visit *inside, enum object_kind kind, uint64_t offset, uint64_t generation,
                                      struct lock **lock) {
    return object_enter(inside, kind, offset, generation, (void **)lock);
}

static prong_status create(enum object_kind kind, void *handle, const prong_lock_options *options) {
    void *lock;
    prong_status status = sync_create(kind, handle, options ? options->name : NULL, &lock);
    if (status < 0) return status;
    mutex_begin(&((struct lock *)lock)->mutex);
    sync_publish(lock, handle);
    return PRONG_OK;
}

static prong_status lock_gone(void) {
    return fail(PRONG_STALE, "the lock was destroyed meanwhile");
}

static __attribute__((noinline)) prong_status acquire_slowly(struct lock *lock, uint64_t generation,
                                                             prong_time timeout) {
    INTERRUPTIBLE;
    enum mutex_result result = mutex_acquire_slow(&lock->mutex, lock, deadline_after(timeout));
    if (result == MUTEX_TIMED_OUT && object_generation(lock) != generation) return lock_gone();
    return mutex_status(result, &lock->mutex, lock);
}

static prong_status acquire(struct lock *lock, uint64_t generation, prong_time timeout) {
    return __builtin_expect(mutex_try(&lock->mutex), 1) ? PRONG_OK : acquire_slowly(lock, generation, timeout);
}

static void lock_end(void *object) {
    mutex_end(&((struct lock *)object)->mutex);
}

static bool lock_dispose(void *object) {
    (void)object;
    return true;
}

static void recover(void *object, uint32_t dead) {
    mutex_recover(&((struct lock *)object)->mutex, object, dead);
}

static void holders(void *object, holder_visit *visit, void *context) {
    mutex_holders(&((struct lock *)object)->mutex, visit, context);
}

const struct object_type lock_type = {.name = "lock",
                                      .size = sizeof(struct lock),
                                      .recover = recover,
                                      .end = lock_end,
                                      .dispose = lock_dispose,
                                      .holders = holders};
const struct object_type rlock_type = {.name = "rlock",
                                       .size = sizeof(struct lock),
                                       .recover = recover,
                                       .end = lock_end,
                                       .dispose = lock_dispose,
                                       .holders = holders};

/* --- Lock --- */

prong_status prong_lock_create(prong_lock *handle, const prong_lock_options *options) {
    return create(KIND_LOCK, handle, options);
}

prong_status prong_lock_acquire(prong_lock handle, prong_time timeout) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(lock_enter(&inside, KIND_LOCK, handle.offset, handle.generation, &lock));
    return acquire(lock, handle.generation, timeout);
}

/* Of what others wait for, or another process has taken, as any may; or it is destroyed meanwhile. Apart from the quick way,
 * which so needs no registers for it. */
static __attribute__((noinline)) prong_status release_slowly(struct lock *lock) {
    if (mutex_release_slow(&lock->mutex, self_token())) return PRONG_OK;
    uint32_t holder = mutex_holder(&lock->mutex);
    if (holder == MUTEX_GONE) return lock_gone();
    if (holder && mutex_release(&lock->mutex, holder)) return PRONG_OK;
    return fail_text(PRONG_NOT_OWNER, "release of a lock that is free");
}

prong_status prong_lock_release(prong_lock handle) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(lock_enter(&inside, KIND_LOCK, handle.offset, handle.generation, &lock));
    if (__builtin_expect(mutex_try_release(&lock->mutex, self_token()), 1)) return PRONG_OK;
    return release_slowly(lock);
}

static bool is_locked(enum object_kind kind, uint64_t offset, uint64_t generation) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    return !lock_enter(&inside, kind, offset, generation, &lock) && mutex_holder(&lock->mutex) != 0;
}

bool prong_lock_locked(prong_lock handle) {
    return is_locked(KIND_LOCK, handle.offset, handle.generation);
}

prong_status prong_lock_destroy(prong_lock handle) {
    return object_destroy_handle(KIND_LOCK, handle.offset, handle.generation);
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
    return mutex_release(&lock->mutex, self_token()) ? PRONG_OK : lock_gone();
}

prong_status prong_rlock_create(prong_rlock *handle, const prong_lock_options *options) {
    return create(KIND_RLOCK, handle, options);
}

prong_status prong_rlock_acquire(prong_rlock handle, prong_time timeout) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(lock_enter(&inside, KIND_RLOCK, handle.offset, handle.generation, &lock));
    return mutex_is_mine(&lock->mutex) ? acquire_again(lock) : acquire(lock, handle.generation, timeout);
}

prong_status prong_rlock_release(prong_rlock handle) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(lock_enter(&inside, KIND_RLOCK, handle.offset, handle.generation, &lock));
    prong_status status = release_once(lock);
    return status == PRONG_NOT_OWNER && mutex_holder(&lock->mutex) == MUTEX_GONE ? lock_gone() : status;
}

bool prong_rlock_locked(prong_rlock handle) {
    return is_locked(KIND_RLOCK, handle.offset, handle.generation);
}

prong_status prong_rlock_destroy(prong_rlock handle) {
    return object_destroy_handle(KIND_RLOCK, handle.offset, handle.generation);
}

/* --- either, for those that refer to one --- */

prong_status lock_enter_any(struct visit *inside, const struct lock_reference *reference, struct lock **lock) {
    return lock_enter(inside, (enum object_kind)reference->kind, reference->offset, reference->generation, lock);
}

prong_status lock_acquire_any(const struct lock_reference *reference, prong_time timeout) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(lock_enter_any(&inside, reference, &lock));
    bool again = lock->object.kind == KIND_RLOCK && mutex_is_mine(&lock->mutex);
    return again ? acquire_again(lock) : acquire(lock, reference->generation, timeout);
}

prong_status lock_release_any(const struct lock_reference *reference) {
    if (reference->kind == KIND_RLOCK)
        return prong_rlock_release((prong_rlock){reference->offset, reference->generation});
    return prong_lock_release((prong_lock){reference->offset, reference->generation});
}

bool lock_is_mine(struct lock *lock) {
    return lock->object.kind == KIND_RLOCK ? mutex_is_mine(&lock->mutex) : mutex_holder(&lock->mutex) == self_token();
}
