/* The module prong._core. */
#include "core.h"

uint64_t counts[COUNTS];

int add_type(PyObject *module, const char *name, PyTypeObject *type) {
    if (PyType_Ready(type)) return -1;
    Py_INCREF(type);
    if (PyModule_AddObject(module, name, (PyObject *)type) == 0) return 0;
    Py_DECREF(type);
    return -1;
}

/* calls() -> how often each part of the core was called in this process */
static PyObject *crossing_calls(PyObject *module, PyObject *unused) {
    static const char *const names[COUNTS] = {"lock", "sync", "queue", "connection", "process", "pool", "memory"};
    PyObject *result = PyDict_New();
    (void)module;
    (void)unused;
    for (int i = 0; result && i < COUNTS; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(counts[i]);
        if (!count || PyDict_SetItemString(result, names[i], count)) Py_CLEAR(result);
        Py_XDECREF(count);
    }
    return result;
}

static PyObject *set_reducers(PyObject *module, PyObject *arguments) {
    (void)module;
    if (codec_set_reducers(arguments)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *set_errors(PyObject *module, PyObject *arguments) {
    PyObject *process_error, *buffer_too_short, *pool_broken, *deadlock, *owner_died, *gave_up;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOOOOO", &process_error, &buffer_too_short, &pool_broken, &deadlock, &owner_died,
                          &gave_up))
        return NULL;
    Py_XSETREF(ProcessError, new_reference(process_error));
    Py_XSETREF(BufferTooShort, new_reference(buffer_too_short));
    Py_XSETREF(PoolBroken, new_reference(pool_broken));
    Py_XSETREF(Deadlock, new_reference(deadlock));
    Py_XSETREF(OwnerDiedWarning, new_reference(owner_died));
    Py_XSETREF(SupervisorGaveUp, new_reference(gave_up));
    Py_RETURN_NONE;
}

/* Whether a pickle is being made for another member of the family. */
static PyObject *is_travelling(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return PyBool_FromLong(travelling);
}

static PyObject *module_dumps(PyObject *module, PyObject *object) {
    struct encoded encoded;
    (void)module;
    if (encode(object, &encoded)) return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)encoded.size);
    if (bytes) encoded_write(&encoded, PyBytes_AS_STRING(bytes));
    encoded_clear(&encoded);
    return bytes;
}

static PyObject *module_loads(PyObject *module, PyObject *bytes) {
    Py_buffer view;
    (void)module;
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE)) return NULL;
    PyObject *object = decode(view.buf, (size_t)view.len, NULL);
    PyBuffer_Release(&view);
    return object;
}

static PyObject *cpu_count(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return PyLong_FromUnsignedLong(prong_cpu_count());
}

static PyObject *counted_connections(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return connections_open();
}

/* The family's, until the next call. */
static const prong_member *family_members(size_t *count) {
    enum { MOST = 4096 };
    static prong_member members[MOST];
    if (prong_family_members(members, MOST, count) < 0) *count = 0;
    if (*count > MOST) *count = MOST;
    return members;
}

static bool read_bytes(PyObject *number, uint64_t *bytes) {
    unsigned long long value = PyLong_AsUnsignedLongLong(number);
    *bytes = value;
    return value != (unsigned long long)-1 || !PyErr_Occurred();
}

static bool is_child(void) {
    size_t count = 0;
    const prong_member *members = family_members(&count);
    for (size_t i = 0; i < count; i++)
        if (members[i].pid == own_pid) return members[i].parent_pid != 0;
    return false;
}

/* _inherit_arena(): this process is about to come into a family, and is not to make one. */
static bool inherits_arena;

static PyObject *inherit_arena(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    inherits_arena = true;
    Py_RETURN_NONE;
}

/* A child, or a fork server, that imports the main module comes by its call, too. */
static PyObject *set_arena_size(PyObject *module, PyObject *number) {
    prong_family_options options = {0};
    (void)module;
    if (!read_bytes(number, &options.arena_size)) return NULL;
    if (options.arena_size == 0) return PyErr_Format(PyExc_ValueError, "an arena of 0 bytes");
    prong_status status = inherits_arena ? PRONG_OK : prong_family_create(&options);
    if (status == PRONG_ALREADY_STARTED && is_child()) Py_RETURN_NONE;
    if (status < 0) return raise_status(status);
    Py_RETURN_NONE;
}

