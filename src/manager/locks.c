/* Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event and Barrier. Who waits is parked; what he waits for is
 * handed to him by the one that gives it up, in the order in which they came. */
#include "base/error.h"
#include "manager/types.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void plain_unmake(struct prong_server *server, void *state) {
    (void)server;
    free(state);
}

static void resume_false(struct session *session) {
    session_resume(session, prong_make_bool(false));
}

/* What acquire was told: whether to wait, and until when. False: raised. */
static bool acquire_arguments(prong_call *call, bool *blocking, deadline_t *deadline) {
    prong_value given[2];
    double seconds = -1;
    if (call_bind(call, "=blocking timeout", given)) return false;
    *blocking = is_absent(given[0]) || is_true(given[0]);
    bool timed = !is_absent(given[1]) && prong_value_kind(given[1]) != PRONG_KIND_NULL;
    if (timed && prong_to_float(given[1], &seconds) >= 0 && seconds == -1) timed = false;
    *deadline = PRONG_FOREVER;
    if (!timed) return true;
    if (!*blocking) {
        call_raise(call, "ValueError", "can't specify a timeout for a non-blocking call");
        return false;
    }
    if (prong_to_float(given[1], &seconds) >= 0 && seconds < 0) {
        call_raise(call, "ValueError", "timeout value must be a non-negative number");
        return false;
    }
    return !call_timeout(call, given[1], deadline);
}

/* ---------------------------------------------------------------- Lock and RLock */

/* A Lock has no owner, only a state; an RLock belongs to a session. Who waits has in wish[0] how often he wants it (a
 * Condition's waiter gets back what he had), and in wish[1] what acquire, or wait, then returns. */
struct served_lock {
    bool reentrant;
    struct session *owner; /* of an RLock; of a Lock who took it, if that is still known */
    uint64_t count;
    struct waiters waiters;
};

static prong_status lock_make_as(struct managed *object, bool reentrant) {
    struct served_lock *lock = object->state = new_state(sizeof(*lock));
    if (!lock) return PRONG_NO_MEMORY;
    lock->reentrant = reentrant;
    waiters_init(&lock->waiters);
    return PRONG_OK;
}
static prong_status lock_make(prong_call *call, struct managed *object) {
    (void)call;
    return lock_make_as(object, false);
}
static prong_status rlock_make(prong_call *call, struct managed *object) {
    (void)call;
    return lock_make_as(object, true);
}

static void lock_take(struct managed *object, struct session *session, uint64_t count) {
    struct served_lock *lock = object->state;
    lock->owner = session;
    lock->count += count;
    session_hold(session, object, count);
}

/* Free: the next that waits has it. One whose client is found gone as it is told passes it on when it is closed. */
static void lock_pass(struct managed *object) {
    struct served_lock *lock = object->state;
    struct session *next = waiters_first(&lock->waiters);
    if (lock->count || !next) return;
    lock_take(object, next, next->wish[0]);
    session_resume(next, prong_make_bool(next->wish[1]));
}

static bool lock_is_held_by(const struct served_lock *lock, const struct session *session) {
    return lock->reentrant ? lock->count && lock->owner == session : lock->count > 0;
}

static prong_status lock_wait(prong_call *call, struct served_lock *lock, uint64_t count, bool result,
                              deadline_t deadline) {
    call->session->wish[0] = count;
    call->session->wish[1] = result;
    return call_park(call, &lock->waiters, deadline, resume_false, NULL);
}

static prong_status lock_acquire(prong_call *call) {
    struct served_lock *lock = call->object->state;
    bool blocking;
    deadline_t deadline;
    if (!acquire_arguments(call, &blocking, &deadline)) return PRONG_OK;
    bool again = lock->reentrant && lock->owner == call->session;
    if (lock->count == 0 || again) {
        lock_take(call->object, call->session, 1);
        return call_return_bool(call, true);
    }
    if (!blocking || deadline == PRONG_NOWAIT) return call_return_bool(call, false);
    return lock_wait(call, lock, 1, true, deadline);
}

static prong_status lock_release(prong_call *call) {
    struct served_lock *lock = call->object->state;
    if (!lock_is_held_by(lock, call->session))
        return call_raise(call, "RuntimeError",
                          lock->reentrant ? "cannot release un-acquired lock" : "release unlocked lock");
    server_unhold(call->session, call->object, 1);
    lock->count--;
    lock_pass(call->object);
    return call_return_none(call);
}

static prong_status lock_locked(prong_call *call) {
    return call_return_bool(call, ((struct served_lock *)call->object->state)->count > 0);
}

