/* What has a bell: an object, by its type, or a channel. */
#include "family/bell_owner.h"

static bool bell_is_of_channel(const struct object_bell *shared) {
    return shared->inset == BELL_OF_CHANNEL;
}

void *bell_object(struct object_bell *shared) {
    return bell_is_of_channel(shared) ? channel_bell_owner.object(shared) : (char *)shared - shared->inset;
}

static _Atomic uint32_t *bell_flags_word(struct object_bell *shared) {
    return bell_is_of_channel(shared) ? channel_bell_owner.flags(shared) : &shared->flags;
}

uint32_t bell_flags(struct object_bell *shared) {
    return atomic_load(bell_flags_word(shared));
}

void bell_set_flags(struct object_bell *shared, uint32_t flags) {
    atomic_store(bell_flags_word(shared), flags);
}

uint64_t bell_owner_generation(struct object_bell *shared) {
    return bell_is_of_channel(shared) ? channel_bell_owner.generation(shared) : object_generation(bell_object(shared));
}

static const struct object_type *bell_owner_type(struct object_bell *shared) {
    return object_types[((struct object *)bell_object(shared))->kind];
}

bool bell_owner_ready(struct object_bell *shared) {
    if (bell_is_of_channel(shared)) return channel_bell_owner.ready(shared);
    return bell_owner_type(shared)->ready(bell_object(shared));
}

const char *bell_owner_name(struct object_bell *shared) {
    return bell_is_of_channel(shared) ? "queue" : bell_owner_type(shared)->name;
}
