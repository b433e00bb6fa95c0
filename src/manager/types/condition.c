/* Condition. */
#include "manager/types/lock.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

struct served_condition {
    struct managed *lock; /* a Lock or RLock of this server; has a reference */
    struct waiters waiters;
};

static prong_status served_condition_make(prong_call *call, struct managed *object) {
    prong_value given;
    struct served_condition *condition = object->state = new_state(sizeof(*condition));
    if (!condition) return PRONG_NO_MEMORY;
    waiters_init(&condition->waiters);
    BIND(call, "=lock", &given);
    if (!is_absent(given) && prong_value_kind(given) != PRONG_KIND_NULL) {
        condition->lock = object_of_proxy(call->inner->server, given);
        const struct type *type = condition->lock ? condition->lock->type : NULL;
        if (type != &served_lock_type && type != &served_rlock_type) {
            condition->lock = NULL;
            return call_raise(call, "TypeError", "a Condition's lock must be a Lock or RLock of the same manager");
        }
    } else {
        TRY(object_new(call->inner->server, &served_rlock_type, &condition->lock));
        prong_status status = served_rlock_make(call, condition->lock);
        if (status < 0) {
            condition->lock->refs = 1;
            object_release(call->inner->server, condition->lock);
            condition->lock = NULL;
            return status;
        }
    }
    object_retain(condition->lock);
    return PRONG_OK;
}

static void served_condition_unmake(struct prong_server *server, void *given) {
    struct served_condition *condition = given;
    if (condition->lock) object_release(server, condition->lock);
    free(condition);
}

static struct served_lock *served_condition_lock(const struct managed *object) {
    return ((struct served_condition *)object->state)->lock->state;
}

/* The lock's own methods, on the lock. */
static prong_status served_condition_with_lock(prong_call *call, prong_method *method) {
    call->inner->object = ((struct served_condition *)call->object)->lock;
    call->object = call->inner->object->state;
    return method(call);
}

static prong_status served_condition_acquire(prong_call *call) {
    return served_condition_with_lock(call, served_lock_acquire);
}

static prong_status served_condition_release(prong_call *call) {
    return served_condition_with_lock(call, served_lock_release);
}

static prong_status served_condition_locked(prong_call *call) {
    return served_condition_with_lock(call, served_lock_locked);
}

/* Moves a waiter from the condition's list to the lock's: its call returns when it has the lock again. */
static void served_condition_wake(struct session *session, bool notified) {
    struct managed *object = ((struct served_condition *)session->object->state)->lock;
    struct served_lock *lock = object->state;
    waiter_remove(session);
    deadline_clear(session);
    session->wish[1] = notified;
    waiter_add(&lock->waiters, session);
    served_lock_pass(object);
}

static void served_condition_timed_out(struct session *session) {
    served_condition_wake(session, false);
}

static prong_status served_condition_wait(prong_call *call) {
    struct served_condition *condition = call->object;
    struct served_lock *lock = served_condition_lock(call->inner->object);
    prong_value given;
    deadline_t deadline;
    BIND(call, "=timeout", &given);
    if (!served_lock_is_held_by(lock, call->inner->session))
        return call_raise(call, "RuntimeError", "cannot wait on un-acquired lock");
    if (call_timeout(call, given, &deadline)) return PRONG_OK;
    call->inner->session->wish[0] = lock->reentrant ? lock->count : 1;
    TRY(call_park(call, &condition->waiters, deadline, served_condition_timed_out, NULL));
    server_unhold(call->inner->session, condition->lock, lock->count);
    lock->count = 0;
    served_lock_pass(condition->lock);
    return PRONG_OK;
}

static prong_status served_condition_notify_some(prong_call *call, int64_t count) {
    struct served_condition *condition = call->object;
    if (!served_lock_is_held_by(served_condition_lock(call->inner->object), call->inner->session))
        return call_raise(call, "RuntimeError", "cannot notify on un-acquired lock");
    for (struct session *next; count > 0 && (next = waiters_first(&condition->waiters)); count--)
        served_condition_wake(next, true);
    return call_return_none(call);
}

static prong_status served_condition_notify(prong_call *call) {
    prong_value given;
    int64_t count = 1;
    BIND(call, "=n", &given);
    if (!is_absent(given) && call_index(call, given, &count)) return PRONG_OK;
    return served_condition_notify_some(call, count);
}

static prong_status served_condition_notify_all(prong_call *call) {
    return served_condition_notify_some(call, INT64_MAX);
}

static void served_condition_describe(const struct managed *object, char *text, size_t size) {
    char lock[100];
    served_lock_describe(((struct served_condition *)object->state)->lock, lock, sizeof(lock));
    snprintf(text, size, "<Condition(%s)>", lock);
}

static const prong_method_entry served_condition_methods[] = {{"acquire", served_condition_acquire, NULL},
                                                              {"release", served_condition_release, NULL},
                                                              {"locked", served_condition_locked, NULL},
                                                              {"wait", served_condition_wait, NULL},
                                                              {"notify", served_condition_notify, NULL},
                                                              {"notify_all", served_condition_notify_all, NULL},
                                                              {"__enter__", served_condition_acquire, NULL},
                                                              {"__exit__", served_condition_release, NULL},
                                                              {0}};

const struct type served_condition_type = {
    .given = {.name = "Condition", .methods = served_condition_methods},
    .make = served_condition_make,
    .unmake = served_condition_unmake,
    .describe = served_condition_describe,
};
