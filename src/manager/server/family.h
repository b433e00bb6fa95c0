/* Requests to a server from members of its family, through the arena. */
#ifndef MANAGER_SERVER_FAMILY_H
#define MANAGER_SERVER_FAMILY_H

#include "manager/family_request.h"

#include <prong/manager.h>

/* Lets the server answer requests from this queue, too. The queue belongs to the server from then on. */
void server_join_family(prong_server *server, prong_queue requests);

#endif
