/* Supervisors: their children's options out of Python's, and their calls. */
#include "process.h"

static PyObject *supervised_run; /* calls a forked child's function, by its number */

static int forked_supervised(void *argument, size_t size) {
    const uint64_t *number = (const void *)payload_of(argument, &size);
    return code_of(supervised_run ? PyObject_CallFunction(supervised_run, "K", (unsigned long long)*number) : NULL);
}

/* _set_supervised(function): what a forked child of a supervisor calls with the number of its function */
static PyObject *set_supervised(PyObject *module, PyObject *function) {
    (void)module;
    Py_XSETREF(supervised_run, new_reference(function));
    Py_RETURN_NONE;
}

/* ------------------------------------------------ its children ------------------------------------------------ */

/* What a child's options point to, for as long as they are needed. */
struct child_memory {
    void *argument;
    const char **program, **environment;
};

static void child_memory_free(struct child_memory *memory, Py_ssize_t count) {
    for (Py_ssize_t i = 0; memory && i < count; i++) {
        PyMem_Free(memory[i].argument);
        PyMem_Free(memory[i].program);
        PyMem_Free(memory[i].environment);
    }
    PyMem_Free(memory);
}

/* Bytes or None. */
static int child_directory(PyObject *bytes, const char **directory) {
    if (bytes == Py_None) return 0;
    return (*directory = PyBytes_AsString(bytes)) ? 0 : -1;
}

/* A list of bytes or None. */
static int child_strings(PyObject *list, const char ***strings) {
    if (list == Py_None) return 0;
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "a list of bytes is needed");
        return -1;
    }
    return (*strings = strings_of(list)) ? 0 : -1;
}

/* A payload for a new image, or the number of a function for a forked child. */
static int child_function(PyObject *function, PyObject *connections, prong_child_options *child,
                          struct child_memory *memory) {
    uint64_t number = 0;
    const char *payload = (const char *)&number;
    Py_ssize_t size = sizeof number;
    bool by_number = PyLong_Check(function);
    if (by_number)
        number = PyLong_AsUnsignedLongLong(function);
    else if (PyBytes_AsStringAndSize(function, (char **)(uintptr_t)&payload, &size))
        return -1;
    if (PyErr_Occurred()) return -1;
    child->process.target = by_number ? forked_supervised : image_child;
    memory->argument = popen_argument(connections, payload, size, &child->process.argument_size);
    child->process.argument = memory->argument;
    return memory->argument ? 0 : -1;
}

/* (name, restart, grace, method, function or None, connections, program or None, environment or None, directory or None,
 * whether descendants are ended) */
static int child_read(PyObject *item, prong_child_options *child, struct child_memory *memory) {
    PyObject *grace, *function, *connections, *program, *environment, *directory;
    int restart, method, descendants;
    if (!PyArg_ParseTuple(item, "yiOiOO!OOOp", &child->name, &restart, &grace, &method, &function, &PyList_Type,
                          &connections, &program, &environment, &directory, &descendants) ||
        parse_timeout(grace, &child->grace) || child_strings(program, &memory->program) ||
        child_strings(environment, &memory->environment) || child_directory(directory, &child->directory))
        return -1;
    if (child->grace <= 0) child->grace = 1; /* 0 is the core's own choice */
    child->restart = (prong_restart)restart;
    child->end_descendants = descendants;
    child->process.method = (prong_start_method)method;
    child->program = memory->program;
    child->environment = memory->environment;
    return function == Py_None ? 0 : child_function(function, connections, child, memory);
}

/* ------------------------------------------------ its calls ------------------------------------------------ */

static prong_time seconds_or_none(double seconds) {
    return seconds <= 0 ? -1 : seconds >= 9e9 ? PRONG_FOREVER : (prong_time)(seconds * 1e9);
}

static PyObject *supervisor_made(PyObject *list, const prong_supervisor_options *options) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    prong_child_options *children = PyMem_Calloc((size_t)count + 1, sizeof *children);
    struct child_memory *memory = PyMem_Calloc((size_t)count + 1, sizeof *memory);
    prong_supervisor made;
    prong_status status = PRONG_OK;
    if (!children || !memory) PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && !PyErr_Occurred(); i++)
        child_read(PyList_GET_ITEM(list, i), &children[i], &memory[i]);
    if (!PyErr_Occurred()) status = prong_supervisor_create(&made, children, (size_t)count, options);
    if (status < 0) raise_status(status);
    child_memory_free(memory, count);
    PyMem_Free(children);
    if (PyErr_Occurred()) return NULL;
    return Py_BuildValue("KK", (unsigned long long)made.offset, (unsigned long long)made.generation);
}

