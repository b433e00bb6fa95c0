/* The inside of a listener: the socket to which others connect, and what accepting needs. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/link.h"
#include <prong/listener.h>

/* A bound socket that listens; *address_text is where, *path (may be empty) what to unlink at the end. */
prong_status listen_at(const char *address, int backlog, int *socket, char text[ADDRESS_TEXT], char path[ADDRESS_TEXT]);
/* The next connection as a link whose handshake has begun; PRONG_TIMEOUT: there is none now; PRONG_BROKEN_PIPE: it has
 * hung up already. Any other error is a shortage on this computer. */
prong_status accept_at(int socket, const prong_link_options *options, struct tls_context *tls, prong_link **link);
/* Copies what the options point to and is needed later. */
prong_status keep_options(prong_link_options *kept, const prong_link_options *options);
void drop_options(prong_link_options *kept);
/* Removes the path of a Unix socket, if it has one; the path may be gone already. */
prong_status remove_path(const char *path);

#endif
