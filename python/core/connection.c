/* Connection: what all of them have in common. Those of descriptors are in descriptor.c, the ends of pipes in pipe.c. */
#include "core.h"

#include <stddef.h>

/* --- making and ending --- */

ConnectionObject *connection_make(PyTypeObject *type, const struct connection_kind *kind, bool readable,
                                  bool writable) {
    ConnectionObject *self = (ConnectionObject *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->kind = kind;
    self->readable = readable;
    self->writable = writable;
    self->descriptor = -1;
    return self;
}

static prong_status connection_end(ConnectionObject *self) {
    if (self->closed) return PRONG_OK;
    self->closed = true;
    return self->kind->close(self);
}

static int connection_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(((ConnectionObject *)object)->attributes);
    return 0;
}

static int connection_clear(PyObject *object) {
    Py_CLEAR(((ConnectionObject *)object)->attributes);
    return 0;
}

static void connection_dealloc(PyObject *object) {
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject_GC_UnTrack(object);
    if (self->weak) PyObject_ClearWeakRefs(object);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    connection_end(self); /* somebody else may have closed its descriptor: there is nobody to tell */
    PyErr_Restore(type, value, traceback);
    PyMem_RawFree(self->scratch);
    connection_clear(object);
    Py_TYPE(object)->tp_free(object);
}

static bool connection_may(ConnectionObject *self, bool allowed, const char *only) {
    if (self->closed)
        raise_closed();
    else if (!allowed)
        PyErr_Format(PyExc_OSError, "connection is %s-only", only);
    return !self->closed && allowed;
}

bool connection_may_read(ConnectionObject *self) {
    return connection_may(self, self->readable, "write");
}

static bool connection_may_write(ConnectionObject *self) {
    return connection_may(self, self->writable, "read");
}

/* --- sending --- */

static PyObject *connection_done(prong_status status) {
    counts[COUNT_CONNECTION]++;
    if (PyErr_Occurred()) return NULL;
    return none_or_raise(status);
}

static PyObject *connection_send(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    static const char *const known[] = {"obj"};
    ConnectionObject *self = (ConnectionObject *)object;
    struct encoded encoded;
    PyObject *item = NULL;
    if (parse_fast("send", arguments, count, names, known, 1, &item)) return NULL;
    if (!item) {
        PyErr_SetString(PyExc_TypeError, "send() missing 1 required argument: 'obj'");
        return NULL;
    }
    if (!connection_may_write(self) || self->kind->encode(item, &encoded)) return NULL;
    bool open = connection_may_write(self); /* pickling runs Python code, and other threads */
    prong_status status = open ? self->kind->send_encoded(self, &encoded) : PRONG_CLOSED;
    if (status < 0) encoded_unsent(&encoded);
    encoded_clear(&encoded);
    return connection_done(status);
}

/* The part of a buffer that is to be sent; -1 with an exception. */
static Py_ssize_t connection_part_size(const Py_buffer *view, Py_ssize_t offset, PyObject *given) {
    Py_ssize_t size = given == Py_None ? view->len - offset : PyNumber_AsSsize_t(given, PyExc_OverflowError);
    if (PyErr_Occurred()) return -1;
    const char *wrong = offset < 0                  ? "offset is negative"
                        : view->len < offset        ? "buffer length < offset"
                        : size < 0                  ? "size is negative"
                        : size > view->len - offset ? "buffer length < offset + size"
                                                    : NULL;
    if (wrong) PyErr_SetString(PyExc_ValueError, wrong);
    return wrong ? -1 : size;
}

/* buf, offset=0, size=None */
static int parse_part(PyObject *const *arguments, Py_ssize_t count, PyObject *names, PyObject **buffer,
                      Py_ssize_t *offset, PyObject **size) {
    static const char *const known[] = {"buf", "offset", "size"};
    PyObject *values[3] = {NULL, NULL, NULL};
    if (count == 1 && !names)
        values[0] = arguments[0];
    else if (parse_fast("send_bytes", arguments, count, names, known, 3, values))
        return -1;
    if (!values[0]) {
        PyErr_SetString(PyExc_TypeError, "send_bytes() missing 1 required argument: 'buf'");
        return -1;
    }
    *buffer = values[0];
    *size = values[2] ? values[2] : Py_None;
    *offset = values[1] ? PyNumber_AsSsize_t(values[1], PyExc_OverflowError) : 0;
    return *offset == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *connection_send_bytes(PyObject *object, PyObject *const *arguments, Py_ssize_t count,
                                       PyObject *names) {
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *buffer, *given, *result = NULL;
    Py_ssize_t offset;
    Py_buffer view;
    if (!connection_may_write(self) || parse_part(arguments, count, names, &buffer, &offset, &given)) return NULL;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)) return NULL;
    Py_ssize_t size = connection_part_size(&view, offset, given);
    if (size >= 0 && connection_may_write(self))
        result = connection_done(self->kind->send(self, (char *)view.buf + offset, (size_t)size));
    PyBuffer_Release(&view);
    return result;
}

