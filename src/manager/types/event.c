/* Event. */
#include "manager/types/type.h"

#include <stdio.h>

struct served_event {
    bool set;
    struct waiters waiters;
};

static prong_status served_event_make(prong_call *call, struct managed *object) {
    struct served_event *event = object->state = new_state(sizeof(*event));
    (void)call;
    if (!event) return PRONG_NO_MEMORY;
    waiters_init(&event->waiters);
    return PRONG_OK;
}

static prong_status served_event_is_set(prong_call *call) {
    return call_return_bool(call, ((struct served_event *)call->object)->set);
}

static prong_status served_event_set(prong_call *call) {
    struct served_event *event = call->object;
    event->set = true;
    for (struct session *next; (next = waiters_first(&event->waiters));) session_resume(next, prong_make_bool(true));
    return call_return_none(call);
}

static prong_status served_event_clear(prong_call *call) {
    ((struct served_event *)call->object)->set = false;
    return call_return_none(call);
}

static prong_status served_event_wait(prong_call *call) {
    struct served_event *event = call->object;
    prong_value given;
    deadline_t deadline;
    BIND(call, "=timeout", &given);
    if (call_timeout(call, given, &deadline)) return PRONG_OK;
    if (event->set || deadline == PRONG_NOWAIT) return call_return_bool(call, event->set);
    return call_park(call, &event->waiters, deadline, call_resume_false, NULL);
}

static void served_event_describe(const struct managed *object, char *text, size_t size) {
    snprintf(text, size, "<threading.Event at 0x%llx: %s>", (unsigned long long)object->id,
             ((struct served_event *)object->state)->set ? "set" : "unset");
}

static const prong_method_entry served_event_methods[] = {{"is_set", served_event_is_set, NULL},
                                                          {"set", served_event_set, NULL},
                                                          {"clear", served_event_clear, NULL},
                                                          {"wait", served_event_wait, NULL},
                                                          {0}};

const struct type served_event_type = {
    .given = {.name = "Event", .methods = served_event_methods},
    .make = served_event_make,
    .unmake = free_state,
    .describe = served_event_describe,
};
