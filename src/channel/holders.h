/* The holders of a channel's bell: processes that asked for a descriptor, in a list of blocks in the arena. */
#ifndef CHANNEL_HOLDERS_H
#define CHANNEL_HOLDERS_H

#include "channel/channel.h"

/* Bits of fixed.bell: there are holders with the pipe; there are some that hear by address alone. */
enum { BELL_HAS_PIPE = 1, BELL_HAS_DEAF = 2 };

struct holder {
    _Atomic uint64_t who; /* token; stored last and cleared first. 0: nobody */
    int32_t pipe;         /* its number in that process; -1: it could not open the pipe */
    uint32_t address;     /* of its socket */
};

/* False when a stopped process is in the middle of it for a second. */
bool holders_lock(struct channel *channel);
void holders_unlock(struct channel *channel);

/* Under the lock: this process is one; false when there is no memory for that. */
bool holders_add(struct channel *channel, int pipe, uint32_t address);
/* Under the lock. */
void holders_remove(struct channel *channel, uint32_t token);
/* Under the lock, after each change: whether there is a bell. With its last holder a pipe is gone. */
void holders_changed(struct channel *channel);
/* Under the lock: the list goes. */
void holders_free(struct channel *channel);

/* Until visit returns true. Without the lock, what is seen is a guess: the blocks may be freed meanwhile. */
bool holders_each(struct channel *channel, bool (*visit)(struct holder *holder, void *context), void *context);

#endif