/* --- receiving --- */

static struct received received_expecting(size_t most) {
    struct received received;
    memset(&received, 0, offsetof(struct received, small));
    received.most = most;
    return received;
}

static prong_status connection_receive_one(ConnectionObject *self, struct received *received) {
    counts[COUNT_CONNECTION]++;
    return self->kind->receive(self, received);
}

static void received_clear(ConnectionObject *self, struct received *received) {
    Py_CLEAR(received->bytes);
    if (received->scratch) self->kind->give_back(self, received);
    if (received->message.block) prong_message_release(&received->message);
}

static PyObject *connection_recv(PyObject *object, PyObject *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    struct received received = received_expecting(SIZE_MAX);
    (void)unused;
    if (!connection_may_read(self)) return NULL;
    prong_status status = connection_receive_one(self, &received);
    PyObject *result = status ? raise_status(status) : self->kind->decode(&received);
    received_clear(self, &received);
    return result;
}

/* As multiprocessing: what comes next could not be told apart there. */
static PyObject *connection_bad_length(ConnectionObject *self) {
    if (self->writable)
        self->readable = false;
    else
        connection_end(self);
    PyErr_SetString(PyExc_OSError, "bad message length");
    return NULL;
}

static PyObject *connection_recv_bytes(PyObject *object, PyObject *const *arguments, Py_ssize_t count,
                                       PyObject *names) {
    static const char *const known[] = {"maxlength"};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *maxlength = NULL, *result;
    if (!connection_may_read(self) || parse_fast("recv_bytes", arguments, count, names, known, 1, &maxlength))
        return NULL;
    Py_ssize_t most =
        !maxlength || maxlength == Py_None ? PY_SSIZE_T_MAX : PyNumber_AsSsize_t(maxlength, PyExc_OverflowError);
    if (most < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "negative maxlength");
        return NULL;
    }
    if (!connection_may_read(self)) return NULL; /* any more */
    struct received received = received_expecting((size_t)most);
    received.for_bytes = true;
    prong_status status = connection_receive_one(self, &received);
    if (status == PRONG_TOO_LONG)
        result = connection_bad_length(self);
    else if (status < 0)
        result = raise_status(status);
    else if (received.bytes)
        result = new_reference(received.bytes);
    else
        result = PyBytes_FromStringAndSize(received.data, (Py_ssize_t)received.size);
    received_clear(self, &received);
    return result;
}

static PyObject *connection_too_short(const struct received *received) {
    PyObject *bytes = PyBytes_FromStringAndSize(received->data, (Py_ssize_t)received->size);
    if (bytes) PyErr_SetObject(BufferTooShort ? BufferTooShort : ProcessError, bytes);
    Py_XDECREF(bytes);
    return NULL;
}

static PyObject *connection_receive_into(ConnectionObject *self, char *place, size_t room) {
    struct received received = received_expecting(SIZE_MAX);
    received.place = place;
    received.room = room;
    PyObject *result = NULL;
    prong_status status = connection_receive_one(self, &received);
    if (status < 0)
        raise_status(status);
    else if (received.size > room)
        connection_too_short(&received);
    else {
        if (received.data != place) memcpy(place, received.data, received.size);
        result = PyLong_FromSize_t(received.size);
    }
    received_clear(self, &received);
    return result;
}

static PyObject *connection_recv_bytes_into(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"buf", "offset", NULL};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *buffer, *result = NULL;
    Py_ssize_t offset = 0;
    Py_buffer view;
    if (!connection_may_read(self) || !PyArg_ParseTupleAndKeywords(arguments, keywords, "O|n", names, &buffer, &offset))
        return NULL;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)) return NULL;
    if (offset < 0 || offset > view.len)
        PyErr_SetString(PyExc_ValueError, offset < 0 ? "negative offset" : "offset too large");
    else if (connection_may_read(self))
        result = connection_receive_into(self, (char *)view.buf + offset, (size_t)(view.len - offset));
    PyBuffer_Release(&view);
    return result;
}

static PyObject *connection_poll(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    static const char *const known[] = {"timeout"};
    ConnectionObject *self = (ConnectionObject *)object;
    PyObject *timeout = NULL;
    prong_time span = PRONG_NOWAIT;
    if (!connection_may_read(self) || parse_fast("poll", arguments, count, names, known, 1, &timeout)) return NULL;
    if (timeout && (parse_timeout(timeout, &span) || !connection_may_read(self))) return NULL;
    counts[COUNT_CONNECTION]++;
    prong_status status = self->kind->poll(self, span);
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_FALSE;
    if (status < 0) return raise_status(status);
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
    prong_status status = self->kind->fileno(self, &descriptor);
    return status < 0 ? raise_status(status) : PyLong_FromLong(descriptor);
}

static PyObject *connection_close(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_raise(connection_end((ConnectionObject *)object));
}

