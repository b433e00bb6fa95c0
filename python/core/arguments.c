/* What calls are given: how long to wait, by place or by name. */
#include "core.h"

#include <math.h>

int parse_timeout(PyObject *timeout, prong_time *span) {
    if (!timeout || timeout == Py_None) {
        *span = PRONG_FOREVER;
        return 0;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1 && PyErr_Occurred()) return -1;
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    *span = seconds <= 0 ? PRONG_NOWAIT : seconds >= 9e9 ? PRONG_FOREVER : (prong_time)(seconds * 1e9);
    return 0;
}

int parse_room_timeout(PyObject *timeout, prong_time *room) {
    if (parse_timeout(timeout, room)) return -1;
    if (*room == PRONG_FOREVER)
        *room = 0;
    else if (*room <= 0)
        *room = -1;
    return 0;
}

int parse_limit(PyObject *timeout, prong_time *limit) {
    if (parse_timeout(timeout, limit)) return -1;
    if (*limit == PRONG_FOREVER)
        *limit = 0;
    else if (*limit <= 0)
        *limit = 1;
    return 0;
}

int parse_wait(PyObject *block, PyObject *timeout, prong_time *span) {
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks < 0 || parse_timeout(timeout, span)) return -1;
    if (!blocks) *span = PRONG_NOWAIT;
    return 0;
}

int parse_fast(const char *call, PyObject *const *arguments, Py_ssize_t count, PyObject *names,
               const char *const *known, Py_ssize_t most, PyObject **values) {
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (count + named > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", call, most, count + named);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = arguments[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        Py_ssize_t which = 0;
        while (which < most && PyUnicode_CompareWithASCIIString(name, known[which]) != 0) which++;
        if (which == most || values[which]) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", call, name);
            return -1;
        }
        values[which] = arguments[count + i];
    }
    return 0;
}

int parse_fast_wait(const char *call, PyObject *const *arguments, Py_ssize_t count, PyObject *names, prong_time *span) {
    static const char *const known[] = {"block", "timeout"};
    PyObject *values[2] = {NULL, NULL};
    *span = PRONG_FOREVER;
    if (!count && !names) return 0;
    return parse_fast(call, arguments, count, names, known, 2, values) || parse_wait(values[0], values[1], span) ? -1
                                                                                                                 : 0;
}

PyObject *get_flag(PyObject *object, void *offset) {
    return PyBool_FromLong(*(bool *)((char *)object + (size_t)offset));
}
