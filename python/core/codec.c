/* Objects as bytes and back: pickle. What is small and plain is written and read by plain.c, as pickle too; the rest by the
 * pickle module with ForkingPickler's reducers. Large buffers (protocol 5) lie beside the pickle in the message: buffers.c. */
#include "codec.h"
#include "value/pickle_format.h"

_Thread_local bool travelling;

enum { BUFFER_LEAST = 16 << 10 };

static PyObject *pickler, *loads, *copyreg_table, *extra_reducers, *complete_reducers, *array_reducers, *keyword_names,
    *table_name, *dump_name, *buffers_name;

/* --- writing --- */

/* What the pickler writes to: keeps the pieces, so that large bytes are not copied before they are in the arena. */
typedef struct {
    PyObject_HEAD PyObject *chunks, *buffers;
    size_t size;
} Sink;

static PyObject *sink_write(PyObject *object, PyObject *piece) {
    Sink *self = (Sink *)object;
    PyObject *bytes = PyBytes_CheckExact(piece) ? new_reference(piece) : PyBytes_FromObject(piece);
    if (!bytes) return NULL;
    int failed = PyList_Append(self->chunks, bytes);
    self->size += (size_t)PyBytes_GET_SIZE(bytes);
    Py_DECREF(bytes);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

/* The pickler's buffer_callback: true keeps the buffer in the pickle. */
static PyObject *sink_buffer(PyObject *object, PyObject *buffer) {
    Sink *self = (Sink *)object;
    const Py_buffer *view = PyPickleBuffer_GetBuffer(buffer);
    if (!view) return NULL;
    if (view->len < BUFFER_LEAST || !PyBuffer_IsContiguous(view, 'A')) Py_RETURN_TRUE;
    if (!self->buffers && !(self->buffers = PyList_New(0))) return NULL;
    PyObject *own = PyMemoryView_FromObject(buffer); /* not released before it is written */
    int failed = own ? PyList_Append(self->buffers, own) : -1;
    Py_XDECREF(own);
    if (failed) return NULL;
    Py_RETURN_FALSE;
}

static void sink_dealloc(PyObject *object) {
    Sink *self = (Sink *)object;
    Py_XDECREF(self->chunks);
    Py_XDECREF(self->buffers);
    PyObject_Free(self);
}

static PyMethodDef sink_methods[] = {{"write", sink_write, METH_O, NULL}, {"buffer", sink_buffer, METH_O, NULL}, {0}};
static PyTypeObject Sink_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core._Sink",
                                 .tp_basicsize = sizeof(Sink), .tp_flags = Py_TPFLAGS_DEFAULT,
                                 .tp_dealloc = sink_dealloc, .tp_methods = sink_methods};

