/* Server: a manager's server within this process, and types of its own. A
 * server in a process of its own is started with prong_manager_start (see
 * <prong/manager.h>).
 *
 * Functions of the program's own (a manager's setup, and a type's create,
 * methods, destroy and represent) run in the thread that serves, one at a time:
 * all clients wait meanwhile. They may make any call but one by a proxy of the
 * same server, which would wait for itself.
 *
 * The calls of one server are for one thread at a time, but prong_server_stop,
 * which is for any thread and for signal handlers. No other call here is for
 * signal handlers. */
#ifndef PRONG_SERVER_H
#define PRONG_SERVER_H

#include <prong/link.h>
#include <prong/value.h>

PRONG_BEGIN_DECLS

typedef struct prong_server prong_server;

typedef struct prong_server_options {
    /* As in <prong/link_options.h>; NULL: an abstract Unix socket, its name
     * made up. */
    const char *address;
    /* authkey: required unless `open` is set; allow_md5 for Python up to 3.11;
     * max_message: 0 is 256 MiB here. */
    prong_link_options link;
    bool open; /* needs no authkey: all who can connect may use the server */
    /* Beyond these, a request fails with MemoryError, a connection fails: */
    size_t max_memory; /* bytes stored; 0: half of this computer's memory */
    /* Bytes that a request may need while it is read and answered; 0: an eighth
     * of this computer's memory. */
    size_t max_request;
    /* What reading a request may take: see prong_unpickle_options; 0: 262,144,
     * and 4 for each byte. */
    size_t max_steps;
    unsigned max_clients; /* connections; 0: 4096 */
    size_t max_objects;   /* 0: 1,000,000 */
    /* The server cannot see the death of a client by TCP. It drops the client's
     * references when the client has had no connection for this long; 0: never.
     * C programs name themselves there; all Python programs of one computer
     * count as one client. */
    prong_time lease;
    bool notify;       /* tells systemd: READY, STOPPING, WATCHDOG */
    void *reserved[7]; /* zero */
} prong_server_options;

/* --- serving --- */

/* Makes a server that listens; prong_server_run then serves. options must have
 * an authkey, or `open`. Pair with prong_server_close. Errors: PRONG_INVALID,
 * and as prong_listener_open. */
PRONG_CHECKED prong_status
prong_server_open(prong_server **server, const prong_server_options *options);

/* Where it listens; valid as long as the server. */
PRONG_API const char *prong_server_address(const prong_server *server);

/* Serves in the calling thread, all clients side by side: large requests by
 * socket are read in slices between those of others. PRONG_OK when stopped
 * (prong_server_stop, or a client's shutdown). Errors: PRONG_TIMEOUT (the time
 * is up; it may be called again), PRONG_SYSTEM; others of `notify`'s socket. */
PRONG_CHECKED prong_status prong_server_run(prong_server *server,
                                            prong_time timeout);

/* Makes run return. From any thread, or from a signal handler. */
PRONG_API void prong_server_stop(prong_server *server);

/* Closes its connections, removes the path of a Unix socket, frees the server.
 * NULL is allowed. Errors: PRONG_PERMISSION, PRONG_SYSTEM: the path could not
 * be removed; it is closed all the same. */
PRONG_API prong_status prong_server_close(prong_server *server);

/* --- own types --- */

/* One call of a method, for as long as the method runs. It belongs to the
 * server. */
typedef struct prong_call {
    void *object;             /* whose method it is; NULL while it is created */
    prong_value arguments;    /* a tuple */
    prong_value keywords;     /* a dict; None: none */
    prong_document *document; /* for values that the method makes */
    const char *method;       /* its name; a type's, if it creates an object */
    struct prong_call_inner *inner; /* the library's own */
    void *reserved[2];              /* zero */
} prong_call;
typedef prong_status prong_method(prong_call *call);

typedef struct prong_method_entry {
    const char *name;
    prong_method *method;
    /* The name of a type: an object that the method returns by
     * prong_call_return_object becomes a proxy of that type; else NULL. */
    const char *returns;
    void *reserved[2]; /* zero */
} prong_method_entry;

typedef struct prong_type_options {
    const char *name;
    /* Makes an object from the call's arguments: sets *object, or raises. NULL:
     * all clients share one object, `object`. */
    prong_status (*create)(prong_call *call, void **object);
    void *object;
    void (*destroy)(void *object);
    const prong_method_entry *methods; /* ends with a NULL name */
    /* What repr and _getvalue give; NULL: "<NAME object>" and None. */
    prong_status (*represent)(void *object, prong_document *document,
                              prong_value *value);
    void *reserved[4]; /* zero */
} prong_type_options;

/* Adds a type. Its methods run in the server's thread, one at a time, and
 * should not wait. The name is copied, the rest must stay. Errors:
 * PRONG_EXISTS, PRONG_INVALID, PRONG_NO_MEMORY. */
PRONG_API prong_status prong_server_register(prong_server *server,
                                             const prong_type_options *type);

/* One object under a name: each client that creates `name` (Python: registers
 * and calls it, as get_queue()) gets this same object. It is of one of the
 * library's types or a registered one, made now from arguments by format
 * (see <prong/proxy.h>), and lives as long as the server. Errors: PRONG_EXISTS,
 * PRONG_NOT_FOUND (no such type), PRONG_INVALID (arguments), PRONG_NO_MEMORY.
 */
PRONG_API prong_status prong_server_share(prong_server *server,
                                          const char *name, const char *type,
                                          const char *format, ...);

/* Returns a value. A method that does not call this returns None. */
PRONG_CHECKED prong_status prong_call_return(prong_call *call,
                                             prong_value value);

/* Returns a new object of the entry's type, which then owns it. Errors:
 * PRONG_INVALID (the entry names no type). */
PRONG_CHECKED prong_status prong_call_return_object(prong_call *call,
                                                    void *object);

/* Raises an exception: module ("builtins"), name ("KeyError"), and its
 * arguments (a tuple). A method that returns a status other than PRONG_OK and
 * does not call this raises a RuntimeError with prong_error_message(). */
PRONG_CHECKED prong_status prong_call_raise(prong_call *call,
                                            const char *module,
                                            const char *name,
                                            prong_value arguments);

PRONG_END_DECLS

#endif
