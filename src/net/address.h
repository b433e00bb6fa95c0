/* Addresses: as text, as socket addresses, and in Python's form. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <prong/value.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ADDRESS_TEXT = 320 }; /* a host name of 255 and a port; a Unix path of 107 */

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* Makes a socket address of a text; looks up the host. listening: an address to bind to. Errors: PRONG_INVALID,
 * PRONG_NOT_FOUND (no such host). */
prong_status address_parse(const char *text, bool listening, struct address *address);
void address_text(const struct address *address, char text[ADDRESS_TEXT]);
/* The path of a Unix socket in the file system, or NULL. */
const char *address_path(const struct address *address);
/* Whether both texts may name one server. By TCP a computer may have many names, so only the port is compared. */
bool address_same(const char *a, const char *b);

/* The str, bytes or (host, port) that Python's managers put into tokens; and back. */
prong_status address_to_value(prong_document *document, const char *text, prong_value *value);
prong_status address_from_value(prong_value value, char text[ADDRESS_TEXT]);

#endif
