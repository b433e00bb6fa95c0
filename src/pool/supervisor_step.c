/* What a supervisor does when: which children it ends, restarts and starts, and in which order. Nothing here waits, but
 * for a start that waits for its child. */
#include "pool/supervisor.h"

#include "base/error.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static bool child_is(struct supervised *child, prong_child_phase phase) {
    return atomic_load(&child->phase) == phase;
}

static void child_set(struct supervised *child, prong_child_phase phase) {
    atomic_store(&child->phase, phase);
}

void supervisor_want_all(struct supervisor *s) {
    for (uint64_t i = 0; i < s->count; i++) {
        struct supervised *child = supervisor_child(s, i);
        child->wanted = 1;
        child->leaving = child->in_a_row = 0;
        child->due = 0;
        child->failure[0] = 0;
        atomic_store(&child->restarts, 0);
        atomic_store(&child->exitcode, PRONG_NO_RETURNCODE);
    }
}

void supervisor_begin_stop(struct supervisor *s, const struct notifier *notifier) {
    supervisor_set_phase(s, SUPERVISOR_STOPS);
    for (uint64_t i = 0; i < s->count; i++) {
        struct supervised *child = supervisor_child(s, i);
        child->wanted = 0;
        child->leaving = !child_is_down(child);
    }
    notify_send(notifier, "STOPPING=1\nSTATUS=%s", s->gave_up ? s->reason : "ending its children");
}

/* --- a child that has ended when it should not --- */

static const char *child_describe_end(struct supervised *child, char *text, size_t size) {
    int code = (int)atomic_load(&child->exitcode);
    if (child->failure[0])
        snprintf(text, size, "could not be started (%.*s)", CHILD_FAILURE_SIZE - 1, child->failure);
    else if (code < 0)
        snprintf(text, size, "was killed by signal %d", -code);
    else
        snprintf(text, size, "ended with code %d", code);
    return text;
}

/* The times of the last `intensity` restarts are a ring; the oldest tells whether all were within the period. */
static bool supervisor_may_restart(struct supervisor *s, int64_t now) {
    if (!s->intensity) return false;
    int64_t *oldest = &supervisor_times(s)[s->restarts % s->intensity];
    if (s->restarts >= s->intensity && now - *oldest < s->period) return false;
    *oldest = now;
    s->restarts++;
    return true;
}

static void supervisor_give_up(struct supervisor *s, struct supervised *child, const struct notifier *notifier) {
    char how[CHILD_FAILURE_SIZE + 40];
    child_describe_end(child, how, sizeof how);
    if (s->intensity)
        snprintf(s->reason, sizeof s->reason, "child '%s' %s, after %u restarts of children within %.3g s", child->name,
                 how, (unsigned)s->intensity, (double)s->period / 1e9);
    else
        snprintf(s->reason, sizeof s->reason, "child '%s' %s", child->name, how);
    s->gave_up = 1;
    supervisor_begin_stop(s, notifier);
}

static prong_time child_backoff(const struct supervisor *s, struct supervised *child) {
    prong_time delay = s->backoff < s->backoff_most ? s->backoff : s->backoff_most;
    for (uint64_t i = 0; i < child->in_a_row; i++) {
        if (delay > s->backoff_most / 2) return s->backoff_most;
        delay *= 2;
    }
    return delay;
}

/* Those from the first on that run, or are about to, end first; then all start, none before another that comes first. */
static void supervisor_draw_in(struct supervisor *s, uint64_t first, int64_t due) {
    for (uint64_t i = first; i < s->count; i++) {
        struct supervised *child = supervisor_child(s, i);
        if (!child_is_down(child))
            child->leaving = child->wanted = 1;
        else if (child->wanted && child->due > due)
            due = child->due;
    }
    for (uint64_t i = first; i < s->count; i++)
        if (supervisor_child(s, i)->wanted) supervisor_child(s, i)->due = due;
}

static void supervisor_restart(struct supervisor *s, uint64_t index, const struct notifier *notifier) {
    struct supervised *child = supervisor_child(s, index);
    int64_t now = clock_now();
    if (!supervisor_may_restart(s, now)) {
        supervisor_give_up(s, child, notifier);
        return;
    }
    child->wanted = 1;
    child->due = now + child_backoff(s, child);
    child->in_a_row++;
    atomic_fetch_add(&child->restarts, 1);
    if (s->strategy == PRONG_ONE_FOR_ALL) supervisor_draw_in(s, 0, child->due);
    if (s->strategy == PRONG_REST_FOR_ONE) supervisor_draw_in(s, index, child->due);
}

static bool child_is_to_restart(struct supervised *child) {
    if (child->restart == PRONG_RESTART_TEMPORARY) return false;
    return child->restart == PRONG_RESTART_PERMANENT || atomic_load(&child->exitcode) != 0;
}

/* --- ends --- */

