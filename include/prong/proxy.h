/* Proxy: an object on a manager's server, and its methods. See
 * <prong/manager.h>, which includes this. A proxy is a plain value: copy it,
 * pass it to a process, put it into a container on the server
 * (prong_proxy_to_value).
 *
 * Arguments are built by a format (see prong_build), which comes last, after
 * the timeout, as C requires. It makes a tuple, after which a dict of keywords
 * may follow: "()", "(i)", "(){s:b}". For values made before it is "v" or "vv".
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
 * Calls are thread-safe, as a manager's. None is for signal handlers. */
#ifndef PRONG_PROXY_H
#define PRONG_PROXY_H

#include <prong/manager.h>

PRONG_BEGIN_DECLS

typedef struct prong_proxy {
    prong_manager manager;
    uint64_t id;
    char type[40]; /* "dict", … */
} prong_proxy;

/* Makes an object on the server: type(*arguments, **keywords). This process
 * holds a reference; pair with prong_proxy_decref. Errors: PRONG_REMOTE_ERROR
 * (no such type, bad arguments; the message has the server's text),
 * PRONG_INVALID (the format), PRONG_TOO_LONG (the type's name),
 * PRONG_BROKEN_PIPE or PRONG_EOF (the server is gone), PRONG_TIMEOUT (no answer
 * in time: the object may still be made), PRONG_STALE. */
PRONG_CHECKED prong_status prong_proxy_create(prong_proxy *proxy,
                                              prong_manager manager,
                                              const char *type,
                                              prong_time timeout,
                                              const char *format, ...);

/* Add and drop a reference of this process. Errors: PRONG_REMOTE_ERROR (it
 * holds none), and as prong_proxy_call; PRONG_TIMEOUT after 60 s. */
PRONG_API prong_status prong_proxy_incref(prong_proxy proxy);
PRONG_API prong_status prong_proxy_decref(prong_proxy proxy);

/* Calls a method. *result lies in document; result, or both, may be NULL. A
 * method that waits (acquire, get, wait, …) waits on the server for as long as
 * its own argument allows, and this call for `timeout` at most.
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
