/* Messages on a descriptor, without a link: nothing is kept between two calls, and nothing is read ahead. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/spin.h"
#include "net/frame.h"
#include <prong/runtime.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PARTS_AT_ONCE = 64 };

/* What is left to be moved, and how far it got. */
struct transfer {
    int descriptor;
    struct iovec *parts, one;
    int count;
    bool begun; /* a part of the message has been moved */
    prong_status status;
};

static bool is_left(const struct transfer *t) {
    return t->count > 0 && !t->status;
}

/* errno stays what it is. */
static prong_status stream_failed(prong_status status, const char *what) {
    int number = errno;
    fail_errno("%s", what);
    errno = number;
    return status;
}

static void time_is_up(struct transfer *t) {
    t->status = t->begun
                    ? fail_text(PRONG_BROKEN, "time was up in the middle of a message: what follows cannot be made out")
                    : fail_text(PRONG_TIMEOUT, "the time given has passed");
}

/* If the runtime ends the wait, its time is up at once: what arrives then is not taken. */
static void stream_interrupted(struct transfer *t) {
    interrupt_look();
    if (wait_cancelled) time_is_up(t);
}

static void stream_moved(struct transfer *t, size_t size) {
    if (size) t->begun = true;
    while (t->count > 0 && size >= t->parts->iov_len) {
        size -= t->parts->iov_len;
        t->parts++;
        t->count--;
    }
    if (size == 0) return;
    t->parts->iov_base = (char *)t->parts->iov_base + size;
    t->parts->iov_len -= size;
}

/* A call that was allowed to wait and did not move all the bytes, perhaps because of a signal. */
static void moved_by(struct transfer *t, size_t size, int flags) {
    stream_moved(t, size);
    if (is_left(t) && flags != MSG_DONTWAIT) stream_interrupted(t);
}

static void stream_wait(struct transfer *t, short events, deadline_t deadline) {
    struct pollfd one = {.fd = t->descriptor, .events = events};
    if (deadline_passed(deadline))
        time_is_up(t);
    else if (poll(&one, 1, deadline_poll_ms(deadline)) >= 0)
        return;
    else if (errno == EINTR)
        stream_interrupted(t);
    else
        t->status = stream_failed(PRONG_SYSTEM, "poll");
}

/* For a descriptor that is not a socket. */
static bool is_ready(int descriptor, short events) {
    struct pollfd one = {.fd = descriptor, .events = events};
    return poll(&one, 1, 0) > 0;
}

/* --- sending --- */

static ssize_t stream_write_some(const struct transfer *t, int flags) {
    struct msghdr message = {.msg_iov = t->parts, .msg_iovlen = (size_t)t->count};
    ssize_t put = sendmsg(t->descriptor, &message, MSG_NOSIGNAL | flags);
    if (put >= 0 || errno != ENOTSOCK) return put;
    if (!flags || is_ready(t->descriptor, POLLOUT)) return writev(t->descriptor, t->parts, t->count);
    errno = EAGAIN;
    return -1;
}

static void send_all(struct transfer *t, deadline_t deadline) {
    int flags = deadline == PRONG_FOREVER ? 0 : MSG_DONTWAIT;
    while (is_left(t)) {
        ssize_t put = stream_write_some(t, flags);
        if (put >= 0)
            moved_by(t, (size_t)put, flags);
        else if (errno == EINTR)
            stream_interrupted(t);
        else if (errno == EAGAIN)
            stream_wait(t, POLLOUT, deadline);
        else
            t->status = stream_failed(errno == EPIPE ? PRONG_BROKEN_PIPE : PRONG_SYSTEM, "send");
    }
}

