/* Event: one word, whose lowest bit is the flag; above it, how often it was set. */
#include <prong/event.h>

#include "base/error.h"
#include "sync/sync.h"

#include <limits.h>

enum { SET = 1, TIMES = 2 };

struct event {
    struct object object;
    _Atomic uint64_t word;
    struct waitq waiting;
};

static inline prong_status event_enter(struct visit *inside, prong_event handle, struct event **event) {
    return object_enter(inside, KIND_EVENT, handle.offset, handle.generation, (void **)event);
}

prong_status prong_event_create(prong_event *handle, const prong_event_options *options) {
    struct event *event;
    CHECK_RESERVED(options, "event create: options");
    prong_status status = sync_create(KIND_EVENT, handle, options ? options->name : NULL, (void **)&event);
    if (status >= 0) sync_publish(event, handle);
    return status;
}

prong_status prong_event_destroy(prong_event handle) {
    return object_destroy_handle(KIND_EVENT, handle.offset, handle.generation);
}

static void event_end(void *object) {
    waitq_notify(&((struct event *)object)->waiting, INT_MAX);
}

prong_status prong_event_set(prong_event handle) {
    struct event *event;
    INSIDE struct visit inside = {0};
    TRY(event_enter(&inside, handle, &event));
    uint64_t word = atomic_load(&event->word);
    while (!(word & SET)) {
        if (!atomic_compare_exchange_weak(&event->word, &word, (word + TIMES) | SET)) continue;
        waitq_notify(&event->waiting, INT_MAX);
        break;
    }
    return PRONG_OK;
}

prong_status prong_event_clear(prong_event handle) {
    struct event *event;
    INSIDE struct visit inside = {0};
    TRY(event_enter(&inside, handle, &event));
    atomic_fetch_and(&event->word, ~(uint64_t)SET);
    return PRONG_OK;
}

bool prong_event_is_set(prong_event handle) {
    struct event *event;
    INSIDE struct visit inside = {0};
    return !event_enter(&inside, handle, &event) && (atomic_load(&event->word) & SET);
}

struct event_wait {
    struct event *event;
    uint64_t generation;
    uint64_t before; /* the word, not set */
};

static bool event_gone(const struct event_wait *wait) {
    return object_generation(wait->event) != wait->generation;
}

static bool event_ready(void *context) {
    const struct event_wait *wait = context;
    return atomic_load_explicit(&wait->event->word, memory_order_acquire) != wait->before || event_gone(wait);
}

prong_status prong_event_wait(prong_event handle, prong_time timeout) {
    struct event_wait wait = {.generation = handle.generation};
    char what[80];
    INSIDE struct visit inside = {0};
    TRY(event_enter(&inside, handle, &wait.event));
    wait.before = atomic_load(&wait.event->word);
    if (wait.before & SET) return PRONG_OK;
    INTERRUPTIBLE;
    bool is_ready = sync_wait(&wait.event->waiting, event_ready, &wait, wait.event, NULL, deadline_after(timeout));
    if (event_gone(&wait)) return fail(PRONG_STALE, "the event was destroyed meanwhile");
    return is_ready ? PRONG_OK : fail(PRONG_TIMEOUT, "%s was not set", object_describe(wait.event, what, sizeof what));
}

static void event_recover(void *object, uint32_t dead) {
    (void)object;
    (void)dead;
}

static bool event_dispose(void *object) {
    (void)object;
    return true;
}

const struct object_type event_type = {.name = "event",
                                       .size = sizeof(struct event),
                                       .recover = event_recover,
                                       .end = event_end,
                                       .dispose = event_dispose};
