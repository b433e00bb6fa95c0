/* Calls: this thread's connection to a server. */
#ifndef MANAGER_CLIENT_CALLER_H
#define MANAGER_CLIENT_CALLER_H

#include "base/deadline.h"
#include "manager/client/manager.h"

/* Sends a request and receives its reply, which lies in document. For a reply of kind "#RETURN" only *result is set; an
 * exception becomes a status, with *result. to_server: calls the server's own functions; else the object `ident`. */
struct request_parts {
    bool to_server;
    uint64_t id;
    const char *method;
    prong_value arguments, keywords;
};
prong_status manager_call(prong_manager handle, struct manager *manager, const struct request_parts *request,
                          prong_document *document, prong_value *result, deadline_t deadline);
/* The same to a server that has no manager object yet: by a connection made for this request. */
prong_status manager_call_once(const struct reach *reach, const struct request_parts *request, bool *stateless,
                               prong_document *document, prong_value *result, deadline_t deadline);
/* What a server that has ended left unread: threads that have left rely on it to destroy their mailboxes. */
void manager_drain(prong_queue requests);
/* Closes this thread's connection to it. */
void manager_leave(prong_manager handle);
/* Asks the server itself, by a method without arguments. number: an int that it returns; may be NULL. */
prong_status manager_ask(prong_manager handle, struct manager *manager, const char *method, prong_time timeout,
                         int64_t *number);

#endif