/* prong._impl.pickling gives us the tables: it is imported for the first message that needs them. */
static int codec_need_tables(void) {
    PyObject *done = NULL;
    if (!copyreg_table)
        done = PyImport_ImportModule("prong._impl.pickling");
    else if (complete_reducers)
        done = PyObject_CallNoArgs(complete_reducers);
    else
        return 0;
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* NULL: NumPy is not used here. Whatever else goes by its name has none. */
static PyObject *codec_array_reducers(void) {
    if (array_reducers || !PyDict_GetItemString(PyImport_GetModuleDict(), "numpy")) return array_reducers;
    PyObject *arrays = PyImport_ImportModule("prong._impl.arrays");
    if (arrays) array_reducers = PyObject_GetAttrString(arrays, "reducers");
    Py_XDECREF(arrays);
    if (!array_reducers) {
        PyErr_Clear();
        array_reducers = PyDict_New();
    }
    return array_reducers;
}

/* A program may have registered others for the types of arrays. A new reference. */
static PyObject *codec_table(bool family) {
    PyObject *arrays = family ? codec_array_reducers() : NULL, *table = arrays ? PyDict_Copy(arrays) : PyDict_New();
    if (table && (PyDict_Update(table, copyreg_table) || PyDict_Update(table, extra_reducers))) Py_CLEAR(table);
    return table;
}

/* The tables may grow at any time by a register(), so they are joined for each message; they are small. */
static PyObject *codec_new_pickler(Sink *sink, bool family) {
    PyObject *callback = PyObject_GetAttrString((PyObject *)sink, "buffer"), *made = NULL;
    PyObject *table = codec_table(family), *five = PyLong_FromLong(PRONG_PICKLE_PROTOCOL);
    PyObject *arguments[] = {(PyObject *)sink, five, callback};
    if (callback && table && five)
        made = PyObject_Vectorcall(family ? travel_pickler : pickler, arguments, family ? 2 : 1,
                                   family ? keyword_names : NULL);
    if (made && PyObject_SetAttr(made, table_name, table)) Py_CLEAR(made);
    Py_XDECREF(callback);
    Py_XDECREF(table);
    Py_XDECREF(five);
    return made;
}

static int codec_dump(Sink *sink, PyObject *object, bool family) {
    PyObject *made = codec_new_pickler(sink, family);
    PyObject *result = made ? PyObject_CallMethodObjArgs(made, dump_name, object, NULL) : NULL;
    Py_XDECREF(made);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* After codec_dump has failed for something that can go by value. */
static int codec_dump_by_value(Sink *sink, PyObject *object, bool family) {
    PyObject *callback = family ? PyObject_GetAttrString((PyObject *)sink, "buffer") : new_reference(Py_None);
    int failed = callback ? travel_dump((PyObject *)sink, object, extra_reducers, callback) : -1;
    Py_XDECREF(callback);
    return failed;
}

/* family: for a member of it, with buffers beside the pickle, and handles in it. */
static int encode_with(int dump(Sink *, PyObject *, bool), PyObject *object, struct encoded *encoded, bool family) {
    Sink *sink = PyObject_New(Sink, &Sink_type);
    if (!sink) return -1;
    sink->size = 0;
    sink->buffers = NULL;
    sink->chunks = PyList_New(0);
    bool before = travelling;
    PyObject *begun = posts_begin(), *shares = shares_begin();
    travelling = family;
    int failed = sink->chunks ? dump(sink, object, family) : -1;
    travelling = before;
    encoded->posts = posts_end(begun);
    encoded->shares = shares_end(shares);
    if (failed) encoded_unsent(encoded);
    if (failed) encoded_clear(encoded);
    if (!failed) {
        encoded->chunks = new_reference(sink->chunks);
        Py_XINCREF(sink->buffers);
        encoded->buffers = sink->buffers;
        encoded->size = encoded->pickle_size = sink->size;
        if (encoded->buffers) encoded->size = joined_size(encoded);
    }
    Py_DECREF(sink);
    return failed;
}

static int encode_by_pickle(PyObject *object, struct encoded *encoded, bool family) {
    if (codec_need_tables()) return -1;
    int failed = encode_with(codec_dump, object, encoded, family);
    if (!failed || !family || !travel_may_help()) return failed;
    encoded->by_value = true;
    return encode_with(codec_dump_by_value, object, encoded, family);
}

static void encoded_begin(struct encoded *encoded) {
    encoded->chunks = encoded->buffers = encoded->shared = encoded->posts = encoded->shares = NULL;
    encoded->by_value = false;
}

bool encode_if_numbers(PyObject *const *items, Py_ssize_t count, struct encoded *encoded) {
    encoded_begin(encoded);
    if (count < NUMBERS_LEAST) return false;
    if (encode_numbers(items, count, encoded) == 0) return true;
    PyErr_Clear(); /* something else is in it */
    return false;
}

static int encode_for(PyObject *object, struct encoded *encoded, bool family) {
    encoded_begin(encoded);
    if (encode_plain(object, encoded, family)) return 0;
    if (PyList_CheckExact(object) && encode_if_numbers(PySequence_Fast_ITEMS(object), PyList_GET_SIZE(object), encoded))
        return 0;
    return encode_by_pickle(object, encoded, family);
}

int encode(PyObject *object, struct encoded *encoded) {
    return encode_for(object, encoded, true);
}

int encode_for_strangers(PyObject *object, struct encoded *encoded) {
    return encode_for(object, encoded, false);
}

void encoded_write_chunks(const struct encoded *encoded, char *to) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(encoded->chunks); i++) {
        PyObject *chunk = PyList_GET_ITEM(encoded->chunks, i);
        memcpy(to, PyBytes_AS_STRING(chunk), (size_t)PyBytes_GET_SIZE(chunk));
        to += PyBytes_GET_SIZE(chunk);
    }
}

