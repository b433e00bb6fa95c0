/* The supervisor as an object: made, destroyed, and what is told of it. */
#include "pool/supervisor.h"

#include "base/error.h"
#include "family/heap.h"
#include "sync/sync.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { INTENSITY_USUAL = 3, INTENSITY_MOST = 1000 };

prong_status supervisor_enter(struct visit *inside, prong_supervisor handle, struct supervisor **s) {
    return object_enter(inside, KIND_SUPERVISOR, handle.offset, handle.generation, (void **)s);
}

void supervisor_set_phase(struct supervisor *s, enum supervisor_phase phase) {
    atomic_store(&s->state, supervisor_round(s) << 8 | phase);
}

void child_set(struct supervisor *s, struct supervised *child, prong_child_phase phase) {
    atomic_store(&child->since, clock_now());
    atomic_store(&child->phase, phase);
    waitq_notify(&s->changed, INT_MAX);
}

void child_set_failure(struct supervisor *s, struct supervised *child, const char *text) {
    char copy[CHILD_FAILURE_SIZE]; /* first: it may be the message of this thread, which a lock that fails replaces */
    snprintf(copy, sizeof copy, "%s", text);
    KEEP_MESSAGE;
    bool locked = supervisor_lock(s) >= 0; /* a process that is stopped inside may read half of it */
    memcpy(child->failure, copy, sizeof copy);
    if (locked) supervisor_unlock(s);
}

/* The phase and `wanted` of one moment: no other change of the phase came between the loads. */
prong_child_phase child_phase(struct supervised *child) {
    uint64_t phase, wanted;
    int64_t since;
    do {
        since = atomic_load(&child->since);
        phase = atomic_load(&child->phase);
        wanted = atomic_load(&child->wanted);
    } while (atomic_load(&child->phase) != phase || atomic_load(&child->since) != since);
    return phase == PRONG_CHILD_DOWN && wanted ? PRONG_CHILD_WAITING : (prong_child_phase)phase;
}

/* --- create --- */

static prong_status supervisor_check(const prong_child_options *children, size_t count,
                                     const prong_supervisor_options *o) {
    CHECK_RESERVED(o, "supervisor create: options");
    TRY(check_bytes(children, count, "supervisor create: children"));
    if (count < 1 && !o->stays)
        return fail_text(PRONG_INVALID, "supervisor create: no children, and it is not to stay without");
    if ((unsigned)o->strategy > PRONG_REST_FOR_ONE)
        return fail(PRONG_INVALID, "supervisor create: strategy %d is none of prong_strategy", (int)o->strategy);
    if (o->intensity > INTENSITY_MOST)
        return fail(PRONG_INVALID, "supervisor create: intensity %d is above %d", o->intensity, INTENSITY_MOST);
    if (o->period < 0 || o->backoff_most < 0 || o->settled < 0)
        return fail_text(PRONG_INVALID, "supervisor create: period, backoff_most or settled is below 0");
    return PRONG_OK;
}

static void supervisor_configure(struct supervisor *s, const prong_supervisor_options *o) {
    s->strategy = o->strategy;
    s->intensity = o->intensity < 0 ? 0 : o->intensity ? (uint64_t)o->intensity : INTENSITY_USUAL;
    s->period = o->period ? o->period : PRONG_SECONDS(5);
    s->backoff = o->backoff < 0 ? 0 : o->backoff ? o->backoff : PRONG_MS(100);
    s->backoff_most = o->backoff_most ? o->backoff_most : PRONG_SECONDS(10);
    s->settled = o->settled ? o->settled : PRONG_SECONDS(10);
    s->stop_on_signals = o->stop_on_signals;
    s->notify = o->notify;
    s->stays = o->stays;
}

static prong_status supervisor_fill(struct supervisor *s, const prong_child_options *children, size_t count,
                                    const prong_supervisor_options *o) {
    supervisor_configure(s, o);
    TRY(prong_event_create(&s->wake, NULL));
    if (s->intensity) TRY(heap_alloc(s->intensity * sizeof(int64_t), 0, &s->times, NULL));
    for (size_t i = 0; i < count; i++) {
        struct supervised made = {0};
        prong_status status = supervised_make(s, &made, &children[i]);
        if (status >= 0) status = supervisor_append(s, &made);
        if (status == PRONG_EXISTS) status = PRONG_INVALID;
        if (status < 0) return status;
    }
    return PRONG_OK;
}

prong_status prong_supervisor_create(prong_supervisor *handle, const prong_child_options *children, size_t count,
                                     const prong_supervisor_options *options) {
    const prong_supervisor_options o = options ? *options : (prong_supervisor_options){0};
    struct supervisor *s;
    TRY(supervisor_check(children, count, &o));
    TRY(sync_create(KIND_SUPERVISOR, handle, o.name, (void **)&s));
    prong_status status = supervisor_fill(s, children, count, &o);
    if (status < 0) {
        KEEP_MESSAGE;
        object_destroy(s, object_generation(s));
        return status;
    }
    sync_publish(s, handle);
    return PRONG_OK;
}

