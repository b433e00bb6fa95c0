/* Popen: a started process, and how it fares. */
#include "process.h"

#include <signal.h>

/* A process's argument: how many connections it is to hold, and a word for alignment; the connections; the payload. */
enum { HEADER_WORDS = 2, NAME_MOST = 47 /* bytes, in the core */ };

typedef struct {
    PyObject_HEAD prong_process process;
    PyObject *returncode;
    int pid, sentinel;
    prong_start_method method;
    bool closed;
} Popen;

static PyTypeObject Popen_type;
static PyObject *name_name, *name_config, *name_daemon;

/* ------------------------------------------------ starting ------------------------------------------------ */

struct argument {
    uint64_t *words;
    size_t size;
};

/* Lays out the connections that the child is to hold, and the payload. Nothing of either takes no memory. */
static int make_argument(PyObject *connections, const char *payload, Py_ssize_t payload_size,
                         struct argument *argument) {
    Py_ssize_t count = connections ? PyList_GET_SIZE(connections) : 0;
    size_t header = (HEADER_WORDS + 2 * (size_t)count) * sizeof(uint64_t);
    *argument = (struct argument){NULL, 0};
    if (count == 0 && payload_size == 0) return 0;
    uint64_t *words = PyMem_Malloc(header + (size_t)payload_size);
    if (!words) {
        PyErr_NoMemory();
        return -1;
    }
    words[0] = (uint64_t)count;
    words[1] = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        struct handle handle;
        if (handle_parse(PyList_GET_ITEM(connections, i), &handle)) {
            PyMem_Free(words);
            return -1;
        }
        words[HEADER_WORDS + 2 * i] = handle.offset;
        words[HEADER_WORDS + 2 * i + 1] = handle.generation;
    }
    if (payload_size) memcpy((char *)words + header, payload, (size_t)payload_size);
    *argument = (struct argument){words, header + (size_t)payload_size};
    return 0;
}

void *popen_argument(PyObject *connections, const char *payload, Py_ssize_t payload_size, size_t *size) {
    struct argument argument;
    if (make_argument(connections, payload, payload_size, &argument)) return NULL;
    *size = argument.size;
    return argument.words;
}

const char *payload_of(const void *argument, size_t *size) {
    const uint64_t *words = argument;
    size_t header = (HEADER_WORDS + 2 * (size_t)words[0]) * sizeof(uint64_t);
    *size -= header;
    return (const char *)argument + header;
}

/* The name in UTF-8, cut to what the core keeps of it, between two characters. */
static int popen_copy_name(PyObject *process, char *name) {
    Py_ssize_t size;
    PyObject *text = PyObject_GetAttr(process, name_name);
    PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "replace") : NULL;
    Py_XDECREF(text);
    if (!bytes) return -1;
    size = PyBytes_GET_SIZE(bytes);
    if (size > NAME_MOST) {
        size = NAME_MOST;
        while (size > 0 && (PyBytes_AS_STRING(bytes)[size] & 0xc0) == 0x80) size--;
    }
    memcpy(name, PyBytes_AS_STRING(bytes), (size_t)size);
    name[size] = 0;
    Py_DECREF(bytes);
    return 0;
}

static int popen_is_daemon(PyObject *process) {
    PyObject *config = PyObject_GetAttr(process, name_config);
    PyObject *daemon = config ? PyObject_GetItem(config, name_daemon) : NULL;
    int is = daemon ? PyObject_IsTrue(daemon) : -1;
    if (config && !daemon && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        is = 0;
    }
    Py_XDECREF(config);
    Py_XDECREF(daemon);
    return is;
}

static prong_status popen_start_process(Popen *self, const prong_process_options *options) {
    prong_process_state state;
    prong_status status = prong_process_create(&self->process, options);
    if (status < 0) return status;
    if (options->method == PRONG_START_FORK)
        status =
            prong_process_start(self->process); /* with the GIL: nobody else forks what is to be forked meanwhile */
    else
        WAITING(prong_process_start(self->process));
    if (status >= 0) status = prong_process_get_state(self->process, &state);
    if (status >= 0) self->pid = state.pid;
    if (status >= 0) status = prong_process_sentinel(self->process, &self->sentinel);
    return status;
}

