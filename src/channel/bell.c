/* The functions by which a bell asks a channel for its state. */
#include "channel/bell.h"

#include "channel/sides.h"
#include "family/arena.h"

static struct channel *channel_of_bell(struct object_bell *bell) {
    return (struct channel *)((char *)bell - offsetof(struct channel, bell));
}

static void *channel_bell_object(struct object_bell *bell) {
    return arena_at(channel_of_bell(bell)->fixed.object);
}

static _Atomic uint32_t *channel_bell_flags(struct object_bell *bell) {
    return &channel_of_bell(bell)->fixed.bell;
}

static uint64_t channel_bell_generation(struct object_bell *bell) {
    return atomic_load(&channel_of_bell(bell)->take.generation);
}

static bool channel_bell_ready(struct object_bell *bell) {
    struct channel *channel = channel_of_bell(bell);
    side_settle_take(channel);
    return channel_settled_to_take(channel);
}

const struct bell_owner channel_bell_owner = {channel_bell_object, channel_bell_flags, channel_bell_generation,
                                              channel_bell_ready};
