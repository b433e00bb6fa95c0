/* What the files of the pool share. */
#ifndef POOL_H
#define POOL_H

#include "core.h"

enum form { FORM_CALL, FORM_ITEM, FORM_STAR, FORM_MAP, FORM_STARMAP };

/* A task's argument: this, the function's pickle, padding to 8, and the pickle of what it is called with. */
struct task_head {
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

/* What a worker ends with, if _set_exit has been called in it. */
int worker_exit_target(void *argument, size_t size);
/* Calls the function whose pickle is the argument: it returns the code. */
int worker_everywhere_target(void *argument, size_t size);

/* --- around.c --- */
struct around_options {
    prong_worker_options options;
    const char **cpus;
    unsigned long long most, soft, hard, maxbytes; /* processes_most, memory_soft, memory_hard */
    prong_time idle_time;
};
/* (threads or 0, list of lists of CPUs or None, exit: None, True or a name, its limit or None), or None. 0, or -1 with an exception.
 * It uses the tuple. */
int around_read(struct around_options *around, PyObject *tuple);
/* Sets what a pool's options have of it, which must stay until the pool is made. */
void around_set(const struct around_options *around, prong_pool_options *options);
void around_clear(struct around_options *around);
PyObject *pool_resize(PyObject *pool, PyObject *processes);
PyObject *pool_replace_workers(PyObject *pool, PyObject *timeout);
/* everywhere(function, timeout) of a pool: None, or (status, message). */
PyObject *pool_everywhere(PyObject *pool, PyObject *arguments);
PyObject *everywhere_answer(prong_status status);
int add_around(PyObject *module);

/* --- pool.c --- */
struct tasks;
struct left_job {
    long owner; /* a forked child has a copy, and leaves it alone */
    prong_job job;
    PyObject *shares; /* as of its JobObject */
};

typedef struct {
    PyObject_HEAD prong_pool pool;
    PyObject *setup;     /* what forked workers call, those that come later as well */
    PyObject *inherited; /* names of the main module that they have; NULL: they are new images */
    bool limited;        /* it has maxbytes: a submission may wait */
    bool by_name;        /* its workers have no Python: functions go by name */
    long owner;
    struct JobObject *jobs; /* those that have an object; the newest first */
    struct left_job *left;  /* jobs whose results nobody wants */
    size_t left_count, left_room, sweep_at;
    struct TaskBlock *blocks, *open; /* those that have tasks with an object; and the one that others may join */
} PoolObject;
extern PyTypeObject Pool_type;
/* Creates it, or raises. For a tp_init. */
int pool_made(PoolObject *self, const prong_pool_options *options);

/* Destroys those of the jobs whose results nobody wants that have ended; or all. */
void pool_sweep_left(PoolObject *self, bool all);
/* The job is its pool's. */
void pool_add_job(PoolObject *self, struct JobObject *job);
/* Its results are of no more interest: but a task that is not done is run all the same. Steals the shares, a list or NULL. */
void pool_leave_job(PoolObject *self, prong_job job, PyObject *shares);
/* The same for a job whose object goes. */
void pool_leave_job_object(PoolObject *self, struct JobObject *job);
/* None, where the pool is not running; False, where it had no room in time; the exception of a signal's handler; else raises. */
PyObject *job_not_submitted(prong_status status);
/* prong_pool_submit, which waits for room, if need be, without the GIL. */
prong_status pool_submit_work(PoolObject *pool, const prong_work *work, prong_job *job, const struct tasks *tasks,
                              prong_task_options *options);
/* For a callback of a job: takes the GIL, in the pool's thread. */
void pool_take_gil(void);
/* Whether callbacks are called in this thread, which has the GIL; returns whether they were before. */
bool pool_tell_here(bool here);
/* Has done called with the job when it has ended; at once, if it has. 0, or -1 with an exception. */
int pool_tell_job(struct JobObject *job, PyObject *done);

/* --- job.c --- */
typedef struct JobObject {
    PyObject_HEAD prong_job job;
    PyObject *pool;
    PyObject *shares;               /* a list of those that its tasks use; NULL: none */
    struct JobObject *next, **link; /* among its pool's, and what refers to it there */
    size_t count, read;             /* tasks; and how many of their results are in the list */
    PyObject *results;              /* NULL: none yet */
    bool open;
} JobObject;
extern PyTypeObject Job_type;

/* (status, what it returned | error bytes | a sentence, code, tries) */
PyObject *outcome_build(prong_job job, const prong_outcome *outcome);
bool job_is_over(prong_job job); /* every task has ended, well or not; false for a stale handle */

/* --- block.c --- */

/* A job that single tasks have joined. */
typedef struct TaskBlock {
    prong_job job;
    PoolObject *pool; /* which lives as long as its tasks, and the pool's own */
    long owner;
    size_t users; /* tasks that are not read, threads in the middle of it, and the pool, if it is open */
    size_t size;  /* tasks for which it is made */
    prong_time time_limit;
    unsigned retries;
    uint64_t priority;
    bool told;                      /* it has a callback, for those that are watched */
    struct TaskObject *watched;     /* references */
    PyObject *shares;               /* that its only task uses; NULL: none */
    struct TaskBlock *next, **link; /* among its pool's */
} TaskBlock;

enum task_end { TASK_END_NONE, TASK_END_WELL, TASK_END_BADLY };

typedef struct TaskObject {
    PyObject_HEAD TaskBlock *block; /* NULL from its end on */
    size_t place;
    PyObject *pool; /* of prong.pool */
    PyObject *core; /* the block's */
    PyObject *value;
    PyObject *done;          /* a list of what is called at its end; NULL: nothing, or nothing more */
    struct TaskObject *next; /* among those of the block that are watched */
    PyObject *weak;
    int readers;
    enum task_end end;
} TaskObject;
extern PyTypeObject Task_type;
/* The block that has the task now, at *place; its users are as before. NULL: *status says why. */
TaskBlock *block_submit_task(PoolObject *pool, const struct tasks *tasks, prong_task_options *options, size_t *place,
                             prong_status *status);
/* One user less. */
void block_leave(TaskBlock *block);
/* While this thread is in the middle of it: another one may read the last of its tasks, and drop the pool. */
void block_use(TaskBlock *block);
void block_let_go(TaskBlock *block);
/* Has the task's `done` called at its end. 0, or -1 with an exception. */
int block_tell_of(TaskBlock *block, TaskObject *task);
/* What is submitted from now on comes behind what else is. */
void blocks_close(PoolObject *pool);

/* --- task.c --- */
PyObject *pool_call(PyObject *pool, PyObject *const *arguments, Py_ssize_t count);
/* Whether it has ended; what it returned, or what was raised, may still have to be read. */
bool task_is_over(const TaskObject *task);
int add_task_type(PyObject *module);

/* --- tasks.c --- */
struct task_buffer {
    char *bytes;
    size_t size, room;
};

/* A large buffer, which is in a share of its own, and is written once for all tasks. */
struct task_large {
    PyObject *view; /* so that nothing else gets the address */
    PyObject *share;
};

/* The arguments of tasks of one function, in one buffer. */
struct tasks {
    PyObject *items;
    Py_ssize_t chunk; /* so many items a task; 0: a task is what an item is */
    const char *name; /* of a C function; NULL: what each task is has the function in it */
    struct task_buffer buffer;
    prong_bytes *bytes; /* of each */
    prong_bytes one;    /* which `bytes` may be */
    size_t count;
    PyObject *shares; /* that the tasks use, as a list; NULL: none */
    struct task_large *large;
    size_t large_count, large_room;
};
/* The items of tasks, of which there may be any sequence where a task is a slice of it. All zero before; 0, or -1 with an exception. */
int tasks_take(struct tasks *tasks, PyObject *items, Py_ssize_t chunk);
/* Makes the bytes; the same. inherited: what forked workers have inherited, or NULL. */
int tasks_read(struct tasks *tasks, enum form form, PyObject *function, PyObject *inherited);
/* Of a single one, in place of both. data: what goes with the form; of a call its arguments, a tuple, with the keywords, a dict. */
int tasks_read_call(struct tasks *tasks, PoolObject *pool, enum form form, PyObject *function, PyObject *data,
                    PyObject *keywords);
/* Bytes of the buffers that have become shares of their own. */
size_t tasks_large_size(const struct tasks *tasks);
void tasks_clear(struct tasks *tasks);
/* Of what was submitted before, nothing is kept. */
void tasks_forget(void);

/* --- inline.c --- */
/* This process is a worker now, whatever ran in the thread that forked it. */
void inline_forget(void);
int add_inline(PyObject *module);

/* --- journal.c --- */
int add_journal(PyObject *module);

/* --- native_pool.c --- */
int add_native_pool(PyObject *module);

#endif