PyObject *popen_start(PyObject *process, const prong_process_options *options, PyObject *connections,
                      const char *payload, Py_ssize_t payload_size) {
    char name[NAME_MOST + 1];
    struct argument argument;
    prong_process_options whole = *options;
    int daemon = popen_is_daemon(process);
    if (daemon < 0 || popen_copy_name(process, name)) return NULL;
    Popen *self = PyObject_New(Popen, &Popen_type);
    if (!self) return NULL;
    self->process = (prong_process){0};
    self->returncode = NULL;
    self->method = options->method;
    self->closed = false;
    if (make_argument(connections, payload, payload_size, &argument)) {
        Py_DECREF(self);
        return NULL;
    }
    whole.name = name;
    whole.daemon = daemon ? PRONG_DAEMON_YES : PRONG_DAEMON_NO;
    whole.argument = argument.words;
    whole.argument_size = argument.size;
    counts[COUNT_PROCESS]++;
    prong_status status = popen_start_process(self, &whole);
    PyMem_Free(argument.words);
    if (status < 0) raise_status(status);
    if (status >= 0 && !PyErr_Occurred()) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

const char **strings_of(PyObject *list) {
    Py_ssize_t count = PyList_GET_SIZE(list);
    const char **strings = PyMem_Calloc((size_t)count + 1, sizeof *strings);
    if (!strings) PyErr_NoMemory();
    for (Py_ssize_t i = 0; strings && i < count; i++) {
        strings[i] = PyBytes_AsString(PyList_GET_ITEM(list, i));
        if (strings[i]) continue;
        PyMem_Free(strings);
        return NULL;
    }
    return strings;
}

/* Popen(method, process object, payload, connections, environment or None): starts an image */
static PyObject *popen_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    const char *payload;
    Py_ssize_t payload_size;
    int method;
    PyObject *process, *connections, *environment;
    (void)type;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "iOy#O!O", &method, &process, &payload, &payload_size, &PyList_Type, &connections,
                          &environment))
        return NULL;
    const char **entries = environment == Py_None ? NULL : strings_of(environment);
    if (PyErr_Occurred()) return NULL;
    prong_process_options options = {
        .target = image_child, .method = (prong_start_method)method, .environment = entries};
    PyObject *started = popen_start(process, &options, connections, payload, payload_size);
    PyMem_Free(entries);
    return started;
}

/* A process that still runs stays the core's. */
static void popen_dealloc(PyObject *object) {
    Popen *self = (Popen *)object;
    if (!self->closed && self->process.generation) prong_process_destroy(self->process);
    Py_XDECREF(self->returncode);
    PyObject_Free(self);
}

/* ------------------------------------------------ how it fares ------------------------------------------------ */

static PyObject *returncode_of(Popen *self) {
    return new_reference(self->returncode ? self->returncode : Py_None);
}

static PyObject *popen_look(Popen *self) {
    int code;
    if (self->returncode) return returncode_of(self);
    prong_status status = prong_process_exitcode(self->process, &code);
    if (status < 0 && status != PRONG_STILL_RUNNING) return raise_status(status);
    if (status >= 0) self->returncode = PyLong_FromLong(code);
    return PyErr_Occurred() ? NULL : returncode_of(self);
}

static PyObject *popen_poll(PyObject *object, PyObject *arguments) {
    (void)arguments; /* a flag of waitpid, which is for those who have a pid only */
    return popen_look((Popen *)object);
}

