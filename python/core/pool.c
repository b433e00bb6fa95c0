/* Pool: the core's pool, whose tasks are calls of Python functions. */
#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

/* ------------------------------------------------ Job ------------------------------------------------ */

typedef struct {
    PyObject_HEAD prong_job job;
    PyObject *pool;
    size_t count, read; /* tasks; and how many of their results are in the list */
    PyObject *results;  /* NULL: none yet */
    bool open;
} Job;

/* Its result is of no more interest: but the task, if it is not done, is run all the same. */
static void leave_job(PyObject *pool, prong_job job);

static void job_dealloc(PyObject *object) {
    Job *self = (Job *)object;
    if (self->open) leave_job(self->pool, self->job);
    Py_XDECREF(self->pool);
    Py_XDECREF(self->results);
    Py_TYPE(object)->tp_free(object);
}

static PyObject *job_wait(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status = PRONG_OK;
    Job *self = (Job *)object;
    if (parse_timeout(timeout, &span)) return NULL;
    if (!prong_job_ready(self->job)) WAITING(prong_job_wait(self->job, span));
    if (PyErr_Occurred()) return NULL;
    if (status < 0 && prong_job_ready(self->job)) status = PRONG_OK; /* a task's failure, not the wait's */
    if (status < 0 && status != PRONG_TIMEOUT) return raise_status(status);
    return PyBool_FromLong(status == PRONG_OK);
}

static PyObject *job_ready(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(prong_job_ready(((Job *)object)->job));
}

/* (status, what it returned | error bytes | a sentence, code, tries) */
static PyObject *tell(prong_job job, const prong_outcome *outcome) {
    char text[512];
    PyObject *value;
    if (outcome->status == PRONG_OK)
        value = decode(outcome->data, outcome->size, NULL);
    else if (outcome->status == PRONG_TASK_FAILED)
        value = PyBytes_FromStringAndSize(outcome->data, (Py_ssize_t)outcome->size);
    else {
        prong_outcome_text(outcome, text, sizeof text);
        if (outcome->status == PRONG_POOL_BROKEN && prong_job_wait(job, PRONG_NOWAIT) < 0) /* it knows why */
            snprintf(text, sizeof text, "%s", prong_error_message());
        value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    }
    if (!value) return NULL;
    return Py_BuildValue("(iNiI)", (int)outcome->status, value, outcome->code, outcome->tries);
}

