/* The list of holders. Blocks are added one by one, and freed when the object is disposed of. */
#include "family/holders.h"

#include "base/periods.h"

#include "family/bell_owner.h"
#include "family/heap.h"
#include "family/object.h"

enum { HOLDERS_A_BLOCK = 29, BLOCKS_MOST = 2 * MEMBER_LIMIT / HOLDERS_A_BLOCK };
#define IN_ORDER() atomic_signal_fence(memory_order_seq_cst)

struct holders {
    uint64_t next;
    _Atomic uint64_t takes[BELL_TAKES]; /* used in the first block */
    struct holder holder[HOLDERS_A_BLOCK];
};

bool holders_lock(struct object_bell *shared) {
    return lock_acquire(&shared->lock, self_token(), deadline_after(STOPPED_AT_MOST)) != LOCK_TIMED_OUT;
}

void holders_unlock(struct object_bell *shared) {
    lock_release(&shared->lock);
}

bool holders_each(struct object_bell *shared, bool (*visit)(struct holder *, void *), void *context) {
    uint64_t at = __atomic_load_n(&shared->holders, __ATOMIC_ACQUIRE);
    for (int blocks = 0; at && object_is_place(at) && blocks < BLOCKS_MOST; blocks++) {
        struct holders *block = arena_at(at);
        for (int i = 0; i < HOLDERS_A_BLOCK; i++)
            if (atomic_load(&block->holder[i].who) && visit(&block->holder[i], context)) return true;
        at = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE);
    }
    return false;
}

/* The list begins before there is a pipe, and stays as long as a thread is inside of the object. */
_Atomic uint64_t *holders_takes(struct object_bell *shared) {
    uint64_t at = __atomic_load_n(&shared->holders, __ATOMIC_ACQUIRE);
    return at && object_is_place(at) ? ((struct holders *)arena_at(at))->takes : NULL;
}

static bool holder_counts(struct holder *holder, void *flags) {
    *(uint32_t *)flags |= holder->pipe >= 0 ? BELL_HAS_PIPE : BELL_HAS_DEAF;
    return false;
}

void holders_changed(struct object_bell *shared) {
    uint32_t flags = 0;
    holders_each(shared, holder_counts, &flags);
    if (!(flags & BELL_HAS_PIPE)) atomic_store(&shared->inode, 0);
    bell_set_flags(shared, flags);
}

/* The last link of the list. A block may be in `pending` as well, if its maker died between linking it and clearing
 * `pending`. */
static uint64_t *holders_end(struct object_bell *shared) {
    uint64_t *link = &shared->holders;
    for (; *link; link = &((struct holders *)arena_at(*link))->next)
        if (*link == shared->pending) shared->pending = 0;
    return link;
}

/* A new block waits in `pending` until it is linked, so that none is lost. */
static struct holder *holders_more(struct object_bell *shared) {
    uint64_t *link = holders_end(shared);
    if (!shared->pending && heap_alloc(sizeof(struct holders), 0, &shared->pending, NULL)) return NULL;
    struct holders *block = arena_at(shared->pending);
    block->next = 0;
    for (int i = 0; i < BELL_TAKES; i++) atomic_store(&block->takes[i], 0);
    for (int i = 0; i < HOLDERS_A_BLOCK; i++) atomic_store(&block->holder[i].who, 0);
    IN_ORDER();
    __atomic_store_n(link, shared->pending, __ATOMIC_RELEASE);
    IN_ORDER();
    shared->pending = 0;
    return &block->holder[0];
}

static struct holder *holders_place(struct object_bell *shared) {
    for (uint64_t at = shared->holders; at; at = ((struct holders *)arena_at(at))->next)
        for (int i = 0; i < HOLDERS_A_BLOCK; i++) {
            struct holder *holder = &((struct holders *)arena_at(at))->holder[i];
            if (!atomic_load(&holder->who)) return holder;
        }
    return holders_more(shared);
}

bool holders_add(struct object_bell *shared, int pipe, uint32_t address) {
    struct holder *place = holders_place(shared);
    if (!place) return false;
    place->pipe = pipe;
    place->address = address;
    atomic_store(&place->who, self_token());
    holders_changed(shared);
    return true;
}

static bool holder_leaves(struct holder *holder, void *token) {
    if (atomic_load(&holder->who) == *(uint32_t *)token) atomic_store(&holder->who, 0);
    return false;
}

void holders_remove(struct object_bell *shared, uint32_t token) {
    holders_each(shared, holder_leaves, &token);
    holders_changed(shared);
}

bool holders_are_none(const struct object_bell *shared) {
    return !shared->holders && !shared->pending;
}

/* Wherever a process died, each block is in the list, in `pending`, or in both. */
void holders_free(struct object_bell *shared) {
    holders_end(shared);
    if (shared->pending) heap_free(shared->pending, &shared->pending);
    while (shared->holders) {
        shared->pending = shared->holders;
        IN_ORDER();
        shared->holders = ((struct holders *)arena_at(shared->pending))->next;
        IN_ORDER();
        heap_free(shared->pending, &shared->pending);
    }
}
