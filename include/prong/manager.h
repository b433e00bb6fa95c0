/* Manager: objects in a server process, used by proxy from anywhere: this
 * family, other programs, other computers, C and Python alike. The protocol is
 * that of Python's multiprocessing.managers: an unmodified Python program
 * connects to a prong server with SyncManager or BaseManager, and a C program
 * to Python's server.
 *
 *     prong_manager manager;
 *     prong_manager_start(&manager, NULL);
 *     prong_proxy scores;
 *     prong_proxy_create(&scores, manager, "dict", PRONG_SECONDS(5), "()");
 *     prong_proxy_call(scores, "__setitem__", NULL, NULL, PRONG_SECONDS(5),
 *                      "(si)", "ann", 3);
 *
 * Types: list, dict, set, Namespace, Value, Array, Lock, RLock, Semaphore,
 * BoundedSemaphore, Condition, Event, Barrier, Queue, JoinableQueue, with the
 * methods and exceptions that Python's have; and a server's own
 * (prong_server_register).
 *
 * A prong_manager is a handle of the family: every member may use it. Members
 * reach a server of their own family through the arena, others by socket; the
 * calls are the same. A proxy is a plain value, too: copy it, pass it to a
 * process, put it into a container on the server (prong_proxy_to_value).
 *
 * Arguments given by a format (see prong_build) come last, after the timeout,
 * as C requires.
 *
 * References. An object lives while any process holds a reference: the one that
 * created it, those that called prong_proxy_incref, containers on the server
 * that hold a proxy of it, Python's proxies. A process gives up its references
 * with prong_proxy_decref, or when it ends; then its locks are released and its
 * requests dropped, too. It cannot give up another's: the server identifies a
 * process as a member of the family, or by the kernel (Unix sockets; from Linux
 * 6.9 on also from other PID namespaces), or, by TCP, by the name that it gives
 * itself (C programs; see `lease`). A lock or RLock belongs to the connection,
 * and so the thread, that took it.
 *
 * Calls by proxies are thread-safe: each thread has a connection of its own,
 * and so has each forked child. No call here is for signal handlers.
 *
 * A peer that has the authkey may use all objects. Against a relay between a
 * client and the server use TLS (see <prong/link.h>). */
#ifndef PRONG_MANAGER_H
#define PRONG_MANAGER_H

#include <prong/process.h>
#include <prong/server.h>
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

/* --- starting and connecting --- */

typedef struct prong_manager_options {
    prong_server_options server; /* without an authkey, one is made */
    prong_start_method method;
    /* Runs in the server's process before it serves: to register types. A
     * result other than 0 fails the start. */
    int (*setup)(prong_server *server, const void *argument, size_t size);
    const void *argument;
    size_t argument_size;
    void *reserved[4]; /* zero */
} prong_manager_options;

/* Starts a server in a process of its own (daemonic: it ends with this one),
 * and connects to it. options may be NULL. Pair with prong_manager_shutdown.
 * Errors: as prong_process_start and prong_server_open; PRONG_TIMEOUT (it was
 * not ready after 60 s). */
PRONG_CHECKED prong_status prong_manager_start(
    prong_manager *manager, const prong_manager_options *options);

/* Connects to a server of any family, C or Python. If it has not started yet,
 * tries again until the time is up. options may be NULL. Pair with
 * prong_manager_destroy. Errors: as prong_link_connect. */
PRONG_CHECKED prong_status
prong_manager_connect(prong_manager *manager, const char *address,
                      const prong_link_options *options, prong_time timeout);

/* Asks the server to end; if this process started it, waits for its end, and
 * sends SIGTERM and SIGKILL when the time is up. The handle is stale then.
 * Errors: PRONG_TIMEOUT, PRONG_STALE. */
PRONG_API prong_status prong_manager_shutdown(prong_manager manager,
                                              prong_time timeout);

/* Ends this family's use of a server that it has connected to; the server goes
 * on. The handle is stale then. Errors: PRONG_INVALID (this family has started
 * the server), PRONG_STALE. */
PRONG_API prong_status prong_manager_destroy(prong_manager manager);

/* Copies the address, terminated. Errors: PRONG_TOO_LONG, PRONG_STALE. */
PRONG_API prong_status prong_manager_address(prong_manager manager,
                                             char *address, size_t capacity);

/* Copies the server's authkey (*size 0: none). Errors: PRONG_TOO_LONG (*size is
 * its length), PRONG_STALE. */
PRONG_API prong_status prong_manager_authkey(prong_manager manager, void *key,
                                             size_t capacity, size_t *size);

/* The server's pid. Errors: PRONG_NOT_FOUND (this family has not started it),
 * PRONG_STALE. */