/* outcome(index, timeout): None when time is up */
static PyObject *job_outcome(PyObject *object, PyObject *arguments) {
    Job *self = (Job *)object;
    Py_ssize_t index;
    PyObject *timeout;
    prong_time span;
    prong_outcome outcome;
    if (!PyArg_ParseTuple(arguments, "nO", &index, &timeout) || parse_timeout(timeout, &span)) return NULL;
    prong_status status = prong_job_outcome(self->job, (size_t)index, &outcome, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT && span != PRONG_NOWAIT)
        WAITING(prong_job_outcome(self->job, (size_t)index, &outcome, span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_NONE;
    return status < 0 ? raise_status(status) : tell(self->job, &outcome);
}

static int extend(PyObject *list, PyObject *chunk) {
    Py_ssize_t end = PyList_GET_SIZE(list);
    return PyList_SetSlice(list, end, end, chunk);
}

/* The next result, at the end of the list; false with an exception. */
static bool read_next(Job *self, const prong_outcome *outcome, bool in_chunks) {
    PyObject *value = decode(outcome->data, outcome->size, NULL);
    if (value && !self->results) self->results = PyList_New(0);
    bool good =
        value && self->results && (in_chunks ? extend(self->results, value) : PyList_Append(self->results, value)) == 0;
    Py_XDECREF(value);
    if (good) self->read++;
    return good;
}

/* Large results are read while others are still made. Of many small ones that would only cost: who waits for each is woken for
 * each. */
enum { READ_AS_THEY_COME = 256 };

/* read(): waits for the end, and reads chunks of results as they come, up to the first that failed. For one thread at a time. */
static PyObject *job_read(PyObject *object, PyObject *unused) {
    Job *self = (Job *)object;
    prong_status status = PRONG_OK;
    prong_outcome outcome;
    PyObject *type, *value, *traceback;
    (void)unused;
    while (self->count <= READ_AS_THEY_COME && self->read < self->count) {
        WAITING(prong_job_outcome(self->job, self->read, &outcome, PRONG_FOREVER));
        if (PyErr_Occurred()) return NULL;
        if (status < 0 || outcome.status || !read_next(self, &outcome, true)) break;
    }
    PyErr_Fetch(&type, &value, &traceback);
    WAITING(prong_job_wait(self->job, PRONG_FOREVER));
    if (status < 0 && prong_job_ready(self->job)) status = PRONG_OK; /* a task's failure, not the wait's */
    if (!PyErr_Occurred()) {
        PyErr_Restore(type, value, traceback); /* of what did not unpickle, if there is any */
        return PyErr_Occurred() ? NULL : none_or_raise(status);
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return NULL;
}

/* results(chunked) -> (list, None), or (None, (index, outcome)) of the first that failed. Of a job that has ended. */
static PyObject *job_results(PyObject *object, PyObject *chunked) {
    Job *self = (Job *)object;
    bool in_chunks = PyObject_IsTrue(chunked);
    prong_outcome outcome;
    while (self->read < self->count) {
        prong_status status = prong_job_outcome(self->job, self->read, &outcome, PRONG_NOWAIT);
        if (status < 0) return raise_status(status);
        if (outcome.status) {
            PyObject *told = tell(self->job, &outcome);
            return told ? Py_BuildValue("(O(nN))", Py_None, (Py_ssize_t)self->read, told) : NULL;
        }
        if (!read_next(self, &outcome, in_chunks)) return NULL;
    }
    PyObject *list = self->results ? self->results : PyList_New(0);
    self->results = NULL;
    return list ? Py_BuildValue("(NO)", list, Py_None) : NULL;
}

static PyObject *job_cancel(PyObject *object, PyObject *force) {
    int forced = PyObject_IsTrue(force);
    return forced < 0 ? NULL : none_or_raise(prong_job_cancel(((Job *)object)->job, forced));
}

static PyObject *job_progress(PyObject *object, PyObject *unused) {
    prong_progress progress;
    (void)unused;
    prong_status status = prong_job_progress(((Job *)object)->job, &progress);
    if (status < 0) return raise_status(status);
    return Py_BuildValue("(nnd)", (Py_ssize_t)progress.done, (Py_ssize_t)progress.total, progress.rate);
}

static PyMethodDef job_methods[] = {{"wait", job_wait, METH_O, NULL},
                                    {"read", job_read, METH_NOARGS, NULL},
                                    {"ready", job_ready, METH_NOARGS, NULL},
                                    {"outcome", job_outcome, METH_VARARGS, NULL},
                                    {"results", job_results, METH_O, NULL},
                                    {"cancel", job_cancel, METH_O, NULL},
                                    {"progress", job_progress, METH_NOARGS, NULL},
                                    {0}};
static PyObject *job_count(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(((Job *)object)->count);
}

static PyGetSetDef job_members[] = {{"count", job_count, NULL, NULL, NULL}, {0}};
static PyTypeObject Job_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Job",
                                .tp_basicsize = sizeof(Job),
                                .tp_flags = Py_TPFLAGS_DEFAULT,
                                .tp_dealloc = job_dealloc,
                                .tp_methods = job_methods,
                                .tp_getset = job_members};

/* ------------------------------------------------ Pool ------------------------------------------------ */

static void sweep_left(PoolObject *self, bool all) {
    size_t kept = 0;
    for (size_t i = 0; i < self->left_count; i++)
        if (all || prong_job_ready(self->left[i]))
            prong_job_destroy(self->left[i]);
        else
            self->left[kept++] = self->left[i];
    self->left_count = kept;
    self->sweep_at = kept * 2 < 64 ? 64 : kept * 2;
}

static void leave_job(PyObject *pool, prong_job job) {
    PoolObject *self = (PoolObject *)pool;
    if (self->owner != own_pid) return; /* a forked child's copy */
    if (prong_job_ready(job)) {
        prong_job_destroy(job);
        return;
    }
    if (self->left_count >= self->sweep_at) sweep_left(self, false);
    if (self->left_count == self->left_room) {
        size_t room = self->left_room ? self->left_room * 2 : 64;
        prong_job *more = realloc(self->left, room * sizeof *more);
        if (!more) return; /* it stays until the family ends */
        self->left = more;
        self->left_room = room;
    }
    self->left[self->left_count++] = job;
}

int pool_made(PoolObject *self, const prong_pool_options *options) {
    prong_status status;
    self->owner = own_pid;
    counts[COUNT_POOL]++;
    WAITING(prong_pool_create(&self->pool, options));
    if (status < 0) raise_status(status);
    return status < 0 ? -1 : 0;
}

/* Pool(processes, method, name, maxtasksperchild, setup or None, payload) */
static int pool_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    PoolObject *self = (PoolObject *)object;
    unsigned processes;
    int method;
    const char *name, *payload;
    Py_ssize_t maxtasks, payload_size;
    PyObject *setup;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "IisnOy#", &processes, &method, &name, &maxtasks, &setup, &payload, &payload_size))
        return -1;
    self->setup = setup == Py_None ? NULL : new_reference(setup);
    size_t size = sizeof self->setup + (size_t)payload_size;
    char *bytes = PyMem_Malloc(size);
    if (!bytes) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(bytes, &self->setup, sizeof self->setup);
    memcpy(bytes + sizeof self->setup, payload, (size_t)payload_size);
    prong_pool_options options = {.processes = processes,
                                  .initializer = worker_target,
                                  .initializer_argument = bytes,
                                  .initializer_size = size,
                                  .maxtasksperchild = (size_t)maxtasks,
                                  .method = (prong_start_method)method,
                                  .name = name};
    int bad = pool_made(self, &options);
    PyMem_Free(bytes);
    return bad;
}

