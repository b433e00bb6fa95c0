/* Starting by fork, and the forked child from its first step to its last. What prong._impl.child does in Python is done here for most
 * children: each page that the child writes to is copied first, and it is these copies that a start takes its time for. Running
 * Python code writes to a page for nearly every object that it touches, a call from here to one forevery few.
 *
 * Whatever can be decided is decided before the fork. */
#include "process.h"

#include <sys/syscall.h>
#include <unistd.h>

/* What prong._impl.popen gives us: classes and functions of prong's, and what others have their state in. */
static struct {
    PyObject *Process;         /* multiprocessing's BaseProcess */
    PyObject *bootstrap, *run; /* its functions that we do the work of; None: somebody has put others in their place */
    PyObject *process, *threading, *context; /* their dicts; that of the default context */
    PyObject *fork_context, *Parent, *stdin_file, *count;
    PyObject *run_copy, *forget, *finalize, *failed, *connections, *forked;
    PyObject *clear_exits, *add_exit, *run_exits; /* of atexit */
    PyObject *dangling, *dangling_data;           /* threading's weak set of threads, and the set in it */
    PyObject *main_lock;                          /* that the main thread holds, in versions where it has one */
} python;

/* Names that are looked up, interned. */
/* clang-format off */
#define LOOKED_UP(X) \
    X(FLUSH, "flush")                       X(COUNTER, "_process_counter") X(CHILDREN, "_children") \
    X(CURRENT, "_current_process")          X(PARENT, "_parent_process")   X(NATIVE_ID, "_native_id") \
    X(MAIN_THREAD, "_main_thread")          X(ACTIVE, "_active")           X(LIMBO, "_limbo") \
    X(ATEXITS, "_threading_atexits")        X(SHUTDOWN, "_shutdown")       X(FINALIZERS, "_finalizer_registry") \
    X(AFTER_FORKERS, "_afterfork_registry") X(LOGGER, "_logger")           X(ACTUAL_CONTEXT, "_actual_context") \
    X(RUN, "run")                           X(BOOTSTRAP, "_bootstrap")     X(TARGET, "_target") \
    X(ARGS, "_args")                        X(KWARGS, "_kwargs")           X(START_METHOD, "_start_method") \
    X(PARENT_NAME, "_parent_name")          X(DATA, "data")                X(DANGLING, "_dangling") \
    X(SHUTDOWN_LOCKS, "_shutdown_locks")    X(UTIL, "multiprocessing.util") X(ENV, "_env")              \
    X(TRACKER, "multiprocessing.resource_tracker") X(FORK_INTENT, "_fork_intent") \
    X(PRESERVE_FD, "preserve_fd")           X(IMPORTLIB, "_frozen_importlib") X(MODULE_LOCKS, "_module_locks") \
    X(INHERITED, "_inherited")
/* clang-format on */
#define X(name, text) N_##name,
enum { LOOKED_UP(X) NAMES };
#undef X
#define X(name, text) text,
static const char *const texts[NAMES] = {LOOKED_UP(X)};
#undef X
static PyObject *names[NAMES], *one;

/* A child about to be forked by this thread. */
struct python_child {
    PyObject *process;                /* borrowed */
    PyObject *parent;                 /* a thread that forks meanwhile may make another */
    PyObject *target, *args, *kwargs; /* target NULL: its own run() is called */
    bool plain;                       /* it is for this file */
    bool in_context;                  /* fork is to be its default start method */
};
static _Thread_local const struct python_child *forking;

/* ------------------------------------------------ standard streams ------------------------------------------------ */

static int flush_stream(const char *name) {
    PyObject *stream = PySys_GetObject(name);
    if (!stream || stream == Py_None) return 0;
    Py_INCREF(stream); /* flush() may put another in its place */
    PyObject *result = PyObject_CallMethodNoArgs(stream, names[N_FLUSH]);
    Py_DECREF(stream);
    Py_XDECREF(result);
    if (result) return 0;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_ValueError)) return -1;
    PyErr_Clear();
    return 0;
}

