/* A pool whose workers have no Python: they run functions of C libraries, by name. */
#include "pool.h"

/* Reads what an initializer is called with, by way of its pickle. */
static int read_initargs(prong_document *document, PyObject *initargs, prong_value *value) {
    struct encoded encoded;
    if (encode(initargs, &encoded)) return -1;
    char *pickle = PyMem_Malloc(encoded.size);
    prong_status status = PRONG_OK;
    if (pickle) {
        encoded_write(&encoded, pickle);
        status =
            prong_pickle_loads(document, pickle, encoded.size, value, &(prong_unpickle_options){.any_class = true});
    }
    if (status < 0) raise_status(status);
    if (!pickle) PyErr_NoMemory();
    encoded_clear(&encoded);
    PyMem_Free(pickle);
    return PyErr_Occurred() ? -1 : 0;
}

/* NativePool(processes, name, maxtasksperchild, program, initializer or None, initargs, around or None): program is a path as bytes */
static int native_pool_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    PoolObject *self = (PoolObject *)object;
    prong_pool_options options = {0};
    Py_ssize_t maxtasks;
    char *program[] = {NULL, NULL};
    PyObject *initargs, *given;
    struct around_options around;
    prong_document *document;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "IsnyzO!O", &options.processes, &options.name, &maxtasks, &program[0],
                          &options.initializer_name, &PyTuple_Type, &initargs, &given))
        return -1;
    if (around_read(&around, given)) return -1;
    around_set(&around, &options);
    options.maxtasksperchild = (size_t)maxtasks;
    options.program = program;
    self->by_name = true;
    prong_status status = prong_document_open(&document, NULL);
    if (status < 0) raise_status(status);
    int bad =
        status < 0 || read_initargs(document, initargs, &options.initializer_arguments) || pool_made(self, &options);
    if (status >= 0) prong_document_close(document);
    around_clear(&around);
    return bad ? -1 : 0;
}

/* Two buffers of as many elements each. */
struct arrays {
    Py_buffer in, out;
    size_t count;
};

static int take_arrays(struct arrays *arrays, PyObject *in, PyObject *out) {
    if (PyObject_GetBuffer(in, &arrays->in, PyBUF_ND)) return -1;
    if (PyObject_GetBuffer(out, &arrays->out, PyBUF_ND | PyBUF_WRITABLE)) {
        PyBuffer_Release(&arrays->in);
        return -1;
    }
    Py_ssize_t in_count = arrays->in.len / arrays->in.itemsize, out_count = arrays->out.len / arrays->out.itemsize;
    arrays->count = (size_t)in_count;
    if (in_count == out_count) return 0;
    PyErr_Format(PyExc_ValueError, "map_into: %zd elements go in, and there is room for %zd", in_count, out_count);
    PyBuffer_Release(&arrays->in);
    PyBuffer_Release(&arrays->out);
    return -1;
}

/* map_into(name, in, out, chunk size or 0, time limit or None, retries, priority, room timeout) -> None, or (status, message) */
static PyObject *native_pool_map_into(PyObject *object, PyObject *arguments) {
    PoolObject *self = (PoolObject *)object;
    const char *name;
    PyObject *in, *out, *limit, *room;
    unsigned priority;
    Py_ssize_t chunk;
    prong_task_options options = {0};
    struct arrays arrays;
    prong_status status;
    if (!PyArg_ParseTuple(arguments, "sOOnOIIO", &name, &in, &out, &chunk, &limit, &options.retries, &priority,
                          &room) ||
        parse_room_timeout(room, &options.room_timeout) || parse_limit(limit, &options.time_limit) ||
        take_arrays(&arrays, in, out))
        return NULL;
    options.chunk_size = (size_t)chunk;
    options.priority = priority;
    prong_work work = {.name = name,
                       .form = PRONG_FORM_RANGE,
                       .in = arrays.in.buf,
                       .in_size = (size_t)arrays.in.itemsize,
                       .count = arrays.count,
                       .out = arrays.out.buf,
                       .out_size = (size_t)arrays.out.itemsize};
    counts[COUNT_POOL]++;
    WAITING(prong_pool_run(self->pool, &work, &options, PRONG_FOREVER));
    PyBuffer_Release(&arrays.in);
    PyBuffer_Release(&arrays.out);
    if (PyErr_Occurred()) return NULL;
    if (status >= 0) Py_RETURN_NONE;
    return Py_BuildValue("(iN)", (int)status, error_message());
}

/* everywhere(name, arguments, timeout) -> None, or (status, message) */
static PyObject *native_pool_everywhere(PyObject *object, PyObject *arguments) {
    PyObject *values, *timeout;
    prong_everywhere what = {0};
    prong_document *document;
    prong_time span;
    if (!PyArg_ParseTuple(arguments, "sO!O", &what.name, &PyTuple_Type, &values, &timeout) ||
        parse_timeout(timeout, &span))
        return NULL;
    prong_status status = prong_document_open(&document, NULL);
    if (status < 0) return raise_status(status);
    int bad = read_initargs(document, values, &what.values);
    if (!bad) WAITING(prong_pool_everywhere(((PoolObject *)object)->pool, &what, span));
    prong_document_close(document);
    return bad ? NULL : everywhere_answer(status);
}

static PyMethodDef native_pool_methods[] = {
    {"everywhere", native_pool_everywhere, METH_VARARGS,
     DOC("everywhere($self, name, arguments, timeout, /)",
         "Calls a C function once in each worker, those that come later as well: None, or (status, message).")},
    {"map_into", native_pool_map_into, METH_VARARGS,
     DOC("map_into($self, name, source, out, chunksize, timeout, retries, priority, room_timeout, /)",
         "Fills out from source by a C function: None, or (status, message) of what failed.")},
    {0}};
static PyTypeObject NativePool_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.NativePool",
    .tp_doc = DOC("NativePool(processes, name, maxtasksperchild, program, initializer, initargs, around, /)",
                  "A pool whose workers are a program without Python, and run C functions by name."),
    .tp_base = &Pool_type,
    .tp_basicsize = sizeof(PoolObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_init = native_pool_init,
    .tp_methods = native_pool_methods};

int add_native_pool(PyObject *module) {
    return add_type(module, "NativePool", &NativePool_type);
}
