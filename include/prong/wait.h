/* Waiting for many things at once: queues, connections, links, listeners, and
 * descriptors (process sentinels, sockets). Not for signal handlers: it uses
 * malloc. */
#ifndef PRONG_WAIT_H
#define PRONG_WAIT_H

#include <prong/connection.h>
#include <prong/listener.h>

PRONG_BEGIN_DECLS

enum prong_waitable_kind {
    PRONG_WAIT_QUEUE = 1,
    PRONG_WAIT_CONNECTION,
    PRONG_WAIT_DESCRIPTOR,
    PRONG_WAIT_LINK,
    PRONG_WAIT_LISTENER
};

typedef struct prong_waitable {
    enum prong_waitable_kind kind;
    __extension__ union {            /* C99 has no unions without a name */
        prong_queue queue;           /* ready: something to get, or shut down */
        prong_connection connection; /* ready: something to receive, or EOF */
        prong_link *link;            /* ready: something to receive, or EOF */
        prong_listener *listener; /* ready: accept may have something to do */
        /* Ready: readable, hung up, or in error; a process's sentinel: the
         * process has ended. */
        int descriptor;
    };
    bool ready;        /* set by prong_wait */
    void *reserved[2]; /* zero */
} prong_waitable;

/* Waits until at least one of the items is ready, and marks each that is;
 * *count (may be NULL) is how many are. Errors: PRONG_TIMEOUT (none is marked),
 * PRONG_STALE or PRONG_CLOSED (a bad handle), PRONG_INVALID (a bad descriptor
 * or kind, or no link), where the message names the item's index;
 * PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY. Thread-safe. */
PRONG_CHECKED prong_status prong_wait(prong_waitable *items, size_t item_count,
                                      size_t *count, prong_time timeout);

PRONG_END_DECLS

#endif