prong_status prong_stream_send(int descriptor, const prong_bytes *parts, size_t count, prong_time timeout) {
    unsigned char header[FRAME_LONG];
    struct iovec at_once[PARTS_AT_ONCE];
    struct transfer t = {.descriptor = descriptor};
    deadline_t deadline = deadline_after(timeout);
    size_t size = 0, next = 0;
    for (size_t i = 0; i < count; i++) size += parts[i].size;
    int filled = 0;
    at_once[filled++] = (struct iovec){header, frame_write(header, size)};
    do {
        for (; next < count && filled < PARTS_AT_ONCE; next++)
            at_once[filled++] = (struct iovec){(void *)(uintptr_t)parts[next].data, parts[next].size};
        t.parts = at_once;
        t.count = filled;
        filled = 0;
        send_all(&t, deadline);
    } while (next < count && !t.status);
    return t.status;
}

/* --- receiving --- */

static ssize_t stream_read_some(const struct transfer *t, int flags) {
    ssize_t got = recv(t->descriptor, t->parts->iov_base, t->parts->iov_len, flags);
    if (got >= 0 || errno != ENOTSOCK) return got;
    if (flags != MSG_DONTWAIT || is_ready(t->descriptor, POLLIN))
        return read(t->descriptor, t->parts->iov_base, t->parts->iov_len);
    errno = EAGAIN;
    return -1;
}

/* False: there is nothing yet. */
static bool take_some(struct transfer *t, int flags) {
    ssize_t got = stream_read_some(t, flags);
    if (got > 0)
        moved_by(t, (size_t)got, flags);
    else if (got == 0)
        t->status = t->begun ? fail_text(PRONG_INVALID, "got end of file during message")
                             : fail_text(PRONG_EOF, "the other side is gone");
    else if (errno == EINTR)
        stream_interrupted(t);
    else if (errno == EAGAIN)
        return false;
    else
        t->status = stream_failed(PRONG_SYSTEM, "receive");
    return true;
}

static bool stream_check(void *context) {
    return take_some(context, MSG_DONTWAIT);
}

/* An awaited message often comes soon; each thread learns whether that is so. */
static bool look_for_a_while(struct transfer *t, deadline_t deadline) {
    static _Thread_local struct spin lately = {.span = SPIN_LONGEST};
    return deadline != PRONG_NOWAIT && !t->begun && spin(&lately, stream_check, t);
}

/* A call without a time limit waits in recv, which wakes only when all is there; EAGAIN then means a non-blocking
 * descriptor. */
static prong_status stream_receive(struct transfer *t, void *data, size_t size, deadline_t deadline) {
    t->one = (struct iovec){data, size};
    t->parts = &t->one;
    t->count = size > 0;
    while (is_left(t))
        if (!stream_check(t) && !look_for_a_while(t, deadline) &&
            !(deadline == PRONG_FOREVER && take_some(t, MSG_WAITALL)))
            stream_wait(t, POLLIN, deadline);
    return t->status;
}

prong_status prong_stream_recv(int descriptor, void *buffer, size_t capacity, size_t *size, prong_time timeout) {
    unsigned char begun[FRAME_LONG];
    size_t header;
    deadline_t deadline = deadline_after(timeout);
    struct transfer t = {.descriptor = descriptor};
    if (stream_receive(&t, begun, FRAME_SHORT, deadline)) return t.status;
    prong_status status = frame_read(begun, FRAME_SHORT, &header, size);
    if (status == PRONG_TIMEOUT) {
        if (stream_receive(&t, begun + FRAME_SHORT, FRAME_LONG - FRAME_SHORT, deadline)) return t.status;
        status = frame_read(begun, FRAME_LONG, &header, size);
    }
    if (status < 0) return fail_text(status, "bad message length");
    if (*size > capacity) return fail(PRONG_TOO_LONG, "a message of %zu bytes in a buffer of %zu", *size, capacity);
    return stream_receive(&t, buffer, *size, deadline);
}

prong_status prong_stream_recv_rest(int descriptor, void *buffer, size_t size, prong_time timeout) {
    struct transfer t = {.descriptor = descriptor, .begun = true};
    return stream_receive(&t, buffer, size, deadline_after(timeout));
}
