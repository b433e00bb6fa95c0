/* Journal: the results of a map's items in a file. See src/pool/journal.h; here each item has a record of its own. */
#include "pool.h"

#include "pool/journal.h"

typedef struct {
    PyObject_HEAD struct run_journal *journal; /* NULL: closed */
    PyThread_type_lock lock;                   /* of the journal, which appends without the GIL */
} JournalObject;

static void journal_take(JournalObject *self) {
    if (PyThread_acquire_lock(self->lock, NOWAIT_LOCK)) return;
    Py_BEGIN_ALLOW_THREADS;
    PyThread_acquire_lock(self->lock, WAIT_LOCK);
    Py_END_ALLOW_THREADS;
}

/* Journal(path, identity): path as bytes */
static int pyjournal_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    JournalObject *self = (JournalObject *)object;
    const char *path, *identity;
    prong_status status;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "ys", &path, &identity)) return -1;
    if (!self->lock && !(self->lock = PyThread_allocate_lock())) {
        PyErr_NoMemory();
        return -1;
    }
    WAITING(journal_open(&self->journal, path, identity));
    if (status < 0 || PyErr_Occurred()) {
        raise_status(status);
        return -1;
    }
    return 0;
}

/* None, or what PRONG_JOURNAL_STOPPED is about. */
static PyObject *journal_told(prong_status status) {
    if (status == PRONG_JOURNAL_STOPPED) return error_message();
    return none_or_raise(status);
}

static PyObject *pyjournal_close(PyObject *object, PyObject *unused) {
    JournalObject *self = (JournalObject *)object;
    prong_status status;
    (void)unused;
    journal_take(self);
    struct run_journal *journal = self->journal;
    self->journal = NULL;
    PyThread_release_lock(self->lock);
    WAITING(journal_close(journal));
    return PyErr_Occurred() ? NULL : journal_told(status);
}

static void pyjournal_dealloc(PyObject *object) {
    JournalObject *self = (JournalObject *)object;
    if (self->journal) journal_close(self->journal);
    if (self->lock) PyThread_free_lock(self->lock);
    Py_TYPE(object)->tp_free(object);
}

/* --- inputs --- */

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

static PyObject *items_digests(PyObject *items) {
    PyObject *digests = PyList_New(PyTuple_GET_SIZE(items));
    for (Py_ssize_t i = 0; digests && i < PyTuple_GET_SIZE(items); i++) {
        uint64_t digest;
        PyObject *number =
            item_digest(PyTuple_GET_ITEM(items, i), &digest) ? NULL : PyLong_FromUnsignedLongLong(digest);
        if (number)
            PyList_SET_ITEM(digests, i, number);
        else
            Py_CLEAR(digests);
    }
    return digests;
}

/* --- recorded results --- */

/* The bytes of an item's result; None where there is none. */
static PyObject *journal_bytes(JournalObject *self, uint64_t item, uint64_t digest) {
    prong_bytes result;
    prong_status status = PRONG_INVALID;
    PyObject *bytes = NULL;
    journal_take(self);
    const struct journal_entry *entry = self->journal ? journal_from(self->journal, item) : NULL;
    bool recorded = entry && entry->first == item && entry->count == 1;
    if (recorded) status = journal_check_input(self->journal, entry, digest);
    if (recorded && status >= 0) status = journal_read(self->journal, entry, &result);
    if (recorded && status >= 0) bytes = PyBytes_FromStringAndSize(result.data, (Py_ssize_t)result.size);
    PyThread_release_lock(self->lock);
    if (!recorded) Py_RETURN_NONE;
    return status < 0 ? raise_status(status) : bytes;
}

static PyObject *journal_value(JournalObject *self, uint64_t item, PyObject *digest, bool *recorded) {
    uint64_t number = PyLong_AsUnsignedLongLong(digest);
    PyObject *bytes = PyErr_Occurred() ? NULL : journal_bytes(self, item, number);
    *recorded = bytes && bytes != Py_None;
    if (!*recorded) return bytes;
    PyObject *value = decode_pickle(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return value;
}

static bool journal_add(PyObject *values, PyObject *missing, Py_ssize_t i, PyObject *value, bool recorded) {
    if (!value || PyList_Append(values, value)) return false;
    if (recorded) return true;
    PyObject *position = PyLong_FromSsize_t(i);
    bool good = position && PyList_Append(missing, position) == 0;
    Py_XDECREF(position);
    return good;
}

static PyObject *journal_find(JournalObject *self, uint64_t first, PyObject *digests) {
    PyObject *values = PyList_New(0), *missing = PyList_New(0);
    bool good = values && missing;
    for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(digests); i++) {
        bool recorded;
        PyObject *value = journal_value(self, first + (uint64_t)i, PyList_GET_ITEM(digests, i), &recorded);
        good = journal_add(values, missing, i, value, recorded);
        Py_XDECREF(value);
    }
    if (good) return Py_BuildValue("(ONN)", digests, values, missing);
    Py_XDECREF(values);
    Py_XDECREF(missing);
    return NULL;
}

