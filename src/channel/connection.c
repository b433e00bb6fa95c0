/* Sending and receiving on an end of a pipe. */
#include <prong/connection.h>

#include "base/periods.h"
#include "channel/bell.h"
#include "channel/pipe.h"
#include "channel/queue.h"
#include "channel/quick.h"

/* --- sending --- */

static prong_status connection_sent(prong_status status) {
    if (__builtin_expect(status >= 0, 1)) {
        count_event(&self_row()->puts);
        return PRONG_OK;
    }
    if (status == PRONG_SHUTDOWN) return fail_text(PRONG_BROKEN_PIPE, "nobody holds the other end of the connection");
    if (status == PRONG_FULL) return fail_text(PRONG_TIMEOUT, "the other side received nothing in the time given");
    return status;
}

static __attribute__((noinline)) prong_status connection_send_slow(prong_connection handle, const void *data,
                                                                   size_t size, prong_time timeout) {
    USE use = {0};
    struct channel *channel = NULL;
    TRY(check_bytes(data, size, "connection send: data"));
    prong_status status = pipe_enter_to_send(&use, handle, &channel);
    if (status < 0) return status;
    deadline_t deadline = deadline_after(timeout);
    do {
        status = channel_put(channel, handle.generation, data, size, family_nap(deadline, DEAD_PEER));
        if (status != PRONG_FULL) break;
        end_bury_dead(&use.pipe->end[1 - use.side]);
    } while (!deadline_passed(deadline));
    return connection_sent(status);
}

prong_status prong_connection_send_bytes(prong_connection handle, const void *data, size_t size, prong_time timeout) {
    struct pipe *pipe = data ? pipe_quickly(handle) : NULL;
    unsigned side = handle.offset & 1;
    if (!pipe || (pipe->one_way && side == 0) ||
        !channel_put_quickly(&pipe->to[pipe->one_way ? 0 : 1 - side], handle.generation, data, size))
        return connection_send_slow(handle, data, size, timeout);
    count_event(&self_row()->puts);
    return PRONG_OK;
}

prong_status prong_connection_commit(prong_connection handle, prong_message *message, prong_time timeout) {
    USE use = {0};
    struct channel *channel = NULL;
    prong_status status = pipe_enter_to_send(&use, handle, &channel);
    if (status < 0) return status;
    deadline_t deadline = deadline_after(timeout);
    struct room room = {channel, message->size};
    INTERRUPTIBLE;
    do {
        status = message_commit(channel, handle.generation, message, PRONG_NOWAIT);
        if (status != PRONG_FULL) break;
        waitq_wait(&channel->writable, channel_settled_to_put, &room, family_nap(deadline, DEAD_PEER));
        end_bury_dead(&use.pipe->end[1 - use.side]);
    } while (!deadline_passed(deadline));
    return connection_sent(status);
}

/* --- receiving --- */

static prong_status connection_receive(prong_connection handle, struct taking *taking, prong_time timeout) {
    USE use = {0};
    prong_status status = pipe_enter_to_receive(&use, handle);
    if (__builtin_expect(status, 0)) return status;
    struct channel *inbox = &use.pipe->to[use.side];
    bool there = channel_ready_to_take(inbox) || (timeout > 0 && channel_spin(inbox));
    status = there ? channel_try_take(inbox, taking) : PRONG_EMPTY;
    if (__builtin_expect(status == PRONG_EMPTY, 0)) {
        deadline_t deadline = deadline_after(timeout);
        do {
            status = channel_take(inbox, taking, family_nap(deadline, DEAD_PEER));
            if (status != PRONG_EMPTY) break;
            end_bury_dead(&use.pipe->end[1 - use.side]);
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

static __attribute__((noinline)) prong_status
connection_receive_slow(prong_connection handle, void *buffer, size_t capacity, size_t *size, prong_time timeout) {
    TRY(check_bytes(buffer, capacity, "connection recv: buffer"));
    struct taking taking = {.generation = handle.generation, .buffer = buffer, .capacity = capacity};
    prong_status status = connection_receive(handle, &taking, timeout);
    if (size && (status >= 0 || status == PRONG_TOO_LONG)) *size = taking.size;
    if (status == PRONG_TOO_LONG)
        return fail(status, "the next message has %zu bytes, the buffer %zu", taking.size, capacity);
    return status;
}

prong_status prong_connection_recv_bytes_into(prong_connection handle, void *buffer, size_t capacity, size_t *size,
                                              prong_time timeout) {
    struct pipe *pipe = buffer ? pipe_quickly(handle) : NULL;
    unsigned side = handle.offset & 1;
    if (!pipe || (pipe->one_way && side == 1) ||
        !channel_take_quickly(&pipe->to[side], handle.generation, buffer, capacity, size))
        return connection_receive_slow(handle, buffer, capacity, size, timeout);
    count_event(&self_row()->gets);
    return PRONG_OK;
}

prong_status prong_connection_recv_bytes(prong_connection handle, size_t maxlength, prong_message *message,
                                         prong_time timeout) {
    struct taking taking = {.generation = handle.generation, .lend = true, .limit = maxlength};
    prong_status status = connection_receive(handle, &taking, timeout);
    if (status >= 0) *message = (prong_message){arena_at(taking.block), taking.size, taking.block};
    if (status == PRONG_TOO_LONG) {
        *message = (prong_message){.size = taking.size};
        return fail(status, "the next message has %zu bytes, more than maxlength %zu", taking.size, maxlength);
    }
    return status;
}

prong_status prong_connection_poll(prong_connection handle, prong_time timeout) {
    USE use = {0};
    TRY(pipe_enter_to_receive(&use, handle));
    struct channel *inbox = &use.pipe->to[use.side];
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    while (!channel_ready_to_take(inbox)) {
        bool more = channel_wait_to_take(inbox, deadline);
        if (channel_ready_to_take(inbox)) break;
        end_bury_dead(&use.pipe->end[1 - use.side]);
        if (!more && !channel_ready_to_take(inbox)) {
            bell_after_nothing(inbox);
            return fail_text(PRONG_TIMEOUT, "nothing to receive in the time given");
        }
    }
    return PRONG_OK;
}

prong_status prong_connection_fileno(prong_connection handle, int *descriptor) {
    struct channel *inbox;
    TRY(connection_inbox(handle, &inbox));
    return object_bell_open(&inbox->bell, handle.generation, descriptor);
}

/* --- for others that wait --- */

prong_status connection_inbox(prong_connection handle, struct channel **inbox) {
    USE use = {0};
    prong_status status = pipe_enter_to_receive(&use, handle);
    if (status >= 0) *inbox = &use.pipe->to[use.side];
    return status;
}

void connection_look_at_peer(prong_connection handle) {
    USE use = {0};
    if (!pipe_enter(&use, handle)) end_bury_dead(&use.pipe->end[1 - use.side]);
}
