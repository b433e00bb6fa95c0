/* Threads' rows (src/family: thread.h, thread.c, retire.c): the memory of a destroyed object is not used again while a thread is
 * inside of it, and a thread that enters later finds it destroyed. Entering is two plain stores and a load; the process that
 * destroys makes the barrier for both sides or, where no barrier reaches all, each side has a fence. Guards count as one step. */
#define _GNU_SOURCE
#include "explorer.h"
#include "weaken.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_NOTES 0
#define lock_note(lock) ((void)0)
#define lock_unnote() ((void)0)
#include "base/error.h"
#include "os/os.h"

#include "instrument.h"
#include "family/object.h"
#include "family/retire.h"

#pragma GCC diagnostic ignored "-Wunused-function"

enum { GENERATION = 3, KIND_ROWS = 9 };

/* As much of the arena as is used here. */
struct arena_of_rows {
    char header[64]; /* offset 0 is no place */
    _Alignas(64) struct object object;
    _Alignas(64) struct object other; /* destroyed by the second of two that sweep */
    _Alignas(64) struct thread_row rows[MODEL_THREADS];
    struct retired retired;
    struct guard objects_guard, threads_guard;
    _Atomic uint64_t all_fence, thread_slabs;
    uint64_t thread_slab_pending;
    char parked;              /* the list: read without the guard by the one that sweeps */
    char data[MODEL_THREADS]; /* the object's: each visitor uses a byte of it, the next object all */
    bool reused;
};

static struct arena_of_rows *w;
static bool no_barrier;

static struct arena_of_rows *arena_of_rows(void) {
    return w;
}

char *arena_base;
uint64_t arena_places, arena_mapped = MODEL_ARENA;
static struct self this_process;
struct self *self = &this_process;

#define arena arena_of_rows
#define self_token() ((uint32_t)(model_self() + 1) << 12)
#define fail(status, ...) (status)
#define fail_text(status, text) (status)
#define guard_enter(guard, deadline) (model_begin_atomic(), true)
#define guard_leave(guard) model_end_atomic()
#define guard_set(guard, word, value) rows_set(word, value)
#define os_barrier_everywhere()                                                                                        \
    (no_barrier ? false : (model_barrier_everywhere(MODEL_SITE("barrier", memory_order_seq_cst, 0)), true))
#define thread_known thread_of_model
#define thread_self thread_self_of_model

/* guard_set stores with release: some words are read without the guard. */
static void rows_set(uint64_t *word, uint64_t value) {
    if (word == &w->retired.parked) model_touch(&w->parked);
    atomic_store_explicit((_Atomic uint64_t *)word, value, memory_order_release);
}

#undef thread_known
#undef thread_self
#include "family/thread.c"

#define threads_each_entry rows_each_entry
static void rows_each_entry(void (*visit)(uint64_t offset, void *context), void *context) {
    struct entries entries = {visit, context};
    for (int i = 0; i < MODEL_THREADS; i++) row_show(&w->rows[i], &entries);
}
/* For each that is parked, and named or not. */
#define bsearch(...) (model_touch(&w->parked), bsearch(__VA_ARGS__))
#include "family/retire.c"
#undef bsearch

/* --- what stands around --- */

bool os_barrier_join(void) {
    return true;
}

uint32_t os_thread_id(void) {
    return 1;
}

bool member_alive(uint32_t token) {
    (void)token;
    return true;
}

bool member_has_row(uint32_t token) {
    (void)token;
    return true;
}

prong_status heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block) {
    (void)size, (void)owner, (void)into, (void)block;
    return PRONG_NO_MEMORY;
}

static bool rows_dispose(void *object) {
    (void)object;
    return true;
}

/* The next object in the memory. */
void object_free_inside(struct object *object) {
    if (object == &w->other) return;
    model_check(object == &w->object);
    for (int i = 1; i < MODEL_THREADS; i++) model_use(&w->data[i]);
    w->reused = true;
}

static const struct object_type rows_type = {.name = "object", .dispose = rows_dispose};
const struct object_type *const object_types[KIND_LIMIT] = {[KIND_ROWS] = &rows_type};

/* --- what the threads do --- */

static void enter(int thread) {
    this_process.token = (uint32_t)(thread + 1) << 12;
    uint32_t quick = no_barrier ? 0 : INSIDE_QUICK;
    thread_known =
        (struct thread_self){.thread = 1, .token = this_process.token, .row = &w->rows[thread], .quick = quick};
}

/* As object_enter. */
static bool enter_object(struct visit *visit) {
    return visit_begin(visit, arena_offset(&w->object)) == PRONG_OK &&
           object_is_live(KIND_ROWS, arena_offset(&w->object), GENERATION);
}

static void visit_object(int thread) {
    struct visit visit = {0};
    if (enter_object(&visit)) {
        model_use(&w->data[thread]);
        model_check(!w->reused);
    }
    visit_end(&visit);
}

/* As object_destroy_from, and the sweep that comes some time after it. */
static void destroy_object(struct object *object) {
    uint64_t generation = GENERATION;
    if (!atomic_compare_exchange_strong(&object->generation, &generation, (uint64_t)self_token() << 1)) return;
    object_retire(object);
    retired_sweep();
}

static int visits;

static void run(int thread) {
    if (thread == 0) destroy_object(&w->object);
    for (int i = 0; thread > 0 && i < visits; i++) visit_object(thread);
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    w->object.kind = KIND_ROWS;
    w->object.generation = GENERATION;
    w->all_fence = no_barrier;
    thread_needs_fence = no_barrier;
}

/* Either it is used again, or it is parked. */
static void finish(void) {
    model_check(w->reused || w->retired.parked || w->retired.first);
}

/* --- two that sweep, each its own object; a thread stays inside of the first one, which is parked for good --- */

static void prepare_two(void) {
    prepare();
    w->other.kind = KIND_ROWS;
    w->other.generation = GENERATION;
    w->rows[2].depth = 1;
    w->rows[2].inside[0] = arena_offset(&w->object);
}

static void run_two(int thread) {
    destroy_object(thread ? &w->other : &w->object);
}

static void finish_two(void) {
    model_check(!w->reused && (w->retired.parked || w->retired.first));
    model_check(w->retired.sweeping.word == 0);
}

static int explore_two(void) {
    no_barrier = false;
    return model_explore(&(struct model){.name = "rows: two that sweep, 2 choices",
                                         .threads = 2,
                                         .prepare = prepare_two,
                                         .run = run_two,
                                         .enter = enter,
                                         .finish = finish_two,
                                         .choices = 2});
}

static int explore(const char *name, bool fences, int threads, int each, int choices) {
    no_barrier = fences;
    visits = each;
    return model_explore(&(struct model){.name = name,
                                         .threads = threads,
                                         .prepare = prepare,
                                         .run = run,
                                         .enter = enter,
                                         .finish = finish,
                                         .choices = choices});
}

static int explore_orders(void) {
    return explore("rows: a visit, with barriers, 3 choices", false, 2, 1, 3) +
           explore("rows: a visit, with fences, 3 choices", true, 2, 1, 3) +
           explore("rows: 2 visits, with barriers, 2 choices", false, 2, 2, 2) + explore_two();
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"rows", explore_orders, explore_orders, NULL});
}
#include "uninstrument.h"
#include "untouched.h"