void encoded_write(const struct encoded *encoded, void *to) {
    if (encoded->buffers)
        joined_write(encoded, to);
    else if (encoded->chunks)
        encoded_write_chunks(encoded, to);
    else
        memcpy(to, encoded->small, encoded->size);
}

void encoded_clear(struct encoded *encoded) {
    if (encoded->shares) shares_travel(encoded->shares);
    Py_CLEAR(encoded->chunks);
    Py_CLEAR(encoded->buffers);
    Py_CLEAR(encoded->shared);
    Py_CLEAR(encoded->posts);
    Py_CLEAR(encoded->shares);
}

void encoded_unsent(struct encoded *encoded) {
    if (encoded->posts) posts_undo(encoded->posts);
    Py_CLEAR(encoded->posts);
}

/* --- reading --- */

PyObject *pickle_load(PyObject *view, PyObject *buffers) {
    PyObject *arguments[] = {view, buffers};
    return PyObject_Vectorcall(loads, arguments, 1, buffers ? buffers_name : NULL);
}

PyObject *decode_pickle(const void *data, size_t size) {
    PyObject *object = NULL;
    if (size < SMALL)
        object = decode_plain(data, size);
    else
        object = decode_numbers(data, size);
    if (object) return object;
    PyObject *view = PyMemoryView_FromMemory((char *)(uintptr_t)data, (Py_ssize_t)size, PyBUF_READ);
    object = view ? pickle_load(view, NULL) : NULL;
    Py_XDECREF(view);
    return object;
}

PyObject *decode(const void *data, size_t size, prong_message *message) {
    PyObject *object = is_joined(data, size) ? joined_load(data, size, message) : decode_pickle(data, size);
    if (message && message->block) prong_message_release(message);
    return object;
}

/* --- setting up --- */

/* (copyreg's table, further reducers, what to call before they are used or None) */
int codec_set_reducers(PyObject *arguments) {
    PyObject *table, *reducers, *complete;
    if (!PyArg_ParseTuple(arguments, "O!O!O", &PyDict_Type, &table, &PyDict_Type, &reducers, &complete)) return -1;
    Py_XSETREF(copyreg_table, new_reference(table));
    Py_XSETREF(extra_reducers, new_reference(reducers));
    Py_XSETREF(complete_reducers, complete == Py_None ? NULL : new_reference(complete));
    return 0;
}

int codec_init(void) {
    PyObject *pickle = PyImport_ImportModule("_pickle");
    if (!pickle) return -1;
    pickler = PyObject_GetAttrString(pickle, "Pickler");
    loads = PyObject_GetAttrString(pickle, "loads");
    Py_DECREF(pickle);
    keyword_names = Py_BuildValue("(s)", "buffer_callback");
    buffers_name = Py_BuildValue("(s)", "buffers");
    table_name = PyUnicode_InternFromString("dispatch_table");
    dump_name = PyUnicode_InternFromString("dump");
    if (!pickler || travel_init(pickler)) return -1;
    if (PyType_Ready(&Sink_type) || PyType_Ready(&Lent_type)) return -1;
    return loads && keyword_names && buffers_name && table_name && dump_name ? 0 : -1;
}
