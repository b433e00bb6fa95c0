/* Manager: objects in a server process, used by proxy from anywhere: this family, other programs, other computers, C and
 * Python alike. The protocol is that of Python's multiprocessing.managers: an unmodified Python program connects to a
 * prong server with SyncManager or BaseManager, and a C program to Python's server.
 *
 *     prong_manager manager;
 *     prong_manager_start(&manager, NULL);
 *     prong_proxy scores;
 *     prong_manager_create(manager, &scores, "dict", "()");
 *     prong_proxy_call(scores, document, &result, "__setitem__", PRONG_SECONDS(5), "(si)", "ann", 3);
 *
 * Types: list, dict, set, Namespace, Value, Array, Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event, Barrier,
 * Queue, JoinableQueue, with the methods and exceptions that Python's have; and a server's own (prong_server_register).
 *
 * A prong_manager is a handle of the family: every member may use it. Members reach a server of their own family through
 * the arena, others by socket; the calls are the same. A proxy is a plain value too: copy it, pass it to a process, put
 * it into a container on the server (prong_proxy_to_value).
 *
 * References. An object lives while any process holds a reference: the one that created it (till prong_proxy_release),
 * those that called prong_proxy_retain, containers on the server that hold a proxy of it, Python's proxies. A process
 * that dies gives up its references, and the locks it held are free again; what it waited for, it waits for no more. A process
 * can release what itself holds, no other's: it is known as a member of the family, by the kernel (Unix sockets; from
 * Linux 6.9 on also from other PID namespaces), or by TCP as it names itself (C programs; see `lease`).
 * A lock or RLock belongs to the connection (the thread) that took it.
 *
 * Functions of the program's own (setup, and a type's create, methods, destroy and represent) run in the thread that serves, one at a
 * time: all clients wait meanwhile. They may make any call but one by a proxy of the same server, which would wait for itself.
 * From a signal handler prong_server_stop alone may be called.
 *
 * A peer that has the authkey may use all objects. The authkey does not stop a relay between a client and the server, which could
 * change requests and replies; TLS does (see <prong/link.h>). */
#ifndef PRONG_MANAGER_H
#define PRONG_MANAGER_H

#include <prong/link.h>
#include <prong/process.h>
#include <prong/value.h>

PRONG_BEGIN_DECLS

typedef struct prong_manager {
    uint64_t offset, generation;
} prong_manager;

typedef struct prong_proxy {
    prong_manager manager;
    uint64_t id;
    char type[40]; /* "dict", … */
} prong_proxy;

typedef struct prong_server prong_server;

typedef struct prong_server_options {
    const char *
        address; /* as in <prong/link.h>; NULL: an abstract Unix socket with a name of its own */
    prong_link_options
        link; /* authkey: must be there unless `open` says otherwise; allow_md5 for Python up to 3.11;
                                max_message: 0 is 256 MiB here */
    bool
        open; /* needs no authkey: anybody who can connect may use the server */
    /* Beyond these a request fails with MemoryError, a connection is refused: */
    size_t
        max_memory; /* bytes of what is stored; 0: half of this computer's memory */
    size_t
        max_request; /* bytes that a request may need while it is read and answered; 0: an eighth of it */
    size_t
        max_steps; /* what reading a request may take: see prong_unpickle_options; 0: 262,144 and 4 for each byte */
    unsigned max_clients; /* connections; 0: 4096 */
    size_t max_objects;   /* 0: 1,000,000 */
    /* Clients by TCP cannot be seen to die. Their references are given up when they have had no connection for so
     * long; 0: never. C programs are told apart there; Python programs of one computer, which do not say who they are, count as
     * one. */
    prong_time lease;
} prong_server_options;

/* --- starting and connecting --- */

typedef struct prong_manager_options {
    prong_server_options server; /* without an authkey, one is made */
    prong_start_method method;
    /* Runs in the server's process before it serves: to register types. Anything but 0 fails the start. */
    int (*setup)(prong_server *server, const void *argument, size_t size);
    const void *argument;
    size_t argument_size;
} prong_manager_options;

/* Starts a server in a process of its own (daemonic: it ends with this one) and connects to it. options may be NULL.
 * Errors: as prong_process_start, prong_server_open. Pair with prong_manager_shutdown. */
