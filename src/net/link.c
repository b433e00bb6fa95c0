/* Links: reading and writing without waiting; and the public calls, which wait. */
#define _GNU_SOURCE
#include "net/link.h"
#include "base/error.h"
#include "net/frame.h"
#include "os/os.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_LEAST = 16384, KEEP_BUFFER = 1 << 20 };
static const prong_time CONNECT_NAP_FIRST = PRONG_MS(1), CONNECT_NAP_MOST = PRONG_MS(50);
static const size_t MESSAGE_DEFAULT = (size_t)1 << 30;

/* --- buffers --- */

/* The link is one of the holders, messages lent in it are the others: while there are any, nothing in it moves. */
struct link_buffer {
    struct loan loan;
    char data[];
};

static bool bytes_are_lent(const struct bytes *bytes) {
    return bytes->buffer && atomic_load_explicit(&bytes->buffer->loan.holders, memory_order_acquire) > 1;
}

static void bytes_clear(struct bytes *bytes) {
    if (bytes->buffer) loan_drop(&bytes->buffer->loan);
    *bytes = (struct bytes){0};
}

static prong_status bytes_no_memory(size_t capacity) {
    return fail(PRONG_NO_MEMORY, "link: no memory for %zu bytes", capacity);
}

/* What is in use goes to a buffer of its own; the old one is left to the messages in it. */
static prong_status bytes_leave(struct bytes *bytes, size_t used, size_t capacity) {
    struct link_buffer *buffer = malloc(sizeof(*buffer) + capacity);
    if (!buffer) return bytes_no_memory(capacity);
    atomic_init(&buffer->loan.holders, 1);
    memcpy(buffer->data, bytes->data + bytes->start, used);
    bytes_clear(bytes);
    *bytes = (struct bytes){.buffer = buffer, .data = buffer->data, .end = used, .capacity = capacity};
    return PRONG_OK;
}

static prong_status bytes_grow(struct bytes *bytes, size_t capacity) {
    struct link_buffer *buffer = realloc(bytes->buffer, sizeof(*buffer) + capacity);
    if (!buffer) return bytes_no_memory(capacity);
    if (!bytes->buffer) atomic_init(&buffer->loan.holders, 1);
    bytes->buffer = buffer;
    bytes->data = buffer->data;
    bytes->capacity = capacity;
    return PRONG_OK;
}

/* Room for `more` bytes at the end. What was taken at the front goes first. */
static prong_status bytes_reserve(struct bytes *bytes, size_t more) {
    bool lent = bytes_are_lent(bytes);
    size_t used = bytes->end - bytes->start;
    if (used == 0 && !lent) bytes->start = bytes->end = 0;
    if (more <= bytes->capacity - bytes->end) return PRONG_OK;
    if (lent) return bytes_leave(bytes, used, used + more);
    if (bytes->start) memmove(bytes->data, bytes->data + bytes->start, used);
    bytes->start = 0;
    bytes->end = used;
    if (more <= bytes->capacity - used) return PRONG_OK;
    return bytes_grow(bytes, bytes->capacity * 2 > used + more ? bytes->capacity * 2 : used + more);
}

/* A large message should not hold its memory forever. */
static void bytes_shrink(struct bytes *bytes) {
    if (bytes->start == bytes->end && bytes->capacity > KEEP_BUFFER) bytes_clear(bytes);
}

/* --- the socket --- */

/* > 0; 0: nothing now; -1: broken, errno says how; the end sets link->ended. */
static ssize_t read_some(prong_link *link, void *data, size_t size) {
    int fd = link->source.descriptor;
    for (;;) {
        ssize_t got =
            link->tls ? tls_read(link->tls, data, size, &link->wants_write) : recv(fd, data, size, MSG_DONTWAIT);
        if (got > 0) return got;
        if (got == 0 || errno == ECONNRESET || errno == EPIPE) {
            link->ended = true;
            link->truncated = got != 0 && link->tls;
            return 0;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) return -1;
    }
}

