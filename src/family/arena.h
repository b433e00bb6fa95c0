/* The arena: one shared memory object for the whole family, and what stands at its beginning. */
#ifndef FAMILY_ARENA_H
#define FAMILY_ARENA_H

#include "family/guard.h"

#include <prong/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MEMBER_LIMIT = 4096, /* rows of the family table; a token has 12 bits for the row */
    BIN_LEVELS = 40,     /* powers of two of 64 bytes, up to 64 TiB */
    BIN_STEPS = 8,       /* linear steps within each */
    KIND_LIMIT = 24,
    WAITER_LIMIT = 8192,  /* threads of the family that wait in a lock or the like at one time */
    RECOVERY_NOTES = 128, /* the last ones are remembered */
};

/* See heap.c. Offsets are of block headers. */
struct heap {
    struct guard guard;
    uint64_t first, top; /* blocks fill [first, top) without a gap */
    uint64_t last_size;  /* size of the block that ends at top, 0 when there is none */
    uint64_t committed;  /* the system has promised memory up to here */
    uint64_t level_map;  /* bit l: some bin of level l is not empty */
    uint64_t step_map[BIN_LEVELS];
    uint64_t bins[BIN_LEVELS][BIN_STEPS]; /* newest free block first */
};

/* See object.c. */
struct kind_table {
    uint64_t free;    /* newest destroyed object first */
    uint64_t slabs;   /* newest slab first */
    uint64_t pending; /* a slab allocated but not yet linked */
    uint64_t live;
};

/* What was taken back from the dead, for prong_family_report: the newest RECOVERY_NOTES of `count`. */
struct recovery_notes {
    _Atomic uint64_t count;
    char text[RECOVERY_NOTES][120];
};

struct arena {
    uint64_t magic, version;
    uint64_t layout; /* of all that lies in it: images of other builds attach, if theirs is the same */
    uint64_t size;
    uint64_t nonce; /* random; makes handles of other families invalid here */
    _Atomic uint64_t next_generation;
    _Atomic uint64_t deaths; /* members recovered after dying, for statistics */
    struct guard members_guard;
    struct guard recovery_guard;
    struct guard objects_guard;
    struct kind_table kinds[KIND_LIMIT];
    struct heap heap;
    struct recovery_notes recoveries;
    _Atomic uint64_t waiters_used; /* rows of the waiters' table that were ever in use are below this */
    /* the member rows follow, then the waiters' table, then the heap */
};

/* Declared hidden, these are reached without a detour over the table of global symbols. */
#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN char *arena_base;      /* NULL before the family exists */
extern HIDDEN uint64_t arena_places; /* how many times 64 bytes an object may begin at; 0 before */

static inline struct arena *arena(void) {
    return (struct arena *)(void *)arena_base;
}

static inline void *arena_at(uint64_t offset) {
    return arena_base + offset;
}

static inline uint64_t arena_offset(const void *pointer) {
    return (uint64_t)((const char *)pointer - arena_base);
}

/* Makes a new arena of the wanted size, or the largest below it that limits allow. */
prong_status arena_create(uint64_t wanted, uint64_t least);
/* Maps the arena behind an inherited descriptor. */
prong_status arena_attach(int fd);
int arena_descriptor(void);
/* Whether [pointer, pointer+size) lies in the arena. */
bool arena_contains(const void *pointer, uint64_t size);

#endif
