/* Connection: one end of a pipe; and waiting for many. */
#include "core.h"

#include <stddef.h>

static PyObject *open_ones, *open_references; /* a weak set: what a fork has to look at; and the set in it */

static bool may(ConnectionObject *self, bool allowed, const char *only) {
    if (self->closed)
        raise_closed();
    else if (!allowed)
        PyErr_Format(PyExc_OSError, "connection is %s-only", only);
    return !self->closed && allowed;
}

static bool may_read(ConnectionObject *self) {
    return may(self, self->readable, "write");
}

static bool may_write(ConnectionObject *self) {
    return may(self, self->writable, "read");
}

/* --- making --- */

static ConnectionObject *make(prong_connection connection, bool readable, bool writable) {
    ConnectionObject *self = (ConnectionObject *)PyType_GenericNew(&Connection_type, NULL, NULL);
    if (!self) return NULL;
    self->handle = (struct handle){connection.offset, connection.generation, fork_count, own_pid, false};
    self->readable = readable;
    self->writable = writable;
    PyObject *added = PyObject_CallMethod(open_ones, "add", "O", self);
    Py_XDECREF(added);
    if (!added) Py_CLEAR(self);
    return self;
}

/* Pipe(duplex=True) -> two connections, each held by this process from the start */
static PyObject *pipe_create(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"duplex", NULL};
    int duplex = 1;
    prong_connection first, second;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|p", names, &duplex)) return NULL;
    prong_pipe_options options = {.one_way = !duplex};
    prong_status status = prong_pipe_create(&first, &second, &options);
    if (!status) status = prong_connection_hold(first);
    if (!status) status = prong_connection_hold(second);
    if (status) return raise_status(status);
    ConnectionObject *one = make(first, true, duplex), *two = make(second, duplex, true);
    if (one && two) return Py_BuildValue("(NN)", one, two);
    Py_XDECREF(one);
    Py_XDECREF(two);
    return NULL;
}

/* --- on the way in messages --- */

static _Thread_local PyObject *posts; /* in the message that is being made; NULL: none so far */

PyObject *posts_begin(void) {
    PyObject *before = posts;
    posts = NULL;
    return before;
}

PyObject *posts_end(PyObject *begun) {
    PyObject *made = posts;
    posts = begun;
    return made;
}

static void take_back(ConnectionObject *self) {
    prong_connection_accept(connection_of(self));
    if (self->closed) prong_connection_close(connection_of(self));
}

void posts_undo(PyObject *made) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(made); i++) take_back((ConnectionObject *)PyList_GET_ITEM(made, i));
}

/* So that it can be taken back. */
static int note_post(PyObject *connection) {
    if (!travelling) return 0;
    if (!posts && !(posts = PyList_New(0))) return -1;
    return PyList_Append(posts, connection);
}

/* _post(connection) -> what _connect takes in the process that it is sent to */
static PyObject *post(PyObject *module, PyObject *object) {
    (void)module;
    if (Py_TYPE(object) != &Connection_type) return PyErr_Format(PyExc_TypeError, "a Connection is expected");
    ConnectionObject *self = (ConnectionObject *)object;
    if (self->closed) {
        raise_closed();
        return NULL;
    }
    prong_status status = prong_connection_post(connection_of(self));
    if (status) return raise_status(status);
    if (note_post(object) == 0) return handle_build(&self->handle);
    take_back(self);
    return NULL;
}

/* _connect(handle, readable, writable, posted): an end that another process sent; held from now on */
static PyObject *connect_end(PyObject *module, PyObject *arguments) {
    PyObject *pair;
    struct handle handle;
    int readable, writable, posted;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!ppp", &PyTuple_Type, &pair, &readable, &writable, &posted) ||
        handle_parse(pair, &handle))
        return NULL;
    prong_connection connection = {handle.offset, handle.generation};
    prong_status status = posted ? prong_connection_accept(connection) : prong_connection_hold(connection);
    if (status == PRONG_CLOSED ||
        status == PRONG_STALE) { /* closed before it arrived: as a pipe whose other end is gone */
        ConnectionObject *dead = make(connection, readable, writable);
        return (PyObject *)dead;
    }
    if (status) return raise_status(status);
    return (PyObject *)make(connection, readable, writable);
}

