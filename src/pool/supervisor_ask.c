/* What others ask of a supervisor: to stop, and to add, start, stop and remove a child. A request is a word, which the
 * driver hears; the caller waits for what comes of it. In the process that runs the supervisor, while no thread does, the
 * caller drives meanwhile. */
#include "pool/supervisor.h"

#include "base/error.h"
#include "sync/sync.h"

#include <string.h>

struct asking {
    struct supervisor *supervisor;
    uint64_t generation, round;
    const char *name; /* of a child */
    enum child_request request;
    uint64_t number; /* of the request: see child_request */
    bool (*done)(const struct asking *asking);
};

/* Idle, and another may run it. */
static bool supervisor_is_over(struct supervisor *s) {
    enum supervisor_phase phase = supervisor_phase(s);
    return phase == SUPERVISOR_GONE ||
           (phase == SUPERVISOR_IDLE && atomic_load(&s->runner) == 0 && atomic_load(&s->driver) == 0);
}

/* Another round is another run, of which nothing was asked. */
static bool ask_is_over(const struct asking *ask) {
    struct supervisor *s = ask->supervisor;
    return object_generation(s) != ask->generation || supervisor_round(s) != ask->round || supervisor_is_over(s);
}

static bool ask_may_start(const struct asking *ask) {
    return !ask_is_over(ask) && supervisor_phase(ask->supervisor) == SUPERVISOR_RUNS;
}

static bool ask_is_done(void *asking) {
    const struct asking *ask = asking;
    return ask_is_over(ask) || (ask->done && ask->done(ask));
}

static bool ask_is_done_or_mine(void *asking) {
    return ask_is_done(asking) || supervisor_is_free(((struct asking *)asking)->supervisor);
}

static void ask_look(void *object) {
    member_look((uint32_t)atomic_load(&((struct supervisor *)object)->runner));
}

static prong_status ask_enter(struct visit *inside, prong_supervisor handle, struct asking *ask) {
    TRY(supervisor_enter(inside, handle, &ask->supervisor));
    ask_look(ask->supervisor);
    ask->generation = handle.generation;
    ask->round = supervisor_round(ask->supervisor);
    return PRONG_OK;
}

static prong_status ask_await(struct asking *ask, deadline_t deadline) {
    struct supervisor *s = ask->supervisor;
    char what[80];
    ignore_status(prong_event_set(s->wake)); /* destroyed: that ends the wait */
    INTERRUPTIBLE;
    while (!ask_is_done(ask)) {
        if (supervisor_is_free(s)) {
            prong_status status = supervisor_drive(s, false, ask_is_done, ask, deadline);
            if (status != PRONG_ALREADY_STARTED && status != PRONG_STALE)
                return status == PRONG_GAVE_UP ? PRONG_OK : status;
        } else if (!sync_wait(&s->changed, ask_is_done_or_mine, ask, s, ask_look, deadline))
            return fail(PRONG_TIMEOUT, "%s has not done yet what it was asked", object_describe(s, what, sizeof what));
    }
    return PRONG_OK;
}

prong_status prong_supervisor_stop(prong_supervisor handle, prong_time timeout) {
    struct asking ask = {0};
    INSIDE struct visit inside = {0};
    TRY(ask_enter(&inside, handle, &ask));
    if (ask_is_over(&ask)) return PRONG_OK;
    atomic_store(&ask.supervisor->asked, ask.round);
    return ask_await(&ask, deadline_after(timeout));
}

/* --- of a child --- */

/* What became of a child; also when it is not there any more, or the list is locked by a stopped process. */
struct child_look {
    bool found, asked;
    bool replaced; /* another request has come after the caller's */
    prong_child_phase phase;
    char failure[CHILD_FAILURE_SIZE];
};

static struct child_look child_look(const struct asking *ask) {
    struct child_look look = {.asked = true};
    KEEP_MESSAGE;
    if (supervisor_lock(ask->supervisor) < 0) return look;
    struct supervised *child = supervisor_find(ask->supervisor, ask->name);
    look.asked = false;
    if (child) {
        look = (struct child_look){.found = true,
                                   .asked = child_pending(atomic_load(&child->asked)) != ASKED_NOTHING,
                                   .replaced = atomic_load(&child->asked) >> 8 != ask->number,
                                   .phase = child_phase(child)};
        memcpy(look.failure, child->failure, sizeof look.failure);
    }
    supervisor_unlock(ask->supervisor);
    return look;
}

/* Down: it is not there, too. */
static bool child_has_started(const struct asking *ask) {
    const struct child_look look = child_look(ask);
    return look.replaced || (!look.asked && (look.phase == PRONG_CHILD_RUNNING || look.phase == PRONG_CHILD_DOWN));
}

static bool child_has_stopped(const struct asking *ask) {
    const struct child_look look = child_look(ask);
    return look.replaced || (!look.asked && look.phase == PRONG_CHILD_DOWN);
}

static bool child_is_removed(const struct asking *ask) {
    const struct child_look look = child_look(ask);
    return !look.asked && !look.found;
}

