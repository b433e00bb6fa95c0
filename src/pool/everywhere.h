/* Functions that run once in each of a pool's workers, those that come later as well.
 *
 * The pool has a list of them, which grows, and is freed with it. A worker tells how many of them it has run; they run in
 * their order. */
#ifndef POOL_EVERYWHERE_H
#define POOL_EVERYWHERE_H

#include "pool/pool.h"

#include <stdbool.h>

/* Whether there is one that the worker has not run. A hint unless under the guard. */
static inline bool everywhere_is_due(const struct pool *pool, const struct worker *worker) {
    return __atomic_load_n(&pool->everywhere_count, __ATOMIC_ACQUIRE) > worker->everywhere;
}
/* In the worker, not under the guard: runs those, and tells who waits. */
void everywhere_run_due(struct pool *pool, struct worker *worker);
void everywhere_free(struct pool *pool);

#endif
