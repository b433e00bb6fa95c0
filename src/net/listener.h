/* Listeners inside: the socket that others connect to, and what is needed to take them. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/link.h"
#include <prong/listener.h>

/* A bound socket that listens; *address_text is where, *path (may be empty) what to unlink at the end. */
prong_status listen_at(const char *address, int backlog, int *socket, char text[ADDRESS_TEXT], char path[ADDRESS_TEXT]);
/* The next connection as a link whose handshake has begun; PRONG_TIMEOUT: there is none now; PRONG_BROKEN_PIPE: it has hung
 * up already. Anything else is this computer's lack of something. */
prong_status accept_at(int socket, const prong_link_options *options, struct tls_context *tls, prong_link **link);
/* Copies of what options point to that must live on. */
prong_status keep_options(prong_link_options *kept, const prong_link_options *options);
void drop_options(prong_link_options *kept);
/* Removes the path of a Unix socket, if it has one, which may be gone already. */
prong_status remove_path(const char *path);

#endif