int flush_streams(void) {
    return flush_stream("stdout") || flush_stream("stderr") ? -1 : 0;
}

static PyObject *fork_flush_streams(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    if (flush_streams()) return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------ resource tracker ------------------------------------------------ */

/* An imported module's dict, borrowed; NULL where nobody has imported it. */
static PyObject *dict_of_module(PyObject *name) {
    PyObject *module = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
    return module && PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
}

void tracker_keep_over_fork(bool keep) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *dict = dict_of_module(names[N_TRACKER]);
    PyObject *intent = dict ? PyDict_GetItemWithError(dict, names[N_FORK_INTENT]) : NULL;
    if (intent) PyObject_SetAttr(intent, names[N_PRESERVE_FD], keep ? Py_True : Py_False);
    PyErr_Restore(type, value, traceback);
}

/* ------------------------------------------------ in the child ------------------------------------------------ */

/* multiprocessing.util's dict; NULL where nobody has imported it. */
static PyObject *multiprocessing_util(void) {
    return dict_of_module(names[N_UTIL]);
}

/* How much there is in a dict's item; 0 of a dict that is not there. */
static Py_ssize_t size_of_item(PyObject *dict, PyObject *name) {
    PyObject *value = dict ? PyDict_GetItemWithError(dict, name) : NULL;
    if (!value) return 0;
    if (PyDict_Check(value)) return PyDict_GET_SIZE(value);
    return PyList_Check(value) ? PyList_GET_SIZE(value) : PyAnySet_Check(value) ? PySet_GET_SIZE(value) : 1;
}

/* Whether some thread imported a module when this process was forked, or util has finalizers of the parent's, or what is to be called after
 * a fork. The latter is a weak dict, whose items are in its attribute data. */
static bool has_to_forget(void) {
    PyObject *dict = multiprocessing_util();
    if (size_of_item(dict_of_module(names[N_IMPORTLIB]), names[N_MODULE_LOCKS]) > 0) return true;
    if (!dict) return false;
    PyObject *registry = PyDict_GetItemWithError(dict, names[N_AFTER_FORKERS]);
    PyObject *data = registry ? PyObject_GetAttr(registry, names[N_DATA]) : NULL;
    bool any = !data || !PyDict_Check(data) || PyDict_GET_SIZE(data) > 0;
    Py_XDECREF(data);
    return any || size_of_item(dict, names[N_FINALIZERS]) > 0;
}

/* Whether there is somebody who listens to the log. */
static bool is_logged(void) {
    PyObject *dict = multiprocessing_util(), *logger = dict ? PyDict_GetItemWithError(dict, names[N_LOGGER]) : NULL;
    return logger && logger != Py_None;
}

static int set_new(PyObject *dict, PyObject *name, PyObject *value) {
    int failed = value ? PyDict_SetItem(dict, name, value) : -1;
    Py_XDECREF(value);
    return failed;
}

static int set_native_id(void) {
    PyObject *thread = PyDict_GetItemWithError(python.threading, names[N_MAIN_THREAD]);
    PyObject *number = PyLong_FromLong(syscall(SYS_gettid));
    int failed = thread && number ? PyObject_SetAttr(thread, names[N_NATIVE_ID], number) : -1;
    Py_XDECREF(number);
    return failed;
}

