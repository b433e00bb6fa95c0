/* Destroyed objects are retired: they wait here until no thread is inside of them (thread.h). A sweep takes all that
 * wait, makes a barrier, reads the rows of all threads, and frees the objects that no row names; the others are parked
 * until the next sweep. The barrier is expensive, so a sweep is made when there is enough to free. All lists are in the
 * arena, so they survive the death of a sweeper. */
#include "family/retire.h"

#include "os/os.h"

#include <sched.h>
#include <stdlib.h>

enum { DUE_COUNT = 128, TOO_MUCH = 4, NAMED_QUICK = 256 };
static const uint64_t DUE_WEIGHT = 4 << 20;
static const prong_time WAIT_FOR_SWEEPER = PRONG_MS(50);

static struct guard *retire_guard(void) {
    return &arena()->objects_guard;
}

static struct retired *retired(void) {
    return &arena()->retired;
}

static void retire_set(uint64_t *word, uint64_t value) {
    guard_set(retire_guard(), word, value);
}

void object_retire(struct object *object) {
    struct retired *r = retired();
    uint64_t (*weigh)(void *) = object_types[object->kind]->weigh;
    uint64_t weight = weigh ? weigh(object) : 0, offset = arena_offset(object);
    if (!guard_enter(retire_guard(), PRONG_FOREVER)) return; /* it is freed when this process ends */
    retire_set((uint64_t *)&object->state, OBJECT_RETIRED);
    retire_set((uint64_t *)&object->generation, 0);
    retire_set(&object->next_free, r->first);
    if (!r->first) retire_set(&r->last, offset);
    retire_set(&r->first, offset);
    retire_set(&r->count, r->count + 1);
    retire_set(&r->weight, r->weight + weight);
    guard_leave(retire_guard());
}

/* --- which objects the rows name --- */

struct named {
    uint64_t *offsets, quick[NAMED_QUICK];
    size_t count, capacity;
    bool complete;
};

static void named_add(uint64_t offset, void *context) {
    struct named *named = context;
    if (named->count == named->capacity) {
        size_t capacity = named->capacity * 2;
        bool moved = named->offsets == named->quick;
        uint64_t *more = realloc(moved ? NULL : named->offsets, capacity * sizeof *more);
        if (!more) {
            named->complete = false;
            return;
        }
        for (size_t i = 0; moved && i < named->count; i++) more[i] = named->quick[i];
        named->offsets = more;
        named->capacity = capacity;
    }
    named->offsets[named->count++] = offset;
}

static int named_compare(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

static void named_gather(struct named *named) {
    named->offsets = named->quick;
    named->count = 0;
    named->capacity = NAMED_QUICK;
    named->complete = true;
    threads_each_entry(named_add, named);
    qsort(named->offsets, named->count, sizeof *named->offsets, named_compare);
}

static void named_free(struct named *named) {
    if (named->offsets != named->quick) free(named->offsets);
}

static bool named_holds(const struct named *named, uint64_t offset) {
    return bsearch(&offset, named->offsets, named->count, sizeof offset, named_compare) != NULL;
}

/* --- sweeping: one member at a time --- */

static QUICK_LOCAL bool sweeps; /* the calling thread */

static bool sweep_begin(void) {
    lock_t *lock = &retired()->sweeping;
    uint32_t holder = 0;
    if (atomic_compare_exchange_strong(&lock->word, &holder, self_token())) return true;
    /* By this process, too: another thread is sweeping, or a signal handler has interrupted a sweep. */
    return holder != self_token() && !member_alive(holder) &&
           atomic_compare_exchange_strong(&lock->word, &holder, self_token());
}

static void sweep_end(void) {
    atomic_store(&retired()->sweeping.word, 0);
}

/* Puts what was retired so far in front of what is parked. What is retired from now on has to wait for the next
 * barrier. */
static bool sweep_take_retired(void) {
    struct retired *r = retired();
    if (!guard_enter(retire_guard(), PRONG_FOREVER)) return false;
    if (r->first) {
        retire_set(&((struct object *)arena_at(r->last))->next_free, r->parked);
        retire_set(&r->parked, r->first);
        retire_set(&r->first, 0);
        retire_set(&r->last, 0);
        retire_set(&r->count, 0);
        retire_set(&r->weight, 0);
    }
    guard_leave(retire_guard());
    return true;
}

/* Under the guard at once: frees an object that was disposed of (or NULL), and takes the parked object that `link`
 * refers to (or NULL) off the list. This process then has to free that, or, if it dies, the process that buries it. */
static bool sweep_step(struct object *disposed, uint64_t *link) {
    if (!guard_enter(retire_guard(), PRONG_FOREVER)) return false;
    if (disposed) object_free_inside(disposed);
    if (link) {
        struct object *object = arena_at(*link);
        object_touch(object);
        retire_set(link, object->next_free);
        retire_set((uint64_t *)&object->generation, (uint64_t)self_token() << 1);
    }
    guard_leave(retire_guard());
    return true;
}

static void sweep_parked(const struct named *named) {
    struct object *disposed = NULL;
    for (uint64_t *link = &retired()->parked; *link;) {
        struct object *object = arena_at(*link);
        if (named_holds(named, *link)) {
            link = &object->next_free;
        } else {
            if (!sweep_step(disposed, link)) return;
            disposed = object_types[object->kind]->dispose(object) ? object : NULL;
        }
    }
    if (disposed) sweep_step(disposed, NULL);
}

/* The barrier pairs with the order in visit_write: an entry made before it is seen; a thread that makes one after it sees a
 * generation of 0. A process that can make no barrier leaves the sweep to one that can. */
static bool sweep_barrier(void) {
    atomic_thread_fence(memory_order_seq_cst);
    return os_barrier_everywhere() || atomic_load(&arena()->all_fence);
}

/* False: another thread is sweeping. */
static bool sweep_all(void) {
    struct named named;
    if (!__atomic_load_n(&retired()->first, __ATOMIC_RELAXED) && !__atomic_load_n(&retired()->parked, __ATOMIC_RELAXED))
        return true;
    if (!sweep_begin()) return false;
    sweeps = true;
    if (sweep_take_retired() && sweep_barrier()) {
        named_gather(&named);
        if (named.complete) sweep_parked(&named);
        named_free(&named);
    }
    sweeps = false;
    sweep_end();
    return true;
}

void retired_sweep(void) {
    sweep_all();
}

/* Whether `times` as much has been retired as makes a sweep worth its cost. */
static bool sweep_is_due(uint64_t times) {
    const struct retired *r = retired();
    uint64_t count = __atomic_load_n(&r->count, __ATOMIC_RELAXED);
    return __atomic_load_n(&r->weight, __ATOMIC_RELAXED) >= times * DUE_WEIGHT ||
           (count >= times * DUE_COUNT && count >= times * 2 * threads_count());
}

/* The thread that sweeps may not get a processor while others destroy more and more: so these yield to it; not the sweeper
 * itself, which destroys what an object consists of. A fork copies that mark, but not the lock. */
void retired_sweep_if_due(void) {
    if (sweeps && lock_held_by(&retired()->sweeping, self_token())) return;
    if (!sweep_is_due(1) || sweep_all() || !sweep_is_due(TOO_MUCH)) return;
    for (deadline_t end = deadline_after(WAIT_FOR_SWEEPER);
         !sweep_all() && sweep_is_due(TOO_MUCH) && clock_now() < end;)
        sched_yield();
}
