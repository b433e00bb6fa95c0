/* The family's lock and its guard as they are (src/family: lock.c, guard.c), each store of them a point. Included once, after
 * surroundings.h. */
#ifndef MODEL_GUARDED_H
#define MODEL_GUARDED_H

#include "family/guard.h"
#include "weaken.h"

#define spin_until(ready, context) ((ready)(context))
/* The words that a guard changes: nobody reads them without it here. */
#define __atomic_store_n(word, value, order) (model_point(), *(word) = (value))
#include "instrument.h"
#include "family/lock.c"
#include "family/guard.c"
#include "uninstrument.h"
#undef __atomic_store_n

/* What the next one to enter would undo, is undone. */
static void guard_finish(struct guard *guard) {
    uint32_t holder = guard->lock.word & ~LOCK_WAITERS;
    model_check(!holder || !member_alive(holder));
    if (holder) guard_undo(guard);
    guard->lock.word = 0;
}

#endif
