/* Pipes and their ends, for other files of the library. */
#ifndef CHANNEL_CONNECTION_H
#define CHANNEL_CONNECTION_H

#include "channel/channel.h"
#include "family/object.h"

#include <prong/connection.h>

enum { KIND_PIPE = 2 };
extern const struct object_type pipe_type;

/* The channel that a connection receives from. */
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
