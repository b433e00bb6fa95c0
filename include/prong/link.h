/* Listener and Client: connections by socket, between programs of any family and any computer, C or Python.
 *
 * A link carries messages of bytes, or values (as pickle), in the framing of Python's multiprocessing.connection; with an
 * authkey both sides prove to each other that they have it, as Python's do. So the other end may be Python's own Listener
 * or Client.
 *
 * What the authkey does and does not do. It is never sent, and a peer without it is refused, also one that has two
 * connections of this process and lets one answer the challenge of the other (reflection). But the handshake is not bound
 * to the connection: whoever is between two programs that have the key (a relay) can pass the handshake through, and then
 * read, change and add messages; so can one that a client connects to by mistake, if it reaches a listener with the same
 * key, and that may be one of another process of the same program. Nothing is encrypted. TLS stops all of this, where the
 * client checks the certificate (it always does) and the network is not trusted.
 *
 * Addresses are written
 *
 *     "/path/of/socket"             a Unix socket             Python: the same str
 *     "@name"                       an abstract Unix socket   Python: "\0name"
 *     "host:port", "[::1]:port"     TCP; port 0: any free     Python: ("host", port)
 *
 * A listener's and a link's calls are for one thread at a time; different ones are independent. Links and listeners belong
 * to the process that made them: a forked child has copies of their descriptors and must only close them. Nobody who
 * connects can hold up anybody else: handshakes go on side by side, each with a limit of time, and what is received is
 * limited in size and gets memory only as it comes. No call here is for signal handlers: they use malloc. */
#ifndef PRONG_LINK_H
#define PRONG_LINK_H

#include <prong/pickle.h>
#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

typedef struct prong_link prong_link;
typedef struct prong_listener prong_listener;

/* TLS by OpenSSL, 1.2 and later. Files are PEM. prong_link_close tells the other side that nothing follows (close_notify);
 * an end without that is an error, as anybody on the way could have cut the connection. */
typedef struct prong_tls {
    const char *certificate,
        *key; /* a listener must have them; a client, if the listener asks for them */
    const char *
        authority; /* who must have signed the other side's certificate; NULL on a listener: it is not
                                      asked for one; on a client: the system's authorities */
    const char *
        name; /* a client: the name the certificate must have; NULL: the address's host */
} prong_tls;

typedef struct prong_link_options {
    const void *authkey; /* NULL: none is asked for, and none given */
    size_t authkey_size;
    bool
        allow_md5; /* Python up to 3.11 knows no better digest; without this it is refused */
    const prong_tls *tls;
    size_t max_message; /* bytes of a message received; 0: 1 GiB */
    /* of a listener: */
    int backlog; /* connections the system holds until they are looked at; 0: 128 */
    unsigned
        max_handshakes; /* begun and not finished; the oldest gives way to a new one. 0: 256 */
    prong_time
        handshake_timeout; /* one that takes longer is dropped; 0: 10 s */
} prong_link_options;

/* --- listening --- */

/* Options may be NULL. A Unix path that exists is PRONG_EXISTS, even if nobody listens there. Errors: PRONG_INVALID
 * (address, options), PRONG_EXISTS (the address is in use), PRONG_NOT_FOUND (host, directory), PRONG_PERMISSION,
 * PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_SYSTEM. */
PRONG_CHECKED prong_status
prong_listener_open(prong_listener **listener, const char *address,
                    const prong_link_options *options);
/* Where it listens, with the real port; valid as long as the listener. */
PRONG_API const char *prong_listener_address(const prong_listener *listener);
/* The next connection that has proved itself. One that fails to is dropped, and counted in prong_listener_refused.
 * Errors: PRONG_TIMEOUT, PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY: nothing is lost, the connection still waits; as long as
 * nothing is freed, further calls report the same at once, so wait a little. */
PRONG_CHECKED prong_status prong_listener_accept(prong_listener *listener,
                                                 prong_link **link,
                                                 prong_time timeout);
/* How many were dropped so far; why the last was (may be NULL: not asked), valid until the next accept. */
PRONG_API size_t prong_listener_refused(const prong_listener *listener,
                                        const char **last_reason);
