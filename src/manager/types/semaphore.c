/* Semaphore and BoundedSemaphore. */
#include "base/error.h"
#include "manager/types/type.h"

#include <stdio.h>

struct served_semaphore {
    uint64_t value, bound; /* bound 0: none */
    struct waiters waiters;
};

static prong_status served_semaphore_make_as(prong_call *call, struct managed *object, bool bounded) {
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

static prong_status served_semaphore_make(prong_call *call, struct managed *object) {
    return served_semaphore_make_as(call, object, false);
}

static prong_status served_bounded_semaphore_make(prong_call *call, struct managed *object) {
    return served_semaphore_make_as(call, object, true);
}

/* For a bounded semaphore the holders are noted, as its units have to come back. The units of a plain one may be
 * signals. */
static void served_semaphore_take(struct managed *object, struct session *session) {
    struct served_semaphore *semaphore = object->state;
    semaphore->value--;
    if (semaphore->bound != UINT64_MAX) session_hold(session, object, 1);
}

static prong_status served_semaphore_acquire(prong_call *call) {
    struct served_semaphore *semaphore = call->object;
    prong_value given[2];
    deadline_t deadline;
    BIND(call, "=blocking timeout", given);
    bool blocking = is_absent(given[0]) || is_true(given[0]);
    bool timed = !is_absent(given[1]) && prong_value_kind(given[1]) != PRONG_KIND_NULL;
    if (!blocking && timed) return call_raise(call, "ValueError", "can't specify timeout for non-blocking acquire");
    if (call_timeout(call, given[1], &deadline)) return PRONG_OK;
    if (semaphore->value) {
        served_semaphore_take(call->inner->object, call->inner->session);
        return call_return_bool(call, true);
    }
    if (!blocking || deadline == PRONG_NOWAIT) return call_return_bool(call, false);
    return call_park(call, &semaphore->waiters, deadline, call_resume_false, NULL);
}

static void served_semaphore_give(struct managed *object, uint64_t units) {
    struct served_semaphore *semaphore = object->state;
    semaphore->value += units;
    for (struct session *next; semaphore->value && (next = waiters_first(&semaphore->waiters));) {
        served_semaphore_take(object, next);
        session_resume(next, prong_make_bool(true));
    }
}

static prong_status served_semaphore_release(prong_call *call) {
    struct served_semaphore *semaphore = call->object;
    prong_value given;
    int64_t units = 1;
    BIND(call, "=n", &given);
    if (!is_absent(given) && call_index(call, given, &units)) return PRONG_OK;
    if (units < 1) return call_raise(call, "ValueError", "n must be one or more");
    if ((uint64_t)units > semaphore->bound - semaphore->value)
        return call_raise(call, "ValueError", "Semaphore released too many times");
    server_unhold(call->inner->session, call->inner->object, (uint64_t)units);
    served_semaphore_give(call->inner->object, (uint64_t)units);
    return call_return_none(call);
}

static prong_status served_semaphore_get_value(prong_call *call) {
    return prong_call_return(call, prong_make_int((int64_t)((struct served_semaphore *)call->object)->value));
}

static prong_status served_semaphore_locked(prong_call *call) {
    return call_return_bool(call, ((struct served_semaphore *)call->object)->value == 0);
}

static void served_semaphore_give_back(struct managed *object, uint64_t count) {
    served_semaphore_give(object, count);
}

static void served_semaphore_describe(const struct managed *object, char *text, size_t size) {
    snprintf(text, size, "<threading.%s at 0x%llx: value=%llu>", object->type->given.name,
             (unsigned long long)object->id, (unsigned long long)((struct served_semaphore *)object->state)->value);
}

static const prong_method_entry served_semaphore_methods[] = {{"acquire", served_semaphore_acquire, NULL},
                                                              {"release", served_semaphore_release, NULL},
                                                              {"__enter__", served_semaphore_acquire, NULL},
                                                              {"__exit__", served_semaphore_release, NULL},
                                                              {"get_value", served_semaphore_get_value, NULL},
                                                              {"locked", served_semaphore_locked, NULL},
                                                              {0}};

const struct type served_semaphore_type = {
    .given = {.name = "Semaphore", .methods = served_semaphore_methods},
    .make = served_semaphore_make,
    .unmake = free_state,
    .describe = served_semaphore_describe,
};

const struct type served_bounded_semaphore_type = {
    .given = {.name = "BoundedSemaphore", .methods = served_semaphore_methods},
    .make = served_bounded_semaphore_make,
    .unmake = free_state,
    .describe = served_semaphore_describe,
    .give_back = served_semaphore_give_back,
    .held_by_process = true,
};
