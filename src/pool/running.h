/* The task that runs, and the worker that runs it, as its function may ask. */
#ifndef POOL_RUNNING_H
#define POOL_RUNNING_H

#include "pool/job.h"

/* This process is a pool's worker from now on. */
void running_as_worker(uint64_t place);
/* element: the number in its job of the first element of the task, or of the task itself. */
void running_begin(const struct job *job, uint64_t element);
/* The next of a task's elements. */
void running_next(void);
void running_end(void);

#endif
