/* How functions and classes are sent: by name where the process that gets them finds them so, else by value. prong._impl.lookup
 * decides; what may go by name is remembered here, since the answer is nearly always that. */
#include "codec.h"

PyObject *travel_pickler;

static PyObject *cached_function_type, *check_name, *by_value_error, *pickling_error, *dump_by_value;

/* What the tasks of a pool are sent to has inherited these names; NULL: another process than a forked worker. */
static _Thread_local PyObject *receiver;

/* Whether such an object is still there, its weak reference tells; a receiver that goes has all forgotten. */
enum { REMEMBERED = 64 };
static struct {
    PyObject *object, *receiver; /* neither is a reference */
    PyObject *weak;
} remembered[REMEMBERED];
static _Thread_local bool recalled; /* whether one of them was in the message that is being made */

static bool all_by_name;

static size_t remembered_at(PyObject *object) {
    return ((uintptr_t)object >> 4) % REMEMBERED;
}

static bool recall(PyObject *object) {
    size_t at = remembered_at(object);
    if (remembered[at].object != object || remembered[at].receiver != receiver) return false;
#if PY_VERSION_HEX < 0x030d0000
    return PyWeakref_GetObject(remembered[at].weak) == object;
#else
    PyObject *there = NULL;
    if (PyWeakref_GetRef(remembered[at].weak, &there) < 0) PyErr_Clear();
    Py_XDECREF(there);
    return there == object;
#endif
}

static void remember(PyObject *object) {
    size_t at = remembered_at(object);
    PyObject *weak = PyWeakref_NewRef(object, NULL);
    if (!weak) {
        PyErr_Clear();
        return;
    }
    remembered[at].object = object;
    Py_XSETREF(remembered[at].weak, weak);
    remembered[at].receiver = receiver;
}

void travel_forget(void) {
    for (size_t i = 0; i < REMEMBERED; i++) {
        remembered[i].object = remembered[i].receiver = NULL;
        Py_CLEAR(remembered[i].weak);
    }
}

/* Types that are not made by a program are the interpreter's, or an extension's: they go as pickle has it. */
static bool is_for_lookup(PyObject *object) {
    if (PyType_Check(object)) return PyType_HasFeature((PyTypeObject *)object, Py_TPFLAGS_HEAPTYPE);
    return PyFunction_Check(object) || (PyObject *)Py_TYPE(object) == cached_function_type;
}

static int need_lookup(void) {
    if (check_name) return 0;
    PyObject *lookup = PyImport_ImportModule("prong._impl.lookup");
    if (!lookup) return -1;
    by_value_error = PyObject_GetAttrString(lookup, "ByValue");
    check_name = by_value_error ? PyObject_GetAttrString(lookup, "check") : NULL;
    Py_DECREF(lookup);
    return check_name ? 0 : -1;
}

/* The pickler's reducer_override: lets everything go as it does by itself, or ends the pickle with ByValue. */
static PyObject *travel_check(PyObject *unused, PyObject *object) {
    (void)unused;
    if (!all_by_name && is_for_lookup(object)) {
        if (recall(object)) {
            recalled = true;
            Py_RETURN_NOTIMPLEMENTED;
        }
        if (need_lookup()) return NULL;
        PyObject *checked = PyObject_CallFunctionObjArgs(check_name, object, receiver ? receiver : Py_None, NULL);
        if (!checked) return NULL;
        Py_DECREF(checked);
        remember(object);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

/* Whether the exception that is set, of travel_pickler's, may be none by value. What was remembered may hold no longer. */
bool travel_may_help(void) {
    bool stale = recalled && PyErr_ExceptionMatches(pickling_error);
    recalled = false;
    if (stale) travel_forget();
    return stale || (by_value_error && PyErr_ExceptionMatches(by_value_error));
}

/* Takes the exception that is set, and pickles by value what has to be. */
int travel_dump(PyObject *sink, PyObject *object, PyObject *reducers, PyObject *buffer_callback) {
    PyObject *type, *first, *traceback;
    PyErr_Fetch(&type, &first, &traceback);
    PyErr_NormalizeException(&type, &first, &traceback);
    if (!dump_by_value) {
        PyObject *pickling = PyImport_ImportModule("prong._impl.pickling");
        dump_by_value = pickling ? PyObject_GetAttrString(pickling, "dump_by_value") : NULL;
        Py_XDECREF(pickling);
    }
    PyObject *result = dump_by_value ? PyObject_CallFunctionObjArgs(dump_by_value, first, object, sink, reducers,
                                                                    buffer_callback, NULL)
                                     : NULL;
    Py_XDECREF(type);
    Py_XDECREF(first);
    Py_XDECREF(traceback);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

void travel_by_name(void) {
    all_by_name = true;
}

PyObject *travel_to(PyObject *inherited) {
    PyObject *before = receiver;
    receiver = inherited;
    return before;
}

/* ------------------------------------------------ for Python ------------------------------------------------ */

/* _forget_names(): what may go by name is to be looked up again */
static PyObject *forget_names(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    travel_forget();
    Py_RETURN_NONE;
}

/* _inherited() -> what the workers have inherited that the message in the making is for, or None */
static PyObject *get_inherited(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return new_reference(receiver ? receiver : Py_None);
}

static PyMethodDef check_method = {"reducer_override", travel_check, METH_O, NULL};
static PyMethodDef travel_functions[] = {
    {"_forget_names", forget_names, METH_NOARGS,
     DOC("_forget_names($module, /)", "Has it looked up again what functions and classes can be sent by name.")},
    {"_inherited", get_inherited, METH_NOARGS,
     DOC("_inherited($module, /)",
         "The names that the forked workers have inherited which the pickle in the making is for, or None.")},
    {0}};

static PyObject *attribute_of(const char *module_name, const char *name) {
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

int travel_init(PyObject *pickler) {
    PyObject *check = PyCFunction_New(&check_method, NULL); /* of no class: called with the object alone */
    if (check)
        travel_pickler = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O){s:s,s:(),s:O}", "_Pickler", pickler,
                                               "__module__", "prong._core", "__slots__", "reducer_override", check);
    Py_XDECREF(check);
    cached_function_type = attribute_of("functools", "_lru_cache_wrapper");
    pickling_error = attribute_of("_pickle", "PicklingError");
    return travel_pickler && cached_function_type && pickling_error ? 0 : -1;
}

int add_travel(PyObject *module) {
    return PyModule_AddFunctions(module, travel_functions);
}