/* --- destroy --- */

/* A run may begin at this moment: only one of the two finds it idle. A process that died in here has left it GONE, for the
 * next one to destroy. */
static bool supervisor_bar(struct supervisor *s) {
    uint64_t state = atomic_load(&s->state);
    return (state & 0xff) == SUPERVISOR_GONE ||
           ((state & 0xff) == SUPERVISOR_IDLE &&
            atomic_compare_exchange_strong(&s->state, &state, (state & ~0xffull) | SUPERVISOR_GONE));
}

prong_status prong_supervisor_destroy(prong_supervisor handle) {
    struct supervisor *s;
    char what[80];
    INSIDE struct visit inside = {0};
    TRY(supervisor_enter(&inside, handle, &s));
    member_look((uint32_t)atomic_load(&s->runner));
    if (!supervisor_bar(s)) return fail(PRONG_STILL_RUNNING, "%s still runs", object_describe(s, what, sizeof what));
    object_destroy(s, handle.generation);
    return PRONG_OK;
}

static void supervisor_end(void *object) {
    struct supervisor *s = object;
    waitq_notify(&s->changed, INT_MAX);
    KEEP_MESSAGE;
    prong_event_destroy(s->wake);
}

static bool supervisor_dispose(void *object) {
    struct supervisor *s = object;
    supervisor_free_list(s);
    if (s->times) heap_free(s->times, &s->times);
    return true;
}

/* --- the death of the process that runs it --- */

/* The kernel has killed the children, or is about to. */
static void supervisor_end_round(struct supervisor *s) {
    EACH_CHILD(s, child) {
        if (!child_is_down(child)) atomic_store(&child->since, clock_now());
        atomic_store(&child->phase, PRONG_CHILD_DOWN);
        atomic_store(&child->pid, 0);
        atomic_store(&child->wanted, 0);
    }
    supervisor_set_phase(s, SUPERVISOR_IDLE);
}

/* One that is idle has died before its round or behind it: others may change the list. The runner is forgotten last: until
 * then another burial continues. */
static void supervisor_recover(void *object, uint32_t dead) {
    struct supervisor *s = object;
    enum supervisor_phase phase = supervisor_phase(s);
    if (atomic_load(&s->driver) >> 32 == dead) atomic_store(&s->driver, 0);
    if (atomic_load(&s->runner) != dead) return;
    if (phase == SUPERVISOR_RUNS || phase == SUPERVISOR_STOPS) supervisor_end_round(s);
    atomic_store(&s->runner, 0);
    recovery_note("supervisor '%s': the process that ran it has died", s->object.label);
}

/* The blocks of the children: about as many as there were ever. */
static uint64_t supervisor_weigh(void *object) {
    return atomic_load(&((struct supervisor *)object)->named) * sizeof(struct supervised);
}

static void supervisor_wake(void *object) {
    waitq_wake_all(&((struct supervisor *)object)->changed);
}

static void supervisor_holders(void *object, holder_visit *visit, void *context) {
    uint64_t driver = atomic_load(&((struct supervisor *)object)->driver);
    if (driver) visit(context, (uint32_t)(driver >> 32), (uint32_t)driver);
}

const struct object_type supervisor_type = {.name = "supervisor",
                                            .size = sizeof(struct supervisor),
                                            .recover = supervisor_recover,
                                            .wake = supervisor_wake,
                                            .end = supervisor_end,
                                            .dispose = supervisor_dispose,
                                            .weigh = supervisor_weigh,
                                            .holders = supervisor_holders,
                                            .holding = HOLDERS_KEEP};

/* --- what is told of it --- */

static prong_child_state supervisor_describe_child(struct supervised *child) {
    prong_child_state state = {.phase = child_phase(child),
                               .pid = (int)atomic_load(&child->pid),
                               .exitcode = (int)atomic_load(&child->exitcode),
                               .restarts = (unsigned)atomic_load(&child->restarts),
                               .in_phase = clock_now() - atomic_load(&child->since)};
    snprintf(state.name, sizeof state.name, "%s", child->name);
    snprintf(state.failure, sizeof state.failure, "%.*s", CHILD_FAILURE_SIZE - 1, child->failure);
    return state;
}

prong_status prong_supervisor_children(prong_supervisor handle, prong_child_state *children, size_t capacity,
                                       size_t *count) {
    struct supervisor *s;
    TRY(check_bytes(children, capacity, "supervisor children: children"));
    if (!count) return fail_text(PRONG_INVALID, "supervisor children: no place for their count");
    INSIDE struct visit inside = {0};
    TRY(supervisor_enter(&inside, handle, &s));
    member_look((uint32_t)atomic_load(&s->runner));
    TRY(supervisor_lock(s));
    *count = 0;
    EACH_CHILD(s, child) {
        if (*count < capacity) children[*count] = supervisor_describe_child(child);
        ++*count;
    }
    supervisor_unlock(s);
    return PRONG_OK;
}
