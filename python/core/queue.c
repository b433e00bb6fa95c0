/* Queue: what Queue, JoinableQueue and SimpleQueue of prong.queues are made of. */
#include "core.h"

#include "channel/queue.h"
#include "channel/segment.h"

#include <stddef.h>
#include <time.h>

static PyObject *empty_exception, *full_exception; /* NULL: not raised yet */

typedef struct {
    SharedObject shared;
    bool closed;
    bool reader_closed, writer_closed; /* its ends, as multiprocessing has them */
    bool reports;                      /* what cannot be pickled goes to _on_queue_feeder_error; else it is raised */
    long putter;                       /* the process that has put something by this object */
    PyObject *late;                    /* an exception that get_many met behind what it returned; NULL: none */
} Queue;

_Static_assert((int)SMALL <= (int)INLINE_MAX, "a small message is put back without a block");

static prong_queue queue_of(const Queue *self) {
    return (prong_queue){self->shared.handle.offset, self->shared.handle.generation};
}

bool queue_known(PyObject *object, prong_queue *queue) {
    bool is_queue = PyObject_TypeCheck(object, &Queue_type);
    if (is_queue) *queue = queue_of((Queue *)object);
    return is_queue;
}

static prong_status destroy_queue(uint64_t offset, uint64_t generation) {
    return prong_queue_destroy((prong_queue){offset, generation});
}

/* (maxsize=0, joinable=False, maxbytes=0, handle=None) */
static int queue_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"maxsize", "joinable", "maxbytes", "handle", NULL};
    Queue *self = (Queue *)object;
    Py_ssize_t maxsize = 0, maxbytes = 0;
    int joinable = 0;
    PyObject *handle = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|npnO!", names, &maxsize, &joinable, &maxbytes,
                                     &PyTuple_Type, &handle))
        return -1;
    if (handle) return handle_parse(handle, &self->shared.handle);
    prong_queue made;
    prong_queue_options options = {.maxsize = maxsize > 0 ? (size_t)maxsize : 0,
                                   .joinable = joinable,
                                   .maxbytes = maxbytes > 0 ? (size_t)maxbytes : 0};
    prong_status status = prong_queue_create(&made, &options);
    return shared_made(&self->shared, status, made.offset, made.generation, destroy_queue);
}

static int check_open(Queue *self) {
    if (!self->closed) return 0;
    PyErr_Format(PyExc_ValueError, "Queue %R is closed", self);
    return -1;
}

/* Of an end that is closed; the text is that of multiprocessing's connections. */
static int check_end(bool end_closed) {
    if (!end_closed) return 0;
    PyErr_SetString(PyExc_OSError, "handle is closed");
    return -1;
}

static int check_getting(Queue *self) {
    return check_open(self) || check_end(self->reader_closed) ? -1 : 0;
}

static int check_putting(Queue *self) {
    return check_open(self) || check_end(self->writer_closed) ? -1 : 0;
}

int queue_check_reader(PyObject *object) {
    return check_end(((Queue *)object)->reader_closed);
}

/* An exception of the module queue, which is imported when one is first raised. */
static PyObject *raise_of_queue(PyObject **kept, const char *name) {
    PyObject *queue = *kept ? NULL : PyImport_ImportModule("queue");
    if (queue) *kept = PyObject_GetAttrString(queue, name);
    Py_XDECREF(queue);
    if (*kept) PyErr_SetNone(*kept);
    return NULL;
}

static PyObject *queue_failed(prong_status status) {
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_FULL) return raise_of_queue(&full_exception, "Full");
    if (status == PRONG_EMPTY) return raise_of_queue(&empty_exception, "Empty");
    return raise_status(status);
}

/* --- putting --- */

static prong_status queue_put_small(Queue *self, const struct encoded *encoded, prong_time timeout) {
    prong_status status = prong_queue_put(queue_of(self), encoded->small, encoded->size, PRONG_NOWAIT);
    if (status == PRONG_FULL && timeout != PRONG_NOWAIT)
        WAITING(prong_queue_put(queue_of(self), encoded->small, encoded->size, timeout));
    return status;
}

static prong_status queue_put_large(Queue *self, const struct encoded *encoded, prong_time timeout) {
    prong_message message;
    prong_status status = prong_message_reserve(&message, encoded->size);
    if (status < 0) return status;
    encoded_write(encoded, message.data);
    status = prong_queue_commit(queue_of(self), &message, PRONG_NOWAIT);
    if (status == PRONG_FULL && timeout != PRONG_NOWAIT) WAITING(prong_queue_commit(queue_of(self), &message, timeout));
    if (status < 0) prong_message_release(&message);
    return status;
}