/* _supervisor_create(children, name, strategy, intensity, period, backoff, backoff_most, settled, stop_on_signals, notify,
 * stays) */
static PyObject *supervisor_create(PyObject *module, PyObject *arguments) {
    prong_supervisor_options options = {0};
    PyObject *children;
    double period, backoff, most, settled;
    int strategy, stops, notifies, stays;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!ziiddddppp", &PyList_Type, &children, &options.name, &strategy,
                          &options.intensity, &period, &backoff, &most, &settled, &stops, &notifies, &stays))
        return NULL;
    options.strategy = (prong_strategy)strategy;
    if (options.intensity == 0) options.intensity = -1;
    options.period = seconds_or_none(period);
    options.backoff = seconds_or_none(backoff);
    options.backoff_most = backoff > 0 ? seconds_or_none(most) : 0;
    options.settled = seconds_or_none(settled);
    options.stop_on_signals = stops;
    options.notify = notifies;
    options.stays = stays;
    return supervisor_made(children, &options);
}

static int supervisor_parse(PyObject *arguments, prong_supervisor *supervisor, prong_time *span) {
    PyObject *pair, *timeout;
    struct handle handle;
    if (!PyArg_ParseTuple(arguments, "OO", &pair, &timeout) || handle_parse(pair, &handle)) return -1;
    *supervisor = (prong_supervisor){handle.offset, handle.generation};
    return parse_timeout(timeout, span);
}

/* _supervisor_run(handle, timeout) -> whether it has ended */
static PyObject *supervisor_run(PyObject *module, PyObject *arguments) {
    prong_supervisor supervisor;
    prong_time span;
    prong_status status;
    (void)module;
    if (supervisor_parse(arguments, &supervisor, &span)) return NULL;
    WAITING(prong_supervisor_run(supervisor, span));
    return true_in_time(status);
}

/* _supervisor_stop(handle, timeout) -> whether it has ended */
static PyObject *supervisor_stop(PyObject *module, PyObject *arguments) {
    prong_supervisor supervisor;
    prong_time span;
    prong_status status;
    (void)module;
    if (supervisor_parse(arguments, &supervisor, &span)) return NULL;
    WAITING(prong_supervisor_stop(supervisor, span));
    return true_in_time(status);
}

/* _supervisor_add_child(handle, child, timeout) -> whether it has begun */
static PyObject *supervisor_add_child(PyObject *module, PyObject *arguments) {
    PyObject *pair, *item, *timeout;
    struct handle handle;
    prong_time span;
    prong_status status;
    prong_child_options child = {0};
    struct child_memory *memory;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO!O", &pair, &PyTuple_Type, &item, &timeout) || handle_parse(pair, &handle) ||
        parse_timeout(timeout, &span))
        return NULL;
    prong_supervisor supervisor = {handle.offset, handle.generation};
    if (!(memory = PyMem_Calloc(1, sizeof *memory))) return PyErr_NoMemory();
    if (child_read(item, &child, memory)) {
        child_memory_free(memory, 1);
        return NULL;
    }
    WAITING(prong_supervisor_add_child(supervisor, &child, span));
    child_memory_free(memory, 1);
    return true_in_time(status);
}

/* _supervisor_ask_child(handle, request, name, timeout) -> whether it is done; request: "start", "stop", "remove" */
static PyObject *supervisor_ask_child(PyObject *module, PyObject *arguments) {
    PyObject *pair, *timeout;
    const char *request, *name;
    struct handle handle;
    prong_time span;
    prong_status status;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OssO", &pair, &request, &name, &timeout) || handle_parse(pair, &handle) ||
        parse_timeout(timeout, &span))
        return NULL;
    prong_supervisor supervisor = {handle.offset, handle.generation};
    WAITING(strcmp(request, "start") == 0  ? prong_supervisor_start_child(supervisor, name, span)
            : strcmp(request, "stop") == 0 ? prong_supervisor_stop_child(supervisor, name, span)
                                           : prong_supervisor_remove_child(supervisor, name, span));
    return true_in_time(status);
}

