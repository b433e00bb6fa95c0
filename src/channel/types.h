/* What the channel room shares among its files and offers to the rooms below. */
#ifndef CHANNEL_TYPES_H
#define CHANNEL_TYPES_H

#include "channel/channel.h"
#include "family/object.h"

#include <prong/connection.h>

enum { KIND_QUEUE = 1, KIND_PIPE = 2 };
extern const struct object_type queue_type, pipe_type;

prong_status message_reserve(size_t size, prong_message *message);
prong_status message_commit(struct channel *channel, uint64_t generation, prong_message *message, prong_time timeout);

/* A queue that is destroyed when this process dies, unless another has taken it over by then: true for the one that has. */
prong_status queue_create_private(prong_queue *queue);
bool queue_take_over(prong_queue queue);

/* The channel behind a queue, or the one that a connection receives from; NULL with an error recorded. */
struct channel *queue_channel(prong_queue queue);
prong_status connection_inbox(prong_connection connection, struct channel **inbox);
/* Buries dead holders of the other end, so that EOF comes. */
void connection_look_at_peer(prong_connection connection);

/* The member is to hold every connection end whose handle stands in these bytes at a multiple of 8. When it has been started, the
 * holds of this process on ends that it has not used pass on with that; when it has not, they are as they were. */
void connections_hand_over(const void *data, size_t size, uint32_t token);
void connections_pass_on(const void *data, size_t size);
/* This process gives up all ends that it holds: it is about to exit. */
void connections_drop_all(void);

#endif
