/* Processes: started by the core, run by Python. */
#include "core.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A process's argument: how many connections it is to hold, and a word for alignment; the connections; the payload. */
enum { HEADER_WORDS = 2 };

PyObject *worker_run;
static PyObject *image_run, *fork_run; /* the latter: what the child about to be forked calls */
static PyObject *flush, *at_end;
static bool finalizes;
static char **child_arguments, **server_arguments;
static char *program;
static prong_runtime runtime;

/* ------------------------------------------------ around a fork ------------------------------------------------ */

static _Thread_local PyGILState_STATE fork_state;

static void before_fork(void) {
    fork_state = PyGILState_Ensure();
    if (flush) { /* or the child would write it again */
        PyObject *result = PyObject_CallNoArgs(flush);
        if (!result) PyErr_Clear();
        Py_XDECREF(result);
    }
    PyOS_BeforeFork();
}

static void after_fork_in_parent(void) {
    PyOS_AfterFork_Parent();
    PyGILState_Release(fork_state);
}

static void after_fork_in_child(void) {
    PyOS_AfterFork_Child();
    waits_after_fork();
    finalizes = false; /* its parent's end is not its own */
    Py_CLEAR(at_end);
}

/* ------------------------------------------------ in the child ------------------------------------------------ */

/* The result of a call in the child as its exit code. What is raised has been printed by Python's side already. */
static int code_of(PyObject *result) {
    long code = 1;
    if (!result) {
        PyErr_WriteUnraisable(NULL);
        return 1;
    }
    if (PyLong_Check(result)) code = PyLong_AsLong(result);
    Py_DECREF(result);
    PyErr_Clear();
    return (int)code & 0xff;
}

int call_in_child(PyObject *function, const void *bytes, size_t size) {
    return code_of(function ? PyObject_CallFunction(function, "y#", (const char *)bytes, (Py_ssize_t)size) : NULL);
}

static int forked_child(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return code_of(PyObject_CallNoArgs(fork_run));
}

static const char *payload_of(const void *argument, size_t *size) {
    const uint64_t *words = argument;
    size_t header = (HEADER_WORDS + 2 * (size_t)words[0]) * sizeof(uint64_t);
    *size -= header;
    return (const char *)argument + header;
}

static int image_child(void *argument, size_t size) {
    const char *payload = payload_of(argument, &size);
    return call_in_child(image_run, payload, size);
}

/* A pool's worker comes here with the thread state put aside by its last task. */
static int after_target(int code) {
    enum { NOT_FLUSHED = 120 }; /* Python's exit code for that */
    if (!at_end && !finalizes) return code;
    PyGILState_Ensure(); /* the process ends with the GIL held */
    if (at_end) {
        PyObject *result = PyObject_CallNoArgs(at_end);
        if (!result) PyErr_WriteUnraisable(at_end);
        Py_XDECREF(result);
    }
    return finalizes && Py_FinalizeEx() < 0 ? NOT_FLUSHED : code;
}

/* ------------------------------------------------ Process ------------------------------------------------ */

typedef struct {
    PyObject_HEAD prong_process process;
    int pid, sentinel;
    bool closed;
} Process;

struct argument {
    uint64_t *words;
    size_t size;
};

/* Lays out the connections that the child is to hold, and the payload. */
static int make_argument(PyObject *connections, const char *payload, Py_ssize_t payload_size,
                         struct argument *argument) {
    Py_ssize_t count = PyList_GET_SIZE(connections);
    size_t header = (HEADER_WORDS + 2 * (size_t)count) * sizeof(uint64_t);
    argument->size = header + (size_t)payload_size;
    argument->words = PyMem_Malloc(argument->size);
    if (!argument->words) {
        PyErr_NoMemory();
        return -1;
    }
    argument->words[0] = (uint64_t)count;
    argument->words[1] = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        struct handle handle;
        if (handle_parse(PyList_GET_ITEM(connections, i), &handle)) {
            PyMem_Free(argument->words);
            return -1;
        }
        argument->words[HEADER_WORDS + 2 * i] = handle.offset;
        argument->words[HEADER_WORDS + 2 * i + 1] = handle.generation;
    }
    if (payload_size) memcpy((char *)argument->words + header, payload, (size_t)payload_size);
    return 0;
}

