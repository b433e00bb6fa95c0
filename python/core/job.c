/* Job: tasks submitted to a pool together, and what they come to. */
#include "pool.h"

#include "pool/job_wait.h"

/* The shares are left out: they have no way back to it. */
static int job_traverse(PyObject *object, visitproc visit, void *arg) {
    JobObject *self = (JobObject *)object;
    Py_VISIT(self->pool);
    Py_VISIT(self->results);
    return 0;
}

static int job_clear(PyObject *object) {
    JobObject *self = (JobObject *)object;
    bool open = self->open;
    self->open = false;
    if (open) pool_leave_job_object((PoolObject *)self->pool, self);
    Py_CLEAR(self->pool);
    Py_CLEAR(self->results);
    return 0;
}

static void job_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    job_clear(object);
    Py_XDECREF(((JobObject *)object)->shares);
    Py_TYPE(object)->tp_free(object);
}

bool job_is_over(prong_job job) {
    prong_progress progress;
    return prong_job_progress(job, &progress) >= 0 && progress.ended;
}

static PyObject *job_wait(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status = PRONG_OK;
    JobObject *self = (JobObject *)object;
    if (parse_timeout(timeout, &span)) return NULL;
    if (!job_is_over(self->job)) WAITING(prong_job_wait(self->job, span));
    if (PyErr_Occurred()) return NULL;
    if (status < 0 && job_is_over(self->job)) status = PRONG_OK; /* a task's failure, not the wait's */
    return true_in_time(status);
}

static PyObject *job_ready(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(job_is_over(((JobObject *)object)->job));
}

PyObject *outcome_build(prong_job job, const prong_outcome *outcome) {
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
    JobObject *self = (JobObject *)object;
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
    return status < 0 ? raise_status(status) : outcome_build(self->job, &outcome);
}

/* wait_more(done, timeout): whether more than so many of its tasks have ended, or all */
static PyObject *job_wait_for_more(PyObject *object, PyObject *arguments) {
    Py_ssize_t done;
    PyObject *timeout;
    prong_time span;
    prong_status status;
    if (!PyArg_ParseTuple(arguments, "nO", &done, &timeout) || parse_timeout(timeout, &span)) return NULL;
    WAITING(job_wait_more(((JobObject *)object)->job, (uint64_t)done, span));
    return PyErr_Occurred() ? NULL : true_in_time(status);
}

static int list_extend(PyObject *list, PyObject *chunk) {
    Py_ssize_t end = PyList_GET_SIZE(list);
    return PyList_SetSlice(list, end, end, chunk);
}

/* The next result, at the end of the list; false with an exception. */
static bool job_read_next(JobObject *self, const prong_outcome *outcome, bool in_chunks) {
    PyObject *value = decode(outcome->data, outcome->size, NULL);
    if (value && !self->results) self->results = PyList_New(0);
    bool good = value && self->results &&
                (in_chunks ? list_extend(self->results, value) : PyList_Append(self->results, value)) == 0;
    Py_XDECREF(value);
    if (good) self->read++;
    return good;
}

/* Large results are read while others are still made. For many small ones that would only cost time, as the waiting thread would be
 * woken for each. */
enum { READ_AS_THEY_COME = 256 };