PRONG_CHECKED prong_status prong_manager_start(
    prong_manager *manager, const prong_manager_options *options);

/* Connects to a server, of any family, C or Python, which may come up within the time given. Pair with
 * prong_manager_close. Errors: as prong_client_connect. */
PRONG_CHECKED prong_status
prong_manager_connect(prong_manager *manager, const char *address,
                      const prong_link_options *options, prong_time timeout);

/* Asks the server to end, and waits for it if this process started it (then with SIGTERM and SIGKILL behind, if time is
 * up). The handle is stale then. Errors: PRONG_TIMEOUT, PRONG_STALE. */
PRONG_API prong_status prong_manager_shutdown(prong_manager manager,
                                              prong_time timeout);
/* Ends this family's use of it, and frees the handle; the server goes on. */
PRONG_API prong_status prong_manager_close(prong_manager manager);
/* Copies the address, terminated. Errors: PRONG_STALE, PRONG_TOO_LONG. */
PRONG_API prong_status prong_manager_address(prong_manager manager,
                                             char *address, size_t size);
/* The key with which the server is reached (size 0: none). Errors: PRONG_STALE, PRONG_TOO_LONG. */
PRONG_API prong_status prong_manager_authkey(prong_manager manager, void *key,
                                             size_t capacity, size_t *size);
/* The server's pid if this family started it. Errors: PRONG_NOT_FOUND. */
PRONG_API prong_status prong_manager_pid(prong_manager manager, int *pid);
/* Objects that the server has. */
PRONG_API prong_status prong_manager_count(prong_manager manager, size_t *count,
                                           prong_time timeout);

/* --- proxies --- */

/* Makes an object: type(*arguments), the arguments built by a format as of prong_build that makes a tuple: "()",
 * "(i)", … This process holds a reference. Errors: PRONG_REMOTE_ERROR (no such type, bad arguments: the message has
 * what the server says), PRONG_BROKEN_PIPE or PRONG_EOF (the server is gone), PRONG_TIMEOUT (after 60 s). */
PRONG_CHECKED prong_status prong_manager_create(prong_manager manager,
                                                prong_proxy *proxy,
                                                const char *type,
                                                const char *format, ...);
/* One more reference, held by this process; and one less. What a process holds is given up when it ends. */
PRONG_API prong_status prong_proxy_retain(prong_proxy proxy);
PRONG_API prong_status prong_proxy_release(prong_proxy proxy);

/* Calls a method with arguments by format (a tuple). *result lies in document; both may be
 * NULL. A method that waits
 * (acquire, get, wait, …) does so on the server for as long as its own argument says, up to `timeout` here.
 * What the method raises is a status, with the exception in *result (a prong_object): PRONG_EMPTY, PRONG_FULL,
 * PRONG_NOT_FOUND (KeyError, IndexError, AttributeError), PRONG_BROKEN (BrokenBarrierError), else PRONG_REMOTE_ERROR; the
 * message has its text. Errors: also PRONG_TIMEOUT: no answer in time (the call may still take effect; an acquired lock
 * is given back), PRONG_BROKEN_PIPE or PRONG_EOF: the server is gone; PRONG_STALE.
 * Thread-safe: each thread has a connection of its own. After a fork the child makes its own. */
PRONG_CHECKED prong_status prong_proxy_call(
    prong_proxy proxy, prong_document *document, prong_value *result,
    const char *method, prong_time timeout, const char *format, ...);
/* The same with arguments made before: a tuple; and keywords: a dict, or None. */
PRONG_CHECKED prong_status prong_proxy_call_value(
    prong_proxy proxy, prong_document *document, prong_value *result,
    const char *method, prong_time timeout, prong_value arguments,
    prong_value keywords);

/* A proxy as a value, and back; as Python sends them. What comes from a value has no reference of its own:
 * retain it, or let the container it is in hold it; but one that a call returned as a new object (an iterator) this process
 * holds already. Errors: PRONG_INVALID (no proxy, or one of another server). */
PRONG_CHECKED prong_status prong_proxy_to_value(prong_proxy proxy,
                                                prong_document *document,
                                                prong_value *value);
PRONG_CHECKED prong_status prong_proxy_from_value(prong_manager manager,
                                                  prong_value value,
                                                  prong_proxy *proxy);

