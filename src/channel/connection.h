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
/* Buries dead holders of the other end, so that end-of-file is reported. */
void connection_look_at_peer(prong_connection connection);

/* The first makes the member a holder of every connection end whose handle is in these bytes at a multiple of 8. The
 * second is called after a start that has succeeded: this process's holds on ends that it has not used pass to the
 * child. After a failed start they stay as they were. */
void connections_hand_over(const void *data, size_t size, uint32_t token);
void connections_pass_on(const void *data, size_t size);
/* Gives up all ends that this process holds, as it is about to exit. */
void connections_drop_all(void);

#endif
