/* Lock, RLock, Semaphore and BoundedSemaphore. */
#include "core.h"

#include "sync/sync.h"

#include <errno.h>
#include <limits.h>
#include <pythread.h>

enum kind { PLAIN, RECURSIVE, SEMAPHORE };

typedef struct {
    LockObject lock; /* first: shared with Condition */
    enum kind kind;
    bool bounded;
} Lock;

static prong_status destroy_lock(uint64_t offset, uint64_t generation) {
    return prong_lock_destroy((prong_lock){offset, generation});
}
static prong_status destroy_semaphore(uint64_t offset, uint64_t generation) {
    return prong_semaphore_destroy((prong_semaphore){offset, generation});
}
static destroy_function *const destroyers[] = {destroy_lock, destroy_lock, destroy_semaphore};

static inline prong_lock lock_of(const Lock *self) {
    return (prong_lock){self->lock.shared.handle.offset, self->lock.shared.handle.generation};
}

static inline prong_semaphore semaphore_of(const Lock *self) {
    return (prong_semaphore){self->lock.shared.handle.offset, self->lock.shared.handle.generation};
}

/* Without a wait or a call, where that is enough: the core's inline functions. */
static inline bool pylock_take_at_once(const Lock *self) {
    return self->kind != SEMAPHORE && sync_lock_try(lock_of(self));
}

static inline bool pylock_give_at_once(const Lock *self) {
    return self->kind != SEMAPHORE && sync_lock_try_release(lock_of(self));
}

static prong_status pylock_take(const Lock *self, prong_time timeout) {
    return self->kind == SEMAPHORE ? prong_semaphore_acquire(semaphore_of(self), timeout)
                                   : prong_lock_acquire(lock_of(self), timeout);
}

static prong_status pylock_give(const Lock *self) {
    return self->kind == SEMAPHORE ? prong_semaphore_release(semaphore_of(self)) : prong_lock_release(lock_of(self));
}

int note_owner_died(PyObject **text) {
    PyObject *message = error_message();
    if (!message) return -1;
    Py_XSETREF(*text, message);
    return PyErr_WarnFormat(OwnerDiedWarning ? OwnerDiedWarning : PyExc_RuntimeWarning, 2, "%U", message);
}

static inline void pylock_note_taken(Lock *self) {
    self->lock.count++;
    self->lock.thread = this_thread();
    counts[COUNT_LOCK]++;
}

static PyObject *pylock_taken(Lock *self, prong_status status) {
    if (status == PRONG_TIMEOUT && !PyErr_Occurred()) Py_RETURN_FALSE;
    if (status < 0) return raise_status(status);
    pylock_note_taken(self);
    if (__builtin_expect(status == PRONG_OWNER_DIED, 0) && note_owner_died(&self->lock.owner_died)) {
        self->lock.count--;
        pylock_give(self);
        return NULL;
    }
    if (PyErr_Occurred()) { /* taken as a signal's handler raised */
        self->lock.count--;
        pylock_give(self);
        return NULL;
    }
    Py_RETURN_TRUE;
}

/* It is not free: only to wait takes it that the GIL is given up. Out of line, so that pylock_acquire_within needs no registers for it. */
static __attribute__((noinline)) PyObject *pylock_acquire_slowly(Lock *self, prong_time timeout) {
    prong_status status = PRONG_TIMEOUT;
    if (timeout == PRONG_NOWAIT || self->kind == SEMAPHORE) status = pylock_take(self, PRONG_NOWAIT);
    if (status == PRONG_TIMEOUT && timeout != PRONG_NOWAIT) WAITING(pylock_take(self, timeout));
    return pylock_taken(self, status);
}

static inline PyObject *pylock_acquire_within(Lock *self, prong_time timeout) {
    if (__builtin_expect(!pylock_take_at_once(self), 0)) return pylock_acquire_slowly(self, timeout);
    pylock_note_taken(self);
    Py_RETURN_TRUE;
}

