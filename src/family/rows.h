/* The family table, for the files that change it: member.c (rows), alive.c (which members are alive), burial.c,
 * family.c (this process). */
#ifndef FAMILY_ROWS_H
#define FAMILY_ROWS_H

#include "family/guard.h"
#include "family/member.h"

/* A token is 12 bits of row and 18 of generation. With ENTERING, it has the pid of a process that has no row yet (no pid has more
 * bits), and some bits of its namespace. */
enum { ROW_BITS = 12, GENERATIONS = 1 << 18, PID_BITS = 22, NAMESPACE_BITS = 0xff };

/* The row of that number; NULL behind the last one that was ever used, as the lowest free row is taken first. */
static inline struct member *member_row_used(uint64_t i) {
    return i < MEMBER_LIMIT && atomic_load(&member_rows()[i].token) ? &member_rows()[i] : NULL;
}

/* --- guards --- */

static inline struct guard *members_guard(void) {
    return &arena()->members_guard;
}

/* The guard of burials, which a process also takes when it becomes a member. */
static inline struct guard *recovery_guard(void) {
    return &arena()->recovery_guard;
}

/* --- alive.c --- */

/* Notes in which PID namespace this process is, and whether the family has members in several. */
void member_note_namespace(void);
/* The token of a process that is not in the table yet: its pid, and as many bits of its namespace as fit. */
uint32_t member_entering_token(void);
/* The pid for messages: the number here, or its number in its own namespace if it has none here. */
int member_pid_shown(const struct member *row);

/* --- burial.c --- */

void member_bury_if_dead(uint32_t token);
/* Called by a process that starts another one, or joins: see burial.c. */
void family_look_for_a_start(void);

#endif
