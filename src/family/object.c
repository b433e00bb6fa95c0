/* Slabs of objects and their free lists. */
#include "family/object.h"

#include "base/error.h"
#include "family/heap.h"
#include "family/retire.h"

#include <stdio.h>
#include <string.h>

/* Slabs are small, as burial looks through whole ones; but their numbers are limited, so a kind with very many objects
 * gets larger ones. */
enum { SLAB_BYTES = 16 << 10, SLAB_BYTES_OF_MANY = 64 << 10 };
static const uint64_t MANY_BYTES = 16 << 20;

struct slab {
    uint64_t next, count;
    uint64_t mark; /* see slab_of_object */
    uint32_t kind, unused;
    uint64_t padding[4];
};

static struct kind_table *kind_table(uint32_t kind) {
    return &arena()->kinds[kind];
}

static struct guard *objects_guard(void) {
    return &arena()->objects_guard;
}

static size_t kind_stride(uint32_t kind) {
    return (object_types[kind]->size + 63) & ~(size_t)63;
}

static struct object *slab_object(struct slab *slab, uint64_t i) {
    return (struct object *)(void *)((char *)(slab + 1) + i * kind_stride(slab->kind));
}

static uint64_t slab_mark(uint64_t at) {
    return arena()->nonce ^ at;
}

/* The slab of what may be an object; 0: it is none. */
static uint64_t slab_of(uint64_t offset) {
    const struct object *object = arena_at(offset);
    if (!object_is_place(offset) || !object_type_of(object)) return 0;
    uint64_t before = object->place * kind_stride(object->kind) + sizeof(struct slab);
    if (before > offset) return 0;
    const struct slab *slab = arena_at(offset - before);
    return slab->mark == slab_mark(offset - before) && slab->kind == object->kind ? offset - before : 0;
}

static uint64_t slab_bytes(uint32_t kind) {
    uint64_t stride = kind_stride(kind);
    uint64_t bytes = kind_table(kind)->live * stride < MANY_BYTES ? SLAB_BYTES : SLAB_BYTES_OF_MANY;
    return sizeof(struct slab) + (bytes > stride ? bytes / stride * stride : stride);
}

/* The slab waits in `pending` until it is linked, so that none is lost. Its objects are chained before. */
static prong_status kind_add_slab(uint32_t kind) {
    struct kind_table *kinds = kind_table(kind);
    if (!kinds->pending) TRY(heap_alloc(slab_bytes(kind), 0, &kinds->pending, NULL));
    uint64_t bytes = heap_header(kinds->pending)->wanted;
    uint64_t count = (bytes - sizeof(struct slab)) / kind_stride(kind);
    struct slab *slab = arena_at(kinds->pending);
    memset(slab, 0, bytes);
    slab->next = kinds->slabs;
    slab->count = count;
    slab->kind = kind;
    slab->mark = slab_mark(kinds->pending);
    if (arena()->slab_numbers < TOUCHED_NUMBERS - 1) arena()->slab_numbers++;
    uint64_t next = kinds->free;
    for (uint64_t i = count; i-- > 0;) {
        struct object *object = slab_object(slab, i);
        object->kind = kind;
        object->place = (uint16_t)i;
        object->slab = (uint16_t)arena()->slab_numbers;
        object->next_free = next;
        next = arena_offset(object);
    }
    guard_set(objects_guard(), &kinds->free, next);
    guard_set(objects_guard(), &kinds->slabs, kinds->pending);
    guard_set(objects_guard(), &kinds->pending, 0);
    return PRONG_OK;
}

