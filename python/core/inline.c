/* Pools without workers (prong.INLINE): a task is called in the thread that submits it. */
#include "pool.h"

static _Thread_local PyObject *inlined; /* the pool whose task runs in this thread, not a reference; NULL: none */

void inline_forget(void) {
    inlined = NULL;
}

/* Nothing was pickled, so shares are still to be opened. Takes the references, of which NULL is an exception; keywords may be None. */
static PyObject *inline_apply(PyObject *function, PyObject *arguments, PyObject *keywords) {
    PyObject *opened = arguments ? shares_resolve(arguments) : NULL, *result = NULL;
    PyObject *named = keywords ? shares_resolve(keywords) : NULL;
    if (opened && named) result = PyObject_Call(function, opened, named == Py_None ? NULL : named);
    Py_XDECREF(named);
    Py_XDECREF(opened);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    return result;
}

static PyObject *inline_call_one(PyObject *function, PyObject *item, bool star) {
    PyObject *arguments = star ? PySequence_Tuple(item) : PyTuple_Pack(1, item);
    return inline_apply(function, arguments, new_reference(Py_None));
}

static PyObject *inline_call_each(PyObject *function, PyObject *items, bool star) {
    PyObject *fast = PySequence_Fast(items, "a chunk is a sequence"), *results = fast ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; results && i < PySequence_Fast_GET_SIZE(fast); i++) {
        PyObject *item = new_reference(PySequence_Fast_GET_ITEM(fast, i));
        PyObject *result = inline_call_one(function, item, star);
        if (!result || PyList_Append(results, result)) Py_CLEAR(results);
        Py_XDECREF(result);
        Py_DECREF(item);
    }
    Py_XDECREF(fast);
    return results;
}

static PyObject *inline_call(enum form form, PyObject *function, PyObject *data) {
    PyObject *arguments, *keywords;
    switch (form) {
    case FORM_CALL:
        if (!PyArg_ParseTuple(data, "O!O!", &PyTuple_Type, &arguments, &PyDict_Type, &keywords)) return NULL;
        return inline_apply(function, new_reference(arguments), new_reference(keywords));
    case FORM_ITEM:
    case FORM_STAR: return inline_call_one(function, data, form == FORM_STAR);
    default: return inline_call_each(function, data, form == FORM_STARMAP);
    }
}

/* _run_inline(pool, form, function, data) */
static PyObject *run_inline(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    long form = count == 4 ? PyLong_AsLong(arguments[1]) : -1;
    if (form < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "_run_inline(pool, form, function, data)");
        return NULL;
    }
    PyObject *outer = inlined;
    inlined = arguments[0];
    PyObject *result = inline_call((enum form)form, arguments[2], arguments[3]);
    inlined = outer;
    return result;
}

static PyObject *get_inlined(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return new_reference(inlined ? inlined : Py_None);
}

static PyMethodDef inline_functions[] = {
    {"_run_inline", (PyCFunction)(void (*)(void))run_inline, METH_FASTCALL,
     DOC("_run_inline($module, pool, form, function, data, /)",
         "Calls a function as a task of a pool without workers: what it returns, or raises.")},
    {"_inlined", get_inlined, METH_NOARGS,
     DOC("_inlined($module, /)", "The pool without workers whose task runs in this thread, or None.")},
    {0}};

int add_inline(PyObject *module) {
    return PyModule_AddFunctions(module, inline_functions);
}
