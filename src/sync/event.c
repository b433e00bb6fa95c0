/* Event: one word, whose lowest bit is the flag; above it, how often it was set. */
#include <prong/event.h>

#include "base/error.h"
#include "sync/types.h"

#include <limits.h>

enum { SET = 1, TIMES = 2 };

struct event {
    struct object object;
    _Atomic uint32_t word;
    struct waitq waiting;
};

static prong_status find(prong_event handle, struct event **event) {
    return object_find(KIND_EVENT, handle.offset, handle.generation, (void **)event);
}

prong_status prong_event_create(prong_event *handle, const prong_event_options *options) {
    void *event;
    prong_status status = sync_create(KIND_EVENT, handle, options ? options->name : NULL, &event);
    if (!status) sync_publish(event, handle);
    return status;
}

prong_status prong_event_destroy(prong_event handle) {
    struct event *event;
    prong_status status = find(handle, &event);
    if (status) return status;
    object_destroy(event, handle.generation);
    waitq_notify(&event->waiting, INT_MAX);
    return PRONG_OK;
}

prong_status prong_event_set(prong_event handle) {
    struct event *event;
    prong_status status = find(handle, &event);
    if (status) return status;
    uint32_t word = atomic_load(&event->word);
    while (!(word & SET))
        if (atomic_compare_exchange_weak(&event->word, &word, (word + TIMES) | SET)) {
            waitq_notify(&event->waiting, INT_MAX);
            break;
        }
    return PRONG_OK;
}

prong_status prong_event_clear(prong_event handle) {
    struct event *event;
    prong_status status = find(handle, &event);
    if (!status) atomic_fetch_and(&event->word, ~(uint32_t)SET);
    return status;
}

bool prong_event_is_set(prong_event handle) {
    struct event *event;
    return !find(handle, &event) && (atomic_load(&event->word) & SET);
}

struct wait {
    struct event *event;
    uint64_t generation;
    uint32_t before; /* the word, not set */
};

static bool gone(const struct wait *wait) {
    return object_generation(wait->event) != wait->generation;
}

static bool ready(void *context) {
    const struct wait *wait = context;
    return atomic_load_explicit(&wait->event->word, memory_order_acquire) != wait->before || gone(wait);
}

prong_status prong_event_wait(prong_event handle, prong_time timeout) {
    struct wait wait = {.generation = handle.generation};
    char what[80];
    prong_status status = find(handle, &wait.event);
    if (status) return status;
    wait.before = atomic_load(&wait.event->word);
    if (wait.before & SET) return PRONG_OK;
    bool is_ready = sync_wait(&wait.event->waiting, ready, &wait, wait.event, NULL, deadline_after(timeout));
    if (gone(&wait)) return fail(PRONG_STALE, "the event was destroyed while it was waited for");
    return is_ready ? PRONG_OK : fail(PRONG_TIMEOUT, "%s was not set", object_describe(wait.event, what, sizeof what));
}

static void recover(void *object, uint32_t dead) {
    (void)object;
    (void)dead;
}

static bool dispose(void *object) {
    (void)object;
    return true;
}

const struct object_type event_type = {
    .name = "event", .size = sizeof(struct event), .recover = recover, .dispose = dispose};
