/* In a pool's worker: tasks, as the pool's process has submitted them or as a C program names them. */
#include "pool.h"

#include <stdlib.h>

static PyObject *describe;       /* of prong.pool: an exception as bytes, never fails */
static PyObject *named_run;      /* of prong.worker: calls by name; as a target, too */
static PyObject *named_describe; /* of prong.worker: an exception as text */

static PyThreadState *worker_state;
static struct {
    char *bytes;
    size_t size;
    PyObject *function;
} known; /* the function of the task before */

bool function_is_constant(PyObject *function) {
    return PyFunction_Check(function) || PyCFunction_Check(function) || PyType_Check(function);
}

/* A function that is pickled by its name is the same each time; anything else is made anew for each task, as what one call
 * leaves in it is not for the next. */
static PyObject *function_of(const char *bytes, size_t size) {
    if (known.function && known.size == size && memcmp(known.bytes, bytes, size) == 0)
        return new_reference(known.function);
    PyObject *function = decode(bytes, size, NULL);
    if (!function || !function_is_constant(function)) return function;
    char *copy = malloc(size);
    if (!copy) return function;
    memcpy(copy, bytes, size);
    free(known.bytes);
    known.bytes = copy;
    known.size = size;
    Py_XSETREF(known.function, new_reference(function));
    return function;
}

static PyObject *call_star(PyObject *function, PyObject *item) {
    PyObject *arguments = PySequence_Tuple(item), *result = NULL;
    if (arguments) result = PyObject_Call(function, arguments, NULL);
    Py_XDECREF(arguments);
    return result;
}

static PyObject *call_each(PyObject *function, PyObject *items, bool star) {
    PyObject *fast = PySequence_Fast(items, "a chunk is a sequence"), *results = NULL;
    Py_ssize_t count = fast ? PySequence_Fast_GET_SIZE(fast) : 0;
    if (fast) results = PyList_New(count);
    for (Py_ssize_t i = 0; results && i < count; i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(fast, i);
        PyObject *result = star ? call_star(function, item) : PyObject_CallOneArg(function, item);
        if (result)
            PyList_SET_ITEM(results, i, result);
        else
            Py_CLEAR(results);
    }
    Py_XDECREF(fast);
    return results;
}

static PyObject *worker_call(enum form form, PyObject *function, PyObject *data) {
    switch (form) {
    case FORM_CALL: return PyObject_Call(function, PyTuple_GET_ITEM(data, 0), PyTuple_GET_ITEM(data, 1));
    case FORM_ITEM: return PyObject_CallOneArg(function, data);
    case FORM_STAR: return call_star(function, data);
    default: return call_each(function, data, form == FORM_STARMAP);
    }
}

static PyObject *worker_run_task(const void *argument, size_t size) {
    const struct task_head *task = argument;
    size_t data_at = (sizeof *task + task->function_size + 7) & ~(size_t)7;
    PyObject *result = NULL, *data = NULL,
             *function = function_of((const char *)argument + sizeof *task, task->function_size);
    if (function) data = decode((const char *)argument + data_at, size - data_at, NULL);
    if (data) result = worker_call((enum form)task->form, function, data);
    Py_XDECREF(data);
    Py_XDECREF(function);
    return result;
}

static int set_result(prong_result *result, const struct encoded *encoded) {
    void *place;
    prong_status status = prong_result_reserve(result, encoded->size, &place);
    if (status < 0) raise_status(status);
    if (status >= 0) encoded_write(encoded, place);
    return status < 0 ? -1 : 0;
}

/* The exception that is set, which is cleared, as its caller is to be told of it; NULL with another that is set. */
static PyObject *describe_exception(PyObject *describe_it, PyObject *value) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback && error) PyException_SetTraceback(error, traceback);
    PyObject *bytes = PyObject_CallFunctionObjArgs(describe_it, error ? error : Py_None, value ? value : Py_None,
                                                   value ? Py_True : Py_False, NULL);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return bytes;
}

/* The exception that is set, as the task's error. Returns the task's code. */
static int set_failure(prong_result *result, PyObject *describe_it, PyObject *value) {
    static const char text[] = "an exception that cannot be described";
    bool for_c = describe_it == named_describe; /* for a reader in C there is a text always, and it knows no codes */
    PyObject *bytes = describe_exception(describe_it, value);
    int code = bytes || PyErr_ExceptionMatches(PyExc_MemoryError) ? CODE_NO_MEMORY_TO_DESCRIBE : CODE_NOT_DESCRIBED;
    if (bytes && prong_result_set(result, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)) >= 0)
        code = CODE_DESCRIBED;
    else if (for_c)
        prong_result_set(result, text, sizeof text);
    PyErr_Clear();
    Py_XDECREF(bytes);
    return for_c ? CODE_DESCRIBED : code;
}

/* What a task returned, or the exception that is set, as described. Returns what the task does. */
static int worker_answer(PyObject *value, PyObject *describe_it, prong_result *result) {
    struct encoded encoded;
    bool good = value && encode(value, &encoded) == 0;
    if (good) {
        good = set_result(result, &encoded) == 0;
        encoded_clear(&encoded);
    }
    return good ? 0 : set_failure(result, describe_it, value);
}

