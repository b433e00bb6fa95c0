/* Event: one word, whose lowest bit is the flag; above it, how often it was set. */
#include <prong/event.h>

#include "base/error.h"
#include "family/bell.h"
#include "sync/sync.h"

#include <limits.h>

enum { SET = 1, TIMES = 2 };

struct event {
    struct object object;
    _Atomic uint64_t word;
    struct waitq waiting;
    struct object_bell bell; /* rings while it is set */
};

static inline prong_status event_enter(struct visit *inside, prong_event handle, struct event **event) {
    return object_enter(inside, KIND_EVENT, handle.offset, handle.generation, (void **)event);
}

prong_status prong_event_create(prong_event *handle, const prong_event_options *options) {
    struct event *event;
    CHECK_RESERVED(options, "event create: options");
    prong_status status = sync_create(KIND_EVENT, handle, options ? options->name : NULL, (void **)&event);
    if (status < 0) return status;
    object_bell_init(&event->bell, event);
    sync_publish(event, handle);
    return PRONG_OK;
}

/* Closes the descriptor, too, even if another process has destroyed the event. */
prong_status prong_event_destroy(prong_event handle) {
    prong_status status = object_destroy_handle(KIND_EVENT, handle.offset, handle.generation);
    if (object_is_place(handle.offset))
        object_bell_close(&((struct event *)arena_at(handle.offset))->bell, handle.generation);
    return status;
}

static void event_end(void *object) {
    struct event *event = object;
    waitq_notify(&event->waiting, INT_MAX);
    object_bell_end(&event->bell); /* its descriptors are readable from now on */
}

/* The process that set or cleared the flag may have been stopped before it changed the bell. So a caller that has read
 * the flag corrects the bell, too: then the descriptor agrees with what the caller saw. */
static inline void event_bell_agrees(struct event *event, bool set) {
    if (set)
        object_bell_after_ready(&event->bell);
    else
        object_bell_after_nothing(&event->bell);
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
    event_bell_agrees(event, true);
    return PRONG_OK;
}

prong_status prong_event_clear(prong_event handle) {
    struct event *event;
    INSIDE struct visit inside = {0};
    TRY(event_enter(&inside, handle, &event));
    atomic_fetch_and(&event->word, ~(uint64_t)SET);
    object_bell_after_unready(&event->bell);
    return PRONG_OK;
}

bool prong_event_is_set(prong_event handle) {
    struct event *event;
    INSIDE struct visit inside = {0};
    if (event_enter(&inside, handle, &event)) return false;
    bool set = atomic_load(&event->word) & SET;
    event_bell_agrees(event, set);
    return set;
}

prong_status prong_event_fileno(prong_event handle, int *descriptor) {
    struct event *event;
    INSIDE struct visit inside = {0};
    TRY(event_enter(&inside, handle, &event));
    return object_bell_open(&event->bell, handle.generation, descriptor);
}

struct event_wait {
    struct event *event;
    uint64_t generation;
    uint64_t before; /* the word, not set */
};

static bool event_is_gone(const struct event_wait *wait) {
    return object_generation(wait->event) != wait->generation;
}

static bool event_wait_is_over(void *context) {
    const struct event_wait *wait = context;
    return atomic_load_explicit(&wait->event->word, memory_order_acquire) != wait->before || event_is_gone(wait);
}

prong_status prong_event_wait(prong_event handle, prong_time timeout) {
    struct event_wait wait = {.generation = handle.generation};
    char what[80];
    INSIDE struct visit inside = {0};
    TRY(event_enter(&inside, handle, &wait.event));
    wait.before = atomic_load(&wait.event->word);
    if (wait.before & SET) {
        event_bell_agrees(wait.event, true);
        return PRONG_OK;
    }
    INTERRUPTIBLE;
    bool is_over =
        sync_wait(&wait.event->waiting, event_wait_is_over, &wait, wait.event, NULL, deadline_after(timeout));
    if (event_is_gone(&wait)) return fail(PRONG_STALE, "the event was destroyed meanwhile");
    event_bell_agrees(wait.event, is_over);
    if (is_over) return PRONG_OK;
    return fail(PRONG_TIMEOUT, "%s was not set", object_describe(wait.event, what, sizeof what));
}

/* --- for prong_wait --- */

/* The memory is that of an event, perhaps of another one by now. */
static bool event_source_ready(const struct waited *waited) {
    struct event *event = waited->object;
    bool over = (waited->before & SET) || atomic_load(&event->word) != waited->before;
    if (over && object_bell_is_on(&event->bell)) prong_event_is_set((prong_event){waited->offset, waited->generation});
    return over || object_generation(event) != waited->generation;
}

static void event_source_nothing(const struct waited *waited) {
    prong_event_is_set((prong_event){waited->offset, waited->generation});
}

prong_status event_source(const prong_waitable *item, struct waited *waited) {
    struct event *event;
    INSIDE struct visit inside = {0};
    waited->ready = waited_always;
    prong_status status = event_enter(&inside, item->event, &event);
    if (status == PRONG_STALE) return PRONG_OK;
    if (status < 0) return status;
    *waited = (struct waited){.descriptor = -1,
                              .queue = &event->waiting,
                              .object = event,
                              .offset = item->event.offset,
                              .generation = item->event.generation,
                              .before = atomic_load(&event->word),
                              .ready = event_source_ready,
                              .nothing = event_source_nothing};
    return PRONG_OK;
}

/* --- as an object --- */

static bool event_ready(void *object) {
    return atomic_load(&((struct event *)object)->word) & SET;
}

/* The member may have died after it set or cleared the flag, and before it changed the bell. */
static void event_recover(void *object, uint32_t dead) {
    object_bell_recover(&((struct event *)object)->bell, dead);
}

static void event_wake(void *object) {
    struct event *event = object;
    object_bell_wake(&event->bell);
    waitq_wake_all(&event->waiting);
}

static bool event_dispose(void *object) {
    return object_bell_dispose(&((struct event *)object)->bell);
}

const struct object_type event_type = {.name = "event",
                                       .size = sizeof(struct event),
                                       .recover = event_recover,
                                       .wake = event_wake,
                                       .end = event_end,
                                       .dispose = event_dispose,
                                       .ready = event_ready};
