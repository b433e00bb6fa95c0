/* What the family knows of a manager: where its server is and how to reach it. An object of the arena, so that every
 * member can use it. */
#ifndef MANAGER_MANAGER_H
#define MANAGER_MANAGER_H

#include "base/deadline.h"
#include "family/object.h"
#include <prong/manager.h>
#include <prong/queue.h>

enum { MANAGER_ADDRESS = 320, MANAGER_KEY = 256, MANAGER_PATH = 256 };

/* TLS options by value. */
struct tls_paths {
    bool used;
    char certificate[MANAGER_PATH], key[MANAGER_PATH], authority[MANAGER_PATH], name[MANAGER_PATH];
};

/* How a link is made, by value. */
struct reach {
    char address[MANAGER_ADDRESS];
    unsigned char key[MANAGER_KEY];
    size_t key_size;
    bool has_key, allow_md5;
    size_t max_message;
    struct tls_paths tls;
};

struct manager {
    struct object object;
    struct reach reach;
    bool stateless; /* Python's own server: what goes to the server itself needs a connection of its own */
    bool in_family;
    prong_queue requests;
    prong_process process;
    int pid;
};
enum { KIND_MANAGER = 12 };
extern const struct object_type manager_type;

/* Errors: PRONG_TOO_LONG for what does not fit. */
prong_status reach_keep(struct reach *reach, const char *address, const prong_link_options *options);
/* Options that point into reach and tls. */
void reach_options(const struct reach *reach, prong_link_options *options, prong_tls *tls);

prong_status manager_find(prong_manager handle, struct manager **manager);
prong_status manager_new(struct manager **manager);

/* --- calls: this thread's connection to a server --- */

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

#endif
