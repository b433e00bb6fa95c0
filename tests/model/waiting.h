/* Waiting and waking, for the models of what has a waitq: the library's own waitq.c and sync.c.
 * Included once, after surroundings.h. */
#ifndef MODEL_WAITING_H
#define MODEL_WAITING_H

#include "sections.h"
#include "weaken.h"

#include "family/bell.h"
#include "sync/sync.h"

#define self_row() (&model_row)
#define count_event(counter) ((void)0)

#undef spin_until
#include "instrument.h"
#define spin_until spin_until_in_waitq
#include "family/waitq.c"
#undef spin_until
#define spin_until(ready, context) ((ready)(context))
#include "sync/sync.c"
#include "uninstrument.h"

void watchers_wake(struct waitq *queue) {
    (void)queue;
}

struct waiter *waiter_begin(void *object) {
    (void)object;
    return NULL;
}

void waiter_end(struct waiter *waiter) {
    (void)waiter;
}

/* --- objects are there from the beginning --- */

prong_status family_enter_slow(void) {
    return PRONG_OK;
}
prong_status object_create(uint32_t kind, void **object) {
    (void)kind, (void)object;
    return PRONG_SYSTEM;
}
prong_status object_label(void *object, const char *name) {
    (void)object, (void)name;
    return PRONG_OK;
}
void object_publish(void *object) {
    (void)object;
}
void object_destroy(void *object, uint64_t generation) {
    (void)object, (void)generation;
}
const struct object_type *const object_types[KIND_LIMIT] = {NULL};

prong_status heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block) {
    (void)size, (void)owner, (void)into, (void)block;
    return PRONG_NO_MEMORY;
}
prong_status heap_free(uint64_t block, uint64_t *from) {
    (void)block, (void)from;
    return PRONG_OK;
}

/* --- no bell: see bell_model.c --- */

prong_status object_bell_open(struct object_bell *bell, uint64_t generation, int *descriptor) {
    (void)bell, (void)generation, (void)descriptor;
    return PRONG_SYSTEM;
}
void object_bell_close(struct object_bell *bell, uint64_t generation) {
    (void)bell, (void)generation;
}
bool object_bell_end(struct object_bell *bell) {
    (void)bell;
    return true;
}
bool object_bell_dispose(struct object_bell *bell) {
    (void)bell;
    return true;
}
void object_bell_recover(struct object_bell *bell, uint32_t dead) {
    (void)bell, (void)dead;
}
void object_bell_settle_up(struct object_bell *bell) {
    (void)bell;
}
void object_bell_settle_down(struct object_bell *bell) {
    (void)bell;
}
void object_bell_settle(struct object_bell *bell) {
    (void)bell;
}

enum { GENERATION = 1 };

/* The first thing that a model prepares: an object of the kind, in the world. */
static void model_prepare_object(struct object *object, uint16_t kind) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    selves[0].token = 1;
    object->kind = kind;
    object->generation = GENERATION;
}

#endif
