/* Task: a single task of a pool, and what has become of it. prong.pool.AsyncResult and the executor's Future are made of it. */
#include "pool.h"

#include <structmember.h>

/* A larger result is freed when it is read, not with its block. */
enum { RESULT_MOST = 1024 };

static PyObject *otherwise_name;

/* --- submitting --- */

static int task_options(prong_task_options *options, PyObject *given) {
    PyObject *limit, *room;
    unsigned priority;
    if (!PyArg_ParseTuple(given, "OIIO", &limit, &options->retries, &priority, &room)) return -1;
    options->priority = priority;
    return parse_limit(limit, &options->time_limit) || parse_room_timeout(room, &options->room_timeout) ? -1 : 0;
}

/* A task with its place in a block; NULL: *status says why, or an exception. */
static TaskObject *task_begin(PoolObject *pool, PyTypeObject *type, const struct tasks *tasks,
                              prong_task_options *options, prong_status *status) {
    TaskObject *task = (TaskObject *)type->tp_alloc(type, 0);
    TaskBlock *block = task ? block_submit_task(pool, tasks, options, &task->place, status) : NULL;
    if (!block) {
        Py_XDECREF(task);
        return NULL;
    }
    block->users++;
    task->block = block;
    task->core = new_reference((PyObject *)pool);
    return task;
}

/* call(class, pool, function, form, data, kwargs, (time limit or None, retries, priority, room timeout or None)): kwargs for CALL
 * alone; the pool is for what the class makes of a failure -> an instance of the class, a subclass of Task; None and False as submit's */
PyObject *pool_call(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    PoolObject *self = (PoolObject *)object;
    prong_task_options options = {0};
    struct tasks tasks = {0};
    prong_status status = PRONG_OK;
    if (count != 7 || !PyType_Check(arguments[0]) ||
        !PyType_IsSubtype((PyTypeObject *)(void *)arguments[0], &Task_type)) {
        PyErr_SetString(PyExc_TypeError, "call(class, pool, function, form, data, kwargs, options)");
        return NULL;
    }
    enum form form = (enum form)PyLong_AsLong(arguments[3]);
    if (PyErr_Occurred() || task_options(&options, arguments[6])) return NULL;
    if (self->sweep_at == 0) pool_sweep_left(self, false);
    TaskObject *task = NULL;
    if (tasks_read_call(&tasks, self, form, arguments[2], arguments[4], arguments[5]) == 0)
        task = task_begin(self, (PyTypeObject *)(void *)arguments[0], &tasks, &options, &status);
    tasks_clear(&tasks);
    if (!task) return status < 0 ? job_not_submitted(status) : NULL;
    task->pool = new_reference(arguments[1]);
    return (PyObject *)task;
}

/* --- what has become of it --- */

bool task_is_over(const TaskObject *self) {
    prong_outcome outcome;
    if (!self->block) return true;
    return prong_job_outcome(self->block->job, self->place, &outcome, PRONG_NOWAIT) >= 0;
}

/* What it came to, once. Steals the value. */
static void task_settle(TaskObject *self, enum task_end end, PyObject *value) {
    if (self->end) { /* another thread was faster */
        Py_DECREF(value);
        return;
    }
    self->end = end;
    self->value = value;
    TaskBlock *block = self->block;
    self->block = NULL;
    if (block) block_leave(block);
    Py_CLEAR(self->core);
    Py_CLEAR(self->pool); /* which may go before its results do */
}

/* The value of an outcome; NULL with an exception. */
static PyObject *task_value(TaskObject *self, prong_job job, const prong_outcome *outcome) {
    if (outcome->status == PRONG_OK) return decode(outcome->data, outcome->size, NULL);
    PyObject *built = outcome_build(job, outcome);
    PyObject *value = built ? PyObject_CallMethodObjArgs((PyObject *)self, otherwise_name, built, NULL) : NULL;
    Py_XDECREF(built);
    return value;
}

/* The exception that is set becomes the result, if it is one that a result may raise. */
static int task_fail_to_read(TaskObject *self) {
    PyObject *type, *error, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback) PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    task_settle(self, TASK_END_BADLY, error);
    return 0;
}