static void close_it(ConnectionObject *self) {
    if (self->closed) return;
    self->closed = true;
    prong_connection_close(connection_of(self));
}

static void connection_dealloc(PyObject *object) {
    ConnectionObject *self = (ConnectionObject *)object;
    if (self->weak) PyObject_ClearWeakRefs(object);
    if (self->handle.generation) close_it(self);
    Py_TYPE(object)->tp_free(object);
}

bool connections_any(void) {
    return PySet_GET_SIZE(open_references) > 0;
}

PyObject *connections_open(void) {
    return PySequence_List(open_ones);
}

/* --- sending --- */

static prong_status send_large(ConnectionObject *self, const struct encoded *encoded) {
    prong_message message;
    prong_status status = prong_connection_reserve(connection_of(self), encoded->size, &message);
    if (status) return status;
    encoded_write(encoded, message.data);
    status = prong_connection_commit(connection_of(self), &message, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT) WAITING(prong_connection_commit(connection_of(self), &message, PRONG_FOREVER));
    if (status) prong_message_release(&message);
    return status;
}

static prong_status send_data(ConnectionObject *self, const void *data, size_t size) {
    prong_status status = prong_connection_send_bytes(connection_of(self), data, size, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT) WAITING(prong_connection_send_bytes(connection_of(self), data, size, PRONG_FOREVER));
    return status;
}

static PyObject *sent(prong_status status) {
    counts[COUNT_CONNECTION]++;
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_STALE) status = PRONG_BROKEN_PIPE;
    if (status) return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *connection_send(PyObject *object, PyObject *item) {
    ConnectionObject *self = (ConnectionObject *)object;
    struct encoded encoded;
    if (!may_write(self) || encode(item, &encoded)) return NULL;
    prong_status status = encoded.chunks ? send_large(self, &encoded) : send_data(self, encoded.small, encoded.size);
    if (status) encoded_unsent(&encoded);
    encoded_clear(&encoded);
    return sent(status);
}

static PyObject *connection_send_bytes(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"buf", "offset", "size", NULL};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *buffer, *size_given = Py_None;
    Py_ssize_t offset = 0;
    Py_buffer view;
    if (!may_write(self) ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "O|nO", names, &buffer, &offset, &size_given))
        return NULL;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)) return NULL;
    Py_ssize_t size = size_given == Py_None ? view.len - offset : PyNumber_AsSsize_t(size_given, PyExc_OverflowError);
    const char *wrong = offset < 0                 ? "offset is negative"
                        : view.len < offset        ? "buffer length < offset"
                        : size < 0                 ? "size is negative"
                        : offset + size > view.len ? "buffer length < offset + size"
                                                   : NULL;
    PyObject *result = NULL;
    if (wrong && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, wrong);
    if (!wrong && !PyErr_Occurred()) result = sent(send_data(self, (char *)view.buf + offset, (size_t)size));
    PyBuffer_Release(&view);
    return result;
}

/* --- receiving --- */

/* Waits for something to receive, and takes nothing: a signal's handler that raises must not cost a message. */
static prong_status wait_for_message(ConnectionObject *self) {
    prong_status status;
    WAITING(prong_connection_poll(connection_of(self), PRONG_FOREVER));
    if (PyErr_Occurred()) return PRONG_TIMEOUT;
    return status;
}

