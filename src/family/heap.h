/* The arena's allocator. A block is named by the offset of its payload, which is aligned to 64 bytes. */
#ifndef FAMILY_HEAP_H
#define FAMILY_HEAP_H

#include "family/arena.h"

/* A block without an owner belongs to the structure that refers to it, or to the whole family. A block with an owner is
 * lent to that member (reserved, or received and not yet released), and is freed when the member dies. */
struct block {
    uint64_t size;      /* of the whole block, a multiple of 64; bit 0: free */
    uint64_t prev_size; /* of the block just before, 0 for the first */
    uint64_t next_free, prev_free;
    uint64_t owner;  /* member token or 0 */
    uint64_t wanted; /* payload bytes asked for */
    uint64_t magic;
    uint64_t given_back; /* 1: pages in this free block were given back to the system, and are to be asked for again */
};

/* Allocates size bytes. into, if not NULL, is a word of the arena that gets the block's offset in the same atomic step,
 * so that no death leaks the block. *block may be NULL then. */
prong_status heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block);
/* Frees the block; from, when not NULL, is a word of the arena that becomes 0 in the same step. */
prong_status heap_free(uint64_t block, uint64_t *from);
/* Frees every block that was lent to a dead member. */
void heap_free_owned(uint32_t owner);

/* The header of a block; NULL when no block in use begins there. */
struct block *heap_block(uint64_t block);
static inline struct block *heap_header(uint64_t block) {
    return (struct block *)arena_at(block - sizeof(struct block));
}

/* Where the heap begins; its first bytes have been asked of the system. */
enum { HEAP_BEGINNING = 128 << 10 };
void heap_lay_out(uint64_t from);

struct heap_summary {
    uint64_t used_bytes, used_blocks, free_bytes, free_blocks, owned_blocks, top, committed;
};
/* Walks all blocks, free lists and bit maps; the message of a failure names what is wrong and where. */
prong_status heap_check(struct heap_summary *summary);
/* From now on no block of the family is beyond `wanted`, or beyond the end of what is in use; this process unmaps the
 * rest. */
prong_status heap_sink_end(uint64_t wanted);
/* Gives the pages inside free blocks back to the system. */
void heap_trim(void);

#endif
