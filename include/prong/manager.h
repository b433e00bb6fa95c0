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
 * calls are the same. What proxies do is in <prong/proxy.h>, which this header
 * includes.
 *
 * Calls are thread-safe: each thread has a connection of its own, and so has
 * each forked child. No call here is for signal handlers.
 *
 * A peer that has the authkey may use all objects. Against a relay between a
 * client and the server use TLS (see <prong/link_options.h>). */
#ifndef PRONG_MANAGER_H
#define PRONG_MANAGER_H

#include <prong/process.h>
#include <prong/server.h>
#include <prong/value.h>

PRONG_BEGIN_DECLS

typedef struct prong_manager {
    uint64_t offset, generation;
} prong_manager;

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

enum {
    PRONG_MANAGER_ADDRESS = 320, /* bytes, with the final zero */
    PRONG_MANAGER_AUTHKEY = 256
};

typedef struct prong_manager_info {
    char address[PRONG_MANAGER_ADDRESS]; /* with the real port */
    unsigned char authkey[PRONG_MANAGER_AUTHKEY];
    size_t authkey_size; /* 0: none */
    int pid;             /* of the server; 0: this family has not started it */
    void *reserved[4];   /* zero */
} prong_manager_info;

/* How to reach the server. Errors: PRONG_STALE (*info is then zero). */
PRONG_API prong_status prong_manager_get_info(prong_manager manager,
                                              prong_manager_info *info);

/* How many objects the server has. Errors: as prong_proxy_call. */
PRONG_API prong_status prong_manager_count(prong_manager manager, size_t *count,
                                           prong_time timeout);

PRONG_END_DECLS

#include <prong/proxy.h>

#endif
