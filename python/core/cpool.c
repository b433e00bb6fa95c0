/* A pool whose workers have no Python: they run functions of C libraries, by name. */
#include "pool.h"

#include <stdlib.h>

/* CPool(processes, name, maxtasksperchild, program, initializer or None, initargs): program is a list of bytes */
static int cpool_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    PoolObject *self = (PoolObject *)object;
    unsigned processes;
    Py_ssize_t maxtasks;
    const char *name, *initializer;
    PyObject *program, *initargs;
    struct encoded encoded;
    prong_document *document = NULL;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "IsnO!zO!", &processes, &name, &maxtasks, &PyList_Type, &program, &initializer,
                          &PyTuple_Type, &initargs) ||
        encode(initargs, &encoded))
        return -1;
    char *pickle = PyMem_Malloc(encoded.size), **copy = copy_strings(program);
    if (pickle) encoded_write(&encoded, pickle);
    prong_pool_options options = {.processes = processes,
                                  .name = name,
                                  .maxtasksperchild = (size_t)maxtasks,
                                  .program = copy,
                                  .initializer_name = initializer};
    self->by_name = true;
    int bad = -1;
    prong_status status = prong_document_open(&document, NULL);
    if (!status && pickle)
        status = prong_pickle_loads(document, pickle, encoded.size, &options.initializer_arguments,
                                    &(prong_unpickle_options){.any_class = true});
    if (status)
        raise_status(status);
    else if (!pickle || !copy)
        PyErr_NoMemory();
    else
        bad = pool_made(self, &options);
    prong_document_close(document);
    encoded_clear(&encoded);
    PyMem_Free(pickle);
    for (char **at = copy; at && *at; at++) free(*at);
    free(copy);
    return bad;
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

/* map_into(name, in, out, chunk size or 0, time limit or None, retries) -> None, or (status, message) */
static PyObject *cpool_map_into(PyObject *object, PyObject *arguments) {
    PoolObject *self = (PoolObject *)object;
    const char *name;
    PyObject *in, *out, *limit;
    Py_ssize_t chunk;
    unsigned retries;
    prong_time span;
    struct arrays arrays;
    prong_status status;
    if (!PyArg_ParseTuple(arguments, "sOOnOI", &name, &in, &out, &chunk, &limit, &retries) ||
        parse_timeout(limit, &span) || take_arrays(&arrays, in, out))
        return NULL;
    prong_task_options options = {.task_name = name,
                                  .chunk_size = (size_t)chunk,
                                  .retries = retries,
                                  .time_limit = span == PRONG_FOREVER ? 0
                                                : span > 0            ? span
                                                                      : 1};
    counts[COUNT_POOL]++;
    WAITING(prong_pool_map_range(self->pool, NULL, arrays.in.buf, arrays.count, (size_t)arrays.in.itemsize,
                                 arrays.out.buf, (size_t)arrays.out.itemsize, &options, PRONG_FOREVER));
    PyBuffer_Release(&arrays.in);
    PyBuffer_Release(&arrays.out);
    if (PyErr_Occurred()) return NULL;
    if (!status) Py_RETURN_NONE;
    return Py_BuildValue("(is)", (int)status, prong_error_message());
}

static PyMethodDef methods[] = {{"map_into", cpool_map_into, METH_VARARGS, NULL}, {0}};
static PyTypeObject CPool_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.CPool",
                                  .tp_base = &Pool_type,
                                  .tp_basicsize = sizeof(PoolObject),
                                  .tp_flags = Py_TPFLAGS_DEFAULT,
                                  .tp_init = cpool_init,
                                  .tp_methods = methods};

int add_cpool(PyObject *module) {
    return add_type(module, "CPool", &CPool_type);
}
