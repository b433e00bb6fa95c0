/* Waiting for many: connections, queues, descriptors. */
#include "core.h"

/* A queue, or its _reader. By itself, and not by its descriptor: that may be readable when the queue is empty. False: it is something
 * else; or a queue that this process has closed, and an exception is set. */
static bool add_queue_of(PyObject *object, prong_waitable *item) {
    PyObject *queue = PyObject_TypeCheck(object, &Queue_type) ? new_reference(object)
                                                              : PyObject_GetAttrString(object, "_prong_queue");
    if (!queue) PyErr_Clear();
    item->kind = PRONG_WAIT_QUEUE;
    bool known = queue && queue_known(queue, &item->queue) && queue_check_reader(queue) == 0;
    Py_XDECREF(queue);
    return known;
}

static int add_waitable(PyObject *object, prong_waitable *item) {
    if (Py_TYPE(object) == &PipeConnection_type) {
        ConnectionObject *self = (ConnectionObject *)object;
        if (!connection_may_read(self)) return -1;
        *item = (prong_waitable){.kind = PRONG_WAIT_CONNECTION, .connection = connection_of(self)};
        return 0;
    }
    if (add_queue_of(object, item)) return 0;
    if (PyErr_Occurred()) return -1;
    int descriptor = PyObject_AsFileDescriptor(object);
    if (descriptor < 0) return -1;
    *item = (prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = descriptor};
    return 0;
}

static PyObject *ready_ones(PyObject *list, const prong_waitable *items) {
    PyObject *ready = PyList_New(0);
    for (Py_ssize_t i = 0; ready && i < PyList_GET_SIZE(list); i++)
        if (items[i].ready && PyList_Append(ready, PyList_GET_ITEM(list, i))) Py_CLEAR(ready);
    return ready;
}

/* wait(object_list, timeout=None) -> those that are ready */
static PyObject *wait_many(PyObject *module, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"object_list", "timeout", NULL};
    PyObject *objects, *timeout = NULL, *result = NULL;
    prong_time span;
    prong_status status = PRONG_OK;
    size_t count = 0;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", names, &objects, &timeout) ||
        parse_timeout(timeout, &span))
        return NULL;
    PyObject *list = PySequence_List(objects);
    if (!list) return NULL;
    size_t length = (size_t)PyList_GET_SIZE(list);
    prong_waitable *items = PyMem_Calloc(length + 1, sizeof *items);
    bool good = items != NULL;
    for (size_t i = 0; good && i < length; i++)
        good = add_waitable(PyList_GET_ITEM(list, (Py_ssize_t)i), &items[i]) == 0;
    if (good) {
        counts[COUNT_CONNECTION]++;
        WAITING(prong_wait(items, length, &count, span));
        if (!PyErr_Occurred() && status < 0 && status != PRONG_TIMEOUT) raise_status(status);
        if (!PyErr_Occurred()) result = ready_ones(list, items);
    }
    PyMem_Free(items);
    Py_DECREF(list);
    return result;
}

static PyMethodDef wait_functions[] = {
    {"wait", (PyCFunction)(void (*)(void))wait_many, METH_VARARGS | METH_KEYWORDS,
     DOC("wait($module, /, object_list, timeout=None)",
         "Those of connections, queues, descriptors, and objects with a fileno() that are ready, as a list.\n"
         "\n"
         "Waits for one of them, up to timeout seconds (None: forever).")},
    {0}};

int add_wait(PyObject *module) {
    return PyModule_AddFunctions(module, wait_functions);
}
