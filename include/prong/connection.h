/* Pipe and Connection: two ends, for messages of bytes in one or both directions.
 *
 * Who holds an end. A process holds an end from being handed it (in the argument of a process it is started with) or
 * from first using it, until it closes it or dies, by whatever means. The process that made the pipe holds both ends
 * at first; its hold on an end that it has not used itself passes to the first process that is handed that end (a start
 * that fails leaves it as it was). When the last holder of an end is gone, the other side reads what is left and then
 * gets PRONG_EOF. So a child does not keep its parent's end open by having been forked, and nobody needs to close the
 * end that it gave away.
 *
 * A connection handle in a message or in shared memory does not hold anything by itself: keep the end until the
 * receiver has used it.
 *
 * From a signal handler every call here comes back, but prong_connection_fileno, which uses malloc; see prong.h.
 *
 * All calls are safe from any number of threads and processes: each message goes to one of those who receive. */
#ifndef PRONG_CONNECTION_H
#define PRONG_CONNECTION_H

#include <prong/queue.h>

PRONG_BEGIN_DECLS

typedef struct prong_connection {
    uint64_t offset, generation;
} prong_connection;

typedef struct prong_pipe_options {
    bool one_way; /* first: receives only; second: sends only */
    size_t
        buffer_bytes; /* sent and not yet received, before send waits; 0: 8 MiB. One message of any size always goes */
} prong_pipe_options;

/* Makes a pipe. options may be NULL. It is freed when both ends have no holders.
 * Errors: PRONG_NO_MEMORY, PRONG_TIMEOUT (as prong_queue_create). */
PRONG_CHECKED prong_status prong_pipe_create(prong_connection *first,
                                             prong_connection *second,
                                             const prong_pipe_options *options);

/* Sends a copy of size bytes. Errors: PRONG_BROKEN_PIPE when nobody holds the other end, PRONG_TIMEOUT when there was no room in
 * the time given, PRONG_CLOSED (this process closed its end), PRONG_INVALID (the end only receives),
 * PRONG_NO_MEMORY, PRONG_STALE. */
PRONG_CHECKED prong_status
prong_connection_send_bytes(prong_connection connection, const void *data,
                            size_t size, prong_time timeout);

/* Sends `size` bytes from `offset` on, of a buffer of `length`. Errors: PRONG_INVALID when they are not all in the
 * buffer; else as above. */
PRONG_CHECKED prong_status prong_connection_send_part(
    prong_connection connection, const void *buffer, size_t length,
    size_t offset, size_t size, prong_time timeout);

/* Receives a message lent in place; release it with prong_message_release. maxlength: a longer message is left
 * where it is and PRONG_TOO_LONG returned with its length in message->size; 0: any. Errors: PRONG_EOF,
 * PRONG_TIMEOUT, PRONG_CLOSED, PRONG_INVALID (the end only sends), PRONG_NO_MEMORY, PRONG_STALE. */
PRONG_CHECKED prong_status
prong_connection_recv_bytes(prong_connection connection, size_t maxlength,
                            prong_message *message, prong_time timeout);

/* Receives into a buffer; *size is the message's length. PRONG_TOO_LONG: the buffer is too small, *size says how
 * large it must be, and the message is still there. Errors: as above. */
PRONG_CHECKED prong_status prong_connection_recv_bytes_into(
    prong_connection connection, void *buffer, size_t capacity, size_t *size,
    prong_time timeout);

/* Values (see <prong/value.h>), as pickle. Errors: as above, prong_pickle_dumps and prong_pickle_loads; a message received
 * that is no pickle is gone. */
PRONG_CHECKED prong_status prong_connection_send_value(
    prong_connection connection, prong_value value, prong_time timeout);
PRONG_CHECKED prong_status prong_connection_recv_value(
    prong_connection connection, prong_document *document, prong_value *value,
    prong_time timeout);

/* Sending in place: reserve, write to message->data, commit; as for queues. */
PRONG_CHECKED prong_status prong_connection_reserve(prong_connection connection,
                                                    size_t size,
                                                    prong_message *message);
PRONG_CHECKED prong_status prong_connection_commit(prong_connection connection,
                                                   prong_message *message,
                                                   prong_time timeout);

/* PRONG_OK when a message, or the end of them, is there to receive; PRONG_TIMEOUT when none came in time. */
PRONG_API prong_status prong_connection_poll(prong_connection connection,
                                             prong_time timeout);

/* This process no longer holds the end; a second close is PRONG_CLOSED. Errors: PRONG_STALE. */
PRONG_API prong_status prong_connection_close(prong_connection connection);

/* A descriptor for poll, select or epoll, readable while there is something to receive, or the end of it: all that
 * prong_queue_fileno says holds. It is closed by prong_connection_close.
 * When the other end's holders close it or exit, it becomes readable at once. When the last one is killed, it does as
 * soon as a member of the family notices: one that joins that process or asks for its exit code, one that waits for
 * this pipe in a call of the library (within 100 ms), or prong_family_check. A poll of the descriptor alone notices
 * nothing. So poll the processes' sentinels, too, and call prong_connection_poll when one is ready. */
PRONG_CHECKED prong_status prong_connection_fileno(prong_connection connection,
                                                   int *descriptor);

PRONG_END_DECLS

#endif
