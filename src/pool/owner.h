/* The owner's side of a pool: the thread that looks after workers and runs callbacks. */
#ifndef POOL_OWNER_H
#define POOL_OWNER_H

#include "pool/types.h"

/* Starts the workers and the thread. */
prong_status owner_start(struct pool *pool, prong_pool handle);
/* Whether this process owns the pool. */
bool owner_is_self(const struct pool *pool);
/* The workers have ended (the pool is closed or terminated): ends the thread. */
void owner_finish(struct pool *pool);
/* Ends what is left of all jobs: no worker will. */
void cancel_jobs(struct pool *pool);
/* Asks all workers to end at once; those that do not within two seconds are killed. */
void owner_end_workers(struct pool *pool);

#endif
