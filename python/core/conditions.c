/* Condition, Event and Barrier. */
#include "core.h"

#include <pythread.h>

/* ------------------------------------------------ Condition ------------------------------------------------ */

typedef struct {
    SharedObject shared;
    LockObject *lock;
} Condition;

static prong_condition condition_of(const Condition *self) {
    return (prong_condition){self->shared.handle.offset, self->shared.handle.generation};
}

static prong_status destroy_condition(uint64_t offset, uint64_t generation) {
    return prong_condition_destroy((prong_condition){offset, generation});
}

/* (lock, handle=None) */
static int condition_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"lock", "handle", NULL};
    Condition *self = (Condition *)object;
    PyObject *lock, *handle = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O!", names, &lock, &PyTuple_Type, &handle)) return -1;
    if (!PyObject_TypeCheck(lock, &RLock_type) && !PyObject_TypeCheck(lock, &Lock_type)) {
        PyErr_Format(PyExc_TypeError, "a Condition's lock must be a Lock or an RLock, not %s", Py_TYPE(lock)->tp_name);
        return -1;
    }
    Py_XSETREF(self->lock, (LockObject *)new_reference(lock));
    if (handle) return handle_parse(handle, &self->shared.handle);
    const struct handle held = self->lock->shared.handle;
    prong_condition made;
    prong_status status =
        prong_condition_create(&made, &(prong_condition_options){.lock = {held.offset, held.generation}});
    return shared_made(&self->shared, status, made.offset, made.generation, destroy_condition);
}

static void condition_dealloc(PyObject *object) {
    Py_XDECREF(((Condition *)object)->lock);
    shared_dealloc(object);
}

static PyObject *condition_not_held(prong_status status, const char *what) {
    if (status != PRONG_NOT_OWNER) return raise_status(status);
    PyErr_Format(PyExc_AssertionError, "must acquire() condition before using %s()", what);
    return NULL;
}

static PyObject *condition_wait(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"timeout", NULL};
    Condition *self = (Condition *)object;
    PyObject *timeout = NULL;
    prong_time span;
    prong_status status;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O", names, &timeout) || parse_timeout(timeout, &span))
        return NULL;
    if (!self->lock) return condition_not_held(PRONG_NOT_OWNER, "wait"); /* not initialized */
    uint64_t count = self->lock->count;                                  /* meanwhile other threads may hold it */
    unsigned long thread = self->lock->thread;
    self->lock->count = 0;
    WAITING(prong_condition_wait(condition_of(self), span));
    counts[COUNT_SYNC]++;
    self->lock->count = count;
    self->lock->thread = thread;
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_OWNER_DIED) return note_owner_died(&self->lock->owner_died) ? NULL : new_reference(Py_True);
    if (status == PRONG_TIMEOUT) Py_RETURN_FALSE;
    if (status < 0) return condition_not_held(status, "wait");
    Py_RETURN_TRUE;
}

static PyObject *condition_notify(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"n", NULL};
    Py_ssize_t count = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|n", names, &count)) return NULL;
    counts[COUNT_SYNC]++;
    prong_status status =
        prong_condition_notify(condition_of((Condition *)object), count < 0         ? 0
                                                                  : count > 1 << 30 ? 1u << 30
                                                                                    : (unsigned)count);
    if (status < 0) return condition_not_held(status, "notify");
    Py_RETURN_NONE;
}

static PyObject *condition_notify_all(PyObject *object, PyObject *unused) {
    (void)unused;
    counts[COUNT_SYNC]++;
    prong_status status = prong_condition_notify(condition_of((Condition *)object), PRONG_ALL);
    if (status < 0) return condition_not_held(status, "notify_all");
    Py_RETURN_NONE;
}

