/* Queue: messages between any number of processes and threads.
 *
 * A message is in shared memory when put returns, and remains there until it is
 * taken, whatever happens to the sender. Messages are taken in the order of the
 * puts, each exactly once. A process killed inside put has put its message or
 * has not. A process killed inside get has taken the message or has left it for
 * others. A dead process blocks nobody.
 *
 * In a signal handler a put of up to 4,096 bytes with PRONG_NOWAIT is safe. It
 * returns PRONG_DEADLOCK if the handler interrupted a call of its own thread on
 * this queue or in the allocator. For all other calls see prong.h.
 *
 * All calls are safe in threads and in forked children. */
#ifndef PRONG_QUEUE_H
#define PRONG_QUEUE_H

#include <prong/message.h>
#include <prong/status.h>
#include <prong/time.h>
#include <prong/value.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_queue {
    uint64_t offset, generation;
} prong_queue;

/* All zero is a SimpleQueue: no limit, nothing counted. */
typedef struct prong_queue_options {
    size_t maxsize;    /* messages, after which a put waits; 0: the arena's size
                       is the only limit */
    bool joinable;     /* JoinableQueue: task_done and join count messages */
    size_t maxbytes;   /* bytes of all messages, after which a put waits; 0: no
                          limit. A message that is longer alone is put when the
                          queue is empty. The put of a large message may wait
                          while others put small ones. */
    void *reserved[3]; /* zero */
} prong_queue_options;

/* Creates a queue, which lives until prong_queue_destroy, or until the family
 * ends. options may be NULL.
 * Errors: PRONG_NO_MEMORY, PRONG_TIMEOUT (it was to get the memory of a
 * destroyed queue, which a stopped process is still using). */
PRONG_CHECKED prong_status
prong_queue_create(prong_queue *queue, const prong_queue_options *options);

/* Destroys the queue and frees the messages in it. Waiters get PRONG_SHUTDOWN
 * or PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_queue_destroy(prong_queue queue);

/* Puts a copy of `size` bytes, 0 and more. Waits up to the timeout while the
 * queue is full. Errors: PRONG_FULL (it stayed full), PRONG_SHUTDOWN,
 * PRONG_NO_MEMORY (the arena is full), PRONG_STALE. */
PRONG_CHECKED prong_status prong_queue_put(prong_queue queue, const void *data,
                                           size_t size, prong_time timeout);

/* Takes the oldest message into buffer; *size (may be NULL) is its length.
 * Errors: PRONG_EMPTY (none came in the time given), PRONG_TOO_LONG (it is
 * longer than capacity: *size is its length, and it remains the first in the
 * queue), PRONG_SHUTDOWN (the queue is shut down and empty), PRONG_STALE. */
PRONG_CHECKED prong_status prong_queue_get(prong_queue queue, void *buffer,
                                           size_t capacity, size_t *size,
                                           prong_time timeout);

/* --- values (see <prong/value.h>), as pickle --- */

/* Errors: as prong_queue_put, prong_queue_get (but never PRONG_TOO_LONG for the
 * size), prong_pickle_dumps and prong_pickle_loads. A message that is taken and
 * is no pickle is lost. The value belongs to the document. Objects of all
 * classes are read, as data: members of the family are trusted. */
PRONG_CHECKED prong_status prong_queue_put_value(prong_queue queue,
                                                 prong_value value,
                                                 prong_time timeout);
PRONG_CHECKED prong_status prong_queue_get_value(prong_queue queue,
                                                 prong_document *document,
                                                 prong_value *value,
                                                 prong_time timeout);

/* --- in place, without a copy (see <prong/message.h>) --- */

/* Puts the message. The memory is no longer the caller's, and *message is
 * cleared. After an error (as prong_queue_put) it remains the caller's, to be
 * committed again or released. The caller may lower message->size before the
 * call. */
PRONG_CHECKED prong_status prong_queue_commit(prong_queue queue,
                                              prong_message *message,
                                              prong_time timeout);

/* Takes the oldest message and lends it to the caller, who may change it, and
 * commit it to a queue again. Errors: as prong_queue_get, but never
 * PRONG_TOO_LONG. */
PRONG_CHECKED prong_status prong_queue_receive(prong_queue queue,
                                               prong_message *message,
                                               prong_time timeout);

/* --- state, and shutdown --- */

/* *size is the number of messages, exact at some moment during the call, and
 * *maxsize that of the options; either may be NULL. A queue with a maxsize is
 * full, so that a put waits, when *size has reached it. Errors: PRONG_STALE. */
PRONG_API prong_status prong_queue_size(prong_queue queue, size_t *size,
                                        size_t *maxsize);

/* Allows no more puts, by any process. The messages in the queue can still be
 * taken; then get returns PRONG_SHUTDOWN. All waiters are woken. It may be
 * called again.
 * Errors: PRONG_STALE. */
PRONG_API prong_status prong_queue_shutdown(prong_queue queue);

/* A descriptor for poll, select or epoll. It is readable while there is a
 * message, or the queue is shut down or destroyed, and not readable otherwise.
 * This holds in every process that asked for one, whichever process takes the
 * message. Readiness is a level: EPOLLET does not report a message that arrives
 * while another is still there. The descriptor is always readable while there
 * is a message. It may also be readable without one: for a moment, while
 * another process puts or takes; for longer, if that process is stopped or
 * killed in the middle, or has no right to open other members' descriptors
 * (docs/limits.md). So take with PRONG_NOWAIT.
 * A process gets the same descriptor at each call, and a forked child has it
 * under the same number. It belongs to the library, which closes it when this
 * process calls prong_queue_destroy or ends. Use it for waiting only. It costs
 * three descriptors; and while any process has one, each change between empty
 * and not empty costs every process a system call or two.
 * Errors: PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_STALE, PRONG_TIMEOUT (a
 * stopped process is in the middle of this call). */
PRONG_CHECKED prong_status prong_queue_fileno(prong_queue queue,
                                              int *descriptor);

/* --- of a queue that was created joinable --- */

/* Reports that a message taken earlier is done. Errors: PRONG_INVALID (called
 * more often than messages were put, or the queue is not joinable),
 * PRONG_STALE. */
PRONG_API prong_status prong_queue_task_done(prong_queue queue);

/* Waits until as many messages are done as were put. Messages that a process
 * had taken and not finished when it died count as done; the next join then
 * returns PRONG_OWNER_DIED, and the message says how many there were.
 * Errors: PRONG_TIMEOUT, PRONG_INVALID (not joinable), PRONG_STALE. */
PRONG_API prong_status prong_queue_join(prong_queue queue, prong_time timeout);

PRONG_END_DECLS

#endif
