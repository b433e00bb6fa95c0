/* Pool: worker processes that run tasks.
 *
 * A worker that dies (by a signal, exit or abort) fails only the task it was running, with PRONG_WORKER_DIED and a
 * message that names the signal or code; or that task is run again, up to `retries` times. The pool replaces the
 * worker. Nothing ever waits for a dead worker.
 *
 * The pool belongs to the process that created it (the owner), where one sleeping thread looks after the workers, and
 * another, from the first callback on, runs callbacks. Every member of the family may submit tasks to it, from any thread. Workers are daemonic, and may
 * have pools and children of their own.
 *
 * A pool ends with its owner. A program that becomes a daemon (daemon(3), or a fork whose parent exits) creates its pools
 * after that: in the child the parent's are not its own, and PRONG_STALE once the parent has ended.
 *
 * Functions of the program's own may make any call, of the same pool as well, but for what is said at each: tasks below,
 * callbacks at prong_task_options, progress in <prong/progress.h>, generators at prong_generator. An initializer may not wait
 * for its own pool, which may have no worker yet. No call here is for signal handlers: they use malloc, and locks of
 * this process. */
#ifndef PRONG_POOL_H
#define PRONG_POOL_H

#include <prong/process.h>
#include <prong/progress.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct prong_pool {
    uint64_t offset, generation;
} prong_pool;

/* A number of tasks submitted together. Values, as all handles; close each with prong_job_close. */
typedef struct prong_job {
    uint64_t offset, generation;
} prong_job;

/* --- what tasks run --- */

typedef struct prong_result prong_result;

/* A task of the general form: bytes in, bytes out (see prong_result_set). Returns 0, or a code of its own with which
 * it fails (PRONG_TASK_FAILED). argument is aligned to 8 and writable, gone when the task ends. */
typedef int prong_task(void *argument, size_t size, prong_result *result);

/* A task of the typed form: one element in, one element out. Returns 0, or a code with which its chunk fails. */
typedef int prong_element(const void *in, void *out);

/* The same for a range of count elements at once, for functions that can do better with many. */
typedef int prong_range(const void *in, void *out, size_t count);

/* In a task: sets its result to a copy of size bytes, or its error text when it goes on to fail.
 * Errors: PRONG_NO_MEMORY. */
PRONG_API prong_status prong_result_set(prong_result *result, const void *data,
                                        size_t size);
/* In a task: memory of size bytes in which to make the result, with no further copy. */
PRONG_CHECKED prong_status prong_result_reserve(prong_result *result,
                                                size_t size, void **data);

/* In a task, or in a thread that it has started: the job's context (task_context in prong_task_options), one copy for
 * all tasks of the job, aligned to 8, to be read, until the task ends; *size (may be NULL) is its length. So an element's or
 * a range's function has more to go by than its elements. NULL, and 0, where there is none. Callbacks, progress, and
 * generators have a `context` pointer of their own, an initializer has its argument. Thread- and signal-safe. */
PRONG_API const void *prong_task_context(size_t *size);

/* --- the pool --- */

typedef struct prong_pool_options {
    unsigned
        processes; /* workers; 0: as many as CPUs that this process may use */
    prong_target *
        initializer; /* run first in each worker; a result other than 0 breaks the pool */
    const void *initializer_argument;
    size_t initializer_size;
    size_t
        maxtasksperchild; /* a worker is replaced after so many tasks; 0: never */
    prong_start_method method;
    const char *name; /* of workers: "NAME-1" …; NULL: "PoolWorker" */
    /* Workers whose image is another program, as prong_process_options has it: {"prong-worker", NULL} has just prong and the
     * libraries that tasks name; {"python3", "-m", "prong.worker", NULL} runs Python's functions. Such a start does not
     * wait until workers are ready; where none of them ever is, the pool breaks. */
    char *const *program;
    /* In the place of initializer: a prong_value_target by its name (see prong_task_options), and its arguments: a tuple, or
     * null. */
    const char *initializer_name;
    prong_value initializer_arguments;
    /* A worker whose initializer runs longer is killed and replaced; 0: none. When none gets through it, in three tries more
     * than there are workers, the pool breaks. A task's own time_limit begins with the task. */
    prong_time initializer_time_limit;
} prong_pool_options;

/* Starts the workers. options may be NULL. Errors: as prong_process_start; PRONG_INVALID. */
PRONG_CHECKED prong_status prong_pool_create(prong_pool *pool,
                                             const prong_pool_options *options);

