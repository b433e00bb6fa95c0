/* The arena: one shared memory object for the whole family, and the header at its beginning. */
#ifndef FAMILY_ARENA_H
#define FAMILY_ARENA_H

#include "family/guard.h"
#include "family/lookout.h"

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
    uint64_t end;        /* and never reach beyond this, which is lowered if a member has too little address space */
    uint64_t last_size;  /* size of the block that ends at top, 0 when there is none */
    uint64_t committed;  /* memory is reserved up to here */
    uint64_t room;       /* bytes to be had before the memory control groups are asked again */
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

/* Destroyed objects whose memory is not free yet, linked by next_free; see retire.c. Changed under the objects' guard. */
struct retired {
    lock_t sweeping;        /* held by the sweeper */
    uint64_t first, last;   /* since the last sweep, newest first */
    uint64_t count, weight; /* of these; in bytes */
    uint64_t parked;        /* from before it: a thread was inside of them, or the sweeper died */
};

/* What was recovered from dead members, for prong_family_report: the newest RECOVERY_NOTES of `count`. */
struct recovery_notes {
    _Atomic uint64_t count;
    char text[RECOVERY_NOTES][120];
};

struct arena {
    uint64_t magic;
    uint64_t secret[2]; /* random; a new image must know it, see arena_is_meant */
    uint64_t version;
    uint64_t layout; /* of all that is in it: images of other builds attach if theirs is the same */
    uint64_t size;
    uint64_t nonce; /* random; makes handles of other families invalid here */
    _Atomic uint64_t next_generation;
    uint64_t slab_numbers; /* the newest slab's; under the objects' guard, and one may be left out */
    _Atomic uint64_t
        journal_overflows; /* words that did not fit into a guard's journal: 0, or an operation is too long */
    _Atomic uint64_t first_namespace;    /* of pids: the first member's */
    _Atomic uint64_t several_namespaces; /* members are in several PID namespaces: see alive.c */
    _Atomic uint64_t deaths;             /* members recovered after dying, for statistics */
    _Atomic uint64_t looked_around;      /* the row that family_look_around looks at next */
    struct guard members_guard;
    struct guard recovery_guard;
    struct guard objects_guard;
    struct guard threads_guard;
    _Atomic uint64_t thread_slabs; /* see thread.c: newest first */
    uint64_t thread_slab_pending;  /* a slab allocated but not yet linked */
    struct retired retired;
    _Atomic uint64_t all_fence; /* no barrier reaches the members: each uses fences of its own (thread.h) */
    struct kind_table kinds[KIND_LIMIT];
    struct heap heap;
    struct recovery_notes recoveries;
    struct lookouts lookouts;
    _Atomic uint64_t waiters_used; /* rows of the waiters' table that were ever in use are below this */
    /* the member rows follow, then the waiters' table, then the heap */
};

/* Declared hidden, these are accessed directly, not through the global offset table. */
#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN char *arena_base; /* NULL before the family exists */
extern HIDDEN uint64_t
    arena_places; /* the number of 64-byte places at which an object may begin; 0 before the arena is mapped */
extern HIDDEN uint64_t arena_mapped; /* bytes that this process can reach */

static inline struct arena *arena(void) {
    return (struct arena *)(void *)arena_base;
}

static inline void *arena_at(uint64_t offset) {
    return arena_base + offset;
}

static inline uint64_t arena_offset(const void *pointer) {
    return (uint64_t)((const char *)pointer - arena_base);
}

/* The size if none is given: PRONG_ARENA_SIZE, or 64 GiB. */
prong_status arena_usual_size(uint64_t *size);
/* How much of an address space of that size the arena may take in this process. */
uint64_t arena_share_of(uint64_t address_space);
/* Makes a new arena of the wanted size, or the largest below it that limits allow. */
prong_status arena_create(uint64_t wanted, uint64_t least);
/* Whether the descriptor is of an arena with that secret, owned by this user or by root. To be asked before the arena
 * is mapped or read. */
bool arena_is_meant(int fd, const uint64_t secret[2]);
/* Whether this image was handed an arena: it has its descriptor, and would pass it on to another image. */
bool arena_is_inherited(void);
/* Unmaps the arena in this process from that offset on, which the whole family no longer uses. */
void arena_unmap_from(uint64_t end);
/* Maps the arena behind an inherited descriptor. */
prong_status arena_attach(int fd);
/* The arena's descriptor, or a new one if the program has closed it; -1 if that fails. The second function reports
 * why. */
int arena_descriptor(void);
prong_status arena_hand_over(int *fd);
/* Whether [pointer, pointer+size) lies in the arena. */
bool arena_contains(const void *pointer, uint64_t size);
/* A copy-on-write view of a range that nobody changes while the view exists. It is private to this process and to each
 * child that it forks, as ordinary memory is. NULL: no address space, or no descriptor of the arena. */
void *arena_view(uint64_t offset, uint64_t size);
void arena_end_view(void *view, uint64_t size);
/* Whether the view has no pages of its own. False if the system does not tell. */
bool arena_view_is_unwritten(const void *view, uint64_t size);

#endif
