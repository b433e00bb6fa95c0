/* Burying dead members (releasing what they held and freeing their rows), and finding them. */
#include "base/periods.h"
#include "family/rows.h"

#include "family/heap.h"
#include "family/object.h"
#include "family/seats.h"
#include "family/thread.h"
#include "family/waiter.h"

#include <stdarg.h>
#include <stdio.h>

/* First undoes what the dead member left half done under the shared guards: recovery reads these words without the
 * guards. */
static void settle_shared_guards(uint32_t dead) {
    struct guard *const guards[] = {&arena()->objects_guard, &arena()->heap.guard, &arena()->threads_guard,
                                    &arena()->members_guard};
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) guard_settle(guards[i], dead);
}

/* What the caller knows of it. */
enum member_end { END_CERTAIN, END_UNKNOWN, END_GIVEN_UP };

/* A stopped process was in the middle of one of its objects. The clock of the member that has noted it may be another, in
 * another time namespace. */
static bool burial_pauses(const struct member *row) {
    int64_t left = atomic_load(&row->not_before) - clock_now();
    return atomic_load(&row->state) == MEMBER_GONE && left > 0 && left <= BURIAL_AGAIN;
}

/* Under the guard of burials. A process whose start was given up can be buried only before it has become the member:
 * see row_may_become. */
static bool may_be_buried(uint32_t token, enum member_end end) {
    if (!member_has_row(token) || burial_pauses(member_row(token))) return false;
    if (end == END_GIVEN_UP && atomic_load(&member_row(token)->state) == MEMBER_RESERVED) return true;
    return end == END_CERTAIN || !member_alive(token);
}

/* False when it had to leave an object out, as a stopped process is in the middle of it. */
static bool recover_objects(uint32_t token) {
    lock_hurry(deadline_after(STOPPED_AT_MOST));
    objects_recover(token);
    objects_wake(token);
    return lock_take_time();
}

static void free_row(uint32_t token) {
    struct member *row = member_row(token);
    waiters_forget(token);
    threads_forget(token);
    touched_free(&row->touched);
    if (atomic_load(&row->held)) heap_free_owned(token);
    atomic_fetch_add(&arena()->deaths, 1);
    atomic_store(&row->state, MEMBER_FREE);
}

/* The row is GONE first, which all see, and FREE only at the end: if the process that buries dies in between, or does not
 * come to the end, another one continues. */
static void bury(uint32_t token) {
    struct member *row = member_row(token);
    atomic_store(&row->state, MEMBER_GONE);
    settle_shared_guards(token);
    bool complete = recover_objects(token);
    if (!member_is_leaving(token) || threads_inside(token)) lookout_wake_all();
    if (complete)
        free_row(token);
    else
        atomic_store(&row->not_before, clock_now() + BURIAL_AGAIN);
}

static void member_bury_as(uint32_t token, enum member_end end) {
    deadline_t patience = end == END_GIVEN_UP ? PRONG_FOREVER : deadline_after(2 * STOPPED_AT_MOST);
    if (!guard_enter(recovery_guard(), patience)) return;
    if (may_be_buried(token, end)) bury(token);
    guard_leave(recovery_guard());
}

void member_bury(uint32_t token) {
    member_bury_as(token, END_CERTAIN);
}

void member_give_up(uint32_t token) {
    member_bury_as(token, END_GIVEN_UP);
}

void recovery_note(const char *format, ...) {
    struct recovery_notes *notes = &arena()->recoveries;
    uint64_t number = atomic_load(&notes->count);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(notes->text[number % RECOVERY_NOTES], sizeof notes->text[0], format, arguments);
    va_end(arguments);
    atomic_store(&notes->count, number + 1);
}

/* --- finding dead members --- */

/* Checks twice: a process that had not begun may have done so before this one got the guard of burials. */
void member_bury_if_dead(uint32_t token) {
    if (!member_alive(token)) member_bury_as(token, END_UNKNOWN);
}

void family_bury_dead(void) {
    for (uint64_t i = 0; i < MEMBER_LIMIT; i++) {
        uint32_t token = (uint32_t)atomic_load(&member_rows()[i].token);
        if (atomic_load(&member_rows()[i].state) != MEMBER_FREE) member_bury_if_dead(token);
    }
}

static void member_look_after(uint32_t token, prong_time rest) {
    struct member *row = member_row(token);
    int64_t now = clock_now(), before = atomic_load(&row->looked_at);
    member_mark_if_needed();
    if (now - before < rest || !atomic_compare_exchange_strong(&row->looked_at, &before, now)) return;
    member_bury_if_dead(token);
}

void member_look(uint32_t token) {
    member_look_after(token, DEAD_LOOK_AGAIN);
}

void family_look_around(void) {
    for (int looked = 0, rounds = 0; looked < MEMBER_LIMIT && rounds < 2; looked++) {
        struct member *row = member_row_used(atomic_fetch_add(&arena()->looked_around, 1) % MEMBER_LIMIT);
        uint32_t token = row ? (uint32_t)atomic_load(&row->token) : 0;
        if (!row) {
            atomic_store(&arena()->looked_around, 0);
            rounds++;
        } else if (token != self_token() && atomic_load(&row->state) != MEMBER_FREE) {
            member_look_after(token, pulse_is_there(token) ? PULSE_LOOK_AGAIN : DEAD_LOOK_AGAIN);
            return;
        }
    }
}

/* In a busy family no thread sleeps long enough to check for dead members. So each start or join checks more than one
 * row. To be called by a member: a process that has not joined yet has no thread's row, and cannot enter objects. */
enum { LOOKS_A_START = 2 };
void family_look_for_a_start(void) {
    for (int i = 0; i < LOOKS_A_START && member_has_row(self_token()); i++) family_look_around();
}
