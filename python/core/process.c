/* What the core calls of Python as it starts processes, and new images. */
#include "process.h"

#include <stdlib.h>

PyObject *worker_run;
static PyObject *image_run, *at_end;
static bool finalizes;
static char **child_arguments, **server_arguments;
static char *program;
static prong_runtime runtime;

/* ------------------------------------------------ around a fork ------------------------------------------------ */

static _Thread_local PyGILState_STATE fork_state;

static void before_fork(void) {
    fork_state = PyGILState_Ensure();
    if (flush_streams()) PyErr_Clear(); /* what is not written now, the child would write again */
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

int code_of(PyObject *result) {
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

int image_child(void *argument, size_t size) {
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

/* _finalizes() -> whether it is */
static PyObject *get_finalizes(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return PyBool_FromLong(finalizes);
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

static PyMethodDef functions[] = {{"_set_program", set_program, METH_VARARGS, NULL},
                                  {"_keep", keep, METH_O, NULL},
                                  {"_set_image", set_image, METH_VARARGS, NULL},
                                  {"_set_at_end", set_at_end, METH_O, NULL},
                                  {"_finalize_at_end", finalize_at_end, METH_NOARGS, NULL},
                                  {"_finalizes", get_finalizes, METH_NOARGS, NULL},
                                  {"_child_main", child_main, METH_NOARGS, NULL},
                                  {"_worker_main", worker_main, METH_NOARGS, NULL},
                                  {"_stop_server", stop_server, METH_NOARGS, NULL},
                                  {0}};

int add_process(PyObject *module) {
    runtime = (prong_runtime){.before_fork = before_fork,
                              .after_fork_in_parent = after_fork_in_parent,
                              .after_fork_in_child = after_fork_in_child,
                              .after_target = after_target,
                              .after_callbacks = pool_give_gil};
    waits_install(&runtime);
    prong_set_runtime(&runtime);
    return add_popen(module) || add_fork(module) || PyModule_AddFunctions(module, functions);
}