/* Others may take what was there: then it waits again. PRONG_TIMEOUT means that a handler raised. */
static prong_status receive(ConnectionObject *self, prong_message *message) {
    prong_status status;
    do status = prong_connection_recv_bytes(connection_of(self), 0, message, PRONG_NOWAIT);
    while (status == PRONG_TIMEOUT && (status = wait_for_message(self)) == PRONG_OK);
    counts[COUNT_CONNECTION]++;
    return status == PRONG_STALE ? PRONG_EOF : status;
}

static prong_status receive_small(ConnectionObject *self, char *small, size_t *size) {
    prong_status status;
    do status = prong_connection_recv_bytes_into(connection_of(self), small, SMALL, size, PRONG_NOWAIT);
    while (status == PRONG_TIMEOUT && (status = wait_for_message(self)) == PRONG_OK);
    return status;
}

static PyObject *connection_recv(PyObject *object, PyObject *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    char small[SMALL];
    size_t size = 0;
    prong_message message = {0};
    (void)unused;
    if (!may_read(self)) return NULL;
    prong_status status = receive_small(self, small, &size);
    if (status == PRONG_TOO_LONG) status = receive(self, &message);
    if (status == PRONG_STALE) status = PRONG_EOF;
    counts[COUNT_CONNECTION]++;
    if (status) return raise_status(status);
    return message.block ? decode(message.data, message.size, &message) : decode(small, size, NULL);
}

static PyObject *connection_recv_bytes(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"maxlength", NULL};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *maxlength = Py_None;
    prong_message message = {0};
    if (!may_read(self) || !PyArg_ParseTupleAndKeywords(arguments, keywords, "|O", names, &maxlength)) return NULL;
    Py_ssize_t most = maxlength == Py_None ? PY_SSIZE_T_MAX : PyNumber_AsSsize_t(maxlength, PyExc_OverflowError);
    if (most < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "negative maxlength");
        return NULL;
    }
    prong_status status = receive(self, &message);
    if (status) return raise_status(status);
    PyObject *bytes = NULL;
    if (message.size <= (size_t)most)
        bytes = PyBytes_FromStringAndSize(message.data, (Py_ssize_t)message.size);
    else { /* as multiprocessing: what comes next could not be told apart there */
        close_it(self);
        PyErr_SetString(PyExc_OSError, "bad message length");
    }
    prong_message_release(&message);
    return bytes;
}

static PyObject *too_short(const prong_message *message) {
    PyObject *bytes = PyBytes_FromStringAndSize(message->data, (Py_ssize_t)message->size);
    if (bytes) PyErr_SetObject(BufferTooShort ? BufferTooShort : ProcessError, bytes);
    Py_XDECREF(bytes);
    return NULL;
}

static PyObject *connection_recv_bytes_into(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"buf", "offset", NULL};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *buffer, *result = NULL;
    Py_ssize_t offset = 0;
    Py_buffer view;
    prong_message message = {0};
    if (!may_read(self) || !PyArg_ParseTupleAndKeywords(arguments, keywords, "O|n", names, &buffer, &offset))
        return NULL;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)) return NULL;
    if (offset < 0 || offset > view.len) {
        PyErr_SetString(PyExc_ValueError, offset < 0 ? "negative offset" : "offset too large");
        PyBuffer_Release(&view);
        return NULL;
    }
    prong_status status = receive(self, &message);
    if (status)
        raise_status(status);
    else if (message.size > (size_t)(view.len - offset))
        too_short(&message);
    else {
        memcpy((char *)view.buf + offset, message.data, message.size);
        result = PyLong_FromSize_t(message.size);
    }
    if (message.block) prong_message_release(&message);
    PyBuffer_Release(&view);
    return result;
}

