/* A pool's load: the bytes that its jobs have in the arena, each until all its tasks have ended, and their limit (maxbytes).
 *
 * It changes in the step of the schedule that submits the job or ends the last task (of an iterator's job: each task), so that it is
 * right whoever is killed when. What ends is work: no submitter waits for results to be taken, which may be for itself to do. */
#ifndef POOL_LOAD_H
#define POOL_LOAD_H

#include "base/deadline.h"
#include "pool/job.h"
#include "pool/work.h"

/* Words that each of these sets at most. */
enum { LOAD_WORDS = 2 };

/* Whether so many bytes more are within the limit. A hint unless under the guard. */
bool load_fits(const struct pool *pool, uint64_t bytes);
/* Under the guard: the job, which is being submitted, holds its bytes of the pool's from now on. */
void load_enlist(struct pool *pool, const struct job *job);
/* The same for bytes of a further task. */
void load_add(struct pool *pool, struct job *job, uint64_t bytes);
/* It holds these no longer. */
void load_return(struct pool *pool, struct job *job, uint64_t bytes);
/* After the guard is left. */
void load_tell(struct pool *pool);

/* --- load_wait.c --- */
/* PRONG_INVALID for more bytes than the pool ever has room for. */
prong_status load_check(const struct pool *pool, uint64_t bytes);
/* Waits until there is room for the bytes, or the pool does not run, as long as the submission may. PRONG_FULL, PRONG_TIMEOUT,
 * PRONG_DEADLOCK. */
prong_status load_wait(struct pool *pool, struct submission *submission, uint64_t bytes);
/* The same for a caller that submits without waiting, and tries again after this: of the timeout, what is left is left. */
prong_status load_wait_for(prong_pool pool, uint64_t bytes, prong_time *timeout);

#endif
