/* Pipe and Connection: one or two channels, and who holds the ends. */
#include <prong/runtime.h>

#include "base/error.h"
#include "channel/bell.h"
#include "channel/types.h"
#include "family/heap.h"
#include "family/member.h"

#include <limits.h>
#include <string.h>

enum { SIDES = 2, HOLDER_WORDS = MEMBER_LIMIT / 64 };
#define PASSING_ON (1ull << 32) /* in `provisional`, beside the maker's token: its hold is being taken away */
static const uint64_t DEFAULT_BUFFER = 8 << 20;
static const prong_time LOOK_AT_PEER_EVERY = PRONG_MS(100);

/* The handle of an end is that of the pipe with the side in the lowest bit of the offset. */
struct end {
    _Atomic uint64_t holders[HOLDER_WORDS]; /* a bit a row of the family table */
    _Atomic uint64_t closed[HOLDER_WORDS];  /* rows that held it once and closed it */
    _Atomic uint64_t provisional;           /* the maker's token, while it has not used the end */
    _Atomic uint64_t gone;                  /* the pipe's generation, and how far: see gone_by */
    _Atomic uint64_t posted;                /* on the way in messages: so many holds that are nobody's yet */
    _Atomic uint64_t ended;                 /* holds that have ended so far, each counted just before it does */
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

/* --- holding --- */

static uint32_t row_of(uint32_t token) {
    return token & (MEMBER_LIMIT - 1);
}

static bool bit(_Atomic uint64_t *bits, uint32_t row) {
    return atomic_load_explicit(&bits[row / 64], memory_order_relaxed) >> row % 64 & 1;
}

static void set_bit(_Atomic uint64_t *bits, uint32_t row) {
    atomic_fetch_or(&bits[row / 64], 1ull << row % 64);
}

static void clear_bit(_Atomic uint64_t *bits, uint32_t row) {
    atomic_fetch_and(&bits[row / 64], ~(1ull << row % 64));
}

static void end_hold(struct end *end, uint32_t row) {
    atomic_fetch_add(&end->ended, 1);
    clear_bit(end->holders, row);
}

/* A hold passes on by beginning with its new holder before it ends with the old one. Who looks meanwhile may come too early for the
 * one and too late for the other: then another hold has ended since, and it looks again. An accepted end has its holder before it
 * is no longer posted, so that is asked first. */
static bool held(struct end *end) {
    uint64_t ended;
    do {
        ended = atomic_load(&end->ended);
        if (atomic_load(&end->posted)) return true;
        for (int i = 0; i < HOLDER_WORDS; i++)
            if (atomic_load(&end->holders[i])) return true;
    } while (atomic_load(&end->ended) != ended);
    return false;
}

/* An end's `gone` in a pipe of this generation: by 0 while it is in use, by a member's token while that one says so to the other
 * side, by GONE when all is said. With the generation, since two may find at the same time that nobody holds it: the slower one
 * may come when the pipe has been freed, and its memory is another. */
enum { IN_USE = 0 };
#define GONE UINT32_MAX

static uint64_t gone_by(uint64_t generation, uint32_t by) {
    return generation << 32 | by;
}

static bool is_gone(const struct end *end) {
    return (uint32_t)atomic_load(&end->gone) != IN_USE;
}

/* The last holder of an end has left: nobody needs what the other side sends, and it may read what is left. In this order: who has
 * read the end is refused when he sends. */
static void end_is_gone(struct pipe *pipe, uint64_t generation, unsigned side) {
    for (unsigned i = 0; i < SIDES; i++) {
        struct channel *channel = &pipe->to[i == 0 ? side : 1 - side];
        if (channel->put.first) channel_close(channel, generation);
    }
    atomic_store(&pipe->end[side].gone, gone_by(generation, GONE)); /* last: the pipe may be freed from here on */
}

/* Looks whether anybody is left even if the bit was clear: the holder may have died just between the two. */
static void drop(struct pipe *pipe, uint64_t generation, unsigned side, uint32_t row) {
    struct end *end = &pipe->end[side];
    uint64_t in_use = gone_by(generation, IN_USE);
    end_hold(end, row);
    if (held(end)) return;
    if (atomic_compare_exchange_strong(&end->gone, &in_use, gone_by(generation, self_token())))
        end_is_gone(pipe, generation, side);
}

static void free_if_abandoned(struct pipe *pipe, uint64_t generation) {
    uint64_t gone = gone_by(generation, GONE);
    if (atomic_load(&pipe->end[0].gone) == gone && atomic_load(&pipe->end[1].gone) == gone)
        object_destroy(pipe, generation);
}

/* Finishes taking the hold from the maker; by whoever began it, or whoever finds it begun. */
static void finish_passing_on(struct end *end) {
    uint64_t passing = atomic_load(&end->provisional);
    if (!(passing & PASSING_ON)) return;
    end_hold(end, row_of((uint32_t)passing));
    atomic_compare_exchange_strong(&end->provisional, &passing, 0);
}

/* The maker's hold on an end that it has not used passes on with this one. */
static void hold(struct pipe *pipe, unsigned side, uint32_t token) {
    struct end *end = &pipe->end[side];
    finish_passing_on(end);
    set_bit(end->holders, row_of(token));
    uint64_t maker = atomic_load(&end->provisional);
    if (maker == 0) return;
    if (maker == token)
        atomic_compare_exchange_strong(&end->provisional, &maker, 0);
    else if (atomic_compare_exchange_strong(&end->provisional, &maker, maker | PASSING_ON))
        finish_passing_on(end);
}

static __attribute__((noinline)) prong_status begin_use(struct use *use) {
    struct end *end = &use->pipe->end[use->side];
    if (bit(end->closed, row_of(self_token()))) return fail(PRONG_CLOSED, "this process has closed the connection");
    if (is_gone(end)) return fail(PRONG_CLOSED, "every holder of this end has closed it or died");
    hold(use->pipe, use->side, self_token());
    return PRONG_OK;
}

static inline prong_status pipe_enter(struct use *use, prong_connection handle) {
    use->side = handle.offset & 1;
    prong_status status =
        object_enter(&use->inside, KIND_PIPE, handle.offset & ~1ull, handle.generation, (void **)&use->pipe);
    if (__builtin_expect(status, 0)) return status;
    struct end *end = &use->pipe->end[use->side];
    if (__builtin_expect(bit(end->holders, row_of(self_token())) &&
                             atomic_load_explicit(&end->provisional, memory_order_relaxed) != self_token(),
                         1))
        return PRONG_OK;
    return begin_use(use);
}

static prong_status pipe_enter_to_send(struct use *use, prong_connection handle, struct channel **channel) {
    prong_status status = pipe_enter(use, handle);
    if (__builtin_expect(status, 0)) return status;
    if (use->pipe->one_way && use->side == 0) return fail(PRONG_INVALID, "this end of the pipe only receives");
    *channel = &use->pipe->to[1 - use->side];
    if (use->pipe->one_way) *channel = &use->pipe->to[0];
    return PRONG_OK;
}

static prong_status pipe_enter_to_receive(struct use *use, prong_connection handle) {
    prong_status status = pipe_enter(use, handle);
    if (__builtin_expect(status, 0)) return status;
    if (use->pipe->one_way && use->side == 1) return fail(PRONG_INVALID, "this end of the pipe only sends");
    return PRONG_OK;
}

static void bury_dead_holders(struct end *end) {
    for (uint32_t i = 0; i < HOLDER_WORDS; i++)
        for (uint64_t word = atomic_load(&end->holders[i]); word; word &= word - 1) {
            uint32_t token = (uint32_t)atomic_load(&member_row(i * 64 + (uint32_t)__builtin_ctzll(word))->token);
            if (token != self_token()) member_look(token);
        }
}

/* --- making and closing --- */

prong_status prong_pipe_create(prong_connection *first, prong_connection *second, const prong_pipe_options *options) {
    struct pipe *pipe;
    if (!first || !second) return fail(PRONG_INVALID, "pipe create: no place for both handles");
    CHECK_RESERVED(options, "pipe create: options");
    prong_status status = family_enter();
    if (status >= 0) status = object_create(KIND_PIPE, (void **)&pipe);
    if (status < 0) return status;
    uint64_t bytes = options && options->buffer_bytes ? options->buffer_bytes : DEFAULT_BUFFER;
    uint64_t generation = object_generation(pipe);
    pipe->one_way = options && options->one_way;
    status = channel_init(&pipe->to[0], pipe, generation, 0, bytes);
    if (status >= 0 && !pipe->one_way) status = channel_init(&pipe->to[1], pipe, generation, 0, bytes);
    if (status < 0) {
        object_destroy(pipe, generation);
        return status;
    }
    for (unsigned side = 0; side < SIDES; side++) {
        atomic_store(&pipe->end[side].gone, gone_by(generation, IN_USE));
        set_bit(pipe->end[side].holders, row_of(self_token()));
        atomic_store(&pipe->end[side].provisional, self_token());
    }
    *first = (prong_connection){arena_offset(pipe), generation};
    *second = (prong_connection){first->offset | 1, first->generation};
    object_publish(pipe);
    return PRONG_OK;
}

/* Also of a pipe that is gone: this process's descriptor is left. */
static void connection_close_bell(prong_connection handle) {
    uint64_t offset = handle.offset & ~1ull;
    if (object_is_place(offset))
        bell_close(&((struct pipe *)arena_at(offset))->to[handle.offset & 1], handle.generation);
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
    uint32_t row = row_of(self_token());
    if (bit(pipe->end[side].closed, row)) return fail(PRONG_CLOSED, "this process has closed the connection before");
    set_bit(pipe->end[side].closed, row);
    drop(pipe, handle.generation, side, row);
    free_if_abandoned(pipe, handle.generation);
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

/* Held first, then no longer posted: there is no moment between at which nobody has it. */
prong_status prong_connection_accept(prong_connection handle) {
    USE use = {0};
    prong_status status =
        object_enter(&use.inside, KIND_PIPE, handle.offset & ~1ull, handle.generation, (void **)&use.pipe);
    if (status < 0) return status;
    struct end *end = &use.pipe->end[handle.offset & 1];
    if (!is_gone(end)) {
        clear_bit(end->closed, row_of(self_token()));
        hold(use.pipe, handle.offset & 1, self_token());
    }
    uint64_t posted = atomic_load(&end->posted);
    while (posted && !atomic_compare_exchange_weak(&end->posted, &posted, posted - 1)) {}
    return is_gone(end) ? fail(PRONG_CLOSED, "every holder of this end has closed it or died") : PRONG_OK;
}

/* --- sending --- */

static prong_status sent(prong_status status) {
    if (__builtin_expect(status >= 0, 1)) {
        count_event(&self_row()->puts);
        return PRONG_OK;
    }
    if (status == PRONG_SHUTDOWN) return fail_text(PRONG_BROKEN_PIPE, "nobody holds the other end of the connection");
    if (status == PRONG_FULL) return fail_text(PRONG_TIMEOUT, "the other side received nothing in the time given");
    return status;
}

prong_status prong_connection_send_bytes(prong_connection handle, const void *data, size_t size, prong_time timeout) {
    USE use = {0};
    struct channel *channel = NULL;
    TRY(check_bytes(data, size, "connection send: data"));
    prong_status status = pipe_enter_to_send(&use, handle, &channel);
    if (status < 0) return status;
    deadline_t deadline = deadline_after(timeout);
    do {
        status = channel_put(channel, handle.generation, data, size, deadline_within(deadline, LOOK_AT_PEER_EVERY));
        if (status != PRONG_FULL) break;
        bury_dead_holders(&use.pipe->end[1 - use.side]);
    } while (!deadline_passed(deadline));
    return sent(status);
}

prong_status prong_connection_send_part(prong_connection handle, const void *buffer, size_t length, size_t offset,
                                        size_t size, prong_time timeout) {
    if (offset > length) return fail(PRONG_INVALID, "offset %zu is beyond the buffer's %zu bytes", offset, length);
    if (size > length - offset)
        return fail(PRONG_INVALID, "%zu bytes from offset %zu are more than the buffer's %zu", size, offset, length);
    TRY(check_bytes(buffer, length, "connection send: buffer"));
    return prong_connection_send_bytes(handle, (const char *)buffer + offset, size, timeout);
}

prong_status prong_connection_reserve(prong_connection handle, size_t size, prong_message *message) {
    USE use = {0};
    struct channel *channel = NULL;
    prong_status status = pipe_enter_to_send(&use, handle, &channel);
    return status < 0 ? status : message_reserve(size, message);
}

prong_status prong_connection_commit(prong_connection handle, prong_message *message, prong_time timeout) {
    USE use = {0};
    struct channel *channel = NULL;
    prong_status status = pipe_enter_to_send(&use, handle, &channel);
    if (status < 0) return status;
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    do {
        status = message_commit(channel, handle.generation, message, PRONG_NOWAIT);
        if (status != PRONG_FULL) break;
        waitq_wait(&channel->writable, channel_ready_to_put, channel, deadline_within(deadline, LOOK_AT_PEER_EVERY));
        bury_dead_holders(&use.pipe->end[1 - use.side]);
    } while (!deadline_passed(deadline));
    return sent(status);
}

/* --- receiving --- */

static prong_status receive(prong_connection handle, struct taking *taking, prong_time timeout) {
    USE use = {0};
    prong_status status = pipe_enter_to_receive(&use, handle);
    if (__builtin_expect(status, 0)) return status;
    struct channel *inbox = &use.pipe->to[use.side];
    bool there = channel_ready_to_take(inbox) || (timeout > 0 && channel_spin(inbox));
    status = there ? channel_try_take(inbox, taking) : PRONG_EMPTY;
    if (__builtin_expect(status == PRONG_EMPTY, 0)) {
        deadline_t deadline = deadline_after(timeout);
        do {
            status = channel_take(inbox, taking, deadline_within(deadline, LOOK_AT_PEER_EVERY));
            if (status != PRONG_EMPTY) break;
            bury_dead_holders(&use.pipe->end[1 - use.side]);
        } while (!deadline_passed(deadline));
    }
    if (__builtin_expect(status >= 0, 1)) {
        count_event(&self_row()->gets);
        return PRONG_OK;
    }
    if (status == PRONG_SHUTDOWN)
        return fail_text(PRONG_EOF, "the other end of the connection is gone, and all is read");
    if (status == PRONG_EMPTY) return fail_text(PRONG_TIMEOUT, "nothing was received in the time given");
    return status;
}

prong_status prong_connection_recv_bytes_into(prong_connection handle, void *buffer, size_t capacity, size_t *size,
                                              prong_time timeout) {
    TRY(check_bytes(buffer, capacity, "connection recv: buffer"));
    struct taking taking = {.generation = handle.generation, .buffer = buffer, .capacity = capacity};
    prong_status status = receive(handle, &taking, timeout);
    if (size && (status >= 0 || status == PRONG_TOO_LONG)) *size = taking.size;
    if (status == PRONG_TOO_LONG)
        return fail(status, "the next message has %zu bytes, the buffer %zu", taking.size, capacity);
    return status;
}

prong_status prong_connection_recv_bytes(prong_connection handle, size_t maxlength, prong_message *message,
                                         prong_time timeout) {
    struct taking taking = {.generation = handle.generation, .lend = true, .limit = maxlength};
    prong_status status = receive(handle, &taking, timeout);
    if (status >= 0) *message = (prong_message){arena_at(taking.block), taking.size, taking.block};
    if (status == PRONG_TOO_LONG) {
        *message = (prong_message){.size = taking.size};
        return fail(status, "the next message has %zu bytes, more than maxlength %zu", taking.size, maxlength);
    }
    return status;
}

prong_status prong_connection_poll(prong_connection handle, prong_time timeout) {
    USE use = {0};
    prong_status status = pipe_enter_to_receive(&use, handle);
    if (status < 0) return status;
    struct channel *inbox = &use.pipe->to[use.side];
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    while (!channel_ready_to_take(inbox)) {
        bool more = waitq_wait(&inbox->readable, channel_ready_to_take, inbox, deadline);
        if (channel_ready_to_take(inbox)) break;
        bury_dead_holders(&use.pipe->end[1 - use.side]);
        if (!more && !channel_ready_to_take(inbox)) {
            bell_after_nothing(inbox);
            return fail_text(PRONG_TIMEOUT, "nothing to receive in the time given");
        }
    }
    return PRONG_OK;
}

prong_status prong_connection_fileno(prong_connection handle, int *descriptor) {
    struct channel *inbox;
    prong_status status = connection_inbox(handle, &inbox);
    return status < 0 ? status : bell_open(inbox, handle.generation, descriptor);
}

/* --- for the rooms below --- */

prong_status connection_inbox(prong_connection handle, struct channel **inbox) {
    USE use = {0};
    prong_status status = pipe_enter_to_receive(&use, handle);
    if (status >= 0) *inbox = &use.pipe->to[use.side];
    return status;
}

void connection_look_at_peer(prong_connection handle) {
    USE use = {0};
    if (!pipe_enter(&use, handle)) bury_dead_holders(&use.pipe->end[1 - use.side]);
}

/* Calls visit for each end whose handle stands in these bytes at a multiple of 8. */
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

/* An own hold that is to pass on stays until it is certain that there is a child. */
static void connection_hand_over(struct pipe *pipe, unsigned side, uint32_t token) {
    if (atomic_load(&pipe->end[side].provisional) == self_token())
        set_bit(pipe->end[side].holders, row_of(token));
    else
        hold(pipe, side, token);
}

/* The child may have closed the end already, or have died: then this one's hold was the last. */
static void connection_pass_on(struct pipe *pipe, unsigned side, uint32_t token) {
    struct end *end = &pipe->end[side];
    uint64_t maker = token, generation = object_generation(pipe);
    if (!atomic_compare_exchange_strong(&end->provisional, &maker, maker | PASSING_ON)) return;
    drop(pipe, generation, side, row_of(token));
    maker = token | PASSING_ON;
    atomic_compare_exchange_strong(&end->provisional, &maker, 0);
    free_if_abandoned(pipe, generation);
}

void connections_hand_over(const void *data, size_t size, uint32_t token) {
    connections_each(data, size, connection_hand_over, token);
}

void connections_pass_on(const void *data, size_t size) {
    connections_each(data, size, connection_pass_on, self_token());
}

static void drop_of_self(void *object, void *unused) {
    struct pipe *pipe = object;
    uint64_t generation = object_generation(pipe);
    (void)unused;
    if (atomic_load(&pipe->object.state) != OBJECT_LIVE || !(generation & 1)) return;
    for (unsigned side = 0; side < SIDES; side++)
        if (bit(pipe->end[side].holders, row_of(self_token()))) drop(pipe, generation, side, row_of(self_token()));
    free_if_abandoned(pipe, generation);
}

void connections_drop_all(void) {
    object_each(KIND_PIPE, drop_of_self, NULL);
}

/* --- as an object --- */

static void recover(void *object, uint32_t dead) {
    struct pipe *pipe = object;
    uint64_t generation = object_generation(pipe);
    for (unsigned i = 0; i < SIDES; i++) channel_recover(&pipe->to[i], dead);
    if (atomic_load(&pipe->object.state) != OBJECT_LIVE || !(generation & 1)) return;
    for (unsigned side = 0; side < SIDES; side++) {
        finish_passing_on(&pipe->end[side]);
        drop(pipe, generation, side, row_of(dead));
        if (atomic_load(&pipe->end[side].gone) == gone_by(generation, dead)) end_is_gone(pipe, generation, side);
        clear_bit(pipe->end[side].closed, row_of(dead));
    }
    free_if_abandoned(pipe, generation);
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
    .recover = recover,
    .end = pipe_end,
    .dispose = pipe_dispose,
    .weigh = pipe_weigh,
};