static __attribute__((noinline)) PyObject *pylock_acquire_as_told(Lock *self, PyObject *const *arguments,
                                                                  Py_ssize_t count, PyObject *names) {
    prong_time span;
    if (parse_fast_wait("acquire", arguments, count, names, &span)) return NULL;
    return pylock_acquire_within(self, span);
}

/* acquire(block=True, timeout=None) */
static PyObject *pylock_acquire(PyObject *object, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    if (__builtin_expect(count || names, 0)) return pylock_acquire_as_told((Lock *)object, arguments, count, names);
    return pylock_acquire_within((Lock *)object, PRONG_FOREVER);
}

static PyObject *pylock_not_released(const Lock *self, prong_status status) {
    if (status == PRONG_NOT_OWNER && self->kind == RECURSIVE)
        PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
    else if (status == PRONG_NOT_OWNER)
        PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
    else
        raise_status(status);
    return NULL;
}

static __attribute__((noinline)) PyObject *pylock_release_slowly(Lock *self) {
    prong_status status = pylock_give(self);
    if (status < 0) return pylock_not_released(self, status);
    if (self->lock.count) self->lock.count--;
    Py_RETURN_NONE;
}

static inline PyObject *pylock_release_one(Lock *self) {
    if (__builtin_expect(!pylock_give_at_once(self), 0)) return pylock_release_slowly(self);
    if (self->lock.count) self->lock.count--;
    Py_RETURN_NONE;
}

/* release(), as a fast call: that kind the interpreters specialize also for a bound method. */
static PyObject *pylock_release(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    (void)arguments;
    if (count) return PyErr_Format(PyExc_TypeError, "release() takes no arguments (%zd given)", count);
    return pylock_release_one((Lock *)object);
}

static PyObject *pylock_enter(PyObject *object, PyObject *unused) {
    (void)unused;
    return pylock_acquire_within((Lock *)object, PRONG_FOREVER);
}

static PyObject *pylock_exit(PyObject *object, PyObject *const *arguments, Py_ssize_t count) {
    (void)arguments;
    (void)count;
    return pylock_release_one((Lock *)object);
}

static unsigned pylock_units(const Lock *self) {
    return self->kind == SEMAPHORE ? prong_semaphore_value(semaphore_of(self)) : !prong_lock_locked(lock_of(self));
}

static PyObject *pylock_value(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(pylock_units((Lock *)object));
}

static PyObject *pylock_locked(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(pylock_units((Lock *)object) == 0);
}

static PyObject *pylock_count(PyObject *object, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(((Lock *)object)->lock.count);
}

static PyObject *pylock_is_mine(PyObject *object, PyObject *unused) {
    const Lock *self = (Lock *)object;
    (void)unused;
    return PyBool_FromLong(self->lock.count > 0 && self->lock.thread == this_thread());
}

/* A forked child holds nothing. */
static PyObject *pylock_after_fork(PyObject *object, PyObject *unused) {
    (void)unused;
    ((Lock *)object)->lock.count = 0;
    Py_RETURN_NONE;
}

static prong_status pylock_create(const Lock *self, unsigned value, bool recover, struct handle *made) {
    const prong_semaphore_options options = {.bounded = self->bounded, .recover = recover};
    const prong_lock_options lock_options = {.recursive = self->kind == RECURSIVE};
    return self->kind == SEMAPHORE ? prong_semaphore_create((prong_semaphore *)(void *)made, value, &options)
                                   : prong_lock_create((prong_lock *)(void *)made, &lock_options);
}

/* (value=1, bounded=False, recover=False, handle=None): the first three for a semaphore, handle to know one made elsewhere */
static int pylock_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"value", "bounded", "recover", "handle", NULL};
    Lock *self = (Lock *)object;
    long long value = 1;
    int bounded = 0, recover = 0;
    PyObject *handle = NULL;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|LppO!", names, &value, &bounded, &recover, &PyTuple_Type,
                                     &handle))
        return -1;
    self->kind = PyType_IsSubtype(Py_TYPE(self), &Lock_type)    ? PLAIN
                 : PyType_IsSubtype(Py_TYPE(self), &RLock_type) ? RECURSIVE
                                                                : SEMAPHORE;
    self->bounded = bounded;
    if (handle) return handle_parse(handle, &self->lock.shared.handle);
    if (value < 0 || value > INT_MAX) {
        errno = EINVAL;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    struct handle made = {0};
    prong_status status = pylock_create(self, (unsigned)value, recover, &made);
    return shared_made(&self->lock.shared, status, made.offset, made.generation, destroyers[self->kind]);
}

