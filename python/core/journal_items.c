/* JournalItems: items of a map with a journal that follow one another, and their results, some of which may be recorded. To imap it is
 * a task, which ends when the one that runs those that are not recorded ends. */
#include "journal.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD JournalObject *journal;
    uint64_t first;
    Py_ssize_t count;
    bool single, told; /* told: that the task has ended */
    uint64_t *digests;
    PyObject *values, *missing; /* lists: a result each; the positions of those that are not recorded */
    PyObject *task, *ended;     /* NULL: not submitted, or its end is known; not known: else (success, value) */
    PyObject *then;             /* called when it is; or NULL */
} ItemsObject;

/* --- making --- */

/* Of an item as it is pickled; -1 with an exception. */
static int item_digest(PyObject *item, uint64_t *digest) {
    struct encoded encoded;
    if (encode_for_strangers(item, &encoded)) return -1;
    char small[SMALL], *bytes = encoded.size <= sizeof small ? small : PyMem_Malloc(encoded.size);
    if (bytes) {
        encoded_write(&encoded, bytes);
        *digest = journal_digest(0, bytes, encoded.size);
    } else {
        PyErr_NoMemory();
    }
    if (bytes != small) PyMem_Free(bytes);
    encoded_clear(&encoded);
    return bytes ? 0 : -1;
}

static int items_look_up(ItemsObject *self, Py_ssize_t i) {
    PyObject *value = NULL;
    int found = journal_result(self->journal, self->first + (uint64_t)i, self->digests[i], &value);
    if (found < 0) return -1;
    PyList_SET_ITEM(self->values, i, found ? value : new_reference(Py_None));
    if (found) return 0;
    PyObject *position = PyLong_FromSsize_t(i);
    int bad = position ? PyList_Append(self->missing, position) : -1;
    Py_XDECREF(position);
    return bad;
}

static ItemsObject *items_new(JournalObject *journal, uint64_t first, Py_ssize_t count, bool single) {
    ItemsObject *self = PyObject_GC_New(ItemsObject, &JournalItems_type);
    if (!self) return NULL;
    Py_INCREF(journal);
    self->journal = journal;
    self->first = first;
    self->count = count;
    self->single = single;
    self->told = false;
    self->task = self->ended = self->then = NULL;
    self->digests = PyMem_Calloc((size_t)count + 1, sizeof *self->digests);
    self->values = PyList_New(count);
    self->missing = PyList_New(0);
    PyObject_GC_Track(self);
    if (!self->digests) PyErr_NoMemory();
    if (!self->digests || !self->values || !self->missing) Py_CLEAR(self);
    return self;
}

static int items_succeed(ItemsObject *self) {
    PyObject *made = self->single ? PyList_GET_ITEM(self->values, 0) : self->values;
    Py_XSETREF(self->ended, PyTuple_Pack(2, Py_True, made));
    return self->ended ? 0 : -1;
}

PyObject *journal_items_make(JournalObject *journal, uint64_t first, PyObject *items, bool single) {
    Py_ssize_t count = PyTuple_GET_SIZE(items), i = 0;
    ItemsObject *self = items_new(journal, first, count, single);
    while (self && i < count && item_digest(PyTuple_GET_ITEM(items, i), &self->digests[i]) == 0) i++;
    if (self && i < count) {
        PyObject *error = exception_taken();
        Py_DECREF(self);
        return error;
    }
    for (i = 0; self && i < count; i++)
        if (items_look_up(self, i)) Py_CLEAR(self);
    if (self && PyList_GET_SIZE(self->missing) == 0 && items_succeed(self)) Py_CLEAR(self);
    return (PyObject *)self;
}

/* --- recording --- */

static int items_add(ItemsObject *self, struct journal_batch *batch, PyObject *position) {
    Py_ssize_t i = PyLong_AsSsize_t(position);
    if (PyErr_Occurred()) return -1;
    PyObject *value = i < self->count ? PyList_GetItem(self->values, i) : NULL;
    if (!value) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_IndexError, "no such item");
        return -1;
    }
    Py_INCREF(value);
    int bad = journal_batch_add(batch, self->first + (uint64_t)i, self->digests[i], value);
    Py_DECREF(value);
    return bad;
}