static prong_status lock_enter(prong_call *call) {
    return lock_acquire(call);
}
static prong_status lock_exit(prong_call *call) {
    return lock_release(call);
}

static void lock_give_back(struct managed *object, uint64_t count) {
    struct served_lock *lock = object->state;
    lock->count -= count < lock->count ? count : lock->count;
    if (!lock->count) lock->owner = NULL;
    lock_pass(object);
}

static void lock_describe(const struct managed *object, char *text, size_t size) {
    const struct served_lock *lock = object->state;
    snprintf(text, size, "<%s %s object at 0x%llx>", lock->count ? "locked" : "unlocked",
             lock->reentrant ? "_thread.RLock" : "_thread.lock", (unsigned long long)object->id);
}

static const prong_method_entry lock_methods[] = {{"acquire", lock_acquire, NULL}, {"release", lock_release, NULL},
                                                  {"__enter__", lock_enter, NULL}, {"__exit__", lock_exit, NULL},
                                                  {"locked", lock_locked, NULL},   {0}};

/* ---------------------------------------------------------------- Semaphore */

struct served_semaphore {
    uint64_t value, bound; /* bound 0: none */
    struct waiters waiters;
};

static prong_status semaphore_make_as(prong_call *call, struct managed *object, bool bounded) {
    prong_value given;
    int64_t value = 1;
    struct served_semaphore *semaphore = object->state = new_state(sizeof(*semaphore));
    if (!semaphore) return PRONG_NO_MEMORY;
    waiters_init(&semaphore->waiters);
    BIND(call, "=value", &given);
    if (!is_absent(given) && call_index(call, given, &value)) return PRONG_OK;
    if (value < 0) return call_raise(call, "ValueError", "semaphore initial value must be >= 0");
    semaphore->value = (uint64_t)value;
    semaphore->bound = bounded ? (uint64_t)value : UINT64_MAX;
    return PRONG_OK;
}
static prong_status semaphore_make(prong_call *call, struct managed *object) {
    return semaphore_make_as(call, object, false);
}
static prong_status bounded_make(prong_call *call, struct managed *object) {
    return semaphore_make_as(call, object, true);
}

/* Units of a bounded one are to come back: its holders are known. Those of a plain one may be signals. */
static void semaphore_take(struct managed *object, struct session *session) {
    struct served_semaphore *semaphore = object->state;
    semaphore->value--;
    if (semaphore->bound != UINT64_MAX) session_hold(session, object, 1);
}

static prong_status semaphore_acquire(prong_call *call) {
    struct served_semaphore *semaphore = call->object->state;
    prong_value given[2];
    deadline_t deadline;
    BIND(call, "=blocking timeout", given);
    bool blocking = is_absent(given[0]) || is_true(given[0]);
    bool timed = !is_absent(given[1]) && prong_value_kind(given[1]) != PRONG_KIND_NULL;
    if (!blocking && timed) return call_raise(call, "ValueError", "can't specify timeout for non-blocking acquire");
    if (call_timeout(call, given[1], &deadline)) return PRONG_OK;
    if (semaphore->value) {
        semaphore_take(call->object, call->session);
        return call_return_bool(call, true);
    }
    if (!blocking || deadline == PRONG_NOWAIT) return call_return_bool(call, false);
    return call_park(call, &semaphore->waiters, deadline, resume_false, NULL);
}

static void semaphore_give(struct managed *object, uint64_t units) {
    struct served_semaphore *semaphore = object->state;
    semaphore->value += units;
    for (struct session *next; semaphore->value && (next = waiters_first(&semaphore->waiters));) {
        semaphore_take(object, next);
        session_resume(next, prong_make_bool(true));
    }
}

static prong_status semaphore_release(prong_call *call) {
    struct served_semaphore *semaphore = call->object->state;
    prong_value given;
    int64_t units = 1;
    BIND(call, "=n", &given);
    if (!is_absent(given) && call_index(call, given, &units)) return PRONG_OK;
    if (units < 1) return call_raise(call, "ValueError", "n must be one or more");
    if ((uint64_t)units > semaphore->bound - semaphore->value)
        return call_raise(call, "ValueError", "Semaphore released too many times");
    server_unhold(call->session, call->object, (uint64_t)units);
    semaphore_give(call->object, (uint64_t)units);
    return call_return_none(call);
}

static prong_status semaphore_get_value(prong_call *call) {
    return prong_call_return(call, prong_make_int((int64_t)((struct served_semaphore *)call->object->state)->value));
}