/* fit_address_space(bytes=0) */
static PyObject *fit_address_space(PyObject *module, PyObject *arguments) {
    PyObject *number = NULL;
    uint64_t bytes = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "|O:fit_address_space", &number) || (number && !read_bytes(number, &bytes)))
        return NULL;
    prong_status status = prong_family_fit(bytes);
    if (status < 0) return raise_status(status);
    Py_RETURN_NONE;
}

/* The fork server's pid, or None. */
static PyObject *server_pid(PyObject *module, PyObject *unused) {
    size_t count = 0;
    const prong_member *members = family_members(&count);
    (void)module;
    (void)unused;
    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].name, "forkserver") == 0 && members[i].parent_pid == own_pid)
            return PyLong_FromLong(members[i].pid);
    Py_RETURN_NONE;
}

/* Whether a process lives and is of this family. */
static PyObject *is_member(PyObject *module, PyObject *number) {
    size_t count = 0;
    long pid = PyLong_AsLong(number);
    (void)module;
    if (PyErr_Occurred()) return NULL;
    const prong_member *members = family_members(&count);
    for (size_t i = 0; i < count; i++)
        if (members[i].pid == pid) Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

/* (objects, blocks, bytes in use): for looking whether anything is left behind. */
static PyObject *memory_state(PyObject *module, PyObject *unused) {
    prong_family_state state;
    (void)module;
    (void)unused;
    prong_status status = prong_family_check(&state);
    if (status < 0) return raise_status(status);
    return Py_BuildValue("(KKK)", (unsigned long long)state.objects, (unsigned long long)state.used_blocks,
                         (unsigned long long)state.used_bytes);
}

static PyObject *deadlock_report(PyObject *module, PyObject *unused) {
    size_t length = 0;
    (void)module;
    (void)unused;
    prong_status status = prong_family_report(NULL, 0, &length, NULL);
    if (status < 0) return raise_status(status);
    char *text = PyMem_Malloc(length + 4096);
    if (!text) return PyErr_NoMemory();
    status = prong_family_report(text, length + 4096, NULL, NULL);
    PyObject *result = status ? raise_status(status) : PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    PyMem_Free(text);
    return result;
}

static int check_interpreter(void) {
    if (PyInterpreterState_Get() == PyInterpreterState_Main()) return 0;
    PyErr_SetString(PyExc_ImportError,
                    "prong works in the main interpreter only: it is one member of a family of processes, "
                    "and a subinterpreter is none of its own");
    return -1;
}

/* _check_interpreter(): ImportError in a subinterpreter: up to 3.11 one gets a copy of the main interpreter's module, with no call of
 * PyInit__core */
static PyObject *check_interpreter_again(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    if (check_interpreter()) return NULL;
    Py_RETURN_NONE;
}

/* --- methods of a subclass's own --- */

/* For the type, if what it inherits by that name is the core's. */
static PyObject *method_again(PyTypeObject *type, PyMethodDef *method) {
    PyObject *found = PyObject_GetAttrString((PyObject *)type, method->ml_name);
    if (!found) return NULL;
    bool is_it = Py_IS_TYPE(found, &PyMethodDescr_Type) && ((PyMethodDescrObject *)found)->d_method == method;
    Py_DECREF(found);
    return is_it ? PyDescr_NewMethod(type, method) : NULL;
}

/* An attribute of one of the core's types can be set in its dict only. */
static int method_set(PyTypeObject *type, const char *name, PyObject *method) {
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) return PyObject_SetAttrString((PyObject *)type, name, method);
    int failed = PyDict_SetItemString(type->tp_dict, name, method);
    PyType_Modified(type);
    return failed;
}

int own_methods(PyTypeObject *type) {
    PyTypeObject *base = type->tp_base;
    while (base && base->tp_flags & Py_TPFLAGS_HEAPTYPE) base = base->tp_base; /* a class of Python's */
    for (PyMethodDef *method = base ? base->tp_methods : NULL; method && method->ml_name; method++) {
        PyObject *own = method_again(type, method);
        int failed = own ? method_set(type, method->ml_name, own) : PyErr_Occurred() != NULL;
        Py_XDECREF(own);
        if (failed) return -1;
    }
    return 0;
}

static PyObject *module_own_methods(PyObject *module, PyObject *type) {
    (void)module;
    if (!PyType_Check(type)) return PyErr_Format(PyExc_TypeError, "a class is needed");
    return own_methods((PyTypeObject *)type) ? NULL : new_reference(type);
}

