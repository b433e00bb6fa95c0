/* Lock: a mutex with a handle; a recursive one counts how often its thread has acquired it. */
#include <prong/lock.h>

#include "base/error.h"
#include "sync/sync.h"

#include <limits.h>

/* In the object's header, which every call reads: so for an ordinary lock this costs only a test of a word that is
 * loaded already. */
static inline bool lock_is_recursive(const struct lock *lock) {
    return __builtin_expect(lock->object.variant != 0, 0);
}

/* A thread that is inside of an object has its number already: thread_known is enough, here and below. */
static inline bool lock_is_mine(struct lock *lock) {
    return mutex_is_held_by(&lock->mutex, thread_known.token, thread_known.thread);
}

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

static __attribute__((noinline)) prong_status lock_acquire_slowly(struct lock *lock, uint64_t generation,
                                                                  prong_time timeout) {
    INTERRUPTIBLE;
    enum mutex_result result = mutex_acquire_slow(&lock->mutex, lock, deadline_after(timeout));
    if (result == MUTEX_TIMED_OUT && object_generation(lock) != generation) return lock_gone();
    return mutex_status(result, &lock->mutex, lock);
}

static prong_status lock_acquire_again(struct lock *lock) {
    if (lock->mutex.count == UINT_MAX) return fail_text(PRONG_INVALID, "the lock cannot be acquired more often");
    lock->mutex.count++;
    return PRONG_OK;
}

static inline prong_status lock_acquire_new(struct lock *lock, uint64_t generation, prong_time timeout) {
    if (__builtin_expect(mutex_try(&lock->mutex, thread_known.token, thread_known.thread), 1)) return PRONG_OK;
    return lock_acquire_slowly(lock, generation, timeout);
}

/* Out of line, so that the fast path of the others needs no registers for it. */
static __attribute__((noinline)) prong_status lock_acquire_recursive(struct lock *lock, uint64_t generation,
                                                                     prong_time timeout) {
    return lock_is_mine(lock) ? lock_acquire_again(lock) : lock_acquire_new(lock, generation, timeout);
}

prong_status prong_lock_acquire(prong_lock handle, prong_time timeout) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(sync_lock_enter(&inside, handle, &lock));
    if (lock_is_recursive(lock)) return lock_acquire_recursive(lock, handle.generation, timeout);
    return lock_acquire_new(lock, handle.generation, timeout);
}

/* --- releasing --- */

/* There are waiters; or another process has acquired the lock, which any process may release; or the lock was destroyed
 * meanwhile. Out of line, so that the fast path needs no registers for this. */
static __attribute__((noinline)) prong_status lock_release_slowly(struct lock *lock) {
    if (mutex_release_slow(&lock->mutex, self_token())) return PRONG_OK;
    uint32_t holder = mutex_holder(&lock->mutex);
    if (holder == MUTEX_GONE) return lock_gone();
    if (holder && mutex_release(&lock->mutex, holder)) return PRONG_OK;
    return fail_text(PRONG_NOT_OWNER, "release of a lock that is free");
}

static __attribute__((noinline)) prong_status lock_not_mine(struct lock *lock) {
    char what[80];
    if (mutex_holder(&lock->mutex) == MUTEX_GONE) return lock_gone();
    return fail(PRONG_NOT_OWNER, "release of %s, which this thread does not hold",
                object_describe(lock, what, sizeof what));
}

static __attribute__((noinline)) prong_status lock_release_recursive(struct lock *lock) {
    if (__builtin_expect(!lock_is_mine(lock), 0)) return lock_not_mine(lock);
    if (lock->mutex.count > 0) {
        lock->mutex.count--;
        return PRONG_OK;
    }
    /* Before the release: the next thread of this process that acquires the lock must not be taken for this one. */
    atomic_store_explicit(&lock->mutex.thread, 0, memory_order_relaxed);
    if (__builtin_expect(mutex_try_release(&lock->mutex, thread_known.token), 1)) return PRONG_OK;
    return lock_release_slowly(lock);
}

prong_status prong_lock_release(prong_lock handle) {
    struct lock *lock;
    INSIDE struct visit inside = {0};
    TRY(sync_lock_enter(&inside, handle, &lock));
    if (lock_is_recursive(lock)) return lock_release_recursive(lock);
    if (__builtin_expect(mutex_try_release(&lock->mutex, thread_known.token), 1)) return PRONG_OK;
    return lock_release_slowly(lock);
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