static PyObject *connection_poll(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"timeout", NULL};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *timeout = NULL;
    prong_time span = PRONG_NOWAIT;
    if (!may_read(self) || !PyArg_ParseTupleAndKeywords(arguments, keywords, "|O", names, &timeout)) return NULL;
    if (timeout && parse_timeout(timeout, &span)) return NULL;
    prong_status status = prong_connection_poll(connection_of(self), PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT && span != PRONG_NOWAIT) WAITING(prong_connection_poll(connection_of(self), span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_FALSE;
    if (status && status != PRONG_STALE) return raise_status(status);
    Py_RETURN_TRUE;
}

/* --- the rest --- */

static PyObject *connection_fileno(PyObject *object, PyObject *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    int descriptor;
    (void)unused;
    if (self->closed) {
        raise_closed();
        return NULL;
    }
    prong_status status = prong_connection_fileno(connection_of(self), &descriptor);
    if (status == PRONG_INVALID) { /* an end that only sends has nothing to wait for */
        PyErr_SetString(PyExc_OSError, "connection is write-only: it has no descriptor");
        return NULL;
    }
    return status ? raise_status(status) : PyLong_FromLong(descriptor);
}

static PyObject *connection_close(PyObject *object, PyObject *unused) {
    (void)unused;
    close_it((ConnectionObject *)object);
    Py_RETURN_NONE;
}

static PyObject *connection_enter(PyObject *object, PyObject *unused) {
    (void)unused;
    return new_reference(object);
}

static PyObject *connection_exit(PyObject *object, PyObject *unused) {
    (void)unused;
    close_it((ConnectionObject *)object);
    Py_RETURN_NONE;
}

static PyObject *connection_handle(PyObject *object, PyObject *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    (void)unused;
    if (self->closed) {
        raise_closed();
        return NULL;
    }
    return handle_build(&self->handle);
}

static PyGetSetDef connection_members[] = {
    {"closed", get_flag, NULL, PyDoc_STR("Whether this process has closed it."),
     (void *)offsetof(ConnectionObject, closed)},
    {"readable", get_flag, NULL, NULL, (void *)offsetof(ConnectionObject, readable)},
    {"writable", get_flag, NULL, NULL, (void *)offsetof(ConnectionObject, writable)},
    {0}};

static PyMethodDef connection_methods[] = {
    {"send", connection_send, METH_O, PyDoc_STR("Sends an object. BrokenPipeError when nobody has the other end.")},
    {"recv", connection_recv, METH_NOARGS,
     PyDoc_STR("Receives an object. EOFError when nobody has the other end and all is read.")},
    {"send_bytes", (PyCFunction)(void (*)(void))connection_send_bytes, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("send_bytes(buf, offset=0, size=None)\n\nSends bytes of a buffer as one message.")},
    {"recv_bytes", (PyCFunction)(void (*)(void))connection_recv_bytes, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "recv_bytes(maxlength=None) -> bytes\n\nOSError, and the connection is closed, when the message is longer.")},
    {"recv_bytes_into", (PyCFunction)(void (*)(void))connection_recv_bytes_into, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("recv_bytes_into(buf, offset=0) -> int\n\nBufferTooShort, with the message as its argument, when it "
               "does not fit.")},
    {"poll", (PyCFunction)(void (*)(void))connection_poll, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("poll(timeout=0.0) -> bool\n\nWhether there is something to receive, or the end; None waits for ever.")},
    {"fileno", connection_fileno, METH_NOARGS,
     PyDoc_STR("A descriptor that is readable when there may be something to receive. Not a pipe or socket: nothing "
               "can be read "
               "from it or sent over it.")},
    {"close", connection_close, METH_NOARGS, NULL},
    {"__enter__", connection_enter, METH_NOARGS, NULL},
    {"__exit__", connection_exit, METH_VARARGS, NULL},
    {"_handle", connection_handle, METH_NOARGS, NULL},
    {0}};

PyTypeObject Connection_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Connection",
                                .tp_doc = PyDoc_STR("One end of a Pipe()."),
                                .tp_basicsize = sizeof(ConnectionObject),
                                .tp_flags = Py_TPFLAGS_DEFAULT,
                                .tp_dealloc = connection_dealloc,
                                .tp_methods = connection_methods,
                                .tp_getset = connection_members,
                                .tp_weaklistoffset = offsetof(ConnectionObject, weak)};

