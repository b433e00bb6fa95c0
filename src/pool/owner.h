/* The owner's side of a pool: the threads that look after workers and run callbacks. */
#ifndef POOL_OWNER_H
#define POOL_OWNER_H

#include "pool/pool.h"

#include <sys/types.h>

/* Starts the workers, and has them looked after. */
prong_status owner_start(struct pool *pool, prong_pool handle);
/* Whether this process owns the pool. */
bool owner_is_self(prong_pool handle);
/* The workers have ended (the pool is closed or terminated): forgets the pool. False when another thread has done so. */
bool owner_finish(prong_pool handle);
/* A job with a callback comes: there is a thread to run it. Nothing in a process that is not the owner. */
prong_status owner_prepare_callbacks(prong_pool handle);
/* Around a wait for the pool's end. PRONG_DEADLOCK in a callback that this end waits for. */
prong_status owner_begin_join(prong_pool handle);
void owner_end_join(void);
/* Asks all workers to end at once; those that do not within two seconds are killed. */
void owner_end_workers(struct pool *pool, prong_pool handle);

/* Ends all pools that this process owns: it is about to exit. */
void owner_end_all(void);

/* The process that had the pool, if this one was forked from it and so has not; 0: none that is known. */
pid_t owner_left_behind(prong_pool handle);

#endif
