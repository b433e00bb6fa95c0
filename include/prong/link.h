/* Link: a connection by socket, between programs of any family and any
 * computer, in C or Python: what multiprocessing.connection's Client returns.
 * For its Listener see <prong/listener.h>.
 *
 * A link carries messages of bytes, or values (as pickle), in the framing of
 * Python's multiprocessing.connection. With an authkey each side proves to the
 * other that it has the key, as in Python. So the other end may be Python's own
 * Listener or Client. The calls have the names, parameters and results of a
 * connection's (see <prong/connection.h>). How addresses are written, and what
 * the authkey and TLS do, is in <prong/link_options.h>.
 *
 * The calls of one link are for one thread at a time; different links are
 * independent. A link belongs to the process that made it: a forked child has a
 * copy of its descriptor and may only close it. No call here is for signal
 * handlers: they use malloc. */
#ifndef PRONG_LINK_H
#define PRONG_LINK_H

#include <prong/link_options.h>
#include <prong/pickle.h>
#include <prong/queue.h>
#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

typedef struct prong_link prong_link;

/* --- connecting --- */

/* Connects, and does the handshake. options may be NULL. While nobody listens
 * there (the connection is refused, or a Unix socket's path does not exist
 * yet), it tries again until the time is up; with PRONG_NOWAIT it tries once.
 * What can never succeed (no such host, a bad address, a path below a file)
 * fails at once. Pair with prong_link_close.
 * Errors: PRONG_NOT_FOUND (nobody listens there, or no such host),
 * PRONG_TIMEOUT, PRONG_PERMISSION (the authkeys differ, the other side has only
 * MD5, or does not speak TLS; the message says which), PRONG_EOF (it hung up),
 * PRONG_INVALID, PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_SYSTEM. */
PRONG_CHECKED prong_status prong_link_connect(prong_link **link,
                                              const char *address,
                                              const prong_link_options *options,
                                              prong_time timeout);

/* --- messages --- */

/* Sends a copy of size bytes. Errors: PRONG_BROKEN_PIPE (the other side is
 * gone), PRONG_TIMEOUT, PRONG_NO_MEMORY: nothing of it was sent. But if the
 * time ends in the middle of the message, or the kernel has no memory for the
 * rest of it for 100 ms, the link is cut: further sends are PRONG_BROKEN. */
PRONG_CHECKED prong_status prong_link_send_bytes(prong_link *link,
                                                 const void *data, size_t size,
                                                 prong_time timeout);

/* Receives a message lent in memory of this process: valid until
 * prong_message_release, which any thread may call, also after the link is
 * closed. Any number may be lent at a time; each keeps its own buffer. They
 * have no alignment, and cannot be committed to a queue or connection.
 * maxlength: a longer message is PRONG_TOO_LONG with its length in
 * message->size, and then, as in Python, nothing further can be received; 0:
 * the link's own limit. Errors: PRONG_EOF (all is read, and the other side is
 * gone; with TLS: it has sent close_notify), PRONG_BROKEN_PIPE (only with TLS:
 * all that came is read, and the connection was cut without close_notify, by
 * the other side's death or by somebody in between), PRONG_TIMEOUT (nothing is
 * lost: the next call continues), PRONG_INVALID (a bad length, or a message cut
 * short), PRONG_NO_MEMORY, PRONG_BROKEN. */
PRONG_CHECKED prong_status prong_link_recv_bytes(prong_link *link,
                                                 size_t maxlength,
                                                 prong_message *message,
                                                 prong_time timeout);

/* Receives into a buffer; *size (may be NULL) is the message's length.
 * PRONG_TOO_LONG: the buffer is too small, *size is the length it needs, and
 * the message is still there. Other errors: as prong_link_recv_bytes. */
PRONG_CHECKED prong_status prong_link_recv_bytes_into(prong_link *link,
                                                      void *buffer,
                                                      size_t capacity,
                                                      size_t *size,
                                                      prong_time timeout);

/* Sends a value as pickle, with protocol 4, which every Python from 3.4 on
 * reads. Errors: as prong_pickle_dumps and prong_link_send_bytes. */
PRONG_CHECKED prong_status prong_link_send_value(prong_link *link,
                                                 prong_value value,
                                                 prong_time timeout);

/* Receives a value, which lies in document. options may be NULL: only the usual
 * classes are read (see <prong/pickle.h>). Its borrow_bytes has no effect here.
 * Errors: as prong_link_recv_bytes and prong_pickle_loads; a message that is no
 * pickle, or names a class that is not allowed, is gone. */
PRONG_CHECKED prong_status prong_link_recv_value(
    prong_link *link, prong_document *document, prong_value *value,
    const prong_unpickle_options *options, prong_time timeout);

/* PRONG_OK when a message, a part of one, or the end is there to receive.
 * Errors: PRONG_TIMEOUT (nothing came in time), PRONG_SYSTEM. */
PRONG_API prong_status prong_link_poll(prong_link *link, prong_time timeout);

/* --- the link --- */

/* The address of the other side; valid as long as the link. *pid (may be NULL):
 * the process at the other end of a Unix socket; 0: not known. */
PRONG_API const char *prong_link_peer(const prong_link *link, int *pid);

/* A descriptor for poll. It is not readable for messages that the library has
 * already read from the socket; prong_wait and prong_link_poll see them. It
 * belongs to the link.
 * Errors: PRONG_INVALID (no link: NULL). */
PRONG_CHECKED prong_status prong_link_fileno(const prong_link *link,
                                             int *descriptor);

/* Closes and frees the link. Messages that it lent stay valid. NULL is allowed.
 * Errors: PRONG_SYSTEM (closing its descriptor failed: the program has closed
 * it); the link is freed all the same. */
PRONG_API prong_status prong_link_close(prong_link *link);

PRONG_END_DECLS

#endif
