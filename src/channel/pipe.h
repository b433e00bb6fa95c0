/* A pipe and its two ends, and a call's use of one. Private to pipe.c, end.c and connection.c. */
#ifndef CHANNEL_PIPE_H
#define CHANNEL_PIPE_H

#include "base/error.h"
#include "channel/connection.h"
#include "family/member.h"

enum { SIDES = 2, HOLDER_WORDS = MEMBER_LIMIT / 64 };
#define PASSING_ON (1ull << 32) /* in `provisional`, beside the maker's token: the maker's hold is being ended */

/* The handle of an end is that of the pipe with the side in the lowest bit of the offset. */
struct end {
    _Atomic uint64_t holders[HOLDER_WORDS]; /* a bit a row of the family table */
    _Atomic uint64_t closed[HOLDER_WORDS];  /* rows that held it once and closed it */
    _Atomic uint64_t provisional;           /* the maker's token, while it has not used the end */
    _Atomic uint64_t gone;                  /* the pipe's generation, and how far: see end_gone_by */
    _Atomic uint64_t posted;                /* on the way in messages: the number of holds that have no holder yet */
    _Atomic uint64_t ended;                 /* holds that have ended so far, each counted just before it ends */
    uint64_t padding[4];
};

struct pipe {
    struct object object;
    _Alignas(64) struct end end[SIDES];
    bool one_way; /* side 0 receives, side 1 sends */
    struct channel to[SIDES];
};

/* A call's use of an end: inside of the pipe until the end of the block. */
struct use {
    struct visit inside;
    struct pipe *pipe;
    unsigned side;
};

static inline void use_end(struct use *use) {
    visit_end(&use->inside);
}

#define USE __attribute__((cleanup(use_end))) struct use

/* --- end.c: the holders of an end --- */

static inline uint32_t end_row(uint32_t token) {
    return token & (MEMBER_LIMIT - 1);
}

static inline bool end_bit(_Atomic uint64_t *bits, uint32_t row) {
    return atomic_load_explicit(&bits[row / 64], memory_order_relaxed) >> row % 64 & 1;
}

void end_set_bit(_Atomic uint64_t *bits, uint32_t row);
void end_clear_bit(_Atomic uint64_t *bits, uint32_t row);

/* The value of an end's `gone` in a pipe of this generation. by: 0 while the end is in use; a member's token while that
 * member tells the other side; GONE when that is done. It includes the generation, since two members may find at the
 * same time that the end has no holder: when the slower one stores it, the pipe may have been freed, and its memory be
 * another pipe. */
enum { IN_USE = 0 };
#define GONE UINT32_MAX

static inline uint64_t end_gone_by(uint64_t generation, uint32_t by) {
    return generation << 32 | by;
}

static inline bool end_has_gone(const struct end *end) {
    return (uint32_t)atomic_load(&end->gone) != IN_USE;
}

/* The member holds the end from now on, and takes over the maker's hold if that has not used the end. */
void end_hold_for(struct pipe *pipe, unsigned side, uint32_t token);
/* The row of the family table holds the end no longer; a process that finds no holder left tells the other side. Checks
 * for holders even if the bit was clear: the holder may have died between clearing it and checking. */
void end_drop(struct pipe *pipe, uint64_t generation, unsigned side, uint32_t row);
/* Tells the other side that the last holder has left. */
void end_announce_gone(struct pipe *pipe, uint64_t generation, unsigned side);
/* Finishes taking the hold from the maker: called by the process that began it, or one that finds it begun. */
void end_finish_passing_on(struct end *end);
/* Buries dead holders, so that EOF comes. */
void end_bury_dead(struct end *end);
/* Destroys a pipe both of whose ends are gone. */
void pipe_free_if_abandoned(struct pipe *pipe, uint64_t generation);

/* --- a call's use of an end --- */

/* The slow path: the process does not hold the end, or has not used it yet. */
prong_status use_begin(struct use *use);

/* Whether this process holds the end, and has used it before. */
static inline bool end_is_own(struct end *end) {
    return __builtin_expect(end_bit(end->holders, end_row(self_token())) &&
                                atomic_load_explicit(&end->provisional, memory_order_relaxed) != self_token(),
                            1);
}

/* The pipe, without entering it, for what quick.h does; NULL: it takes more. */
static inline struct pipe *pipe_quickly(prong_connection handle) {
    uint64_t offset = handle.offset & ~1ull;
    struct pipe *pipe = arena_at(offset);
    return object_is_place(offset) && end_is_own(&pipe->end[handle.offset & 1]) ? pipe : NULL;
}

static inline prong_status pipe_enter(struct use *use, prong_connection handle) {
    use->side = handle.offset & 1;
    prong_status status =
        object_enter(&use->inside, KIND_PIPE, handle.offset & ~1ull, handle.generation, (void **)&use->pipe);
    if (__builtin_expect(status, 0)) return status;
    return end_is_own(&use->pipe->end[use->side]) ? PRONG_OK : use_begin(use);
}

static inline prong_status pipe_enter_to_send(struct use *use, prong_connection handle, struct channel **channel) {
    prong_status status = pipe_enter(use, handle);
    if (__builtin_expect(status, 0)) return status;
    if (use->pipe->one_way && use->side == 0) return fail(PRONG_INVALID, "this end of the pipe only receives");
    *channel = &use->pipe->to[1 - use->side];
    if (use->pipe->one_way) *channel = &use->pipe->to[0];
    return PRONG_OK;
}

static inline prong_status pipe_enter_to_receive(struct use *use, prong_connection handle) {
    prong_status status = pipe_enter(use, handle);
    if (__builtin_expect(status, 0)) return status;
    if (use->pipe->one_way && use->side == 1) return fail(PRONG_INVALID, "this end of the pipe only sends");
    return PRONG_OK;
}

#endif
