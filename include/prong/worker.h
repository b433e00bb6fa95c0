/* Worker: what goes around the tasks of each worker of a pool, what is its own,
 * and the seeds of its tasks. */
#ifndef PRONG_WORKER_H
#define PRONG_WORKER_H

#include <prong/export.h>
#include <prong/target.h>
#include <prong/time.h>
#include <prong/value.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* See prong_pool_options. Members that are not used are zero. All that it
 * points to is copied. */
typedef struct prong_worker_options {
    /* How many threads numeric libraries start in a worker: OMP_NUM_THREADS,
     * OPENBLAS_NUM_THREADS, MKL_NUM_THREADS, BLIS_NUM_THREADS,
     * VECLIB_MAXIMUM_THREADS, NUMEXPR_NUM_THREADS and NUMBA_NUM_THREADS are set
     * to it in the worker's environment: with spawn before its image begins,
     * else before its initializer. A library that the owner (or the fork
     * server) has loaded before reads them no more. 0: the environment stays as
     * it is. */
    unsigned threads;
    /* The CPUs that a worker is bound to before its initializer: lists like
     * "0-3,8", up to a NULL, the first for the worker in place 0, and so on,
     * beginning anew after the last. They are among those that the process
     * which creates the pool may use (PRONG_INVALID otherwise); one that is
     * gone when a worker begins breaks the pool. NULL: as its parent. */
    const char *const *cpus;
    /* Run last in a worker that ends in order: its pool was shut down, or it
     * has done maxtasksperchild tasks. It does not run where a worker is killed
     * or the pool terminated. A result other than 0 is the worker's exit code:
     * it is counted as a death (see prong_pool_workers), and changes nothing
     * else. Either a target and its argument, or the name of a
     * prong_value_target (see prong_work), and a tuple or null. */
    prong_target *exit;
    const void *exit_argument;
    size_t exit_size;
    const char *exit_name;
    prong_value exit_arguments;
    prong_time exit_time_limit; /* it is killed if that runs longer; 0: none */
    void *reserved[8];          /* zero */
} prong_worker_options;

/* In a worker's initializer, its tasks and its exit, and in threads that these
 * have started: the place of a pointer that is the worker's own, NULL at first.
 * What it points to is the program's: the exit may free it. NULL where this
 * process is no worker: in a child of a worker, too. Thread- and
 * signal-safe. */
PRONG_API void **prong_worker_state(void);

/* In the same: the worker's place in its pool, 0 to processes - 1, which the
 * next worker has when this one is replaced. -1 where this process is no
 * worker. Thread- and signal-safe. */
PRONG_API int prong_worker_place(void);

/* In a task, or in a thread that it has started: a seed for random numbers,
 * which is a function of the seed in the task options and of the number of the
 * task, or of the element, in its work alone. So it is the same however many
 * workers there are, whichever one runs the task, and again when it is run
 * again. element: of a prong_range, counted from the first that it was called
 * with; else 0. It is prong_seed(seed, number), and 0 in no task. Thread- and
 * signal-safe. */
PRONG_API uint64_t prong_task_seed(size_t element);

/* The seed of number `index` under a seed. With mix, the finalizer of
 * SplitMix64 (z ^= z >> 30; z *= 0xbf58476d1ce4e5b9; z ^= z >> 27;
 * z *= 0x94d049bb133111eb; z ^= z >> 31), and step 0x9e3779b97f4a7c15:
 * mix(mix(seed + step) + (index + 1) * step), modulo 2 to the 64. This stays as
 * it is in later versions. Thread- and signal-safe. */
PRONG_API uint64_t prong_seed(uint64_t seed, uint64_t index);

PRONG_END_DECLS

#endif
