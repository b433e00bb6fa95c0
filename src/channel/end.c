/* The holders of a pipe's ends: members, by a bit each; messages on the way; the maker, as long as it has not used the
 * end. */
#include "channel/pipe.h"

#include <string.h>

void end_set_bit(_Atomic uint64_t *bits, uint32_t row) {
    atomic_fetch_or(&bits[row / 64], 1ull << row % 64);
}

void end_clear_bit(_Atomic uint64_t *bits, uint32_t row) {
    atomic_fetch_and(&bits[row / 64], ~(1ull << row % 64));
}

static void end_unhold(struct end *end, uint32_t row) {
    atomic_fetch_add(&end->ended, 1);
    end_clear_bit(end->holders, row);
}

/* A hold that passes on begins for the new holder before it ends for the old one. A concurrent scan can miss both;
 * `ended` has changed by then, so it scans again. When an end is accepted it has its holder before it is no longer
 * posted, so `posted` is checked first. */
static bool end_is_held(struct end *end) {
    uint64_t ended;
    do {
        ended = atomic_load(&end->ended);
        if (atomic_load(&end->posted)) return true;
        for (int i = 0; i < HOLDER_WORDS; i++)
            if (atomic_load(&end->holders[i])) return true;
    } while (atomic_load(&end->ended) != ended);
    return false;
}

/* The last holder of an end has left: the other side may read what is left, and what it sends reaches nobody. In this
 * order, so that a process that has read end-of-file is refused when it sends. */
void end_announce_gone(struct pipe *pipe, uint64_t generation, unsigned side) {
    for (unsigned i = 0; i < SIDES; i++) {
        struct channel *channel = &pipe->to[i == 0 ? side : 1 - side];
        if (channel->put.first) channel_close(channel, generation);
    }
    atomic_store(&pipe->end[side].gone, end_gone_by(generation, GONE)); /* last: the pipe may be freed from here on */
}

void end_drop(struct pipe *pipe, uint64_t generation, unsigned side, uint32_t row) {
    struct end *end = &pipe->end[side];
    uint64_t in_use = end_gone_by(generation, IN_USE);
    end_unhold(end, row);
    if (end_is_held(end)) return;
    if (atomic_compare_exchange_strong(&end->gone, &in_use, end_gone_by(generation, self_token())))
        end_announce_gone(pipe, generation, side);
}

void pipe_free_if_abandoned(struct pipe *pipe, uint64_t generation) {
    uint64_t gone = end_gone_by(generation, GONE);
    if (atomic_load(&pipe->end[0].gone) == gone && atomic_load(&pipe->end[1].gone) == gone)
        object_destroy(pipe, generation);
}

void end_finish_passing_on(struct end *end) {
    uint64_t passing = atomic_load(&end->provisional);
    if (!(passing & PASSING_ON)) return;
    end_unhold(end, end_row((uint32_t)passing));
    atomic_compare_exchange_strong(&end->provisional, &passing, 0);
}

void end_hold_for(struct pipe *pipe, unsigned side, uint32_t token) {
    struct end *end = &pipe->end[side];
    end_finish_passing_on(end);
    end_set_bit(end->holders, end_row(token));
    uint64_t maker = atomic_load(&end->provisional);
    if (maker == 0) return;
    if (maker == token)
        atomic_compare_exchange_strong(&end->provisional, &maker, 0);
    else if (atomic_compare_exchange_strong(&end->provisional, &maker, maker | PASSING_ON))
        end_finish_passing_on(end);
}

prong_status use_begin(struct use *use) {
    struct end *end = &use->pipe->end[use->side];
    if (end_bit(end->closed, end_row(self_token())))
        return fail(PRONG_CLOSED, "this process has closed the connection");
    if (end_has_gone(end)) return fail(PRONG_CLOSED, "every holder of this end has closed it or died");
    end_hold_for(use->pipe, use->side, self_token());
    return PRONG_OK;
}

void end_bury_dead(struct end *end) {
    for (uint32_t i = 0; i < HOLDER_WORDS; i++)
        for (uint64_t word = atomic_load(&end->holders[i]); word; word &= word - 1) {
            uint32_t token = (uint32_t)atomic_load(&member_row(i * 64 + (uint32_t)__builtin_ctzll(word))->token);
            if (token != self_token()) member_look(token);
        }
}

/* --- handles in bytes that a child is given --- */

/* Calls visit for each end whose handle is in these bytes at a multiple of 8. */
static void connections_each(const void *data, size_t size, void (*visit)(struct pipe *, unsigned side, uint32_t token),
                             uint32_t token) {
    for (size_t at = 0; at + sizeof(prong_connection) <= size; at += 8) {
        prong_connection handle;
        void *pipe;
        INSIDE struct visit inside = {0};
        memcpy(&handle, (const char *)data + at, sizeof handle);
        if (!object_was_issued(handle.generation)) continue;
        if (object_enter(&inside, KIND_PIPE, handle.offset & ~1ull, handle.generation, &pipe)) continue;
        visit(pipe, handle.offset & 1, token);
    }
}

/* A hold of this process that is to pass on is kept until the child exists. */
static void connection_hand_over(struct pipe *pipe, unsigned side, uint32_t token) {
    object_touch_for(token, pipe);
    if (atomic_load(&pipe->end[side].provisional) == self_token())
        end_set_bit(pipe->end[side].holders, end_row(token));
    else
        end_hold_for(pipe, side, token);
}

/* The child may have closed the end already, or have died: then this process's hold was the last. */
static void connection_pass_on(struct pipe *pipe, unsigned side, uint32_t token) {
    struct end *end = &pipe->end[side];
    uint64_t maker = token, generation = object_generation(pipe);
    if (!atomic_compare_exchange_strong(&end->provisional, &maker, maker | PASSING_ON)) return;
    end_drop(pipe, generation, side, end_row(token));
    maker = token | PASSING_ON;
    atomic_compare_exchange_strong(&end->provisional, &maker, 0);
    pipe_free_if_abandoned(pipe, generation);
}

void connections_hand_over(const void *data, size_t size, uint32_t token) {
    connections_each(data, size, connection_hand_over, token);
}

void connections_pass_on(const void *data, size_t size) {
    connections_each(data, size, connection_pass_on, self_token());
}
