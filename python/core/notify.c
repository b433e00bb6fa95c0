/* Telling the service manager (systemd) how this process is, for servers that are written in Python. */
#include "core.h"

#include "process/notify.h"

/* _notify_begin() -> (socket, seconds between the watchdog's messages); -1: nobody is to be told; 0.0: nobody watches */
static PyObject *begin_notifying(PyObject *module, PyObject *nothing) {
    struct notifier notifier;
    (void)module, (void)nothing;
    prong_status status = notify_begin(&notifier);
    if (status < 0) return raise_status(status);
    return Py_BuildValue("id", notifier.socket, (double)notifier.period / 1e9);
}

/* _notify_send(socket, text) */
static PyObject *send_notification(PyObject *module, PyObject *arguments) {
    struct notifier notifier = {0};
    const char *text;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "is", &notifier.socket, &text)) return NULL;
    notify_send(&notifier, "%s", text);
    Py_RETURN_NONE;
}

/* _notify_end(socket) */
static PyObject *end_notifying(PyObject *module, PyObject *number) {
    struct notifier notifier = {.socket = (int)PyLong_AsLong(number)};
    (void)module;
    if (PyErr_Occurred()) return NULL;
    notify_end(&notifier);
    Py_RETURN_NONE;
}

static PyMethodDef notify_functions[] = {
    {"_notify_begin", begin_notifying, METH_NOARGS,
     DOC("_notify_begin($module, /)", "Reads what a service manager has set: its socket, and the watchdog's period.")},
    {"_notify_send", send_notification, METH_VARARGS,
     DOC("_notify_send($module, socket, text, /)", "Sends lines NAME=value to the service manager.")},
    {"_notify_end", end_notifying, METH_O, DOC("_notify_end($module, socket, /)", "Closes the socket.")},
    {0}};

int add_notify(PyObject *module) {
    return PyModule_AddFunctions(module, notify_functions);
}