static PyObject *pool_destroy(PyObject *object, PyObject *unused) {
    PoolObject *self = (PoolObject *)object;
    prong_status status;
    (void)unused;
    if (self->pool.generation && self->owner == own_pid) {
        prong_pool pool = self->pool;
        self->pool.generation = 0;
        WAITING(prong_pool_destroy(pool));
        if (status == PRONG_DEADLOCK)
            prong_pool_terminate(pool); /* in a callback of its own: the rest is for the exit */
        sweep_left(self, true);
    }
    Py_RETURN_NONE;
}

#if PY_VERSION_HEX < 0x030d0000
#define Py_IsFinalizing _Py_IsFinalizing
#endif

static void pool_dealloc(PyObject *object) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!Py_IsFinalizing()) Py_XDECREF(pool_destroy(object, NULL)); /* what is left then, a callback is still using */
    PyErr_Restore(type, value, traceback);
    Py_XDECREF(((PoolObject *)object)->setup);
    free(((PoolObject *)object)->left);
    Py_TYPE(object)->tp_free(object);
}

/* --- submitting --- */

static struct {
    PyObject *function;
    struct encoded encoded;
} last; /* the function submitted before */

static void copy_encoded(struct encoded *to, const struct encoded *from) {
    *to = *from;
    Py_XINCREF(to->chunks);
    Py_XINCREF(to->buffers);
    Py_XINCREF(to->posts);
}

/* The pickle of a function, which for one that goes by name is kept for the next time. Pickling a task's items may submit others. */
static int encode_function(PyObject *function, struct encoded *encoded) {
    bool constant = function_is_constant(function);
    if (constant && last.function == function) {
        copy_encoded(encoded, &last.encoded);
        return 0;
    }
    if (encode(function, encoded)) return -1;
    if (constant) {
        encoded_clear(&last.encoded);
        copy_encoded(&last.encoded, encoded);
        Py_XSETREF(last.function, new_reference(function));
    }
    return 0;
}

struct buffer {
    char *bytes;
    size_t size, room;
};

/* Where `size` more bytes go, at the end; what comes after them is aligned to 8. */
static char *append(struct buffer *buffer, size_t size) {
    size_t end = buffer->size + ((size + 7) & ~(size_t)7);
    if (end > buffer->room) {
        char *bytes = PyMem_Realloc(buffer->bytes, end * 2);
        if (!bytes) {
            PyErr_NoMemory();
            return NULL;
        }
        buffer->bytes = bytes;
        buffer->room = end * 2;
    }
    char *at = buffer->bytes + buffer->size;
    buffer->size = end;
    return at;
}

/* A task's argument at the end of the buffer, with what it is called with, which is cleared; its size, or -1. */
static Py_ssize_t put_task(struct buffer *buffer, enum form form, const struct encoded *function,
                           struct encoded *data) {
    size_t data_at = (sizeof(struct task) + function->size + 7) & ~(size_t)7, size = data_at + data->size;
    char *at = append(buffer, size);
    if (at) {
        *(struct task *)(void *)at = (struct task){form, (uint32_t)function->size};
        encoded_write(function, at + sizeof(struct task));
        encoded_write(data, at + data_at);
    }
    encoded_clear(data);
    return at ? (Py_ssize_t)size : -1;
}