static PyMethodDef condition_methods[] = {
    {"wait", (PyCFunction)(void (*)(void))condition_wait, METH_VARARGS | METH_KEYWORDS,
     DOC("wait($self, /, timeout=None)",
         "Gives the lock back, waits to be notified, and takes the lock again: whether it was notified.\n"
         "\n"
         "False when timeout seconds (None: no limit) have passed. AssertionError when the lock is not held.")},
    {"notify", (PyCFunction)(void (*)(void))condition_notify, METH_VARARGS | METH_KEYWORDS,
     DOC("notify($self, /, n=1)", "Wakes up to n of those that wait now.\n"
                                  "\n"
                                  "It never waits for them. AssertionError when the lock is not held.")},
    {"notify_all", condition_notify_all, METH_NOARGS,
     DOC("notify_all($self, /)", "Wakes all that wait now. AssertionError when the lock is not held.")},
    {0}};

static PyTypeObject Condition_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Condition",
                                      .tp_doc = DOC("Condition(lock, handle=None)", "A condition with that lock."),
                                      .tp_base = &Shared_type,
                                      .tp_basicsize = sizeof(Condition),
                                      .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                      .tp_new = PyType_GenericNew,
                                      .tp_init = condition_init,
                                      .tp_dealloc = condition_dealloc,
                                      .tp_methods = condition_methods};

/* ------------------------------------------------ Event ------------------------------------------------ */

static prong_event event_of(PyObject *object) {
    const SharedObject *self = (SharedObject *)object;
    return (prong_event){self->handle.offset, self->handle.generation};
}

static prong_status destroy_event(uint64_t offset, uint64_t generation) {
    return prong_event_destroy((prong_event){offset, generation});
}

static int event_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"handle", NULL};
    SharedObject *self = (SharedObject *)object;
    PyObject *handle = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O!", names, &PyTuple_Type, &handle)) return -1;
    if (handle) return handle_parse(handle, &self->handle);
    prong_event made;
    prong_status status = prong_event_create(&made, NULL);
    return shared_made(self, status, made.offset, made.generation, destroy_event);
}

static PyObject *event_set(PyObject *object, PyObject *unused) {
    (void)unused;
    counts[COUNT_SYNC]++;
    return none_or_raise(prong_event_set(event_of(object)));
}

static PyObject *event_clear(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_raise(prong_event_clear(event_of(object)));
}

static PyObject *event_is_set(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(prong_event_is_set(event_of(object)));
}

static PyObject *event_wait(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"timeout", NULL};
    PyObject *timeout = NULL;
    prong_time span;
    prong_status status = PRONG_OK;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|O", names, &timeout) || parse_timeout(timeout, &span))
        return NULL;
    counts[COUNT_SYNC]++;
    if (!prong_event_is_set(event_of(object))) WAITING(prong_event_wait(event_of(object), span));
    return true_in_time(status);
}

static PyMethodDef event_methods[] = {
    {"set", event_set, METH_NOARGS, DOC("set($self, /)", "Sets it, and wakes all that wait. It waits for nobody.")},
    {"clear", event_clear, METH_NOARGS, DOC("clear($self, /)", "Makes it unset.")},
    {"is_set", event_is_set, METH_NOARGS, DOC("is_set($self, /)", "Whether it is set.")},
    {"wait", (PyCFunction)(void (*)(void))event_wait, METH_VARARGS | METH_KEYWORDS,
     DOC("wait($self, /, timeout=None)", "Waits until it is set: whether it is.\n"
                                         "\n"
                                         "False when timeout seconds (None: no limit) have passed.")},
    {0}};

static PyTypeObject Event_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Event",
                                  .tp_doc = DOC("Event(handle=None)", "An event, which is not set."),
                                  .tp_base = &Shared_type,
                                  .tp_basicsize = sizeof(SharedObject),
                                  .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                  .tp_new = PyType_GenericNew,
                                  .tp_init = event_init,
                                  .tp_methods = event_methods};

/* ------------------------------------------------ Barrier ------------------------------------------------ */

static prong_barrier barrier_of(PyObject *object) {
    const SharedObject *self = (SharedObject *)object;
    return (prong_barrier){self->handle.offset, self->handle.generation};
}

static prong_status destroy_barrier(uint64_t offset, uint64_t generation) {
    return prong_barrier_destroy((prong_barrier){offset, generation});
}

