/* The allocator: contiguous blocks with their sizes at both ends, free blocks in bins by size, two-level bit maps to
 * find a bin, free neighbours merged at once (the scheme is TLSF, by Masmano et al. 2004). Every operation is a fixed
 * number of steps. The newest free block of a bin goes first: its pages are warm, and a first touch of a fresh page
 * costs some 40 times as much.
 *
 * Invariants, all under the guard: blocks fill [first, top); no two neighbours are both free; the block that ends at
 * top is in use; a bin holds just the free blocks of its class, and its map bits say whether there are any. */
#include "family/heap.h"

#include "base/error.h"
#include "family/family.h"
#include "family/member.h"
#include "family/room.h"
#include "os/os.h"

#include <errno.h>

enum { UNIT = 64, FREE = 1, LOOK_INTO_BIN = 4 };
#define BLOCK_MAGIC 0x626c6f636b21ull
/* Memory is reserved in steps, which are small while there is little, as each page costs time. */
static const uint64_t COMMIT_STEP = 256 << 10, SMALL_STEP = 64 << 10, SMALL = 1 << 20;
/* From here on pages are reserved under the guard, and mapped after it: that is most of the work. */
static const uint64_t MUCH = 1 << 20;
static const uint64_t ROOM_STEP = 16 << 20, ROOM_STEP_UNLIMITED = 64 << 20, ROOM_UNASKED = 4 << 20;

static struct heap *heap(void) {
    return &arena()->heap;
}

static struct block *heap_block_at(uint64_t offset) {
    return arena_at(offset);
}

static uint64_t block_size(const struct block *block) {
    return block->size & ~(uint64_t)(UNIT - 1);
}

static bool block_is_free(const struct block *block) {
    return block->size & FREE;
}

static void heap_set(uint64_t *word, uint64_t value) {
    guard_set(&heap()->guard, word, value);
}

/* --- bins --- */

static void bin_class(uint64_t size, unsigned *level, unsigned *step) {
    uint64_t units = size / UNIT;
    *level = 63u - (unsigned)__builtin_clzll(units);
    uint64_t scaled = *level >= 3 ? units >> (*level - 3) : units << (3 - *level);
    *step = (unsigned)(scaled & (BIN_STEPS - 1));
}

static void bin_insert(uint64_t offset) {
    struct heap *h = heap();
    struct block *block = heap_block_at(offset);
    unsigned level, step;
    bin_class(block_size(block), &level, &step);
    uint64_t *head = &h->bins[level][step];
    heap_set(&block->next_free, *head);
    heap_set(&block->prev_free, 0);
    if (*head) heap_set(&heap_block_at(*head)->prev_free, offset);
    heap_set(head, offset);
    heap_set(&h->step_map[level], h->step_map[level] | 1ull << step);
    heap_set(&h->level_map, h->level_map | 1ull << level);
}

static void bin_remove(uint64_t offset) {
    struct heap *h = heap();
    struct block *block = heap_block_at(offset);
    unsigned level, step;
    bin_class(block_size(block), &level, &step);
    if (block->next_free) heap_set(&heap_block_at(block->next_free)->prev_free, block->prev_free);
    if (block->prev_free) {
        heap_set(&heap_block_at(block->prev_free)->next_free, block->next_free);
        return;
    }
    heap_set(&h->bins[level][step], block->next_free);
    if (block->next_free) return;
    heap_set(&h->step_map[level], h->step_map[level] & ~(1ull << step));
    if (h->step_map[level] == 0) heap_set(&h->level_map, h->level_map & ~(1ull << level));
}

/* A free block of at least this size, or 0: one of the newest of its own class, else any of a larger class. */
static uint64_t bin_find(uint64_t size) {
    struct heap *h = heap();
    unsigned level, step;
    bin_class(size, &level, &step);
    uint64_t offset = h->bins[level][step];
    for (int i = 0; offset && i < LOOK_INTO_BIN; i++, offset = heap_block_at(offset)->next_free)
        if (block_size(heap_block_at(offset)) >= size) return offset;
    uint64_t steps = h->step_map[level] & (~0ull << step << 1);
    if (!steps) {
        uint64_t levels = h->level_map & (~0ull << level << 1);
        if (!levels) return 0;
        level = (unsigned)__builtin_ctzll(levels);
        steps = h->step_map[level];
    }
    return h->bins[level][__builtin_ctzll(steps)];
}

/* --- blocks --- */