/* No further tasks; workers end when all are done. Errors: PRONG_STALE. */
PRONG_API prong_status prong_pool_close(prong_pool pool);
/* Ends the workers at once; tasks that are not done fail with PRONG_CANCELLED. By the owner.
 * Errors: PRONG_NOT_CHILD, PRONG_STALE. */
PRONG_API prong_status prong_pool_terminate(prong_pool pool);
/* Waits until the workers of a closed or terminated pool have ended, and all callbacks have returned. By the owner. Errors:
 * PRONG_STILL_RUNNING (neither closed nor terminated), PRONG_TIMEOUT, PRONG_NOT_CHILD, PRONG_STALE; PRONG_DEADLOCK in a
 * callback, or a task, for which the pool's end waits. */
PRONG_API prong_status prong_pool_join(prong_pool pool, prong_time timeout);
/* Terminates the pool if it still runs, and frees it. By the owner. Jobs not yet closed remain, ended. Waits as prong_pool_join;
 * in a callback of the same pool it does nothing and returns PRONG_DEADLOCK. At exit a pool that is left is destroyed, but a
 * callback that still runs then is waited for for no more than 2 s. */
PRONG_API prong_status prong_pool_destroy(prong_pool pool);

typedef struct prong_worker {
    int pid;        /* 0: being replaced */
    bool busy;      /* runs a task now */
    uint64_t tasks; /* done by this process */
} prong_worker;

/* The workers, in the order of their places; *count is how many places there are, even if larger than capacity. */
PRONG_API prong_status prong_pool_workers(prong_pool pool,
                                          prong_worker *workers,
                                          size_t capacity, size_t *count);
/* How many workers have died while running, or had to be killed, so far. */
PRONG_API prong_status prong_pool_deaths(prong_pool pool, uint64_t *deaths);

/* --- submitting tasks ---
 *
 * A task may submit to its own pool, and wait for it, as long as other workers can run what it waits for. Where none can, because all
 * workers that could wait themselves (for this pool, or for other pools in a circle, or for the very job they are a task of), the
 * wait returns PRONG_DEADLOCK: at once, in the last task to wait. Then the others go on. That holds for every call below that
 * waits, and for prong_pool_join. A worker whose wait ends by time sooner than the caller's, or that is killed sooner by its
 * task's time limit, counts as one that will be free. Only waits of the thread that runs the task are seen, only those for pools,
 * and of up to 64 pools that wait for one another. */

typedef struct prong_task_options {
    size_t
        chunk_size; /* elements in a task of the typed form; 0: a quarter of a worker's share */
    unsigned
        retries; /* run a task again, up to so many times, when its worker died (at most 255) */
    /* A task that runs longer is killed with its worker: PRONG_TASK_TIMEOUT; 0: none. It does not run yet while its worker's
     * initializer does: see initializer_time_limit. */
    prong_time time_limit;
    size_t
        buffer; /* imap: tasks read ahead of what has been taken, at most; 0: four a worker */
    /* Called in the owner, by a thread of the pool's own, when the job has ended: callback when all tasks succeeded, else
     * error_callback with the first failure and its message. One at a time: others wait until it returns. It may submit to the
     * pool and wait for jobs, terminate the pool, and exit; it cannot wait for the pool's end (PRONG_DEADLOCK). */
    void (*callback)(prong_job job, void *context);
    void (*error_callback)(prong_job job, prong_status status,
                           const char *message, void *context);
    void *context;
    prong_progress_callback
        *progress; /* called by the thread that waits for the job */
    void *progress_context;
    /* With NULL as the function: its name, for the worker to find, up to 215 bytes: "LIBRARY.so:SYMBOL", as dlopen and dlsym
     * take them, the worker's program itself without a library; in a worker that is Python "MODULE:NAME", for the calls with
     * values alone. A name that is not found fails the task: PRONG_NO_FUNCTION, or PRONG_TASK_FAILED where it is called
     * with values. */
    const char *task_name;
    /* What all tasks of the job share, beside their own arguments: copied when they are submitted, for prong_task_context. */
    const void *task_context;
    size_t task_context_size;
} prong_task_options;

typedef struct prong_bytes {
    const void *data;
    size_t size;
} prong_bytes;

/* What became of a task. data is in the arena, aligned to 8, valid until the job is closed (imap: until the next call).
 * For PRONG_TASK_FAILED it is the error text the task has set, if any. */
typedef struct prong_outcome {
    prong_status
        status; /* PRONG_OK, PRONG_TASK_FAILED, PRONG_WORKER_DIED, PRONG_TASK_TIMEOUT, PRONG_CANCELLED, … */
    int code; /* what the task returned; or the worker's exit code, or minus the signal that killed it */
    unsigned tries; /* times it was begun */
    size_t index;   /* of the task in its job */
    void *data;
    size_t size;
} prong_outcome;

