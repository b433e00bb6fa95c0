/* Clients, which hold references to a server's objects. */
#ifndef MANAGER_SERVER_CLIENT_H
#define MANAGER_SERVER_CLIENT_H

#include "base/deadline.h"
#include "manager/server/map.h"
#include "net/link.h"

struct prong_server;
struct family_request;
struct hold;

/* A client is a process; all processes of one computer that cannot be identified are one client together. A pid
 * identifies a process as long as that is watched by its pidfd and has not ended: the same pid later is another
 * client. */
struct client {
    struct client *next;
    int pid, pidfd;    /* in the server's PID namespace; 0: not to be seen in it. -1: not watched */
    uint32_t member;   /* its token in the family; 0: it came by socket alone */
    uint64_t identity; /* of a process without a pid here: the system's, or what it calls itself; 0: none */
    char host[64];     /* by TCP; "local" */
    bool ended;        /* the process has died, and its references are given up; sessions may be left */
    unsigned sessions;
    deadline_t lease_end; /* of one that is not watched and has no sessions */
    struct map held;      /* how many references, by the object's id */
    bool closed;          /* to be freed at the end of the round */
    struct hold *holds;   /* of connections that ended while the process lives on */
};

/* The client at the other end of a connection (the first); a member of the family (the second). NULL: no memory, or no
 * descriptor to watch it. */
struct client *client_of_link(struct prong_server *server, const prong_link *link);
struct client *client_of_member(struct prong_server *server, const struct family_request *request);
/* For a peer that has told its name: a client of that name, unless the peer is identified in a better way already; then
 * the client that it has. NULL: no memory. */
struct client *client_named(struct prong_server *server, struct client *client, uint64_t identity);
/* Whether the process is alive, as far as that can be seen. */
bool client_lives(const struct client *client);
void client_leave(struct prong_server *server, struct client *client);
prong_status client_hold(struct client *client, uint64_t id);
bool client_unhold(struct client *client, uint64_t id);
void clients_look(struct prong_server *server);
void client_ended(struct prong_server *server, struct client *client);
void clients_free(struct prong_server *server);
void clients_sweep(struct prong_server *server);

#endif
