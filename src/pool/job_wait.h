/* Waiting for any of a job's tasks. */
#ifndef POOL_JOB_WAIT_H
#define POOL_JOB_WAIT_H

#include <prong/job.h>
#include <stdint.h>

/* Waits until more than so many of its tasks have ended, or all. Errors: as of prong_job_outcome. */
prong_status job_wait_more(prong_job handle, uint64_t done, prong_time timeout);

#endif
