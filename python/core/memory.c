/* Block: memory that all members of the family see, for Value and Array. */
#include "core.h"

typedef struct {
    PyObject_HEAD struct handle handle; /* generation: 1 */
    void *data;
    Py_ssize_t size;
} Block;

static prong_status free_block(uint64_t offset, uint64_t generation) {
    (void)generation;
    return prong_memory_free(prong_memory_at(offset));
}

/* Block(size), of zeros; Block(size, offset): one made elsewhere */
static int block_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"size", "offset", NULL};
    Block *self = (Block *)object;
    Py_ssize_t size;
    unsigned long long offset = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "n|K", names, &size, &offset)) return -1;
    if (size < 0) {
        PyErr_Format(PyExc_ValueError, "Size %zd out of range", size);
        return -1;
    }
    self->size = size;
    if (offset) {
        self->data = prong_memory_at(offset);
        self->handle = (struct handle){.offset = offset, .generation = 1};
        if (self->data) return 0;
        PyErr_SetString(PyExc_ValueError, "the memory is of another family");
        return -1;
    }
    prong_status status = prong_memory_alloc(size ? (size_t)size : 1, &self->data);
    if (status < 0) {
        raise_status(status);
        return -1;
    }
    memset(self->data, 0, (size_t)size);
    self->handle = (struct handle){.offset = prong_memory_offset(self->data), .generation = 1};
    handle_made(&self->handle);
    counts[COUNT_MEMORY]++;
    return 0;
}

static void block_dealloc(PyObject *object) {
    handle_drop(&((Block *)object)->handle, free_block);
    Py_TYPE(object)->tp_free(object);
}

static int block_buffer(PyObject *object, Py_buffer *view, int flags) {
    Block *self = (Block *)object;
    return PyBuffer_FillInfo(view, object, self->data, self->size, 0, flags);
}

static PyObject *block_place(PyObject *object, PyObject *unused) {
    Block *self = (Block *)object;
    (void)unused;
    self->handle.travelled = true;
    return Py_BuildValue("(nK)", self->size, (unsigned long long)self->handle.offset);
}

static PyBufferProcs block_buffer_procs = {block_buffer, NULL};
static PyMethodDef block_methods[] = {
    {"_place", block_place, METH_NOARGS,
     DOC("_place($self, /)", "(size, offset): what another process of the family makes the same block from.")},
    {0}};
static PyTypeObject Block_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Block",
    .tp_doc = DOC("Block(size, offset=0)", "Memory that all processes of the family see: a buffer of so many bytes."),
    .tp_basicsize = sizeof(Block),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = block_init,
    .tp_dealloc = block_dealloc,
    .tp_as_buffer = &block_buffer_procs,
    .tp_methods = block_methods};

int add_memory(PyObject *module) {
    return add_type(module, "Block", &Block_type);
}
