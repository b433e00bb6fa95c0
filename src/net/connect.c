/* A client's link: connecting, and the handshake. */
#define _GNU_SOURCE
#include "net/link.h"

#include "base/error.h"
#include "os/os.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static const prong_time CONNECT_NAP_FIRST = PRONG_MS(1), CONNECT_NAP_MAX = PRONG_MS(50);

/* --- connecting --- */

struct connect_attempt {
    const struct address *to;
    const char *address;
    deadline_t deadline;
    int socket;
    bool absent; /* nobody listens there yet */
};

static prong_status connect_failed(struct connect_attempt *a) {
    a->absent = errno == ECONNREFUSED || errno == ENOENT;
    if (a->absent) return fail(PRONG_NOT_FOUND, "connect to %s: nobody listens there", a->address);
    if (errno == ETIMEDOUT) return fail(PRONG_TIMEOUT, "connect to %s: no answer", a->address);
    return fail_errno("connect to %s", a->address);
}

/* Waits until the system has connected the socket, or failed to. */
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

/* For a full backlog a Unix socket reports EAGAIN, and cannot be polled: try again after a pause. */
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

/* If nobody listens at a port that the system also gives to clients, it may give this client that same port: then the
 * socket is connected to itself. */
static bool socket_is_own_peer(int socket) {
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
    if (status >= 0 && socket_is_own_peer(a->socket)) {
        errno = ECONNREFUSED;
        status = connect_failed(a);
    }
    if (status < 0) close(a->socket);
    return status;
}

/* A listener may start later: tries again until then, with growing pauses. */
static prong_status connect_until(struct connect_attempt *a) {
    prong_status status;
    for (prong_time nap = CONNECT_NAP_FIRST; (status = connect_once(a)) && a->absent; nap *= 2) {
        if (deadline_passed(a->deadline)) return status;
        os_poll(NULL, 0, deadline_within(a->deadline, nap < CONNECT_NAP_MAX ? nap : CONNECT_NAP_MAX));
        if (wait_cancelled) return fail(PRONG_TIMEOUT, "connect to %s: nobody listens there", a->address);
    }
    return status;
}

/* --- the handshake --- */

static prong_status link_handshake_failed(const prong_link *link, prong_status status) {
    const char *silence = status == PRONG_TIMEOUT || status == PRONG_EOF ? link_silence(link) : NULL;
    return silence ? fail_again(status, "%s", silence) : status;
}

static prong_status link_finish_handshake(prong_link *link, deadline_t deadline) {
    for (;;) {
        prong_status status = link_advance(link);
        if (status >= 0 && link->state == LINK_OPEN) return PRONG_OK;
        if (status < 0 && status != PRONG_TIMEOUT) return link_handshake_failed(link, status);
        status = link_wait(link, link->state == LINK_TLS && !link->wants_write ? POLLIN : link_events(link), deadline,
                           "the handshake did not end");
        if (status < 0) return link_handshake_failed(link, status);
    }
}

static prong_status link_begin(prong_link **link, const struct connect_attempt *a, const prong_link_options *options,
                               struct tls_context *tls) {
    prong_status status = link_new(link, a->socket, false, options, a->address, tls);
    if (status < 0 || !(status = link_finish_handshake(*link, a->deadline))) return status;
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
    if (status >= 0) status = link_begin(link, &attempt, options, tls);
    tls_context_free(tls); /* a link holds its own reference */
    return status < 0 ? fail_again(status, "client of %s", address) : PRONG_OK;
}

prong_status prong_link_connect(prong_link **link, const char *address, const prong_link_options *options,
                                prong_time timeout) {
    return link_connect(link, address, options, deadline_after(timeout), true);
}