/* --- waiting for many --- */

/* A queue, or its _reader. By itself, and not by its descriptor: that may be readable when the queue is empty. */
static bool add_queue_of(PyObject *object, prong_waitable *item) {
    item->kind = PRONG_WAIT_QUEUE;
    if (queue_known(object, &item->queue)) return true;
    PyObject *queue = PyObject_GetAttrString(object, "_prong_queue");
    PyErr_Clear();
    bool known = queue && queue_known(queue, &item->queue);
    Py_XDECREF(queue);
    return known;
}

static int add_waitable(PyObject *object, prong_waitable *item) {
    if (Py_TYPE(object) == &Connection_type) {
        ConnectionObject *self = (ConnectionObject *)object;
        if (!may_read(self)) return -1;
        *item = (prong_waitable){.kind = PRONG_WAIT_CONNECTION, .connection = connection_of(self)};
        return 0;
    }
    if (add_queue_of(object, item)) return 0;
    int descriptor = PyObject_AsFileDescriptor(object);
    if (descriptor < 0) return -1;
    *item = (prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = descriptor};
    return 0;
}

static PyObject *ready_ones(PyObject *list, const prong_waitable *items) {
    PyObject *ready = PyList_New(0);
    for (Py_ssize_t i = 0; ready && i < PyList_GET_SIZE(list); i++)
        if (items[i].ready && PyList_Append(ready, PyList_GET_ITEM(list, i))) Py_CLEAR(ready);
    return ready;
}

/* wait(object_list, timeout=None) -> those that are ready */
static PyObject *wait_many(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"object_list", "timeout", NULL};
    PyObject *objects, *timeout = NULL, *result = NULL;
    prong_time span;
    prong_status status = PRONG_OK;
    size_t count = 0;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", names, &objects, &timeout) ||
        parse_timeout(timeout, &span))
        return NULL;
    PyObject *list = PySequence_List(objects);
    if (!list) return NULL;
    size_t length = (size_t)PyList_GET_SIZE(list);
    prong_waitable *items = PyMem_Calloc(length + 1, sizeof *items);
    bool good = items != NULL;
    for (size_t i = 0; good && i < length; i++)
        good = add_waitable(PyList_GET_ITEM(list, (Py_ssize_t)i), &items[i]) == 0;
    if (good) {
        counts[COUNT_CONNECTION]++;
        WAITING(prong_wait(items, length, &count, span));
        if (!PyErr_Occurred() && status && status != PRONG_TIMEOUT) raise_status(status);
        if (!PyErr_Occurred()) result = ready_ones(list, items);
    }
    PyMem_Free(items);
    Py_DECREF(list);
    return result;
}

static PyMethodDef functions[] = {
    {"Pipe", (PyCFunction)(void (*)(void))pipe_create, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("Pipe(duplex=True) -> two connections; not duplex: the first receives, the second sends.")},
    {"wait", (PyCFunction)(void (*)(void))wait_many, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("wait(object_list, timeout=None) -> list\n\nWaits until one of connections, descriptors, or objects "
               "with a fileno() is "
               "ready; those that are.")},
    {"_post", post, METH_O, NULL},
    {"_connect", connect_end, METH_VARARGS, NULL},
    {0}};

int add_connection(PyObject *module) {
    PyObject *weakref = PyImport_ImportModule("_weakrefset");
    open_ones = weakref ? PyObject_CallMethod(weakref, "WeakSet", NULL) : NULL;
    Py_XDECREF(weakref);
    open_references = open_ones ? PyObject_GetAttrString(open_ones, "data") : NULL;
    if (!open_references || add_type(module, "Connection", &Connection_type)) return -1;
    return PyModule_AddFunctions(module, functions);
}
