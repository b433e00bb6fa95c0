/* The bytes of what waits and runs in a pool: counted under its guard. */
#include "pool/load.h"

#include "pool/await.h"

#include <limits.h>

/* A worker's own submission does not wait: its task may be what holds the room. */
bool load_fits(const struct pool *pool, uint64_t bytes) {
    if (!pool->maxbytes) return true;
    uint64_t load = __atomic_load_n(&pool->load, __ATOMIC_RELAXED);
    return (load <= pool->maxbytes && bytes <= pool->maxbytes - load) || await_is_worker_of(pool);
}

void load_enlist(struct pool *pool, const struct job *job) {
    if (pool->maxbytes && job->load) guard_set(&pool->guard, &pool->load, pool->load + job->load);
}

static void load_move(struct pool *pool, struct job *job, int64_t bytes) {
    guard_set(&pool->guard, &pool->load, pool->load + (uint64_t)bytes);
    guard_set(&pool->guard, &job->load, job->load + (uint64_t)bytes);
}

void load_add(struct pool *pool, struct job *job, uint64_t bytes) {
    if (pool->maxbytes && bytes) load_move(pool, job, (int64_t)bytes);
}

void load_return(struct pool *pool, struct job *job, uint64_t bytes) {
    if (pool->maxbytes && bytes) load_move(pool, job, -(int64_t)bytes);
}

/* Of several that wait, the first may want more than others. */
void load_tell(struct pool *pool) {
    if (pool->maxbytes) waitq_notify(&pool->room, INT_MAX);
}
