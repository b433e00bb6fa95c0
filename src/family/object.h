/* Objects: what handles refer to. Each kind has its own slabs, whose memory is never used for another kind. So a stale
 * handle finds either a different generation or no object. */
#ifndef FAMILY_OBJECT_H
#define FAMILY_OBJECT_H

#include "family/member.h"
#include "family/thread.h"

/* The number of a kind is in the header of its layer, beside its type: enum { KIND_LOCK = 6 }. */
enum { KIND_NONE };
enum { LABEL_SIZE = 24 };
/* RETIRED: destroyed, and a thread may still be inside of it. */
enum object_state { OBJECT_FREE, OBJECT_BUILDING, OBJECT_LIVE, OBJECT_RETIRED };

struct object {
    /* Odd: the generation of the live object, never the same twice. Even: the token of the member that is destroying or
     * freeing the object, shifted by one. 0: no object, or a retired one. So one compare-and-swap decides which member
     * destroys the object. */
    _Atomic uint64_t generation;
    _Atomic uint64_t state;
    uint32_t kind;
    uint32_t variant; /* the kind's own: it is here as every call reads this cache line; 0 at first */
    uint64_t next_free;
    uint32_t creator;       /* token; while building */
    uint16_t slab, place;   /* the number of its slab (see touched.h), and its place in that */
    char label[LABEL_SIZE]; /* a name for people; may be empty */
};

/* A holder: a member (and its thread, if known) that holds an object, or has to do something before a waiter can go
 * on. */
typedef void holder_visit(void *context, uint32_t token, uint32_t thread);

/* What being a holder means. */
enum holder_role {
    HOLDERS_KEEP,    /* a waiter waits for each of them */
    HOLDERS_SHARE,   /* a waiter waits for any one of them: for certain only if there is one */
    HOLDERS_OWE,     /* they do not hold it: they are expected to arrive at it */
    HOLDERS_ARE_SELF /* the object stands for its holder */
};

/* All that the family layer needs to know about a kind. Each kind is described once, in a file of its own layer. */
struct object_type {
    const char *name;
    size_t size;
    /* A member has died: release and repair what it held of this object. Called if the member has touched the object, or
     * one beside it; see touched.h for what another process writes on its behalf. Not called for an object that another
     * member is building, which the dead one cannot have known. */
    void (*recover)(void *object, uint32_t dead);
    /* Wakes all threads that wait inside of the object, called after `recover` if the dead member was inside: it may have
     * changed something and not woken them yet, or have been woken in their place. Whether any thread sleeps is not
     * known: flags may be cleared already. NULL: no thread waits in objects of the kind. */
    void (*wake)(void *object);
    /* Wakes all threads that wait inside of an object that is being destroyed. If the member that does this dies,
     * another does it again. An object of a kind without this is freed at once: its code handles stale handles
     * itself. */
    void (*end)(void *object);
    /* Frees what belongs to an object whose creator died while building it, or that is destroyed and has no thread
     * inside. False: a stopped process is in the middle of it; the object stays as it is until its destroyer dies. */
    bool (*dispose)(void *object);
    /* Bytes of the arena that belong to it, which decide how long it may wait to be freed; NULL: few. */
    uint64_t (*weigh)(void *object);
    /* Names the holders, for the report; NULL where there are none. */
    void (*holders)(void *object, holder_visit *visit, void *context);
    enum holder_role holding;
    /* Whether the object is ready, as its descriptor shows: see bell.h. Takes no lock, and may be wrong while a change
     * is under way; the process that makes the change settles the bell. NULL: it has no descriptor, or is a channel. */
    bool (*ready)(void *object);
};
/* The types by the numbers of their kinds; NULL for a number without a kind. Defined in src/upward.c. */
extern const struct object_type *const object_types[KIND_LIMIT];

/* The type of the object at an address that may contain anything; NULL: there is no object. */
static inline const struct object_type *object_type_of(const struct object *object) {
    return object->kind < KIND_LIMIT ? object_types[object->kind] : NULL;
}

/* An object in state BUILDING, zeroed; object_publish makes it live. Disposed of if this process
 * dies before that. Not under a guard: may sweep. */
prong_status object_create(uint32_t kind, void **object);
void object_publish(void *object);
/* Ends the object of that generation, unless another call does or did. Its memory is freed when no thread is inside of
 * it any more. If the member dies doing it, the member that buries it continues. The caller is inside of the object, or
 * no other thread knows it. */
void object_destroy(void *object, uint64_t generation);
/* The same by a handle, entering it. */
prong_status object_destroy_handle(uint32_t kind, uint64_t offset, uint64_t generation);
/* Frees those retired objects that no thread is inside of. */
void retired_sweep(void);
/* The same, if there are enough of them to be worth it. Not under a guard. */
void retired_sweep_if_due(void);
static inline uint64_t object_generation(void *object) {
    return atomic_load(&((struct object *)object)->generation);
}