static prong_status begin(Process *self, const prong_process_options *options, PyObject *run) {
    prong_status status = prong_process_create(&self->process, options);
    if (status) return status;
    if (options->method == PRONG_START_FORK) {
        PyObject *before = fork_run;
        fork_run = run;
        status = prong_process_start(self->process); /* with the GIL: nobody else forks by fork_run meanwhile */
        fork_run = before;
    } else {
        WAITING(prong_process_start(self->process));
    }
    if (!status) status = prong_process_pid(self->process, &self->pid);
    if (!status) status = prong_process_sentinel(self->process, &self->sentinel);
    return status;
}

/* Process(method, name, daemon, run, payload, connections): starts it */
static int process_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    Process *self = (Process *)object;
    const char *name, *payload;
    Py_ssize_t payload_size;
    int method, daemon;
    PyObject *run, *connections;
    struct argument argument;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "ispOy#O!", &method, &name, &daemon, &run, &payload, &payload_size, &PyList_Type,
                          &connections) ||
        make_argument(connections, payload, payload_size, &argument))
        return -1;
    prong_process_options options = {.target = method == PRONG_START_FORK ? forked_child : image_child,
                                     .argument = argument.words,
                                     .argument_size = argument.size,
                                     .name = name,
                                     .daemon = daemon ? PRONG_DAEMON_YES : PRONG_DAEMON_NO,
                                     .method = (prong_start_method)method};
    counts[COUNT_PROCESS]++;
    prong_status status = begin(self, &options, run);
    PyMem_Free(argument.words);
    if (status) raise_status(status);
    return status || PyErr_Occurred() ? -1 : 0;
}

static void process_dealloc(PyObject *object) {
    Process *self = (Process *)object;
    if (!self->closed && self->process.generation)
        prong_process_close(self->process); /* a running one stays the core's */
    Py_TYPE(object)->tp_free(object);
}

/* The exit code; None when it still runs. */
static PyObject *process_poll(PyObject *object, PyObject *unused) {
    int code;
    (void)unused;
    prong_status status = prong_process_exitcode(((Process *)object)->process, &code);
    if (status == PRONG_STILL_RUNNING) Py_RETURN_NONE;
    return status ? raise_status(status) : PyLong_FromLong(code);
}

static PyObject *process_wait(PyObject *object, PyObject *timeout) {
    prong_time span;
    prong_status status;
    if (parse_timeout(timeout, &span)) return NULL;
    WAITING(prong_process_join(((Process *)object)->process, span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_NONE;
    if (status) return raise_status(status);
    return process_poll(object, NULL);
}

static PyObject *process_signal(PyObject *object, PyObject *number) {
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred()) return NULL;
    prong_status status = prong_process_signal(((Process *)object)->process, (int)value);
    return none_or_raise(status);
}

static PyObject *process_close(PyObject *object, PyObject *unused) {
    Process *self = (Process *)object;
    (void)unused;
    if (!self->closed && self->process.generation) {
        prong_status status = prong_process_close(self->process);
        if (status == PRONG_STILL_RUNNING) return raise_status(status);
        self->closed = true;
    }
    Py_RETURN_NONE;
}

static PyObject *get_pid(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromLong(((Process *)object)->pid);
}

static PyObject *get_sentinel(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromLong(((Process *)object)->sentinel);
}

static PyMethodDef process_methods[] = {{"poll", process_poll, METH_NOARGS, NULL},
                                        {"wait", process_wait, METH_O, NULL},
                                        {"signal", process_signal, METH_O, NULL},
                                        {"close", process_close, METH_NOARGS, NULL},
                                        {0}};
static PyGetSetDef process_members[] = {
    {"pid", get_pid, NULL, NULL, NULL}, {"sentinel", get_sentinel, NULL, NULL, NULL}, {0}};
static PyTypeObject Process_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Process",
                                    .tp_basicsize = sizeof(Process),
                                    .tp_flags = Py_TPFLAGS_DEFAULT,
                                    .tp_new = PyType_GenericNew,
                                    .tp_init = process_init,
                                    .tp_dealloc = process_dealloc,
                                    .tp_methods = process_methods,
                                    .tp_getset = process_members};

/* ------------------------------------------------ the runtime ------------------------------------------------ */

