/* How a pool runs the tasks of a work: options of prong_pool_run,
 * prong_pool_submit and prong_pool_iterate. */
#ifndef PRONG_TASK_OPTIONS_H
#define PRONG_TASK_OPTIONS_H

#include <prong/job.h>
#include <prong/progress.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* Which of a pool's jobs a worker takes its next task from: one of high
 * priority while there is any, then the others, each in the order in which they
 * were submitted. A task that runs is not interrupted; jobs of low priority
 * wait for as long as there are others. */
typedef enum prong_priority {
    PRONG_PRIORITY_NORMAL = 0,
    PRONG_PRIORITY_HIGH,
    PRONG_PRIORITY_LOW
} prong_priority;

typedef struct prong_task_options {
    /* Elements, or items, in a task of elements or ranges. 0: a quarter of a
     * worker's share; of an iterator: 1. */
    size_t chunk_size;
    unsigned retries; /* run a task again, up to this many times, when its
                         worker died (at most 255) */
    /* A task that runs longer is killed with its worker: PRONG_TASK_TIMEOUT;
     * 0: none. It does not run yet while its worker's initializer does. */
    prong_time time_limit;
    size_t buffer;  /* iterator: tasks that are submitted ahead of those taken,
                       at most; 0: four a worker */
    bool unordered; /* iterator: results as they come, not in their order */
    /* Called in the owner, by a thread of the pool's own, when a submitted job
     * has ended: callback when all tasks succeeded, else error_callback with
     * the first failure and its message. One at a time, in the order in which
     * the jobs ended: others wait until it returns. It may submit to the pool
     * and wait for jobs, terminate the pool, and exit; it cannot wait for the
     * pool's end (PRONG_DEADLOCK). */
    void (*callback)(prong_job job, void *context);
    void (*error_callback)(prong_job job, prong_status status,
                           const char *message, void *context);
    void *context;
    /* Called by the thread that waits for the job. */
    prong_progress_callback *progress;
    void *progress_context;
    uint64_t priority; /* a prong_priority */
    uint64_t seed;     /* of the tasks' own seeds: see prong_task_seed */
    void *reserved[6]; /* zero */
} prong_task_options;

PRONG_END_DECLS

#endif
