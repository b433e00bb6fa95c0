/* The starts of a supervisor's children: in order, each when those before it have begun, and within a limit of time. */
#include "pool/supervisor.h"

#include "base/error.h"

#include <signal.h>
#include <stdio.h>

void child_look_begun(struct supervisor *s, struct supervised *child) {
    uint64_t number;
    if (!child_is(child, PRONG_CHILD_STARTING) || !process_has_begun(child->process, &number)) return;
    child->started = clock_now();
    atomic_store(&child->pid, number);
    child_set(s, child, PRONG_CHILD_RUNNING);
}

/* A guard's code is its own; another's, and that of one that was killed, tells nothing. */
void child_note_failure(struct supervisor *s, struct supervised *child, int *code) {
    char why[CHILD_FAILURE_SIZE];
    process_start_failure(child->process, why, sizeof why);
    if (!child->failure[0]) child_set_failure(s, child, why);
    if (!child->is_program || *code < 0) *code = PRONG_NO_RETURNCODE;
}

static prong_status child_start_process(struct supervised *child) {
    TRY(process_create_planned(child->plan, &child->process));
    prong_status status = prong_process_start(child->process);
    if (status < 0) {
        KEEP_MESSAGE;
        prong_process_destroy(child->process);
    }
    return status;
}

static void supervisor_start_child(struct supervisor *s, struct supervised *child, const struct notifier *notifier) {
    child->leaving = child->killed = 0;
    child->started = clock_now();
    child->kill_at = deadline_after(child->start_within);
    child_set_failure(s, child, "");
    if (child_start_process(child) >= 0) {
        child_set(s, child, PRONG_CHILD_STARTING);
        atomic_store(&child->wanted, 0);
        return;
    }
    child_set_failure(s, child, prong_error_message());
    supervisor_take_end(s, child, PRONG_NO_RETURNCODE, notifier);
}

/* One that takes too long to begin. Returns when there is more to do. */
static deadline_t child_limit_start(struct supervisor *s, struct supervised *child) {
    char why[CHILD_FAILURE_SIZE];
    if (!child->killed && deadline_passed(child->kill_at)) {
        child->killed = 1;
        snprintf(why, sizeof why, "it did not come to its target within %.3g s", (double)child->start_within / 1e9);
        child_set_failure(s, child, why);
        prong_process_signal(child->process, SIGKILL);
    }
    return child->killed ? PRONG_FOREVER : child->kill_at;
}

/* A child starts when those before it have begun; one that has run before, and concerns no other, at once. */
static bool child_may_start(const struct supervisor *s, const struct supervised *child, bool others_start) {
    return !others_start || (s->strategy == PRONG_ONE_FOR_ONE && child->started);
}

bool supervisor_start_one(struct supervisor *s, const struct notifier *notifier, deadline_t *next) {
    bool others_start = false;
    int64_t now = clock_now();
    EACH_CHILD(s, child) {
        if (child_is(child, PRONG_CHILD_STARTING)) {
            others_start = true;
            deadline_t limit = child_limit_start(s, child);
            if (limit < *next) *next = limit;
        }
        if (!child->wanted || !child_is_down(child) || !child_may_start(s, child, others_start)) continue;
        if (child->due <= now) {
            supervisor_start_child(s, child, notifier);
            return true;
        }
        if (child->due < *next) *next = child->due;
    }
    return false;
}
