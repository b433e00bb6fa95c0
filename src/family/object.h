/* Objects: what handles name. They live in slabs by kind, and the memory of one kind never becomes another's, so a
 * stale handle meets either a different generation or nothing. */
#ifndef FAMILY_OBJECT_H
#define FAMILY_OBJECT_H

#include "family/arena.h"

enum object_kind { KIND_NONE, KIND_QUEUE, KIND_PIPE, KIND_PROCESS, KIND_POOL, KIND_JOB, KIND_COUNT };
enum object_state { OBJECT_FREE, OBJECT_BUILDING, OBJECT_LIVE };

struct object {
    _Atomic uint64_t generation; /* of the object that lives here now; changes when it is destroyed */
    _Atomic uint64_t state;
    uint64_t kind;
    uint64_t next_free;
    uint64_t creator; /* token; while building */
    uint64_t padding[3];
};

/* What the family needs to know of each kind; defined above this room, in kinds.c. */
struct object_type {
    const char *name;
    size_t size;
    /* A member has died: release and repair what it held of this object. */
    void (*recover)(void *object, uint32_t dead);
    /* Frees what hangs on an object that its creator died building, or that is being destroyed. */
    void (*dispose)(void *object);
};
extern const struct object_type *const object_types[KIND_COUNT];

/* A zeroed object in state BUILDING; object_publish makes it live. Disposed of if this process dies before that. */
prong_status object_create(enum object_kind kind, void **object);
void object_publish(void *object);
/* Ends the object's generation. The caller has made sure that nobody is inside. */
void object_destroy(void *object);

/* The live object of that kind and generation, or a clear error. low_bits of the offset are the caller's own. */
prong_status object_find(enum object_kind kind, uint64_t offset, uint64_t generation, void **object);
bool object_is_live(enum object_kind kind, uint64_t offset, uint64_t generation);

/* Calls visit for every object of the kind that is not free. */
void object_each(enum object_kind kind, void (*visit)(void *object, void *context), void *context);
/* For all kinds: recover. */
void object_recover_all(uint32_t dead);
/* Number of live objects of all kinds; for the checker. */
uint64_t object_count(void);

#endif
