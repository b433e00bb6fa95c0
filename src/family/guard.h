/* A guard makes several changes to the arena one: a lock and an undo journal.
 *
 * Each word changed under the guard is noted with its old value first. Leaving empties the journal; that store is
 * the moment at which all changes hold. Whoever takes the guard over from a member that died inside puts the old
 * values back. So whatever the guard protects is, to all others, either before or after the operation.
 *
 * A killed process stops between two instructions, and all that it stored before reaches memory: what must be kept
 * in order is the compiler alone, hence signal fences and no more. */
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
/* What was set so far holds from now on; goes on inside. */
void guard_commit(struct guard *guard);
/* Undoes what was set since guard_enter; the caller still has to leave. */
void guard_undo(struct guard *guard);
/* Undoes what a dead member has left half done under the guard, if it died inside. */
void guard_settle(struct guard *guard, uint32_t dead);
/* Changes one word of the arena under the guard. A step sets at most JOURNAL_CAPACITY words: one beyond would be set without being
 * noted, which prong_family_check reports. */
void guard_set(struct guard *guard, uint64_t *word, uint64_t value);

#endif