static PyObject *connection_enter(PyObject *object, PyObject *unused) {
    (void)unused;
    return new_reference(object);
}

static PyObject *connection_exit(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_raise(connection_end((ConnectionObject *)object));
}

static PyObject *connection_get_handle(PyObject *object, void *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    (void)unused;
    if (self->closed) Py_RETURN_NONE;
    return PyLong_FromLong(self->descriptor);
}

/* None gives the descriptor up, unclosed; as with multiprocessing's, whose programs do so to keep it for something else. */
static int connection_set_handle(PyObject *object, PyObject *value, void *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    (void)unused;
    long descriptor = value && value != Py_None ? PyLong_AsLong(value) : -1;
    if (PyErr_Occurred()) return -1;
    self->descriptor = (int)descriptor;
    self->closed = descriptor < 0;
    return 0;
}

static PyGetSetDef connection_members[] = {
    {"closed", get_flag, NULL, PyDoc_STR("Whether this process has closed it."),
     (void *)offsetof(ConnectionObject, closed)},
    {"readable", get_flag, NULL, PyDoc_STR("Whether it may be received from."),
     (void *)offsetof(ConnectionObject, readable)},
    {"writable", get_flag, NULL, PyDoc_STR("Whether it may be sent to."), (void *)offsetof(ConnectionObject, writable)},
    {"_handle", connection_get_handle, connection_set_handle, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {0}};

static PyMethodDef connection_methods[] = {
    {"send", (PyCFunction)(void (*)(void))connection_send, METH_FASTCALL | METH_KEYWORDS,
     DOC("send($self, /, obj)",
         "Sends an object.\n"
         "\n"
         "BrokenPipeError when no process has the other end any more, OSError when this one is closed.")},
    {"recv", connection_recv, METH_NOARGS,
     DOC("recv($self, /)",
         "Receives an object; waits for one.\n"
         "\n"
         "EOFError when no process has the other end any more and all is read, OSError when this one is "
         "closed.")},
    {"send_bytes", (PyCFunction)(void (*)(void))connection_send_bytes, METH_FASTCALL | METH_KEYWORDS,
     DOC("send_bytes($self, /, buf, offset=0, size=None)",
         "Sends bytes of a buffer, from offset on, as one message.\n"
         "\n"
         "The errors are those of send; ValueError when the buffer has no such bytes.")},
    {"recv_bytes", (PyCFunction)(void (*)(void))connection_recv_bytes, METH_FASTCALL | METH_KEYWORDS,
     DOC("recv_bytes($self, /, maxlength=None)",
         "Receives one message as bytes.\n"
         "\n"
         "OSError when it is longer than maxlength: no more can be received then. The other errors are "
         "those of recv.")},
    {"recv_bytes_into", (PyCFunction)(void (*)(void))connection_recv_bytes_into, METH_VARARGS | METH_KEYWORDS,
     DOC("recv_bytes_into($self, /, buf, offset=0)",
         "Receives one message into a writable buffer, from offset on; its length.\n"
         "\n"
         "BufferTooShort, with the message as its argument, when it does not fit. The other errors are "
         "those of recv.")},
    {"poll", (PyCFunction)(void (*)(void))connection_poll, METH_FASTCALL | METH_KEYWORDS,
     DOC("poll($self, /, timeout=0.0)", "Whether there is something to receive, or the end.\n"
                                        "\n"
                                        "Waits up to timeout seconds for it; None: forever.")},
    {"fileno", connection_fileno, METH_NOARGS,
     DOC("fileno($self, /)",
         "A descriptor that is readable when there may be something to receive.\n"
         "\n"
         "That of an end of a Pipe() is no pipe or socket: nothing can be read from it or sent over it.")},
    {"close", connection_close, METH_NOARGS, DOC("close($self, /)", "This process sends and receives no more.")},
    {"__enter__", connection_enter, METH_NOARGS, DOC("__enter__($self, /)", "The connection itself.")},
    {"__exit__", connection_exit, METH_VARARGS, DOC("__exit__($self, type, value, traceback, /)", "Closes it.")},
    {0}};

PyTypeObject Connection_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong.connection.Connection",
    .tp_doc = DOC("Connection(handle, readable=True, writable=True)",
                  "A connection over a descriptor: a socket, "
                  "or an end of a pipe, which it closes. The ends of Pipe() are connections, too."),
    .tp_basicsize = sizeof(ConnectionObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = descriptor_new,
    .tp_init = descriptor_init,
    .tp_dealloc = connection_dealloc,
    .tp_traverse = connection_traverse,
    .tp_clear = connection_clear,
    .tp_methods = connection_methods,
    .tp_getset = connection_members,
    .tp_dictoffset = offsetof(ConnectionObject, attributes),
    .tp_weaklistoffset = offsetof(ConnectionObject, weak)};

int add_connection(PyObject *module) {
    return add_type(module, "Connection", &Connection_type);
}
