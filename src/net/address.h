/* Addresses, as text, as sockets have them, and as Python has them. */
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

/* Looks a host up. listening: one to bind to. Errors: PRONG_INVALID, PRONG_NOT_FOUND (no such host). */
prong_status address_parse(const char *text, bool listening, struct address *address);
void address_text(const struct address *address, char text[ADDRESS_TEXT]);
/* The path of a Unix socket in the file system, or NULL. */
const char *address_path(const struct address *address);
/* Whether both texts name one server. By TCP a computer has as many names as it is called by: the port tells. */
bool address_same(const char *a, const char *b);

/* The str, bytes or (host, port) that Python's managers put into tokens; and back. */
prong_status address_to_value(prong_document *document, const char *text, prong_value *value);
prong_status address_from_value(prong_value value, char text[ADDRESS_TEXT]);

#endif