PRONG_API prong_status prong_manager_pid(prong_manager manager, int *pid);

/* How many objects the server has. Errors: as prong_proxy_call. */
PRONG_API prong_status prong_manager_count(prong_manager manager, size_t *count,
                                           prong_time timeout);

/* --- proxies --- */

/* Makes an object on the server: type(*arguments), the arguments built by a
 * format that makes a tuple: "()", "(i)", … This process holds a reference;
 * pair with prong_proxy_decref. Errors: PRONG_REMOTE_ERROR (no such type, bad
 * arguments; the message has the server's text), PRONG_INVALID (the format
 * makes no tuple), PRONG_TOO_LONG (the type's name), PRONG_BROKEN_PIPE or
 * PRONG_EOF (the server is gone), PRONG_TIMEOUT (no answer in time: the object
 * may still be made), PRONG_STALE. */
PRONG_CHECKED prong_status prong_proxy_create(prong_proxy *proxy,
                                              prong_manager manager,
                                              const char *type,
                                              prong_time timeout,
                                              const char *format, ...);

/* Add and drop a reference of this process. Errors: PRONG_REMOTE_ERROR (it
 * holds none), and as prong_proxy_call; PRONG_TIMEOUT after 60 s. */
PRONG_API prong_status prong_proxy_incref(prong_proxy proxy);
PRONG_API prong_status prong_proxy_decref(prong_proxy proxy);

/* Calls a method, with arguments built by a format that makes a tuple. *result
 * lies in document; result, or both, may be NULL. A method that waits (acquire,
 * get, wait, …) waits on the server for as long as its own argument allows, and
 * this call for `timeout` at most.
 * If the method raises an exception, the call returns a status for it, and
 * *result is the exception (a prong_object): PRONG_EMPTY, PRONG_FULL,
 * PRONG_NOT_FOUND (KeyError, IndexError, AttributeError), PRONG_BROKEN
 * (BrokenBarrierError), PRONG_SHUTDOWN (ShutDown), PRONG_NO_MEMORY
 * (MemoryError), else PRONG_REMOTE_ERROR; the message has its text. Errors:
 * also PRONG_TIMEOUT (no answer in time: the call may still take effect; an
 * acquired lock is given back), PRONG_BROKEN_PIPE or PRONG_EOF (the server is
 * gone), PRONG_STALE, PRONG_INVALID (the format; a result without a
 * document). */
PRONG_CHECKED prong_status prong_proxy_call(
    prong_proxy proxy, const char *method, prong_document *document,
    prong_value *result, prong_time timeout, const char *format, ...);

/* The same with arguments made before: a tuple; and keywords: a dict, or
 * None. */
PRONG_CHECKED prong_status prong_proxy_call_value(
    prong_proxy proxy, const char *method, prong_value arguments,
    prong_value keywords, prong_document *document, prong_value *result,
    prong_time timeout);

/* Acquires a Lock, RLock, semaphore or Condition. Errors: PRONG_TIMEOUT (it was
 * not free in the time given), and as prong_proxy_call. */
PRONG_CHECKED prong_status prong_proxy_acquire(prong_proxy lock,
                                               prong_time timeout);
/* Releases it. Errors: as prong_proxy_call; PRONG_TIMEOUT after 60 s. */
PRONG_API prong_status prong_proxy_release(prong_proxy lock);

/* Puts a copy of item into a queue. Errors: PRONG_FULL (it stayed full for the
 * time given), and as prong_proxy_call. */
PRONG_CHECKED prong_status prong_proxy_put(prong_proxy queue, prong_value item,
                                           prong_time timeout);
/* Takes the first item of a queue; it lies in document. Errors: PRONG_EMPTY (it
 * stayed empty for the time given), and as prong_proxy_call. */
PRONG_CHECKED prong_status prong_proxy_get(prong_proxy queue,
                                           prong_document *document,
                                           prong_value *item,
                                           prong_time timeout);

/* Makes a value that refers to the proxy's object, as Python sends it. Errors:
 * PRONG_STALE, PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_proxy_to_value(prong_proxy proxy,
                                                prong_document *document,
                                                prong_value *value);
/* The proxy that a value refers to. This adds no reference: call
 * prong_proxy_incref, or rely on the container that holds it. A new object that
 * a call returned (an iterator) has a reference of this process already.
 * Errors: PRONG_INVALID (no proxy, or one of another server), PRONG_STALE. */
PRONG_CHECKED prong_status prong_proxy_from_value(prong_proxy *proxy,
                                                  prong_manager manager,
                                                  prong_value value);

PRONG_END_DECLS

#endif