static Py_ssize_t add_task(struct buffer *buffer, enum form form, const struct encoded *function, PyObject *data) {
    struct encoded encoded;
    return encode(data, &encoded) ? -1 : put_task(buffer, form, function, &encoded);
}

/* Of numbers no list is made: counting a reference to each would copy their memory, which is shared with forked workers. */
static Py_ssize_t add_chunk(struct buffer *buffer, enum form form, const struct encoded *function, PyObject *items,
                            Py_ssize_t begin, Py_ssize_t end) {
    struct encoded encoded;
    if ((PyList_CheckExact(items) || PyTuple_CheckExact(items)) &&
        encode_if_numbers(PySequence_Fast_ITEMS(items) + begin, end - begin, &encoded))
        return put_task(buffer, form, function, &encoded);
    PyObject *chunk = PySequence_GetSlice(items, begin, end);
    Py_ssize_t size = chunk ? add_task(buffer, form, function, chunk) : -1;
    Py_XDECREF(chunk);
    return size;
}

/* (arguments, keywords) of a task in any form of one item. */
static PyObject *call_arguments(enum form form, PyObject *data) {
    if (form == FORM_CALL) return new_reference(data);
    PyObject *arguments = form == FORM_STAR ? PySequence_Tuple(data) : PyTuple_Pack(1, data);
    return arguments ? Py_BuildValue("(NO)", arguments, Py_None) : NULL;
}

/* The same for a task that is called by name. */
static Py_ssize_t add_call(struct buffer *buffer, enum form form, PyObject *data) {
    struct encoded encoded;
    PyObject *both = call_arguments(form, data);
    bool good = both && encode(both, &encoded) == 0;
    Py_XDECREF(both);
    if (!good) return -1;
    char *at = append(buffer, encoded.size);
    if (at) encoded_write(&encoded, at);
    encoded_clear(&encoded);
    return at ? (Py_ssize_t)encoded.size : -1;
}

/* A pool's thread keeps its thread state from one callback to the next, and the GIL until it has run all that are due: either
 * costs more than the callback. */
static _Thread_local struct {
    PyThreadState *state;
    bool held;
} owner;
static pthread_key_t owner_ends;

static void take_gil(void) {
    if (owner.held) return;
    if (owner.state)
        PyEval_RestoreThread(owner.state);
    else {
        PyGILState_Ensure();
        pthread_setspecific(owner_ends, &owner);
    }
    owner.held = true;
}

void pool_give_gil(void) {
    if (!owner.held) return;
    owner.held = false;
    owner.state = PyEval_SaveThread();
}

static void owner_thread_ends(void *unused) {
    (void)unused;
    if (!owner.state || !Py_IsInitialized()) return;
    PyEval_RestoreThread(owner.state);
    PyThreadState_Clear(owner.state);
    PyThreadState_DeleteCurrent();
}

/* waiting: what to call, and the job, which is its argument. */
static void finished(PyObject *waiting) {
    take_gil();
    PyObject *done = PyTuple_GET_ITEM(waiting, 0);
    PyObject *result = PyObject_CallOneArg(done, PyTuple_GET_ITEM(waiting, 1));
    if (!result) PyErr_WriteUnraisable(done);
    Py_XDECREF(result);
    Py_DECREF(waiting);
}

static void finished_well(prong_job job, void *waiting) {
    (void)job;
    finished(waiting);
}

static void finished_badly(prong_job job, prong_status status, const char *message, void *waiting) {
    (void)job;
    (void)status;
    (void)message;
    finished(waiting);
}

/* The arguments of tasks of one function, in one buffer. */
struct tasks {
    PyObject *items;
    Py_ssize_t chunk; /* so many items a task; 0: a task is what an item is */
    const char *name; /* of a C function; NULL: what each task is has the function in it */
    struct buffer buffer;
    prong_bytes *bytes; /* of each */
    size_t count;
};