static int task_read_from(TaskObject *self, prong_job job, const prong_outcome *outcome) {
    PyObject *value = task_value(self, job, outcome);
    if (!value) return task_fail_to_read(self);
    task_settle(self, outcome->status == PRONG_OK ? TASK_END_WELL : TASK_END_BADLY, value);
    return 0;
}

/* 0, or -1 with an exception. Others may use the block meanwhile, but nobody ends it. Until it is settled, others may still begin to
 * read; and a forked child leaves its parent what it has read. */
static int task_read(TaskObject *self, prong_outcome *outcome) {
    TaskBlock *block = self->block;
    outcome->index = 0;
    block_use(block);
    self->readers++;
    int bad = task_read_from(self, block->job, outcome);
    bool done = --self->readers == 0 && self->end && block->owner == own_pid;
    if (done && outcome->size > RESULT_MOST && block->size > 1) prong_job_release(block->job, self->place);
    block_let_go(block);
    return bad;
}

/* Without the GIL: another thread may read it meanwhile. */
static prong_status task_await(TaskObject *self, prong_outcome *outcome, prong_time span) {
    TaskBlock *block = self->block;
    prong_status status;
    block_use(block);
    WAITING(prong_job_outcome(block->job, self->place, outcome, span));
    block_let_go(block);
    return status;
}

/* Waits, and reads what it has come to: 1, 0 when the time is up, -1 with an exception. */
static int task_load(TaskObject *self, PyObject *timeout) {
    prong_outcome outcome;
    prong_time span;
    if (self->end) return 1;
    if (!self->block) {
        PyErr_SetString(PyExc_ValueError, "a result of no task");
        return -1;
    }
    prong_status status = prong_job_outcome(self->block->job, self->place, &outcome, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT) {
        if (parse_timeout(timeout, &span)) return -1;
        status = task_await(self, &outcome, span);
        if (PyErr_Occurred()) return -1;
        if (self->end) return 1; /* another thread has read it, and it may be gone */
        if (status == PRONG_TIMEOUT) return 0;
    }
    if (status < 0) {
        raise_status(status);
        return -1;
    }
    return task_read(self, &outcome) ? -1 : 1;
}

static int task_timeout(const char *call, PyObject *const *arguments, Py_ssize_t count, PyObject *names,
                        PyObject **timeout) {
    static const char *const known[] = {"timeout"};
    *timeout = NULL;
    return parse_fast(call, arguments, count, names, known, 1, timeout);
}

/* get(timeout=None) */
static PyObject *task_get(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    TaskObject *self = (TaskObject *)object;
    PyObject *timeout;
    if (task_timeout("get", arguments, count, names, &timeout)) return NULL;
    int loaded = task_load(self, timeout);
    if (loaded < 0) return NULL;
    if (loaded && self->end == TASK_END_WELL) return new_reference(self->value);
    if (loaded && PyExceptionInstance_Check(self->value)) {
        PyErr_SetObject((PyObject *)Py_TYPE(self->value), self->value);
        return NULL;
    }
    return PyObject_CallMethodObjArgs(object, otherwise_name, loaded ? self->value : Py_None, NULL);
}

/* _ended(timeout): (success, value); None when the time is up */
static PyObject *task_ended(PyObject *object, PyObject *timeout) {
    TaskObject *self = (TaskObject *)object;
    int loaded = task_load(self, timeout);
    if (loaded < 0) return NULL;
    if (!loaded) Py_RETURN_NONE;
    return PyTuple_Pack(2, self->end == TASK_END_WELL ? Py_True : Py_False, self->value);
}

/* _settle(success, value): it comes to this, and to nothing else from now on */
static PyObject *task_settled(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "_settle(success, value)");
        return NULL;
    }
    task_settle((TaskObject *)object, arguments[0] == Py_True ? TASK_END_WELL : TASK_END_BADLY,
                new_reference(arguments[1]));
    Py_RETURN_NONE;
}

static PyObject *task_ready(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(task_is_over((TaskObject *)object));
}

/* _wait(timeout) -> whether it has ended */
static PyObject *task_wait(PyObject *object, PyObject *timeout) {
    TaskObject *self = (TaskObject *)object;
    prong_outcome outcome;
    prong_time span;
    if (parse_timeout(timeout, &span)) return NULL;
    if (task_is_over(self)) Py_RETURN_TRUE;
    prong_status status = task_await(self, &outcome, span);
    return true_in_time(self->end ? PRONG_OK : status);
}

