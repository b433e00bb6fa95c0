/* Listening: handshakes run side by side, so that a stalled one does not delay others. A poller watches the socket and
 * all connections whose handshake has begun. */
#define _GNU_SOURCE
#include "net/listener.h"
#include "base/error.h"
#include "os/os.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* TURN: how many new connections are accepted, at most, before the running handshakes are handled again. */
enum { BACKLOG = 128, HANDSHAKES = 256, TURN = 64 };
static const prong_time LISTENER_HANDSHAKE_WITHIN = PRONG_SECONDS(10);

/* A connection whose handshake is not complete. The list is in the order of their deadlines. */
struct handshake {
    struct handshake *next;
    prong_link *link;
    deadline_t deadline;
};

struct prong_listener {
    struct source source; /* first; its descriptor is the poller's */
    int socket;
    char address[ADDRESS_TEXT], path[ADDRESS_TEXT];
    prong_link_options options;
    struct tls_context *tls;
    struct handshake *first, **last;
    unsigned handshakes, max_handshakes;
    prong_time handshake_timeout;
    size_t refused;
    char reason[512];
};

/* --- the socket --- */

static prong_status bind_failed(const char *address) {
    if (errno == EADDRINUSE) return fail(PRONG_EXISTS, "listen at %s: the address is in use", address);
    if (errno == EADDRNOTAVAIL) return fail(PRONG_NOT_FOUND, "listen at %s: no address of this computer", address);
    return fail_errno("listen at %s", address);
}

prong_status listen_at(const char *address, int backlog, int *made, char text[ADDRESS_TEXT], char path[ADDRESS_TEXT]) {
    struct address at;
    prong_status status = address_parse(address, true, &at);
    if (status < 0) return status;
    int fd = os_off_stdio(socket(at.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), on = 1;
    if (fd < 0) return fail_errno("listen at %s: socket", address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&at.socket, at.size) < 0 || listen(fd, backlog) < 0) {
        status = bind_failed(address);
        close(fd);
        return status;
    }
    at.size = sizeof(at.socket);
    getsockname(fd, (struct sockaddr *)&at.socket, &at.size);
    address_text(&at, text);
    snprintf(path, ADDRESS_TEXT, "%s", address_path(&at) ? address_path(&at) : "");
    *made = fd;
    return PRONG_OK;
}

prong_status remove_path(const char *path) {
    if (!*path || unlink(path) == 0 || errno == ENOENT) return PRONG_OK;
    return fail_errno("remove %s", path);
}

/* Most errors are those of a connection that has ended already; a shortage on this computer is not mended by trying
 * again. */
static prong_status accept_failed(void) {
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EBADF:
    case EINVAL:
    case ENOTSOCK: return fail_errno("accept");
    default: return PRONG_TIMEOUT;
    }
}

