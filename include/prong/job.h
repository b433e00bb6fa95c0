/* Job: tasks that were submitted together, their outcomes, and iterators, which
 * give results one at a time.
 *
 * Any member of the family may wait for a job. All calls but prong_iterator's
 * are thread-safe; none is for signal handlers.
 *
 * A task may submit to its own pool, and wait for it, as long as another worker
 * can run what it waits for. If all workers that could are waiting themselves
 * (for this pool, for other pools in a circle, or for the very job that they
 * run a task of), the last task to wait gets PRONG_DEADLOCK at once, and the
 * others go on. That holds for every call that waits for a job, an iterator or
 * prong_pool_join. A worker counts as free if its wait times out before the
 * caller's does, or if its task's time limit ends it before. Only waits for
 * pools are seen, only those of the threads that run tasks, and of up to 64
 * pools that wait for one another. */
#ifndef PRONG_JOB_H
#define PRONG_JOB_H

#include <prong/progress.h>
#include <prong/status.h>
#include <prong/time.h>
#include <prong/value.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_job {
    uint64_t offset, generation;
} prong_job;

/* Waits until every task has ended. PRONG_OK when all succeeded, else the
 * status of the first that failed, with its message. In the process that
 * submitted the job, the first such call to find it ended fills the work's
 * outputs; PRONG_TOO_LONG when all succeeded and a result did not fit there.
 * With PRONG_NOWAIT it asks whether all tasks have succeeded. Errors of the
 * wait itself: PRONG_TIMEOUT, PRONG_DEADLOCK, PRONG_STALE. */
PRONG_CHECKED prong_status prong_job_wait(prong_job job, prong_time timeout);

/* A descriptor for poll, select or epoll. It is readable while every task has
 * ended, well or not, or the job is destroyed, and not readable otherwise: in
 * every member that asked for one. Then wait with PRONG_NOWAIT. What
 * prong_queue_fileno says of the descriptor holds here, too; it is closed when
 * this process calls prong_job_destroy, also on a job that another process has
 * destroyed, or ends.
 * Errors: PRONG_NO_DESCRIPTORS, PRONG_NO_MEMORY, PRONG_STALE, PRONG_TIMEOUT (a
 * stopped process is in the middle of this call). */
PRONG_CHECKED prong_status prong_job_fileno(prong_job job, int *descriptor);

/* How much of the job is done, and whether all of it has ended. Errors:
 * PRONG_STALE. */
PRONG_API prong_status prong_job_progress(prong_job job,
                                          prong_progress *progress);

/* Cancels all tasks that have not begun. With force, workers that run one of
 * the job's tasks are killed and replaced, too. All these tasks end with
 * PRONG_CANCELLED.
 * Errors: PRONG_STALE. */
PRONG_API prong_status prong_job_cancel(prong_job job, bool force);

/* Sets the callbacks of a job that was submitted without: callback when all
 * tasks have succeeded, else error_callback with the first failure and its
 * message; either may be NULL. They are called as prong_task_options says; of a
 * job that has ended already, in this call. A job has one pair at a time. An
 * open job (with a capacity) has a callback alone, which is called whenever
 * tasks have ended, and in this call.
 * Errors: PRONG_INVALID (neither is given; the job has one; this process is not
 * the pool's owner), PRONG_NO_MEMORY, PRONG_NO_PROCESSES (no thread can be
 * started to run it), PRONG_STALE. */
PRONG_CHECKED prong_status prong_job_set_callback(
    prong_job job, void (*callback)(prong_job job, void *context),
    void (*error_callback)(prong_job job, prong_status status,
                           const char *message, void *context),
    void *context);

/* Frees the job; one that still runs is cancelled first, without force. The
 * data of its outcomes go with it. Where elements or ranges work in place,
 * running tasks are cancelled by force and waited for: the memory is the
 * caller's again. Errors: PRONG_STALE. */
PRONG_API prong_status prong_job_destroy(prong_job job);

/* --- one task --- */

/* How a task ended. data is in the arena, aligned to 8, valid until the job is
 * destroyed (of an iterator: until its next call). For PRONG_TASK_FAILED it is
 * the error text that the task has set, if any. */
typedef struct prong_outcome {
    prong_status status; /* PRONG_OK, PRONG_TASK_FAILED, PRONG_WORKER_DIED,
                            PRONG_TASK_TIMEOUT, PRONG_CANCELLED, … */
    int code;       /* what the task returned; or the worker's exit code, or
                       minus the signal that killed it */
    unsigned tries; /* times it was begun */
    size_t index;   /* of the task in its job */
    void *data;     /* its result; NULL for elements and ranges of a job */
    size_t size;
    void *reserved[2]; /* zero */
} prong_outcome;

/* Waits for one task (of elements and ranges: one chunk) and gives its outcome.
 * PRONG_OK, whatever the outcome is. Errors: PRONG_TIMEOUT, PRONG_INVALID (no
 * such task), PRONG_STALE, PRONG_DEADLOCK. */
PRONG_CHECKED prong_status prong_job_outcome(prong_job job, size_t index,
                                             prong_outcome *outcome,
                                             prong_time timeout);

/* A sentence about an outcome other than PRONG_OK: "task 3: its worker was
 * killed by signal 9 (Killed)". */
PRONG_API void prong_outcome_text(const prong_outcome *outcome, char *text,
                                  size_t size);

/* The value that a task of values has returned; it lies in document. Errors:
 * the task's failure, with its text; as prong_pickle_loads. */
PRONG_CHECKED prong_status prong_outcome_value(const prong_outcome *outcome,
                                               prong_document *document,
                                               prong_value *value);

/* Waits for a job of values: its task's result, or with an `each` the list of
 * all results in their order; it lies in document. Errors: as prong_job_wait
 * and prong_outcome_value; PRONG_INVALID (not a job of values). */
PRONG_CHECKED prong_status prong_job_value(prong_job job,
                                           prong_document *document,
                                           prong_value *value,
                                           prong_time timeout);

/* --- results one at a time: see prong_pool_iterate --- */

typedef struct prong_iterator prong_iterator;

/* PRONG_OK with the next outcome, good or bad (outcome->status); PRONG_EOF
 * after the last. Errors: PRONG_TIMEOUT (it may be called again),
 * PRONG_NO_MEMORY, PRONG_NOT_RUNNING, PRONG_POOL_BROKEN, PRONG_DEADLOCK, as
 * prong_pickle_dumps. For one thread at a time. */
PRONG_CHECKED prong_status prong_iterator_next(prong_iterator *iterator,
                                               prong_outcome *outcome,
                                               prong_time timeout);

/* Cancels tasks that have not begun, and frees the iterator. NULL is
 * allowed. */
PRONG_API void prong_iterator_close(prong_iterator *iterator);

PRONG_END_DECLS

#endif