/* Stores, in the block that begins at `end`, the new size of the block before it. */
static void set_size_before(uint64_t end, uint64_t size) {
    struct heap *h = heap();
    heap_set(end == h->top ? &h->last_size : &heap_block_at(end)->prev_size, size);
}

static void block_split(uint64_t offset, uint64_t size) {
    struct block *block = heap_block_at(offset);
    uint64_t rest = block_size(block) - size;
    if (rest < 2 * UNIT) return;
    struct block *tail = heap_block_at(offset + size);
    heap_set(&tail->size, rest | FREE);
    heap_set(&tail->prev_size, size);
    heap_set(&tail->magic, BLOCK_MAGIC);
    heap_set(&tail->given_back, block->given_back);
    set_size_before(offset + size + rest, rest);
    heap_set(&block->size, size);
    bin_insert(offset + size);
}

static prong_status heap_no_memory(uint64_t size) {
    return fail_errno("the system has no memory for %llu more bytes of the arena", (unsigned long long)size);
}

static int heap_reserve(uint64_t from, uint64_t size) {
    if (size < MUCH) return os_memory_commit(arena_at(from), size);
    return os_memory_reserve(arena_descriptor(), arena_at(from), from, size);
}

static bool heap_commit(uint64_t size) {
    uint64_t from = heap()->committed;
    if (heap_reserve(from, size) == 0) return true;
    int number = errno;
    os_memory_release(arena_at(from), size);
    errno = number;
    return false;
}

/* The control groups are asked in steps, too, which get smaller near their limit; each process asks at least once, as
 * it may be in a group of its own. *size becomes what may be taken, which is at least `needed`. */
static prong_status find_room(uint64_t needed, uint64_t *size) {
    static uint32_t asked_by;
    struct heap *h = heap();
    uint64_t left;
    if (*size > h->room || (asked_by != self_token() && h->committed - h->first > ROOM_UNASKED)) {
        prong_status status = room_for(needed, &left);
        if (status < 0) return fail_again(status, "the arena needs %llu more bytes", (unsigned long long)needed);
        asked_by = self_token();
        h->room = left == UINT64_MAX ? ROOM_STEP_UNLIMITED : left / 8 < ROOM_STEP ? left / 8 : ROOM_STEP;
        if (left < *size) *size = needed;
    }
    h->room -= *size < h->room ? *size : h->room;
    return PRONG_OK;
}

static prong_status commit_up_to(uint64_t end) {
    struct heap *h = heap();
    if (end <= h->committed) return PRONG_OK;
    uint64_t size = end - h->committed, limit = h->end - h->committed;
    uint64_t step = h->committed - h->first < SMALL ? SMALL_STEP : COMMIT_STEP;
    uint64_t roomy = (size + step - 1) & ~(step - 1);
    if (roomy > limit) roomy = limit;
    TRY(find_room(size, &roomy));
    if (!heap_commit(roomy)) {
        if (roomy == size || !heap_commit(size)) return heap_no_memory(size);
        roomy = size;
    }
    h->committed += roomy; /* holds whatever becomes of the allocation, so not in the journal */
    return PRONG_OK;
}

static prong_status heap_extend(uint64_t size, uint64_t *offset) {
    struct heap *h = heap();
    if (size > h->end - h->top)
        return fail(PRONG_NO_MEMORY, "the arena of %llu MiB has no %llu bytes left in one piece",
                    (unsigned long long)(h->end >> 20), (unsigned long long)size);
    TRY(commit_up_to(h->top + size));
    *offset = h->top;
    struct block *block = heap_block_at(*offset);
    heap_set(&block->prev_size, h->last_size);
    heap_set(&block->size, size);
    if (block->given_back) heap_set(&block->given_back, 0);
    heap_set(&h->last_size, size);
    heap_set(&h->top, h->top + size);
    return PRONG_OK;
}

/* Reserves the part of a free block that will be used, before anything is changed: reserving memory again does no
 * harm. */
static prong_status commit_again(uint64_t offset, uint64_t size) {
    uint64_t whole = block_size(heap_block_at(offset)),
             wanted = size + sizeof(struct block); /* and the header of the rest */
    if (wanted > whole) wanted = whole;
    TRY(find_room(wanted, &wanted));
    return heap_reserve(offset, wanted) == 0 ? PRONG_OK : heap_no_memory(wanted);
}

static prong_status heap_take(uint64_t size, uint64_t *offset) {
    *offset = bin_find(size);
    if (!*offset) return heap_extend(size, offset);
    struct block *block = heap_block_at(*offset);
    if (block->given_back) TRY(commit_again(*offset, size));
    bin_remove(*offset);
    block_split(*offset, size);
    heap_set(&block->size, block_size(block));
    if (block->given_back) heap_set(&block->given_back, 0);
    return PRONG_OK;
}