/* As prong._impl.child's _begin. The parent's children and its process object are left as they are: to take them apart would copy them. */
static int child_become(const struct python_child *child) {
    Py_XINCREF(PyDict_GetItemWithError(python.process, names[N_CHILDREN]));
    Py_XINCREF(PyDict_GetItemWithError(python.process, names[N_CURRENT]));
    if ((child->in_context && PyDict_SetItem(python.context, names[N_ACTUAL_CONTEXT], python.fork_context)) ||
        PySys_SetObject("stdin", python.stdin_file) || set_native_id() ||
        set_new(python.process, names[N_COUNTER], PyObject_CallOneArg(python.count, one)) ||
        set_new(python.process, names[N_CHILDREN], PySet_New(NULL)) ||
        PyDict_SetItem(python.process, names[N_CURRENT], child->process) ||
        PyDict_SetItem(python.process, names[N_PARENT], child->parent))
        return -1;
    if (!has_to_forget()) return 0;
    PyObject *result = PyObject_CallNoArgs(python.forget);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *call_target(const struct python_child *child) {
    if (!child->target) return PyObject_CallMethodNoArgs(child->process, names[N_RUN]);
    if (child->target == Py_None) Py_RETURN_NONE;
    PyObject *args = shares_resolve(child->args), *kwargs = shares_resolve(child->kwargs);
    PyObject *result = args && kwargs ? PyObject_Call(child->target, args, kwargs) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
}

/* What was raised is printed, or is an exit, as Python's side knows; it finalizes, too. */
static int code_of_exception(PyObject *process) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (value && trace) PyException_SetTraceback(value, trace);
    return code_of(PyObject_CallFunctionObjArgs(python.failed, process, value, NULL));
}

/* Whether its target has left something that is to be ended, or told. */
static bool has_to_finalize(void) {
    return size_of_item(multiprocessing_util(), names[N_FINALIZERS]) ||
           size_of_item(python.process, names[N_CHILDREN]) || is_logged();
}

/* Threads that are waited for, and what waits to be called when they have ended. */
static bool has_threads(void) {
    return size_of_item(python.threading, names[N_ACTIVE]) != 1 || size_of_item(python.threading, names[N_LIMBO]) ||
           size_of_item(python.threading, names[N_ATEXITS]);
}

/* Whether no thread but the main one has a lock that threading waits for at the end. */
static bool only_own_lock(void) {
    PyObject *locks = PyDict_GetItemWithError(python.threading, names[N_SHUTDOWN_LOCKS]);
    Py_ssize_t size = size_of_item(python.threading, names[N_SHUTDOWN_LOCKS]);
    return size == 0 ||
           (size == 1 && python.main_lock && PySet_Check(locks) && PySet_Contains(locks, python.main_lock) == 1);
}

/* _is_alone() -> whether this thread is the main one, and there is no other, nor was one that somebody still holds. Looks without
 * writing. */
static PyObject *is_alone(PyObject *module, PyObject *unused) {
    Py_ssize_t at = 0;
    PyObject *ident, *thread, *threads = PyDict_GetItemWithError(python.threading, names[N_ACTIVE]);
    (void)module;
    (void)unused;
    bool alone = threads && PyDict_Check(threads) && PyDict_GET_SIZE(threads) == 1 &&
                 PyDict_Next(threads, &at, &ident, &thread) && PyLong_AsUnsignedLong(ident) == this_thread() &&
                 thread == PyDict_GetItemWithError(python.threading, names[N_MAIN_THREAD]) &&
                 PyDict_GetItemWithError(python.threading, names[N_DANGLING]) == python.dangling &&
                 PySet_GET_SIZE(python.dangling_data) == 1 && size_of_item(python.threading, names[N_LIMBO]) == 0 &&
                 only_own_lock();
    if (PyErr_Occurred()) { /* somebody else's idea of a thread is in there */
        PyErr_Clear();
        alone = false;
    }
    return PyBool_FromLong(alone);
}

/* From 3.13 on a forked child has exit functions of its own, of which multiprocessing's is the first. */
enum { HAS_EXITS = PY_VERSION_HEX >= 0x030d0000 };

static int begin_exits(void) {
    if (!HAS_EXITS) return 0;
    PyObject *cleared = PyObject_CallNoArgs(python.clear_exits);
    PyObject *added = cleared ? PyObject_CallOneArg(python.add_exit, python.finalize) : NULL;
    Py_XDECREF(cleared);
    Py_XDECREF(added);
    return added ? 0 : -1;
}

