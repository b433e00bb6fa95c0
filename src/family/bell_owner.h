/* What a bell needs to know about the object that it is part of. */
#ifndef FAMILY_BELL_OWNER_H
#define FAMILY_BELL_OWNER_H

#include "family/bell.h"

void *bell_object(struct object_bell *bell);
/* Whether there are descriptors, and of which kinds: see holders.h. */
uint32_t bell_flags(struct object_bell *bell);
void bell_set_flags(struct object_bell *bell, uint32_t flags);
/* The object's; another one once it is destroyed. */
uint64_t bell_owner_generation(struct object_bell *bell);
bool bell_owner_ready(struct object_bell *bell);
/* Its kind, for messages. */
const char *bell_owner_name(struct object_bell *bell);

#endif