prong_status accept_at(int fd, const prong_link_options *options, struct tls_context *tls, prong_link **link) {
    struct address from = {.size = sizeof(from.socket)};
    int made = os_off_stdio(accept4(fd, (struct sockaddr *)&from.socket, &from.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (made < 0) return accept_failed();
    char text[ADDRESS_TEXT];
    address_text(&from, text);
    return link_new(link, made, true, options, text, tls);
}

/* --- options --- */

prong_status keep_options(prong_link_options *kept, const prong_link_options *options) {
    *kept = options ? *options : (prong_link_options){0};
    const void *given = kept->authkey;
    kept->tls = NULL;
    kept->authkey = NULL; /* never the caller's: drop_options frees it */
    if (!given) return PRONG_OK;
    void *key = malloc(kept->authkey_size + 1);
    if (!key) return fail_text(PRONG_NO_MEMORY, "no memory for the authkey");
    memcpy(key, given, kept->authkey_size);
    kept->authkey = key;
    return PRONG_OK;
}

void drop_options(prong_link_options *kept) {
    free((void *)(uintptr_t)kept->authkey);
}

/* --- the public calls --- */

prong_status prong_listener_open(prong_listener **listener, const char *address, const prong_link_options *options) {
    TRY(link_check_options(options, "listener: options", "listener: authkey"));
    prong_listener *made = calloc(1, sizeof(*made));
    if (!made) return fail_text(PRONG_NO_MEMORY, "listener: no memory");
    made->socket = made->source.descriptor = -1;
    made->last = &made->first;
    made->max_handshakes = options && options->max_handshakes ? options->max_handshakes : HANDSHAKES;
    made->handshake_timeout =
        options && options->handshake_timeout ? options->handshake_timeout : LISTENER_HANDSHAKE_WITHIN;
    prong_status status = keep_options(&made->options, options);
    if (status >= 0) status = tls_context_new(&made->tls, options ? options->tls : NULL, true);
    int backlog = options && options->backlog ? options->backlog : BACKLOG;
    if (status >= 0) status = listen_at(address, backlog, &made->socket, made->address, made->path);
    if (status >= 0) {
        made->source.descriptor = os_poller_create_over(&made->socket, 1);
        if (made->source.descriptor < 0) status = fail_errno("listener: poller");
    }
    if (status < 0) {
        prong_listener_close(made);
        return status;
    }
    *listener = made;
    return PRONG_OK;
}

const char *prong_listener_address(const prong_listener *listener) {
    return listener->address;
}
prong_status prong_listener_fileno(const prong_listener *listener, int *descriptor) {
    if (!listener) return fail_text(PRONG_INVALID, "no listener (NULL)");
    *descriptor = listener->source.descriptor;
    return PRONG_OK;
}
size_t prong_listener_refused(const prong_listener *listener, const char **reason) {
    if (reason) *reason = listener->reason;
    return listener->refused;
}

static void pending_take_out(prong_listener *listener, struct handshake **place) {
    struct handshake *one = *place;
    *place = one->next;
    if (listener->last == &one->next) listener->last = place;
    listener->handshakes--;
    free(one);
}

static void count_refused(prong_listener *listener, const char *reason) {
    listener->refused++;
    snprintf(listener->reason, sizeof(listener->reason), "%s", reason);
}

static void listener_refuse(prong_listener *listener, struct handshake **place, const char *reason) {
    count_refused(listener, reason);
    prong_link_close((*place)->link);
    pending_take_out(listener, place);
}

prong_status prong_listener_close(prong_listener *listener) {
    if (!listener) return PRONG_OK;
    while (listener->first) listener_refuse(listener, &listener->first, "the listener was closed");
    if (listener->socket >= 0) close(listener->socket);
    if (listener->source.descriptor >= 0) close(listener->source.descriptor);
    prong_status status = remove_path(listener->path);
    tls_context_free(listener->tls);
    drop_options(&listener->options);
    free(listener);
    return status;
}

/* Lets the poller watch the connection for what its handshake waits for. */
static prong_status listener_watch(prong_listener *listener, struct handshake *one, bool is_new) {
    int poller = listener->source.descriptor, descriptor = one->link->source.descriptor;
    uint32_t events = OS_POLLER_IN | (link_events(one->link) & POLLOUT ? OS_POLLER_OUT : 0);
    int failed =
        is_new ? os_poller_add(poller, descriptor, events, 0) : os_poller_change(poller, descriptor, events, 0);
    return failed ? fail_errno("listener: poller") : PRONG_OK;
}

static prong_status begin_one(prong_listener *listener, prong_link *link) {
    struct handshake *one = calloc(1, sizeof(*one));
    if (!one) {
        prong_link_close(link);
        return fail_text(PRONG_NO_MEMORY, "listener: no memory for a handshake");
    }
    *one = (struct handshake){.link = link, .deadline = deadline_after(listener->handshake_timeout)};
    if (listener->handshakes == listener->max_handshakes)
        listener_refuse(listener, &listener->first, "too many handshakes at once: the oldest gave way");
    *listener->last = one;
    struct handshake **place = listener->last;
    listener->last = &one->next;
    listener->handshakes++;
    prong_status status = listener_watch(listener, one, true);
    if (status < 0)
        listener_refuse(listener, place, prong_error_message()); /* else its progress would not be noticed */
    return status;
}

/* A connection that needs no handshake is given to the caller at once. */
static prong_status take_one(prong_listener *listener, prong_link **ready) {
    prong_link *link;
    prong_status status = accept_at(listener->socket, &listener->options, listener->tls, &link);
    if (status == PRONG_NO_DESCRIPTORS && listener->first) { /* stalled handshakes make room for new ones */
        listener_refuse(listener, &listener->first, "no descriptors left: the oldest handshake gave way");
        return PRONG_OK;
    }
    if (status == PRONG_BROKEN_PIPE) {
        count_refused(listener, "it hung up before the handshake");
        return PRONG_OK;
    }
    if (status < 0) return status;
    if (link->state != LINK_OPEN) return begin_one(listener, link);
    *ready = link;
    return PRONG_OK;
}

static prong_status take_new_ones(prong_listener *listener, prong_link **ready) {
    prong_status status = PRONG_OK;
    for (int turn = 0; status >= 0 && !*ready && turn < TURN; turn++) status = take_one(listener, ready);
    return status == PRONG_TIMEOUT ? PRONG_OK : status;
}

static void refuse_late(prong_listener *listener, struct handshake **place) {
    const char *silence = link_silence((*place)->link);
    char text[120];
    snprintf(text, sizeof(text), "the handshake took too long%s%s", silence ? ": " : "", silence ? silence : "");
    listener_refuse(listener, place, text);
}

/* The first whose handshake is complete becomes *link. */
static void advance_all(prong_listener *listener, prong_link **link) {
    for (struct handshake **place = &listener->first; *place && !*link;) {
        struct handshake *one = *place;
        prong_status status = link_advance(one->link);
        if (status == PRONG_TIMEOUT && deadline_passed(one->deadline)) {
            refuse_late(listener, place);
        } else if (status == PRONG_TIMEOUT && !listener_watch(listener, one, false)) {
            place = &one->next;
        } else if (status < 0) {
            listener_refuse(listener, place, prong_error_message());
        } else if (one->link->state == LINK_OPEN) {
            *link = one->link;
            os_poller_remove(listener->source.descriptor, one->link->source.descriptor);
            pending_take_out(listener, place);
        } else {
            place = &one->next;
        }
    }
}

/* Waits for something to do, until the deadline or until a handshake's time is up. */
static prong_status listener_await_events(const prong_listener *listener, deadline_t deadline) {
    if (listener->first && listener->first->deadline < deadline) deadline = listener->first->deadline;
    struct pollfd one = {.fd = listener->source.descriptor, .events = POLLIN};
    if (os_poll(&one, 1, deadline) < 0 && errno != EINTR) return fail_errno("listener: poll");
    /* here, as further on no handshake's time is up for that */
    return wait_cancelled ? fail_text(PRONG_TIMEOUT, "the wait for a connection was ended") : PRONG_OK;
}

/* Handshakes that have begun come first: so a flood of new connections does not delay one that is authenticated. */
prong_status prong_listener_accept(prong_listener *listener, prong_link **link, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    INTERRUPTIBLE;
    *link = NULL;
    for (;;) {
        bool last = deadline_passed(deadline);
        advance_all(listener, link);
        if (*link) return PRONG_OK;
        prong_status status = take_new_ones(listener, link);
        if (status < 0) return status;
        if (*link) return PRONG_OK;
        if (last) return fail_text(PRONG_TIMEOUT, "nobody connected in the time given");
        status = listener_await_events(listener, deadline);
        if (status < 0) return status;
    }
}
