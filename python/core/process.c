/* What the core calls of Python as it starts processes, and new images. */
#include "process.h"

#include <stdlib.h>

PyObject *worker_run;
static PyObject *image_run, *at_end, *set_wakeup_fd;
static bool finalizes;
static prong_runtime runtime;

/* ------------------------------------------------ around a fork ------------------------------------------------ */

static _Thread_local PyGILState_STATE fork_state;

static void before_fork(void) {
    fork_state = PyGILState_Ensure();
    if (flush_streams()) PyErr_Clear(); /* what is not written now, the child would write again */
    tracker_keep_over_fork(true);
    PyOS_BeforeFork();
}

static void after_fork_in_parent(void) {
    PyOS_AfterFork_Parent();
    tracker_keep_over_fork(false);
    PyGILState_Release(fork_state);
}

/* The descriptor that signals wake the parent's event loop by is the parent's: the loop would take a signal to the child for one of
 * its own. */
static void leave_event_loop(void) {
    PyObject *before = PyObject_CallFunction(set_wakeup_fd, "i", -1);
    if (!before) PyErr_Clear();
    Py_XDECREF(before);
}

static void after_fork_in_child(void) {
    PyOS_AfterFork_Child();
    tracker_keep_over_fork(false);
    leave_event_loop();
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

/* A signal's handler, which a fork has brought, may raise SystemExit: this is the end already. */
static void call_at_end(void) {
    PyObject *result = PyObject_CallNoArgs(at_end);
    if (!result && PyErr_ExceptionMatches(PyExc_SystemExit))
        PyErr_Clear();
    else if (!result)
        PyErr_WriteUnraisable(at_end);
    Py_XDECREF(result);
}

/* A pool's worker comes here with the thread state put aside by its last task. Without the GIL it goes on: pools that are left are ended
 * then, whose threads need it. */
static int after_target(int code) {
    enum { NOT_FLUSHED = 120 }; /* Python's exit code for that */
    if (at_end || finalizes) PyGILState_Ensure();
    if (at_end) call_at_end();
    if (finalizes) return Py_FinalizeEx() < 0 ? NOT_FLUSHED : code;
    if (PyGILState_Check()) PyEval_SaveThread();
    return code;
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

/* The program, and its arguments where it is to be a child, or the server: bytes. What was there before stays in memory: a thread may be
 * starting something with it. */
static PyObject *set_arguments(PyObject *arguments, char *const **wanted) {
    const char *executable;
    PyObject *list;
    if (!PyArg_ParseTuple(arguments, "yO!", &executable, &PyList_Type, &list)) return NULL;
    char *program = strdup(executable), **copy = copy_strings(list);
    if (!program || !copy) return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    runtime.program = program;
    *wanted = copy;
    prong_set_runtime(&runtime);
    Py_RETURN_NONE;
}

/* _set_program(executable, arguments): what spawn starts */
static PyObject *set_program(PyObject *module, PyObject *arguments) {
    (void)module;
    return set_arguments(arguments, &runtime.child_arguments);
}

/* _set_server(executable, arguments): the fork server */
static PyObject *set_server(PyObject *module, PyObject *arguments) {
    (void)module;
    return set_arguments(arguments, &runtime.server_arguments);
}

/* _keep(descriptor): new images have it, too, and children of the fork server; in a new image: it is not closed */
static PyObject *keep_descriptor(PyObject *module, PyObject *descriptor) {
    long number = PyLong_AsLong(descriptor);
    (void)module;
    if (number == -1 && PyErr_Occurred()) return NULL;
    runtime.kept[0] = (int)number;
    runtime.kept_count = number >= 0;
    runtime.handed = number > 0 ? (int)number : 0;
    prong_set_runtime(&runtime);
    Py_RETURN_NONE;
}

static int handed = -1;

static void take_handed(int descriptor) {
    handed = descriptor;
}

/* _handed(): the descriptor that this child of the fork server got with its start, or None */
static PyObject *get_handed(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    if (handed < 0) Py_RETURN_NONE;
    return PyLong_FromLong(handed);
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

/* _keep_open(): what this new image has opened so far stays open in _child_main */
static PyObject *keep_open(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    runtime.keeps_open = true;
    prong_set_runtime(&runtime);
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

static PyObject *start_server(PyObject *module, PyObject *unused) {
    prong_status status;
    (void)module;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS status = prong_start_forkserver();
    Py_END_ALLOW_THREADS if (status < 0) return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *stop_server(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS prong_stop_forkserver();
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* _parent_lives() -> whether the process that started this one is there; None: it was not started by prong */
static PyObject *parent_lives(PyObject *module, PyObject *unused) {
    prong_process parent;
    prong_process_state state;
    (void)module;
    (void)unused;
    prong_status status = prong_parent_process(&parent);
    if (status == PRONG_NOT_CHILD) Py_RETURN_NONE;
    if (status >= 0) status = prong_process_get_state(parent, &state);
    if (status < 0 && status != PRONG_STALE) return raise_status(status);
    return PyBool_FromLong(status >= 0 && state.alive);
}

static PyMethodDef process_functions[] = {
    {"_parent_lives", parent_lives, METH_NOARGS,
     DOC("_parent_lives($module, /)",
         "Whether the process that started this one is there; None when it was not started by prong.")},
    {"_set_program", set_program, METH_VARARGS,
     DOC("_set_program($module, executable, arguments, /)",
         "Sets what spawn starts: the executable and its arguments, all as bytes.")},
    {"_set_server", set_server, METH_VARARGS,
     DOC("_set_server($module, executable, arguments, /)", "Sets what is started as the fork server, likewise.")},
    {"_keep", keep_descriptor, METH_O,
     DOC("_keep($module, descriptor, /)",
         "New images have this descriptor, too, and children of the fork server; in a new image it is not "
         "closed.")},
    {"_handed", get_handed, METH_NOARGS,
     DOC("_handed($module, /)", "The descriptor that this child of the fork server got with its start, or None.")},
    {"_set_image", set_image, METH_VARARGS,
     DOC("_set_image($module, run, run_worker, /)", "Sets what a new image calls with what it was handed.")},
    {"_set_at_end", set_at_end, METH_O,
     DOC("_set_at_end($module, function, /)", "The function is called in this process when its target has returned.")},
    {"_finalize_at_end", finalize_at_end, METH_NOARGS,
     DOC("_finalize_at_end($module, /)", "This process is an interpreter of its own, and ends as one.")},
    {"_finalizes", get_finalizes, METH_NOARGS, DOC("_finalizes($module, /)", "Whether it is.")},
    {"_keep_open", keep_open, METH_NOARGS,
     DOC("_keep_open($module, /)", "What this new image has opened so far stays open in _child_main.")},
    {"_child_main", child_main, METH_NOARGS,
     DOC("_child_main($module, /)", "In a new image: takes up what it was started for, and does not return.")},
    {"_worker_main", worker_main, METH_NOARGS,
     DOC("_worker_main($module, /)", "The same in an image that a C program started: functions are called by name.")},
    {"_start_server", start_server, METH_NOARGS,
     DOC("_start_server($module, /)", "Starts the fork server, unless it runs, without waiting until it is ready.")},
    {"_stop_server", stop_server, METH_NOARGS,
     DOC("_stop_server($module, /)", "Ends the fork server; the next start begins another.")},
    {0}};

int add_process(PyObject *module) {
    PyObject *signals = PyImport_ImportModule("_signal");
    set_wakeup_fd = signals ? PyObject_GetAttrString(signals, "set_wakeup_fd") : NULL;
    Py_XDECREF(signals);
    if (!set_wakeup_fd) return -1;
    runtime = (prong_runtime){.before_fork = before_fork,
                              .after_fork_in_parent = after_fork_in_parent,
                              .after_fork_in_child = after_fork_in_child,
                              .after_target = after_target,
                              .take_handed = take_handed,
                              .after_callbacks = pool_give_gil,
                              .idle = worker_idle};
    waits_install(&runtime);
    prong_set_runtime(&runtime);
    return add_popen(module) || add_fork(module) || PyModule_AddFunctions(module, process_functions);
}