static Py_ssize_t add_one(struct tasks *tasks, enum form form, const struct encoded *function, size_t i) {
    if (tasks->chunk == 0) {
        if ((Py_ssize_t)i >= PySequence_Fast_GET_SIZE(tasks->items)) { /* by what pickling one of them did */
            PyErr_SetString(PyExc_RuntimeError, "the list of tasks was changed while it was read");
            return -1;
        }
        PyObject *data = new_reference(PySequence_Fast_GET_ITEM(tasks->items, (Py_ssize_t)i));
        Py_ssize_t size =
            function ? add_task(&tasks->buffer, form, function, data) : add_call(&tasks->buffer, form, data);
        Py_DECREF(data);
        return size;
    }
    Py_ssize_t begin = (Py_ssize_t)i * tasks->chunk, end = PySequence_Size(tasks->items);
    if (end > begin + tasks->chunk) end = begin + tasks->chunk;
    return add_chunk(&tasks->buffer, form, function, tasks->items, begin, end);
}

static int add_tasks(struct tasks *tasks, enum form form, const struct encoded *function) {
    tasks->bytes = PyMem_Calloc(tasks->count + 1, sizeof *tasks->bytes);
    if (!tasks->bytes) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < tasks->count; i++) {
        Py_ssize_t size = add_one(tasks, form, function, i);
        if (size < 0) return -1;
        tasks->bytes[i].size = (size_t)size;
    }
    const char *at = tasks->buffer.bytes; /* which may have moved until now */
    for (size_t i = 0; i < tasks->count; i++) {
        tasks->bytes[i].data = at;
        at += (tasks->bytes[i].size + 7) & ~(size_t)7;
    }
    return 0;
}

static int read_tasks(struct tasks *tasks, enum form form, PyObject *function) {
    struct encoded encoded;
    if (tasks->name) return add_tasks(tasks, form, NULL);
    if (encode_function(function, &encoded)) return -1;
    int bad = add_tasks(tasks, form, &encoded);
    encoded_clear(&encoded);
    return bad;
}

