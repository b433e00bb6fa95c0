/* A pool without workers (PRONG_INLINE): its tasks run in the thread that submits them. */
#ifndef POOL_INLINE_H
#define POOL_INLINE_H

#include "pool/job.h"

/* Runs its initializer; one that fails breaks the pool. */
void inline_begin(struct pool *pool);
/* What the hook returns. */
int inline_run_hook(struct pool *pool, const struct hook *hook);
/* Runs its exit, unless it has run or cannot; the pool is about to be, or was, shut down or terminated. */
void inline_end(struct pool *pool);
/* For a call that only the pool's process may make. Errors: PRONG_NOT_CHILD. */
prong_status inline_check_owner(const struct pool *pool);
/* Runs all tasks of a job that nobody else knows, then its callback: the job may be destroyed then. On failure the job is as it
 * was. Errors: PRONG_NOT_CHILD. */
prong_status inline_run(struct pool *pool, struct job *job);
/* A task that was just added to an iterator's job, or an open one, is this thread's to run; under the guard. */
void inline_take(struct pool *pool, struct job *job, uint64_t place);
/* Runs it, not under the guard. Returns the news of the job, as schedule_end does. */
unsigned inline_run_task(struct pool *pool, struct job *job, uint64_t place);

#endif
