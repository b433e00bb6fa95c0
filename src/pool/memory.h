/* Limits of a worker's own memory. */
#ifndef POOL_MEMORY_H
#define POOL_MEMORY_H

#include "pool/pool.h"

/* In a worker, first of all: notes what a forked one has from its parent, and limits what it can have. */
void memory_begin(struct pool *pool, struct worker *worker);
/* Whether it has more than that besides. pid: 0 for the caller. */
bool memory_is_over(const struct worker *worker, uint64_t limit, int pid);

#endif
