/* What links, listeners and managers' servers have in common: addresses, the
 * authkey, TLS.
 *
 * Addresses are written
 *
 *     "/path/of/socket"          a Unix socket            Python: the same str
 *     "@name"                    an abstract Unix socket  Python: "\0name"
 *     "host:port", "[::1]:port"  TCP; port 0: any free    Python: ("host", N)
 *
 * What the authkey does and does not do. It is never sent. A peer without it is
 * refused, also one that opens two connections to this process and answers the
 * challenge of one by means of the other (reflection). But the handshake is not
 * bound to the connection: a relay between two programs that have the key can
 * pass the handshake through, and then read, change and add messages. So can a
 * program that a client connects to by mistake, if it reaches a listener with
 * the same key, even one in another process of the same program. Nothing is
 * encrypted. TLS prevents all of this; the client always checks the
 * certificate. Use it wherever the network is not trusted. */
#ifndef PRONG_LINK_OPTIONS_H
#define PRONG_LINK_OPTIONS_H

#include <prong/export.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* TLS by OpenSSL, version 1.2 of the protocol or later. Files are PEM.
 * prong_link_close tells the other side that nothing follows (close_notify). An
 * end without that is an error, as somebody in between may have cut the
 * connection. */
typedef struct prong_tls {
    /* A listener needs both; a client, if the listener asks for them. */
    const char *certificate, *key;
    /* The authorities by which the other side's certificate must be signed.
     * NULL: a listener asks for no certificate; a client uses the system's. */
    const char *authority;
    /* Client: the name in the certificate; NULL: the address's host. */
    const char *name;
    void *reserved[4]; /* zero */
} prong_tls;

typedef struct prong_link_options {
    const void *authkey; /* NULL: none is asked for, and none given */
    size_t authkey_size;
    bool allow_md5; /* Python up to 3.11 has no better digest; else refused */
    const prong_tls *tls;
    size_t max_message; /* bytes of a message received; 0: 1 GiB */
    /* Of a listener: */
    int backlog; /* connections the system keeps until accepted; 0: 128 */
    unsigned max_handshakes;      /* at once; more end the oldest. 0: 256 */
    prong_time handshake_timeout; /* one that takes longer fails; 0: 10 s */
    void *reserved[4];            /* zero */
} prong_link_options;

PRONG_END_DECLS

#endif