static PyObject *not_submitted(prong_status status) {
    if (status != PRONG_NOT_RUNNING && status != PRONG_STALE) return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *start_job(PoolObject *self, const struct tasks *tasks, prong_task_options *options, PyObject *done) {
    Job *job = (Job *)PyType_GenericNew(&Job_type, NULL, NULL);
    PyObject *waiting = job && done != Py_None ? PyTuple_Pack(2, done, job) : NULL;
    if (!job || (done != Py_None && !waiting)) {
        Py_XDECREF(job);
        return NULL;
    }
    if (waiting) {
        options->callback = finished_well;
        options->error_callback = finished_badly;
        options->context = waiting;
    }
    counts[COUNT_POOL] += tasks->count;
    prong_work work = {.name = tasks->name, .arguments = tasks->bytes, .count = tasks->count};
    if (tasks->name)
        work.form = PRONG_FORM_VALUES;
    else
        work.task = worker_task;
    prong_status status = prong_pool_submit(self->pool, &work, &job->job, options);
    if (status < 0) {
        Py_XDECREF(waiting);
        Py_DECREF(job);
        return not_submitted(status);
    }
    job->open = true;
    job->count = tasks->count;
    job->pool = new_reference((PyObject *)self);
    return (PyObject *)job;
}

/* The items of tasks, of which there may be any sequence where a task is a slice of it. */
static int take_items(struct tasks *tasks, PyObject *items, Py_ssize_t chunk) {
    tasks->chunk = chunk;
    tasks->items = chunk ? new_reference(items) : PySequence_Fast(items, "a sequence of tasks");
    Py_ssize_t count = tasks->items ? PySequence_Size(tasks->items) : -1;
    if (count < 0) return -1;
    tasks->count = (size_t)(chunk ? count / chunk + (count % chunk != 0) : count);
    return 0;
}

/* submit(function, form, items, chunk, time limit or None, retries, done): a task is called with an item or, if chunk is not 0, with
 * so many of them; done is None, or called with the job when it has ended -> Job; None when the pool is not running */
static PyObject *pool_submit(PyObject *object, PyObject *arguments) {
    PyObject *function, *items, *limit, *done, *job = NULL;
    int form;
    Py_ssize_t chunk;
    prong_task_options options = {0};
    struct tasks tasks = {0};
    if (!PyArg_ParseTuple(arguments, "OiOnOIO", &function, &form, &items, &chunk, &limit, &options.retries, &done) ||
        parse_limit(limit, &options.time_limit))
        return NULL;
    bool good = take_items(&tasks, items, chunk) == 0;
    if (good && ((PoolObject *)object)->by_name) good = (tasks.name = PyUnicode_AsUTF8(function)) != NULL;
    if (good && read_tasks(&tasks, (enum form)form, function) == 0)
        job = start_job((PoolObject *)object, &tasks, &options, done);
    PyMem_Free(tasks.bytes);
    PyMem_Free(tasks.buffer.bytes);
    Py_XDECREF(tasks.items);
    return job;
}

/* --- the end --- */

static PyObject *pool_close(PyObject *object, PyObject *unused) {
    (void)unused;
    prong_pool_shutdown(((PoolObject *)object)->pool); /* of one that is gone there is nothing left to shut down */
    Py_RETURN_NONE;
}

static PyObject *pool_terminate(PyObject *object, PyObject *unused) {
    prong_status status;
    (void)unused;
    WAITING(prong_pool_terminate(((PoolObject *)object)->pool));
    if (PyErr_Occurred()) return NULL;
    (void)status;
    Py_RETURN_NONE;
}

static PyObject *pool_join(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status;
    if (parse_timeout(timeout, &span)) return NULL;
    WAITING(prong_pool_join(((PoolObject *)object)->pool, span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_FALSE;
    if (status < 0 && status != PRONG_STALE) return raise_status(status);
    Py_RETURN_TRUE;
}

/* [(pid, busy, tasks), …] */
static PyObject *pool_workers(PyObject *object, PyObject *unused) {
    prong_worker workers[2048];
    size_t count = 0;
    (void)unused;
    prong_status status = prong_pool_workers(((PoolObject *)object)->pool, workers, 2048, &count);
    if (status < 0) count = 0;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count && i < 2048; i++) {
        PyObject *worker = Py_BuildValue("(iNK)", workers[i].pid, PyBool_FromLong(workers[i].busy),
                                         (unsigned long long)workers[i].tasks);
        if (!worker || PyList_Append(list, worker)) Py_CLEAR(list);
        Py_XDECREF(worker);
    }
    return list;
}

static PyObject *pool_deaths(PyObject *object, PyObject *unused) {
    uint64_t deaths = 0;
    (void)unused;
    prong_status status = prong_pool_deaths(((PoolObject *)object)->pool, &deaths);
    return status < 0 ? raise_status(status) : PyLong_FromUnsignedLongLong(deaths);
}

static PyMethodDef pool_methods[] = {
    {"submit", pool_submit, METH_VARARGS, NULL},      {"close", pool_close, METH_NOARGS, NULL},
    {"terminate", pool_terminate, METH_NOARGS, NULL}, {"join", pool_join, METH_O, NULL},
    {"destroy", pool_destroy, METH_NOARGS, NULL},     {"workers", pool_workers, METH_NOARGS, NULL},
    {"deaths", pool_deaths, METH_NOARGS, NULL},       {0}};
PyTypeObject Pool_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Pool",
                          .tp_basicsize = sizeof(PoolObject),
                          .tp_flags = Py_TPFLAGS_DEFAULT,
                          .tp_new = PyType_GenericNew,
                          .tp_init = pool_init,
                          .tp_dealloc = pool_dealloc,
                          .tp_methods = pool_methods};

int add_pool(PyObject *module) {
    static const struct {
        const char *name;
        long value;
    } constants[] = {{"CALL", FORM_CALL},
                     {"ITEM", FORM_ITEM},
                     {"STAR", FORM_STAR},
                     {"MAP", FORM_MAP},
                     {"STARMAP", FORM_STARMAP},
                     {"OK", PRONG_OK},
                     {"TASK_FAILED", PRONG_TASK_FAILED},
                     {"WORKER_DIED", PRONG_WORKER_DIED},
                     {"TASK_TIMEOUT", PRONG_TASK_TIMEOUT},
                     {"CANCELLED", PRONG_CANCELLED},
                     {"NO_FUNCTION", PRONG_NO_FUNCTION},
                     {"NOT_RUNNING", PRONG_NOT_RUNNING},
                     {"POOL_BROKEN", PRONG_POOL_BROKEN},
                     {"NO_MEMORY_TO_DESCRIBE", CODE_NO_MEMORY_TO_DESCRIBE}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value)) return -1;
    if (pthread_key_create(&owner_ends, owner_thread_ends)) return -1;
    if (PyType_Ready(&Job_type) || add_type(module, "Pool", &Pool_type)) return -1;
    return add_cpool(module) || add_worker(module);
}
