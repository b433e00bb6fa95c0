/* The task that runs, and the worker that runs it, as its function may ask. */
#ifndef POOL_RUNNING_H
#define POOL_RUNNING_H

#include "pool/job.h"

struct running {
    uint32_t token;        /* of the process that it is in */
    uint64_t place;        /* the worker's */
    void **state;          /* the worker's */
    const struct job *job; /* of the task that runs, or NULL */
    uint64_t element;
    struct running *outer; /* of the same thread */
};
/* This process is a pool's worker from now on. */
void running_as_worker(uint64_t place);
/* This thread is one, until it leaves. */
void running_enter(struct running *running, uint64_t place, void **state);
void running_leave(const struct running *running);
/* element: the number in its job of the first element of the task, or of the task itself. */
void running_begin(const struct job *job, uint64_t element);
/* The next of a task's elements. */
void running_next(void);
void running_end(void);

#endif