static char **copy_strings(PyObject *list) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    for (Py_ssize_t i = 0; copy && i < count; i++) {
        const char *text = PyBytes_AsString(PyList_GET_ITEM(list, i));
        copy[i] = text ? strdup(text) : NULL;
        if (!copy[i]) return NULL;
    }
    return copy;
}

/* _set_program(executable, child's arguments, server's arguments), all bytes. What was there before stays in memory: a thread
 * may be starting something with it. */
static PyObject *set_program(PyObject *module, PyObject *arguments) {
    const char *executable;
    PyObject *child, *server;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "yO!O!", &executable, &PyList_Type, &child, &PyList_Type, &server)) return NULL;
    program = strdup(executable);
    child_arguments = copy_strings(child);
    server_arguments = copy_strings(server);
    if (!program || !child_arguments || !server_arguments) return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    runtime.program = program;
    runtime.child_arguments = child_arguments;
    runtime.server_arguments = server_arguments;
    prong_set_runtime(&runtime);
    Py_RETURN_NONE;
}

/* _keep(descriptor): new images have it, too; in a new image: it is not closed */
static PyObject *keep(PyObject *module, PyObject *descriptor) {
    long number = PyLong_AsLong(descriptor);
    (void)module;
    if (number == -1 && PyErr_Occurred()) return NULL;
    runtime.kept[0] = (int)number;
    runtime.kept_count = number >= 0;
    prong_set_runtime(&runtime);
    Py_RETURN_NONE;
}

/* _set_flush(function): called before each fork */
static PyObject *set_flush(PyObject *module, PyObject *function) {
    (void)module;
    Py_XSETREF(flush, new_reference(function));
    Py_RETURN_NONE;
}

/* _set_image(run, run_worker): what a new image calls with what it was handed */
static PyObject *set_image(PyObject *module, PyObject *arguments) {
    PyObject *run, *run_worker;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO", &run, &run_worker)) return NULL;
    Py_XSETREF(image_run, new_reference(run));
    Py_XSETREF(worker_run, new_reference(run_worker));
    Py_RETURN_NONE;
}

/* _set_at_end(function): called in this process when its target has returned */
static PyObject *set_at_end(PyObject *module, PyObject *function) {
    (void)module;
    Py_XSETREF(at_end, new_reference(function));
    Py_RETURN_NONE;
}

/* _finalize_at_end(): this process is an interpreter of its own, which ends as one */
static PyObject *finalize_at_end(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    finalizes = true;
    Py_RETURN_NONE;
}

/* In a new image: takes up what it was started for, and does not return. */
static PyObject *child_main(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    prong_main(NULL, NULL);
    PyErr_SetString(PyExc_RuntimeError, "this program was not started by prong");
    return NULL;
}

/* In a program's image that a C program started: the same, with the GIL given back until a function is called by name. */
static PyObject *worker_main(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    runtime.call = call_by_name;
    prong_set_runtime(&runtime);
    Py_BEGIN_ALLOW_THREADS prong_main(NULL, NULL);
    Py_END_ALLOW_THREADS PyErr_SetString(PyExc_RuntimeError, "this program was not started by prong");
    return NULL;
}

static PyObject *stop_server(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS prong_stop_forkserver();
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_program", set_program, METH_VARARGS, NULL}, {"_keep", keep, METH_O, NULL},
    {"_set_flush", set_flush, METH_O, NULL},           {"_set_image", set_image, METH_VARARGS, NULL},
    {"_set_at_end", set_at_end, METH_O, NULL},         {"_finalize_at_end", finalize_at_end, METH_NOARGS, NULL},
    {"_child_main", child_main, METH_NOARGS, NULL},    {"_worker_main", worker_main, METH_NOARGS, NULL},
    {"_stop_server", stop_server, METH_NOARGS, NULL},  {0}};

int add_process(PyObject *module) {
    runtime = (prong_runtime){.before_fork = before_fork,
                              .after_fork_in_parent = after_fork_in_parent,
                              .after_fork_in_child = after_fork_in_child,
                              .after_target = after_target,
                              .after_callbacks = pool_give_gil};
    waits_install(&runtime);
    prong_set_runtime(&runtime);
    return add_type(module, "Process", &Process_type) || PyModule_AddFunctions(module, functions);
}
