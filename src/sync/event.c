/* Event: one word, whose lowest bit is the flag; above it, how often it was set; in the upper half the lower bits of the
 * generation, so that who is late for the event before changes nothing. */
#include <prong/event.h>

#include "base/error.h"
#include "sync/types.h"

#include <limits.h>

enum { SET = 1, TIMES = 2 };
#define BIRTH 0xffffffff00000000ull

struct event {
    struct object object;
    _Atomic uint64_t word;
    struct waitq waiting;
};

static uint64_t birth(uint64_t generation) {
    return generation << 32;
}

static bool is_set(uint64_t word, uint64_t generation) {
    return (word & SET) && (word & BIRTH) == birth(generation);
}

static prong_status find(prong_event handle, struct event **event) {
    return object_find(KIND_EVENT, handle.offset, handle.generation, (void **)event);
}

prong_status prong_event_create(prong_event *handle, const prong_event_options *options) {
    struct event *event;
    prong_status status = sync_create(KIND_EVENT, handle, options ? options->name : NULL, (void **)&event);
    if (status) return status;
    atomic_store(&event->word, birth(object_generation(event)));
    sync_publish(event, handle);
    return PRONG_OK;
}

prong_status prong_event_destroy(prong_event handle) {
    struct event *event;
    prong_status status = find(handle, &event);
    if (status) return status;
    object_destroy(event, handle.generation);
    waitq_notify(&event->waiting, INT_MAX);
    return PRONG_OK;
}

static prong_status say_gone(void) {
    return fail(PRONG_STALE, "the event was destroyed meanwhile");
}

prong_status prong_event_set(prong_event handle) {
    struct event *event;
    prong_status status = find(handle, &event);
    if (status) return status;
    uint64_t word = atomic_load(&event->word);
    while (!(word & SET) && (word & BIRTH) == birth(handle.generation)) {
        uint64_t set = (word & BIRTH) | (uint32_t)(word + TIMES) | SET;
        if (!atomic_compare_exchange_weak(&event->word, &word, set)) continue;
        waitq_notify(&event->waiting, INT_MAX);
        return PRONG_OK;
    }
    return is_set(word, handle.generation) ? PRONG_OK : say_gone();
}

prong_status prong_event_clear(prong_event handle) {
    struct event *event;
    prong_status status = find(handle, &event);
    if (status) return status;
    uint64_t word = atomic_load(&event->word);
    while (is_set(word, handle.generation) &&
           !atomic_compare_exchange_weak(&event->word, &word, word & ~(uint64_t)SET)) {}
    return (word & BIRTH) == birth(handle.generation) ? PRONG_OK : say_gone();
}

bool prong_event_is_set(prong_event handle) {
    struct event *event;
    return !find(handle, &event) && is_set(atomic_load(&event->word), handle.generation);
}

struct wait {
    struct event *event;
    uint64_t generation;
    uint64_t before; /* the word, not set */
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
    if (is_set(wait.before, handle.generation)) return PRONG_OK;
    bool is_ready = sync_wait(&wait.event->waiting, ready, &wait, wait.event, NULL, deadline_after(timeout));
    if (gone(&wait)) return say_gone();
    return is_ready ? PRONG_OK : fail(PRONG_TIMEOUT, "%s was not set", object_describe(wait.event, what, sizeof what));
}

static void recover(void *object, uint32_t dead) {
    (void)object;
    (void)dead;
}

static bool dispose(void *object) {
    atomic_store(&((struct event *)object)->word, 0);
    return true;
}

const struct object_type event_type = {
    .name = "event", .size = sizeof(struct event), .recover = recover, .dispose = dispose, .inherits = true};