/* What cannot be pickled is reported as multiprocessing's feeder thread does: to the hook, not to who puts. */
static int queue_report(Queue *self, PyObject *object) {
    PyObject *type, *value, *traceback;
    if (!self->reports || !PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback) PyException_SetTraceback(value, traceback);
    /* within an except clause of sorts: the hook prints what is being handled */
    PyObject *before_type, *before_value, *before_traceback;
    PyErr_GetExcInfo(&before_type, &before_value, &before_traceback);
    PyErr_SetExcInfo(new_reference(type), new_reference(value), traceback ? new_reference(traceback) : NULL);
    PyObject *result = PyObject_CallMethod((PyObject *)self, "_on_queue_feeder_error", "OO", value, object);
    PyErr_SetExcInfo(before_type, before_value, before_traceback);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int queue_put_within(Queue *self, PyObject *object, prong_time timeout) {
    struct encoded encoded;
    self->putter = own_pid;
    if (encode(object, &encoded)) return queue_report(self, object);
    prong_status status =
        encoded.chunks ? queue_put_large(self, &encoded, timeout) : queue_put_small(self, &encoded, timeout);
    if (status < 0) encoded_unsent(&encoded);
    encoded_clear(&encoded);
    counts[COUNT_QUEUE]++;
    if (status < 0) queue_failed(status);
    return status < 0 || PyErr_Occurred() ? -1 : 0;
}

/* Checks that there is an object to put. */
static PyObject *queue_put_object(PyObject *object, const char *call, PyObject *item, prong_time timeout) {
    if (!item) return PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: 'obj'", call);
    if (check_putting((Queue *)object) || queue_put_within((Queue *)object, item, timeout)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_put(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    static const char *const known[] = {"obj", "block", "timeout"};
    PyObject *values[3] = {NULL, NULL, NULL};
    prong_time span = PRONG_FOREVER;
    if (count == 1 && !names)
        values[0] = arguments[0];
    else if (parse_fast("put", arguments, count, names, known, 3, values) || parse_wait(values[1], values[2], &span))
        return NULL;
    return queue_put_object(object, "put", values[0], span);
}

static PyObject *queue_put_nowait(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    static const char *const known[] = {"obj"};
    PyObject *item = NULL;
    if (parse_fast("put_nowait", arguments, count, names, known, 1, &item)) return NULL;
    return queue_put_object(object, "put_nowait", item, PRONG_NOWAIT);
}

static prong_time queue_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (prong_time)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* put_many(iterable, timeout=None) -> how many went in */
static PyObject *queue_put_many(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"items", "timeout", NULL};
    PyObject *items, *timeout = NULL, *item;
    prong_time span;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", names, &items, &timeout) ||
        parse_timeout(timeout, &span))
        return NULL;
    if (check_putting((Queue *)object)) return NULL;
    PyObject *iterator = PyObject_GetIter(items);
    if (!iterator) return NULL;
    prong_time end = span == PRONG_FOREVER || span == PRONG_NOWAIT ? span : queue_now() + span;
    Py_ssize_t count = 0;
    while ((item = PyIter_Next(iterator))) {
        prong_time left = end == PRONG_FOREVER || end == PRONG_NOWAIT ? end : end - queue_now();
        int bad = queue_put_within((Queue *)object, item, left > 0 ? left : PRONG_NOWAIT);
        Py_DECREF(item);
        if (bad) break;
        count++;
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred() && !(count > 0 && full_exception && PyErr_ExceptionMatches(full_exception))) return NULL;
    PyErr_Clear();
    return PyLong_FromSsize_t(count);
}

/* --- getting --- */

static prong_status queue_get_message(Queue *self, char *small, size_t *size, prong_message *large,
                                      prong_time timeout) {
    prong_status status = prong_queue_get(queue_of(self), small, SMALL, size, PRONG_NOWAIT);
    if (status == PRONG_EMPTY && timeout != PRONG_NOWAIT) {
        WAITING(prong_queue_get(queue_of(self), small, SMALL, size, timeout));
        if (PyErr_Occurred() && status >= 0) return PRONG_OK; /* taken all the same: see get */
    }
    /* Somebody else may take it between; then it is what comes next. */
    while (status == PRONG_TOO_LONG) {
        status = prong_queue_receive(queue_of(self), large, PRONG_NOWAIT);
        if (status == PRONG_EMPTY && timeout != PRONG_NOWAIT)
            WAITING(prong_queue_receive(queue_of(self), large, timeout));
        if (status >= 0) *size = large->size;
    }
    return status;
}

/* A signal's handler raised just as the message came: back with it, whatever has become of its place meanwhile. */
static void queue_put_taken_back(Queue *self, const char *small, size_t size, prong_message *large) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    prong_queue queue = queue_of(self);
    Py_BEGIN_ALLOW_THREADS;
    queue_put_back(queue, small, size, large->block ? large : NULL);
    Py_END_ALLOW_THREADS;
    if (large->block) prong_message_release(large); /* the queue is gone */
    PyErr_Restore(type, value, traceback);
}

