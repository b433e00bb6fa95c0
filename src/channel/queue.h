/* Queues, for other files of the library. */
#ifndef CHANNEL_QUEUE_H
#define CHANNEL_QUEUE_H

#include "channel/channel.h"
#include "family/object.h"

#include <prong/queue.h>

enum { KIND_QUEUE = 1 };
extern const struct object_type queue_type;

/* Whether this process may hand the message over: PRONG_STALE, PRONG_INVALID. */
prong_status message_check_commit(const prong_message *message);
/* Puts a message: as prong_queue_commit. */
prong_status message_commit(struct channel *channel, uint64_t generation, prong_message *message, prong_time timeout);

/* Puts back a message that this thread has just taken, behind the others, even if the queue is full or shut down by
 * now: as if it had not been taken. lent: as received, cleared on success; NULL: data and size, as got, of at most
 * INLINE_MAX bytes. PRONG_STALE, PRONG_NO_MEMORY. */
prong_status queue_put_back(prong_queue queue, const void *data, size_t size, prong_message *lent);

/* Makes a queue that is destroyed when this process dies, unless another process has taken it over by then. The second
 * takes it over: true if it did. */
prong_status queue_create_private(prong_queue *queue);
bool queue_take_over(prong_queue queue);

/* Sleeps until there may be something to take, or a look is due: as waitq_sleep. */
void queue_sleep(prong_queue queue, deadline_t deadline);

/* True for a handle that is stale. */
bool queue_is_empty(prong_queue queue);

/* The channel behind a queue; NULL with an error recorded. */
struct channel *queue_channel(prong_queue queue);

#endif
