/* Queue, SimpleQueue, JoinableQueue: messages between any number of processes and threads.
 *
 * A message is in shared memory when put returns, and stays there until it is taken, whatever becomes of the sender.
 * Order is that of the puts; each message is taken exactly once. A process killed inside put has either put its
 * message or not; one killed inside get has either taken it or left it for others. Nobody is held up by the dead.
 *
 * From a signal handler a put with PRONG_NOWAIT, of up to 4,096 bytes, is safe whatever it interrupts: PRONG_DEADLOCK where
 * that is a call of its own thread on this queue, or in the allocator. See prong.h for all other calls.
 *
 * All calls are safe from any number of threads and in forked children. A handle is a plain value: copy it, pass it
 * in a process's argument, send it through another queue. */
#ifndef PRONG_QUEUE_H
#define PRONG_QUEUE_H

#include <prong/status.h>
#include <prong/time.h>
#include <prong/value.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct prong_queue {
    uint64_t offset, generation;
} prong_queue;

/* A message lent to the caller, in place: `size` bytes at `data`, to read or
 * write until commit or prong_message_release. In the arena, aligned to 64, and
 * given back for a process that dies before; or, from prong_link_recv_bytes, in
 * memory of this process. */
typedef struct prong_message {
    void *data;
    size_t size;
    uint64_t block; /* the library's own */
} prong_message;

typedef struct prong_queue_options {
    size_t maxsize; /* messages; a put to a full queue waits. 0: no limit but the arena's size */
    bool joinable;  /* count what is put and what is done, for prong_queue_join */
} prong_queue_options;

/* Makes a queue that lives until prong_queue_destroy, or until the family ends. options may be NULL.
 * Errors: PRONG_NO_MEMORY, PRONG_TIMEOUT (a stopped process is in the middle of a destroyed queue whose place this one got). */
PRONG_CHECKED prong_status prong_queue_create(prong_queue *queue, const prong_queue_options *options);

/* Ends the queue and frees what is in it. Its handles are stale from then on; who waits in a call gets PRONG_SHUTDOWN
 * or PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_queue_destroy(prong_queue queue);

/* Puts a copy of size bytes (0 and more). Errors: PRONG_FULL when the queue stayed full for the time given,
 * PRONG_SHUTDOWN, PRONG_NO_MEMORY (the arena is full), PRONG_STALE. */
PRONG_CHECKED prong_status prong_queue_put(prong_queue queue, const void *data, size_t size, prong_time timeout);

/* Takes the oldest message into buffer; *size is its length. Errors: PRONG_EMPTY when nothing came in the time given;
 * PRONG_TOO_LONG when it is longer than capacity: *size then is its length, and it stays first in the queue;
 * PRONG_SHUTDOWN when the queue is closed and empty; PRONG_STALE. */
PRONG_CHECKED prong_status prong_queue_get(prong_queue queue, void *buffer, size_t capacity, size_t *size,
                                           prong_time timeout);

/* --- values (see <prong/value.h>), as pickle --- */

/* Errors: as prong_queue_put, prong_queue_get (never PRONG_TOO_LONG for size), prong_pickle_dumps and
 * prong_pickle_loads. What is taken and is no pickle is gone. The value lies in document. All classes are read, as data:
 * who is in the family is trusted. */
PRONG_CHECKED prong_status prong_queue_put_value(prong_queue queue, prong_value value, prong_time timeout);
PRONG_CHECKED prong_status prong_queue_get_value(prong_queue queue, prong_document *document, prong_value *value,
                                                 prong_time timeout);

/* --- in place, without a copy --- */

/* Lends size bytes to write a message into. Goes to no queue until committed. Errors: PRONG_NO_MEMORY, PRONG_STALE. */
PRONG_CHECKED prong_status prong_queue_reserve(prong_queue queue, size_t size, prong_message *message);

/* Puts the message; the memory is no longer the caller's, and *message is cleared. On failure (as prong_queue_put) it
 * remains the caller's, to commit again or to release. message->size may be lowered before. */
PRONG_CHECKED prong_status prong_queue_commit(prong_queue queue, prong_message *message, prong_time timeout);

/* Takes the oldest message and lends it to the caller, who may also change it, and may commit it to a queue again.
 * Errors: as prong_queue_get, but never PRONG_TOO_LONG. */
PRONG_CHECKED prong_status prong_queue_receive(prong_queue queue, prong_message *message, prong_time timeout);

/* Gives back a message reserved or received, once, and clears *message; from
 * any thread of this process. Errors: PRONG_STALE (it is not lent). */
PRONG_API prong_status prong_message_release(prong_message *message);

/* --- looking, and closing --- */

/* Exact at some moment during the call. Errors: PRONG_STALE. */
PRONG_API prong_status prong_queue_size(prong_queue queue, size_t *count);
/* True as well for a stale handle. */
PRONG_API bool prong_queue_empty(prong_queue queue);
PRONG_API bool prong_queue_full(prong_queue queue);

/* Nothing more goes in, for any process; what is in can still be taken, then takers get PRONG_SHUTDOWN. Who waits is
 * woken. Closing twice is allowed. Errors: PRONG_STALE. */
PRONG_API prong_status prong_queue_shutdown(prong_queue queue);

/* A descriptor for poll, select or epoll. It is readable while there is something to take, or the queue is closed or
 * destroyed, and not readable otherwise: in every process that asked for one, however many, and whichever of them
 * takes. Readiness is a level: EPOLLET reports no second message that comes while the first is still there.
 * For a moment, just while another process puts or takes, it may be readable with nothing there; and for longer if
 * that process is stopped or killed in that moment, or may not look into the others (see docs/limits.md). So take with
 * PRONG_NOWAIT. It is never the other way round.
 * The same descriptor at each call in one process. A forked child has it, too, under the same number. It belongs to
 * the library, which closes it when this process calls prong_queue_destroy, or ends; it is for waiting only. It costs
 * three descriptors, and each change between empty and not empty a system call or two, in all processes, as long as
 * any process has one.
 * Errors: PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_STALE, PRONG_TIMEOUT (a stopped process is in the middle of
 * this call). */
PRONG_CHECKED prong_status prong_queue_fileno(prong_queue queue, int *descriptor);

/* --- SimpleQueue: a queue with no limit; all the calls above. --- */
typedef prong_queue prong_simple_queue;
PRONG_CHECKED prong_status prong_simple_queue_create(prong_simple_queue *queue);

/* --- JoinableQueue --- */
typedef prong_queue prong_joinable_queue;
PRONG_CHECKED prong_status prong_joinable_queue_create(prong_joinable_queue *queue, size_t maxsize);

/* One message taken earlier is dealt with. Errors: PRONG_INVALID when called more often than messages were put, or
 * the queue is not joinable; PRONG_STALE. */
PRONG_API prong_status prong_queue_task_done(prong_joinable_queue queue);

/* Waits until as many messages are done as were put. What a process had taken and not finished when it died counts
 * as done; the first join after that returns PRONG_OWNER_DIED, and the message says how many.
 * Errors: PRONG_TIMEOUT, PRONG_INVALID (not joinable), PRONG_STALE. */
PRONG_API prong_status prong_queue_join(prong_joinable_queue queue, prong_time timeout);

#endif
