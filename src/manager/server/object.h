/* Types, and the objects of a server. */
#ifndef MANAGER_SERVER_OBJECT_H
#define MANAGER_SERVER_OBJECT_H

#include "base/deadline.h"
#include <prong/manager.h>

struct prong_server;

struct type {
    struct type *next; /* of the program's own types; the library's are in a table */
    prong_type_options given;
    struct managed *shared; /* the one object that goes by this name */
    bool hidden;            /* not to be created by clients: what methods return */
    /* Of the library's own types: */
    prong_status (*make)(prong_call *call, struct managed *object); /* sets object->state */
    void (*unmake)(struct prong_server *server, void *state);
    /* Releases what a session that ended, or a process that died, held of it. */
    void (*give_back)(struct managed *object, uint64_t count);
    bool held_by_process; /* any thread may release it: kept while the process lives, even if the connection ends */
    void (*describe)(const struct managed *object, char *text, size_t size); /* repr; NULL: that of its value */
    prong_status (*value)(struct managed *object, prong_document *document, prong_value *value);
};

struct managed {
    struct managed *next; /* in the table */
    uint64_t id;
    const struct type *type;
    void *state;
    uint64_t refs;
    deadline_t grace; /* not freed before: a client has just been told of it */
};

struct managed *object_by_id(struct prong_server *server, uint64_t id);
prong_status object_new(struct prong_server *server, const struct type *type, struct managed **object);
void object_retain(struct managed *object);
void object_release(struct prong_server *server, struct managed *object);
void objects_look(struct prong_server *server);
/* The number of objects that are referenced. */
int64_t objects_in_use(const struct prong_server *server);
/* An object that leaves a container in a reply is kept for a while, until the client has taken a reference. */
void object_told(struct managed *object);
void objects_free(struct prong_server *server);
const struct type *type_by_name(const struct prong_server *server, const char *name);

/* The library's own types. */
extern const struct type *const server_types[]; /* ends with NULL; see types/all.c */

#endif