static prong_status semaphore_locked(prong_call *call) {
    return call_return_bool(call, ((struct served_semaphore *)call->object->state)->value == 0);
}

static void semaphore_give_back(struct managed *object, uint64_t count) {
    semaphore_give(object, count);
}

static void semaphore_describe(const struct managed *object, char *text, size_t size) {
    snprintf(text, size, "<threading.%s at 0x%llx: value=%llu>", object->type->given.name,
             (unsigned long long)object->id, (unsigned long long)((struct served_semaphore *)object->state)->value);
}

static const prong_method_entry semaphore_methods[] = {{"acquire", semaphore_acquire, NULL},
                                                       {"release", semaphore_release, NULL},
                                                       {"__enter__", semaphore_acquire, NULL},
                                                       {"__exit__", semaphore_release, NULL},
                                                       {"get_value", semaphore_get_value, NULL},
                                                       {"locked", semaphore_locked, NULL},
                                                       {0}};

/* ---------------------------------------------------------------- Condition */

struct served_condition {
    struct managed *lock; /* a Lock or RLock of this server; has a reference */
    struct waiters waiters;
};

static prong_status condition_make(prong_call *call, struct managed *object) {
    prong_value given;
    struct served_condition *condition = object->state = new_state(sizeof(*condition));
    if (!condition) return PRONG_NO_MEMORY;
    waiters_init(&condition->waiters);
    BIND(call, "=lock", &given);
    if (!is_absent(given) && prong_value_kind(given) != PRONG_KIND_NULL) {
        condition->lock = object_of_proxy(call->server, given);
        if (!condition->lock || condition->lock->type->make != lock_make) {
            if (!condition->lock || condition->lock->type->make != rlock_make) {
                condition->lock = NULL;
                return call_raise(call, "TypeError", "a Condition's lock must be a Lock or RLock of the same manager");
            }
        }
    } else {
        const struct type *type = type_by_name(call->server, "RLock");
        TRY(object_new(call->server, type, &condition->lock));
        prong_status status = rlock_make(call, condition->lock);
        if (status < 0) {
            condition->lock->refs = 1;
            object_release(call->server, condition->lock);
            condition->lock = NULL;
            return status;
        }
    }
    object_retain(condition->lock);
    return PRONG_OK;
}

static void condition_unmake(struct prong_server *server, void *given) {
    struct served_condition *condition = given;
    if (condition->lock) object_release(server, condition->lock);
    free(condition);
}

static struct served_lock *lock_of(const struct managed *object) {
    return ((struct served_condition *)object->state)->lock->state;
}

/* The lock's own methods, on the lock. */
static prong_status with_lock(prong_call *call, prong_method *method) {
    call->object = ((struct served_condition *)call->object->state)->lock;
    return method(call);
}
static prong_status condition_acquire(prong_call *call) {
    return with_lock(call, lock_acquire);
}
static prong_status condition_release(prong_call *call) {
    return with_lock(call, lock_release);
}
static prong_status condition_locked(prong_call *call) {
    return with_lock(call, lock_locked);
}

/* From the condition's list to the lock's: he returns when he has the lock again. */
static void wake(struct session *session, bool notified) {
    struct managed *object = ((struct served_condition *)session->object->state)->lock;
    struct served_lock *lock = object->state;
    waiter_remove(session);
    deadline_clear(session);
    session->wish[1] = notified;
    waiter_add(&lock->waiters, session);
    lock_pass(object);
}

static void wait_timed_out(struct session *session) {
    wake(session, false);
}

static prong_status condition_wait(prong_call *call) {
    struct served_condition *condition = call->object->state;
    struct served_lock *lock = lock_of(call->object);
    prong_value given;
    deadline_t deadline;
    BIND(call, "=timeout", &given);
    if (!lock_is_held_by(lock, call->session))
        return call_raise(call, "RuntimeError", "cannot wait on un-acquired lock");
    if (call_timeout(call, given, &deadline)) return PRONG_OK;
    call->session->wish[0] = lock->reentrant ? lock->count : 1;
    TRY(call_park(call, &condition->waiters, deadline, wait_timed_out, NULL));
    server_unhold(call->session, condition->lock, lock->count);
    lock->count = 0;
    lock_pass(condition->lock);
    return PRONG_OK;
}

static prong_status notify(prong_call *call, int64_t count) {
    struct served_condition *condition = call->object->state;
    if (!lock_is_held_by(lock_of(call->object), call->session))
        return call_raise(call, "RuntimeError", "cannot notify on un-acquired lock");
    for (struct session *next; count > 0 && (next = waiters_first(&condition->waiters)); count--) wake(next, true);
    return call_return_none(call);
}