/* Not in the journal: reserving memory again does no harm. */
static void sink_committed(uint64_t top) {
    struct heap *h = heap();
    uint64_t end = (top + 4095) & ~4095ull;
    if (h->committed > end) h->committed = end;
}

static void heap_give_back(uint64_t offset) {
    struct heap *h = heap();
    uint64_t size = block_size(heap_block_at(offset)), given_back = 0;
    if (offset + size < h->top && block_is_free(heap_block_at(offset + size))) {
        bin_remove(offset + size);
        given_back |= heap_block_at(offset + size)->given_back;
        size += block_size(heap_block_at(offset + size));
    }
    uint64_t before = heap_block_at(offset)->prev_size;
    if (before && block_is_free(heap_block_at(offset - before))) {
        offset -= before;
        bin_remove(offset);
        given_back |= heap_block_at(offset)->given_back;
        size += before;
    }
    struct block *block = heap_block_at(offset);
    if (offset + size == h->top) { /* the last one: lower the top; the next block gets warm pages */
        heap_set(&h->last_size, block->prev_size);
        heap_set(&h->top, offset);
        if (given_back) sink_committed(offset);
        return;
    }
    heap_set(&block->size, size | FREE);
    if (block->given_back != given_back) heap_set(&block->given_back, given_back);
    set_size_before(offset + size, size);
    bin_insert(offset);
}

/* --- the interface --- */

static prong_status heap_enter(void) {
    if (guard_enter(&heap()->guard, PRONG_FOREVER)) return PRONG_OK;
    return lock_refused(PRONG_TIMEOUT, "the allocator");
}

prong_status heap_alloc(uint64_t wanted, uint32_t owner, uint64_t *into, uint64_t *block) {
    if (wanted > heap()->end)
        return fail(PRONG_NO_MEMORY, "%llu bytes are more than the whole arena of %llu MiB", (unsigned long long)wanted,
                    (unsigned long long)(heap()->end >> 20));
    uint64_t size = (wanted + sizeof(struct block) + UNIT - 1) & ~(uint64_t)(UNIT - 1), offset;
    if (size < 2 * UNIT) size = 2 * UNIT;
    TRY(heap_enter());
    prong_status status = heap_take(size, &offset);
    if (status >= 0) {
        struct block *header = heap_block_at(offset);
        heap_set(&header->owner, owner);
        heap_set(&header->wanted, wanted);
        heap_set(&header->magic, BLOCK_MAGIC);
        if (into) heap_set(into, offset + sizeof(struct block));
        if (block) *block = offset + sizeof(struct block);
    } else {
        guard_undo(&heap()->guard);
    }
    guard_leave(&heap()->guard);
    if (status >= 0 && size >= MUCH) os_memory_prefault(heap_block_at(offset), size);
    return status;
}

struct block *heap_block(uint64_t block) {
    if (block % UNIT || block < heap()->first + sizeof(struct block) || block >= arena_mapped) return NULL;
    struct block *header = heap_header(block);
    return header->magic == BLOCK_MAGIC && !block_is_free(header) ? header : NULL;
}

prong_status heap_free(uint64_t block, uint64_t *from) {
    prong_status status = heap_enter();
    if (status < 0) return status;
    if (heap_block(block)) {
        heap_set(&heap_header(block)->magic, 0);
        heap_give_back(block - sizeof(struct block));
        if (from) heap_set(from, 0);
    } else {
        status = fail(PRONG_STALE, "no block in use begins at offset %llu", (unsigned long long)block);
    }
    guard_leave(&heap()->guard);
    return status;
}

void heap_free_owned(uint32_t owner) {
    struct heap *h = heap();
    if (heap_enter()) return;
    for (uint64_t offset = h->first; offset < h->top;) {
        struct block *block = heap_block_at(offset);
        uint64_t next = offset + block_size(block);
        if (!block_is_free(block) && __atomic_load_n(&block->owner, __ATOMIC_RELAXED) == owner) {
            uint64_t before = block->prev_size;
            bool joins = before && block_is_free(heap_block_at(offset - before));
            heap_set(&block->magic, 0);
            heap_give_back(offset);
            guard_commit(&h->guard); /* each block is an operation of its own */
            next = joins ? offset - before : offset;
            if (next < h->top && block_is_free(heap_block_at(next))) next += block_size(heap_block_at(next));
        }
        offset = next;
    }
    guard_leave(&h->guard);
}

