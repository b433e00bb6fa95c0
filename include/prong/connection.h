/* Pipe and Connection: two ends, for messages of bytes in one or both
 * directions, within a family. Calls have the names, parameters and results of
 * a link's (see <prong/link.h>).
 *
 * Holders. A process holds an end from being handed it (in the argument of a
 * process that it is started as), or from first using it, until it closes it or
 * dies, in whatever way. The process that made the pipe holds both ends at
 * first. Its hold on an end that it has not used passes to the first process
 * that is handed that end (a start that fails leaves it as it was). When the
 * last holder of an end is gone, the other side reads what is left and then
 * gets PRONG_EOF. So a forked child does not keep its parent's end open, and
 * nobody needs to close an end that it gave away.
 *
 * A connection handle in a message or in shared memory does not hold anything
 * by itself: keep the end until the receiver has used it.
 *
 * A signal handler may make every call here but prong_connection_fileno, which
 * uses malloc; see prong.h.
 *
 * Any number of threads and processes may use an end at the same time: each
 * message goes to one of those that receive. */
#ifndef PRONG_CONNECTION_H
#define PRONG_CONNECTION_H

#include <prong/pickle.h>
#include <prong/queue.h>

PRONG_BEGIN_DECLS

typedef struct prong_connection {
    uint64_t offset, generation;
} prong_connection;

typedef struct prong_pipe_options {
    bool one_way; /* first: receives only; second: sends only */
    /* Sent and not yet received, before a send waits; 0: 8 MiB. An empty pipe
     * takes one message of any size. */
    size_t buffer_bytes;
    void *reserved[4]; /* zero */
} prong_pipe_options;

/* Makes a pipe. options may be NULL. It is freed when both ends have no holders
 * left. Errors: PRONG_NO_MEMORY, PRONG_TIMEOUT (as prong_queue_create). */
PRONG_CHECKED prong_status prong_pipe_create(prong_connection *first,
                                             prong_connection *second,
                                             const prong_pipe_options *options);

/* Sends a copy of size bytes. Errors: PRONG_BROKEN_PIPE (the other end has no
 * holder), PRONG_TIMEOUT (there was no room in the time given), PRONG_CLOSED
 * (this process has closed its end), PRONG_INVALID (the end only receives),
 * PRONG_NO_MEMORY, PRONG_STALE. */
PRONG_CHECKED prong_status
prong_connection_send_bytes(prong_connection connection, const void *data,
                            size_t size, prong_time timeout);

/* Receives a message lent in the arena: valid until prong_message_release,
 * which any thread of this process may call, also after the end is closed. Any
 * number may be lent at a time. They are aligned to 64, and may be committed to
 * a queue or connection instead.
 * maxlength: a longer message is PRONG_TOO_LONG with its length in
 * message->size, and is still there; 0: any. Errors: PRONG_EOF (all is read,
 * and the other end has no holder), PRONG_TIMEOUT, PRONG_CLOSED, PRONG_INVALID
 * (the end only sends), PRONG_NO_MEMORY, PRONG_STALE. */
PRONG_CHECKED prong_status
prong_connection_recv_bytes(prong_connection connection, size_t maxlength,
                            prong_message *message, prong_time timeout);

/* Receives into a buffer; *size (may be NULL) is the message's length.
 * PRONG_TOO_LONG: the buffer is too small, *size is the length it needs, and
 * the message is still there. Other errors: as prong_connection_recv_bytes. */
PRONG_CHECKED prong_status prong_connection_recv_bytes_into(
    prong_connection connection, void *buffer, size_t capacity, size_t *size,
    prong_time timeout);

/* Sends a value as pickle. Errors: as prong_pickle_dumps and
 * prong_connection_send_bytes. */
PRONG_CHECKED prong_status prong_connection_send_value(
    prong_connection connection, prong_value value, prong_time timeout);

/* Receives a value, which lies in document. options may be NULL: all classes
 * are read, as data, since members of the family are trusted. Its borrow_bytes
 * has no effect here. Errors: as prong_connection_recv_bytes and
 * prong_pickle_loads; a message that is no pickle, or names a class that is not
 * allowed, is gone. */
PRONG_CHECKED prong_status prong_connection_recv_value(
    prong_connection connection, prong_document *document, prong_value *value,
    const prong_unpickle_options *options, prong_time timeout);

/* Sends a message in place, as prong_queue_commit puts one. Errors: as
 * prong_connection_send_bytes. */
PRONG_CHECKED prong_status prong_connection_commit(prong_connection connection,
                                                   prong_message *message,
                                                   prong_time timeout);

/* PRONG_OK when a message, or end-of-file, is there to receive. Errors:
 * PRONG_TIMEOUT (nothing came in time), PRONG_CLOSED, PRONG_INVALID (the end
 * only sends), PRONG_STALE. */
PRONG_API prong_status prong_connection_poll(prong_connection connection,
                                             prong_time timeout);

/* A descriptor for poll, select or epoll, readable while there is something to
 * receive, or end-of-file: all that prong_queue_fileno says holds. It is closed
 * by prong_connection_close.
 * When the holders of the other end close it or exit, it becomes readable at
 * once. When the last one is killed, it does as soon as a member of the family
 * notices: one that joins that process or asks for its exit code, one that
 * waits for this pipe in a call of the library (within 100 ms), or
 * prong_family_check. A poll of the descriptor alone notices nothing. So poll
 * the processes' sentinels, too, and call prong_connection_poll when one is
 * ready. Errors: as prong_queue_fileno, and prong_connection_poll. */
PRONG_CHECKED prong_status prong_connection_fileno(prong_connection connection,
                                                   int *descriptor);

/* This process no longer holds the end. Errors: PRONG_CLOSED (it has closed it
 * before), PRONG_STALE. */
PRONG_API prong_status prong_connection_close(prong_connection connection);

PRONG_END_DECLS

#endif