static PyObject *queue_raise_late(Queue *self) {
    PyErr_SetObject((PyObject *)Py_TYPE(self->late), self->late);
    Py_CLEAR(self->late);
    return NULL;
}

static PyObject *queue_get_within(Queue *self, prong_time timeout) {
    char small[SMALL];
    size_t size = 0;
    prong_message large = {0};
    if (self->late) return queue_raise_late(self);
    prong_status status = queue_get_message(self, small, &size, &large, timeout);
    counts[COUNT_QUEUE]++;
    if (status < 0) return queue_failed(status);
    if (PyErr_Occurred()) {
        queue_put_taken_back(self, small, size, &large);
        return NULL;
    }
    return large.block ? decode(large.data, size, &large) : decode(small, size, NULL);
}

static PyObject *queue_get(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    prong_time span;
    if (parse_fast_wait("get", arguments, count, names, &span)) return NULL;
    return check_getting((Queue *)object) ? NULL : queue_get_within((Queue *)object, span);
}

static PyObject *queue_get_nowait(PyObject *object, PyObject *unused) {
    (void)unused;
    return check_getting((Queue *)object) ? NULL : queue_get_within((Queue *)object, PRONG_NOWAIT);
}

/* Behind what was taken before, that nothing is left ends a batch, and another exception waits for the next get: raised here, it
 * would lose what was taken. False: it is raised. */
static bool queue_batch_ends(Queue *self) {
    if (empty_exception && PyErr_ExceptionMatches(empty_exception)) {
        PyErr_Clear();
        return true;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback) PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    Py_XSETREF(self->late, value);
    return true;
}

