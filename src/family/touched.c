/* The list of touched slabs in a member's row, and this process's own map of what is in its list. */
#include "family/touched.h"

#include "family/heap.h"
#include "family/member.h"

#include <string.h>

enum { TOUCHED_A_BLOCK = 126 };

struct touched_block {
    uint64_t next;
    _Atomic uint64_t count; /* places taken, or more */
    _Atomic uint64_t slab[TOUCHED_A_BLOCK];
};

static struct touched_block *touched_block_at(uint64_t offset) {
    return offset ? arena_at(offset) : NULL;
}

/* --- the list --- */

static bool touched_place(_Atomic uint64_t *count, _Atomic uint64_t *places, uint64_t most, uint64_t slab) {
    if (atomic_load_explicit(count, memory_order_relaxed) >= most) return false;
    uint64_t place = atomic_fetch_add(count, 1);
    if (place < most) atomic_store(&places[place], slab);
    return place < most;
}

/* Links a block in front of `newest`, unless another thread has done so. Until then the block is lent to the member, so
 * that none is lost. */
static bool touched_extend(struct member *row, uint32_t token, uint64_t newest) {
    uint64_t block;
    atomic_fetch_add(&row->held, 1);
    bool there = heap_alloc(sizeof(struct touched_block), token, NULL, &block) >= 0;
    if (there) {
        struct touched_block *made = arena_at(block);
        memset(made, 0, sizeof *made);
        made->next = newest;
        if (atomic_compare_exchange_strong(&row->touched.more, &newest, block))
            __atomic_store_n(&heap_header(block)->owner, 0, __ATOMIC_RELAXED);
        else
            heap_free(block, NULL);
    }
    atomic_fetch_sub(&row->held, 1);
    return there;
}

void touched_add(uint32_t token, uint64_t slab) {
    struct member *row = member_row(token);
    struct touched *touched = &row->touched;
    if (atomic_load(&touched->all) || touched_place(&touched->count, touched->quick, TOUCHED_QUICK, slab)) return;
    for (;;) {
        uint64_t newest = atomic_load(&touched->more);
        struct touched_block *block = touched_block_at(newest);
        if (block && touched_place(&block->count, block->slab, TOUCHED_A_BLOCK, slab)) return;
        if (touched_extend(row, token, newest)) continue;
        atomic_store(&touched->all, 1);
        return;
    }
}

static void touched_each_of(_Atomic uint64_t *places, int most, void (*visit)(uint64_t, void *), void *context) {
    for (int i = 0; i < most; i++) {
        uint64_t slab = atomic_load(&places[i]);
        if (slab) visit(slab, context);
    }
}

void touched_each(struct touched *touched, void (*visit)(uint64_t, void *), void *context) {
    touched_each_of(touched->quick, TOUCHED_QUICK, visit, context);
    for (struct touched_block *block = touched_block_at(atomic_load(&touched->more)); block;
         block = touched_block_at(block->next))
        touched_each_of(block->slab, TOUCHED_A_BLOCK, visit, context);
}

void touched_free(struct touched *touched) {
    while (atomic_load(&touched->more)) {
        uint64_t *link = (uint64_t *)&touched->more;
        while (touched_block_at(*link)->next) link = &touched_block_at(*link)->next;
        heap_free(*link, link);
    }
    for (int i = 0; i < TOUCHED_QUICK; i++) atomic_store(&touched->quick[i], 0);
    atomic_store(&touched->count, 0);
    atomic_store(&touched->all, 0);
}

/* --- this process's map --- */

static _Atomic uint8_t touched_nothing[TOUCHED_NUMBERS];
_Atomic uint8_t *_Atomic touched_map = touched_nothing;

void touched_use(_Atomic uint8_t *map) {
    atomic_store(&touched_map, map);
}

void touched_note(uint16_t number, uint64_t slab) {
    if (number == TOUCHED_NUMBERS - 1) atomic_store(&self_row()->touched.all, 1);
    touched_add(self_token(), slab);
    /* Pairs with the load in touched_already, on which the stores that follow it depend. */
    atomic_store_explicit(&atomic_load(&touched_map)[number], 1, memory_order_release);
}
