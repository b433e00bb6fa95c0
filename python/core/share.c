/* Share: an object that is pickled once into the family's memory, and that all processes read there. */
#include "codec.h"
#include "value/pickle_format.h"

#include <prong/share.h>

typedef struct {
    PyObject_HEAD struct handle handle; /* generation 0: closed */
    size_t size;
    PyObject *value; /* what get() gave; NULL: nothing yet */
} ShareObject;

/* --- pickling handles of shares --- */

static _Thread_local PyObject *shares; /* in the message that is being made; NULL: none so far */

PyObject *shares_begin(void) {
    PyObject *before = shares;
    shares = NULL;
    return before;
}

PyObject *shares_end(PyObject *begun) {
    PyObject *made = shares;
    shares = begun;
    return made;
}

void shares_travel(PyObject *made) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(made); i++)
        ((ShareObject *)PyList_GET_ITEM(made, i))->handle.travelled = true;
}

static int share_note(PyObject *share) {
    if (!travelling) {
        ((ShareObject *)share)->handle.travelled = true;
        return 0;
    }
    if (!shares && !(shares = PyList_New(0))) return -1;
    return PyList_Append(shares, share);
}

struct handle share_handle_of(PyObject *share) {
    return ((ShareObject *)share)->handle;
}

/* --- reading --- */

static prong_status share_give_back(uint64_t offset, uint64_t generation) {
    return prong_share_close((prong_share){offset, generation});
}

static PyObject *share_copy(prong_share share, const void *data, size_t size, bool readonly) {
    PyObject *copy = readonly ? PyBytes_FromStringAndSize(data, (Py_ssize_t)size)
                              : PyByteArray_FromStringAndSize(data, (Py_ssize_t)size);
    prong_share_close(share);
    return copy;
}

PyObject *share_memory(prong_share share, bool readonly) {
    const void *data;
    size_t size;
    prong_status status = prong_share_open(share, &data, &size);
    if (status < 0) return raise_status(status);
    PyObject *lent = NULL;
    if (size >= VIEW_LEAST) lent = lent_make(data, size, share.offset, share.generation, share_give_back, readonly);
    return lent ? lent : share_copy(share, data, size, readonly);
}

PyObject *share_load(prong_share share) {
    Py_buffer view;
    PyObject *whole = share_memory(share, true), *value = NULL;
    if (whole && PyObject_GetBuffer(whole, &view, PyBUF_SIMPLE) == 0) {
        value = is_joined(view.buf, (size_t)view.len) ? joined_load_in(view.buf, (size_t)view.len, whole)
                                                      : decode_pickle(view.buf, (size_t)view.len);
        PyBuffer_Release(&view);
    }
    Py_XDECREF(whole);
    return value;
}

/* _open_share((offset, generation)) */
static PyObject *open_share(PyObject *module, PyObject *pair) {
    struct handle handle;
    (void)module;
    return handle_parse(pair, &handle) ? NULL : kept_object((prong_share){handle.offset, handle.generation});
}

/* --- making --- */

static int share_made(ShareObject *self, prong_status status, prong_share share, size_t size) {
    if (status < 0) {
        raise_status(status);
        return -1;
    }
    self->handle = (struct handle){.offset = share.offset, .generation = share.generation};
    handle_made(&self->handle);
    self->size = size;
    counts[COUNT_MEMORY]++;
    return 0;
}

/* The newest shares of buffers. A task, or a worker between two tasks, may have one open after its maker has closed it. Equal bytes
 * decide; the address is where it pays to compare them. */
enum { WRITTEN = 16 };
static struct written {
    const void *from;
    size_t size;
    prong_share share;
} written[WRITTEN];
static unsigned written_next;

static struct written *written_find(const Py_buffer *buffer) {
    for (int i = 0; i < WRITTEN; i++)
        if (written[i].from == buffer->buf && written[i].size == (size_t)buffer->len) return &written[i];
    return NULL;
}

