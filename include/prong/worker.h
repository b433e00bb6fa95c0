/* Worker: what goes around the tasks of each worker of a pool. */
#ifndef PRONG_WORKER_H
#define PRONG_WORKER_H

#include <prong/export.h>
#include <prong/target.h>
#include <prong/time.h>
#include <prong/value.h>
#include <stddef.h>

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
    void *reserved[8]; /* zero */
} prong_worker_options;

PRONG_END_DECLS

#endif