/* find(first, items) -> (digests, values, missing), or an exception */
static PyObject *pyjournal_find(PyObject *object, PyObject *arguments) {
    unsigned long long first;
    PyObject *items;
    if (!PyArg_ParseTuple(arguments, "KO!", &first, &PyTuple_Type, &items)) return NULL;
    PyObject *digests = items_digests(items);
    if (!digests) return exception_taken();
    PyObject *found = journal_find((JournalObject *)object, first, digests);
    Py_DECREF(digests);
    return found;
}

/* --- appending --- */

/* Records to be written, and their results one behind the other. */
struct journal_batch {
    struct journal_entry *entries;
    Py_ssize_t count;
    char *bytes;
    size_t size, room;
};

static bool batch_add(struct journal_batch *batch, uint64_t item, PyObject *digest, PyObject *value) {
    struct encoded encoded;
    uint64_t input = PyLong_AsUnsignedLongLong(digest);
    if (PyErr_Occurred() || encode_for_strangers(value, &encoded)) return false;
    size_t end = batch->size + encoded.size;
    if (end > batch->room) {
        char *bytes = PyMem_RawRealloc(batch->bytes, end * 2);
        if (bytes) batch->bytes = bytes;
        if (bytes) batch->room = end * 2;
    }
    bool good = end <= batch->room;
    if (good) {
        encoded_write(&encoded, batch->bytes + batch->size);
        batch->size = end;
        batch->entries[batch->count++] = (struct journal_entry){item, 1, input, 0, encoded.size};
    } else {
        PyErr_NoMemory();
    }
    encoded_clear(&encoded);
    return good;
}

static prong_status batch_append(struct run_journal *journal, const struct journal_batch *batch) {
    const char *at = batch->bytes;
    prong_status status = PRONG_OK;
    for (Py_ssize_t i = 0; status == PRONG_OK && i < batch->count; i++) {
        status = journal_append(journal, &batch->entries[i], at);
        at += batch->entries[i].size;
    }
    return status;
}

enum { SMALL_BATCH = 1 << 16 };

/* Of a journal that is closed: nothing. Giving the GIL back takes longer than to write a few bytes to memory. */
static PyObject *batch_write(JournalObject *self, const struct journal_batch *batch) {
    prong_status status = PRONG_OK;
    journal_take(self);
    struct run_journal *journal = self->journal;
    if (journal && batch->size < SMALL_BATCH && !journal_is_sync_due(journal)) {
        status = batch_append(journal, batch);
    } else if (journal) {
        Py_BEGIN_ALLOW_THREADS;
        status = batch_append(journal, batch);
        if (status == PRONG_OK && journal_is_sync_due(journal)) status = journal_sync(journal);
        Py_END_ALLOW_THREADS;
    }
    PyObject *told = journal_told(status);
    PyThread_release_lock(self->lock);
    return told;
}

/* append(first, positions, digests, values) -> None, or why the journal has stopped: the values at these positions */
static PyObject *pyjournal_append(PyObject *object, PyObject *arguments) {
    unsigned long long first;
    PyObject *positions, *digests, *values, *told = NULL;
    struct journal_batch batch = {0};
    if (!PyArg_ParseTuple(arguments, "KO!O!O!", &first, &PyList_Type, &positions, &PyList_Type, &digests, &PyList_Type,
                          &values))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(positions);
    batch.entries = PyMem_Calloc((size_t)count + 1, sizeof *batch.entries);
    bool good = batch.entries != NULL;
    if (!good) PyErr_NoMemory();
    for (Py_ssize_t i = 0; good && i < count; i++) {
        Py_ssize_t at = PyLong_AsSsize_t(PyList_GET_ITEM(positions, i));
        PyObject *digest = PyList_GetItem(digests, at), *value = PyList_GetItem(values, at);
        good = digest && value && batch_add(&batch, first + (uint64_t)at, digest, value);
    }
    if (good) told = batch_write((JournalObject *)object, &batch);
    PyMem_Free(batch.entries);
    PyMem_RawFree(batch.bytes);
    return told;
}

static PyMethodDef journal_methods[] = {
    {"find", pyjournal_find, METH_VARARGS,
     DOC("find($self, first, items, /)",
         "(digests of the items from first on, their results, the positions of those that are not recorded).\n"
         "\n"
         "A result that is not recorded is None. An exception is returned when an item cannot be pickled; ValueError "
         "is raised\n"
         "when one is recorded with another digest.")},
    {"append", pyjournal_append, METH_VARARGS,
     DOC("append($self, first, positions, digests, values, /)",
         "Records those of the results of the items from first on: None or, once, why it cannot.")},
    {"close", pyjournal_close, METH_NOARGS,
     DOC("close($self, /)", "Closes it, all of it on the disk: None, or why it is not.")},
    {0}};
static PyTypeObject Journal_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "prong._core.Journal",
    .tp_doc = DOC("Journal(path, identity, /)", "A file with the results of a map of the function of that identity."),
    .tp_basicsize = sizeof(JournalObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = PyType_GenericNew,
    .tp_init = pyjournal_init,
    .tp_dealloc = pyjournal_dealloc,
    .tp_methods = journal_methods};

int add_journal(PyObject *module) {
    return add_type(module, "Journal", &Journal_type);
}
