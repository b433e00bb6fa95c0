/* Which objects a member may have changed: the slabs of objects that it has touched. Burial recovers the objects of
 * these slabs alone, so that the end of a process costs what the process has used, not what the family has.
 *
 * A slab is in the list of a member's row before the member changes an object of it. So a member that dies just after
 * an entry is made has one too many, never one too few. Mostly its own threads add to the list: whoever creates, finds
 * or enters an object, destroys it, frees it, or recovers it for a dead member. What another process writes on a
 * member's behalf, that process adds before it writes:
 *
 *     what recovery reads of the dead                    who writes it
 *     the lock words, guards and bells of all kinds      the member, inside of the object
 *     lock, semaphore, condition, barrier: who holds,    the member, inside of the object
 *       is heir, waits, takes part
 *     queue: ledgers, private_to                         the member, inside of it; its creator
 *     share: ledgers, users                              the member, inside of it; its creator
 *     pipe: holders, closed                              the member; its parent, for what the start hands over
 *     pipe: provisional, gone                            its creator; the member that drops, or buries, the last holder
 *     an object's bell: the holders                      the member; a forked child, for what it inherits
 *     process: creator, token                            its creator, also into the list of the child that it starts
 *     pool: owner, and whether the last worker is gone   its creator, also into the lists of its workers
 *     job: submitter, freed_by                           its creator; the member that ends its last task
 *     any object: that it is being built                 its creator
 *     any object: that it is being destroyed or freed    the member that does it
 *
 * The list has no lock: a place in it is taken by an atomic addition, and is 0 until it is filled. */
#ifndef FAMILY_TOUCHED_H
#define FAMILY_TOUCHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TOUCHED_QUICK = 13 };

/* In the member's row. All zero: none. */
struct touched {
    _Alignas(64) _Atomic uint64_t all;     /* there was no memory for an entry: every slab counts */
    _Atomic uint64_t count;                /* places taken in `quick` */
    _Atomic uint64_t quick[TOUCHED_QUICK]; /* arena offsets of slabs */
    _Atomic uint64_t more;                 /* blocks of further ones, newest first */
};

/* A slab may be entered twice: by two threads at once, or by a parent and its child. */
void touched_add(uint32_t token, uint64_t slab);
/* Calls visit for each slab in the list, unless `all`. */
void touched_each(struct touched *touched, void (*visit)(uint64_t slab, void *context), void *context);
/* Empties the list. If this process dies in here, another continues. */
void touched_free(struct touched *touched);

/* What this process has in its list, by the slabs' numbers, in memory that a fork clears: a byte each. No slab
 * has the number 0. All slabs after the first TOUCHED_NUMBERS share the last number: a member that touches one of them
 * has touched all slabs. */
enum { TOUCHED_NUMBERS = 1 << 16 };
extern __attribute__((visibility("hidden"))) _Atomic uint8_t *_Atomic touched_map;

/* Whether the slab is in the list. If it is, this thread may store into its objects: the entry was stored before. See
 * touched_note. */
static inline bool touched_already(uint16_t number) {
    const _Atomic uint8_t *map = atomic_load_explicit(&touched_map, memory_order_relaxed);
    return atomic_load_explicit(&map[number], memory_order_relaxed) != 0;
}

/* Before this process touches anything: where its map is, all zero. */
void touched_use(_Atomic uint8_t *map);
/* Adds the slab to this process's list. */
void touched_note(uint16_t number, uint64_t slab);

#endif
