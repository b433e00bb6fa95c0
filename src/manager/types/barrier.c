/* Barrier. */
#include "base/error.h"
#include "manager/types/type.h"

#include <stdio.h>
#include <string.h>

struct served_barrier {
    uint64_t parties, waiting;
    double timeout; /* seconds; below 0: none */
    bool broken;
    struct waiters waiters;
};

static prong_status served_barrier_make(prong_call *call, struct managed *object) {
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
        prong_get_float(given[2], &barrier->timeout) < 0)
        return call_raise(call, "TypeError", "a timeout must be a number");
    barrier->parties = (uint64_t)parties;
    return PRONG_OK;
}

static void served_barrier_fail_all(struct served_barrier *barrier) {
    barrier->waiting = 0;
    for (struct session *next; (next = waiters_first(&barrier->waiters));)
        session_resume_raise(next, "threading", "BrokenBarrierError");
}

static void served_barrier_break(struct served_barrier *barrier) {
    barrier->broken = true;
    served_barrier_fail_all(barrier);
}

/* The time of a waiter is up, or its client is gone: breaks the barrier for all. */
static void served_barrier_timed_out(struct session *session) {
    served_barrier_break(session->object->state);
}

static void served_barrier_gone(struct session *session) {
    served_barrier_break(session->object->state);
}

static prong_status served_barrier_wait(prong_call *call) {
    struct served_barrier *barrier = call->object;
    prong_value given, none;
    deadline_t deadline;
    BIND(call, "=timeout", &given);
    bool none_given = is_absent(given) || prong_value_kind(given) == PRONG_KIND_NULL;
    if (none_given && barrier->timeout >= 0) given = prong_make_float(barrier->timeout);
    if (call_timeout(call, given, &deadline)) return PRONG_OK;
    if (barrier->broken) {
        TRY(prong_make_tuple(call->document, NULL, 0, &none));
        return prong_call_raise(call, "threading", "BrokenBarrierError", none);
    }
    if (barrier->waiting + 1 < barrier->parties) {
        call->inner->session->wish[0] = barrier->waiting++;
        return call_park(call, &barrier->waiters, deadline, served_barrier_timed_out, served_barrier_gone);
    }
    barrier->waiting = 0;
    for (struct session *next; (next = waiters_first(&barrier->waiters));)
        session_resume(next, prong_make_int((int64_t)next->wish[0]));
    return prong_call_return(call, prong_make_int((int64_t)barrier->parties - 1));
}

static prong_status served_barrier_reset(prong_call *call) {
    struct served_barrier *barrier = call->object;
    served_barrier_fail_all(barrier);
    barrier->broken = false;
    return call_return_none(call);
}

static prong_status served_barrier_abort(prong_call *call) {
    served_barrier_break(call->object);
    return call_return_none(call);
}

static prong_status served_barrier_attribute(prong_call *call) {
    struct served_barrier *barrier = call->object;
    prong_value given;
    const char *name = "";
    BIND(call, "name", &given);
    prong_get_str(given, &name, NULL);
    if (!strcmp(name, "parties")) return prong_call_return(call, prong_make_int((int64_t)barrier->parties));
    if (!strcmp(name, "n_waiting")) return prong_call_return(call, prong_make_int((int64_t)barrier->waiting));
    if (!strcmp(name, "broken")) return call_return_bool(call, barrier->broken);
    return call_raise(call, "AttributeError", "'Barrier' object has no attribute '%s'", name);
}

static void served_barrier_describe(const struct managed *object, char *text, size_t size) {
    const struct served_barrier *barrier = object->state;
    if (barrier->broken)
        snprintf(text, size, "<threading.Barrier at 0x%llx: broken>", (unsigned long long)object->id);
    else
        snprintf(text, size, "<threading.Barrier at 0x%llx: waiters=%llu/%llu>", (unsigned long long)object->id,
                 (unsigned long long)barrier->waiting, (unsigned long long)barrier->parties);
}

static const prong_method_entry served_barrier_methods[] = {{"wait", served_barrier_wait, NULL},
                                                            {"reset", served_barrier_reset, NULL},
                                                            {"abort", served_barrier_abort, NULL},
                                                            {"__getattribute__", served_barrier_attribute, NULL},
                                                            {0}};

const struct type served_barrier_type = {
    .given = {.name = "Barrier", .methods = served_barrier_methods},
    .make = served_barrier_make,
    .unmake = free_state,
    .describe = served_barrier_describe,
};
