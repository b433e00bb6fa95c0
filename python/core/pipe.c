/* PipeConnection: one end of a Pipe, in shared memory. */
#include "core.h"

#include <stddef.h>

static PyObject *open_ones, *open_references; /* a weak set: what a fork has to look at; and the set in it */

static const struct connection_kind pipe_kind;

/* --- making --- */

static ConnectionObject *pipe_make_end(prong_connection connection, bool readable, bool writable) {
    ConnectionObject *self = connection_make(&PipeConnection_type, &pipe_kind, readable, writable);
    if (!self) return NULL;
    self->handle = (struct handle){connection.offset, connection.generation, fork_count, own_pid, false};
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
    if (status >= 0) status = prong_connection_hold(first);
    if (status >= 0) status = prong_connection_hold(second);
    if (status < 0) return raise_status(status);
    ConnectionObject *one = pipe_make_end(first, true, duplex), *two = pipe_make_end(second, duplex, true);
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

static void post_take_back(ConnectionObject *self) {
    if (prong_connection_accept(connection_of(self)) < 0) return; /* gone */
    if (self->closed) prong_connection_close(connection_of(self));
}

void posts_undo(PyObject *made) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(made); i++) post_take_back((ConnectionObject *)PyList_GET_ITEM(made, i));
}

/* So that it can be taken back. */
static int note_post(PyObject *connection) {
    if (!travelling) return 0;
    if (!posts && !(posts = PyList_New(0))) return -1;
    return PyList_Append(posts, connection);
}

/* _post(connection) -> what _connect takes in the process that it is sent to */
static PyObject *pipe_post(PyObject *module, PyObject *object) {
    (void)module;
    if (Py_TYPE(object) != &PipeConnection_type) return PyErr_Format(PyExc_TypeError, "an end of a Pipe is expected");
    ConnectionObject *self = (ConnectionObject *)object;
    if (self->closed) {
        raise_closed();
        return NULL;
    }
    prong_status status = prong_connection_post(connection_of(self));
    if (status < 0) return raise_status(status);
    if (note_post(object) == 0) return handle_build(&self->handle);
    post_take_back(self);
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
        ConnectionObject *dead = pipe_make_end(connection, readable, writable);
        return (PyObject *)dead;
    }
    if (status < 0) return raise_status(status);
    return (PyObject *)pipe_make_end(connection, readable, writable);
}

bool connections_any(void) {
    return PySet_GET_SIZE(open_references) > 0;
}

PyObject *connections_open(void) {
    return PySequence_List(open_ones);
}

/* --- what connections do --- */

static prong_status pipe_send(ConnectionObject *self, const void *data, size_t size) {
    prong_status status = prong_connection_send_bytes(connection_of(self), data, size, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT) WAITING(prong_connection_send_bytes(connection_of(self), data, size, PRONG_FOREVER));
    return status == PRONG_STALE ? PRONG_BROKEN_PIPE : status;
}

static prong_status pipe_send_encoded(ConnectionObject *self, const struct encoded *encoded) {
    prong_message message;
    if (!encoded->chunks) return pipe_send(self, encoded->small, encoded->size);
    prong_status status = prong_message_reserve(&message, encoded->size);
    if (status < 0) return status == PRONG_STALE ? PRONG_BROKEN_PIPE : status;
    encoded_write(encoded, message.data);
    status = prong_connection_commit(connection_of(self), &message, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT) WAITING(prong_connection_commit(connection_of(self), &message, PRONG_FOREVER));
    if (status < 0) prong_message_release(&message);
    return status == PRONG_STALE ? PRONG_BROKEN_PIPE : status;
}

/* Waits for something to receive, and takes nothing: a signal's handler that raises must not cost a message. */
static prong_status wait_for_message(ConnectionObject *self) {
    prong_status status;
    WAITING(prong_connection_poll(connection_of(self), PRONG_FOREVER));
    if (PyErr_Occurred()) return PRONG_TIMEOUT;
    return status;
}

/* Others may take what was there: then it waits again. PRONG_TIMEOUT means that a handler raised. */
static prong_status receive_large(ConnectionObject *self, prong_message *message) {
    prong_status status;
    do status = prong_connection_recv_bytes(connection_of(self), 0, message, PRONG_NOWAIT);
    while (status == PRONG_TIMEOUT && (status = wait_for_message(self)) == PRONG_OK);
    return status;
}