static int end_exits(int code) {
    if (!HAS_EXITS) return code;
    PyObject *result = PyObject_CallNoArgs(python.run_exits);
    if (!result || flush_streams()) code = code_of(NULL);
    Py_XDECREF(result);
    return code;
}

static int run_plain(const struct python_child *child) {
    int code = 0;
    PyObject *result = begin_exits() || child_become(child) ? NULL : call_target(child);
    if (result && has_to_finalize()) Py_SETREF(result, PyObject_CallNoArgs(python.finalize));
    if (!result) code = code_of_exception(child->process);
    Py_XDECREF(result);
    if (has_threads()) {
        PyObject *shutdown = PyDict_GetItemWithError(python.threading, names[N_SHUTDOWN]);
        Py_XINCREF(shutdown);
        result = shutdown ? PyObject_CallNoArgs(shutdown) : NULL;
        if (!result) code = code_of(NULL);
        Py_XDECREF(shutdown);
        Py_XDECREF(result);
    }
    if (flush_streams()) code = code_of(NULL);
    return end_exits(code);
}

static int forked_child(void *argument, size_t size) {
    (void)argument;
    (void)size;
    const struct python_child *child = forking;
    return child->plain ? run_plain(child) : code_of(PyObject_CallOneArg(python.run_copy, child->process));
}

/* ------------------------------------------------ in the parent ------------------------------------------------ */

/* Whether calling the object's method is calling that function of BaseProcess. */
static bool is_method(PyObject *object, PyObject *name, PyObject *function) {
    PyObject *method = PyObject_GetAttr(object, name);
    bool same = method && PyMethod_Check(method) && PyMethod_GET_FUNCTION(method) == function;
    Py_XDECREF(method);
    PyErr_Clear();
    return same;
}

static bool has_environment(PyObject *process) {
    PyObject *environment = PyObject_GetAttr(process, names[N_ENV]);
    bool has = environment && environment != Py_None;
    Py_XDECREF(environment);
    PyErr_Clear();
    return has;
}

/* How children see this process: one object for all of them, as long as the name is the same. */
static PyObject *parent_of(PyObject *process) {
    static PyObject *parent, *parent_name;
    static long parent_pid;
    PyObject *name = PyObject_GetAttr(process, names[N_PARENT_NAME]);
    if (name && (!parent || name != parent_name || parent_pid != own_pid)) {
        Py_XSETREF(parent, PyObject_CallFunction(python.Parent, "Ol", name, own_pid));
        Py_XSETREF(parent_name, new_reference(name));
        parent_pid = own_pid;
    }
    Py_XDECREF(name);
    Py_XINCREF(parent);
    return parent;
}

static int child_prepare(PyObject *process, struct python_child *child) {
    *child = (struct python_child){.process = process};
    child->plain =
        !is_logged() && is_method(process, names[N_BOOTSTRAP], python.bootstrap) && !has_environment(process);
    if (!child->plain) return 0;
    PyObject *method = PyObject_GetAttr(process, names[N_START_METHOD]);
    child->in_context = method && method != Py_None &&
                        PyDict_GetItemWithError(python.context, names[N_ACTUAL_CONTEXT]) != python.fork_context;
    Py_XDECREF(method);
    child->parent = parent_of(process);
    if (PyErr_Occurred() || !is_method(process, names[N_RUN], python.run)) return PyErr_Occurred() ? -1 : 0;
    child->target = PyObject_GetAttr(process, names[N_TARGET]);
    child->args = PyObject_GetAttr(process, names[N_ARGS]);
    child->kwargs = PyObject_GetAttr(process, names[N_KWARGS]);
    int holds = child->target && child->args && child->kwargs ? PyObject_IsTrue(child->target) : -1;
    if (holds == 0) Py_SETREF(child->target, new_reference(Py_None));
    return holds < 0 ? -1 : 0;
}

static void child_clear(struct python_child *child) {
    Py_XDECREF(child->parent);
    Py_XDECREF(child->target);
    Py_XDECREF(child->args);
    Py_XDECREF(child->kwargs);
}

