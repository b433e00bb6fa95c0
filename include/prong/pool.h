/* Pool: worker processes that run tasks.
 *
 * If a worker dies (by a signal, exit or abort), only the task that it was
 * running fails, with PRONG_WORKER_DIED and a message that names the signal or
 * code; or that task is run again, up to `retries` times. The pool replaces the
 * worker. No call ever waits for a dead worker.
 *
 * The pool belongs to the process that created it (the owner), which alone may
 * terminate, join and destroy it: others get PRONG_NOT_CHILD. There one thread
 * for all its pools notes the ends of workers and enforces time limits; others
 * replace workers, and are there only meanwhile; and one a pool, from the first
 * callback on, runs callbacks. Every member of the family may submit tasks to
 * it, from any thread. Workers are daemonic, and may have pools and children of
 * their own.
 *
 * A pool ends with its owner. A program that becomes a daemon (daemon(3), or a
 * fork whose parent exits) must create its pools after that: a child does not
 * own its parent's pools, and they are PRONG_STALE once the parent has ended.
 *
 * Functions of the program may make any call, on the same pool too, with a few
 * exceptions: see <prong/job.h> for tasks, prong_task_options for callbacks,
 * <prong/progress.h> for progress, <prong/work.h> for generators. An
 * initializer must not wait for its own pool, which may have no worker yet. No
 * call here is for signal handlers: they use malloc, and locks of this
 * process. */
#ifndef PRONG_POOL_H
#define PRONG_POOL_H

#include <prong/job.h>
#include <prong/pool_options.h>
#include <prong/task_options.h>
#include <prong/work.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_pool {
    uint64_t offset, generation;
} prong_pool;

/* Starts the workers. options may be NULL. Errors: as prong_process_start;
 * PRONG_INVALID. Pair with prong_pool_destroy. */
PRONG_CHECKED prong_status prong_pool_create(prong_pool *pool,
                                             const prong_pool_options *options);

/* Finds a running pool of the family by its name (see prong_pool_options), from
 * any member: a program has a pool for each kind of work, and what submits a
 * task names the kind. Of several with that name it is the one created last.
 * The handle is what its creator has: another member may submit to the pool,
 * and not end it. Errors: PRONG_NOT_FOUND (no such pool runs), PRONG_INVALID.
 */
PRONG_CHECKED prong_status prong_pool_find(const char *name, prong_pool *pool);

/* Accepts no further tasks; workers end when all tasks are done. Errors:
 * PRONG_STALE. */
PRONG_API prong_status prong_pool_shutdown(prong_pool pool);

/* Ends all workers by SIGTERM, in 2 s by SIGKILL; tasks that are not done fail
 * with PRONG_CANCELLED. Errors: PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_API prong_status prong_pool_terminate(prong_pool pool);

/* Waits until the workers of a pool that was shut down or terminated have
 * ended, and all callbacks have returned. Errors: PRONG_STILL_RUNNING (it was
 * not shut down or terminated), PRONG_TIMEOUT, PRONG_NOT_CHILD, PRONG_STALE;
 * PRONG_DEADLOCK in a callback, or a task, for which the pool's end waits. */
PRONG_API prong_status prong_pool_join(prong_pool pool, prong_time timeout);

/* Terminates the pool if it still runs, and frees it. Jobs that are not
 * destroyed remain, ended. Waits as prong_pool_join; in a callback of the same
 * pool it does nothing and returns PRONG_DEADLOCK. A pool that is left at exit
 * is destroyed; a callback that still runs then is waited for, for 2 s at
 * most. */
PRONG_API prong_status prong_pool_destroy(prong_pool pool);

typedef struct prong_worker {
    int pid;           /* 0: being replaced */
    bool busy;         /* runs a task now */
    uint64_t tasks;    /* done by this process */
    void *reserved[4]; /* zero */
} prong_worker;

/* From now on the pool has so many workers (or so many at least, if it adapts
 * itself: see processes_most). New ones are started at once; those that are too
 * many end when they have done what they run, so no task is lost. Any member
 * may call it. Errors: PRONG_INVALID (0, or more than the pool has places for),
 * PRONG_NOT_RUNNING, PRONG_STALE. */
PRONG_API prong_status prong_pool_resize(prong_pool pool, size_t processes);

/* Each worker ends when it has done what it runs, and another takes its place:
 * no task is lost. Returns when all workers are new ones that are ready;
 * PRONG_TIMEOUT: not yet, and it goes on. What a new worker loads is up to the
 * start method: by fork it is a copy of the owner as it is now, by forkserver
 * of the server as it was started, by spawn all is loaded anew. Any member but
 * the pool's own workers (PRONG_DEADLOCK) may call it. Errors:
 * PRONG_NOT_RUNNING, PRONG_POOL_BROKEN, PRONG_STALE. */
PRONG_CHECKED prong_status prong_pool_replace_workers(prong_pool pool,
                                                      prong_time timeout);

/* The workers, in the order of their places, and places whose worker is being
 * replaced. *count (may be NULL) is how many there are, even if larger than
 * capacity; *deaths (may be NULL) is how
 * many workers have died while running, or had to be killed, so far. Errors:
 * PRONG_STALE. */
PRONG_API prong_status prong_pool_workers(prong_pool pool,
                                          prong_worker *workers,
                                          size_t capacity, size_t *count,
                                          uint64_t *deaths);

/* --- running work --- */

/* Runs all tasks of the work and waits for them. options may be NULL. PRONG_OK
 * when every task succeeded, else the status of the first that failed, with its
 * message; PRONG_TIMEOUT when the time is up first: tasks that have not begun
 * are cancelled, and running ones are left to end. But where elements or ranges
 * work in place, workers that still run one of the tasks are killed and
 * replaced, and the call returns when they are dead: no worker uses that memory
 * afterwards. Errors: PRONG_NOT_RUNNING (the pool was shut down),
 * PRONG_POOL_BROKEN, PRONG_TOO_LONG (see prong_work), PRONG_NO_MEMORY,
 * PRONG_NO_FUNCTION, PRONG_INVALID, PRONG_STALE, PRONG_DEADLOCK, PRONG_FULL
 * (see room_timeout of the options); as prong_pickle_dumps and
 * prong_pickle_loads. */
PRONG_CHECKED prong_status prong_pool_run(prong_pool pool,
                                          const prong_work *work,
                                          const prong_task_options *options,
                                          prong_time timeout);

/* The same without waiting (but for room, in a pool with maxbytes). Wait for
 * *job, and destroy it. prong_job_wait fills
 * the outputs; in place, the memory belongs to the workers until the job has
 * ended or is destroyed. */
PRONG_CHECKED prong_status prong_pool_submit(prong_pool pool,
                                             const prong_work *work,
                                             prong_job *job,
                                             const prong_task_options *options);

/* Results one at a time while further tasks run, no more than options->buffer
 * ahead; callbacks are not called. Inputs are read as they are needed: what the
 * work points to must stay as it is until the iterator is closed. The work has
 * no outputs: the data of an outcome is a task's result; for elements and
 * ranges, the results of a chunk (out_size bytes for each in_size bytes of
 * inputs; a generator gives whole chunks). Pair with prong_iterator_close. */
PRONG_CHECKED prong_status prong_pool_iterate(
    prong_pool pool, const prong_work *work, prong_iterator **iterator,
    const prong_task_options *options);

PRONG_END_DECLS

#endif