bool worker_idle(bool give_back) {
    if (!give_back || !shares_kept()) return shares_kept();
    PyEval_RestoreThread(worker_state);
    shares_give_up();
    worker_state = PyEval_SaveThread();
    return false;
}

int worker_task(void *argument, size_t size, prong_result *result) {
    PyEval_RestoreThread(worker_state);
    shares_keep();
    PyObject *value = worker_run_task(argument, size);
    int code = worker_answer(value, describe, result);
    Py_XDECREF(value);
    shares_end_task();
    worker_state = PyEval_SaveThread();
    return code;
}

/* In a worker that a C program started, whose tasks go by name. */
int call_by_name(const char *name, const void *pickle, size_t size, prong_result *result) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *both = decode(pickle, size, NULL), *value = NULL;
    if (both) value = PyObject_CallFunction(named_run, "sOO", name, both, result ? Py_True : Py_False);
    int code = result ? worker_answer(value, named_describe, result) : value ? (int)PyLong_AsLong(value) : 1;
    if (PyErr_Occurred()) PyErr_WriteUnraisable(named_run);
    Py_XDECREF(value);
    Py_XDECREF(both);
    PyGILState_Release(state);
    return code;
}

int worker_target(void *argument, size_t size) {
    PyObject *setup = *(PyObject **)argument;
    int code = 1;
    inline_forget();
    if (setup) {
        PyObject *result = PyObject_CallNoArgs(setup);
        code = result && PyLong_Check(result) ? (int)PyLong_AsLong(result) : 1;
        if (!result) PyErr_WriteUnraisable(setup);
        Py_XDECREF(result);
    } else {
        code = call_in_child(worker_run, (char *)argument + sizeof setup, size - sizeof setup);
    }
    if (code == 0) worker_state = PyEval_SaveThread();
    return code;
}

static PyObject *exit_function; /* of this worker; it returns the exit code */

int worker_exit_target(void *argument, size_t size) {
    int code = 1;
    (void)argument;
    (void)size;
    PyEval_RestoreThread(worker_state);
    PyObject *result = exit_function ? PyObject_CallNoArgs(exit_function) : NULL;
    if (result && PyLong_Check(result)) code = (int)PyLong_AsLong(result);
    if (PyErr_Occurred()) PyErr_WriteUnraisable(exit_function);
    Py_XDECREF(result);
    worker_state = PyEval_SaveThread();
    return code;
}

int worker_everywhere_target(void *argument, size_t size) {
    int code = 1;
    PyEval_RestoreThread(worker_state);
    PyObject *function = decode(argument, size, NULL), *result = function ? PyObject_CallNoArgs(function) : NULL;
    if (result && PyLong_Check(result)) code = (int)PyLong_AsLong(result);
    if (PyErr_Occurred()) PyErr_WriteUnraisable(function);
    Py_XDECREF(result);
    Py_XDECREF(function);
    worker_state = PyEval_SaveThread();
    return code;
}

/* _serve(): in a worker's setup, which returns 0 after that: runs its tasks until it is to end */
static PyObject *worker_serve_tasks(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    worker_state = PyEval_SaveThread();
    prong_status status = prong_pool_serve();
    PyEval_RestoreThread(worker_state);
    return none_or_raise(status);
}

/* ------------------------------------------------ setting up ------------------------------------------------ */

static PyObject *set_describe(PyObject *module, PyObject *function) {
    (void)module;
    Py_XSETREF(describe, new_reference(function));
    Py_RETURN_NONE;
}

static PyObject *set_exit(PyObject *module, PyObject *function) {
    (void)module;
    Py_XSETREF(exit_function, new_reference(function));
    Py_RETURN_NONE;
}

/* _set_named(run, describe): what calls by name are made with */
static PyObject *set_named(PyObject *module, PyObject *arguments) {
    PyObject *run_it, *describe_it;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO", &run_it, &describe_it)) return NULL;
    Py_XSETREF(named_run, new_reference(run_it));
    Py_XSETREF(named_describe, new_reference(describe_it));
    travel_by_name();
    Py_RETURN_NONE;
}

static PyMethodDef worker_functions[] = {
    {"_serve", worker_serve_tasks, METH_NOARGS,
     DOC("_serve($module, /)",
         "In a worker's setup, which returns 0 after that: runs the worker's tasks until it is to end.")},
    {"_set_describe", set_describe, METH_O,
     DOC("_set_describe($module, function, /)", "Sets what makes bytes of a task's exception.")},
    {"_set_exit", set_exit, METH_O,
     DOC("_set_exit($module, function, /)", "Sets what this worker ends with: it returns the exit code.")},
    {"_set_named", set_named, METH_VARARGS,
     DOC("_set_named($module, run, describe, /)", "Sets what calls by name are made with.")},
    {0}};

int add_worker(PyObject *module) {
    return PyModule_AddFunctions(module, worker_functions);
}