/* Opens the share if somebody has it open and it has the same bytes. */
static bool share_open_equal(prong_share share, const Py_buffer *buffer) {
    const void *data;
    if (prong_share_open(share, &data, NULL) < 0) return false;
    bool equal = memcmp(data, buffer->buf, (size_t)buffer->len) == 0;
    if (!equal) prong_share_close(share);
    return equal;
}

static prong_status share_find_or_create(const Py_buffer *buffer, prong_share *share) {
    if (share->generation && share_open_equal(*share, buffer)) return PRONG_OK;
    return prong_share_create(share, buffer->buf, (size_t)buffer->len, NULL);
}

PyObject *share_of_buffer(const Py_buffer *buffer) {
    ShareObject *self = (ShareObject *)PyType_GenericNew(&Share_type, NULL, NULL);
    struct written *before = written_find(buffer);
    prong_share share = before ? before->share : (prong_share){0};
    prong_status status;
    if (!self) return NULL;
    Py_BEGIN_ALLOW_THREADS status = share_find_or_create(buffer, &share);
    Py_END_ALLOW_THREADS if (share_made(self, status, share, (size_t)buffer->len)) Py_CLEAR(self);
    if (self)
        *(before ? before : &written[written_next++ % WRITTEN]) =
            (struct written){buffer->buf, (size_t)buffer->len, share};
    return (PyObject *)self;
}

/* Large memory takes a while: other threads may run. */
static prong_status share_write(prong_share *share, const struct encoded *encoded) {
    prong_message message;
    prong_status status;
    Py_BEGIN_ALLOW_THREADS status = prong_message_reserve(&message, encoded->size);
    if (status >= 0) {
        encoded_write(encoded, message.data);
        status = prong_share_commit(share, &message, NULL);
        if (status < 0) prong_message_release(&message);
    }
    Py_END_ALLOW_THREADS return status;
}

/* The count that this process has as its maker. Others have opened it by themselves if they use it, and a forked child does so when it
 * calls get(); a message that nobody has read yet is the exception. */
static void share_drop(ShareObject *self) {
    self->handle.forks = fork_count;
    handle_drop(&self->handle, share_give_back);
}

static int share_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"object", NULL};
    ShareObject *self = (ShareObject *)object;
    PyObject *value;
    struct encoded encoded;
    prong_share share = {0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O", names, &value) || encode(value, &encoded)) return -1;
    handles_look(); /* much memory may hang on shares that were sent to processes that have ended */
    prong_status status = share_write(&share, &encoded);
    size_t size = encoded.size;
    encoded_clear(&encoded);
    share_drop(self);
    Py_CLEAR(self->value);
    return share_made(self, status, share, size);
}

static int share_traverse(PyObject *object, visitproc visit, void *arg) {
    Py_VISIT(((ShareObject *)object)->value);
    return 0;
}

static int share_clear(PyObject *object) {
    Py_CLEAR(((ShareObject *)object)->value);
    return 0;
}

static void share_dealloc(PyObject *object) {
    PyObject_GC_UnTrack(object);
    share_clear(object);
    share_drop((ShareObject *)object);
    Py_TYPE(object)->tp_free(object);
}

/* --- using --- */

static int share_check_open(const ShareObject *self) {
    if (self->handle.generation) return 0;
    PyErr_SetString(PyExc_ValueError, "the share is closed");
    return -1;
}

static PyObject *share_get(PyObject *object, PyObject *unused) {
    ShareObject *self = (ShareObject *)object;
    (void)unused;
    if (share_check_open(self)) return NULL;
    if (!self->value) {
        PyObject *value = share_load((prong_share){self->handle.offset, self->handle.generation});
        if (!value) return NULL;
        Py_XSETREF(self->value, value); /* another thread, or what it unpickled, may have been here as well */
    }
    return new_reference(self->value);
}

/* At once, even if it is on its way in a message: its user says so. */
static PyObject *share_close(PyObject *object, PyObject *unused) {
    ShareObject *self = (ShareObject *)object;
    (void)unused;
    Py_CLEAR(self->value);
    self->handle.travelled = false;
    share_drop(self);
    self->handle.generation = 0;
    Py_RETURN_NONE;
}