/* Under the lock, so that no other request comes between, only the driver's "heard". The same request again is one with the
 * last; a child that is to be removed will be. */
static void child_request_set(struct supervised *child, struct asking *ask) {
    uint64_t asked = atomic_load(&child->asked);
    bool same = child_request(asked) == ask->request, removed = child_request(asked) == ASKED_REMOVE;
    ask->number = (asked >> 8) + !(same || removed);
    if (same || !removed) atomic_store(&child->asked, ask->number << 8 | ask->request);
}

/* Under the lock, so that no round begins meanwhile. */
static prong_status child_ask(struct asking *ask) {
    struct supervisor *s = ask->supervisor;
    char what[80];
    TRY(supervisor_lock(s));
    struct supervised *child = supervisor_find(s, ask->name);
    prong_status status = PRONG_OK;
    if (!child)
        status = fail(PRONG_NOT_FOUND, "%s has no child '%.60s'", object_describe(s, what, sizeof what), ask->name);
    else if (supervisor_phase(s) == SUPERVISOR_GONE)
        status = fail(PRONG_STALE, "%s is being destroyed", object_describe(s, what, sizeof what));
    else if (supervisor_phase(s) != SUPERVISOR_IDLE)
        child_request_set(child, ask);
    else if (ask->request == ASKED_REMOVE)
        supervisor_drop(s, child);
    supervisor_unlock(s);
    return status;
}

static prong_status child_ask_and_wait(prong_supervisor handle, struct asking *ask, prong_time timeout) {
    if (!ask->name) return fail_text(PRONG_INVALID, "supervisor: no child is named");
    for (deadline_t deadline = deadline_after(timeout);;) {
        INSIDE struct visit inside = {0};
        TRY(ask_enter(&inside, handle, ask));
        TRY(child_ask(ask));
        if (ask_is_over(ask)) return PRONG_OK;
        TRY(ask_await(ask, deadline));
        /* It has stopped before it heard of it: then the child may go at once. */
        if (ask->request != ASKED_REMOVE || ask->done(ask)) return PRONG_OK;
    }
}

prong_status prong_supervisor_stop_child(prong_supervisor handle, const char *name, prong_time timeout) {
    struct asking ask = {.name = name, .request = ASKED_STOP, .done = child_has_stopped};
    return child_ask_and_wait(handle, &ask, timeout);
}

prong_status prong_supervisor_remove_child(prong_supervisor handle, const char *name, prong_time timeout) {
    struct asking ask = {.name = name, .request = ASKED_REMOVE, .done = child_is_removed};
    return child_ask_and_wait(handle, &ask, timeout);
}

static prong_status child_report_failure(const struct asking *ask, const struct child_look *look) {
    if (!look->failure[0]) return PRONG_OK;
    return fail(PRONG_START_FAILED, "child '%s': %.*s", ask->name, CHILD_FAILURE_SIZE - 1, look->failure);
}

/* Whether it has been started, now that it was waited for. */
static prong_status child_report_start(prong_supervisor handle, struct asking *ask) {
    char what[80];
    INSIDE struct visit inside = {0};
    TRY(supervisor_enter(&inside, handle, &ask->supervisor));
    const struct child_look look = child_look(ask);
    if (look.phase == PRONG_CHILD_RUNNING) return PRONG_OK;
    if (!ask_may_start(ask))
        return fail(PRONG_NOT_STARTED, "%s does not run", object_describe(ask->supervisor, what, sizeof what));
    if (!look.found) return fail(PRONG_NOT_FOUND, "child '%.60s' was removed", ask->name);
    if (look.replaced) return fail(PRONG_NOT_STARTED, "child '%.60s' was asked to end meanwhile", ask->name);
    return child_report_failure(ask, &look);
}

prong_status prong_supervisor_start_child(prong_supervisor handle, const char *name, prong_time timeout) {
    struct asking ask = {.name = name, .request = ASKED_START, .done = child_has_started};
    TRY(child_ask_and_wait(handle, &ask, timeout));
    return child_report_start(handle, &ask);
}

prong_status prong_supervisor_add_child(prong_supervisor handle, const prong_child_options *options,
                                        prong_time timeout) {
    struct asking ask = {.done = child_has_started};
    struct supervised made = {.asked = ASKED_START};
    if (!options) return fail_text(PRONG_INVALID, "supervisor: no options of a child");
    INSIDE struct visit inside = {0};
    TRY(ask_enter(&inside, handle, &ask));
    TRY(supervised_make(ask.supervisor, &made, options));
    TRY(supervisor_append(ask.supervisor, &made));
    ask.name = made.name;
    if (supervisor_phase(ask.supervisor) == SUPERVISOR_IDLE) return PRONG_OK; /* it is started with the others */
    TRY(ask_await(&ask, deadline_after(timeout)));
    if (ask_may_start(&ask)) return child_report_start(handle, &ask);
    const struct child_look look = child_look(&ask); /* it may be why the supervisor has given up */
    return child_report_failure(&ask, &look);
}
