/* Sessions: connections to a server, or threads of its family; what they wait for, and what they hold. */
#ifndef MANAGER_SERVER_SESSION_H
#define MANAGER_SERVER_SESSION_H

#include "manager/server/client.h"
#include "manager/server/object.h"
#include <prong/queue.h>

struct decoding;

/* --- waiting --- */

/* A session in the list of what it waits for. */
struct served_waiter {
    struct served_waiter *next, **place; /* place: NULL when in no list */
};
struct waiters {
    struct served_waiter *first, **last;
};

/* --- a session --- */

enum session_state { SESSION_HANDSHAKE, SESSION_FRESH, SESSION_SERVING, SESSION_CLOSING };

struct session {
    struct served_waiter waiter; /* first: a waiter is its session */
    struct session *next, **place;
    struct prong_server *server;
    enum session_state state;
    prong_link *link; /* NULL: of the family */
    prong_queue mailbox;
    struct client *client;
    uint32_t watched; /* for OS_POLLER_… */
    bool closed;      /* to be freed at the end of the round */
    bool lost;        /* to be closed as soon as it is not in use */
    bool runnable;    /* in the server's list: has perhaps another request, read already */
    struct session *next_runnable;

    struct decoding *decoding; /* of a request that is being read; its bytes are lent from the link */

    /* of a request that is parked */
    struct waiters *in; /* the list it is in */
    bool parked;
    struct managed *object; /* has a reference */
    deadline_t deadline;
    size_t heap_place;                          /* in the server's deadlines, plus 1; 0: none */
    void (*timed_out)(struct session *session); /* takes it out of the list and replies */
    void (*gone)(struct session *session);      /* the client vanished meanwhile; may be NULL */
    uint64_t wish[2];                           /* what the type has to remember */
    prong_value item;                           /* put that waits: stored */
    struct hold *holds;                         /* locks it has */
};

/* A lock, semaphore unit … that a session holds, to be released when the session ends. */
struct hold {
    struct hold *next;
    struct managed *object;
    uint64_t count;
};

prong_status session_new(struct prong_server *server, prong_link *link, struct session **session);
void session_close(struct session *session);
void sessions_sweep(struct prong_server *server);
/* Handles what has arrived, and writes what can be written. */
void session_progress(struct session *session);
void session_run_later(struct session *session);
/* Sends a reply; false: the client is gone. */
bool session_reply(struct session *session, const char *kind, prong_value value);
/* Handles all that has been read from it. */
prong_status session_new_family(struct prong_server *server, const struct family_request *request,
                                struct session **session);
/* Those whose time is up. */
void server_deadlines(struct prong_server *server);
void deadline_set(struct session *session, deadline_t deadline);
void deadline_clear(struct session *session);

/* --- parked requests, and what is held: call.c --- */

/* The first that waits, or NULL. */
struct session *waiters_first(struct waiters *waiters);
void waiters_init(struct waiters *waiters);
void waiter_add(struct waiters *waiters, struct session *session);
void waiter_remove(struct session *session);
/* Ends a parked request: replies, and continues with the session's next one. False: the client was gone. */
bool session_resume(struct session *session, prong_value result);
void session_resume_raise(struct session *session, const char *module, const char *name);

void session_hold(struct session *session, struct managed *object, uint64_t count);
/* Reduces what the session holds; or, if it holds none, what any other session holds: a release by another than the
 * holder. */
void server_unhold(struct session *session, struct managed *object, uint64_t count);
/* Releases all; or gives what belongs to a process to keeper (may be NULL), which is alive. */
void holds_give_back(struct prong_server *server, struct hold **holds, struct client *keeper);

#endif
