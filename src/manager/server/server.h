/* A manager's server inside: one thread, one event loop. A request that has to wait is parked with its session, in a list
 * of the object it waits for; whoever changes that object resumes it. */
#ifndef MANAGER_SERVER_H
#define MANAGER_SERVER_H

#include "base/deadline.h"
#include "base/spin.h"
#include "family/watch.h"
#include "manager/server/item.h"
#include "net/link.h"
#include "os/os.h"
#include <prong/manager.h>
#include <prong/pickle.h>
#include <prong/queue.h>

struct session;
struct managed;
struct decoding;
struct family_request;

/* --- types and objects --- */

struct type {
    struct type *next; /* of the program's own; the library's stand in a table */
    prong_type_options given;
    struct managed *shared; /* the one object that goes by this name */
    bool hidden;            /* not to be created by clients: what methods return */
    /* Of the library's own types: */
    prong_status (*make)(prong_call *call, struct managed *object); /* sets object->state */
    void (*unmake)(struct prong_server *server, void *state);
    /* Takes back what a session that went, or a process that died, held of it. */
    void (*give_back)(struct managed *object, uint64_t count);
    bool held_by_process; /* any thread may give it back: kept while the process lives, though the connection ends */
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

/* --- waiting --- */

/* A session in the list of what it waits for. */
struct served_waiter {
    struct served_waiter *next, **place; /* place: NULL when in no list */
};
struct waiters {
    struct served_waiter *first, **last;
};

/* --- clients: who holds references --- */

/* A process; or, where nothing tells which process it is, all such of a computer. A pid names a process as long as that is
 * watched by its pidfd and has not ended: the same pid later is another client. */
struct client {
    struct client *next;
    int pid, pidfd;    /* in the server's PID namespace; 0: not to be seen in it. -1: not watched */
    uint32_t member;   /* its token in the family; 0: it came by socket alone */
    uint64_t identity; /* of a process without a pid here: the system's, or what it calls itself; 0: none */
    char host[64];     /* by TCP; "local" */
    bool ended;        /* the process has died, and its references are given up; sessions may be left */
    unsigned sessions;
    deadline_t lease_end; /* of one that is not watched and has no sessions */
    struct held {
        uint64_t id, count;
    } * held;
    size_t held_count, held_capacity;
    bool closed;        /* to be freed at the end of the round */
    struct hold *holds; /* of connections that ended while the process lives on */
};

/* --- sessions: connections --- */

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
    bool lost;        /* to be closed as soon as nobody looks at it */
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

/* A lock, semaphore unit … that a session has, to give back when it goes. */
struct hold {
    struct hold *next;
    struct managed *object;
    uint64_t count;
};

/* --- the server --- */

enum { SERVER_EVENTS = 64 }; /* at most so many a round */

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
    struct session **heap; /* of those with deadlines, the earliest first */
    size_t heap_count, heap_capacity;
    prong_document *scratch; /* of the request at hand */
    struct session *runnable, *closed_sessions;
    struct client *closed_clients;
    struct decoding *decodings, **last_decoding; /* by turns */
    bool stopped, limbo;                         /* limbo: objects without references wait for their grace to end */
    deadline_t look_at;                          /* when limbo and leases are looked at next */
    prong_queue requests;                        /* of the family */
    bool in_family;
    struct watch watch;                           /* of requests; without a doorbell: none yet */
    struct spin spin;                             /* while the next request is waited for */
    struct os_poller_event events[SERVER_EVENTS]; /* of the round */
    int event_count;
};

/* --- one call --- */

struct prong_call {
    struct prong_server *server;
    struct session *session;
    struct managed *object;
    const char *method, *returns;
    prong_value arguments, keywords;
    enum { CALL_OPEN, CALL_RETURNED, CALL_RAISED, CALL_PROXY, CALL_PARKED } outcome;
    prong_value result; /* or the exception */
    void *made;         /* CALL_PROXY */
};

/* Binds arguments and keywords to names: "item =block timeout". Those before the '=' are needed; the others are `absent`
 * if not given. On failure TypeError has been raised. */
prong_status call_bind(prong_call *call, const char *names, prong_value *values);
static inline bool is_absent(prong_value value) {
    return (value.head & 0xff) == 0xfd;
}
bool is_true(prong_value value);
__attribute__((format(printf, 3, 4))) prong_status call_raise(prong_call *call, const char *name, const char *format,
                                                              ...);
prong_status call_raise_value(prong_call *call, const char *name, prong_value argument);
prong_status call_return_bool(prong_call *call, bool truth);
prong_status call_return_none(prong_call *call);
/* A stored item, as it is now. */
prong_status call_return_item(prong_call *call, prong_value item);
/* The timeout argument: absent or None is for ever. Raises for what is none. */
prong_status call_timeout(prong_call *call, prong_value timeout, deadline_t *deadline);
prong_status call_index(prong_call *call, prong_value value, int64_t *index);

/* Parks the call's session in a list until it is resumed or time is up. */
prong_status call_park(prong_call *call, struct waiters *waiters, deadline_t deadline,
                       void (*timed_out)(struct session *), void (*gone)(struct session *));