static PyObject *share_handle(PyObject *object, PyObject *unused) {
    ShareObject *self = (ShareObject *)object;
    (void)unused;
    if (share_check_open(self) || share_note(object)) return NULL;
    return Py_BuildValue("(KK)", (unsigned long long)self->handle.offset, (unsigned long long)self->handle.generation);
}

static PyObject *share_nbytes(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(((ShareObject *)object)->size);
}

static PyObject *share_is_closed(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(((ShareObject *)object)->handle.generation == 0);
}

static PyMethodDef share_methods[] = {
    {"get", share_get, METH_NOARGS,
     DOC("get($self, /)",
         "The object, as other processes get it: read only. ValueError when it is closed, here or by its "
         "maker.")},
    {"close", share_close, METH_NOARGS,
     DOC("close($self, /)",
         "This process needs it no longer. The memory is free when no other process uses the object any more.")},
    {"_handle", share_handle, METH_NOARGS,
     DOC("_handle($self, /)", "(offset, generation): what the share is to all members of the family.")},
    {0}};
static PyGetSetDef share_members[] = {
    {"nbytes", share_nbytes, NULL, PyDoc_STR("How many bytes of shared memory it takes."), NULL},
    {"closed", share_is_closed, NULL, PyDoc_STR("Whether it is closed in this process."), NULL},
    {0}};
PyTypeObject Share_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Share",
                           .tp_doc = DOC("Share(object)", "An object in the family's memory, pickled once."),
                           .tp_basicsize = sizeof(ShareObject),
                           .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                           .tp_new = PyType_GenericNew,
                           .tp_init = share_init,
                           .tp_dealloc = share_dealloc,
                           .tp_traverse = share_traverse,
                           .tp_clear = share_clear,
                           .tp_methods = share_methods,
                           .tp_getset = share_members};

/* --- arguments that a forked process has inherited --- */

static bool is_share(PyObject *object) {
    return PyObject_TypeCheck(object, &Share_type);
}

static PyObject *resolve_tuple(PyObject *arguments) {
    Py_ssize_t count = PyTuple_GET_SIZE(arguments), i = 0;
    while (i < count && !is_share(PyTuple_GET_ITEM(arguments, i))) i++;
    if (i == count) return new_reference(arguments);
    PyObject *resolved = PyTuple_New(count);
    for (i = 0; resolved && i < count; i++) {
        PyObject *argument = PyTuple_GET_ITEM(arguments, i);
        PyObject *value = is_share(argument) ? share_get(argument, NULL) : new_reference(argument);
        if (value)
            PyTuple_SET_ITEM(resolved, i, value);
        else
            Py_CLEAR(resolved);
    }
    return resolved;
}

static PyObject *resolve_dict(PyObject *arguments) {
    PyObject *resolved = PyDict_Copy(arguments), *key, *argument;
    Py_ssize_t at = 0;
    while (resolved && PyDict_Next(resolved, &at, &key, &argument)) { /* the caller's own may change meanwhile */
        PyObject *value = is_share(argument) ? share_get(argument, NULL) : new_reference(argument);
        if (!value || PyDict_SetItem(resolved, key, value)) Py_CLEAR(resolved);
        Py_XDECREF(value);
    }
    return resolved;
}

PyObject *shares_resolve(PyObject *arguments) {
    if (PyTuple_CheckExact(arguments)) return resolve_tuple(arguments);
    if (PyDict_CheckExact(arguments) && PyDict_GET_SIZE(arguments)) return resolve_dict(arguments);
    return new_reference(arguments);
}

static PyObject *resolved(PyObject *module, PyObject *arguments) {
    (void)module;
    return shares_resolve(arguments);
}

static PyMethodDef share_functions[] = {
    {"_resolved", resolved, METH_O,
     DOC("_resolved($module, arguments, /)",
         "A tuple or dict of arguments that were inherited, not pickled: shares as what they are of.")},
    {"_open_share", open_share, METH_O,
     DOC("_open_share($module, handle, /)", "The object of a share, in a process that its handle was sent to.")},
    {0}};

int add_share(PyObject *module) {
    return add_type(module, "Share", &Share_type) || PyModule_AddFunctions(module, share_functions);
}
