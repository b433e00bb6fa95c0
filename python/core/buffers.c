/* A pickle with its buffers beside it in one message (see value/pickle_format.h): what is large (protocol 5) is copied
 * once, into the arena, and the receiver's objects use it in place. A buffer of several tasks is in a share of its own. */
#include "codec.h"
#include "family/arena.h"
#include "value/pickle_format.h"

enum { ALIGNMENT = 64 };

/* --- writing --- */

static size_t joined_aligned(size_t offset) {
    return (offset + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static const Py_buffer *joined_buffer(const struct encoded *encoded, size_t index) {
    return PyMemoryView_GET_BUFFER(PyList_GET_ITEM(encoded->buffers, (Py_ssize_t)index));
}

/* The share that the buffer is in; NULL: it is in the message. */
static PyObject *joined_share(const struct encoded *encoded, size_t index) {
    PyObject *share = encoded->shared ? PyList_GET_ITEM(encoded->shared, (Py_ssize_t)index) : Py_None;
    return share == Py_None ? NULL : share;
}

size_t joined_size(const struct encoded *encoded) {
    size_t count = (size_t)PyList_GET_SIZE(encoded->buffers);
    size_t at = joined_pickle_at(count) + encoded->pickle_size;
    for (size_t i = 0; i < count; i++)
        if (!joined_share(encoded, i)) at = joined_aligned(at) + (size_t)joined_buffer(encoded, i)->len;
    return at;
}

static struct joined_place joined_place_of_share(PyObject *share) {
    struct handle handle = share_handle_of(share);
    return (struct joined_place){handle.offset | JOINED_SHARED, handle.generation};
}

void joined_write(const struct encoded *encoded, char *to) {
    struct joined_header *header = (struct joined_header *)(void *)to;
    size_t count = (size_t)PyList_GET_SIZE(encoded->buffers);
    size_t at = joined_pickle_at(count);
    memcpy(header->magic, PICKLE_JOINED_MAGIC, sizeof header->magic);
    header->pickle_size = encoded->pickle_size;
    header->buffer_count = count;
    encoded_write_chunks(encoded, to + at);
    at += encoded->pickle_size;
    for (size_t i = 0; i < count; i++) {
        const Py_buffer *view = joined_buffer(encoded, i);
        PyObject *share = joined_share(encoded, i);
        if (share) {
            header->places[i] = joined_place_of_share(share);
            continue;
        }
        at = joined_aligned(at);
        header->places[i] = (struct joined_place){at, (uint64_t)view->len};
        memcpy(to + at, view->buf, (size_t)view->len);
        at += (size_t)view->len;
    }
}

/* --- memory that is lent --- */

/* A message, or a share, that objects still use. They may be written to unless they are to be read only, and are this process's own
 * as any others are: a child that it forks writes to a copy, and so does this process, whose view of the memory is copied page by
 * page as it is written to. */
typedef struct {
    PyObject_HEAD struct handle handle;
    destroy_function *give_back;
    void *view;
    size_t size;
    bool readonly;
} Lent;

static int lent_buffer(PyObject *object, Py_buffer *view, int flags) {
    Lent *self = (Lent *)object;
    return PyBuffer_FillInfo(view, object, self->view, (Py_ssize_t)self->size, self->readonly, flags);
}

/* A child forked meanwhile may look into it too. */
static void lent_dealloc(PyObject *object) {
    Lent *self = (Lent *)object;
    arena_end_view(self->view, self->size);
    handle_drop(&self->handle, self->give_back);
    PyObject_Free(self);
}

static PyBufferProcs lent_buffer_procs = {lent_buffer, NULL};
PyTypeObject Lent_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Message",
                          .tp_doc = PyDoc_STR("A message or a share, which arrays use in place."),
                          .tp_basicsize = sizeof(Lent),
                          .tp_flags = Py_TPFLAGS_DEFAULT,
                          .tp_dealloc = lent_dealloc,
                          .tp_as_buffer = &lent_buffer_procs};

PyObject *lent_make(const void *data, size_t size, uint64_t offset, uint64_t generation, destroy_function *give_back,
                    bool readonly) {
    void *view = arena_view(prong_memory_offset(data), size);
    Lent *self = view ? PyObject_New(Lent, &Lent_type) : NULL;
    if (!self) {
        if (view) arena_end_view(view, size);
        PyErr_Clear();
        return NULL;
    }
    self->handle = (struct handle){.offset = offset, .generation = generation};
    handle_made(&self->handle);
    self->give_back = give_back;
    self->view = view;
    self->size = size;
    self->readonly = readonly;
    return (PyObject *)self;
}

bool lent_is_unwritten(PyObject *lent) {
    return arena_view_is_unwritten(((Lent *)lent)->view, ((Lent *)lent)->size);
}

static prong_status message_give_back(uint64_t block, uint64_t unused) {
    prong_message message = {.data = prong_memory_at(block), .block = block};
    (void)unused;
    return prong_message_release(&message);
}

/* NULL without an exception: it is to be copied. */
static PyObject *buffer_lend(prong_message *message) {
    if (message->size < VIEW_LEAST) return NULL;
    PyObject *lent = lent_make(message->data, message->size, message->block, 1, message_give_back, false);
    if (lent) *message = (prong_message){0};
    return lent;
}

/* --- reading --- */

static PyObject *joined_slice(PyObject *whole, uint64_t offset, uint64_t size) {
    PyObject *view = PyMemoryView_FromObject(whole);
    PyObject *part = view ? PySequence_GetSlice(view, (Py_ssize_t)offset, (Py_ssize_t)(offset + size)) : NULL;
    Py_XDECREF(view);
    return part;
}

/* NULL: it is outside, or an exception is set. */
static PyObject *joined_view(const void *data, size_t size, uint64_t index, PyObject *whole) {
    struct joined_place place;
    if (joined_read_place(data, size, index, &place)) return joined_slice(whole, place.at, place.size);
    if (!(place.at & JOINED_SHARED)) return NULL;
    PyObject *memory = kept_memory((prong_share){place.at & ~JOINED_SHARED, place.size});
    PyObject *view = memory ? PyMemoryView_FromObject(memory) : NULL;
    Py_XDECREF(memory);
    return view;
}

/* The buffers as a list; NULL as above. */
static PyObject *joined_views(const void *data, size_t size, uint64_t count, PyObject *whole) {
    PyObject *buffers = PyList_New(0);
    for (uint64_t i = 0; buffers && i < count; i++) {
        PyObject *part = joined_view(data, size, i, whole);
        if (!part || PyList_Append(buffers, part)) Py_CLEAR(buffers);
        Py_XDECREF(part);
    }
    return buffers;
}

static PyObject *joined_cut_short(void) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a message with buffers is cut short");
    return NULL;
}

static PyObject *joined_load_from(const struct joined_header *header, const void *data, size_t size, PyObject *whole) {
    PyObject *buffers = joined_views(data, size, header->buffer_count, whole);
    PyObject *pickle =
        buffers ? joined_slice(whole, joined_pickle_at(header->buffer_count), header->pickle_size) : NULL;
    PyObject *object = pickle ? pickle_load(pickle, buffers) : joined_cut_short();
    Py_XDECREF(buffers);
    Py_XDECREF(pickle);
    return object;
}

PyObject *joined_load_in(const void *data, size_t size, PyObject *whole) {
    struct joined_header header;
    if (joined_read_header(data, size, &header)) return joined_cut_short();
    return joined_load_from(&header, data, size, whole);
}

PyObject *joined_load(const void *data, size_t size, prong_message *message) {
    PyObject *whole = message ? buffer_lend(message) : NULL;
    if (!whole) whole = PyByteArray_FromStringAndSize(data, (Py_ssize_t)size);
    PyObject *object = whole ? joined_load_in(data, size, whole) : NULL;
    Py_XDECREF(whole);
    return object;
}
