/* Threads' rows: finding a free one, giving it back, reading all. Their slabs are never freed, so that a row can be
 * read at any time. */
#define _GNU_SOURCE
#include "family/thread.h"

#include "base/error.h"
#include "family/heap.h"
#include "os/os.h"

#include <pthread.h>
#include <string.h>

enum { SLAB_ROWS = 64 };

struct thread_slab {
    uint64_t next; /* arena offset of one made before; 0: none */
    uint64_t padding[7];
    struct thread_row rows[SLAB_ROWS];
};

QUICK_LOCAL struct thread_self thread_known = {.name = THREAD_UNKNOWN};
static bool thread_needs_fence; /* in a process that os_barrier_everywhere does not reach */

static pthread_key_t thread_end_key;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;
static bool thread_end_known;

void thread_join_barriers(void) {
    thread_needs_fence = !os_barrier_join();
}

void thread_agree_on_fences(bool made_arena) {
    if (made_arena) atomic_store(&arena()->all_fence, thread_needs_fence);
    if (atomic_load(&arena()->all_fence)) thread_needs_fence = true;
}

/* --- the table --- */

static struct thread_slab *slab_first(void) {
    uint64_t offset = atomic_load(&arena()->thread_slabs);
    return offset ? arena_at(offset) : NULL;
}

static struct thread_slab *slab_after(const struct thread_slab *slab) {
    return slab->next ? arena_at(slab->next) : NULL;
}

/* The slab waits in `pending` until it is linked, so that none is lost. */
static bool slab_add(void) {
    struct arena *a = arena();
    struct guard *guard = &a->threads_guard;
    if (!guard_enter(guard, PRONG_FOREVER)) return false;
    bool there = a->thread_slab_pending || !heap_alloc(sizeof(struct thread_slab), 0, &a->thread_slab_pending, NULL);
    if (there) {
        struct thread_slab *slab = arena_at(a->thread_slab_pending);
        memset(slab, 0, sizeof *slab);
        slab->next = atomic_load(&a->thread_slabs);
        guard_set(guard, (uint64_t *)&a->thread_slabs, a->thread_slab_pending);
        guard_set(guard, &a->thread_slab_pending, 0);
    }
    guard_leave(guard);
    return there;
}

static struct thread_row *row_claim_in(struct thread_slab *slab, uint64_t who) {
    for (int i = 0; i < SLAB_ROWS; i++) {
        uint64_t nobody = 0;
        struct thread_row *row = &slab->rows[i];
        if (atomic_load_explicit(&row->who, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&row->who, &nobody, who))
            return row;
    }
    return NULL;
}

static struct thread_row *row_claim(uint64_t who) {
    do
        for (struct thread_slab *slab = slab_first(); slab; slab = slab_after(slab)) {
            struct thread_row *row = row_claim_in(slab, who);
            if (row) return row;
        }
    while (slab_add());
    return NULL;
}

static void row_free(struct thread_row *row) {
    atomic_store(&row->depth, 0);
    atomic_store(&row->who, 0);
}

/* --- the calling thread's --- */

static void thread_ends(void *row) {
    if (thread_known.row == row && thread_known.token == self_token() && self_token()) row_free(row);
    thread_known = (struct thread_self){.name = THREAD_UNKNOWN};
}

static void thread_make_key(void) {
    thread_end_known = pthread_key_create(&thread_end_key, thread_ends) == 0;
}

/* Rows are aligned to 64 bytes: 31 bits are enough for 128 GiB. Of a row behind that, and without one, place is 0. */
static uint64_t thread_name(uint32_t token, struct thread_row *row) {
    uint64_t place = row ? arena_offset(row) / 64 : 0;
    return (uint64_t)token << 32 | (place <= INT32_MAX ? place : 0);
}

/* A row of the parent's thread stays with the parent. Without a thread-specific key, a row is given back only when the
 * process ends. */
void thread_know_self(void) {
    uint32_t token = self_token(), thread = os_thread_id();
    thread_known =
        (struct thread_self){.thread = thread, .token = token, .member = member_row(token), .name = THREAD_UNKNOWN};
    if (!token || !member_has_row(token)) return;
    thread_known.row = row_claim((uint64_t)token << 32 | thread);
    if (thread_known.row) atomic_store(&thread_known.row->holding, 0); /* its last thread may have died inside */
    thread_known.name = thread_name(token, thread_known.row);
    thread_known.quick = thread_needs_fence ? 0 : INSIDE_QUICK;
    pthread_once(&thread_end_once, thread_make_key);
    if (thread_end_known) pthread_setspecific(thread_end_key, thread_known.row);
}

