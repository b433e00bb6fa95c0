/* The bell of a channel: what fileno() gives, readable exactly while the channel has something to take, or is closed or
 * gone. It belongs to the channel: one pipe, which every process that asked for a descriptor has open (a holder), and every
 * process that puts or takes opens when it has to. There is a byte in it while there is something to take. */
#ifndef CHANNEL_BELL_H
#define CHANNEL_BELL_H

#include "channel/channel.h"

/* This process's descriptor for the channel, the same one at each call. PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_STALE;
 * PRONG_TIMEOUT when a stopped process is in the middle of this. */
prong_status bell_open(struct channel *channel, uint64_t generation, int *descriptor);
/* In a process that has just become a member. A forked child has its parent's descriptors, under the same numbers: it is a
 * holder, too. */
void bells_of_child(void);
/* This process does without it from now on, or the channel of that generation was destroyed. */
void bell_close(struct channel *channel, uint64_t generation);

void bell_settle_after_put(struct channel *channel);
void bell_settle_after_take(struct channel *channel);
void bell_settle_thoroughly(struct channel *channel);

/* Each comes after a sequentially consistent operation that follows the change. So whoever switches the bell on and looks at
 * the channel then sees the change, or the bell is seen here. A load and nothing more while there is no bell. */
static inline bool bell_is_on(struct channel *channel) {
    return __builtin_expect(atomic_load(&channel->fixed.bell) != 0, 0);
}
static inline void bell_after_put(struct channel *channel) {
    if (bell_is_on(channel)) bell_settle_after_put(channel);
}
static inline void bell_after_take(struct channel *channel) {
    if (bell_is_on(channel)) bell_settle_after_take(channel);
}
/* Somebody looked for a message and found none: the place to repair what a dead or stopped process left. */
static inline void bell_after_nothing(struct channel *channel) {
    if (bell_is_on(channel)) bell_settle_thoroughly(channel);
}

/* The channel is nobody's any more: readable from now on, in all its holders, forever. False: a stopped process is in the
 * middle of it. */
bool bell_dispose(struct channel *channel);
/* A member died: it holds the bell no longer, and may have left it wrong. */
void bell_recover(struct channel *channel, uint32_t dead);

#endif
