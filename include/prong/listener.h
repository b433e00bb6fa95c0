/* Listener: takes connections by socket, from programs of any family and any
 * computer, in C or Python. Each becomes a link (see <prong/link.h>). The
 * options, and how addresses are written, are in <prong/link_options.h>.
 *
 * A peer cannot delay others: handshakes run side by side, each with a time
 * limit; what is received is limited in size, and memory for it is allocated
 * only as it arrives.
 *
 * The calls of one listener are for one thread at a time; different listeners
 * are independent. A listener belongs to the process that made it: a forked
 * child has copies of its descriptors and may only close it (which removes the
 * path of a Unix socket there, too). No call here is for signal handlers: they
 * use malloc. */
#ifndef PRONG_LISTENER_H
#define PRONG_LISTENER_H

#include <prong/link.h>

PRONG_BEGIN_DECLS

typedef struct prong_listener prong_listener;

/* Listens at the address. options may be NULL. A Unix path that exists is
 * PRONG_EXISTS, even if nobody listens there. Pair with prong_listener_close.
 * Errors: PRONG_INVALID (address, options), PRONG_EXISTS (the address is in
 * use), PRONG_NOT_FOUND (host, directory), PRONG_PERMISSION,
 * PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_SYSTEM. */
PRONG_CHECKED prong_status
prong_listener_open(prong_listener **listener, const char *address,
                    const prong_link_options *options);

/* Waits for the next connection whose handshake succeeds. One whose handshake
 * fails is dropped, and counted (prong_listener_refused). Pair with
 * prong_link_close.
 * Errors: PRONG_TIMEOUT, PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY. After the last
 * two the connection still waits. Until something is freed, further calls fail
 * in the same way at once, so pause before the next one. */
PRONG_CHECKED prong_status prong_listener_accept(prong_listener *listener,
                                                 prong_link **link,
                                                 prong_time timeout);

/* Where it listens, with the real port; valid as long as the listener. */
PRONG_API const char *prong_listener_address(const prong_listener *listener);

/* How many connections were dropped so far. *reason (may be NULL): why the last
 * of them was; "" if none was. Valid until the next accept. */
PRONG_API size_t prong_listener_refused(const prong_listener *listener,
                                        const char **reason);

/* A descriptor for poll, readable when an accept may have something to do. It
 * belongs to the listener. Errors: PRONG_INVALID (no listener: NULL). */
PRONG_CHECKED prong_status prong_listener_fileno(const prong_listener *listener,
                                                 int *descriptor);

/* Stops listening, removes the path of a Unix socket, frees the listener. NULL
 * is allowed. Errors: PRONG_PERMISSION, PRONG_SYSTEM: the path could not be
 * removed; it is closed all the same. */
PRONG_API prong_status prong_listener_close(prong_listener *listener);

PRONG_END_DECLS

#endif