static prong_status row_extend(struct thread_row *row) {
    uint64_t block;
    if (atomic_load(&row->more)) return PRONG_OK;
    prong_status status = heap_alloc(INSIDE_MORE * sizeof(uint64_t), 0, &block, NULL);
    if (status >= 0) memset(arena_at(block), 0, INSIDE_MORE * sizeof(uint64_t));
    if (status >= 0) atomic_store(&row->more, block);
    return status;
}

prong_status visit_begin_slow(struct visit *visit, uint64_t offset) {
    if (!token_is_of_member(self_token())) /* object_enter_slow joins the family */
        return fail_text(PRONG_STALE, "this process has not joined its family yet");
    if (thread_known.token != self_token() || !thread_known.row) thread_know_self();
    struct thread_row *row = thread_known.row;
    if (!row) return fail_text(PRONG_NO_MEMORY, "the arena has no memory for this thread's row");
    uint32_t depth = atomic_load_explicit(&row->depth, memory_order_relaxed);
    if (depth >= INSIDE_QUICK + INSIDE_MORE)
        return fail(PRONG_NO_MEMORY, "this thread is inside of %u calls of the library at once", depth);
    prong_status status = depth >= INSIDE_QUICK ? row_extend(row) : PRONG_OK;
    if (status < 0) return status;
    *visit = (struct visit){row, thread_known.token, depth};
    _Atomic uint64_t *more = arena_at(atomic_load(&row->more));
    visit_write(visit, depth < INSIDE_QUICK ? &row->inside[depth] : &more[depth - INSIDE_QUICK], offset);
    if (thread_needs_fence) atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence in retire.c */
    return PRONG_OK;
}

/* --- all --- */

static void rows_each(void (*visit)(struct thread_row *row, void *context), void *context) {
    for (struct thread_slab *slab = slab_first(); slab; slab = slab_after(slab))
        for (int i = 0; i < SLAB_ROWS; i++)
            if (atomic_load(&slab->rows[i].who)) visit(&slab->rows[i], context);
}

static void row_forget(struct thread_row *row, void *dead) {
    if (atomic_load(&row->who) >> 32 == *(uint32_t *)dead) row_free(row);
}

void threads_forget(uint32_t dead) {
    rows_each(row_forget, &dead);
}

struct dead_inside {
    uint32_t token;
    bool found;
};

static void row_find_inside(struct thread_row *row, void *context) {
    struct dead_inside *dead = context;
    dead->found |= atomic_load(&row->who) >> 32 == dead->token && atomic_load(&row->depth);
}

bool threads_inside(uint32_t dead) {
    struct dead_inside inside = {.token = dead};
    rows_each(row_find_inside, &inside);
    return inside.found;
}

struct entries {
    void (*visit)(uint64_t offset, void *context);
    void *context;
    uint32_t token; /* for row_show_of */
};

static void row_show(struct thread_row *row, void *context) {
    const struct entries *entries = context;
    uint32_t depth = atomic_load(&row->depth);
    uint64_t more = atomic_load(&row->more);
    for (uint32_t i = 0; i < depth && i < INSIDE_QUICK; i++)
        entries->visit(atomic_load(&row->inside[i]), entries->context);
    for (uint32_t i = INSIDE_QUICK; more && i < depth && i < INSIDE_QUICK + INSIDE_MORE; i++)
        entries->visit(atomic_load((_Atomic uint64_t *)arena_at(more) + i - INSIDE_QUICK), entries->context);
}

static void row_show_of(struct thread_row *row, void *context) {
    const struct entries *entries = context;
    if (atomic_load(&row->who) >> 32 == entries->token) row_show(row, context);
}

void threads_each_entry(void (*visit)(uint64_t, void *), void *context) {
    struct entries entries = {visit, context, 0};
    rows_each(row_show, &entries);
}

void threads_each_entry_of(uint32_t token, void (*visit)(uint64_t, void *), void *context) {
    struct entries entries = {visit, context, token};
    rows_each(row_show_of, &entries);
}

static void row_count(struct thread_row *row, void *count) {
    (void)row;
    ++*(uint64_t *)count;
}

uint64_t threads_count(void) {
    uint64_t count = 0;
    rows_each(row_count, &count);
    return count;
}