/* read(): waits for the end, and reads chunks of results as they come, up to the first that failed. For one thread at a time. */
static PyObject *job_read(PyObject *object, PyObject *unused) {
    JobObject *self = (JobObject *)object;
    prong_status status = PRONG_OK;
    prong_outcome outcome;
    PyObject *type, *value, *traceback;
    (void)unused;
    while (self->count <= READ_AS_THEY_COME && self->read < self->count) {
        WAITING(prong_job_outcome(self->job, self->read, &outcome, PRONG_FOREVER));
        if (PyErr_Occurred()) return NULL;
        if (status < 0 || outcome.status || !job_read_next(self, &outcome, true)) break;
    }
    PyErr_Fetch(&type, &value, &traceback);
    WAITING(prong_job_wait(self->job, PRONG_FOREVER));
    if (status < 0 && job_is_over(self->job)) status = PRONG_OK; /* a task's failure, not the wait's */
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
    JobObject *self = (JobObject *)object;
    bool in_chunks = PyObject_IsTrue(chunked);
    prong_outcome outcome;
    while (self->read < self->count) {
        prong_status status = prong_job_outcome(self->job, self->read, &outcome, PRONG_NOWAIT);
        if (status < 0) return raise_status(status);
        if (outcome.status) {
            PyObject *told = outcome_build(self->job, &outcome);
            return told ? Py_BuildValue("(O(nN))", Py_None, (Py_ssize_t)self->read, told) : NULL;
        }
        if (!job_read_next(self, &outcome, in_chunks)) return NULL;
    }
    PyObject *list = self->results ? self->results : PyList_New(0);
    self->results = NULL;
    return list ? Py_BuildValue("(NO)", list, Py_None) : NULL;
}

static PyObject *job_cancel(PyObject *object, PyObject *force) {
    int forced = PyObject_IsTrue(force);
    return forced < 0 ? NULL : none_or_raise(prong_job_cancel(((JobObject *)object)->job, forced));
}

static PyObject *job_tell(PyObject *object, PyObject *done) {
    if (pool_tell_job((JobObject *)object, done)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *job_progress(PyObject *object, PyObject *unused) {
    prong_progress progress;
    (void)unused;
    prong_status status = prong_job_progress(((JobObject *)object)->job, &progress);
    if (status < 0) return raise_status(status);
    return Py_BuildValue("(nnd)", (Py_ssize_t)progress.done, (Py_ssize_t)progress.total, progress.rate);
}

static PyMethodDef job_methods[] = {
    {"wait", job_wait, METH_O,
     DOC("wait($self, timeout, /)", "Waits for the end, up to timeout seconds: whether it has ended.")},
    {"read", job_read, METH_NOARGS,
     DOC("read($self, /)",
         "Waits for the end, and reads chunks of results as they come, up to the first that failed. For one "
         "thread at a time.")},
    {"ready", job_ready, METH_NOARGS, DOC("ready($self, /)", "Whether it has ended.")},
    {"wait_more", job_wait_for_more, METH_VARARGS,
     DOC("wait_more($self, done, timeout, /)",
         "Waits until more than so many tasks have ended, or all: whether that is so within timeout seconds.")},
    {"outcome", job_outcome, METH_VARARGS,
     DOC("outcome($self, index, timeout, /)",
         "(status, result or what is known of the failure, code, tries) of a task; None when the time is up.")},
    {"results", job_results, METH_O,
     DOC("results($self, chunked, /)",
         "(list of all results, None), or (None, (index, outcome)) of the first that failed. Of a job that "
         "has ended.")},
    {"cancel", job_cancel, METH_O,
     DOC("cancel($self, force, /)", "Tasks that have not begun will not; with force, those that run are ended, too.")},
    {"tell", job_tell, METH_O,
     DOC("tell($self, done, /)",
         "Has done called with the job when it has ended, in the pool's thread; at once, if it has. For a job "
         "that was submitted without.")},
    {"progress", job_progress, METH_NOARGS, DOC("progress($self, /)", "(tasks done, tasks in all, tasks a second).")},
    {0}};
static PyObject *job_count(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(((JobObject *)object)->count);
}

static PyGetSetDef job_members[] = {{"count", job_count, NULL, PyDoc_STR("How many tasks it has."), NULL}, {0}};
PyTypeObject Job_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Job",
                         .tp_doc = PyDoc_STR("Tasks submitted together: see Pool.submit."),
                         .tp_basicsize = sizeof(JobObject),
                         .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                         .tp_dealloc = job_dealloc,
                         .tp_traverse = job_traverse,
                         .tp_clear = job_clear,
                         .tp_methods = job_methods,
                         .tp_getset = job_members};