static prong_status receive_small(ConnectionObject *self, struct received *received) {
    prong_status status;
    do
        status = prong_connection_recv_bytes_into(connection_of(self), received->small, SMALL, &received->size,
                                                  PRONG_NOWAIT);
    while (status == PRONG_TIMEOUT && (status = wait_for_message(self)) == PRONG_OK);
    received->data = received->small;
    return status;
}

static prong_status pipe_receive(ConnectionObject *self, struct received *received) {
    prong_status status = receive_small(self, received);
    if (status == PRONG_TOO_LONG) {
        status = receive_large(self, &received->message);
        received->data = received->message.data;
        received->size = received->message.size;
    }
    if (status >= 0 && received->size > received->most) status = PRONG_TOO_LONG;
    return status == PRONG_STALE ? PRONG_EOF : status;
}

static PyObject *pipe_decode(struct received *received) {
    return decode(received->data, received->size, received->message.block ? &received->message : NULL);
}

static prong_status pipe_poll(ConnectionObject *self, prong_time span) {
    prong_status status = prong_connection_poll(connection_of(self), PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT && span != PRONG_NOWAIT) WAITING(prong_connection_poll(connection_of(self), span));
    return status == PRONG_STALE ? PRONG_OK : status;
}

static prong_status pipe_fileno(ConnectionObject *self, int *descriptor) {
    prong_status status = prong_connection_fileno(connection_of(self), descriptor);
    if (status == PRONG_INVALID) /* an end that only sends has nothing to wait for */
        PyErr_SetString(PyExc_OSError, "connection is write-only: it has no descriptor");
    return status;
}

static prong_status pipe_close(ConnectionObject *self) {
    if (self->handle.generation) prong_connection_close(connection_of(self));
    return PRONG_OK;
}

static const struct connection_kind pipe_kind = {.encode = encode,
                                                 .decode = pipe_decode,
                                                 .send = pipe_send,
                                                 .send_encoded = pipe_send_encoded,
                                                 .receive = pipe_receive,
                                                 .poll = pipe_poll,
                                                 .fileno = pipe_fileno,
                                                 .close = pipe_close};

/* --- the type --- */

static PyObject *connection_handle(PyObject *object, PyObject *unused) {
    ConnectionObject *self = (ConnectionObject *)object;
    (void)unused;
    if (self->closed) {
        raise_closed();
        return NULL;
    }
    return handle_build(&self->handle);
}

static PyMethodDef pipe_methods[] = {
    {"_handle", connection_handle, METH_NOARGS, DOC("_handle($self, /)", "(offset, generation) of this end.")}, {0}};

static int pipe_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    (void)object;
    (void)arguments;
    (void)keywords;
    PyErr_SetString(PyExc_TypeError, "a PipeConnection is made by Pipe()");
    return -1;
}

PyTypeObject PipeConnection_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong.connection.PipeConnection",
    .tp_doc = DOC("PipeConnection(*unused)", "One end of a Pipe(). TypeError when it is called: Pipe() makes them."),
    .tp_base = &Connection_type,
    .tp_basicsize = sizeof(ConnectionObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_init = pipe_init,
    .tp_methods = pipe_methods};

static PyMethodDef pipe_functions[] = {
    {"Pipe", (PyCFunction)(void (*)(void))pipe_create, METH_VARARGS | METH_KEYWORDS,
     DOC("Pipe($module, /, duplex=True)", "Two connections, the ends of a pipe in shared memory.\n"
                                          "\n"
                                          "Both send and receive. Not duplex: the first receives, the second sends.")},
    {"_post", pipe_post, METH_O,
     DOC("_post($module, connection, /)", "What _connect takes in the process that the connection is sent to.")},
    {"_connect", connect_end, METH_VARARGS,
     DOC("_connect($module, handle, readable, writable, posted, /)",
         "An end that another process sent, held by this one from now on.")},
    {0}};

int add_pipe(PyObject *module) {
    PyObject *weakref = PyImport_ImportModule("_weakrefset");
    open_ones = weakref ? PyObject_CallMethod(weakref, "WeakSet", NULL) : NULL;
    Py_XDECREF(weakref);
    open_references = open_ones ? PyObject_GetAttrString(open_ones, "data") : NULL;
    if (!open_references || add_type(module, "PipeConnection", &PipeConnection_type) ||
        own_methods(&PipeConnection_type))
        return -1;
    return PyModule_AddFunctions(module, pipe_functions);
}