/* Gives the object a name for reports; PRONG_INVALID when the name is too long. name may be NULL. */
prong_status object_label(void *object, const char *name);
/* "lock 'accounts'", or "lock 2f30c0" by its place in the arena. Returns text. */
const char *object_describe(void *object, char *text, size_t size);

/* Whether an object may begin there, aligned to 64 and within the arena: in one comparison, as the rotation makes an
 * offset that is not aligned a huge one. False before there is an arena. */
static inline bool object_is_place(uint64_t offset) {
    return (offset >> 6 | offset << 58) < arena_places;
}

static inline bool object_is_live(uint32_t kind, uint64_t offset, uint64_t generation) {
    if (!object_is_place(offset) || generation == 0) return false;
    struct object *object = (struct object *)arena_at(offset);
    /* An object header stays one (slabs are never freed); anything else differs from it in 64 random bits. */
    return atomic_load_explicit(&object->generation, memory_order_acquire) == generation && object->kind == kind;
}

prong_status object_stale(uint32_t kind, uint64_t offset, uint64_t generation);

/* Whether this family has ever given out that generation. To be checked first where bytes that may be anything are
 * taken for a handle: a program's own memory may hold what looks like an object of generation 3. */
static inline bool object_was_issued(uint64_t generation) {
    return generation - arena()->nonce < atomic_load(&arena()->next_generation) - arena()->nonce;
}

/* To be called before this process changes an object that it has neither created, found nor entered: see touched.h. */
void object_touch_slow(struct object *object);
static inline void object_touch(void *object) {
    if (__builtin_expect(!touched_already(((struct object *)object)->slab), 0)) object_touch_slow(object);
}
/* The same for another member, which is not running yet, on whose behalf this process changes it. */
void object_touch_for(uint32_t token, void *object);

/* Finds the live object of that kind and generation; reports an error if there is none. */
static inline prong_status object_find(uint32_t kind, uint64_t offset, uint64_t generation, void **object) {
    if (__builtin_expect(!token_is_of_member(self_token()) || !object_is_live(kind, offset, generation), 0)) {
        prong_status status = object_stale(kind, offset, generation);
        if (status < 0) return status;
    }
    *object = arena_at(offset);
    object_touch(*object);
    return PRONG_OK;
}

/* Enters the live object of that kind and generation; on failure reports the error, and is not inside. Until visit_end
 * (object_leave) the memory remains this object's, even if it is destroyed meanwhile. */
prong_status object_enter_slow(struct visit *visit, uint32_t kind, uint64_t offset, uint64_t generation);
static inline prong_status object_enter(struct visit *visit, uint32_t kind, uint64_t offset, uint64_t generation,
                                        void **object) {
    *object = arena_at(offset);
    if (__builtin_expect(visit_begin(visit, offset) == PRONG_OK && object_is_live(kind, offset, generation), 1)) {
        object_touch(*object);
        return PRONG_OK;
    }
    return object_enter_slow(visit, kind, offset, generation);
}

/* The same, if nothing has to be called for that; else returns false, and is not inside. For the quickest path of a call,
 * which calls nothing before it leaves by visit_end: then the visit needs no memory, and no register has to be saved. */
static inline bool object_enter_quickly(struct visit *visit, uint32_t kind, uint64_t offset, uint64_t generation,
                                        void **object) {
    if (__builtin_expect(!visit_begin_quickly(visit, offset), 0)) return false;
    *object = arena_at(offset);
    if (__builtin_expect(object_is_live(kind, offset, generation), 1) &&
        __builtin_expect(touched_already(((struct object *)*object)->slab), 1))
        return true;
    visit_end(visit);
    return false;
}

/* Enters an object that is known to stay, by a guard or an object that the caller is inside of. */
static inline prong_status object_enter_known(struct visit *visit, uint64_t offset) {
    prong_status status = visit_begin(visit, offset);
    if (__builtin_expect(status >= 0, 1)) object_touch(arena_at(offset));
    return status;
}

/* Declares a visit that ends at the end of the block:
 *
 *     INSIDE struct visit inside = {0};
 *     TRY(object_enter(&inside, KIND_EVENT, handle.offset, handle.generation, (void **)&event)); */
#define INSIDE __attribute__((cleanup(visit_end)))

/* Calls visit for every live object of the kind, and is inside of it during the call. */
void object_each(uint32_t kind, void (*visit)(void *object, void *context), void *context);
/* Recovers the objects that the dead member may have changed. */
void objects_recover(uint32_t dead);
/* Wakes those that wait in the objects that it was inside of. */
void objects_wake(uint32_t dead);
/* Number of live objects of all kinds; for the checker. */
uint64_t object_count(void);

#endif