/* get_many(most, timeout=None): waits for the first, takes what else is there */
static PyObject *queue_get_many(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"most", "timeout", NULL};
    Queue *self = (Queue *)object;
    Py_ssize_t most = 1000;
    PyObject *timeout = NULL;
    prong_time span;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|nO", names, &most, &timeout) ||
        parse_timeout(timeout, &span))
        return NULL;
    if (check_getting(self)) return NULL;
    PyObject *list = PyList_New(0);
    while (list && PyList_GET_SIZE(list) < most) {
        bool first = PyList_GET_SIZE(list) == 0;
        PyObject *item = queue_get_within(self, first ? span : PRONG_NOWAIT);
        if (!item && !first && queue_batch_ends(self)) break;
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* --- looking, and the rest --- */

static PyObject *queue_size(PyObject *object, PyObject *unused) {
    size_t size;
    (void)unused;
    prong_status status = prong_queue_size(queue_of((Queue *)object), &size, NULL);
    return status < 0 ? raise_status(status) : PyLong_FromSize_t(size);
}

static PyObject *queue_empty(PyObject *object, PyObject *unused) {
    (void)unused;
    if (queue_check_reader(object)) return NULL;
    size_t size;
    return PyBool_FromLong(prong_queue_size(queue_of((Queue *)object), &size, NULL) < 0 || size == 0);
}

static PyObject *queue_full(PyObject *object, PyObject *unused) {
    size_t size, maxsize;
    (void)unused;
    prong_status status = prong_queue_size(queue_of((Queue *)object), &size, &maxsize);
    return PyBool_FromLong(status >= 0 && maxsize && size >= maxsize);
}

/* Of a closed one it is a ValueError: selectors, which know what they were given by its descriptor, then look for the object. */
static PyObject *queue_fileno(PyObject *object, PyObject *unused) {
    Queue *self = (Queue *)object;
    int descriptor;
    (void)unused;
    if (self->closed || self->reader_closed) return PyErr_Format(PyExc_ValueError, "Queue %R is closed", self);
    prong_status status = prong_queue_fileno(queue_of(self), &descriptor);
    return status < 0 ? raise_status(status) : PyLong_FromLong(descriptor);
}

static PyObject *queue_task_done(PyObject *object, PyObject *unused) {
    (void)unused;
    prong_status status = prong_queue_task_done(queue_of((Queue *)object));
    if (status == PRONG_INVALID) {
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
        return NULL;
    }
    return none_or_raise(status);
}

/* join(timeout=None): False when the time has passed; a text when processes died with items in hand */
static PyObject *queue_join(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status;
    if (parse_timeout(timeout, &span)) return NULL;
    WAITING(prong_queue_join(queue_of((Queue *)object), span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_OWNER_DIED) return error_message();
    if (status == PRONG_TIMEOUT) Py_RETURN_FALSE;
    if (status < 0) return raise_status(status);
    Py_RETURN_TRUE;
}

/* Nothing more goes in, for any process. */
static PyObject *queue_shutdown(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_raise(prong_queue_shutdown(queue_of((Queue *)object)));
}

static void queue_dealloc(PyObject *object) {
    Py_CLEAR(((Queue *)object)->late);
    Shared_type.tp_dealloc(object);
}

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))queue_put, METH_FASTCALL | METH_KEYWORDS,
     DOC("put($self, /, obj, block=True, timeout=None)",
         "Puts a copy of the object, which is in shared memory when this returns.\n"
         "\n"
         "Waits for room up to timeout seconds (None: forever), and not at all without block. queue.Full "
         "when there was\n"
         "none; ValueError after close().")},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait, METH_FASTCALL | METH_KEYWORDS,
     DOC("put_nowait($self, /, obj)", "put(obj, block=False).")},
    {"put_many", (PyCFunction)(void (*)(void))queue_put_many, METH_VARARGS | METH_KEYWORDS,
     DOC("put_many($self, /, items, timeout=None)", "Puts each of the items: how many went in within timeout seconds.\n"
                                                    "\n"
                                                    "queue.Full when none did; ValueError after close().")},
    {"get", (PyCFunction)(void (*)(void))queue_get, METH_FASTCALL | METH_KEYWORDS,
     DOC("get($self, /, block=True, timeout=None)",
         "Takes the oldest object.\n"
         "\n"
         "Waits for one up to timeout seconds (None: forever), and not at all without block. queue.Empty "
         "when there was\n"
         "none; ValueError after close(); OSError when the queue is shut down and empty.")},
    {"get_nowait", queue_get_nowait, METH_NOARGS, DOC("get_nowait($self, /)", "get(block=False).")},
    {"get_many", (PyCFunction)(void (*)(void))queue_get_many, METH_VARARGS | METH_KEYWORDS,
     DOC("get_many($self, /, most=1000, timeout=None)",
         "Waits for one object, and takes what else is there, up to most: a list.\n"
         "\n"
         "queue.Empty when none came for timeout seconds. An error behind the first object is raised by the next "
         "get.")},
    {"qsize", queue_size, METH_NOARGS,
     DOC("qsize($self, /)", "How many objects there are: exact, at some moment of the call.")},
    {"empty", queue_empty, METH_NOARGS, DOC("empty($self, /)", "Whether there is nothing to get.")},
    {"full", queue_full, METH_NOARGS, DOC("full($self, /)", "Whether there is no room for another object.")},
    {"fileno", queue_fileno, METH_NOARGS,
     DOC("fileno($self, /)",
         "A descriptor that is readable when there may be something to get; it is the library's to close.")},
    {"_task_done", queue_task_done, METH_NOARGS,
     DOC("_task_done($self, /)", "One object that was taken is dealt with. ValueError when there is none.")},
    {"_join", queue_join, METH_O,
     DOC("_join($self, timeout, /)",
         "Waits until all is dealt with: True; False when the time is up; a text when processes died with "
         "objects in hand.")},
    {"_shutdown", queue_shutdown, METH_NOARGS, DOC("_shutdown($self, /)", "Nothing more goes in, for any process.")},
    {0}};

static int set_flag(PyObject *object, PyObject *value, void *offset) {
    int set = value ? PyObject_IsTrue(value) : 0;
    if (set >= 0) *(bool *)((char *)object + (size_t)offset) = set;
    return set < 0 ? -1 : 0;
}

/* Whether this process has put something: a forked child has not, by the object that it has from its parent. */
static PyObject *get_has_put(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(((Queue *)object)->putter == own_pid);
}

#define FLAG(name)                                                                                                     \
    { "_" #name, get_flag, set_flag, NULL, (void *)offsetof(Queue, name) }
static PyGetSetDef queue_members[] = {
    FLAG(closed), FLAG(reader_closed), FLAG(writer_closed), FLAG(reports), {"_has_put", get_has_put, NULL, NULL, NULL},
    {0}};

PyTypeObject Queue_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Queue",
                           .tp_doc = DOC("Queue(maxsize=0, joinable=False, maxbytes=0, handle=None)",
                                         "A queue in shared memory; maxsize 0: of any length."),
                           .tp_base = &Shared_type,
                           .tp_basicsize = sizeof(Queue),
                           .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                           .tp_new = PyType_GenericNew,
                           .tp_init = queue_init,
                           .tp_dealloc = queue_dealloc,
                           .tp_methods = queue_methods,
                           .tp_getset = queue_members};

int add_queue(PyObject *module) {
    return add_type(module, "Queue", &Queue_type);
}