prong_status object_create(uint32_t kind, void **result) {
    struct kind_table *kinds = kind_table(kind);
    retired_sweep_if_due(); /* so the number of retired objects stays bounded */
    if (!guard_enter(objects_guard(), PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the object table");
    prong_status status = kinds->free ? PRONG_OK : kind_add_slab(kind);
    if (status >= 0) {
        struct object *object = arena_at(kinds->free);
        uint64_t next = object->next_free;
        object->label[0] = 0;
        object->variant = 0;
        object->creator = self_token();
        object_touch(object);
        memset(object + 1, 0, object_types[kind]->size - sizeof *object);
        guard_set(objects_guard(), (uint64_t *)&object->state, OBJECT_BUILDING);
        guard_set(objects_guard(), &kinds->free, next);
        guard_set(objects_guard(), &kinds->live, kinds->live + 1);
        /* odd steps from a random start: no generation of this family is met twice, nor one of another family */
        uint64_t generation = atomic_fetch_add(&arena()->next_generation, 2);
        atomic_store(&object->generation, generation);
        *result = object;
    }
    guard_leave(objects_guard());
    return status;
}

void object_publish(void *object) {
    atomic_store(&((struct object *)object)->state, OBJECT_LIVE);
}

void object_free_inside(struct object *object) {
    struct kind_table *kinds = kind_table(object->kind);
    guard_set(objects_guard(), (uint64_t *)&object->generation, 0);
    guard_set(objects_guard(), (uint64_t *)&object->state, OBJECT_FREE);
    guard_set(objects_guard(), &object->next_free, kinds->free);
    guard_set(objects_guard(), &kinds->free, arena_offset(object));
    guard_set(objects_guard(), &kinds->live, kinds->live - 1);
}

static uint64_t destroyed_by_self(void) {
    return (uint64_t)self_token() << 1;
}

/* `from` is the generation that the object has: of a live object, or of one whose destroyer died. Every step can be
 * repeated. */
static void object_destroy_from(struct object *object, uint64_t from) {
    const struct object_type *type = object_types[object->kind];
    object_touch(object);
    if (!atomic_compare_exchange_strong(&object->generation, &from, destroyed_by_self())) return;
    if (type->end) {
        type->end(object);
        object_retire(object);
    } else if (type->dispose(object) && guard_enter(objects_guard(), PRONG_FOREVER)) {
        object_free_inside(object);
        guard_leave(objects_guard());
    }
}

/* Frees a retired object that no thread is inside of. Its generation is `from`, which is that of a dead sweeper if one
 * had taken the object off the list and died. */
static void object_reclaim(struct object *object, uint64_t from) {
    object_touch(object);
    if (!atomic_compare_exchange_strong(&object->generation, &from, destroyed_by_self())) return;
    if (!object_types[object->kind]->dispose(object) || !guard_enter(objects_guard(), PRONG_FOREVER)) return;
    object_free_inside(object);
    guard_leave(objects_guard());
}

void object_destroy(void *object, uint64_t generation) {
    if (generation & 1) object_destroy_from(object, generation);
}

static prong_status object_destroy_inside(uint32_t kind, uint64_t offset, uint64_t generation) {
    void *object;
    INSIDE struct visit inside = {0};
    prong_status status = object_enter(&inside, kind, offset, generation, &object);
    if (status >= 0) object_destroy_from(object, generation);
    return status;
}

prong_status object_destroy_handle(uint32_t kind, uint64_t offset, uint64_t generation) {
    prong_status status = object_destroy_inside(kind, offset, generation);
    if (status >= 0) retired_sweep_if_due(); /* when this thread is inside of it no more */
    return status;
}

/* The slow path of object_find: joins the family if that is still to be done, or reports the error. */
prong_status object_stale(uint32_t kind, uint64_t offset, uint64_t generation) {
    prong_status status = family_enter();
    if (status < 0 || object_is_live(kind, offset, generation)) return status;
    return fail(PRONG_STALE, "not a handle of a live %s: %s", object_types[kind]->name,
                offset == 0 && generation == 0 ? "it was never created"
                                               : "it was destroyed, or it is of another family");
}

/* The slow path of object_enter. */
prong_status object_enter_slow(struct visit *visit, uint32_t kind, uint64_t offset, uint64_t generation) {
    visit_end(visit);
    prong_status status = object_stale(kind, offset, generation);
    if (status >= 0) status = visit_begin(visit, offset);
    if (status < 0) return status;
    if (object_is_live(kind, offset, generation)) {
        object_touch(arena_at(offset));
        return status;
    }
    visit_end(visit);
    return object_stale(kind, offset, generation);
}

/* --- touching --- */

void object_touch_slow(struct object *object) {
    uint64_t slab = slab_of(arena_offset(object));
    if (slab && member_has_row(self_token())) touched_note(object->slab, slab);
}

void object_touch_for(uint32_t token, void *object) {
    uint64_t slab = slab_of(arena_offset(object));
    if (slab) touched_add(token, slab);
}

prong_status object_label(void *object, const char *name) {
    if (!name) return PRONG_OK;
    if (strlen(name) >= LABEL_SIZE)
        return fail(PRONG_INVALID, "the name '%.40s' is longer than %d bytes", name, LABEL_SIZE - 1);
    snprintf(((struct object *)object)->label, LABEL_SIZE, "%s", name);
    return PRONG_OK;
}

const char *object_describe(void *object, char *text, size_t size) {
    struct object *header = object;
    const struct object_type *type = object_type_of(header);
    const char *kind = type ? type->name : "object";
    if (header->label[0])
        snprintf(text, size, "%s '%.*s'", kind, LABEL_SIZE - 1, header->label);
    else
        snprintf(text, size, "%s %llx", kind, (unsigned long long)arena_offset(object));
    return text;
}

/* --- all --- */

/* Calls visit for every object of the slab that is not free, retired ones as well, without entering it. */
static void slab_each(struct slab *slab, void (*visit)(struct object *, void *), void *context) {
    for (uint64_t i = 0; i < slab->count; i++) {
        struct object *object = slab_object(slab, i);
        if (atomic_load(&object->state) != OBJECT_FREE) visit(object, context);
    }
}

static void slabs_each(uint32_t kind, void (*visit)(struct object *, void *), void *context) {
    for (uint64_t at = __atomic_load_n(&kind_table(kind)->slabs, __ATOMIC_ACQUIRE); at;) {
        struct slab *slab = arena_at(at);
        slab_each(slab, visit, context);
        at = slab->next;
    }
}

struct each {
    void (*visit)(void *object, void *context);
    void *context;
};

static void visit_live(struct object *object, void *context) {
    const struct each *each = context;
    INSIDE struct visit inside = {0};
    visit_begin(&inside, arena_offset(object));
    if (atomic_load(&object->state) == OBJECT_LIVE) each->visit(object, each->context);
}

void object_each(uint32_t kind, void (*visit)(void *, void *), void *context) {
    slabs_each(kind, visit_live, &(struct each){visit, context});
}

uint64_t object_count(void) {
    uint64_t count = 0;
    for (uint32_t kind = 0; kind < KIND_LIMIT; kind++) count += kind_table(kind)->live;
    return count;
}

/* --- after a death --- */

/* What a living member is building changes as it goes on, and the dead one cannot have known it. If there is no memory
 * for the visit, the object is recovered all the same: none may be left out. */
static void recover_inside(struct object *object, uint32_t dead) {
    INSIDE struct visit inside = {0};
    visit_begin(&inside, arena_offset(object));
    uint64_t generation = object_generation(object), state = atomic_load(&object->state);
    bool abandoned = state == OBJECT_BUILDING && object->creator == dead;
    if (state == OBJECT_LIVE || abandoned) object_types[object->kind]->recover(object, dead);
    if (abandoned) object_destroy(object, generation);
}

/* This process may die in here, too, and leave what it changes to the one that buries it. */
static void recover_one(struct object *object, void *context) {
    uint32_t dead = *(const uint32_t *)context;
    uint64_t generation = object_generation(object);
    object_touch(object);
    if (generation != (uint64_t)dead << 1)
        recover_inside(object, dead);
    else if (atomic_load(&object->state) == OBJECT_RETIRED)
        object_reclaim(object, generation);
    else
        object_destroy_from(object, generation);
}

struct recovery {
    uint32_t dead, kind, kinds; /* kinds: a bit for each of which there is a slab */
};

static void recovery_note_kind(uint64_t at, void *context) {
    ((struct recovery *)context)->kinds |= 1u << ((struct slab *)arena_at(at))->kind;
}

static void recovery_of_slab(uint64_t at, void *context) {
    struct recovery *recovery = context;
    struct slab *slab = arena_at(at);
    if (slab->kind == recovery->kind) slab_each(slab, recover_one, &recovery->dead);
}

/* In the order of the kinds' numbers: pools come before jobs, for example. */
void objects_recover(uint32_t dead) {
    struct touched *touched = &member_row(dead)->touched;
    struct recovery recovery = {.dead = dead};
    bool all = atomic_load(&touched->all);
    touched_each(touched, recovery_note_kind, &recovery);
    for (uint32_t kind = 0; kind < KIND_LIMIT; recovery.kind = ++kind) {
        if (all)
            slabs_each(kind, recover_one, &dead);
        else if (recovery.kinds >> kind & 1)
            touched_each(touched, recovery_of_slab, &recovery);
    }
}

/* An entry is made before it is known whether there is such an object. */
static void wake_inside(uint64_t offset, void *unused) {
    (void)unused;
    struct object *object = arena_at(offset);
    if (!slab_of(offset) || !object_types[object->kind]->wake) return;
    INSIDE struct visit inside = {0};
    visit_begin(&inside, offset);
    uint64_t state = atomic_load(&object->state);
    if (state == OBJECT_LIVE || state == OBJECT_RETIRED) object_types[object->kind]->wake(object);
}

void objects_wake(uint32_t dead) {
    threads_each_entry_of(dead, wake_inside, NULL);
}
