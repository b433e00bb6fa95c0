/* The holders of an object's bell: processes that asked for a descriptor, in a list of blocks in the arena. */
#ifndef FAMILY_HOLDERS_H
#define FAMILY_HOLDERS_H

#include "family/bell.h"

/* Bits of a bell's flags: there are holders with the pipe; there are holders that are rung by address only. */
enum { BELL_HAS_PIPE = 1, BELL_HAS_DEAF = 2 };

struct holder {
    _Atomic uint64_t who; /* token; stored last and cleared first. 0: free */
    int32_t pipe;         /* its number in that process; -1: it could not open the pipe */
    uint32_t address;     /* of its socket */
};

/* Places for what processes have announced to take from the pipe: see bell.c. */
enum { BELL_TAKES = 5 };
/* NULL: nobody has asked for a descriptor yet. */
_Atomic uint64_t *holders_takes(struct object_bell *shared);

/* Takes the lock; false when a stopped process holds it for a second. */
bool holders_lock(struct object_bell *shared);
void holders_unlock(struct object_bell *shared);

/* Under the lock: makes this process a holder; false when there is no memory for that. */
bool holders_add(struct object_bell *shared, int pipe, uint32_t address);
/* Under the lock. */
void holders_remove(struct object_bell *shared, uint32_t token);
/* Under the lock, after each change: notes whether there is a bell. A pipe ends with its last holder. */
void holders_changed(struct object_bell *shared);
/* Whether there is no list. */
bool holders_are_none(const struct object_bell *shared);
/* Under the lock: frees the list. */
void holders_free(struct object_bell *shared);

/* Calls visit for each holder until it returns true. Under the lock, or inside of the object, whose list stays until then; without
 * the lock the result is only a hint. */
bool holders_each(struct object_bell *shared, bool (*visit)(struct holder *holder, void *context), void *context);

#endif
