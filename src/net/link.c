/* Links: reading and writing without waiting; and the public calls, which wait. */
#define _GNU_SOURCE
#include "net/link.h"
#include "base/error.h"
#include "net/frame.h"
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
/* Who has at least so long to wait does it in recv, which saves a call of poll; the socket's own limit is this. */
enum { BLOCK_SECONDS = 10 };
static const size_t MESSAGE_DEFAULT = (size_t)1 << 30;

/* --- buffers --- */

/* Room for `more` bytes at the end. What was taken at the front goes first. */
static prong_status bytes_reserve(struct bytes *bytes, size_t more) {
    if (bytes->start == bytes->end) bytes->start = bytes->end = 0;
    if (more <= bytes->capacity - bytes->end) return PRONG_OK;
    size_t used = bytes->end - bytes->start;
    if (bytes->start) memmove(bytes->data, bytes->data + bytes->start, used);
    bytes->start = 0;
    bytes->end = used;
    if (more <= bytes->capacity - used) return PRONG_OK;
    size_t capacity = bytes->capacity * 2 > used + more ? bytes->capacity * 2 : used + more;
    char *data = realloc(bytes->data, capacity);
    if (!data) return fail(PRONG_NO_MEMORY, "link: no memory for %zu bytes", capacity);
    bytes->data = data;
    bytes->capacity = capacity;
    return PRONG_OK;
}

/* A large message should not hold its memory for ever. */
static void bytes_shrink(struct bytes *bytes) {
    if (bytes->start < bytes->end || bytes->capacity <= KEEP_BUFFER) return;
    free(bytes->data);
    *bytes = (struct bytes){0};
}

/* --- the socket --- */

/* > 0; 0: nothing now; -1: broken, errno says how; the end sets link->ended. */
static ssize_t read_some(prong_link *link, void *data, size_t size, int flags) {
    int fd = link->source.descriptor;
    for (;;) {
        ssize_t got = link->tls ? tls_read(link->tls, data, size, &link->wants_write) : recv(fd, data, size, flags);
        if (got > 0) return got;
        if (got == 0 || errno == ECONNRESET || errno == EPIPE) {
            link->ended = true;
            return 0;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) return -1;
    }
}