static prong_status condition_notify(prong_call *call) {
    prong_value given;
    int64_t count = 1;
    BIND(call, "=n", &given);
    if (!is_absent(given) && call_index(call, given, &count)) return PRONG_OK;
    return notify(call, count);
}
static prong_status condition_notify_all(prong_call *call) {
    return notify(call, INT64_MAX);
}

static void condition_describe(const struct managed *object, char *text, size_t size) {
    char lock[100];
    lock_describe(((struct served_condition *)object->state)->lock, lock, sizeof(lock));
    snprintf(text, size, "<Condition(%s)>", lock);
}

static const prong_method_entry condition_methods[] = {{"acquire", condition_acquire, NULL},
                                                       {"release", condition_release, NULL},
                                                       {"locked", condition_locked, NULL},
                                                       {"wait", condition_wait, NULL},
                                                       {"notify", condition_notify, NULL},
                                                       {"notify_all", condition_notify_all, NULL},
                                                       {"__enter__", condition_acquire, NULL},
                                                       {"__exit__", condition_release, NULL},
                                                       {0}};

/* ---------------------------------------------------------------- Event */

struct served_event {
    bool set;
    struct waiters waiters;
};

static prong_status event_make(prong_call *call, struct managed *object) {
    struct served_event *event = object->state = new_state(sizeof(*event));
    (void)call;
    if (!event) return PRONG_NO_MEMORY;
    waiters_init(&event->waiters);
    return PRONG_OK;
}

static prong_status event_is_set(prong_call *call) {
    return call_return_bool(call, ((struct served_event *)call->object->state)->set);
}

static prong_status event_set(prong_call *call) {
    struct served_event *event = call->object->state;
    event->set = true;
    for (struct session *next; (next = waiters_first(&event->waiters));) session_resume(next, prong_make_bool(true));
    return call_return_none(call);
}

static prong_status event_clear(prong_call *call) {
    ((struct served_event *)call->object->state)->set = false;
    return call_return_none(call);
}

static prong_status event_wait(prong_call *call) {
    struct served_event *event = call->object->state;
    prong_value given;
    deadline_t deadline;
    BIND(call, "=timeout", &given);
    if (call_timeout(call, given, &deadline)) return PRONG_OK;
    if (event->set || deadline == PRONG_NOWAIT) return call_return_bool(call, event->set);
    return call_park(call, &event->waiters, deadline, resume_false, NULL);
}

static void event_describe(const struct managed *object, char *text, size_t size) {
    snprintf(text, size, "<threading.Event at 0x%llx: %s>", (unsigned long long)object->id,
             ((struct served_event *)object->state)->set ? "set" : "unset");
}

static const prong_method_entry event_methods[] = {{"is_set", event_is_set, NULL},
                                                   {"set", event_set, NULL},
                                                   {"clear", event_clear, NULL},
                                                   {"wait", event_wait, NULL},
                                                   {0}};

/* ---------------------------------------------------------------- Barrier */

struct served_barrier {
    uint64_t parties, waiting;
    double timeout; /* seconds; below 0: none */
    bool broken;
    struct waiters waiters;
};

static prong_status barrier_make(prong_call *call, struct managed *object) {
    prong_value given[3];
    int64_t parties;
    struct served_barrier *barrier = object->state = new_state(sizeof(*barrier));
    if (!barrier) return PRONG_NO_MEMORY;
    waiters_init(&barrier->waiters);
    barrier->timeout = -1;
    BIND(call, "parties =action timeout", given);
    if (call_index(call, given[0], &parties)) return PRONG_OK;
    if (parties < 1) return call_raise(call, "ValueError", "parties must be > 0");
    if (!is_absent(given[1]) && prong_value_kind(given[1]) != PRONG_KIND_NULL)
        return call_raise(call, "TypeError",
                          "a Barrier's action would have to run on this server, which runs no code "
                          "that it is sent");
    if (!is_absent(given[2]) && prong_value_kind(given[2]) != PRONG_KIND_NULL &&
        prong_to_float(given[2], &barrier->timeout) < 0)
        return call_raise(call, "TypeError", "a timeout must be a number");
    barrier->parties = (uint64_t)parties;
    return PRONG_OK;
}

static void barrier_fail_all(struct served_barrier *barrier) {
    barrier->waiting = 0;
    for (struct session *next; (next = waiters_first(&barrier->waiters));)
        session_resume_raise(next, "threading", "BrokenBarrierError");
}