/* For poll or prong_wait: readable when an accept may have something to do. Belongs to the listener. */
PRONG_API int prong_listener_fileno(const prong_listener *listener);
/* Stops listening, and removes the path of a Unix socket. NULL is allowed. */
PRONG_API void prong_listener_close(prong_listener *listener);

/* --- connecting --- */

/* Connects and proves itself. While nobody listens there (the connection is refused, or a Unix socket's path is not there
 * yet), it tries again until time is up; with PRONG_NOWAIT it tries once. What cannot come (no such host, an address that
 * is none, a path below a file) fails at once. Errors: PRONG_NOT_FOUND (nobody listens there, or no such host), PRONG_TIMEOUT,
 * PRONG_PERMISSION (the authkeys differ, the other side knows only MD5, or does not speak TLS; the message says which),
 * PRONG_EOF (it hung
 * up), PRONG_INVALID, PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_SYSTEM. */
PRONG_CHECKED prong_status
prong_client_connect(prong_link **link, const char *address,
                     const prong_link_options *options, prong_time timeout);

/* --- messages --- */

/* Errors: PRONG_BROKEN_PIPE (the other side is gone), PRONG_TIMEOUT, PRONG_NO_MEMORY: nothing of it was sent; but if the
 * time ended in the middle of the message, or the kernel had no memory for the rest of it for 100 ms, the link is cut, and
 * all further sends are PRONG_BROKEN. */
PRONG_CHECKED prong_status prong_link_send_bytes(prong_link *link,
                                                 const void *data, size_t size,
                                                 prong_time timeout);
/* Lends the next message, until the next receive or close. maxlength: a longer one is PRONG_TOO_LONG, and then, as in
 * Python, nothing further can be received; 0: the link's own limit. Errors: PRONG_EOF (all was read, the other side is
 * gone; by TLS: it has said so), PRONG_BROKEN_PIPE (by TLS alone: all that came was read, and the connection was cut
 * without close_notify: by the other side's death, or by somebody between), PRONG_TIMEOUT (nothing is lost: the next
 * call goes on), PRONG_INVALID (no message is that: a bad length, or cut off), PRONG_NO_MEMORY, PRONG_BROKEN. */
PRONG_CHECKED prong_status prong_link_recv_bytes(prong_link *link,
                                                 size_t maxlength,
                                                 const void **data,
                                                 size_t *size,
                                                 prong_time timeout);
/* Into a buffer; *size is the message's length. PRONG_TOO_LONG: it is longer than capacity, and is still there. */
PRONG_CHECKED prong_status prong_link_recv_bytes_into(prong_link *link,
                                                      void *buffer,
                                                      size_t capacity,
                                                      size_t *size,
                                                      prong_time timeout);
/* A value as pickle, with protocol 4, which every Python from 3.4 on reads. Errors: as prong_pickle_dumps and
 * prong_link_send_bytes. */
PRONG_CHECKED prong_status prong_link_send(prong_link *link, prong_value value,
                                           prong_time timeout);
/* The next message as a value in document. options may be NULL. Errors: as prong_link_recv_bytes and prong_pickle_loads;
 * a message that is no pickle, or is not allowed, is taken all the same. */
PRONG_CHECKED prong_status
prong_link_recv(prong_link *link, prong_document *document, prong_value *value,
                const prong_unpickle_options *options, prong_time timeout);
/* PRONG_OK when a message, the end, or a part of a message is there to receive. Errors: PRONG_TIMEOUT, PRONG_BROKEN. */
PRONG_API prong_status prong_link_poll(prong_link *link, prong_time timeout);

/* Where it is from, or leads to; valid as long as the link. */
PRONG_API const char *prong_link_address(const prong_link *link);
/* The process at the other end of a Unix socket; 0: not known. */
PRONG_API int prong_link_peer_pid(const prong_link *link);
/* For poll. There may be messages read already that it does not show: prong_wait and prong_link_poll see them. */
PRONG_API int prong_link_fileno(const prong_link *link);
/* NULL is allowed. */
PRONG_API void prong_link_close(prong_link *link);

PRONG_END_DECLS

#endif
