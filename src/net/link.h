/* Links inside: a socket, what was read from it and not yet taken, what is to be written and did not fit. All here is
 * non-blocking; the public calls wait in between, a manager's loop waits for all its links together. */
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
    bool ended, unread; /* the other side has ended; what comes is out of step and must not be read */
    bool truncated;     /* it has ended without saying so, which TLS would: somebody else may have cut it */
    struct tls *tls;    /* NULL: none */
    bool wants_write;   /* TLS must write before it can read */
    struct auth auth;
    bool heard, taken; /* the other side has sent something; a whole message of it was taken */
    size_t max_message;
    struct bytes in, out;
    size_t lent;      /* bytes at the start of `in` that link_take has given out until the next call */
    struct spin spin; /* while a reply is waited for */
    int peer_pid;
    int owner; /* pid: a forked child must not say goodbye for its parent */
    char address[ADDRESS_TEXT];
};

/* Of the caller's options, which may be NULL: PRONG_INVALID for an authkey without bytes, or a tail that is not zero. */
prong_status link_check_options(const prong_link_options *options, const char *what, const char *authkey);
/* A link on a connected socket, which it owns from then on, as on failure. */
prong_status link_new(prong_link **link, int socket, bool listens, const prong_link_options *options,
                      const char *address, struct tls_context *tls);
/* A client's link. waits: until then for a listener to come up; else it is connected at once or not. */
prong_status link_connect(prong_link **link, const char *address, const prong_link_options *options,
                          deadline_t deadline, bool waits);
/* Goes on with the handshake as far as it can without waiting. PRONG_TIMEOUT: it has to wait. */
prong_status link_advance(prong_link *link);
/* What it may mean that the other side has sent nothing so far; NULL: it has. */
const char *link_silence(const prong_link *link);
/* The next whole message, if it has been read; PRONG_TIMEOUT if not; PRONG_EOF, PRONG_INVALID, PRONG_TOO_LONG. Lent until
 * the next call. */
prong_status link_take(prong_link *link, size_t maxlength, const void **data, size_t *size);
/* The same, and waits for it. */
prong_status link_receive(prong_link *link, size_t maxlength, const void **data, size_t *size, prong_time timeout);
/* Reads what there is, once. PRONG_TIMEOUT: nothing. PRONG_EOF is told by link_take when all is taken. */
prong_status link_fill(prong_link *link);
/* Puts a message, in two parts, behind what is still to be written, and writes what can be. PRONG_TIMEOUT: some is left. */
prong_status link_put(prong_link *link, const void *data, size_t size);
prong_status link_flush(prong_link *link);
static inline size_t link_unwritten(const prong_link *link) {
    return link->out.end - link->out.start;
}
/* The message that link_take has lent is done with. */
void link_give_back(prong_link *link);
/* Whether a whole message, or the end, has been read. Takes a link. */
bool link_has_message(struct source *link);
/* Whether a side without TLS has a record of it in the place of its first message: a greeting, or an alert. */
bool link_begins_as_tls(const prong_link *link);
/* Waits for these events on the link's socket. PRONG_TIMEOUT, with `what` in the message. */
prong_status link_wait(prong_link *link, short events, deadline_t deadline, const char *what);
/* What to poll for: POLLIN, POLLOUT. */
short link_events(const prong_link *link);

#endif
