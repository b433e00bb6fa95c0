/* Everywhere: what runs once in each worker of a pool, those that come later as
 * well. */
#ifndef PRONG_EVERYWHERE_H
#define PRONG_EVERYWHERE_H

#include <prong/pool.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* What runs in each worker: a target and its argument, or the name of a
 * prong_value_target (see prong_work), and a tuple or null. */
typedef struct prong_everywhere {
    prong_target *target;
    const void *argument; /* copied, once for all workers: they read it */
    size_t argument_size;
    const char *name;
    prong_value values;
    void *reserved[4]; /* zero */
} prong_everywhere;

/* Runs it once in each worker: in those that there are now, a busy one after
 * its task, and in each later one between its initializer and its first task,
 * after what ran everywhere before. Returns when all present workers have run
 * it; of one that is replaced meanwhile, when the next one has. If that is not
 * so in time (PRONG_TIMEOUT), it runs nevertheless. PRONG_TASK_FAILED where it
 * has returned something else than 0: the first one to the call, with the
 * worker's place; later ones to nobody. A function that kills each worker
 * breaks the pool, as an initializer does; initializer_time_limit holds in
 * later workers. Any member may call it. Errors: PRONG_INVALID,
 * PRONG_NO_FUNCTION, PRONG_NOT_RUNNING, PRONG_POOL_BROKEN, PRONG_NO_MEMORY,
 * PRONG_DEADLOCK (in a worker of the same pool), PRONG_STALE; as
 * prong_pickle_dumps. */
PRONG_CHECKED prong_status prong_pool_everywhere(prong_pool pool,
                                                 const prong_everywhere *what,
                                                 prong_time timeout);

PRONG_END_DECLS

#endif