static PyObject *child_built(const prong_child_state *child) {
    PyObject *code = child->exitcode == PRONG_NO_RETURNCODE ? new_reference(Py_None) : PyLong_FromLong(child->exitcode);
    PyObject *pid = child->pid ? PyLong_FromLong(child->pid) : new_reference(Py_None);
    PyObject *name = PyUnicode_DecodeUTF8(child->name, (Py_ssize_t)strlen(child->name), "replace");
    PyObject *failure = PyUnicode_DecodeUTF8(child->failure, (Py_ssize_t)strlen(child->failure), "replace");
    if (code && pid && name && failure)
        return Py_BuildValue("(NiNNINd)", name, (int)child->phase, pid, code, child->restarts, failure,
                             (double)child->in_phase / 1e9);
    Py_XDECREF(code);
    Py_XDECREF(pid);
    Py_XDECREF(name);
    Py_XDECREF(failure);
    return NULL;
}

/* _supervisor_children(handle) -> [(name, phase, pid or None, exitcode or None, restarts, failure, seconds)] */
static PyObject *supervisor_children(PyObject *module, PyObject *pair) {
    struct handle handle;
    size_t count;
    (void)module;
    if (handle_parse(pair, &handle)) return NULL;
    prong_supervisor supervisor = {handle.offset, handle.generation};
    prong_status status = prong_supervisor_children(supervisor, NULL, 0, &count);
    if (status < 0) return raise_status(status);
    size_t capacity = count + 1;
    prong_child_state *children = PyMem_Calloc(capacity, sizeof *children);
    if (!children) return PyErr_NoMemory();
    status = prong_supervisor_children(supervisor, children, capacity, &count);
    if (count > capacity) count = capacity; /* some were added meanwhile */
    PyObject *list = status < 0 ? raise_status(status) : PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *child = child_built(&children[i]);
        if (child)
            PyList_SET_ITEM(list, (Py_ssize_t)i, child);
        else
            Py_CLEAR(list);
    }
    PyMem_Free(children);
    return list;
}

/* _supervisor_destroy(handle) */
static PyObject *supervisor_destroy(PyObject *module, PyObject *pair) {
    struct handle handle;
    (void)module;
    if (handle_parse(pair, &handle)) return NULL;
    return none_or_raise(prong_supervisor_destroy((prong_supervisor){handle.offset, handle.generation}));
}

static PyMethodDef supervisor_functions[] = {
    {"_set_supervised", set_supervised, METH_O,
     DOC("_set_supervised($module, function, /)",
         "Sets what a forked child of a supervisor calls with the number of its function.")},
    {"_supervisor_create", supervisor_create, METH_VARARGS,
     DOC("_supervisor_create($module, children, name, strategy, intensity, period, backoff, backoff_most, settled, "
         "stop_on_signals, notify, stays, /)",
         "Makes a supervisor of children that are tuples: its handle.")},
    {"_supervisor_run", supervisor_run, METH_VARARGS,
     DOC("_supervisor_run($module, handle, timeout, /)", "Supervises, up to the timeout: whether it has ended.")},
    {"_supervisor_stop", supervisor_stop, METH_VARARGS,
     DOC("_supervisor_stop($module, handle, timeout, /)", "Asks it to stop, and waits: whether it has ended.")},
    {"_supervisor_add_child", supervisor_add_child, METH_VARARGS,
     DOC("_supervisor_add_child($module, handle, child, timeout, /)",
         "Adds a child that is a tuple: whether it has begun, or the supervisor does not run.")},
    {"_supervisor_ask_child", supervisor_ask_child, METH_VARARGS,
     DOC("_supervisor_ask_child($module, handle, request, name, timeout, /)",
         "Has a child started, stopped or removed: whether that is done.")},
    {"_supervisor_children", supervisor_children, METH_O,
     DOC("_supervisor_children($module, handle, /)", "What its children do, as a list of tuples.")},
    {"_supervisor_destroy", supervisor_destroy, METH_O,
     DOC("_supervisor_destroy($module, handle, /)", "Destroys a supervisor that does not run.")},
    {0}};

int add_supervisor(PyObject *module) {
    return PyModule_AddFunctions(module, supervisor_functions);
}