static int items_add_all(ItemsObject *self, struct journal_batch *batch, PyObject *positions) {
    int bad = 0;
    for (Py_ssize_t i = 0; !bad && i < PyList_GET_SIZE(positions); i++)
        bad = items_add(self, batch, PyList_GET_ITEM(positions, i));
    return bad;
}

static int items_write(ItemsObject *self, const struct journal_batch *batch) {
    return batch->count ? journal_batch_write(self->journal, batch) : 0;
}

static PyObject *pyitems_record(PyObject *object, PyObject *positions) {
    ItemsObject *self = (ItemsObject *)object;
    struct journal_batch batch = {0};
    if (!PyList_Check(positions)) return PyErr_Format(PyExc_TypeError, "positions are a list");
    int bad = items_add_all(self, &batch, positions) || items_write(self, &batch);
    journal_batch_clear(&batch);
    return bad ? NULL : new_reference(Py_None);
}

/* --- as a task --- */

static int items_set(ItemsObject *self, Py_ssize_t position, PyObject *value) {
    return PyList_SetItem(self->values, position, new_reference(value));
}

/* What the task has returned. */
static int items_put(ItemsObject *self, PyObject *made) {
    Py_ssize_t count = PyList_GET_SIZE(self->missing);
    if (self->single) return items_set(self, 0, made);
    for (Py_ssize_t i = 0; i < count && PyList_Check(made) && i < PyList_GET_SIZE(made); i++)
        if (items_set(self, PyLong_AsSsize_t(PyList_GET_ITEM(self->missing, i)), PyList_GET_ITEM(made, i))) return -1;
    return 0;
}

/* The exception that is set becomes what the items came to, if it is one that a result may raise. */
static int items_fail(ItemsObject *self) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyObject *error = exception_taken(), *ended = error ? PyTuple_Pack(2, Py_False, error) : NULL;
    Py_XDECREF(error);
    if (!ended) return -1;
    if (self->ended)
        Py_DECREF(ended);
    else
        self->ended = ended;
    return 0;
}

/* By whichever thread comes first: the pool's, or that which takes the results. What they have pickled is recorded once. */
static int items_write_once(ItemsObject *self, const struct journal_batch *batch) {
    int bad = 0;
    journal_lock_take(self->journal->settling);
    if (!self->ended) bad = items_write(self, batch) || items_succeed(self);
    PyThread_release_lock(self->journal->settling);
    return bad;
}

/* Pickling may run Python, which may come here as well: nothing is held meanwhile. */
static int items_succeed_with(ItemsObject *self, PyObject *made) {
    struct journal_batch batch = {0};
    int bad = items_put(self, made) || items_add_all(self, &batch, self->missing) || items_write_once(self, &batch);
    journal_batch_clear(&batch);
    return bad ? items_fail(self) : 0;
}

static int items_settle(ItemsObject *self, PyObject *ended) {
    int bad = 0;
    if (!self->ended && PyTuple_GET_ITEM(ended, 0) == Py_True)
        bad = items_succeed_with(self, PyTuple_GET_ITEM(ended, 1));
    else if (!self->ended)
        self->ended = new_reference(ended);
    if (!bad) Py_CLEAR(self->task);
    return bad;
}

/* begin(task): which runs what is missing */
static PyObject *pyitems_begin(PyObject *object, PyObject *task) {
    ItemsObject *self = (ItemsObject *)object;
    Py_XSETREF(self->task, new_reference(task));
    return PyObject_CallMethod(task, "_tell", "O", object);
}

/* _ended(timeout), as a task's */
static PyObject *pyitems_ended(PyObject *object, PyObject *timeout) {
    ItemsObject *self = (ItemsObject *)object;
    if (!self->ended && self->task) {
        PyObject *task = new_reference(self->task), *ended = PyObject_CallMethod(task, "_ended", "O", timeout);
        Py_DECREF(task);
        if (!ended || ended == Py_None) return ended;
        int bad = items_settle(self, ended);
        Py_DECREF(ended);
        if (bad) return NULL;
    }
    if (self->ended) return new_reference(self->ended);
    PyErr_SetString(PyExc_ValueError, "the items were not submitted");
    return NULL;
}