static void child_note_end(struct supervisor *s, struct supervised *child, int code) {
    atomic_store(&child->exitcode, code);
    atomic_store(&child->pid, 0);
    child_set(child, PRONG_CHILD_DOWN);
    if (clock_now() - child->started >= s->settled) child->in_a_row = 0;
}

static void supervisor_took_end(struct supervisor *s, uint64_t index, int code, const struct notifier *notifier) {
    struct supervised *child = supervisor_child(s, index);
    bool expected = child->leaving || supervisor_phase(s) != SUPERVISOR_RUNS;
    child_note_end(s, child, code);
    child->leaving = 0;
    if (!expected && child_is_to_restart(child)) supervisor_restart(s, index, notifier);
}

static void supervisor_look_for_ends(struct supervisor *s, const struct notifier *notifier) {
    for (uint64_t i = 0; i < s->count; i++) {
        struct supervised *child = supervisor_child(s, i);
        int code = PRONG_NO_RETURNCODE;
        if (child_is_down(child)) continue;
        prong_status status = prong_process_exitcode(child->process, &code);
        if (status == PRONG_STILL_RUNNING) continue;
        prong_process_destroy(child->process);
        supervisor_took_end(s, i, code, notifier);
    }
}

/* --- ending: the last child first, and the one before it when it has ended --- */

static deadline_t child_ending_until(const struct supervised *child) {
    prong_time grace = child->grace;
    if (child->is_program && grace < PRONG_FOREVER - GUARD_MARGIN) grace += GUARD_MARGIN;
    return deadline_after(grace);
}

/* Returns when there is more to do. */
static deadline_t child_end(struct supervised *child) {
    if (child_is(child, PRONG_CHILD_RUNNING)) {
        child->killed = 0;
        child->kill_at = child_ending_until(child);
        child_set(child, PRONG_CHILD_ENDING);
        prong_process_signal(child->process, SIGTERM);
    } else if (!child->killed && clock_now() >= child->kill_at) {
        child->killed = 1;
        prong_process_signal(child->process, SIGKILL);
    }
    return child->killed ? PRONG_FOREVER : child->kill_at;
}

static bool supervisor_end_one(struct supervisor *s, deadline_t *next) {
    for (uint64_t i = s->count; i-- > 0;) {
        if (!supervisor_child(s, i)->leaving) continue;
        *next = child_end(supervisor_child(s, i));
        return true;
    }
    return false;
}

/* --- starting, in order --- */

static prong_status child_start_process(struct supervised *child) {
    prong_process_state state;
    TRY(process_create_planned(child->plan, &child->process));
    prong_status status = prong_process_start(child->process);
    if (status < 0) {
        KEEP_MESSAGE;
        prong_process_destroy(child->process);
        return status;
    }
    if (!child->is_program && prong_process_get_state(child->process, &state) >= 0)
        atomic_store(&child->pid, (uint64_t)state.pid);
    return PRONG_OK;
}

static void supervisor_start_child(struct supervisor *s, uint64_t index, const struct notifier *notifier) {
    struct supervised *child = supervisor_child(s, index);
    child->wanted = child->leaving = 0;
    child->started = clock_now();
    child->failure[0] = 0;
    child_set(child, PRONG_CHILD_RUNNING); /* its guard may tell the program's number at once */
    if (child_start_process(child) >= 0) return;
    snprintf(child->failure, sizeof child->failure, "%s", prong_error_message());
    supervisor_took_end(s, index, PRONG_NO_RETURNCODE, notifier);
}

/* The first that is due; false: none is. */
static bool supervisor_start_one(struct supervisor *s, const struct notifier *notifier, deadline_t *next) {
    int64_t now = clock_now();
    for (uint64_t i = 0; i < s->count; i++) {
        struct supervised *child = supervisor_child(s, i);
        if (!child->wanted || !child_is_down(child)) continue;
        if (child->due <= now) {
            supervisor_start_child(s, i, notifier);
            return true;
        }
        if (child->due < *next) *next = child->due;
    }
    return false;
}

/* --- a step --- */

static void supervisor_tell_ready(struct supervisor *s, const struct notifier *notifier) {
    if (s->ready || supervisor_phase(s) != SUPERVISOR_RUNS) return;
    for (uint64_t i = 0; i < s->count; i++)
        if (supervisor_child(s, i)->wanted) return;
    s->ready = 1;
    notify_send(notifier, "READY=1\nSTATUS=supervises its children");
}

static bool supervisor_is_done(const struct supervisor *s) {
    for (uint64_t i = 0; i < s->count; i++)
        if (supervisor_child(s, i)->wanted || !child_is_down(supervisor_child(s, i))) return false;
    return true;
}

bool supervisor_step(struct supervisor *s, const struct notifier *notifier, deadline_t *next) {
    supervisor_look_for_ends(s, notifier);
    do *next = PRONG_FOREVER;
    while (!supervisor_end_one(s, next) && supervisor_start_one(s, notifier, next));
    supervisor_tell_ready(s, notifier);
    return supervisor_is_done(s);
}
