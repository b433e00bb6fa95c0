/* Links, without waiting: making, closing, reading, writing, the handshake. */
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

enum { READ_LEAST = 16384 };
static const size_t MESSAGE_DEFAULT = (size_t)1 << 30;

/* --- the socket --- */

/* > 0; 0: nothing now; -1: broken, errno says how; the end sets link->ended. */
static ssize_t link_read_some(prong_link *link, void *data, size_t size) {
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

/* begun: a part of the message was sent, and the rest has to follow, so a shortage of kernel memory is waited out. */
static ssize_t link_write_some(prong_link *link, const struct iovec *parts, int count, bool begun) {
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

/* begun: a part of the message was sent. If not, and the system was only short of memory, the link is as before. */
static prong_status link_write_failed(prong_link *link, bool begun) {
    if (begun || (errno != ENOBUFS && errno != ENOMEM)) link->state = LINK_CUT;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return fail(PRONG_BROKEN_PIPE, "link to %s: the other side is gone", link->address);
    return fail_errno("link to %s: send", link->address);
}

/* --- reading --- */

/* The length of the message at the start of `in`, and that of its header. PRONG_TIMEOUT: not known yet. */
static prong_status link_frame(const prong_link *link, size_t *header, size_t *size) {
    size_t have = link->in.end - link->in.start;
    if (!have) return PRONG_TIMEOUT; /* there may be no buffer */
    prong_status status = frame_read(link->in.data + link->in.start, have, header, size);
    return status == PRONG_INVALID ? fail(status, "link to %s: bad message length", link->address) : status;
}

bool link_begins_as_tls(const prong_link *link) {
    if (link->tls || link->taken || link->in.end - link->in.start < 3) return false;
    const unsigned char *record = (const unsigned char *)link->in.data + link->in.start;
    return record[0] >= 20 && record[0] <= 23 && record[1] == 3 && record[2] <= 4;
}

static const char TLS_CAME[] = "the other side speaks TLS, and this side does not";

void link_give_back(prong_link *link) {
    link->in.start += link->lent;
    link->lent = 0;
    bytes_shrink(&link->in);
}

static prong_status link_ended(prong_link *link) {
    if (link->in.start == link->in.end && link->truncated)
        return fail(
            PRONG_BROKEN_PIPE,
            "link to %s: the TLS connection was cut without the other side's goodbye (close_notify): it may have "
            "sent more",
            link->address);
    if (link->in.start == link->in.end && !link->heard && !link->listens && !link->tls)
        return fail_text(PRONG_EOF, "the other side is gone, and has sent nothing: it may expect TLS");
    if (link->in.start == link->in.end) return fail_text(PRONG_EOF, "the other side is gone");
    if (link_begins_as_tls(link)) return fail(PRONG_INVALID, "link to %s: %s", link->address, TLS_CAME);
    return fail(PRONG_INVALID, "link to %s: got end of file during message", link->address);
}

prong_status link_take(prong_link *link, size_t maxlength, const void **data, size_t *size) {
    size_t header;
    if (link->lent) link_give_back(link);
    if (link->unread) return fail(PRONG_BROKEN, "link to %s: nothing more can be received", link->address);
    prong_status status = link_frame(link, &header, size);
    if (status == PRONG_TIMEOUT) return link->ended ? link_ended(link) : status;
    if (status >= 0 && *size > (maxlength && maxlength < link->max_message ? maxlength : link->max_message))
        status = link_begins_as_tls(link)
                     ? fail(PRONG_INVALID, "link to %s: %s", link->address, TLS_CAME)
                     : fail(PRONG_TOO_LONG, "link to %s: a message of %zu bytes", link->address, *size);
    if (status < 0) {
        link->unread = true;
        return status;
    }
    if (link->in.end - link->in.start - header < *size) return link->ended ? link_ended(link) : PRONG_TIMEOUT;
    *data = link->in.data + link->in.start + header;
    link->taken = true;
    link->lent = header + *size;
    return PRONG_OK;
}

/* How many bytes to make room for: what is missing of the message, but no more than has arrived so far. */
static size_t link_worth_reading(const prong_link *link) {
    size_t header, size, have = link->in.end - link->in.start;
    if (link_frame(link, &header, &size) || header + size <= have) return READ_LEAST;
    size_t lacks = header + size - have;
    if (lacks > have) lacks = have;
    return lacks > READ_LEAST ? lacks : READ_LEAST;
}

prong_status link_fill(prong_link *link) {
    TRY(bytes_reserve(&link->in, link_worth_reading(link)));
    ssize_t got = link_read_some(link, link->in.data + link->in.end, link->in.capacity - link->in.end);
    if (got < 0) return fail_errno("link to %s: receive", link->address);
    link->in.end += (size_t)got;
    if (got > 0) link->heard = true;
    return got || link->ended ? PRONG_OK : PRONG_TIMEOUT;
}

bool link_has_message(struct source *source) {
    const void *data;
    size_t header, size;
    prong_link *link = (prong_link *)source;
    (void)data;
    if (link->lent) link_give_back(link);
    if (link->ended || link->unread) return true;
    prong_status status = link_frame(link, &header, &size);
    if (status == PRONG_TIMEOUT) return false;
    return status < 0 || link->in.end - link->in.start - header >= size;
}

/* --- writing --- */

prong_status link_flush(prong_link *link) {
    while (link->out.start < link->out.end) {
        struct iovec part = {link->out.data + link->out.start, link->out.end - link->out.start};
        ssize_t put = link_write_some(link, &part, 1, true);
        if (put < 0) return link_write_failed(link, true);
        if (put == 0) return PRONG_TIMEOUT;
        link->out.start += (size_t)put;
    }
    bytes_shrink(&link->out);
    return PRONG_OK;
}

/* Appends what was not sent yet; there is room for it. */
static void link_keep_rest(prong_link *link, const struct iovec *parts, size_t written) {
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
    /* Makes room for all of it before the first part is sent, after which the rest would have to follow. */
    TRY(bytes_reserve(&link->out, parts[0].iov_len + size));
    ssize_t put = 0;
    if (link_unwritten(link) == 0 && !link->tls) put = link_write_some(link, parts, 2, false);
    if (put < 0) return link_write_failed(link, false);
    if ((size_t)put == parts[0].iov_len + size) {
        bytes_shrink(&link->out);
        return PRONG_OK;
    }
    link_keep_rest(link, parts, (size_t)put);
    return link_flush(link);
}

/* --- the handshake --- */

static prong_status link_put_replies(prong_link *link, const struct auth_reply *reply) {
    for (unsigned i = 0; i < reply->count; i++) {
        prong_status status = link_put(link, reply->data[i], reply->size[i]);
        if (status < 0 && status != PRONG_TIMEOUT) return status;
    }
    return PRONG_OK;
}

static prong_status link_begin_auth(prong_link *link) {
    struct auth_reply reply;
    if (!link->auth.key) {
        link->state = LINK_OPEN;
        return PRONG_OK;
    }
    link->state = LINK_AUTH;
    prong_status status =
        auth_begin(&link->auth, link->listens, link->auth.key, link->auth.key_size, link->auth.allow_md5, &reply);
    return status < 0 ? status : link_put_replies(link, &reply);
}

static prong_status link_step_auth(prong_link *link) {
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
    prong_status sent = link_put_replies(link, &reply);
    if (link->auth.state == AUTH_DONE) link->state = LINK_OPEN;
    return status < 0 ? status : sent;
}

prong_status link_advance(prong_link *link) {
    prong_status status = PRONG_OK;
    if (link->state == LINK_TLS) {
        status = tls_handshake(link->tls, &link->wants_write);
        if (status >= 0) status = link_begin_auth(link);
    }
    while (status >= 0 && link->state == LINK_AUTH) status = link_step_auth(link);
    if (status >= 0 && link_unwritten(link)) status = link_flush(link);
    return status;
}

short link_events(const prong_link *link) {
    return (short)(POLLIN | (link_unwritten(link) || link->wants_write ? POLLOUT : 0));
}

/* With TLS the client sends first, with an authkey the listener does: two sides that do not agree on TLS wait for each
 * other. */
const char *link_silence(const prong_link *link) {
    if (link->heard || (link->tls && tls_heard(link->tls))) return NULL;
    if (link->tls) return "the other side has sent nothing, and may not speak TLS";
    return "the other side has sent nothing, and may expect TLS, or no authkey";
}

/* --- making and closing --- */

static int socket_peer(int socket) {
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/* "host" of "host:port"; what a certificate is to name. */
static void address_host(const char *address, char *host, size_t size) {
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
    made->source = (struct source){socket, link_has_message};
    made->listens = listens;
    made->max_message = options && options->max_message ? options->max_message : MESSAGE_DEFAULT;
    made->peer_pid = socket_peer(socket);
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
    address_host(made->address, host, sizeof(host));
    prong_status status = PRONG_OK;
    if (tls) {
        made->state = LINK_TLS;
        status = tls_new(&made->tls, tls, socket, listens, host);
    } else {
        status = link_begin_auth(made);
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

const char *prong_link_peer(const prong_link *link, int *pid) {
    if (pid) *pid = link->peer_pid;
    return link->address;
}

prong_status prong_link_fileno(const prong_link *link, int *descriptor) {
    if (!link) return fail_text(PRONG_INVALID, "no link (NULL)");
    *descriptor = link->source.descriptor;
    return PRONG_OK;
}
