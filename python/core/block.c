/* Blocks: jobs that single tasks of a pool join.
 *
 * A task joins the pool's open job, a block, if that has room: then it costs a fraction of a job. Blocks are as large as there are
 * tasks that wait anyway, so where there are none a task has a job of its own, whose end is known without the pool's guard. */
#include "pool.h"

#include <stdlib.h>

enum { BLOCK_GROWTH = 4, BLOCK_MOST = 64 };
/* A larger argument has a job of its own, with which it goes. */
enum { ARGUMENT_MOST = 2048 };

/* --- their life --- */

/* One that is gone is a block again later, and never other memory: the pool's thread may still come with its address. */
static TaskBlock *spare_blocks;

static TaskBlock *block_make(PoolObject *pool) {
    TaskBlock *block = spare_blocks;
    if (block)
        spare_blocks = block->next;
    else
        block = malloc(sizeof *block);
    if (!block) return NULL;
    *block = (TaskBlock){.pool = pool, .owner = own_pid};
    return block;
}

static void block_link(TaskBlock *block) {
    PoolObject *pool = block->pool;
    block->next = pool->blocks;
    block->link = &pool->blocks;
    if (block->next) block->next->link = &block->next;
    pool->blocks = block;
}

static void block_free(TaskBlock *block) {
    block->job = (prong_job){0};
    block->shares = NULL;
    block->next = spare_blocks;
    spare_blocks = block;
}

void block_leave(TaskBlock *block) {
    if (--block->users) return;
    TaskBlock left = *block;
    *left.link = left.next;
    if (left.next) left.next->link = left.link;
    block_free(
        block); /* before anything else: from here on Python may run, and a callback that is late must not find it */
    if (left.owner == own_pid) {
        prong_job_shutdown(left.job);
        pool_leave_job(left.pool, left.job, left.shares);
    } else {
        Py_XDECREF(left.shares); /* a forked child's copy */
    }
}

void block_use(TaskBlock *block) {
    block->users++;
    Py_INCREF(block->pool);
}

void block_let_go(TaskBlock *block) {
    PoolObject *pool = block->pool;
    block_leave(block);
    Py_DECREF(pool);
}

void blocks_close(PoolObject *pool) {
    TaskBlock *block = pool->open;
    pool->open = NULL;
    if (block) block_leave(block);
}

/* --- submitting --- */

/* How many tasks the next block is for. */
static size_t block_size(PoolObject *pool, const struct tasks *tasks) {
    const TaskBlock *before = pool->open;
    if (tasks->name || tasks->shares || tasks->bytes->size > ARGUMENT_MOST || pool->limited || pool->owner != own_pid)
        return 1;
    if (!before || job_is_over(before->job)) return 1;
    return before->size * BLOCK_GROWTH < BLOCK_MOST ? before->size * BLOCK_GROWTH : BLOCK_MOST;
}

static prong_status block_submit(TaskBlock *block, const struct tasks *tasks, prong_task_options *options) {
    prong_work work = {.name = tasks->name, .arguments = tasks->bytes, .count = 1};
    if (tasks->name)
        work.form = PRONG_FORM_VALUES;
    else
        work.task = worker_task;
    options->capacity = block->size > 1 ? block->size : 0;
    return pool_submit_work(block->pool, &work, &block->job, tasks, options);
}

/* A block with this task as its first, which the pool keeps open for others. NULL: *status says why. */
static TaskBlock *block_begin(PoolObject *pool, const struct tasks *tasks, prong_task_options *options,
                              prong_status *status) {
    size_t size = block_size(pool, tasks);
    TaskBlock *block = block_make(pool);
    *status = PRONG_NO_MEMORY;
    if (!block) return NULL;
    block->size = size;
    block->time_limit = options->time_limit;
    block->retries = options->retries;
    block->priority = options->priority;
    *status = block_submit(block, tasks, options);
    if (*status < 0) {
        block_free(block);
        return NULL;
    }
    Py_XINCREF(tasks->shares);
    block->shares = tasks->shares;
    block_link(block);
    blocks_close(pool);
    if (!tasks->shares && pool->owner == own_pid) {
        pool->open = block;
        block->users = 1;
    }
    return block;
}

static bool block_takes(const TaskBlock *block, const struct tasks *tasks, const prong_task_options *options) {
    return block && block->size > 1 && !tasks->shares && tasks->bytes->size <= ARGUMENT_MOST &&
           block->time_limit == options->time_limit && block->retries == options->retries &&
           block->priority == options->priority;
}

TaskBlock *block_submit_task(PoolObject *pool, const struct tasks *tasks, prong_task_options *options, size_t *place,
                             prong_status *status) {
    TaskBlock *open = pool->open;
    counts[COUNT_POOL]++;
    if (block_takes(open, tasks, options)) {
        *status = prong_job_add(open->job, tasks->bytes->data, tasks->bytes->size, place);
        if (*status >= 0) return open;
        if (*status == PRONG_NO_MEMORY) return NULL;
    }
    *place = 0;
    return block_begin(pool, tasks, options, status);
}

/* --- telling of ends --- */

/* At the end, as those that were asked for first are told first. */
static void block_add_watched(TaskBlock *block, TaskObject *task) {
    TaskObject **at = &block->watched;
    while (*at) at = &(*at)->next;
    task->next = NULL;
    *at = task;
    Py_INCREF(task);
    block_use(block); /* until it is told of, though it may be read before */
}

/* Of those that are to be told, takes out the first that has ended. */
static TaskObject *block_take_ended(TaskBlock *block) {
    for (TaskObject **at = &block->watched; *at; at = &(*at)->next) {
        TaskObject *task = *at;
        if (!task_is_over(task)) continue;
        *at = task->next;
        return task;
    }
    return NULL;
}

static void task_call_done(TaskObject *task) {
    PyObject *done = task->done;
    task->done = NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(done); i++) {
        PyObject *result = PyObject_CallOneArg(PyList_GET_ITEM(done, i), (PyObject *)task);
        if (!result) PyErr_WriteUnraisable(PyList_GET_ITEM(done, i));
        Py_XDECREF(result);
    }
    Py_DECREF(done);
    Py_DECREF(task);
}

static void block_tell(TaskBlock *block) {
    block_use(block);
    for (TaskObject *task; (task = block_take_ended(block));) {
        task_call_done(task);
        block_let_go(block);
    }
    block_let_go(block);
}

/* In the pool's thread, or in the one that calls block_tell_of. */
static void block_news(prong_job job, void *context) {
    TaskBlock *block = context;
    pool_take_gil();
    if (block->job.offset == job.offset && block->job.generation == job.generation) block_tell(block);
}

static void block_ended_badly(prong_job job, prong_status status, const char *message, void *context) {
    (void)status;
    (void)message;
    block_news(job, context);
}

static int block_watch(TaskBlock *block) {
    if (block->told && block->owner == own_pid) return 0; /* a forked child is not told, and learns here why */
    bool outer = pool_tell_here(true);
    prong_status status =
        prong_job_set_callback(block->job, block_news, block->size > 1 ? NULL : block_ended_badly, block);
    pool_tell_here(outer);
    block->told = status >= 0;
    if (status < 0) raise_status(status);
    return status < 0 ? -1 : 0;
}

int block_tell_of(TaskBlock *block, TaskObject *task) {
    block_use(block);
    int bad = block_watch(block);
    if (!bad) block_add_watched(block, task);
    if (!bad && task_is_over(task)) block_tell(block); /* its end was before this began to watch it */
    block_let_go(block);
    return bad;
}