/* prong._impl.popen gives us what is Python's. */
static int need_python(void) {
    if (python.Process) return 0;
    PyObject *popen = PyImport_ImportModule("prong._impl.popen");
    Py_XDECREF(popen);
    return popen ? 0 : -1;
}

/* The process object keeps what its process has of the main module: see prong._impl.inherited. */
static int note_inherited(PyObject *process) {
    PyObject *inherited = PyObject_CallNoArgs(python.forked);
    int bad = inherited ? PyObject_SetAttr(process, names[N_INHERITED], inherited) : -1;
    Py_XDECREF(inherited);
    return bad;
}

/* fork(process object) -> Popen */
static PyObject *fork_process(PyObject *module, PyObject *process) {
    (void)module;
    if (need_python()) return NULL;
    if (note_inherited(process)) return NULL;
    PyObject *connections = connections_any() ? PyObject_CallOneArg(python.connections, process) : NULL;
    if (PyErr_Occurred()) return NULL;
    prong_process_options options = {.target = forked_child, .method = PRONG_START_FORK};
    struct python_child child;
    const struct python_child *before = forking;
    forking = &child;
    PyObject *started = child_prepare(process, &child) ? NULL : popen_start(process, &options, connections, NULL, 0);
    forking = before;
    child_clear(&child);
    Py_XDECREF(connections);
    return started;
}

/* ------------------------------------------------ setting up ------------------------------------------------ */

/* _set_fork(BaseProcess, …), see prong._impl.popen */
static PyObject *set_fork(PyObject *module, PyObject *arguments) {
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO!O!O!OOOOOOOOOOOOOOO", &python.Process, &PyDict_Type, &python.process,
                          &PyDict_Type, &python.threading, &PyDict_Type, &python.context, &python.fork_context,
                          &python.Parent, &python.stdin_file, &python.count, &python.bootstrap, &python.run,
                          &python.run_copy, &python.forget, &python.finalize, &python.failed, &python.connections,
                          &python.forked, &python.clear_exits, &python.add_exit, &python.run_exits))
        return NULL;
    Py_INCREF(arguments); /* for good */
    python.dangling = PyDict_GetItemWithError(python.threading, names[N_DANGLING]);
    Py_XINCREF(python.dangling);
    python.dangling_data = python.dangling ? PyObject_GetAttr(python.dangling, names[N_DATA]) : NULL;
    if (!python.dangling_data) return NULL;
    PyObject *main_thread = PyDict_GetItemWithError(python.threading, names[N_MAIN_THREAD]);
    python.main_lock = main_thread ? PyObject_GetAttrString(main_thread, "_tstate_lock") : NULL;
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyMethodDef forking_functions[] = {
    {"_fork", fork_process, METH_O, DOC("_fork($module, process, /)", "Starts a process object by fork: its Popen.")},
    {"_set_fork", set_fork, METH_VARARGS,
     DOC("_set_fork($module, /, *arguments)",
         "Sets what a forked child calls and changes of Python's: see prong._impl.popen.")},
    {"_is_alone", is_alone, METH_NOARGS,
     DOC("_is_alone($module, /)",
         "Whether this is the main thread, and there is no other, nor was one that somebody still holds.")},
    {"_flush_streams", fork_flush_streams, METH_NOARGS,
     DOC("_flush_streams($module, /)", "Flushes standard output and standard error.")},
    {0}};

/* Python has this symbol looked up when it is first called, which is in each child anew unless it is called here. */
static void resolve_what_forks_call(void) {
    Py_tss_t key = Py_tss_NEEDS_INIT;
    if (PyThread_tss_create(&key) == 0) PyThread_tss_delete(&key);
}

int add_fork(PyObject *module) {
    resolve_what_forks_call();
    for (int i = 0; i < NAMES; i++)
        if (!(names[i] = PyUnicode_InternFromString(texts[i]))) return -1;
    one = PyLong_FromLong(1);
    return one ? PyModule_AddFunctions(module, forking_functions) : -1;
}
