/* What goes around the tasks of workers: a pool's options, as Python gives them. */
#include "pool.h"

#include "pool/threads.h"

/* The texts of a list, which has them, up to a NULL. */
static const char **texts_read(PyObject *list) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    const char **texts = PyMem_Calloc((size_t)count + 1, sizeof *texts);
    if (!texts) PyErr_NoMemory();
    for (Py_ssize_t i = 0; texts && i < count; i++) {
        texts[i] = PyUnicode_AsUTF8(PyList_GET_ITEM(list, i));
        if (texts[i]) continue;
        PyMem_Free(texts);
        return NULL;
    }
    return texts;
}

static int around_read_exit(struct around_options *around, PyObject *exit) {
    if (exit == Py_None) return 0;
    if (exit == Py_True) {
        around->options.exit = worker_exit_target;
        return 0;
    }
    around->options.exit_name = PyUnicode_AsUTF8(exit);
    return around->options.exit_name ? 0 : -1;
}

int around_read(struct around_options *around, PyObject *tuple) {
    PyObject *cpus, *exit, *limit, *idle;
    *around = (struct around_options){0};
    if (tuple == Py_None) return 0;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "what goes around tasks is a tuple or None");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, "IOOOKOKKK", &around->options.threads, &cpus, &exit, &limit, &around->most, &idle,
                          &around->soft, &around->hard, &around->maxbytes) ||
        parse_limit(limit, &around->options.exit_time_limit) || parse_limit(idle, &around->idle_time) ||
        around_read_exit(around, exit))
        return -1;
    if (PyList_Check(cpus) && !(around->cpus = texts_read(cpus))) return -1;
    around->options.cpus = around->cpus;
    return 0;
}

void around_set(const struct around_options *around, prong_pool_options *options) {
    options->worker = &around->options;
    options->processes_most = around->most;
    options->idle_time = around->idle_time;
    options->memory_soft = around->soft;
    options->memory_hard = around->hard;
    options->maxbytes = around->maxbytes;
}

void around_clear(struct around_options *around) {
    PyMem_Free(around->cpus);
}

/* --- how many --- */

PyObject *pool_resize(PyObject *object, PyObject *processes) {
    prong_status status;
    size_t count = PyLong_AsSize_t(processes);
    if (PyErr_Occurred()) return NULL;
    WAITING(prong_pool_resize(((PoolObject *)object)->pool, count));
    return PyErr_Occurred() ? NULL : none_or_raise(status);
}

PyObject *pool_replace_workers(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status;
    if (parse_timeout(timeout, &span)) return NULL;
    WAITING(prong_pool_replace_workers(((PoolObject *)object)->pool, span));
    return true_in_time(status);
}

/* --- everywhere --- */

PyObject *everywhere_answer(prong_status status) {
    bool told = status == PRONG_TASK_FAILED || status == PRONG_TIMEOUT || status == PRONG_NOT_RUNNING;
    if (PyErr_Occurred()) return NULL;
    if (status >= 0) Py_RETURN_NONE;
    return told ? Py_BuildValue("(iN)", (int)status, error_message()) : raise_status(status);
}

PyObject *pool_everywhere(PyObject *object, PyObject *arguments) {
    PyObject *function, *timeout;
    prong_time span;
    struct encoded encoded;
    prong_status status;
    if (!PyArg_ParseTuple(arguments, "OO", &function, &timeout) || parse_timeout(timeout, &span) ||
        encode(function, &encoded))
        return NULL;
    char *bytes = PyMem_Malloc(encoded.size);
    if (bytes) {
        prong_everywhere what = {.target = worker_everywhere_target, .argument = bytes, .argument_size = encoded.size};
        encoded_write(&encoded, bytes);
        WAITING(prong_pool_everywhere(((PoolObject *)object)->pool, &what, span));
    }
    encoded_clear(&encoded);
    if (!bytes) return PyErr_NoMemory();
    PyMem_Free(bytes);
    return everywhere_answer(status);
}

/* --- what Python asks --- */

static PyObject *thread_variables_list(PyObject *module, PyObject *unused) {
    PyObject *list = PyList_New(0);
    (void)module;
    (void)unused;
    for (size_t i = 0; list && i < THREAD_VARIABLES; i++) {
        PyObject *name = PyUnicode_FromString(thread_variables[i]);
        if (!name || PyList_Append(list, name)) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static PyObject *worker_place(PyObject *module, PyObject *unused) {
    int place = prong_worker_place();
    (void)module;
    (void)unused;
    if (place < 0) Py_RETURN_NONE;
    return PyLong_FromLong(place);
}

static PyObject *seed_of(PyObject *module, PyObject *arguments) {
    unsigned long long seed, index;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "KK", &seed, &index)) return NULL;
    return PyLong_FromUnsignedLongLong(prong_seed(seed, index));
}

static PyMethodDef around_functions[] = {
    {"worker_place", worker_place, METH_NOARGS,
     DOC("worker_place($module, /)",
         "In a pool's worker: its place in the pool, 0 to processes - 1, which the next worker has when this one is\n"
         "replaced. None elsewhere.")},
    {"_thread_variables", thread_variables_list, METH_NOARGS,
     DOC("_thread_variables($module, /)", "The names of the variables that say how many threads libraries start.")},
    {"_seed", seed_of, METH_VARARGS,
     DOC("_seed($module, seed, index, /)",
         "The seed of the task of that number under a seed: prong_seed of the C library.")},
    {0}};

int add_around(PyObject *module) {
    return PyModule_AddFunctions(module, around_functions);
}
