/* Submitting tasks with an argument each, and running them. */
#ifndef POOL_SUBMIT_H
#define POOL_SUBMIT_H

#include "pool/job.h"
#include "pool/work.h"

/* Tasks whose arguments all begin with the same head, those of the submission's work. */
prong_status submit_tasks(struct submission *submission, prong_bytes head, prong_job *job,
                          const struct outputs *outputs);
/* How many of so many elements a task has, where the caller does not say. */
size_t submit_default_chunk(size_t workers, size_t count);
/* Waits, and cancels what has not begun when that fails. */
prong_status job_wait_or_cancel(prong_job job, prong_time timeout, uint64_t *too_long);

#endif
