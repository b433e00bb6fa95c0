/* Rows of the family table: reserving one for a child, and becoming its member. */
#include "family/rows.h"

#include "base/error.h"
#include "family/seats.h"
#include "family/thread.h"
#include "os/os.h"

#include <stdio.h>
#include <unistd.h>

/* No token is used twice, as a stale one would then seem alive: a row that has had its last generation is not used
 * again. */
static bool row_has_generations(uint64_t row) {
    return (uint32_t)atomic_load(&member_rows()[row].token) >> ROW_BITS < GENERATIONS - 1;
}

static uint32_t row_next_token(uint64_t row) {
    uint32_t generation = ((uint32_t)atomic_load(&member_rows()[row].token) >> ROW_BITS) + 1;
    return generation << ROW_BITS | (uint32_t)row;
}

static bool row_take(const char *name, uint64_t process, uint32_t *token) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        struct member *row = &member_rows()[i];
        if (atomic_load(&row->state) != MEMBER_FREE || !row_has_generations(i)) continue;
        *token = row_next_token(i);
        snprintf(row->name, sizeof row->name, "%s", name);
        row->process = process;
        row->parent = self_token();
        row->joined_at = os_boot_time();
        atomic_store(&row->pid, 0);
        atomic_store(&row->namespace, self->namespace);
        atomic_store(&row->outer_pid, 0);
        atomic_store(&row->outer_namespace, self->namespace);
        atomic_store(&row->marked, 0);
        atomic_store(&row->held, 0);
        atomic_store(&row->puts, 0);
        atomic_store(&row->gets, 0);
        atomic_store(&row->tasks, 0);
        atomic_store(&row->sleeps, 0);
        atomic_store(&row->leaving, 0);
        atomic_store(&row->looked_at, 0);
        atomic_store(&row->not_before, 0);
        guard_set(members_guard(), (uint64_t *)&row->token, *token);
        guard_set(members_guard(), (uint64_t *)&row->state, MEMBER_RESERVED);
        return true;
    }
    return false;
}

bool member_has_row(uint32_t token) {
    struct member *row = member_row(token);
    return (uint32_t)atomic_load(&row->token) == token && atomic_load(&row->state) != MEMBER_FREE;
}

void member_set_pid(uint32_t token, pid_t pid) {
    struct member *row = member_row(token);
    uint64_t unset = 0;
    if (!guard_enter(recovery_guard(), PRONG_FOREVER)) return;
    if (member_has_row(token)) { /* or it died at once, and was buried */
        /* The time of now, not of when the row was reserved: a process whose start took long would seem to be another
         * one with its pid. */
        row->joined_at = os_boot_time();
        atomic_compare_exchange_strong(&row->pid, &unset, (uint64_t)pid);
        atomic_store(&row->outer_namespace, self->namespace);
        atomic_store(&row->outer_pid, (uint64_t)pid);
    }
    guard_leave(recovery_guard());
}

prong_status member_reserve(const char *name, uint64_t process, uint32_t *token) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!guard_enter(members_guard(), PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the family table");
        bool taken = row_take(name, process, token);
        guard_leave(members_guard());
        if (taken) {
            lookout_changed(); /* the child may die before it has joined */
            family_look_for_a_start();
            return PRONG_OK;
        }
        family_bury_dead();
    }
    return fail(PRONG_NO_PROCESSES, "the family has its limit of %d processes, or has started a billion", MEMBER_LIMIT);
}

/* --- becoming --- */

/* It lives, and in the namespace of this process: in any other it has no number that getppid could return. The process
 * that adopts an orphan has another number. */
static bool is_child_of(const struct forker *forker) {
    return forker && forker->pid == getppid();
}

/* If the parent dies before anybody knows the child's pid, all others take the row for that of a dead process. */
static bool row_may_become(uint32_t token) {
    struct member *row = member_row(token);
    if (!member_has_row(token) || atomic_load(&row->state) != MEMBER_RESERVED) return false;
    pid_t pid = (pid_t)atomic_load(&row->pid);
    if (pid && atomic_load(&row->namespace) != self->namespace)
        return true; /* its parent's number has no meaning here */
    uint32_t parent = (uint32_t)row->parent;
    return pid == getpid() || (pid == 0 && (pulse_is_there(parent) || member_alive(parent)));
}

/* Under the guard of burials, which it takes under its pid, as a process without a row. So either the row becomes this
 * process's, or it is buried, together with all that depends on it. */
bool member_become(uint32_t token, const struct forker *forker) {
    struct member *row = member_row(token);
    bool mine = false;
    self->namespace = is_child_of(forker) ? forker->namespace : os_pid_namespace();
    atomic_store(&self->token, member_entering_token());
    if (guard_enter(recovery_guard(), PRONG_FOREVER)) {
        mine = row_may_become(token);
        if (mine) {
            atomic_store(&row->namespace, self->namespace);
            member_note_namespace();
            row->parent = row->parent & ENTERING ? 0 : row->parent;
            row->joined_at = os_boot_time();
            atomic_store(&row->pid, (uint64_t)getpid());
            atomic_store(&row->state, MEMBER_LIVE);
        }
        guard_leave(recovery_guard());
    }
    self->pid = getpid();
    atomic_store(&self->token, mine ? token : 0);
    if (!mine) return false;
    thread_know_self();
    member_mark_if_needed();
    lookout_joined();
    upward_joined();
    return true;
}

/* --- what a row contains --- */

const char *member_describe(uint32_t token, char *text, size_t size) {
    struct member *row = member_row(token);
    snprintf(text, size, "process %d '%.*s'", member_pid_shown(row), MEMBER_NAME_SIZE - 1, row->name);
    return text;
}

void member_leaving(void) {
    if (self_token()) atomic_store(&self_row()->leaving, 1);
}

bool member_is_leaving(uint32_t token) {
    return atomic_load(&member_row(token)->leaving) != 0;
}
