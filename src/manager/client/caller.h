/* Calls: this thread's connection to a server. */
#ifndef MANAGER_CLIENT_CALLER_H
#define MANAGER_CLIENT_CALLER_H

#include "base/deadline.h"
#include "manager/client/manager.h"

/* A request and its reply; the reply lies in document. Of kind "#RETURN" only *result is given; an exception is a status,
 * with *result. to_server: of the server's own functions, else `ident` is an object's. */
struct request_parts {
    bool to_server;
    uint64_t id;
    const char *method;
    prong_value arguments, keywords;
};
prong_status manager_call(prong_manager handle, struct manager *manager, const struct request_parts *request,
                          prong_document *document, prong_value *result, deadline_t deadline);
/* The same to a server that is only being got to know: by a connection made for this. */
prong_status manager_call_once(const struct reach *reach, const struct request_parts *request, bool *stateless,
                               prong_document *document, prong_value *result, deadline_t deadline);
/* Closes this thread's connection to it. */
void manager_leave(prong_manager handle);
/* Asks the server itself, by a method without arguments. number: an int that it returns; may be NULL. */
prong_status manager_ask(prong_manager handle, struct manager *manager, const char *method, prong_time timeout,
                         int64_t *number);

#endif
