/* Connections over a descriptor: what Listener and Client give, and what somebody makes of a descriptor of his own. The
 * other end may be any multiprocessing's, or a C program's link. */
#include "core.h"

#include <errno.h>
#include <prong/wait.h>
#include <unistd.h>

/* Large messages come in bursts, often of one size; memory that is given back to the system comes again page by page. */
enum { SCRATCH_KEPT = 2 << 20, SCRATCH_MORE = 4096 };

/* Waits without the GIL; closing it meanwhile, in another thread, leaves the descriptor to this one: its number must not
 * become another's while somebody reads from it. */
#define USING(self, call) ((self)->users++, WAITING(call), descriptor_leave(self))

static void descriptor_leave(ConnectionObject *self) {
    int number = errno;
    if (--self->users == 0 && self->closed) close(self->descriptor);
    errno = number;
}

/* Raises what multiprocessing would; the message of a status has no errno. */
static prong_status descriptor_told(prong_status status) {
    if (status >= 0 || PyErr_Occurred()) return status;
    if (status == PRONG_SYSTEM || status == PRONG_BROKEN_PIPE)
        PyErr_SetFromErrno(PyExc_OSError);
    else if (status == PRONG_INVALID || status == PRONG_BROKEN)
        PyErr_Format(PyExc_OSError, "%s", prong_error_message());
    return status;
}

/* --- what connections do --- */

/* One that was broken off in the middle of a message is of no use to the other side. */
static prong_status descriptor_send_parts(ConnectionObject *self, const prong_bytes *parts, size_t count) {
    prong_status status;
    USING(self, prong_stream_send(self->descriptor, parts, count, PRONG_FOREVER));
    if (status == PRONG_BROKEN) self->writable = false;
    return descriptor_told(status);
}

static prong_status descriptor_send(ConnectionObject *self, const void *data, size_t size) {
    prong_bytes part = {data, size};
    return descriptor_send_parts(self, &part, 1);
}

static prong_status descriptor_send_encoded(ConnectionObject *self, const struct encoded *encoded) {
    if (!encoded->chunks) return descriptor_send(self, encoded->small, encoded->size);
    size_t count = (size_t)PyList_GET_SIZE(encoded->chunks);
    prong_bytes *parts = PyMem_Calloc(count, sizeof *parts);
    if (!parts) return PRONG_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        PyObject *chunk = PyList_GET_ITEM(encoded->chunks, (Py_ssize_t)i);
        parts[i] = (prong_bytes){PyBytes_AS_STRING(chunk), (size_t)PyBytes_GET_SIZE(chunk)};
    }
    prong_status status = descriptor_send_parts(self, parts, count);
    PyMem_Free(parts);
    return status;
}

/* What was the connection's is this call's, until it is given back: other threads may be receiving, too. */
static void *descriptor_take_scratch(ConnectionObject *self, struct received *received) {
    if (self->scratch_size >= received->size) {
        received->scratch = self->scratch;
        self->scratch = NULL;
        received->scratch_size = self->scratch_size;
        self->scratch_size = 0;
    } else {
        received->scratch_size = received->size + SCRATCH_MORE;
        if (received->scratch_size > received->size) received->scratch = PyMem_RawMalloc(received->scratch_size);
    }
    return received->scratch;
}

static void descriptor_give_scratch_back(ConnectionObject *self, struct received *received) {
    if (received->scratch_size <= SCRATCH_KEPT && received->scratch_size > self->scratch_size) {
        PyMem_RawFree(self->scratch);
        self->scratch = received->scratch;
        self->scratch_size = received->scratch_size;
    } else {
        PyMem_RawFree(received->scratch);
    }
    received->scratch = NULL;
}

static void *descriptor_room(ConnectionObject *self, struct received *received) {
    if (!received->for_bytes && !received->place) return descriptor_take_scratch(self, received);
    if (received->size <= PY_SSIZE_T_MAX) received->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)received->size);
    return received->bytes ? PyBytes_AS_STRING(received->bytes) : NULL;
}

static prong_status descriptor_receive_rest(ConnectionObject *self, struct received *received) {
    prong_status status;
    void *room = descriptor_room(self, received);
    if (!room) {
        PyErr_NoMemory();
        return PRONG_NO_MEMORY;
    }
    received->data = room;
    USING(self, prong_stream_recv_rest(self->descriptor, room, received->size, PRONG_FOREVER));
    return status;
}

/* A message of which a part is missing, because a signal's handler raised or it is too long, ends what can be received. */
static prong_status descriptor_receive(ConnectionObject *self, struct received *received) {
    prong_status status;
    void *first = received->place ? received->place : received->small;
    size_t capacity = received->place ? received->room : SMALL;
    if (capacity > received->most) capacity = received->most;
    USING(self, prong_stream_recv(self->descriptor, first, capacity, &received->size, PRONG_FOREVER));
    received->data = first;
    if (status == PRONG_TOO_LONG && received->size > received->most) return status;
    if (status == PRONG_TOO_LONG) status = descriptor_receive_rest(self, received);
    if (status == PRONG_BROKEN || status == PRONG_NO_MEMORY) self->readable = false;
    return descriptor_told(status);
}

static PyObject *descriptor_decode(struct received *received) {
    return decode_pickle(received->data, received->size);
}

static prong_status descriptor_poll(ConnectionObject *self, prong_time span) {
    prong_waitable item = {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = self->descriptor};
    prong_status status;
    size_t ready;
    USING(self, prong_wait(&item, 1, &ready, span));
    return status;
}

static prong_status descriptor_fileno(ConnectionObject *self, int *descriptor) {
    *descriptor = self->descriptor;
    return PRONG_OK;
}

static prong_status descriptor_close(ConnectionObject *self) {
    if (self->users > 0 || close(self->descriptor) == 0) return PRONG_OK;
    PyErr_SetFromErrno(PyExc_OSError);
    return PRONG_SYSTEM;
}

static const struct connection_kind descriptor_kind = {.encode = encode_for_strangers,
                                                       .decode = descriptor_decode,
                                                       .send = descriptor_send,
                                                       .send_encoded = descriptor_send_encoded,
                                                       .receive = descriptor_receive,
                                                       .give_back = descriptor_give_scratch_back,
                                                       .poll = descriptor_poll,
                                                       .fileno = descriptor_fileno,
                                                       .close = descriptor_close};

/* --- making --- */

/* Closed, until it is initialized. */
PyObject *descriptor_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    ConnectionObject *self = connection_make(type, &descriptor_kind, false, false);
    (void)arguments;
    (void)keywords;
    if (self) self->closed = true;
    return (PyObject *)self;
}

int descriptor_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"handle", "readable", "writable", NULL};
    ConnectionObject *self = (ConnectionObject *)object;
    int descriptor, readable = 1, writable = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|pp", names, &descriptor, &readable, &writable)) return -1;
    if (descriptor < 0 || (!readable && !writable)) {
        PyErr_SetString(PyExc_ValueError,
                        descriptor < 0 ? "invalid handle" : "at least one of `readable` and `writable` must be True");
        return -1;
    }
    self->descriptor = descriptor;
    self->readable = readable;
    self->writable = writable;
    self->closed = false;
    return 0;
}
