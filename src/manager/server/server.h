/* The inside of a manager's server: one thread, one event loop. A request that has to wait is parked: its session is
 * put into a list of the object that it waits for, and a request that changes the object resumes it. */
#ifndef MANAGER_SERVER_H
#define MANAGER_SERVER_H

#include "base/spin.h"
#include "family/watch.h"
#include "manager/server/call.h"
#include "manager/server/item.h"
#include "manager/server/request.h"
#include "os/os.h"
#include "process/notify.h"

enum { SERVER_EVENTS = 64 }; /* at most that many in a round */

struct prong_server {
    prong_server_options options;
    prong_link_options link;
    struct tls_context *tls;
    int socket, poller, stopper;
    bool accepting; /* the socket is watched: not while there are too many, or no descriptors */
    char address[ADDRESS_TEXT], path[ADDRESS_TEXT];
    struct type *types;
    struct managed **objects;
    size_t object_count, object_slots;
    uint64_t next_id;
    size_t memory; /* of items */
    struct client *clients;
    struct session *sessions;
    unsigned session_count;
    struct map mailboxes;  /* the sessions of the family, by where their mailboxes are */
    struct session **heap; /* of those with deadlines, the earliest first */
    size_t heap_count, heap_capacity;
    prong_document *scratch; /* of the request at hand */
    struct session *runnable, *closed_sessions;
    struct client *closed_clients;
    struct decoding *decodings, **last_decoding; /* by turns */
    bool stopped, limbo;                         /* limbo: some objects without references are kept for a while */
    bool looks_at_clients;                       /* no event tells when some of them are over */
    deadline_t look_at;                          /* when limbo and leases are looked at next */
    prong_time look_pause;                       /* since the last time */
    prong_queue requests;                        /* of the family */
    bool in_family;
    struct watch watch;                           /* of requests; without a doorbell: none yet */
    struct spin spin;                             /* while the next request is waited for */
    struct os_poller_event events[SERVER_EVENTS]; /* of the round */
    int event_count;
    struct notifier notifier; /* with the option `notify`, from the first run on */
    bool notifies;
};

/* --- requests of the family, through the arena: family.c --- */

void family_requests_open(struct prong_server *server);
void family_requests_close(struct prong_server *server);
/* Handles what there is. False: nothing was. */
bool family_requests_handle(struct prong_server *server);
/* Called when its doorbell has rung. */
void family_requests_rung(struct prong_server *server);
bool family_requests_there(const struct prong_server *server);
/* A request may arrive that does not wake the server. */
bool family_requests_may_not_ring(const struct prong_server *server);
/* From now on the descriptor shows when a request arrives; check the queue after this. */
void family_requests_arm(struct prong_server *server);
void family_member_gone(struct prong_server *server, const struct client *client);
#endif
