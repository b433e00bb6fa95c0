/* Descriptors that are readable while a channel has something to take, for programs that poll. Per process, made at
 * the first call of fileno. */
#ifndef CHANNEL_DOORBELL_H
#define CHANNEL_DOORBELL_H

#include "channel/channel.h"

extern _Atomic int doorbells_open;

prong_status doorbell_open(struct channel *channel, int *descriptor);
void doorbell_close(struct channel *channel);
void doorbell_settle_slow(struct channel *channel);

/* After taking: makes the descriptor unreadable if nothing is left. */
static inline void doorbell_settle(struct channel *channel) {
    if (__builtin_expect(atomic_load_explicit(&doorbells_open, memory_order_relaxed) != 0, 0))
        doorbell_settle_slow(channel);
}

#endif
