/* Share: bytes that are written once and that any number of processes read in
 * place, with no copy. What a program hands to all its workers, a table or a
 * model, is in memory once.
 *
 *     prong_share table;
 *     prong_share_create(&table, bytes, size, NULL);
 *     …                                     hand the handle to the workers
 *     prong_share_open(table, &data, &size);    in a worker
 *     …                                     read
 *     prong_share_close(table);                 in each process that opened it
 *
 * A share lives as long as any process has it open. The process that creates it
 * has it open from then on. A handle alone keeps nothing: when the last process
 * has closed the share or has died, its memory is free at once, and the handle
 * is stale. So a creator closes it when the others have opened it, or need it
 * no longer; and a process that dies leaves nothing behind.
 *
 * The bytes do not change. Nothing but the type of the pointer enforces this: a
 * process that casts it and writes changes what all others read. All calls are
 * safe in threads and in forked children; none is for signal handlers.
 * docs/shared-memory.md says when to use what. */
#ifndef PRONG_SHARE_H
#define PRONG_SHARE_H

#include <prong/message.h>
#include <prong/status.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* The same in every process of the family: copy it, send it, put it in a struct
 * of your own. */
typedef struct prong_share {
    uint64_t offset, generation;
} prong_share;

typedef struct prong_share_options {
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_share_options;

/* Creates a share with a copy of `size` bytes, and opens it in this process.
 * data may be NULL if size is 0. options may be NULL.
 * Errors: PRONG_INVALID (no data, name too long), PRONG_NO_MEMORY; as
 * prong_family_create. */
PRONG_CHECKED prong_status
prong_share_create(prong_share *share, const void *data, size_t size,
                   const prong_share_options *options);

/* The same of a message that was reserved (prong_message_reserve), written in
 * place: no copy is made. The share takes its memory over; *message is cleared.
 * A message that was received can become a share, too. After a failure the
 * message remains the caller's.
 * Errors: PRONG_STALE (it is not lent to this process), PRONG_INVALID (it was
 * received by a link, it is longer than what was reserved, name too long),
 * PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status
prong_share_commit(prong_share *share, prong_message *message,
                   const prong_share_options *options);

/* Opens the share in this process: *data and *size are its bytes, aligned to
 * 64, valid until this process closes it. Each open needs a close of its own; a
 * process that dies has closed all. A forked child has not opened what its
 * parent has: it opens the share itself before it reads. data and size may be
 * NULL.
 * Errors: PRONG_STALE (the last process that had it open has closed it or died,
 * or the share is of another family), PRONG_NO_MEMORY, PRONG_TIMEOUT (a stopped
 * process is in the middle of an open or close). */
PRONG_CHECKED prong_status prong_share_open(prong_share share,
                                            const void **data, size_t *size);

/* Ends one open of this process. The last one in the family frees the share.
 * Errors: PRONG_INVALID (this process does not have it open), PRONG_STALE,
 * PRONG_NO_MEMORY, PRONG_TIMEOUT (as of open). */
PRONG_API prong_status prong_share_close(prong_share share);

PRONG_END_DECLS

#endif
