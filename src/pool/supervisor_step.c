/* What a supervisor does when: which children it ends, restarts and starts, and in which order. Nothing here waits,
 * but for a fork server's answer. */
#include "pool/supervisor.h"

#include "base/error.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const prong_time DROP_AGAIN = PRONG_SECONDS(1);

void supervisor_want_all(struct supervisor *s) {
    EACH_CHILD(s, child) {
        child->removing |= child_request(atomic_exchange(&child->asked, ASKED_NOTHING)) == ASKED_REMOVE;
        atomic_store(&child->wanted, !child->removing);
        child->leaving = child->in_a_row = 0;
        child->due = child->started = 0;
        child->failure[0] = 0;
        atomic_store(&child->restarts, 0);
        atomic_store(&child->exitcode, PRONG_NO_RETURNCODE);
        child_set(s, child, PRONG_CHILD_DOWN);
    }
}

static void child_dismiss(struct supervised *child) {
    atomic_store(&child->wanted, 0);
    child->leaving = !child_is_down(child);
}

void supervisor_begin_stop(struct supervisor *s, const struct notifier *notifier) {
    supervisor_set_phase(s, SUPERVISOR_STOPS);
    EACH_CHILD(s, child) child_dismiss(child);
    notify_send(notifier, "STOPPING=1\nSTATUS=%s", s->gave_up ? s->reason : "ending its children");
}

/* --- requests --- */

static void child_want(struct supervisor *s, struct supervised *child) {
    if (!child_is_down(child) && !child->leaving) return;
    child->in_a_row = 0;
    child->due = 0;
    child_set_failure(s, child, "");
    atomic_store(&child->wanted, 1);
}

static void child_hear(struct supervisor *s, struct supervised *child, enum child_request request) {
    if (request == ASKED_START && supervisor_phase(s) == SUPERVISOR_RUNS && !child->removing) child_want(s, child);
    if (request == ASKED_REMOVE) child->removing = 1;
    if (request == ASKED_STOP || request == ASKED_REMOVE) child_dismiss(child);
}

void supervisor_hear(struct supervisor *s) {
    EACH_CHILD(s, child) {
        uint64_t asked = atomic_load(&child->asked);
        if (!child_pending(asked)) continue;
        child_hear(s, child, child_pending(asked));
        atomic_compare_exchange_strong(&child->asked, &asked, asked | ASKED_HEARD); /* else there is another one */
        waitq_notify(&s->changed, INT_MAX);
    }
}

static struct supervised *supervisor_find_removed(struct supervisor *s) {
    EACH_CHILD(s, child)
    if (child->removing && child_is_down(child)) return child;
    return NULL;
}