/* The blocking forms return PRONG_OK when every task succeeded, else the status of the first that failed, with its
 * message; PRONG_TIMEOUT when time is up first, and then the job is cancelled, running tasks left to end (of a map in place
 * they are killed, see prong_pool_map). All may
 * return PRONG_NOT_RUNNING (pool closed), PRONG_POOL_BROKEN, PRONG_NO_MEMORY, PRONG_NO_FUNCTION, PRONG_INVALID,
 * PRONG_STALE, PRONG_DEADLOCK. options may be NULL. The _async forms return at once, with *job to wait for and to close. */

/* One task of the general form. The result is copied to buffer; *size is its length, also when it is more than
 * capacity, and then PRONG_TOO_LONG is returned. */
PRONG_CHECKED prong_status prong_pool_apply(prong_pool pool, prong_task *task,
                                            const void *argument,
                                            size_t argument_size, void *buffer,
                                            size_t capacity, size_t *size,
                                            const prong_task_options *options,
                                            prong_time timeout);
PRONG_CHECKED prong_status prong_pool_apply_async(
    prong_pool pool, prong_job *job, prong_task *task, const void *argument,
    size_t argument_size, const prong_task_options *options);

/* out[i] = function(in[i]) for count elements. However the call ends, `out` has the results of every chunk that has succeeded;
 * the elements of a chunk that failed, or did not end in time, stay as they were.
 *
 * in and out are used in place if they lie in the arena (prong_memory_alloc); else they are copied. In place, the elements of a
 * chunk that failed are as its function left them. No worker reads or writes that memory once the call has returned: when time
 * is up, workers that still run one of its tasks are killed and replaced, and the call returns when they are dead. */
PRONG_CHECKED prong_status
prong_pool_map(prong_pool pool, prong_element *function, const void *in,
               size_t count, size_t in_size, void *out, size_t out_size,
               const prong_task_options *options, prong_time timeout);
/* The same. out is filled, as above, once: by the first prong_job_wait or prong_job_get in the submitting process that finds the
 * job ended, whether its tasks succeeded or not. In place, the memory is the workers' until the job has ended or is closed. */
PRONG_CHECKED prong_status
prong_pool_map_async(prong_pool pool, prong_job *job, prong_element *function,
                     const void *in, size_t count, size_t in_size, void *out,
                     size_t out_size, const prong_task_options *options);
/* map with a function that takes a whole chunk. */
PRONG_CHECKED prong_status
prong_pool_map_range(prong_pool pool, prong_range *function, const void *in,
                     size_t count, size_t in_size, void *out, size_t out_size,
                     const prong_task_options *options, prong_time timeout);
PRONG_CHECKED prong_status prong_pool_map_range_async(
    prong_pool pool, prong_job *job, prong_range *function, const void *in,
    size_t count, size_t in_size, void *out, size_t out_size,
    const prong_task_options *options);

/* A task of the general form for each of count arguments; results by prong_job_outcome. The equivalent of starmap:
 * each argument is a struct with as many members as you like. */
PRONG_CHECKED prong_status prong_pool_starmap(prong_pool pool, prong_job *job,
                                              prong_task *task,
                                              const prong_bytes *arguments,
                                              size_t count,
                                              const prong_task_options *options,
                                              prong_time timeout);
PRONG_CHECKED prong_status
prong_pool_starmap_async(prong_pool pool, prong_job *job, prong_task *task,
                         const prong_bytes *arguments, size_t count,
                         const prong_task_options *options);

/* --- tasks with values --- */

/* A task that is called with values: arguments (a tuple) and keywords (a dict, or None); its result is a value too. All lie
 * in document. A status other than PRONG_OK fails the task (PRONG_TASK_FAILED, its code the status), with
 * prong_error_message() as its text. */
typedef prong_status prong_value_task(prong_document *document,
                                      prong_value arguments,
                                      prong_value keywords,
                                      prong_value *result);

/* task(*arguments, **keywords). result lies in document. Errors: as prong_pool_apply, prong_pickle_dumps. */
PRONG_CHECKED prong_status prong_pool_apply_value(
    prong_pool pool, prong_value_task *task, prong_value arguments,
    prong_value keywords, prong_document *document, prong_value *result,
    const prong_task_options *options, prong_time timeout);
PRONG_CHECKED prong_status prong_pool_apply_value_async(
    prong_pool pool, prong_job *job, prong_value_task *task,
    prong_value arguments, prong_value keywords,
    const prong_task_options *options);
