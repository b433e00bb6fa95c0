/* Lock and RLock. */
#include "manager/types/lock.h"

#include "base/error.h"

#include <stdio.h>

static prong_status served_lock_make_as(struct managed *object, bool reentrant) {
    struct served_lock *lock = object->state = new_state(sizeof(*lock));
    if (!lock) return PRONG_NO_MEMORY;
    lock->reentrant = reentrant;
    waiters_init(&lock->waiters);
    return PRONG_OK;
}

static prong_status served_lock_make(prong_call *call, struct managed *object) {
    (void)call;
    return served_lock_make_as(object, false);
}

prong_status served_rlock_make(prong_call *call, struct managed *object) {
    (void)call;
    return served_lock_make_as(object, true);
}

static void served_lock_take(struct managed *object, struct session *session, uint64_t count) {
    struct served_lock *lock = object->state;
    lock->owner = session;
    lock->count += count;
    session_hold(session, object, count);
}

void served_lock_pass(struct managed *object) {
    struct served_lock *lock = object->state;
    struct session *next = waiters_first(&lock->waiters);
    if (lock->count || !next) return;
    served_lock_take(object, next, next->wish[0]);
    session_resume(next, prong_make_bool(next->wish[1]));
}

bool served_lock_is_held_by(const struct served_lock *lock, const struct session *session) {
    return lock->reentrant ? lock->count && lock->owner == session : lock->count > 0;
}

static prong_status served_lock_wait(prong_call *call, struct served_lock *lock, uint64_t count, bool result,
                                     deadline_t deadline) {
    call->inner->session->wish[0] = count;
    call->inner->session->wish[1] = result;
    return call_park(call, &lock->waiters, deadline, call_resume_false, NULL);
}

/* The arguments of acquire: whether to wait, and until when. False: an exception was raised. */
static bool served_lock_arguments(prong_call *call, bool *blocking, deadline_t *deadline) {
    prong_value given[2];
    double seconds = -1;
    if (call_bind(call, "=blocking timeout", given)) return false;
    *blocking = is_absent(given[0]) || is_true(given[0]);
    bool timed = !is_absent(given[1]) && prong_value_kind(given[1]) != PRONG_KIND_NULL;
    if (timed && prong_get_float(given[1], &seconds) >= 0 && seconds == -1) timed = false;
    *deadline = PRONG_FOREVER;
    if (!timed) return true;
    if (!*blocking) {
        call_raise(call, "ValueError", "can't specify a timeout for a non-blocking call");
        return false;
    }
    if (prong_get_float(given[1], &seconds) >= 0 && seconds < 0) {
        call_raise(call, "ValueError", "timeout value must be a non-negative number");
        return false;
    }
    return !call_timeout(call, given[1], deadline);
}

prong_status served_lock_acquire(prong_call *call) {
    struct served_lock *lock = call->object;
    bool blocking;
    deadline_t deadline;
    if (!served_lock_arguments(call, &blocking, &deadline)) return PRONG_OK;
    bool again = lock->reentrant && lock->owner == call->inner->session;
    if (lock->count == 0 || again) {
        served_lock_take(call->inner->object, call->inner->session, 1);
        return call_return_bool(call, true);
    }
    if (!blocking || deadline == PRONG_NOWAIT) return call_return_bool(call, false);
    return served_lock_wait(call, lock, 1, true, deadline);
}

prong_status served_lock_release(prong_call *call) {
    struct served_lock *lock = call->object;
    if (!served_lock_is_held_by(lock, call->inner->session))
        return call_raise(call, "RuntimeError",
                          lock->reentrant ? "cannot release un-acquired lock" : "release unlocked lock");
    server_unhold(call->inner->session, call->inner->object, 1);
    lock->count--;
    served_lock_pass(call->inner->object);
    return call_return_none(call);
}

prong_status served_lock_locked(prong_call *call) {
    return call_return_bool(call, ((struct served_lock *)call->object)->count > 0);
}

static prong_status served_lock_enter(prong_call *call) {
    return served_lock_acquire(call);
}

static prong_status served_lock_exit(prong_call *call) {
    return served_lock_release(call);
}

static void served_lock_give_back(struct managed *object, uint64_t count) {
    struct served_lock *lock = object->state;
    lock->count -= count < lock->count ? count : lock->count;
    if (!lock->count) lock->owner = NULL;
    served_lock_pass(object);
}

void served_lock_describe(const struct managed *object, char *text, size_t size) {
    const struct served_lock *lock = object->state;
    snprintf(text, size, "<%s %s object at 0x%llx>", lock->count ? "locked" : "unlocked",
             lock->reentrant ? "_thread.RLock" : "_thread.lock", (unsigned long long)object->id);
}

static const prong_method_entry served_lock_methods[] = {
    {"acquire", served_lock_acquire, NULL}, {"release", served_lock_release, NULL},
    {"__enter__", served_lock_enter, NULL}, {"__exit__", served_lock_exit, NULL},
    {"locked", served_lock_locked, NULL},   {0}};

const struct type served_lock_type = {
    .given = {.name = "Lock", .methods = served_lock_methods},
    .make = served_lock_make,
    .unmake = free_state,
    .describe = served_lock_describe,
    .give_back = served_lock_give_back,
    .held_by_process = true,
};

const struct type served_rlock_type = {
    .given = {.name = "RLock", .methods = served_lock_methods},
    .make = served_rlock_make,
    .unmake = free_state,
    .describe = served_lock_describe,
    .give_back = served_lock_give_back,
};
