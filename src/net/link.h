/* The inside of a link: a socket, bytes that were read from it and not yet taken, bytes that could not be written yet.
 * All functions here are non-blocking; the public calls wait in between, and a manager's loop waits for all its links
 * together. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include "base/deadline.h"
#include "base/spin.h"
#include "channel/source.h"
#include "net/address.h"
#include "net/auth.h"
#include "net/bytes.h"
#include "net/tls.h"
#include <prong/link.h>

enum link_state { LINK_TLS, LINK_AUTH, LINK_OPEN, LINK_CUT };

struct prong_link {
    struct source source; /* first: prong_wait looks at it */
    enum link_state state;
    bool listens;       /* this side accepted it */
    bool ended, unread; /* the other side has ended; what arrives is out of sync and must not be read */
    bool truncated;     /* it has ended without close_notify: somebody in between may have cut it */
    struct tls *tls;    /* NULL: none */
    bool wants_write;   /* TLS must write before it can read */
    struct auth auth;
    bool heard, taken; /* the other side has sent something; a whole message of it was taken */
    size_t max_message;
    struct bytes in, out;
    size_t lent;      /* bytes at the start of `in` that link_take has given out until the next call */
    struct spin spin; /* while a reply is waited for */
    int peer_pid;
    int owner; /* pid: a forked child must not send close_notify for its parent */
    char address[ADDRESS_TEXT];
};

/* Checks the caller's options, which may be NULL: PRONG_INVALID for an authkey without bytes, or a reserved tail that
 * is not zero. */
prong_status link_check_options(const prong_link_options *options, const char *what, const char *authkey);
/* Makes a link on a connected socket, which belongs to the link from then on; on failure the socket is closed. */
prong_status link_new(prong_link **link, int socket, bool listens, const prong_link_options *options,
                      const char *address, struct tls_context *tls);
/* A client's link. waits: waits until the deadline for a listener to start; else connects at once or fails. */
prong_status link_connect(prong_link **link, const char *address, const prong_link_options *options,
                          deadline_t deadline, bool waits);
/* Goes on with the handshake as far as it can without waiting. PRONG_TIMEOUT: it has to wait. */
prong_status link_advance(prong_link *link);
/* What may be the reason that the other side has sent nothing so far; NULL: it has sent something. */
const char *link_silence(const prong_link *link);
/* The next whole message, if it has been read; PRONG_TIMEOUT if not; PRONG_EOF, PRONG_INVALID, PRONG_TOO_LONG. Lent until
 * the next call. */
prong_status link_take(prong_link *link, size_t maxlength, const void **data, size_t *size);
/* The same, and waits for it. */
prong_status link_receive(prong_link *link, size_t maxlength, const void **data, size_t *size, prong_time timeout);
/* Reads once what is there. PRONG_TIMEOUT: nothing. link_take reports PRONG_EOF when all is taken. */
prong_status link_fill(prong_link *link);
/* Appends a message, in two parts, to what is still to be written, and writes as much as possible. PRONG_TIMEOUT: a
 * rest is left. */
prong_status link_put(prong_link *link, const void *data, size_t size);
prong_status link_flush(prong_link *link);
static inline size_t link_unwritten(const prong_link *link) {
    return link->out.end - link->out.start;
}
/* Gives back the message that link_take has lent. */
void link_give_back(prong_link *link);
/* Whether a whole message, or end-of-file, has been read. The argument is a link. */
bool link_has_message(struct source *link);
/* Whether a side without TLS has received a TLS record instead of its first message: a hello or an alert. */
bool link_begins_as_tls(const prong_link *link);
/* Waits for these events on the link's socket. PRONG_TIMEOUT, with `what` in the message. */
prong_status link_wait(prong_link *link, short events, deadline_t deadline, const char *what);
/* What to poll for: POLLIN, POLLOUT. */
short link_events(const prong_link *link);

#endif
