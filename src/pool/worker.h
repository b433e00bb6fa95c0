/* A worker's main function. */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include "pool/job.h"

#include <prong/pool.h>
#include <stddef.h>
#include <stdint.h>

int worker_main(void *argument, size_t size);
struct worker_argument {
    prong_pool pool;
    uint64_t place; /* among the pool's workers */
};

/* How a task has ended: with a status, and what it returned. */
struct done {
    prong_status status;
    int code;
};
/* Runs a task. found: whether its function was. */
struct done worker_run_task(prong_status found, any_function *pointer, struct job *job, uint64_t place);
/* An initializer has failed with that code. */
void worker_report_broken(struct pool *pool, int code);

#endif
