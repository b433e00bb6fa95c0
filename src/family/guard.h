/* A guard makes several changes to the arena atomic: it is a lock with an undo journal.
 *
 * Before a word is changed under the guard, its old value is noted in the journal. Leaving the guard empties the
 * journal; with that store all changes take effect. A process that takes the guard over from a member that died inside
 * puts the old values back. So all others see what the guard protects as it was before the operation, or as it is after
 * it.
 *
 * A killed process stops between two instructions, and all that it stored before reaches memory. So only the compiler
 * must not reorder the stores, and signal fences are enough. */
#ifndef FAMILY_GUARD_H
#define FAMILY_GUARD_H

#include "family/lock.h"

enum { JOURNAL_CAPACITY = 60 };

struct journal {
    _Atomic uint64_t count;
    struct {
        uint64_t where, old; /* arena offset of a word, and what it held */
    } entry[JOURNAL_CAPACITY];
};

struct guard {
    _Alignas(64) lock_t lock;
    struct journal journal;
};

/* False when the deadline passes first, which only a stopped (not a dead) holder can cause. */
bool guard_enter(struct guard *guard, deadline_t deadline);
void guard_leave(struct guard *guard);
/* What was set so far takes effect; the caller stays inside. */
void guard_commit(struct guard *guard);
/* Undoes what was set since guard_enter; the caller still has to leave. */
void guard_undo(struct guard *guard);
/* Undoes what a dead member has left half done under the guard, if it died inside; and wakes a thread that waits for
 * it, as the member may have died after it left, before it did so. */
void guard_settle(struct guard *guard, uint32_t dead);
/* Changes one word of the arena under the guard. An operation may set at most JOURNAL_CAPACITY words: further ones
 * would be set without a note in the journal, which prong_family_check reports. */
void guard_set(struct guard *guard, uint64_t *word, uint64_t value);

#endif
