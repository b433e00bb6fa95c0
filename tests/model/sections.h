/* Sections under a guard, for the models of what uses one. Each is one step, as nobody else is inside, or with `guard_steps` the
 * family's own lock and journal, each store of them a point: where a thread may die there, and another undoes what it has done.
 * Included once, after surroundings.h and before the code that has the guard. */
#ifndef MODEL_SECTIONS_H
#define MODEL_SECTIONS_H

#include "guarded.h"

static bool guard_steps;

#include "instrument.h"
/* Some words are read without the guard. */
static void model_set(uint64_t *word, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)word, value, memory_order_release);
}
#include "uninstrument.h"

#define guard_enter(guard, deadline) (guard_steps ? guard_enter(guard, deadline) : (model_begin_atomic(), true))
#define guard_leave(guard) (guard_steps ? guard_leave(guard) : model_end_atomic())
#define guard_commit(guard) (guard_steps ? guard_commit(guard) : (void)0)
#define guard_set(guard, word, value) (guard_steps ? guard_set(guard, word, value) : model_set(word, value))

#endif
