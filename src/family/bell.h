/* The bell of an object is behind the descriptor that fileno() gives: readable exactly while the object is ready (has
 * what its waiters wait for) or destroyed. It belongs to the object: one pipe, with a byte in it while the object is
 * ready. Every process that asked for a descriptor has it open (a holder); every process that changes the object opens
 * it when it has to. */
#ifndef FAMILY_BELL_H
#define FAMILY_BELL_H

#include "family/object.h"

/* The part of a bell in the arena. All zero: no bell, and none can be made until object_bell_init. */
struct object_bell {
    _Atomic uint32_t flags;      /* there are descriptors: see holders.h. A channel has this word elsewhere */
    uint32_t inset;              /* its offset in its object; 0: none yet; BELL_OF_CHANNEL */
    lock_t lock;                 /* of what is below, but for rung */
    _Atomic uint32_t addressed;  /* a process has rung by address */
    _Atomic uint64_t rung;       /* see bell.c; goes on from one bell to the next */
    _Atomic uint64_t generation; /* of what the object was when the bell was made */
    _Atomic uint64_t device, inode;
    uint64_t holders, pending; /* blocks */
};

enum { BELL_OF_CHANNEL = 0xffff };

/* Initializes the bell of an object whose kind has `ready` in its object_type. To be called before the object is
 * published. */
static inline void object_bell_init(struct object_bell *bell, void *object) {
    bell->inset = (uint32_t)((char *)bell - (char *)object);
}

/* What a bell asks of a channel, which is a part of an object; defined by the higher layer. */
struct bell_owner {
    void *(*object)(struct object_bell *bell);
    _Atomic uint32_t *(*flags)(struct object_bell *bell);
    uint64_t (*generation)(struct object_bell *bell);
    bool (*ready)(struct object_bell *bell);
};
extern HIDDEN const struct bell_owner channel_bell_owner;

/* This process's descriptor for the object, the same one at each call. PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_STALE;
 * PRONG_TIMEOUT when a stopped process is in the middle of this. */
prong_status object_bell_open(struct object_bell *bell, uint64_t generation, int *descriptor);
/* This process needs the descriptor no longer, or the object of that generation was destroyed. */
void object_bell_close(struct object_bell *bell, uint64_t generation);
/* To be called in a process that has just become a member. A forked child has its parent's descriptors, under the same
 * numbers: so it becomes a holder, too. */
void bells_of_child(void);

void object_bell_settle_up(struct object_bell *bell);
void object_bell_settle_down(struct object_bell *bell);
void object_bell_settle(struct object_bell *bell);

/* To be called after a sequentially consistent operation that follows the change. So either a process that switches the
 * bell on and then checks the object sees the change, or this call sees the bell. Only a load while there is no
 * bell. */
static inline bool object_bell_is_on(struct object_bell *bell) {
    return __builtin_expect(atomic_load(&bell->flags) != 0, 0);
}
/* It may be ready now. */
static inline void object_bell_after_ready(struct object_bell *bell) {
    if (object_bell_is_on(bell)) object_bell_settle_up(bell);
}
/* It may be ready no longer. */
static inline void object_bell_after_unready(struct object_bell *bell) {
    if (object_bell_is_on(bell)) object_bell_settle_down(bell);
}
/* A caller found the object not ready: corrects what a dead or stopped process left. */
static inline void object_bell_after_nothing(struct object_bell *bell) {
    if (object_bell_is_on(bell)) object_bell_settle(bell);
}

/* The object is destroyed: readable from now on, in all its holders, forever. Costs next to nothing if no process has
 * asked for a descriptor. False: a stopped process is in the middle of it. */
bool object_bell_end(struct object_bell *bell);
/* No thread is inside of the object any more: frees the bell's memory, after that. False: as object_bell_end. */
bool object_bell_dispose(struct object_bell *bell);
/* A member died: removes it from the holders, and corrects the bell, which it may have left wrong. */
void object_bell_recover(struct object_bell *bell, uint32_t dead);
/* It was inside of the object: wakes those that wait for the bell's lock. */
static inline void object_bell_wake(struct object_bell *bell) {
    lock_wake(&bell->lock);
}

#endif
