/* Requests: decoding them, in slices if they are large, and carrying them out. */
#ifndef MANAGER_SERVER_REQUEST_H
#define MANAGER_SERVER_REQUEST_H

#include "manager/server/call.h"
#include <prong/pickle.h>

/* --- reading: decoding.c --- */

enum { READ_AT_ONCE = 8192, STEPS_LEAST = 1 << 18, STEPS_A_BYTE = 4 };
prong_unpickle_options request_options(const struct prong_server *server, size_t size);
/* data is lent until the message has been read. */
prong_status decoding_begin(struct session *session, const void *data, size_t size);
void decoding_drop(struct session *session);
/* Decodes a slice of the request whose turn it is. */
void decodings_go(struct prong_server *server);

/* --- doing: requests.c --- */

prong_status fill_object(prong_call *call);
/* Carries out the request in a message, at once or when it is decoded; replies, unless the request is parked. */
void request_handle(struct session *session, const void *data, size_t size);
/* The same for a message that is decoded, or could not be: the failure is the last one recorded. */
void request_do(struct session *session, prong_status status, prong_value message);
/* The text of a traceback, as Python's, for a request that could not be done. */
void reply_traceback(struct session *session, const char *exception, const char *text);
prong_status make_exception(prong_document *document, const char *module, const char *name, prong_value arguments,
                            prong_value *exception);
/* The object that a proxy in a value refers to, if it is of this server; else NULL. */
struct managed *object_of_proxy(struct prong_server *server, prong_value value);

#endif