static int barrier_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"parties", "handle", NULL};
    SharedObject *self = (SharedObject *)object;
    int parties = 0;
    PyObject *handle = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|O!", names, &parties, &PyTuple_Type, &handle)) return -1;
    if (handle) return handle_parse(handle, &self->handle);
    prong_barrier made;
    if (parties < 1) {
        PyErr_SetString(PyExc_ValueError, "parties must be >= 1");
        return -1;
    }
    prong_status status = prong_barrier_create(&made, (unsigned)parties, NULL);
    return shared_made(self, status, made.offset, made.generation, destroy_barrier);
}

/* What the action raised belongs to the one who ran it; the others learn that the barrier is broken. */
static int barrier_run_action(void *action) {
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallNoArgs(action);
    int failed = result == NULL; /* the exception stays set, for barrier_wait */
    Py_XDECREF(result);
    PyGILState_Release(state);
    return failed;
}

/* wait(action, timeout) -> index, or None when the barrier is broken */
static PyObject *barrier_wait(PyObject *object, PyObject *arguments) {
    PyObject *action, *timeout;
    prong_barrier_wait_options options = {0};
    prong_time span;
    prong_status status;
    unsigned index = 0;
    if (!PyArg_ParseTuple(arguments, "OO", &action, &timeout) || parse_timeout(timeout, &span)) return NULL;
    counts[COUNT_SYNC]++;
    if (action != Py_None) options = (prong_barrier_wait_options){.action = barrier_run_action, .context = action};
    WAITING(prong_barrier_wait(barrier_of(object), &index, &options, span));
    if (PyErr_Occurred()) return NULL;
    if (status == PRONG_BROKEN || status == PRONG_TIMEOUT) Py_RETURN_NONE;
    if (status < 0) return raise_status(status);
    return PyLong_FromUnsignedLong(index);
}

static PyObject *barrier_abort(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_raise(prong_barrier_abort(barrier_of(object)));
}

static PyObject *barrier_reset(PyObject *object, PyObject *unused) {
    (void)unused;
    return none_or_raise(prong_barrier_reset(barrier_of(object)));
}

/* All zero if it was destroyed. */
static prong_barrier_state barrier_state(PyObject *object) {
    prong_barrier_state state;
    prong_barrier_get_state(barrier_of(object), &state);
    return state;
}

static PyObject *barrier_parties(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(barrier_state(object).parties);
}

static PyObject *barrier_n_waiting(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(barrier_state(object).waiting);
}

static PyObject *barrier_broken(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(barrier_state(object).broken);
}

static PyMethodDef barrier_methods[] = {
    {"_wait", barrier_wait, METH_VARARGS,
     DOC("_wait($self, action, timeout, /)",
         "Waits for all parties: which of them this is; None when the barrier is broken, or the time is up.\n"
         "\n"
         "action: called by the last to come, or None.")},
    {"abort", barrier_abort, METH_NOARGS,
     DOC("abort($self, /)", "Breaks the barrier: those that wait, or come to wait, get BrokenBarrierError.")},
    {"reset", barrier_reset, METH_NOARGS,
     DOC("reset($self, /)", "Makes the barrier as new: those that wait get BrokenBarrierError.")},
    {0}};
static PyGetSetDef barrier_members[] = {{"parties", barrier_parties, NULL, PyDoc_STR("How many it waits for."), NULL},
                                        {"n_waiting", barrier_n_waiting, NULL, PyDoc_STR("How many wait now."), NULL},
                                        {"broken", barrier_broken, NULL, PyDoc_STR("Whether it is broken."), NULL},
                                        {0}};

static PyTypeObject Barrier_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Barrier",
                                    .tp_doc = DOC("Barrier(parties, handle=None)", "A barrier for so many parties."),
                                    .tp_base = &Shared_type,
                                    .tp_basicsize = sizeof(SharedObject),
                                    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                    .tp_new = PyType_GenericNew,
                                    .tp_init = barrier_init,
                                    .tp_methods = barrier_methods,
                                    .tp_getset = barrier_members};

int add_conditions(PyObject *module) {
    return add_type(module, "Condition", &Condition_type) || add_type(module, "Event", &Event_type) ||
           add_type(module, "Barrier", &Barrier_type);
}