/* begun: what is left of a message has to follow, so a want of memory is waited out. */
static ssize_t write_some(prong_link *link, const struct iovec *parts, int count, bool begun) {
    for (int looks = 0;;) {
        ssize_t put;
        if (link->tls) {
            put = tls_write(link->tls, parts->iov_base, parts->iov_len);
        } else {
            struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
            put = sendmsg(link->source.descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (put >= 0) return put;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (begun ? !os_passes_soon(&looks) : errno != EINTR) return -1;
    }
}

/* begun: a part of the message has left. Else the link is as before where the system was only short of memory. */
static prong_status write_failed(prong_link *link, bool begun) {
    if (begun || (errno != ENOBUFS && errno != ENOMEM)) link->state = LINK_CUT;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return fail(PRONG_BROKEN_PIPE, "link to %s: the other side is gone", link->address);
    return fail_errno("link to %s: send", link->address);
}

/* --- reading --- */

/* Of the message that begins `in`: whole length and that of its header. PRONG_TIMEOUT: not known yet. */
static prong_status frame_of(const prong_link *link, size_t *header, size_t *size) {
    size_t have = link->in.end - link->in.start;
    if (!have) return PRONG_TIMEOUT; /* there may be no buffer */
    prong_status status = frame_read(link->in.data + link->in.start, have, header, size);
    return status == PRONG_INVALID ? fail(status, "link to %s: bad message length", link->address) : status;
}

/* Whether a side without TLS has a record of it in the place of its first message: a greeting, or an alert. */
static bool begins_as_tls(const prong_link *link) {
    if (link->tls || link->taken || link->in.end - link->in.start < 3) return false;
    const unsigned char *record = (const unsigned char *)link->in.data + link->in.start;
    return record[0] >= 20 && record[0] <= 23 && record[1] == 3 && record[2] <= 4;
}

static const char TLS_CAME[] = "the other side speaks TLS, and this side does not";

static void give_back(prong_link *link) {
    link->in.start += link->lent;
    link->lent = 0;
    bytes_shrink(&link->in);
}

static prong_status ended(prong_link *link) {
    if (link->in.start == link->in.end && link->truncated)
        return fail(
            PRONG_BROKEN_PIPE,
            "link to %s: the TLS connection was cut without the other side's goodbye (close_notify): it may have "
            "sent more",
            link->address);
    if (link->in.start == link->in.end && !link->heard && !link->listens && !link->tls)
        return fail_text(PRONG_EOF, "the other side is gone, and has sent nothing: it may expect TLS");
    if (link->in.start == link->in.end) return fail_text(PRONG_EOF, "the other side is gone");
    if (begins_as_tls(link)) return fail(PRONG_INVALID, "link to %s: %s", link->address, TLS_CAME);
    return fail(PRONG_INVALID, "link to %s: got end of file during message", link->address);
}

prong_status link_take(prong_link *link, size_t maxlength, const void **data, size_t *size) {
    size_t header;
    if (link->lent) give_back(link);
    if (link->unread) return fail(PRONG_BROKEN, "link to %s: nothing more can be received", link->address);
    prong_status status = frame_of(link, &header, size);
    if (status == PRONG_TIMEOUT) return link->ended ? ended(link) : status;
    if (status >= 0 && *size > (maxlength && maxlength < link->max_message ? maxlength : link->max_message))
        status = begins_as_tls(link) ? fail(PRONG_INVALID, "link to %s: %s", link->address, TLS_CAME)
                                     : fail(PRONG_TOO_LONG, "link to %s: a message of %zu bytes", link->address, *size);
    if (status < 0) {
        link->unread = true;
        return status;
    }
    if (link->in.end - link->in.start - header < *size) return link->ended ? ended(link) : PRONG_TIMEOUT;
    *data = link->in.data + link->in.start + header;
    link->taken = true;
    link->lent = header + *size;
    return PRONG_OK;
}

/* Bytes it is worth having room for: what a message still lacks, but no more than has come so far. */
static size_t worth_reading(const prong_link *link) {
    size_t header, size, have = link->in.end - link->in.start;
    if (frame_of(link, &header, &size) || header + size <= have) return READ_LEAST;
    size_t lacks = header + size - have;
    if (lacks > have) lacks = have;
    return lacks > READ_LEAST ? lacks : READ_LEAST;
}

prong_status link_fill(prong_link *link) {
    prong_status status = bytes_reserve(&link->in, worth_reading(link));
    if (status < 0) return status;
    ssize_t got = read_some(link, link->in.data + link->in.end, link->in.capacity - link->in.end);
    if (got < 0) return fail_errno("link to %s: receive", link->address);
    link->in.end += (size_t)got;
    if (got > 0) link->heard = true;
    return got || link->ended ? PRONG_OK : PRONG_TIMEOUT;
}

/* --- writing --- */

prong_status link_flush(prong_link *link) {
    while (link->out.start < link->out.end) {
        struct iovec part = {link->out.data + link->out.start, link->out.end - link->out.start};
        ssize_t put = write_some(link, &part, 1, true);
        if (put < 0) return write_failed(link, true);
        if (put == 0) return PRONG_TIMEOUT;
        link->out.start += (size_t)put;
    }
    bytes_shrink(&link->out);
    return PRONG_OK;
}

/* What has not left yet; there is room for it. */
static void keep_rest(prong_link *link, const struct iovec *parts, size_t written) {
    for (int i = 0; i < 2; i++) {
        size_t skip = written < parts[i].iov_len ? written : parts[i].iov_len;
        written -= skip;
        if (skip == parts[i].iov_len) continue;
        memcpy(link->out.data + link->out.end, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
        link->out.end += parts[i].iov_len - skip;
    }
}

prong_status link_put(prong_link *link, const void *data, size_t size) {
    unsigned char header[FRAME_LONG];
    struct iovec parts[2] = {{header, frame_write(header, size)}, {(void *)(uintptr_t)data, size}};
    if (link->state == LINK_CUT) return fail(PRONG_BROKEN, "link to %s: it was cut", link->address);
    /* Room for all of it, before a part has left and the rest has to follow. */
    TRY(bytes_reserve(&link->out, parts[0].iov_len + size));
    ssize_t put = 0;
    if (link_unwritten(link) == 0 && !link->tls) put = write_some(link, parts, 2, false);
    if (put < 0) return write_failed(link, false);
    if ((size_t)put == parts[0].iov_len + size) {
        bytes_shrink(&link->out);
        return PRONG_OK;
    }
    keep_rest(link, parts, (size_t)put);
    return link_flush(link);
}

/* --- the handshake --- */

static prong_status put_replies(prong_link *link, const struct auth_reply *reply) {
    for (unsigned i = 0; i < reply->count; i++) {
        prong_status status = link_put(link, reply->data[i], reply->size[i]);
        if (status < 0 && status != PRONG_TIMEOUT) return status;
    }
    return PRONG_OK;
}

static prong_status begin_auth(prong_link *link) {
    struct auth_reply reply;
    if (!link->auth.key) {
        link->state = LINK_OPEN;
        return PRONG_OK;
    }
    link->state = LINK_AUTH;
    prong_status status =
        auth_begin(&link->auth, link->listens, link->auth.key, link->auth.key_size, link->auth.allow_md5, &reply);
    return status < 0 ? status : put_replies(link, &reply);
}

static prong_status step_auth(prong_link *link) {
    const void *message;
    size_t size;
    struct auth_reply reply;
    prong_status status = link_take(link, AUTH_MESSAGE_MAX, &message, &size);
    if (status == PRONG_TIMEOUT) {
        status = link_fill(link);
        if (status < 0) return status;
        status = link_take(link, AUTH_MESSAGE_MAX, &message, &size);
    }
    if (status == PRONG_EOF || status == PRONG_BROKEN_PIPE)
        return fail_text(PRONG_EOF, "authentication: the other side hung up");
    if (status < 0) return status;
    status = auth_step(&link->auth, message, size, &reply);
    prong_status sent = put_replies(link, &reply);
    if (link->auth.state == AUTH_DONE) link->state = LINK_OPEN;
    return status < 0 ? status : sent;
}

prong_status link_advance(prong_link *link) {
    prong_status status = PRONG_OK;
    if (link->state == LINK_TLS) {
        status = tls_handshake(link->tls, &link->wants_write);
        if (status >= 0) status = begin_auth(link);
    }
    while (status >= 0 && link->state == LINK_AUTH) status = step_auth(link);
    if (status >= 0 && link_unwritten(link)) status = link_flush(link);
    return status;
}

short link_events(const prong_link *link) {
    return (short)(POLLIN | (link_unwritten(link) || link->wants_write ? POLLOUT : 0));
}

/* --- making and closing --- */

static bool has_message(struct source *source) {
    const void *data;
    size_t header, size;
    prong_link *link = (prong_link *)source;
    (void)data;
    if (link->lent) give_back(link);
    if (link->ended || link->unread) return true;
    prong_status status = frame_of(link, &header, &size);
    if (status == PRONG_TIMEOUT) return false;
    return status < 0 || link->in.end - link->in.start - header >= size;
}

static int peer_of(int socket) {
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/* "host" of "host:port"; what a certificate is to name. */
static void host_of(const char *address, char *host, size_t size) {
    size_t length = strcspn(address + (*address == '['), *address == '[' ? "]" : ":");
    snprintf(host, size, "%.*s", (int)length, address + (*address == '['));
    if (*address == '/' || *address == '@') *host = 0;
}

prong_status link_new(prong_link **link, int socket, bool listens, const prong_link_options *options,
                      const char *address, struct tls_context *tls) {
    prong_link *made = calloc(1, sizeof(*made));
    if (!made) {
        close(socket);
        return fail_text(PRONG_NO_MEMORY, "link: no memory");
    }
    made->source = (struct source){socket, has_message};
    made->listens = listens;
    made->max_message = options && options->max_message ? options->max_message : MESSAGE_DEFAULT;
    made->peer_pid = peer_of(socket);
    made->owner = getpid();
    made->spin.span = SPIN_LONGEST;
    snprintf(made->address, sizeof(made->address), "%s", *address ? address : "a Unix socket");
    if (options && options->authkey) {
        made->auth.key = options->authkey;
        made->auth.key_size = options->authkey_size;
        made->auth.allow_md5 = options->allow_md5;
    }
    int flags = fcntl(socket, F_GETFL);
    fcntl(socket, F_SETFL,
          tls ? flags | O_NONBLOCK : flags & ~O_NONBLOCK); /* else each call says that it must not block */
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    char host[256];
    host_of(made->address, host, sizeof(host));
    prong_status status = PRONG_OK;
    if (tls) {
        made->state = LINK_TLS;
        status = tls_new(&made->tls, tls, socket, listens, host);
    } else {
        status = begin_auth(made);
    }
    if (status < 0) {
        prong_link_close(made);
        return status;
    }
    *link = made;
    return PRONG_OK;
}

prong_status prong_link_close(prong_link *link) {
    prong_status status = PRONG_OK;
    if (!link) return status;
    auth_end(&link->auth);
    tls_free(link->tls, link->owner == getpid());
    if (close(link->source.descriptor) < 0 && errno != EINTR) status = fail_errno("link to %s: close", link->address);
    bytes_clear(&link->in);
    bytes_clear(&link->out);
    free(link);
    return status;
}

const char *prong_link_address(const prong_link *link) {
    return link->address;
}
int prong_link_peer_pid(const prong_link *link) {
    return link->peer_pid;
}
prong_status prong_link_fileno(const prong_link *link, int *descriptor) {
    if (!link) return fail_text(PRONG_INVALID, "no link (NULL)");
    *descriptor = link->source.descriptor;
    return PRONG_OK;
}

/* --- waiting --- */

static prong_status wait_for(prong_link *link, short events, deadline_t deadline, const char *what) {
    struct pollfd poll_one = {.fd = link->source.descriptor, .events = events};
    int ready = os_poll(&poll_one, 1, deadline);
    if (ready > 0 || (ready < 0 && errno == EINTR && !wait_cancelled)) return PRONG_OK;
    if (ready < 0 && errno != EINTR) return fail_errno("link to %s: poll", link->address);
    return fail(PRONG_TIMEOUT, "link to %s: %s in the time given", link->address, what);
}

/* Of a message of which nothing has left it is as if it had not been tried. */
static prong_status give_up_sending(prong_link *link, bool untouched, prong_status status) {
    if (untouched) {
        link->out.start = link->out.end;
        return status;
    }
    link->state = LINK_CUT;
    if (status != PRONG_TIMEOUT) return fail_again(status, "in the middle of a message, and the link is cut");
    return fail(status, "link to %s: time was up in the middle of a message; the link is cut", link->address);
}

prong_status prong_link_send_bytes(prong_link *link, const void *data, size_t size, prong_time timeout) {
    TRY(check_bytes(data, size, "link send: data"));
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    if (link->state == LINK_CUT) return fail(PRONG_BROKEN, "link to %s: it was cut", link->address);
    size_t before = link_unwritten(link);
    prong_status status = link_put(link, data, size);
    bool untouched = before == 0 && link_unwritten(link) == size + (size > INT32_MAX ? FRAME_LONG : FRAME_SHORT);
    while (status == PRONG_TIMEOUT) {
        status = wait_for(link, POLLOUT, deadline, "no room to send");
        if (status < 0) return give_up_sending(link, untouched, status);
        size_t left = link_unwritten(link);
        status = link_flush(link);
        if (link_unwritten(link) < left) untouched = false;
    }
    return status;
}

/* Whether there is something to look at: data, the end, a failure. */
static bool has_come(void *link) {
    return link_fill(link) != PRONG_TIMEOUT;
}

static prong_status wait_and_fill(prong_link *link, deadline_t deadline) {
    const char *what = begins_as_tls(link) ? "what came is TLS, which this side does not speak, and no message came"
                                           : "no message came";
    prong_status status = wait_for(link, link->wants_write ? POLLOUT : POLLIN, deadline, what);
    return status < 0 ? status : link_fill(link);
}

prong_status link_receive(prong_link *link, size_t maxlength, const void **data, size_t *size, prong_time timeout) {
    prong_status status = link_take(link, maxlength, data, size);
    if (status != PRONG_TIMEOUT) return status;
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    bool came = deadline == PRONG_NOWAIT ? has_come(link) : spin(&link->spin, has_come, link);
    while (status == PRONG_TIMEOUT) {
        if (!came) {
            status = wait_and_fill(link, deadline);
            if (status == PRONG_TIMEOUT && !deadline_passed(deadline)) continue;
            if (status < 0) return status;
        }
        came = false;
        status = link_take(link, maxlength, data, size);
    }
    return status;
}

/* The message is its holder's from here on: the link goes on behind it. */
static prong_message lend(prong_link *link, const void *data, size_t size) {
    prong_message message = loan_lend(&link->in.buffer->loan, (void *)(uintptr_t)data, size);
    give_back(link);
    return message;
}

prong_status prong_link_recv_bytes(prong_link *link, size_t maxlength, prong_message *message, prong_time timeout) {
    const void *data;
    size_t size;
    prong_status status = link_receive(link, maxlength, &data, &size, timeout);
    if (status >= 0) *message = lend(link, data, size);
    if (status == PRONG_TOO_LONG) *message = (prong_message){.size = size};
    return status;
}

prong_status prong_link_recv_bytes_into(prong_link *link, void *buffer, size_t capacity, size_t *size,
                                        prong_time timeout) {
    const void *data;
    size_t length;
    TRY(check_bytes(buffer, capacity, "link recv: buffer"));
    prong_status status = link_receive(link, 0, &data, &length, timeout);
    if (size && (status >= 0 || status == PRONG_TOO_LONG)) *size = length;
    if (status < 0) return status;
    if (length > capacity) {
        link->lent = 0; /* it stays */
        return fail(PRONG_TOO_LONG, "a message of %zu bytes in a buffer of %zu", length, capacity);
    }
    if (length) memcpy(buffer, data, length);
    give_back(link);
    return PRONG_OK;
}

prong_status prong_link_send_value(prong_link *link, prong_value value, prong_time timeout) {
    prong_document *scratch;
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 4};
    prong_status status = prong_document_open(&scratch, NULL);
    if (status < 0) return status;
    status = prong_pickle_dumps(scratch, value, &pickle, &options);
    if (status >= 0) status = prong_link_send_bytes(link, pickle.data, pickle.size, timeout);
    prong_document_close(scratch);
    return status;
}

/* The value owns its bytes: the message's memory is used again. */
prong_status prong_link_recv_value(prong_link *link, prong_document *document, prong_value *value,
                                   const prong_unpickle_options *options, prong_time timeout) {
    const void *data;
    size_t size;
    prong_unpickle_options copies = options ? *options : (prong_unpickle_options){0};
    prong_status status = link_receive(link, 0, &data, &size, timeout);
    if (status < 0) return status;
    copies.borrow_bytes = false;
    status = prong_pickle_loads(document, data, size, value, &copies);
    give_back(link);
    return status;
}

prong_status prong_link_poll(prong_link *link, prong_time timeout) {
    if (has_message(&link->source) || link->in.end > link->in.start) return PRONG_OK;
    INTERRUPTIBLE;
    return wait_for(link, POLLIN, deadline_after(timeout), "nothing to receive");
}

/* --- connecting --- */

struct connect_attempt {
    const struct address *to;
    const char *address;
    deadline_t deadline;
    int socket;
    bool absent; /* nobody listens there, who may do so later */
};

static prong_status connect_failed(struct connect_attempt *a) {
    a->absent = errno == ECONNREFUSED || errno == ENOENT;
    if (a->absent) return fail(PRONG_NOT_FOUND, "connect to %s: nobody listens there", a->address);
    if (errno == ETIMEDOUT) return fail(PRONG_TIMEOUT, "connect to %s: no answer", a->address);
    return fail_errno("connect to %s", a->address);
}

/* Until the system has connected it, or failed to. */
static prong_status connect_await(struct connect_attempt *a) {
    struct pollfd one = {.fd = a->socket, .events = POLLOUT};
    int problem = 0, ready;
    do ready = os_poll(&one, 1, a->deadline);
    while (ready < 0 && errno == EINTR && !wait_cancelled);
    if (ready <= 0) return fail(PRONG_TIMEOUT, "connect to %s: no answer in the time given", a->address);
    socklen_t size = sizeof(problem);
    getsockopt(a->socket, SOL_SOCKET, SO_ERROR, &problem, &size);
    errno = problem;
    return problem ? connect_failed(a) : PRONG_OK;
}

/* A Unix socket whose backlog is full says EAGAIN and cannot be polled for: try again, seldom. */
static prong_status connect_socket(struct connect_attempt *a) {
    while (connect(a->socket, (const struct sockaddr *)&a->to->socket, a->to->size) < 0) {
        if (errno == EISCONN) return PRONG_OK;
        if (errno == EINTR) continue;
        if (errno == EINPROGRESS || errno == EALREADY) return connect_await(a);
        if (errno != EAGAIN) return connect_failed(a);
        if (deadline_passed(a->deadline)) return fail(PRONG_TIMEOUT, "connect to %s: its backlog is full", a->address);
        os_poll(NULL, 0, deadline_within(a->deadline, PRONG_MS(2)));
    }
    return PRONG_OK;
}

/* Where nobody listens at a port that the system gives to clients, it may give this one that very port: the socket is then
 * connected with itself. */
static bool is_own_peer(int socket) {
    struct sockaddr_storage here, there;
    socklen_t here_size = sizeof(here), there_size = sizeof(there);
    memset(&here, 0, sizeof(here));
    memset(&there, 0, sizeof(there));
    return !getsockname(socket, (struct sockaddr *)&here, &here_size) && here.ss_family != AF_UNIX &&
           !getpeername(socket, (struct sockaddr *)&there, &there_size) && here_size == there_size &&
           !memcmp(&here, &there, here_size);
}

static prong_status connect_once(struct connect_attempt *a) {
    a->absent = false;
    a->socket = os_off_stdio(socket(a->to->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (a->socket < 0) return fail_errno("connect to %s: socket", a->address);
    prong_status status = connect_socket(a);
    if (status >= 0 && is_own_peer(a->socket)) {
        errno = ECONNREFUSED;
        status = connect_failed(a);
    }
    if (status < 0) close(a->socket);
    return status;
}

/* A listener may come up later: until then it is tried again, ever more rarely. */
static prong_status connect_until(struct connect_attempt *a) {
    prong_status status;
    for (prong_time nap = CONNECT_NAP_FIRST; (status = connect_once(a)) && a->absent; nap *= 2) {
        if (deadline_passed(a->deadline)) return status;
        os_poll(NULL, 0, deadline_within(a->deadline, nap < CONNECT_NAP_MOST ? nap : CONNECT_NAP_MOST));
        if (wait_cancelled) return fail(PRONG_TIMEOUT, "connect to %s: nobody listens there", a->address);
    }
    return status;
}

/* A TLS client begins, a listener with an authkey does: each of two that do not agree waits for the other. */
const char *link_silence(const prong_link *link) {
    if (link->heard || (link->tls && tls_heard(link->tls))) return NULL;
    if (link->tls) return "the other side has sent nothing, and may not speak TLS";
    return "the other side has sent nothing, and may expect TLS, or no authkey";
}

static prong_status handshake_failed(const prong_link *link, prong_status status) {
    const char *silence = status == PRONG_TIMEOUT || status == PRONG_EOF ? link_silence(link) : NULL;
    return silence ? fail_again(status, "%s", silence) : status;
}

static prong_status finish_handshake(prong_link *link, deadline_t deadline) {
    for (;;) {
        prong_status status = link_advance(link);
        if (status >= 0 && link->state == LINK_OPEN) return PRONG_OK;
        if (status < 0 && status != PRONG_TIMEOUT) return handshake_failed(link, status);
        status = wait_for(link, link->state == LINK_TLS && !link->wants_write ? POLLIN : link_events(link), deadline,
                          "the handshake did not end");
        if (status < 0) return handshake_failed(link, status);
    }
}

static prong_status begin_link(prong_link **link, const struct connect_attempt *a, const prong_link_options *options,
                               struct tls_context *tls) {
    prong_status status = link_new(link, a->socket, false, options, a->address, tls);
    if (status < 0 || !(status = finish_handshake(*link, a->deadline))) return status;
    prong_link_close(*link);
    *link = NULL;
    return status;
}

prong_status link_check_options(const prong_link_options *options, const char *what, const char *authkey) {
    if (!options) return PRONG_OK;
    CHECK_RESERVED(options, what);
    CHECK_RESERVED(options->tls, what);
    return check_bytes(options->authkey, options->authkey_size, authkey);
}

prong_status link_connect(prong_link **link, const char *address, const prong_link_options *options,
                          deadline_t deadline, bool waits) {
    struct address to;
    struct tls_context *tls;
    INTERRUPTIBLE;
    prong_status status = link_check_options(options, "client: options", "client: authkey");
    if (status >= 0) status = address_parse(address, false, &to);
    if (status >= 0) status = tls_context_new(&tls, options ? options->tls : NULL, false);
    if (status < 0) return status;
    struct connect_attempt attempt = {.to = &to, .address = address, .deadline = deadline};
    status = waits ? connect_until(&attempt) : connect_once(&attempt);
    if (status >= 0) status = begin_link(link, &attempt, options, tls);
    tls_context_free(tls); /* a link holds its own reference */
    return status < 0 ? fail_again(status, "client of %s", address) : PRONG_OK;
}

prong_status prong_link_connect(prong_link **link, const char *address, const prong_link_options *options,
                                prong_time timeout) {
    return link_connect(link, address, options, deadline_after(timeout), true);
}
