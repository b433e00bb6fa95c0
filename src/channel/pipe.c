/* Pipe: one or two channels and two ends, made and closed. */
#include <prong/runtime.h>

#include "channel/bell.h"
#include "channel/pipe.h"

static const uint64_t DEFAULT_BUFFER = 8 << 20;

/* --- making and closing --- */

prong_status prong_pipe_create(prong_connection *first, prong_connection *second, const prong_pipe_options *options) {
    struct pipe *pipe;
    if (!first || !second) return fail(PRONG_INVALID, "pipe create: no place for both handles");
    CHECK_RESERVED(options, "pipe create: options");
    TRY(family_enter());
    TRY(object_create(KIND_PIPE, (void **)&pipe));
    uint64_t bytes = options && options->buffer_bytes ? options->buffer_bytes : DEFAULT_BUFFER;
    uint64_t generation = object_generation(pipe);
    pipe->one_way = options && options->one_way;
    prong_status status = channel_init(&pipe->to[0], pipe, generation, 0, bytes);
    if (status >= 0 && !pipe->one_way) status = channel_init(&pipe->to[1], pipe, generation, 0, bytes);
    if (status < 0) {
        object_destroy(pipe, generation);
        return status;
    }
    for (unsigned side = 0; side < SIDES; side++) {
        atomic_store(&pipe->end[side].gone, end_gone_by(generation, IN_USE));
        end_set_bit(pipe->end[side].holders, end_row(self_token()));
        atomic_store(&pipe->end[side].provisional, self_token());
    }
    *first = (prong_connection){arena_offset(pipe), generation};
    *second = (prong_connection){first->offset | 1, first->generation};
    object_publish(pipe);
    return PRONG_OK;
}

/* Also for a pipe that is destroyed: this process's descriptor still has to be closed. */
static void connection_close_bell(prong_connection handle) {
    uint64_t offset = handle.offset & ~1ull;
    if (object_is_place(offset))
        object_bell_close(&((struct pipe *)arena_at(offset))->to[handle.offset & 1].bell, handle.generation);
}

prong_status prong_connection_close(prong_connection handle) {
    struct pipe *pipe;
    unsigned side = handle.offset & 1;
    INSIDE struct visit inside = {0};
    prong_status status = object_enter(&inside, KIND_PIPE, handle.offset & ~1ull, handle.generation, (void **)&pipe);
    if (status < 0) {
        connection_close_bell(handle);
        return status;
    }
    uint32_t row = end_row(self_token());
    if (end_bit(pipe->end[side].closed, row))
        return fail(PRONG_CLOSED, "this process has closed the connection before");
    end_set_bit(pipe->end[side].closed, row);
    end_drop(pipe, handle.generation, side, row);
    pipe_free_if_abandoned(pipe, handle.generation);
    connection_close_bell(handle); /* last: a forked child may have the descriptor, and is told of the end by it */
    return PRONG_OK;
}

prong_status prong_connection_hold(prong_connection handle) {
    USE use = {0};
    return pipe_enter(&use, handle);
}

prong_status prong_connection_post(prong_connection handle) {
    USE use = {0};
    prong_status status = pipe_enter(&use, handle);
    if (status >= 0) atomic_fetch_add(&use.pipe->end[use.side].posted, 1);
    return status;
}

/* The end is held first, then no longer posted: so at no moment it has no holder. */
prong_status prong_connection_accept(prong_connection handle) {
    USE use = {0};
    prong_status status =
        object_enter(&use.inside, KIND_PIPE, handle.offset & ~1ull, handle.generation, (void **)&use.pipe);
    if (status < 0) return status;
    struct end *end = &use.pipe->end[handle.offset & 1];
    if (!end_has_gone(end)) {
        end_clear_bit(end->closed, end_row(self_token()));
        end_hold_for(use.pipe, handle.offset & 1, self_token());
    }
    uint64_t posted = atomic_load(&end->posted);
    while (posted && !atomic_compare_exchange_weak(&end->posted, &posted, posted - 1)) {}
    return end_has_gone(end) ? fail(PRONG_CLOSED, "every holder of this end has closed it or died") : PRONG_OK;
}

static void pipe_drop_own(void *object, void *unused) {
    struct pipe *pipe = object;
    uint64_t generation = object_generation(pipe);
    (void)unused;
    if (atomic_load(&pipe->object.state) != OBJECT_LIVE || !(generation & 1)) return;
    for (unsigned side = 0; side < SIDES; side++)
        if (end_bit(pipe->end[side].holders, end_row(self_token()))) {
            object_touch(pipe);
            end_drop(pipe, generation, side, end_row(self_token()));
        }
    pipe_free_if_abandoned(pipe, generation);
}

void connections_drop_all(void) {
    object_each(KIND_PIPE, pipe_drop_own, NULL);
}

/* --- as an object --- */

static void pipe_recover(void *object, uint32_t dead) {
    struct pipe *pipe = object;
    uint64_t generation = object_generation(pipe);
    for (unsigned i = 0; i < SIDES; i++) channel_recover(&pipe->to[i], dead);
    if (atomic_load(&pipe->object.state) != OBJECT_LIVE || !(generation & 1)) return;
    for (unsigned side = 0; side < SIDES; side++) {
        end_finish_passing_on(&pipe->end[side]);
        end_drop(pipe, generation, side, end_row(dead));
        if (atomic_load(&pipe->end[side].gone) == end_gone_by(generation, dead))
            end_announce_gone(pipe, generation, side);
        end_clear_bit(pipe->end[side].closed, end_row(dead));
    }
    pipe_free_if_abandoned(pipe, generation);
}

static void pipe_wake(void *object) {
    struct pipe *pipe = object;
    for (unsigned i = 0; i < SIDES; i++) channel_wake(&pipe->to[i]);
}

static void pipe_end(void *object) {
    struct pipe *pipe = object;
    for (unsigned i = 0; i < SIDES; i++) channel_end(&pipe->to[i]);
}

static bool pipe_dispose(void *object) {
    struct pipe *pipe = object;
    bool first = channel_dispose(&pipe->to[0]), second = channel_dispose(&pipe->to[1]);
    return first && second;
}

static uint64_t pipe_weigh(void *object) {
    struct pipe *pipe = object;
    return channel_weigh(&pipe->to[0]) + channel_weigh(&pipe->to[1]);
}

const struct object_type pipe_type = {
    .name = "connection",
    .size = sizeof(struct pipe),
    .recover = pipe_recover,
    .wake = pipe_wake,
    .end = pipe_end,
    .dispose = pipe_dispose,
    .weigh = pipe_weigh,
};