void heap_lay_out(uint64_t from) {
    heap()->first = heap()->top = from;
    heap()->committed = from + HEAP_BEGINNING;
    heap()->end = arena_mapped;
    heap()->room = ROOM_UNASKED;
}

/* --- checking, fitting, trimming --- */

static prong_status check_bins(uint64_t free_blocks) {
    struct heap *h = heap();
    uint64_t found = 0;
    for (unsigned level = 0; level < BIN_LEVELS; level++)
        for (unsigned step = 0; step < BIN_STEPS; step++) {
            uint64_t before = 0, head = h->bins[level][step];
            if (!head != !(h->step_map[level] >> step & 1))
                return fail(PRONG_SYSTEM, "arena: bin %u/%u and its map bit disagree", level, step);
            for (uint64_t at = head; at; before = at, at = heap_block_at(at)->next_free) {
                unsigned l, s;
                if (at < h->first || at >= h->top || !block_is_free(heap_block_at(at)) ||
                    heap_block_at(at)->prev_free != before)
                    return fail(PRONG_SYSTEM, "arena: bin %u/%u is broken at %llu", level, step,
                                (unsigned long long)at);
                bin_class(block_size(heap_block_at(at)), &l, &s);
                if (l != level || s != step || ++found > free_blocks)
                    return fail(PRONG_SYSTEM, "arena: block %llu is in the wrong bin", (unsigned long long)at);
            }
        }
    if (found != free_blocks)
        return fail(PRONG_SYSTEM, "arena: %llu free blocks, %llu in bins", (unsigned long long)free_blocks,
                    (unsigned long long)found);
    return PRONG_OK;
}

static prong_status check_blocks(struct heap_summary *sum) {
    struct heap *h = heap();
    uint64_t before = 0;
    bool was_free = false;
    for (uint64_t at = h->first; at < h->top; at += before) {
        struct block *block = heap_block_at(at);
        uint64_t size = block_size(block);
        if (size < 2 * UNIT || size > h->top - at || block->prev_size != before || (was_free && block_is_free(block)))
            return fail(PRONG_SYSTEM, "arena: block %llu does not fit its neighbours", (unsigned long long)at);
        if (block_is_free(block)) {
            sum->free_bytes += size;
            sum->free_blocks++;
        } else {
            if (block->magic != BLOCK_MAGIC)
                return fail(PRONG_SYSTEM, "arena: the header of block %llu was overwritten", (unsigned long long)at);
            sum->used_bytes += size;
            sum->used_blocks++;
            sum->owned_blocks += block->owner != 0;
        }
        was_free = block_is_free(block);
        before = size;
    }
    if (h->last_size != before || was_free) return fail(PRONG_SYSTEM, "arena: the last block and the top disagree");
    return PRONG_OK;
}

prong_status heap_check(struct heap_summary *summary) {
    TRY(heap_enter());
    *summary = (struct heap_summary){.top = heap()->top, .committed = heap()->committed};
    prong_status status = check_blocks(summary);
    if (status >= 0) status = check_bins(summary->free_blocks);
    guard_leave(&heap()->guard);
    return status;
}

void heap_trim(void) {
    struct heap *h = heap();
    if (heap_enter()) return;
    for (uint64_t at = h->first; at < h->top; at += block_size(heap_block_at(at)))
        if (block_is_free(heap_block_at(at))) {
            uint64_t end = at + block_size(heap_block_at(at)), from = at + sizeof(struct block);
            heap_block_at(at)->given_back = 1; /* before it is true */
            os_memory_release(arena_at(from), end - from);
        }
    if (h->committed > h->top) os_memory_release(arena_at(h->top), h->committed - h->top);
    sink_committed(h->top);
    h->room = 0;
    guard_leave(&h->guard);
}

/* In steps of the largest page. */
static uint64_t in_whole_pages(uint64_t size) {
    const uint64_t page = 64 << 10;
    return (size + page - 1) & ~(page - 1);
}

prong_status heap_sink_end(uint64_t wanted) {
    struct heap *h = heap();
    TRY(heap_enter());
    uint64_t least = in_whole_pages(h->committed + COMMIT_STEP), end = in_whole_pages(wanted);
    if (end < PRONG_ARENA_LEAST) end = PRONG_ARENA_LEAST;
    if (end < least) end = least;
    if (end < h->end) h->end = end;
    arena_unmap_from(h->end);
    guard_leave(&h->guard);
    return PRONG_OK;
}