/* The first that waits, or NULL. */
struct session *waiters_first(struct waiters *waiters);
void waiters_init(struct waiters *waiters);
void waiter_add(struct waiters *waiters, struct session *session);
void waiter_remove(struct session *session);
/* For call_park: the call returns False. */
void call_resume_false(struct session *session);
/* Ends a parked request: replies, and goes on with the session's next. False: the client was gone. */
bool session_resume(struct session *session, prong_value result);
void session_resume_raise(struct session *session, const char *module, const char *name);

void session_hold(struct session *session, struct managed *object, uint64_t count);
/* It gives up so much; or, if it has none, any other that has: an unlock by another than the holder. */
void server_unhold(struct session *session, struct managed *object, uint64_t count);
/* All goes back; or what belongs to a process goes to keeper (may be NULL), which is alive. */
void holds_give_back(struct prong_server *server, struct hold **holds, struct client *keeper);

/* --- objects.c --- */
struct managed *object_by_id(struct prong_server *server, uint64_t id);
prong_status object_new(struct prong_server *server, const struct type *type, struct managed **object);
void object_retain(struct managed *object);
void object_release(struct prong_server *server, struct managed *object);
void objects_look(struct prong_server *server);
/* Those that somebody has a reference to. */
int64_t objects_in_use(const struct prong_server *server);
/* What leaves a container as the reply to a client is kept for a while, for the client to come for it. */
void object_told(struct managed *object);
void objects_free(struct prong_server *server);
const struct type *type_by_name(const struct prong_server *server, const char *name);

/* --- clients.c --- */
/* The client at the other end of a connection; a member of the family. NULL: no memory, or no descriptor to watch it. */
struct client *client_of_link(struct prong_server *server, const prong_link *link);
struct client *client_of_member(struct prong_server *server, const struct family_request *request);
/* It has told who it is: its own client, if nothing better tells; else the one it has. NULL: no memory. */
struct client *client_named(struct prong_server *server, struct client *client, uint64_t identity);
/* Whether the process lives, as far as that can be seen. */
bool client_lives(const struct client *client);
void client_leave(struct prong_server *server, struct client *client);
prong_status client_hold(struct client *client, uint64_t id);
bool client_unhold(struct client *client, uint64_t id);
void clients_look(struct prong_server *server);
void client_ended(struct prong_server *server, struct client *client);
void clients_free(struct prong_server *server);
void clients_sweep(struct prong_server *server);

/* --- session.c --- */
prong_status session_new(struct prong_server *server, prong_link *link, struct session **session);
void session_close(struct session *session);
void sessions_sweep(struct prong_server *server);
/* Goes on with what has come, or can be written. */
void session_progress(struct session *session);
void session_run_later(struct session *session);
/* Sends a reply; false: the client is gone. */
bool session_reply(struct session *session, const char *kind, prong_value value);
/* What may be read from it is all that there is: handled. */
prong_status session_new_family(struct prong_server *server, const struct family_request *request,
                                struct session **session);
/* Those whose time is up. */
void server_deadlines(struct prong_server *server);
void deadline_set(struct session *session, deadline_t deadline);
void deadline_clear(struct session *session);

/* --- decoding.c --- */
enum { READ_AT_ONCE = 8192, STEPS_LEAST = 1 << 18, STEPS_A_BYTE = 4 };
prong_unpickle_options request_options(const struct prong_server *server, size_t size);
/* data is lent until the message has been read. */
prong_status decoding_begin(struct session *session, const void *data, size_t size);
void decoding_drop(struct session *session);
/* Reads on a little, in the one whose turn it is. */
void decodings_go(struct prong_server *server);

/* --- requests.c --- */
prong_status fill_object(prong_call *call);
/* Does what a message asks, now or when it has been read; replies, unless it is parked. */
void request_handle(struct session *session, const void *data, size_t size);
/* The same with a message that was read, or could not be: the failure is the last one recorded. */
void request_do(struct session *session, prong_status status, prong_value message);
/* The text of a traceback, as Python's, for a request that could not be done. */
void reply_traceback(struct session *session, const char *exception, const char *text);
prong_status make_exception(prong_document *document, const char *module, const char *name, prong_value arguments,
                            prong_value *exception);
/* The object that a proxy in a value stands for, if it is of this server; else NULL. */
struct managed *object_of_proxy(struct prong_server *server, prong_value value);

/* The library's own types. */
extern const struct type *const server_types[]; /* ends with NULL; see types/all.c */

/* --- family.c: requests through the arena --- */
void family_requests_open(struct prong_server *server);
void family_requests_close(struct prong_server *server);
/* Handles what there is. */
void family_requests_handle(struct prong_server *server);
/* Its doorbell has rung. */
void family_requests_rung(struct prong_server *server);
static inline bool family_requests_there(const struct prong_server *server) {
    return server->in_family && !prong_queue_empty(server->requests);
}
/* From now on the descriptor shows when one comes; look at the queue after this. */
void family_requests_arm(struct prong_server *server);
void family_member_gone(struct prong_server *server, const struct client *client);

#endif