static void pylock_dealloc(PyObject *object) {
    Py_XDECREF(((LockObject *)object)->owner_died);
    shared_dealloc(object);
}

static PyObject *get_owner_died(PyObject *object, void *unused) {
    const Lock *self = (Lock *)object;
    (void)unused;
    return new_reference(self->lock.owner_died ? self->lock.owner_died : Py_None);
}

static PyGetSetDef pylock_members[] = {
    {"owner_died", get_owner_died, NULL,
     "None; or a sentence about the process that died while it held this, from which the last acquire took it over.",
     NULL},
    {0}};

static PyMethodDef pylock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))pylock_acquire, METH_FASTCALL | METH_KEYWORDS,
     DOC("acquire($self, /, block=True, timeout=None)",
         "Takes it: whether it was taken.\n"
         "\n"
         "Waits up to timeout seconds (None: forever; less than 0: not at all), and not at all without "
         "block. It is taken\n"
         "even when it is taken over from a process that died: see owner_died.")},
    {"release", (PyCFunction)(void (*)(void))pylock_release, METH_FASTCALL,
     DOC("release($self, /)", "Gives it back.\n"
                              "\n"
                              "ValueError when it is free; of an RLock AssertionError when it is another's.")},
    {"__enter__", pylock_enter, METH_NOARGS, DOC("__enter__($self, /)", "Takes it; waits for that without limit.")},
    {"__exit__", (PyCFunction)(void (*)(void))pylock_exit, METH_FASTCALL,
     DOC("__exit__($self, type, value, traceback, /)", "Gives it back.")},
    {"locked", pylock_locked, METH_NOARGS, DOC("locked($self, /)", "Whether an acquire would have to wait.")},
    {"_get_value", pylock_value, METH_NOARGS, DOC("_get_value($self, /)", "Units that can be acquired now.")},
    {"_count", pylock_count, METH_NOARGS, DOC("_count($self, /)", "How many times this process holds it.")},
    {"_is_mine", pylock_is_mine, METH_NOARGS,
     DOC("_is_mine($self, /)", "Whether this thread of this process holds it.")},
    {"_is_zero", pylock_locked, METH_NOARGS, DOC("_is_zero($self, /)", "Whether an acquire would have to wait.")},
    {"_after_fork", pylock_after_fork, METH_NOARGS,
     DOC("_after_fork($self, /)", "In a forked child: it holds nothing.")},
    {0}};

#define LOCK_ARGUMENTS "(value=1, bounded=False, recover=False, handle=None)"
#define LOCK_TYPE(name, arguments, doc)                                                                                \
    {                                                                                                                  \
        PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core." name, .tp_base = &Shared_type,                         \
                                    .tp_doc = DOC(name arguments, doc), .tp_basicsize = sizeof(Lock),                  \
                                    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .tp_new = PyType_GenericNew, \
                                    .tp_init = pylock_init, .tp_dealloc = pylock_dealloc,                              \
                                    .tp_methods = pylock_methods, .tp_getset = pylock_members                          \
    }
PyTypeObject Lock_type = LOCK_TYPE("Lock", LOCK_ARGUMENTS,
                                   "A lock for processes and threads, which outlives a process that dies holding it.");
PyTypeObject RLock_type =
    LOCK_TYPE("RLock", LOCK_ARGUMENTS, "A lock that one thread of one process may take many times.");
static PyTypeObject Semaphore_type =
    LOCK_TYPE("Semaphore", LOCK_ARGUMENTS, "A number of units to be acquired and released.");

int add_locks(PyObject *module) {
    return add_type(module, "Lock", &Lock_type) || add_type(module, "RLock", &RLock_type) ||
           add_type(module, "Semaphore", &Semaphore_type);
}
