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
    /* The path of a journal, of prong_pool_run and prong_pool_iterate: results
     * are appended to this file as they come, and a run whose process was ended
     * is resumed by running it again: what the file has is not run. It is made
     * where it is not there.
     *
     * A resumed run must have the same function, form and context, the same
     * sizes of elements, and for each result the same input: with others it
     * fails (PRONG_INVALID), and is begun anew by deleting the file. There may
     * be more inputs than before, or fewer. Tasks that failed are run again.
     * The library only compares: a function that gives other results for the
     * same input should have no journal.
     *
     * A result is written when the thread that runs or iterates gets it, and
     * survives this process's death from then on. On the disk it is when the
     * run or iterator ends, and before that within a second or, on a slow
     * disk, within the time in which waiting for it is a tenth of all. A result
     * of which the file has just a part, or damaged bytes, is computed again.
     *
     * When the disk is full or fails, the run goes on without the journal, and
     * its result, or that of one prong_iterator_next, is PRONG_JOURNAL_STOPPED,
     * a success; prong_error_message() says at which task, and why.
     *
     * An outcome's data may lie in this process's own memory, and not in the
     * arena; arrays in the arena are copied. A journal goes without callbacks.
     * Errors: PRONG_STILL_RUNNING (another run has the file open),
     * PRONG_INVALID, PRONG_NO_FUNCTION (the program was linked without a
     * build-id), those of the system. */
    const char *journal;
    /* What stands for the function in the journal: a name and version of yours,
     * up to 300 bytes. NULL: the function's own identity, by which each build
     * of a program or library has functions of its own; of one by name, the
     * name. */
    const char *journal_identity;
    /* Of a job of a prong_task that is submitted: how many tasks it has at
     * most, those of the work among them. Others are added by prong_job_add,
     * and the job has not ended before it has so many, or prong_job_shutdown,
     * or its pool has ended. Its callback, for which there is no
     * error_callback, is called whenever tasks have ended, once for several; it
     * may also be called without news. No outputs. 0: just those of the work.
     */
    size_t capacity;
    /* Of a pool with a limit in bytes: see prong_pool_options.maxbytes. How
     * long to wait for room, after which it is PRONG_FULL; 0: as long as it
     * takes, but prong_pool_run no longer than its own timeout; less than 0:
     * not at all. */
    prong_time room_timeout;
    size_t beside; /* bytes that the job's tasks use and that are not its own,
                      such as shares made for it: counted as its own */
    void *reserved[4]; /* zero */
} prong_task_options;

PRONG_END_DECLS

#endif
