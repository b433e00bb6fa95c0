/* Waiting for many things at once: queues, connections, links, listeners,
 * events, jobs, processes, other programs, and descriptors (sockets, pipes).
 *
 * The first of several jobs to end, and each in the order of their ends:
 *
 *     prong_waitable items[COUNT];
 *     for (size_t i = 0; i < COUNT; i++)
 *         items[i] = (prong_waitable){.kind = PRONG_WAIT_JOB, .job = jobs[i]};
 *     for (size_t left = COUNT; left > 0;) {
 *         if (prong_wait(items, left, NULL, PRONG_SECONDS(60)) < 0) break;
 *         for (size_t i = left; i-- > 0;) {
 *             if (!items[i].ready) continue;
 *             status = prong_job_wait(items[i].job, PRONG_NOWAIT);
 *             … use its results; prong_job_destroy(items[i].job) …
 *             items[i] = items[--left];
 *         }
 *     }
 *
 * For a race, leave the loop at the first job that succeeded, then cancel and
 * destroy the others.
 *
 * Not for signal handlers: it may use malloc. */
#ifndef PRONG_WAIT_H
#define PRONG_WAIT_H

#include <prong/connection.h>
#include <prong/event.h>
#include <prong/job.h>
#include <prong/listener.h>
#include <prong/process.h>
#include <prong/subprocess.h>

PRONG_BEGIN_DECLS

enum prong_waitable_kind {
    PRONG_WAIT_QUEUE = 1,
    PRONG_WAIT_CONNECTION,
    PRONG_WAIT_DESCRIPTOR,
    PRONG_WAIT_LINK,
    PRONG_WAIT_LISTENER,
    PRONG_WAIT_EVENT,
    PRONG_WAIT_JOB,
    PRONG_WAIT_PROCESS,
    PRONG_WAIT_POPEN
};

typedef struct prong_waitable {
    enum prong_waitable_kind kind;
    __extension__ union {            /* C99 has no unions without a name */
        prong_queue queue;           /* ready: something to get, or shut down */
        prong_connection connection; /* ready: something to receive, or EOF */
        prong_link *link;            /* ready: something to receive, or EOF */
        prong_listener *listener; /* ready: accept may have something to do */
        int descriptor;           /* ready: readable, hung up, or in error */
        prong_event event;        /* ready: set, or was set since the call */
        prong_job job;            /* ready: every task has ended, well or not */
        prong_process process;    /* a child of this one; ready: it has ended */
        prong_popen *popen;       /* ready: the program has ended */
    };
    bool ready;        /* set by prong_wait */
    void *reserved[2]; /* zero */
} prong_waitable;

/* Waits until at least one of the items is ready, and marks each that is;
 * *count (may be NULL) is how many are. An item that is destroyed meanwhile
 * counts as ready, and the next call on it returns PRONG_STALE; so does an
 * event, a job or a process that was destroyed before. A process that died in
 * the middle of something does not delay the call. Another thread or process
 * may take what is ready first: so go on with PRONG_NOWAIT. The call opens a
 * descriptor of its own only if items are descriptors, links, listeners,
 * processes or popens. For a pool's worker that waits here for jobs of its own
 * pool, a deadlock is not detected, as it is in prong_job_wait: give it a
 * timeout. Errors: PRONG_TIMEOUT (none is marked); where the message names the
 * item's index, PRONG_STALE or PRONG_CLOSED (a bad handle), PRONG_INVALID (a
 * bad descriptor or kind, or NULL), PRONG_NOT_STARTED, PRONG_NOT_CHILD;
 * PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY. Thread-safe. */
PRONG_CHECKED prong_status prong_wait(prong_waitable *items, size_t item_count,
                                      size_t *count, prong_time timeout);

PRONG_END_DECLS

#endif
