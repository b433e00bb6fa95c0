/* A server that members of its family ask through the arena. */
#ifndef MANAGER_SERVER_FAMILY_H
#define MANAGER_SERVER_FAMILY_H

#include "manager/family_request.h"

#include <prong/manager.h>

/* The server answers these too. The queue is its own from then on. */
void server_join_family(prong_server *server, prong_queue requests);

#endif
