/* TLS on a non-blocking socket, by OpenSSL; a plain socket where there is none. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <prong/link.h>
#include <sys/types.h>

struct tls;
struct tls_context;

/* A context, which many connections share: certificates and keys. NULL options give a NULL context, which means no
 * TLS. */
prong_status tls_context_new(struct tls_context **context, const prong_tls *options, bool listening);
void tls_context_free(struct tls_context *context);
/* host: the name that the certificate must have, on the side that connects; may be NULL. */
prong_status tls_new(struct tls **tls, struct tls_context *context, int socket, bool listens, const char *host);
/* Ends it; tells the other side if asked to. */
void tls_free(struct tls *tls, bool goodbye);
/* Whether the other side has sent anything. */
bool tls_heard(const struct tls *tls);
/* PRONG_TIMEOUT: it has to wait; *wants_write says for what. */
prong_status tls_handshake(struct tls *tls, bool *wants_write);
/* As recv and send: -1 with errno, EAGAIN among them. 0: the other side has ended the connection with close_notify; an
 * end without that, which somebody in between may have caused, is ECONNRESET. */
ssize_t tls_read(struct tls *tls, void *data, size_t size, bool *wants_write);
ssize_t tls_write(struct tls *tls, const void *data, size_t size);

#endif
