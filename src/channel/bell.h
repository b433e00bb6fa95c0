/* The bell of a channel (family/bell.h): its descriptor is readable exactly while the channel has something to take, or is closed or
 * gone. */
#ifndef CHANNEL_BELL_H
#define CHANNEL_BELL_H

#include "channel/channel.h"

static inline bool bell_is_on(struct channel *channel) {
    return __builtin_expect(atomic_load(&channel->fixed.bell) != 0, 0);
}
static inline void bell_after_put(struct channel *channel) {
    if (bell_is_on(channel)) object_bell_settle_up(&channel->bell);
}
static inline void bell_after_take(struct channel *channel) {
    if (bell_is_on(channel)) object_bell_settle_down(&channel->bell);
}
/* A caller looked for a message and found none. */
static inline void bell_after_nothing(struct channel *channel) {
    if (bell_is_on(channel)) object_bell_settle(&channel->bell);
}

#endif