static PyObject *task_cancel(PyObject *object, PyObject *force) {
    TaskObject *self = (TaskObject *)object;
    int forced = PyObject_IsTrue(force);
    if (forced < 0) return NULL;
    if (!self->block) Py_RETURN_NONE;
    return none_or_raise(prong_job_cancel_task(self->block->job, self->place, forced));
}

static PyObject *none_unless(int bad) {
    return bad ? NULL : new_reference(Py_None);
}

/* _tell(done) */
static PyObject *task_tell(PyObject *object, PyObject *done) {
    TaskObject *self = (TaskObject *)object;
    if (!self->block) return PyObject_CallOneArg(done, object);
    if (self->done && self->block->owner == own_pid) return none_unless(PyList_Append(self->done, done));
    Py_XSETREF(self->done, Py_BuildValue("[O]", done));
    if (!self->done) return NULL;
    int bad = block_tell_of(self->block, self);
    if (bad) Py_CLEAR(self->done);
    return none_unless(bad);
}

/* --- the type --- */

static int task_traverse(PyObject *object, visitproc visit, void *arg) {
    TaskObject *self = (TaskObject *)object;
    Py_VISIT(self->pool);
    Py_VISIT(self->core);
    Py_VISIT(self->value);
    Py_VISIT(self->done);
    return 0;
}

static int task_clear(PyObject *object) {
    TaskObject *self = (TaskObject *)object;
    Py_CLEAR(self->pool);
    Py_CLEAR(self->value);
    Py_CLEAR(self->done);
    return 0;
}

static void task_dealloc(PyObject *object) {
    TaskObject *self = (TaskObject *)object;
    PyObject_GC_UnTrack(object);
    if (self->weak) PyObject_ClearWeakRefs(object);
    if (self->block) block_leave(self->block);
    task_clear(object);
    Py_XDECREF(self->core);
    Py_TYPE(object)->tp_free(object);
}

static PyMethodDef task_methods[] = {
    {"_get", (PyCFunction)(void (*)(void))task_get, METH_FASTCALL | METH_KEYWORDS,
     DOC("_get($self, /, timeout=None)",
         "The result, or what was raised. TimeoutError when timeout seconds have passed.")},
    {"ready", task_ready, METH_NOARGS, DOC("ready($self, /)", "Whether it has ended.")},
    {"_wait", task_wait, METH_O,
     DOC("_wait($self, timeout, /)", "Waits for the end, up to timeout seconds: whether it has ended.")},
    {"_ended", task_ended, METH_O,
     DOC("_ended($self, timeout, /)",
         "Waits: (whether it returned, what it returned or raised); None when the time is up.")},
    {"_settle", (PyCFunction)(void (*)(void))task_settled, METH_FASTCALL,
     DOC("_settle($self, success, value, /)", "It has come to this, unless its end is known already.")},
    {"_cancel", task_cancel, METH_O,
     DOC("_cancel($self, force, /)", "If it has not begun, it will not; with force, it is ended where it runs.")},
    {"_tell", task_tell, METH_O,
     DOC("_tell($self, done, /)",
         "Has done called with it when it has ended, in the pool's thread; at once, if it has.")},
    {0}};
static PyMemberDef task_members[] = {
    {"_pool", T_OBJECT, offsetof(TaskObject, pool), READONLY, PyDoc_STR("The pool, of prong.pool.")}, {0}};
PyTypeObject Task_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Task",
                          .tp_doc = DOC("Task()", "A single task of a pool: see Pool.call."),
                          .tp_basicsize = sizeof(TaskObject),
                          .tp_weaklistoffset = offsetof(TaskObject, weak),
                          .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                          .tp_new = PyType_GenericNew,
                          .tp_dealloc = task_dealloc,
                          .tp_traverse = task_traverse,
                          .tp_clear = task_clear,
                          .tp_methods = task_methods,
                          .tp_members = task_members};

int add_task_type(PyObject *module) {
    otherwise_name = PyUnicode_InternFromString("_otherwise");
    return !otherwise_name || add_type(module, "Task", &Task_type) ? -1 : 0;
}
