/* What the files of the pool share. */
#ifndef POOL_H
#define POOL_H

#include "core.h"

enum form { FORM_CALL, FORM_ITEM, FORM_STAR, FORM_MAP, FORM_STARMAP };

/* A task's argument: this, the function's pickle, padding to 8, and the pickle of what it is called with. */
struct task {
    uint32_t form, function_size;
};

/* What a failed task's code says of its result: the exception, described; or nothing, for one of two reasons. */
enum { CODE_DESCRIBED = 1, CODE_NOT_DESCRIBED, CODE_NO_MEMORY_TO_DESCRIBE };

/* --- worker.c --- */
int worker_task(void *argument, size_t size, prong_result *result);
/* What a worker begins with. The argument: what a forked one calls, or NULL, and then a payload. */
int worker_target(void *argument, size_t size);
/* Whether a function is the same whenever it is unpickled. */
bool function_is_constant(PyObject *function);
int add_worker(PyObject *module);

/* --- pool.c --- */
typedef struct {
    PyObject_HEAD prong_pool pool;
    PyObject *setup; /* what forked workers call, those that come later as well */
    bool by_name;    /* its workers have no Python: functions go by name */
    long owner;
    prong_job *left; /* jobs whose results nobody wants */
    size_t left_count, left_room, sweep_at;
} PoolObject;
extern PyTypeObject Pool_type;
/* Creates it, or raises. For a tp_init. */
int pool_made(PoolObject *self, const prong_pool_options *options);

/* --- cpool.c --- */
int add_cpool(PyObject *module);

#endif
