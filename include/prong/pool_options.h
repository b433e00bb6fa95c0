/* What a pool is made of: options of prong_pool_create. */
#ifndef PRONG_POOL_OPTIONS_H
#define PRONG_POOL_OPTIONS_H

#include <prong/process.h>
#include <prong/value.h>
#include <prong/worker.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* As many processes: none. Tasks run in the thread that submits them, before
 * prong_pool_submit returns, and those of an iterator in prong_iterator_next;
 * so a debugger sees them. Callbacks are called by the same thread, the
 * initializer by the one that creates the pool, the exit by the one that shuts
 * it down. Time limits are not enforced; threads and cpus are not applied;
 * there is nothing to retry, as what kills a task kills the program. Only the
 * process that created the pool may submit to it and shut it down
 * (PRONG_NOT_CHILD). */
#define PRONG_INLINE ((unsigned)-1)

typedef struct prong_pool_options {
    unsigned processes; /* workers; 0: one for each CPU that this process may
                           use; PRONG_INLINE: none */
    /* Run first in each worker; a result other than 0 breaks the pool. */
    prong_target *initializer;
    const void *initializer_argument;
    size_t initializer_size;
    size_t maxtasksperchild; /* a worker is replaced after so many; 0: never */
    prong_start_method method;
    const char *name; /* of workers, "NAME-1" …, and for prong_pool_find; NULL:
                         "PoolWorker". 31 bytes at most */
    /* The workers run another program (see prong_process_options):
     * {"prong-worker", NULL} has just prong and the libraries that works name;
     * {"python3", "-m", "prong.worker", NULL} runs Python's functions. The
     * pool's start does not wait until such workers are ready; if none of them
     * ever is, the pool breaks. */
    char *const *program;
    /* Instead of initializer: a prong_value_target by its name (see
     * prong_work), and its arguments: a tuple, or null. */
    const char *initializer_name;
    prong_value initializer_arguments;
    /* A worker whose initializer runs longer is killed and replaced; 0: no
     * limit. If none completes it, in three tries more than there are workers,
     * the pool breaks. A task's own time_limit begins with the task. */
    prong_time initializer_time_limit;
    /* The pool grows to so many workers where tasks wait for one for 10 ms, and
     * shrinks, to `processes` at least, to as many as were busy at the same
     * time, when it could have done with these for idle_time. 0: it does not;
     * then prong_pool_resize still can, to 64 or `processes`, if that is
     * more. */
    size_t processes_most;
    prong_time idle_time; /* 0: 10 s */
    /* Limits of a worker's memory, in bytes; 0: none. What counts is memory of
     * its own (RssAnon), less what a forked worker has from its parent: not
     * what it shares with others, and not prong's arena. A worker above
     * memory_soft is replaced after its task. With memory_hard, it cannot
     * allocate more than that of private memory (RLIMIT_DATA, which counts all
     * that is reserved, such as the stacks of threads): malloc fails, Python
     * raises MemoryError. One that uses more all the same, in a task, is killed
     * within 0.2 s: the task ends as PRONG_TASK_MEMORY, or is run again
     * (retries). */
    size_t memory_soft, memory_hard;
    const prong_worker_options *worker; /* what goes around tasks; NULL: none */
    /* Bytes that the pool's jobs may hold; 0: no limit. What counts is what a
     * job has in the arena when it is submitted: arguments, context, arrays
     * that were not there already, some 100 bytes a task, and
     * prong_task_options.beside; from then on until all its tasks have ended.
     * Results count only as arrays that are given back; other results, and
     * jobs that have ended, are the submitter's to take: so nobody waits for
     * itself.
     *
     * A submission that finds no room waits (prong_task_options.room_timeout).
     * It has its own bytes in the arena meanwhile. A job that is larger alone
     * is refused (PRONG_INVALID). The submission of a large one may wait while
     * others submit small ones.
     *
     * An iterator never waits: it reads no further ahead than there is room
     * for, by one task at least; each counts until it has ended. A task that
     * submits to its own pool does not wait, and may exceed the limit. One that
     * waits for another pool's room which can never come gets PRONG_DEADLOCK.
     * A job that is open (prong_task_options.capacity) is refused
     * (PRONG_INVALID). Without workers (PRONG_INLINE) there is no limit. */
    size_t maxbytes;
    void *reserved[3]; /* zero */
} prong_pool_options;

PRONG_END_DECLS

#endif