static void barrier_break(struct served_barrier *barrier) {
    barrier->broken = true;
    barrier_fail_all(barrier);
}

/* One's time is up, or he is gone: the barrier breaks for all. */
static void barrier_timed_out(struct session *session) {
    barrier_break(session->object->state);
}
static void barrier_gone(struct session *session) {
    barrier_break(session->object->state);
}

static prong_status barrier_wait(prong_call *call) {
    struct served_barrier *barrier = call->object->state;
    prong_value given, none;
    deadline_t deadline;
    BIND(call, "=timeout", &given);
    bool none_given = is_absent(given) || prong_value_kind(given) == PRONG_KIND_NULL;
    if (none_given && barrier->timeout >= 0) given = prong_make_float(barrier->timeout);
    if (call_timeout(call, given, &deadline)) return PRONG_OK;
    if (barrier->broken) {
        TRY(prong_make_tuple(call->server->scratch, NULL, 0, &none));
        return prong_call_raise(call, "threading", "BrokenBarrierError", none);
    }
    if (barrier->waiting + 1 < barrier->parties) {
        call->session->wish[0] = barrier->waiting++;
        return call_park(call, &barrier->waiters, deadline, barrier_timed_out, barrier_gone);
    }
    barrier->waiting = 0;
    for (struct session *next; (next = waiters_first(&barrier->waiters));)
        session_resume(next, prong_make_int((int64_t)next->wish[0]));
    return prong_call_return(call, prong_make_int((int64_t)barrier->parties - 1));
}

static prong_status barrier_reset(prong_call *call) {
    struct served_barrier *barrier = call->object->state;
    barrier_fail_all(barrier);
    barrier->broken = false;
    return call_return_none(call);
}

static prong_status barrier_abort(prong_call *call) {
    barrier_break(call->object->state);
    return call_return_none(call);
}

static prong_status barrier_attribute(prong_call *call) {
    struct served_barrier *barrier = call->object->state;
    prong_value given;
    const char *name = "";
    BIND(call, "name", &given);
    prong_get_str(given, &name, NULL);
    if (!strcmp(name, "parties")) return prong_call_return(call, prong_make_int((int64_t)barrier->parties));
    if (!strcmp(name, "n_waiting")) return prong_call_return(call, prong_make_int((int64_t)barrier->waiting));
    if (!strcmp(name, "broken")) return call_return_bool(call, barrier->broken);
    return call_raise(call, "AttributeError", "'Barrier' object has no attribute '%s'", name);
}

static void barrier_describe(const struct managed *object, char *text, size_t size) {
    const struct served_barrier *barrier = object->state;
    if (barrier->broken)
        snprintf(text, size, "<threading.Barrier at 0x%llx: broken>", (unsigned long long)object->id);
    else
        snprintf(text, size, "<threading.Barrier at 0x%llx: waiters=%llu/%llu>", (unsigned long long)object->id,
                 (unsigned long long)barrier->waiting, (unsigned long long)barrier->parties);
}

static const prong_method_entry barrier_methods[] = {{"wait", barrier_wait, NULL},
                                                     {"reset", barrier_reset, NULL},
                                                     {"abort", barrier_abort, NULL},
                                                     {"__getattribute__", barrier_attribute, NULL},
                                                     {0}};

/* ---------------------------------------------------------------- all */

#define TYPE(name_, methods_, make_, unmake_, describe_)                                                               \
    .given = {.name = name_, .methods = methods_}, .make = make_, .unmake = unmake_, .describe = describe_

const struct type sync_types[] = {
    {TYPE("Lock", lock_methods, lock_make, plain_unmake, lock_describe), .give_back = lock_give_back,
     .held_by_process = true},
    {TYPE("RLock", lock_methods, rlock_make, plain_unmake, lock_describe), .give_back = lock_give_back},
    {TYPE("Semaphore", semaphore_methods, semaphore_make, plain_unmake, semaphore_describe)},
    {TYPE("BoundedSemaphore", semaphore_methods, bounded_make, plain_unmake, semaphore_describe),
     .give_back = semaphore_give_back, .held_by_process = true},
    {TYPE("Condition", condition_methods, condition_make, condition_unmake, condition_describe)},
    {TYPE("Event", event_methods, event_make, plain_unmake, event_describe)},
    {TYPE("Barrier", barrier_methods, barrier_make, plain_unmake, barrier_describe)},
    {.given = {0}}};