static ssize_t write_some(prong_link *link, const struct iovec *parts, int count) {
    for (;;) {
        ssize_t put;
        if (link->tls) {
            put = tls_write(link->tls, parts->iov_base, parts->iov_len);
        } else {
            struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
            put = sendmsg(link->source.descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (put >= 0) return put;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) return -1;
    }
}

static prong_status write_failed(prong_link *link) {
    link->state = LINK_CUT;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return fail(PRONG_BROKEN_PIPE, "link to %s: the other side is gone", link->address);
    return fail_errno("link to %s: send", link->address);
}

/* --- reading --- */

/* Of the message that begins `in`: whole length and that of its header. PRONG_TIMEOUT: not known yet. */
static prong_status frame_of(const prong_link *link, size_t *header, size_t *size) {
    prong_status status = frame_read(link->in.data + link->in.start, link->in.end - link->in.start, header, size);
    return status == PRONG_INVALID ? fail(status, "link to %s: bad message length", link->address) : status;
}

static void give_back(prong_link *link) {
    link->in.start += link->lent;
    link->lent = 0;
    bytes_shrink(&link->in);
}

static prong_status ended(prong_link *link) {
    if (link->in.start == link->in.end) return fail_text(PRONG_EOF, "the other side is gone");
    return fail(PRONG_INVALID, "link to %s: got end of file during message", link->address);
}

prong_status link_take(prong_link *link, size_t maxlength, const void **data, size_t *size) {
    size_t header;
    if (link->lent) give_back(link);
    if (link->unread) return fail(PRONG_CLOSED, "link to %s: nothing more can be received", link->address);
    prong_status status = frame_of(link, &header, size);
    if (status == PRONG_TIMEOUT) return link->ended ? ended(link) : status;
    if (!status && *size > (maxlength && maxlength < link->max_message ? maxlength : link->max_message))
        status = fail(PRONG_TOO_LONG, "link to %s: a message of %zu bytes", link->address, *size);
    if (status) {
        link->unread = true;
        return status;
    }
    if (link->in.end - link->in.start - header < *size) return link->ended ? ended(link) : PRONG_TIMEOUT;
    *data = link->in.data + link->in.start + header;
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

static prong_status fill(prong_link *link, int flags) {
    prong_status status = bytes_reserve(&link->in, worth_reading(link));
    if (status) return status;
    ssize_t got = read_some(link, link->in.data + link->in.end, link->in.capacity - link->in.end, flags);
    if (got < 0) return fail_errno("link to %s: receive", link->address);
    link->in.end += (size_t)got;
    return got || link->ended ? PRONG_OK : PRONG_TIMEOUT;
}

prong_status link_fill(prong_link *link) {
    return fill(link, MSG_DONTWAIT);
}

/* --- writing --- */

prong_status link_flush(prong_link *link) {
    while (link->out.start < link->out.end) {
        struct iovec part = {link->out.data + link->out.start, link->out.end - link->out.start};
        ssize_t put = write_some(link, &part, 1);
        if (put < 0) return write_failed(link);
        if (put == 0) return PRONG_TIMEOUT;
        link->out.start += (size_t)put;
    }
    bytes_shrink(&link->out);
    return PRONG_OK;
}

static prong_status keep_rest(prong_link *link, const struct iovec *parts, size_t written) {
    for (int i = 0; i < 2; i++) {
        size_t skip = written < parts[i].iov_len ? written : parts[i].iov_len;
        written -= skip;
        if (skip == parts[i].iov_len) continue;
        prong_status status = bytes_reserve(&link->out, parts[i].iov_len - skip);
        if (status) {
            link->state = LINK_CUT;
            return status;
        }
        memcpy(link->out.data + link->out.end, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
        link->out.end += parts[i].iov_len - skip;
    }
    return PRONG_OK;
}

prong_status link_put(prong_link *link, const void *data, size_t size) {
    unsigned char header[FRAME_LONG];
    struct iovec parts[2] = {{header, frame_write(header, size)}, {(void *)(uintptr_t)data, size}};
    if (link->state == LINK_CUT) return fail(PRONG_CLOSED, "link to %s: it was cut", link->address);
    ssize_t put = 0;
    if (link_unwritten(link) == 0 && !link->tls) put = write_some(link, parts, 2);
    if (put < 0) return write_failed(link);
    if ((size_t)put == parts[0].iov_len + size) return PRONG_OK;
    prong_status status = keep_rest(link, parts, (size_t)put);
    return status ? status : link_flush(link);
}

/* --- the handshake --- */

static prong_status put_replies(prong_link *link, const struct auth_reply *reply) {
    for (unsigned i = 0; i < reply->count; i++) {
        prong_status status = link_put(link, reply->data[i], reply->size[i]);
        if (status && status != PRONG_TIMEOUT) return status;
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
    return status ? status : put_replies(link, &reply);
}

static prong_status step_auth(prong_link *link) {
    const void *message;
    size_t size;
    struct auth_reply reply;
    prong_status status = link_take(link, AUTH_MESSAGE_MAX, &message, &size);
    if (status == PRONG_TIMEOUT) {
        status = link_fill(link);
        if (status) return status;
        status = link_take(link, AUTH_MESSAGE_MAX, &message, &size);
    }
    if (status == PRONG_EOF) return fail_text(status, "authentication: the other side hung up");
    if (status) return status;
    status = auth_step(&link->auth, message, size, &reply);
    prong_status sent = put_replies(link, &reply);
    if (link->auth.state == AUTH_DONE) link->state = LINK_OPEN;
    return status ? status : sent;
}

prong_status link_advance(prong_link *link) {
    prong_status status = PRONG_OK;
    if (link->state == LINK_TLS) {
        status = tls_handshake(link->tls, &link->wants_write);
        if (!status) status = begin_auth(link);
    }
    while (!status && link->state == LINK_AUTH) status = step_auth(link);
    if (!status && link_unwritten(link)) status = link_flush(link);
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
    return status || link->in.end - link->in.start - header >= size;
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
    struct timeval limit = {.tv_sec = BLOCK_SECONDS};
    int flags = fcntl(socket, F_GETFL);
    fcntl(socket, F_SETFL,
          tls ? flags | O_NONBLOCK : flags & ~O_NONBLOCK); /* else each call says that it must not block */
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
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
    if (status) {
        prong_link_close(made);
        return status;
    }
    *link = made;
    return PRONG_OK;
}

void prong_link_close(prong_link *link) {
    if (!link) return;
    tls_free(link->tls, link->owner == getpid());
    close(link->source.descriptor);
    free(link->in.data);
    free(link->out.data);
    free(link);
}

const char *prong_link_address(const prong_link *link) {
    return link->address;
}
int prong_link_peer_pid(const prong_link *link) {
    return link->peer_pid;
}
int prong_link_fileno(const prong_link *link) {
    return link->source.descriptor;
}

/* --- waiting --- */

static prong_status wait_for(prong_link *link, short events, deadline_t deadline, const char *what) {
    struct pollfd poll_one = {.fd = link->source.descriptor, .events = events};
    int ready = poll(&poll_one, 1, deadline_poll_ms(deadline));
    if (ready > 0 || (ready < 0 && errno == EINTR)) return PRONG_OK;
    if (ready < 0) return fail_errno("link to %s: poll", link->address);
    return fail(PRONG_TIMEOUT, "link to %s: %s in the time given", link->address, what);
}

prong_status prong_link_send_bytes(prong_link *link, const void *data, size_t size, prong_time timeout) {
    if (!data && size) return fail_text(PRONG_INVALID, "send: a size without data (NULL)");
    deadline_t deadline = deadline_after(timeout);
    if (link->state == LINK_CUT) return fail(PRONG_CLOSED, "link to %s: it was cut", link->address);
    size_t before = link_unwritten(link);
    prong_status status = link_put(link, data, size);
    bool untouched = before == 0 && link_unwritten(link) == size + (size > INT32_MAX ? FRAME_LONG : FRAME_SHORT);
    while (status == PRONG_TIMEOUT) {
        status = wait_for(link, POLLOUT, deadline, "no room to send");
        if (status == PRONG_TIMEOUT) {
            if (untouched) {
                link->out.start = link->out.end; /* nothing has left: it is as if it had not been tried */
            } else {
                link->state = LINK_CUT;
                return fail(status, "link to %s: time was up amidst a message; the link is cut", link->address);
            }
            return status;
        }
        size_t left = link_unwritten(link);
        if (!status) status = link_flush(link);
        if (link_unwritten(link) < left) untouched = false;
    }
    return status;
}

/* Whether there is something to look at: data, the end, a failure. */
static bool has_come(void *link) {
    return link_fill(link) != PRONG_TIMEOUT;
}

static prong_status wait_and_fill(prong_link *link, deadline_t deadline) {
    if (!link->tls && deadline_left(deadline) >= PRONG_SECONDS(BLOCK_SECONDS)) return fill(link, 0);
    prong_status status = wait_for(link, link->wants_write ? POLLOUT : POLLIN, deadline, "no message came");
    return status ? status : link_fill(link);
}

prong_status prong_link_recv_bytes(prong_link *link, size_t maxlength, const void **data, size_t *size,
                                   prong_time timeout) {
    prong_status status = link_take(link, maxlength, data, size);
    if (status != PRONG_TIMEOUT) return status;
    deadline_t deadline = deadline_after(timeout);
    bool came = deadline == PRONG_NOWAIT ? has_come(link) : spin(&link->spin, has_come, link);
    while (status == PRONG_TIMEOUT) {
        if (!came) {
            status = wait_and_fill(link, deadline);
            if (status == PRONG_TIMEOUT && !deadline_passed(deadline)) continue;
            if (status) return status;
        }
        came = false;
        status = link_take(link, maxlength, data, size);
    }
    return status;
}

prong_status prong_link_recv_bytes_into(prong_link *link, void *buffer, size_t capacity, size_t *size,
                                        prong_time timeout) {
    const void *data;
    prong_status status = prong_link_recv_bytes(link, 0, &data, size, timeout);
    if (status) return status;
    if (*size > capacity) {
        link->lent = 0; /* it stays */
        return fail(PRONG_TOO_LONG, "a message of %zu bytes in a buffer of %zu", *size, capacity);
    }
    if (*size) memcpy(buffer, data, *size);
    give_back(link);
    return PRONG_OK;
}

prong_status prong_link_send(prong_link *link, prong_value value, prong_time timeout) {
    prong_document *scratch;
    prong_pickle pickle;
    prong_pickle_options options = {.protocol = 4};
    prong_status status = prong_document_open(&scratch, NULL);
    if (status) return status;
    status = prong_pickle_dumps(scratch, value, &pickle, &options);
    if (!status) status = prong_link_send_bytes(link, pickle.data, pickle.size, timeout);
    prong_document_close(scratch);
    return status;
}

prong_status prong_link_recv(prong_link *link, prong_document *document, prong_value *value,
                             const prong_unpickle_options *options, prong_time timeout) {
    const void *data;
    size_t size;
    prong_status status = prong_link_recv_bytes(link, 0, &data, &size, timeout);
    return status ? status : prong_pickle_loads(document, data, size, value, options);
}

prong_status prong_link_poll(prong_link *link, prong_time timeout) {
    if (has_message(&link->source) || link->in.end > link->in.start) return PRONG_OK;
    return wait_for(link, POLLIN, deadline_after(timeout), "nothing to receive");
}

/* --- connecting --- */

static prong_status connect_failed(const char *address) {
    if (errno == ECONNREFUSED || errno == ENOENT)
        return fail(PRONG_NOT_FOUND, "connect to %s: nobody listens there", address);
    if (errno == ETIMEDOUT) return fail(PRONG_TIMEOUT, "connect to %s: no answer", address);
    return fail_errno("connect to %s", address);
}

/* A Unix socket whose backlog is full says EAGAIN and cannot be polled for: try again, seldom. */
static prong_status connect_socket(int socket, const struct address *to, const char *address, deadline_t deadline) {
    while (connect(socket, (const struct sockaddr *)&to->socket, to->size) < 0) {
        if (errno == EISCONN) return PRONG_OK;
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {
            if (deadline_passed(deadline)) return fail(PRONG_TIMEOUT, "connect to %s: its backlog is full", address);
            poll(NULL, 0, 2);
            continue;
        }
        if (errno != EINPROGRESS && errno != EALREADY) return connect_failed(address);
        struct pollfd one = {.fd = socket, .events = POLLOUT};
        if (poll(&one, 1, deadline_poll_ms(deadline)) == 0)
            return fail(PRONG_TIMEOUT, "connect to %s: no answer in the time given", address);
        int problem = 0;
        socklen_t size = sizeof(problem);
        getsockopt(socket, SOL_SOCKET, SO_ERROR, &problem, &size);
        errno = problem;
        if (problem) return connect_failed(address);
        return PRONG_OK;
    }
    return PRONG_OK;
}

static prong_status finish_handshake(prong_link *link, deadline_t deadline) {
    for (;;) {
        prong_status status = link_advance(link);
        if (status != PRONG_TIMEOUT && (status || link->state == LINK_OPEN)) return status;
        status = wait_for(link, link->state == LINK_TLS && !link->wants_write ? POLLIN : link_events(link), deadline,
                          "the handshake did not end");
        if (status) return status;
    }
}

prong_status prong_client_connect(prong_link **link, const char *address, const prong_link_options *options,
                                  prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    struct address to;
    struct tls_context *tls;
    prong_status status = address_parse(address, false, &to);
    if (!status) status = tls_context_new(&tls, options ? options->tls : NULL, false);
    if (status) return status;
    int made = socket(to.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) {
        status = fail_errno("connect to %s: socket", address);
    } else if ((status = connect_socket(made, &to, address, deadline)) != PRONG_OK) {
        close(made);
    } else {
        status = link_new(link, made, false, options, address, tls);
        if (!status && (status = finish_handshake(*link, deadline)) != PRONG_OK) {
            prong_link_close(*link);
            *link = NULL;
        }
    }
    tls_context_free(tls); /* a link holds its own reference */
    return status ? fail_again(status, "client of %s", address) : PRONG_OK;
}
