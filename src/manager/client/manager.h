/* A manager: where its server is and how to reach it. It is an object in the arena, so that every member can use it. */
#ifndef MANAGER_CLIENT_MANAGER_H
#define MANAGER_CLIENT_MANAGER_H

#include "family/object.h"
#include "manager/client/reach.h"

#include <prong/manager.h>
#include <prong/queue.h>

struct manager {
    struct object object;
    struct reach reach;
    bool stateless; /* Python's own server: a request to the server itself needs a connection of its own */
    bool in_family;
    prong_queue requests;
    prong_process process;
    int pid;
};
enum { KIND_MANAGER = 12 };
extern const struct object_type manager_type;

prong_status manager_find(prong_manager handle, struct manager **manager);
/* In state BUILDING; then it is published, or dropped. */
prong_status manager_new(struct manager **manager);
void manager_publish(struct manager *manager, prong_manager *handle);
void manager_drop(struct manager *manager);

#endif