static PyObject *popen_wait(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    static const char *const known[] = {"timeout"};
    Popen *self = (Popen *)object;
    PyObject *timeout = NULL;
    prong_time span;
    prong_status status;
    if (parse_fast("wait", arguments, count, names, known, 1, &timeout) || parse_timeout(timeout, &span)) return NULL;
    if (self->returncode) return returncode_of(self);
    WAITING(prong_process_join(self->process, span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_TIMEOUT) Py_RETURN_NONE;
    return status < 0 ? raise_status(status) : popen_look(self);
}

static PyObject *popen_send(PyObject *object, int number) {
    Popen *self = (Popen *)object;
    return none_or_raise(self->returncode ? PRONG_OK : prong_process_signal(self->process, number));
}

static PyObject *popen_signal(PyObject *object, PyObject *number) {
    long value = PyLong_AsLong(number);
    return value == -1 && PyErr_Occurred() ? NULL : popen_send(object, (int)value);
}

static PyObject *popen_interrupt(PyObject *object, PyObject *unused) {
    (void)unused;
    return popen_send(object, SIGINT);
}

static PyObject *popen_terminate(PyObject *object, PyObject *unused) {
    (void)unused;
    return popen_send(object, SIGTERM);
}

static PyObject *popen_kill(PyObject *object, PyObject *unused) {
    (void)unused;
    return popen_send(object, SIGKILL);
}

static PyObject *popen_close(PyObject *object, PyObject *unused) {
    Popen *self = (Popen *)object;
    (void)unused;
    if (!self->closed && self->process.generation) {
        prong_status status = prong_process_destroy(self->process);
        if (status == PRONG_STILL_RUNNING) return raise_status(status);
        self->closed = true;
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------ the type ------------------------------------------------ */

static PyObject *popen_get_pid(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromLong(((Popen *)object)->pid);
}

static PyObject *popen_get_sentinel(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromLong(((Popen *)object)->sentinel);
}

static PyObject *popen_get_returncode(PyObject *object, void *unused) {
    (void)unused;
    return returncode_of((Popen *)object);
}

static PyObject *popen_get_method(PyObject *object, void *unused) {
    (void)unused;
    return PyUnicode_FromString(prong_start_method_name(((Popen *)object)->method));
}

static PyMethodDef popen_methods[] = {
    {"poll", popen_poll, METH_VARARGS,
     DOC("poll($self, *unused)", "The exit code, or minus the signal that ended it; None while it runs.")},
    {"wait", (PyCFunction)(void (*)(void))popen_wait, METH_FASTCALL | METH_KEYWORDS,
     DOC("wait($self, /, timeout=None)",
         "Waits for the end, up to timeout seconds: the exit code, or None when it is not there by then.")},
    {"_send_signal", popen_signal, METH_O,
     DOC("_send_signal($self, number, /)", "Sends a signal; nothing to a process that has ended.")},
    {"interrupt", popen_interrupt, METH_NOARGS, DOC("interrupt($self, /)", "Sends SIGINT.")},
    {"terminate", popen_terminate, METH_NOARGS, DOC("terminate($self, /)", "Sends SIGTERM.")},
    {"kill", popen_kill, METH_NOARGS, DOC("kill($self, /)", "Sends SIGKILL.")},
    {"close", popen_close, METH_NOARGS,
     DOC("close($self, /)", "Frees what the core keeps of a process that has ended.")},
    {0}};
static PyGetSetDef popen_members[] = {
    {"pid", popen_get_pid, NULL, PyDoc_STR("Its process id."), NULL},
    {"sentinel", popen_get_sentinel, NULL, PyDoc_STR("A descriptor that is readable when it has ended."), NULL},
    {"returncode", popen_get_returncode, NULL, PyDoc_STR("The exit code, as poll has it."), NULL},
    {"method", popen_get_method, NULL, PyDoc_STR("The start method."), NULL},
    {0}};
static PyTypeObject Popen_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Popen",
                                  .tp_doc = DOC("Popen(method, process, payload, connections, environment, /)",
                                                "A process that was started, and how it fares."),
                                  .tp_basicsize = sizeof(Popen),
                                  .tp_flags = Py_TPFLAGS_DEFAULT,
                                  .tp_new = popen_new,
                                  .tp_dealloc = popen_dealloc,
                                  .tp_methods = popen_methods,
                                  .tp_getset = popen_members};

int add_popen(PyObject *module) {
    name_name = PyUnicode_InternFromString("_name");
    name_config = PyUnicode_InternFromString("_config");
    name_daemon = PyUnicode_InternFromString("daemon");
    return !name_name || !name_config || !name_daemon || add_type(module, "Popen", &Popen_type);
}