/* A list that a stopped process has locked is left for the next step. Returns when that is to be. */
static deadline_t supervisor_drop_removed(struct supervisor *s) {
    if (!supervisor_find_removed(s)) return PRONG_FOREVER;
    if (supervisor_lock(s) < 0) return deadline_after(DROP_AGAIN);
    for (struct supervised *child; (child = supervisor_find_removed(s));) supervisor_drop(s, child);
    supervisor_unlock(s);
    waitq_notify(&s->changed, INT_MAX);
    return PRONG_FOREVER;
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
    int64_t *oldest = (int64_t *)arena_at(s->times) + s->restarts % s->intensity;
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

/* Those from the first on that run, or are about to, end first; then all start, none before another that comes first.
 * One that was asked to stop stays out of it. */
static void supervisor_draw_in(struct supervised *first, int64_t due) {
    for (struct supervised *child = first; child; child = child_at(&child->next)) {
        if (!child_is_down(child) && !child->leaving) {
            child->leaving = 1;
            child->wanted = 1;
        } else if (child->wanted && child->due > due) {
            due = child->due;
        }
    }
    for (struct supervised *child = first; child; child = child_at(&child->next))
        if (child->wanted) child->due = due;
}

static void supervisor_restart(struct supervisor *s, struct supervised *child, const struct notifier *notifier) {
    int64_t now = clock_now();
    if (!supervisor_may_restart(s, now)) {
        supervisor_give_up(s, child, notifier);
        return;
    }
    child->wanted = 1;
    child->due = now + child_backoff(s, child);
    child->in_a_row++;
    atomic_fetch_add(&child->restarts, 1);
    if (s->strategy == PRONG_ONE_FOR_ALL) supervisor_draw_in(child_at(&s->first), child->due);
    if (s->strategy == PRONG_REST_FOR_ONE) supervisor_draw_in(child, child->due);
}

static bool child_is_to_restart(struct supervised *child) {
    if (child->restart == PRONG_RESTART_TEMPORARY) return false;
    return child->restart == PRONG_RESTART_PERMANENT || atomic_load(&child->exitcode) != 0;
}

/* --- ends --- */

/* It is down last: others see at once whether it will be restarted. */
void supervisor_take_end(struct supervisor *s, struct supervised *child, int code, const struct notifier *notifier) {
    bool expected = child->leaving || supervisor_phase(s) != SUPERVISOR_RUNS;
    atomic_store(&child->exitcode, code);
    atomic_store(&child->pid, 0);
    if (clock_now() - child->started >= s->settled) child->in_a_row = 0;
    if (!expected && child_is_to_restart(child))
        supervisor_restart(s, child, notifier);
    else if (!expected)
        atomic_store(&child->wanted, 0);
    child->leaving = 0;
    child_set(s, child, PRONG_CHILD_DOWN);
}

static void supervisor_look_at(struct supervisor *s, struct supervised *child, const struct notifier *notifier) {
    int code = PRONG_NO_RETURNCODE;
    child_look_begun(s, child);
    if (prong_process_exitcode(child->process, &code) < 0) return; /* it runs, or has not noted its number yet */
    child_look_begun(s, child);                                    /* it may have begun and ended since */
    if (child_is(child, PRONG_CHILD_STARTING)) child_note_failure(s, child, &code);
    prong_process_destroy(child->process);
    supervisor_take_end(s, child, code, notifier);
}

static void supervisor_look_for_ends(struct supervisor *s, const struct notifier *notifier) {
    EACH_CHILD(s, child)
    if (!child_is_down(child)) supervisor_look_at(s, child, notifier);
}

/* --- ending: the last child first, and the one before it when it has ended --- */

static deadline_t child_ending_until(const struct supervised *child) {
    prong_time grace = child->grace;
    if (child->is_program && grace < PRONG_FOREVER - GUARD_MARGIN) grace += GUARD_MARGIN;
    return deadline_after(grace);
}

/* Returns when there is more to do. */
static deadline_t child_end(struct supervisor *s, struct supervised *child) {
    if (!child_is(child, PRONG_CHILD_ENDING)) {
        child->killed = 0;
        child->kill_at = child_ending_until(child);
        child_set(s, child, PRONG_CHILD_ENDING);
        prong_process_signal(child->process, SIGTERM);
    } else if (!child->killed && clock_now() >= child->kill_at) {
        child->killed = 1;
        prong_process_signal(child->process, SIGKILL);
    }
    return child->killed ? PRONG_FOREVER : child->kill_at;
}

static bool supervisor_end_one(struct supervisor *s, deadline_t *next) {
    struct supervised *last = NULL;
    EACH_CHILD(s, child)
    if (child->leaving) last = child;
    deadline_t due = last ? child_end(s, last) : PRONG_FOREVER;
    if (due < *next) *next = due;
    return last != NULL;
}

/* --- a step --- */

static void supervisor_tell_ready(struct supervisor *s, const struct notifier *notifier) {
    if (s->ready || supervisor_phase(s) != SUPERVISOR_RUNS) return;
    EACH_CHILD(s, child)
    if (child->wanted || child_is(child, PRONG_CHILD_STARTING)) return;
    s->ready = 1;
    notify_send(notifier, "READY=1\nSTATUS=supervises its children");
}

/* What was asked just now is heard first, such as to start a child that was added; also if the process that asked has died
 * before it set `wake`. */
static bool supervisor_is_done(struct supervisor *s, deadline_t *next) {
    bool done = !s->stays || supervisor_phase(s) != SUPERVISOR_RUNS;
    EACH_CHILD(s, child) {
        bool pending = child_pending(atomic_load(&child->asked));
        if (pending) *next = PRONG_NOWAIT;
        if (pending || child->wanted || !child_is_down(child)) done = false;
    }
    return done;
}

/* Where a restart concerns other children, none starts before all that are to end have ended. */
bool supervisor_step(struct supervisor *s, const struct notifier *notifier, deadline_t *next) {
    bool ending, apart = s->strategy == PRONG_ONE_FOR_ONE;
    supervisor_look_for_ends(s, notifier);
    deadline_t again = supervisor_drop_removed(s);
    do {
        *next = again;
        ending = supervisor_end_one(s, next);
    } while ((apart || !ending) && supervisor_start_one(s, notifier, next));
    supervisor_tell_ready(s, notifier);
    return supervisor_is_done(s, next);
}