/* _tell(done), as a task's */
static PyObject *pyitems_tell(PyObject *object, PyObject *done) {
    ItemsObject *self = (ItemsObject *)object;
    if (self->told || !self->task) return PyObject_CallOneArg(done, object);
    Py_XSETREF(self->then, new_reference(done));
    Py_RETURN_NONE;
}

/* Whoever asks from here on is called at once. */
static PyObject *items_call_then(ItemsObject *self) {
    self->told = true;
    PyObject *then = self->then;
    self->then = NULL;
    if (!then) Py_RETURN_NONE;
    PyObject *result = PyObject_CallOneArg(then, (PyObject *)self);
    Py_DECREF(then);
    return result;
}

/* Called in the pool's thread. What is raised here is raised again where the result is taken, as nothing is settled. */
static PyObject *pyitems_call(PyObject *object, PyObject *arguments, PyObject *keywords) {
    PyObject *type, *error, *traceback, *ended = pyitems_ended(object, Py_None);
    (void)arguments;
    (void)keywords;
    Py_XDECREF(ended);
    if (!ended && PyErr_ExceptionMatches(PyExc_Exception)) PyErr_Clear();
    PyErr_Fetch(&type, &error, &traceback);
    PyObject *result = items_call_then((ItemsObject *)object);
    if (!type) return result;
    if (!result) PyErr_WriteUnraisable(object);
    Py_XDECREF(result);
    PyErr_Restore(type, error, traceback);
    return NULL;
}

/* --- the type --- */

static int items_traverse(PyObject *object, visitproc visit, void *arg) {
    ItemsObject *self = (ItemsObject *)object;
    Py_VISIT(self->values);
    Py_VISIT(self->missing);
    Py_VISIT(self->task);
    Py_VISIT(self->ended);
    Py_VISIT(self->then);
    return 0;
}

static int items_clear(PyObject *object) {
    ItemsObject *self = (ItemsObject *)object;
    Py_CLEAR(self->values);
    Py_CLEAR(self->missing);
    Py_CLEAR(self->task);
    Py_CLEAR(self->ended);
    Py_CLEAR(self->then);
    return 0;
}

static void items_dealloc(PyObject *object) {
    ItemsObject *self = (ItemsObject *)object;
    PyObject_GC_UnTrack(object);
    items_clear(object);
    PyMem_Free(self->digests);
    Py_DECREF(self->journal);
    PyObject_GC_Del(object);
}

static PyMethodDef items_methods[] = {
    {"record", pyitems_record, METH_O, DOC("record($self, positions, /)", "Records the values at these positions.")},
    {"begin", pyitems_begin, METH_O, DOC("begin($self, task, /)", "That task runs what is missing.")},
    {"_ended", pyitems_ended, METH_O, DOC("_ended($self, timeout, /)", "As a task's.")},
    {"_tell", pyitems_tell, METH_O, DOC("_tell($self, done, /)", "As a task's.")},
    {0}};
static PyMemberDef items_members[] = {
    {"values", T_OBJECT, offsetof(ItemsObject, values), READONLY, PyDoc_STR("The results; None: not yet.")},
    {"missing", T_OBJECT, offsetof(ItemsObject, missing), READONLY, PyDoc_STR("Positions that are not recorded.")},
    {0}};
PyTypeObject JournalItems_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.JournalItems",
                                  .tp_doc = PyDoc_STR("Items of a map: see Journal.items."),
                                  .tp_basicsize = sizeof(ItemsObject),
                                  .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                  .tp_dealloc = items_dealloc,
                                  .tp_traverse = items_traverse,
                                  .tp_clear = items_clear,
                                  .tp_call = pyitems_call,
                                  .tp_methods = items_methods,
                                  .tp_members = items_members};
