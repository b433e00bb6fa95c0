/* What is submitted: a prong_work that has been checked. */
#ifndef POOL_WORK_H
#define POOL_WORK_H

#include "pool/pool.h"

#include <prong/work.h>

enum job_values { VALUES_NONE, VALUES_ONE, VALUES_LIST };
/* What is submitted: the work as its tasks run it. */
struct submission {
    prong_pool pool;
    const prong_work *work;
    const prong_task_options *options; /* never NULL */
    prong_form form;                   /* never PRONG_FORM_VALUES */
    enum job_values values;
    any_function *function;
    const char *name; /* NULL: by its pointer */
    size_t count, capacity;
    bool ring;
    uint64_t extra;     /* bytes of storage behind the tables */
    prong_time timeout; /* the run's, of which waiting for room takes its part; PRONG_FOREVER: it is none */
};
/* For which call: some members of a prong_work are for one of them alone. */
enum work_call { WORK_RUN, WORK_SUBMIT, WORK_ITERATE };
/* Checks the work, and fills in what does not depend on the pool. */
prong_status work_read(struct submission *submission, prong_pool pool, const prong_work *work,
                       const prong_task_options *options, enum work_call call);

#endif
