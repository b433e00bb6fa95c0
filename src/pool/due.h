/* The pools that are to be looked at at some time, by that time: a heap. */
#ifndef POOL_DUE_H
#define POOL_DUE_H

#include "base/deadline.h"

#include <stdbool.h>
#include <stddef.h>

struct owner;
struct due_pools {
    struct owner **owners;
    size_t count, room;
};

/* For so many pools; false when there is no memory. */
bool due_make_room(struct due_pools *due, size_t count);
/* Instead of the time that was set before; PRONG_FOREVER: none. */
void due_set(struct due_pools *due, struct owner *owner, deadline_t at);
/* The first, and its time; NULL and PRONG_FOREVER: there is none. */
struct owner *due_first(const struct due_pools *due);
deadline_t due_at(const struct due_pools *due);

#endif