/* Lock, RLock, semaphores, Condition: acquire and release. PRONG_TIMEOUT: not got in the time given. */
PRONG_CHECKED prong_status prong_proxy_acquire(prong_proxy lock,
                                               prong_time timeout);
PRONG_API prong_status prong_proxy_unlock(prong_proxy lock);
/* Queue: PRONG_FULL, PRONG_EMPTY in the time given. */
PRONG_CHECKED prong_status prong_proxy_put(prong_proxy queue, prong_value item,
                                           prong_time timeout);
PRONG_CHECKED prong_status prong_proxy_get(prong_proxy queue,
                                           prong_document *document,
                                           prong_value *item,
                                           prong_time timeout);

/* --- serving --- */

/* A server within this process: opens it; prong_server_run serves until it is stopped. options must name an authkey or
 * say `open`. Errors: PRONG_INVALID, and as prong_listener_open. */
PRONG_CHECKED prong_status
prong_server_open(prong_server **server, const prong_server_options *options);
/* Where it listens; valid as long as the server. */
PRONG_API const char *prong_server_address(const prong_server *server);
/* Serves in the calling thread, all clients side by side: large requests by socket are read slice by slice between those of
 * others. PRONG_OK when stopped (prong_server_stop, or a client's
 * shutdown), PRONG_TIMEOUT when time is up: it may then be called again. */
PRONG_CHECKED prong_status prong_server_run(prong_server *server,
                                            prong_time timeout);
/* Makes run return; from any thread, or from a signal handler. */
PRONG_API void prong_server_stop(prong_server *server);
PRONG_API void prong_server_close(prong_server *server);

/* --- own types --- */

/* One call of a method, for as long as the method runs. */
typedef struct prong_call prong_call;
typedef prong_status prong_method(prong_call *call);

typedef struct prong_method_entry {
    const char *name;
    prong_method *method;
    const char *
        returns; /* a type's name: what is returned with prong_call_return_object becomes a proxy; else NULL */
} prong_method_entry;

typedef struct prong_type_options {
    const char *name;
    /* Makes an object from the call's arguments: sets *object, or raises. NULL: there is just one, `object`. */
    prong_status (*create)(prong_call *call, void **object);
    void *object;
    void (*destroy)(void *object);
    const prong_method_entry
        *methods; /* exposed to clients; the list ends with a NULL name */
    /* What repr and _getvalue give; NULL: "<NAME object>" and None. */
    prong_status (*represent)(void *object, prong_document *document,
                              prong_value *value);
} prong_type_options;

/* Methods run in the server's thread, one at a time, and should not wait. The names are copied, not the rest.
 * Errors: PRONG_EXISTS, PRONG_INVALID, PRONG_NO_MEMORY. */
PRONG_API prong_status prong_server_register(prong_server *server,
                                             const prong_type_options *type);

/* One object under a name: whoever creates `name` (Python: registers and calls it, as get_queue()) gets this same object of
 * the library's own or a registered type, made now from arguments by format. It lives as long as the server.
 * Errors: PRONG_EXISTS, PRONG_NOT_FOUND (no such type), PRONG_INVALID (arguments), PRONG_NO_MEMORY. */
PRONG_API prong_status prong_server_share(prong_server *server,
                                          const char *name, const char *type,
                                          const char *format, ...);

PRONG_API void *prong_call_object(const prong_call *call);
PRONG_API prong_value
prong_call_arguments(const prong_call *call);                      /* a tuple */
PRONG_API prong_value prong_call_keywords(const prong_call *call); /* a dict */
PRONG_API prong_document *prong_call_document(const prong_call *call);
/* Returns a value. A method that returns without is taken to return None. */
PRONG_CHECKED prong_status prong_call_return(prong_call *call,
                                             prong_value value);
/* Returns a new object of the entry's type, which then owns it. */
PRONG_CHECKED prong_status prong_call_return_object(prong_call *call,
                                                    void *object);
/* Raises an exception: module ("builtins"), name ("KeyError"), and its arguments (a tuple). A method that returns a
 * status other than PRONG_OK without raises a RuntimeError with prong_error_message(). */
PRONG_CHECKED prong_status prong_call_raise(prong_call *call,
                                            const char *module,
                                            const char *name,
                                            prong_value arguments);

PRONG_END_DECLS

#endif