static PyMethodDef module_functions[] = {
    {"_check_interpreter", check_interpreter_again, METH_NOARGS,
     DOC("_check_interpreter($module, /)",
         "ImportError in a subinterpreter. Up to Python 3.11 one gets a copy of the main interpreter's "
         "module.")},
    {"calls", crossing_calls, METH_NOARGS,
     DOC("calls($module, /)", "How often each part of the core was called in this process, as a dict.")},
    {"deadlock_report", deadlock_report, METH_NOARGS,
     DOC("deadlock_report($module, /)", "What the family knows of itself, as text.\n"
                                        "\n"
                                        "Processes, the holders and the waiters of each object, deadlocks, and what "
                                        "was taken over from dead processes.")},
    {"memory_state", memory_state, METH_NOARGS,
     DOC("memory_state($module, /)",
         "(objects, blocks, bytes) in use in the family, after a check of all of its memory.")},
    {"usable_cpu_count", cpu_count, METH_NOARGS,
     DOC("usable_cpu_count($module, /)",
         "The number of CPUs that this process may use: its affinity and its cgroup's limit count.")},
    {"set_arena_size", set_arena_size, METH_O,
     DOC("set_arena_size($module, bytes, /)",
         "Sets how much address space the family's shared memory may take: 64 MiB or more.\n"
         "\n"
         "To be called before anything is made of prong's. A child has its parent's size, and the call does "
         "nothing\n"
         "there. ValueError for 0, ProcessError when it comes too late.")},
    {"fit_address_space", fit_address_space, METH_VARARGS,
     DOC("fit_address_space($module, bytes=0, /)",
         "Makes room in a process that limits its address space (RLIMIT_AS).\n"
         "\n"
         "Gives up that part of the arena's address space which is not in use. 0: as much as the limit that "
         "is set asks\n"
         "for. A pool's worker does so after its initializer. MemoryError when there is not enough.")},
    {"dumps", module_dumps, METH_O,
     DOC("dumps($module, object, /)",
         "The object as bytes, as it goes through queues and pipes: a pickle, and large buffers beside it.")},
    {"loads", module_loads, METH_O, DOC("loads($module, bytes, /)", "The object of such bytes.")},
    {"_inherit_arena", inherit_arena, METH_NOARGS,
     DOC("_inherit_arena($module, /)", "This process is about to come into a family, and is not to make one.")},
    {"_set_reducers", set_reducers, METH_VARARGS,
     DOC("_set_reducers($module, table, reducers, complete, /)",
         "Sets the tables by which objects are pickled. complete: called before each message, or None.")},
    {"_set_errors", set_errors, METH_VARARGS,
     DOC("_set_errors($module, process_error, buffer_too_short, pool_broken, deadlock, owner_died, gave_up, /)",
         "Sets the exceptions that the core raises.")},
    {"_own_methods", module_own_methods, METH_O,
     DOC("_own_methods($module, type, /)",
         "Gives a class the methods that it inherits from a type of the core: calls are quicker so. Returns it.")},
    {"_is_travelling", is_travelling, METH_NOARGS,
     DOC("_is_travelling($module, /)", "Whether a pickle is being made for another member of the family.")},
    {"_connections", counted_connections, METH_NOARGS,
     DOC("_connections($module, /)", "The ends of pipes that are open in this process, as a list.")},
    {"_server_pid", server_pid, METH_NOARGS,
     DOC("_server_pid($module, /)", "The fork server's process id; None where it has not been started.")},
    {"_is_member", is_member, METH_O,
     DOC("_is_member($module, pid, /)", "Whether the process lives and is of this family.")},
    {0}};

static struct PyModuleDef module_definition = {PyModuleDef_HEAD_INIT, .m_name = "prong._core", .m_size = -1,
                                               .m_methods = module_functions};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void) {
    if (check_interpreter()) return NULL;
    PyObject *module = PyModule_Create(&module_definition);
    if (!module) return NULL;
    if (handles_init() || codec_init() || add_type(module, "Message", &Lent_type) || add_locks(module) ||
        add_conditions(module) || add_queue(module) || add_connection(module) || add_pipe(module) || add_wait(module) ||
        add_memory(module) || add_share(module) || add_process(module) || add_pool(module) || add_supervisor(module) ||
        add_notify(module) || add_travel(module)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "prong._core cannot be set up");
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
