/* Open job: a job to which tasks are added one by one, while others run (see
 * `capacity` of prong_task_options); and what is done to one task alone.
 *
 * All calls are thread-safe, but for prong_job_add, and prong_job_release of
 * one task; none is for signal handlers. */
#ifndef PRONG_OPEN_JOB_H
#define PRONG_OPEN_JOB_H

#include <prong/job.h>
#include <stdbool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* Adds a task, with a copy of size bytes as its argument: it is in shared
 * memory, and a worker may run it, when this returns. *index is its number in
 * the job. Tasks that are added one by one cost a fraction of as many jobs. By
 * the process that submitted the job, one thread at a time.
 * Errors: PRONG_FULL (the job has as many tasks as its capacity),
 * PRONG_SHUTDOWN (of the job), PRONG_CANCELLED (so is the job),
 * PRONG_NOT_RUNNING, PRONG_POOL_BROKEN, PRONG_NO_MEMORY, PRONG_NOT_OWNER
 * (another process has submitted it), PRONG_INVALID (it has no capacity),
 * PRONG_STALE. */
PRONG_CHECKED prong_status prong_job_add(prong_job job, const void *argument,
                                         size_t size, size_t *index);

/* No more tasks: the job ends when those that it has do; without it, when its
 * pool was shut down and has done all. May be repeated. Errors: PRONG_STALE. */
PRONG_API prong_status prong_job_shutdown(prong_job job);

/* Cancels one task, of any job but an iterator's: as prong_job_cancel, and the
 * job's other tasks are as they were. One that has ended stays as it is.
 * Errors: PRONG_INVALID (no such task), PRONG_STALE. */
PRONG_API prong_status prong_job_cancel_task(prong_job job, size_t index,
                                             bool force);

/* Frees the argument and the result of a task that has ended, before its job is
 * destroyed: its outcome's data are not valid any more. What is small, or was
 * submitted with the job, goes with the job.
 * Errors: PRONG_STILL_RUNNING (the task has not ended), PRONG_INVALID (no such
 * task, or one of elements or ranges), PRONG_STALE. */
PRONG_API prong_status prong_job_release(prong_job job, size_t index);

PRONG_END_DECLS

#endif
