/* Message: memory lent to the caller, to write a message in place or read it
 * there, without a copy. prong_message_reserve lends it to write;
 * prong_queue_receive, prong_connection_recv_bytes and prong_link_recv_bytes
 * lend what they take. A commit to a queue or connection ends the loan, and so
 * does prong_message_release.
 *
 * A signal handler may make these calls; see prong.h. */
#ifndef PRONG_MESSAGE_H
#define PRONG_MESSAGE_H

#include <prong/status.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* `size` bytes at `data`, to read or write until they are committed or
 * released. They are in the arena, aligned to 64, and are freed if the process
 * dies; those of prong_link_recv_bytes are in memory of this process. */
typedef struct prong_message {
    void *data;
    size_t size;
    uint64_t block; /* the library's own */
} prong_message;

/* Lends `size` bytes of the arena to write a message into. It is sent by
 * prong_queue_commit or prong_connection_commit, whichever queue or connection
 * that is. Errors: PRONG_NO_MEMORY; as prong_family_create. Thread- and
 * fork-safe; a forked child has no part in its parent's loans. */
PRONG_CHECKED prong_status prong_message_reserve(prong_message *message,
                                                 size_t size);

/* Gives back a message reserved or received, once, and clears *message; from
 * any thread of this process. Errors: PRONG_STALE (it is not lent). */
PRONG_API prong_status prong_message_release(prong_message *message);

PRONG_END_DECLS

#endif