/* task(item) for each item of a list or tuple; starmap: task(*item), each being a tuple. One task an item; *results is a
 * list in their order. Errors: as above; the first failure in their order. */
PRONG_CHECKED prong_status
prong_pool_map_value(prong_pool pool, prong_value_task *task, prong_value items,
                     prong_document *document, prong_value *results,
                     const prong_task_options *options, prong_time timeout);
PRONG_CHECKED prong_status prong_pool_starmap_value(
    prong_pool pool, prong_value_task *task, prong_value items,
    prong_document *document, prong_value *results,
    const prong_task_options *options, prong_time timeout);
PRONG_CHECKED prong_status prong_pool_starmap_value_async(
    prong_pool pool, prong_job *job, prong_value_task *task, prong_value items,
    const prong_task_options *options);
/* Waits for one task of such a job and reads its result. Errors: as prong_job_outcome, prong_pickle_loads; the task's
 * failure. */
PRONG_CHECKED prong_status prong_job_value(prong_job job, size_t index,
                                           prong_document *document,
                                           prong_value *result,
                                           prong_time timeout);

/* --- jobs --- */

/* Waits until every task has ended, well or not. Errors: PRONG_TIMEOUT, PRONG_STALE, PRONG_DEADLOCK. */
PRONG_CHECKED prong_status prong_job_wait(prong_job job, prong_time timeout);
/* Waits, then returns the first failure, or PRONG_OK. */
PRONG_CHECKED prong_status prong_job_get(prong_job job, prong_time timeout);
/* Whether every task has ended; whether well (false while it runs). */
PRONG_API bool prong_job_ready(prong_job job);
PRONG_API bool prong_job_successful(prong_job job);
/* Waits for one task (of the typed form: one chunk) and tells what became of it. Returns PRONG_OK whatever that is.
 * Errors: PRONG_TIMEOUT, PRONG_INVALID (no such task), PRONG_STALE, PRONG_DEADLOCK. */
PRONG_CHECKED prong_status prong_job_outcome(prong_job job, size_t index,
                                             prong_outcome *outcome,
                                             prong_time timeout);
/* A sentence about an outcome other than PRONG_OK: "task 3: its worker was killed by signal 9 (Killed)". */
PRONG_API void prong_outcome_text(const prong_outcome *outcome, char *text,
                                  size_t size);
PRONG_API prong_status prong_job_progress(prong_job job,
                                          prong_progress *progress);
/* Tasks not yet begun will not be; with force, workers running one of the job's tasks are killed and replaced. All
 * these end as PRONG_CANCELLED. Errors: PRONG_STALE. */
PRONG_API prong_status prong_job_cancel(prong_job job, bool force);
/* Frees the job; one that still runs is cancelled first, without force. Its outcomes' data go with it. Of a map in place, running
 * tasks are cancelled by force, and waited for: the memory is the caller's again. */
PRONG_API prong_status prong_job_close(prong_job job);

/* --- imap --- */

/* Gives the next argument and returns true, or returns false at the end. The bytes are copied before it is called
 * again. Called by the thread that calls prong_imap_next, within that call and outside its timeout. It may make any call, of the
 * same pool as well, but none with this imap. */
typedef bool prong_generator(prong_bytes *argument, void *context);

typedef struct prong_imap prong_imap;

/* Results one at a time while further tasks run; reads ahead no more than options->buffer arguments. imap gives them
 * in order, imap_unordered as they come. For one thread at a time; pair with prong_imap_close. */
PRONG_CHECKED prong_status prong_pool_imap(prong_pool pool, prong_imap **imap,
                                           prong_task *task,
                                           prong_generator *generator,
                                           void *context,
                                           const prong_task_options *options);
PRONG_CHECKED prong_status
prong_pool_imap_unordered(prong_pool pool, prong_imap **imap, prong_task *task,
                          prong_generator *generator, void *context,
                          const prong_task_options *options);
/* PRONG_OK with the next outcome, good or bad (outcome->status); PRONG_EOF after the last. Errors: PRONG_TIMEOUT (and may
 * be called again), PRONG_NO_MEMORY, PRONG_NOT_RUNNING, PRONG_POOL_BROKEN, PRONG_DEADLOCK. */
PRONG_CHECKED prong_status prong_imap_next(prong_imap *imap,
                                           prong_outcome *outcome,
                                           prong_time timeout);
/* Cancels what has not begun, and frees. NULL is allowed. */
PRONG_API void prong_imap_close(prong_imap *imap);

#endif
