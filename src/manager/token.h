/* How messages name objects on a server, as in multiprocessing.managers: by an ident on their own server, by a token
 * anywhere. */
#ifndef MANAGER_TOKEN_H
#define MANAGER_TOKEN_H

#include "net/address.h"

/* The prefix of a C program's name in accept_connection. 16 hexadecimal digits follow, which are the same in all
 * connections of a process, and different from those of others. */
#define CLIENT_NAME "prong-client-"

struct token {
    const char *type; /* its value's */
    char address[ADDRESS_TEXT];
    uint64_t id;
};

prong_status ident_to_value(prong_document *document, uint64_t id, prong_value *value);
/* PRONG_INVALID: it is none. */
prong_status ident_from_value(prong_value value, uint64_t *id);
prong_status token_to_value(prong_document *document, const char *type, const char *address, uint64_t id,
                            prong_value *value);
/* Of an object of the class Token; anything else is PRONG_INVALID. */
prong_status token_from_value(prong_value value, struct token *token);

#endif
