/* The supervisor as an object: made, asked, stopped, destroyed. */
#include "pool/supervisor.h"

#include "base/error.h"
#include "family/heap.h"
#include "sync/sync.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { CHILDREN_MOST = 10000, INTENSITY_USUAL = 3, INTENSITY_MOST = 1000 };

prong_status supervisor_enter(struct visit *inside, prong_supervisor handle, struct supervisor **s) {
    return object_enter(inside, KIND_SUPERVISOR, handle.offset, handle.generation, (void **)s);
}

void supervisor_set_phase(struct supervisor *s, enum supervisor_phase phase) {
    atomic_store(&s->state, supervisor_round(s) << 8 | phase);
}

/* --- create --- */

static prong_status supervisor_check(const prong_child_options *children, size_t count,
                                     const prong_supervisor_options *o) {
    CHECK_RESERVED(o, "supervisor create: options");
    TRY(check_bytes(children, count, "supervisor create: children"));
    if (count < 1 || count > CHILDREN_MOST)
        return fail(PRONG_INVALID, "supervisor create: %zu children, not 1 to %d", count, CHILDREN_MOST);
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
}

static prong_status supervisor_check_name(struct supervisor *s, uint64_t index) {
    const char *name = supervisor_child(s, index)->name;
    for (uint64_t i = 0; i < index; i++)
        if (strcmp(supervisor_child(s, i)->name, name) == 0)
            return fail(PRONG_INVALID, "supervisor create: two children are named '%s'", name);
    return PRONG_OK;
}

static prong_status supervisor_fill(struct supervisor *s, const prong_child_options *children, size_t count,
                                    const prong_supervisor_options *o) {
    prong_supervisor handle = {arena_offset(s), object_generation(s)};
    supervisor_configure(s, o);
    TRY(prong_event_create(&s->wake, NULL));
    uint64_t size = count * sizeof(struct supervised) + s->intensity * sizeof(int64_t);
    TRY(heap_alloc(size, 0, &s->children, NULL));
    memset(arena_at(s->children), 0, size);
    for (size_t i = 0; i < count; i++) {
        s->count = i + 1; /* for what destroys it, if this fails */
        TRY(supervised_make(supervisor_child(s, i), &children[i], i, handle, o->stop_on_signals));
        TRY(supervisor_check_name(s, i));
    }
    for (size_t i = 0; i < count; i++) process_plan_keep(supervisor_child(s, i)->plan);
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

/* A run may begin at this moment: only one of the two finds it idle. */
prong_status prong_supervisor_destroy(prong_supervisor handle) {
    struct supervisor *s;
    char what[80];
    INSIDE struct visit inside = {0};
    TRY(supervisor_enter(&inside, handle, &s));
    member_look((uint32_t)atomic_load(&s->runner));
    uint64_t state = atomic_load(&s->state);
    if ((state & 0xff) != SUPERVISOR_IDLE ||
        !atomic_compare_exchange_strong(&s->state, &state, (state & ~0xffull) | SUPERVISOR_GONE))
        return fail(PRONG_STILL_RUNNING, "%s still runs", object_describe(s, what, sizeof what));
    object_destroy(s, handle.generation);
    return PRONG_OK;
}

static void supervisor_end(void *object) {
    struct supervisor *s = object;
    waitq_notify(&s->changed, INT_MAX);
    for (uint64_t i = 0; i < s->count; i++) process_plan_destroy(supervisor_child(s, i)->plan);
    KEEP_MESSAGE;
    prong_event_destroy(s->wake);
}

static bool supervisor_dispose(void *object) {
    struct supervisor *s = object;
    if (s->children) heap_free(s->children, &s->children);
    return true;
}

/* --- the death of the process that runs it --- */

/* The kernel has killed the children, or is about to. */
static void supervisor_recover(void *object, uint32_t dead) {
    struct supervisor *s = object;
    if (atomic_load(&s->driver) >> 32 == dead) atomic_store(&s->driver, 0);
    if (atomic_load(&s->runner) != dead) return;
    for (uint64_t i = 0; i < s->count; i++) {
        atomic_store(&supervisor_child(s, i)->phase, PRONG_CHILD_DOWN);
        atomic_store(&supervisor_child(s, i)->pid, 0);
        supervisor_child(s, i)->wanted = 0;
    }
    atomic_store(&s->runner, 0);
    if (supervisor_phase(s) != SUPERVISOR_GONE) supervisor_set_phase(s, SUPERVISOR_IDLE);
    recovery_note("supervisor '%s': the process that ran it has died", s->object.label);
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
                                            .holders = supervisor_holders,
                                            .holding = HOLDERS_KEEP};

/* --- stop --- */

struct stop_wait {
    struct supervisor *supervisor;
    uint64_t generation, round;
};

/* Another round is another run, which nobody has asked to stop. */
static bool stop_is_done(const struct stop_wait *wait) {
    return object_generation(wait->supervisor) != wait->generation ||
           supervisor_round(wait->supervisor) != wait->round || supervisor_phase(wait->supervisor) == SUPERVISOR_IDLE;
}

static bool stop_is_done_or_mine(void *context) {
    const struct stop_wait *wait = context;
    return stop_is_done(wait) || supervisor_is_free(wait->supervisor);
}

static void stop_look(void *object) {
    member_look((uint32_t)atomic_load(&((struct supervisor *)object)->runner));
}

static prong_status stop_await(struct stop_wait *wait, deadline_t deadline) {
    struct supervisor *s = wait->supervisor;
    char what[80];
    INTERRUPTIBLE;
    while (!stop_is_done(wait)) {
        if (supervisor_is_free(s)) {
            prong_status status = supervisor_drive(s, false, deadline);
            if (status != PRONG_ALREADY_STARTED && status != PRONG_STALE)
                return status == PRONG_GAVE_UP ? PRONG_OK : status;
        } else if (!sync_wait(&s->changed, stop_is_done_or_mine, wait, s, stop_look, deadline))
            return fail(PRONG_TIMEOUT, "%s has not stopped yet", object_describe(s, what, sizeof what));
    }
    return PRONG_OK;
}

prong_status prong_supervisor_stop(prong_supervisor handle, prong_time timeout) {
    struct stop_wait wait = {.generation = handle.generation};
    INSIDE struct visit inside = {0};
    TRY(supervisor_enter(&inside, handle, &wait.supervisor));
    struct supervisor *s = wait.supervisor;
    member_look((uint32_t)atomic_load(&s->runner));
    wait.round = supervisor_round(s);
    if (stop_is_done(&wait)) return PRONG_OK;
    atomic_store(&s->asked, wait.round);
    ignore_status(prong_event_set(s->wake));
    return stop_await(&wait, deadline_after(timeout));
}

/* --- asking --- */

static prong_child_state supervisor_describe_child(struct supervised *child) {
    prong_child_state state = {.phase = (prong_child_phase)atomic_load(&child->phase),
                               .pid = (int)atomic_load(&child->pid),
                               .exitcode = (int)atomic_load(&child->exitcode),
                               .restarts = (unsigned)atomic_load(&child->restarts)};
    if (state.phase == PRONG_CHILD_DOWN && child->wanted) state.phase = PRONG_CHILD_WAITING;
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
    for (uint64_t i = 0; i < s->count && i < capacity; i++)
        children[i] = supervisor_describe_child(supervisor_child(s, i));
    *count = s->count;
    return PRONG_OK;
}
