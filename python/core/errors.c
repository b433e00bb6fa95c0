/* Statuses as Python's exceptions, and waits that a signal's handler can end. */
#include "core.h"

#include <errno.h>

PyObject *ProcessError, *BufferTooShort, *PoolBroken, *Deadlock, *OwnerDiedWarning, *SupervisorGaveUp;

static PyObject *raise_errno(int number, const char *message) {
    /* made here, not when it is caught: it is of the subclass that belongs to the number */
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "iN", number, PyUnicode_FromFormat("%s", message));
    if (error) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return NULL;
}

PyObject *error_message(void) {
    return PyUnicode_FromFormat("%s", prong_error_message());
}

PyObject *raise_status(prong_status status) {
    const char *message = prong_error_message(); /* by "%s": see error_message */
    if (PyErr_Occurred()) return NULL;           /* a signal's handler said so */
    switch (status) {
    case PRONG_NO_MEMORY: PyErr_Format(PyExc_MemoryError, "%s", message); return NULL;
    case PRONG_EOF: PyErr_SetNone(PyExc_EOFError); return NULL;
    case PRONG_BROKEN_PIPE: return raise_errno(EPIPE, "Broken pipe");
    case PRONG_NO_DESCRIPTORS: return raise_errno(EMFILE, message);
    case PRONG_NO_PROCESSES: return raise_errno(EAGAIN, message);
    case PRONG_PERMISSION: return raise_errno(EPERM, message);
    case PRONG_NOT_FOUND: return raise_errno(ENOENT, message);
    case PRONG_EXISTS: return raise_errno(EEXIST, message);
    case PRONG_SHUTDOWN:
    case PRONG_CLOSED: raise_closed(); return NULL;
    case PRONG_STALE:
        PyErr_Format(PyExc_ValueError, "the object is gone, or is of another family: %s", message);
        return NULL;
    case PRONG_INVALID: PyErr_Format(PyExc_ValueError, "%s", message); return NULL;
    case PRONG_SYSTEM: PyErr_Format(PyExc_OSError, "%s", message); return NULL;
    case PRONG_POOL_BROKEN: PyErr_Format(PoolBroken, "%s", message); return NULL;
    case PRONG_GAVE_UP: PyErr_Format(SupervisorGaveUp, "%s", message); return NULL;
    case PRONG_DEADLOCK: PyErr_Format(Deadlock ? Deadlock : PyExc_RuntimeError, "%s", message); return NULL;
    default: break;
    }
    PyErr_Format(ProcessError ? ProcessError : PyExc_RuntimeError, "%s",
                 *message ? message : prong_status_text(status));
    return NULL;
}

PyObject *none_or_raise(prong_status status) {
    if (status < 0) return raise_status(status);
    Py_RETURN_NONE;
}

PyObject *true_in_time(prong_status status) {
    if (PyErr_Occurred()) return NULL;
    if (status < 0 && status != PRONG_TIMEOUT) return raise_status(status);
    return PyBool_FromLong(status >= 0);
}

PyObject *exception_taken(void) {
    PyObject *type, *value, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback) PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

int raise_closed(void) {
    PyErr_SetString(PyExc_OSError, "handle is closed");
    return -1;
}

/* --- waits --- */

static _Thread_local PyThreadState *waiting; /* of the innermost wait */
static unsigned long main_thread;

PyThreadState *wait_begin(void) {
    PyThreadState *outer = waiting;
    waiting = PyEval_SaveThread();
    return outer;
}

void wait_end(PyThreadState *outer) {
    PyEval_RestoreThread(waiting);
    waiting = outer;
    prong_clear_interrupt();
}

/* The thread for which signals are handled looks whether there are any. */
static bool wait_interrupted(void) {
    if (!waiting || PyThread_get_thread_ident() != main_thread) return false;
    PyEval_RestoreThread(waiting);
    /* not where one has raised already: what the core still has to do then is not to be broken off */
    bool raised = !PyErr_Occurred() && PyErr_CheckSignals() != 0;
    waiting = PyEval_SaveThread();
    return raised;
}

void waits_after_fork(void) {
    main_thread = PyThread_get_thread_ident();
    waiting = NULL;
}

void waits_install(prong_runtime *runtime) {
    runtime->interrupted = wait_interrupted;
    PyObject *threading = PyImport_ImportModule("threading"), *thread = NULL, *ident = NULL;
    if (threading) thread = PyObject_CallMethod(threading, "main_thread", NULL);
    if (thread) ident = PyObject_GetAttrString(thread, "ident");
    main_thread = ident ? PyLong_AsUnsignedLong(ident) : PyThread_get_thread_ident();
    PyErr_Clear();
    Py_XDECREF(threading);
    Py_XDECREF(thread);
    Py_XDECREF(ident);
}
