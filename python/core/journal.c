/* Journal: the results of a map's items in a file. See src/pool/journal.h; here each item has a record of its own. */
#include "journal.h"

void journal_lock_take(PyThread_type_lock lock) {
    if (PyThread_acquire_lock(lock, NOWAIT_LOCK)) return;
    Py_BEGIN_ALLOW_THREADS;
    PyThread_acquire_lock(lock, WAIT_LOCK);
    Py_END_ALLOW_THREADS;
}

/* --- opening and closing --- */

static int journal_make_locks(JournalObject *self) {
    if (!self->lock) self->lock = PyThread_allocate_lock();
    if (!self->settling) self->settling = PyThread_allocate_lock();
    if (self->lock && self->settling) return 0;
    PyErr_NoMemory();
    return -1;
}

/* Journal(path, identity): path as bytes */
static int pyjournal_init(PyObject *object, PyObject *arguments, PyObject *keywords) {
    JournalObject *self = (JournalObject *)object;
    const char *path, *identity;
    prong_status status;
    (void)keywords;
    if (!PyArg_ParseTuple(arguments, "ys", &path, &identity) || journal_make_locks(self)) return -1;
    WAITING(journal_open(&self->journal, path, identity));
    if (status < 0 || PyErr_Occurred()) {
        raise_status(status);
        return -1;
    }
    return 0;
}

/* 0, or -1 with an exception. What PRONG_JOURNAL_STOPPED is about is kept, until it is asked for. */
static int journal_note(JournalObject *self, prong_status status) {
    if (status == PRONG_JOURNAL_STOPPED) {
        Py_XSETREF(self->news, error_message());
        return self->news ? 0 : -1;
    }
    PyObject *none = none_or_raise(status);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static PyObject *pyjournal_close(PyObject *object, PyObject *unused) {
    JournalObject *self = (JournalObject *)object;
    prong_status status;
    (void)unused;
    journal_lock_take(self->lock);
    struct run_journal *journal = self->journal;
    self->journal = NULL;
    PyThread_release_lock(self->lock);
    WAITING(journal_close(journal));
    if (PyErr_Occurred() || journal_note(self, status)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *pyjournal_news(PyObject *object, PyObject *unused) {
    JournalObject *self = (JournalObject *)object;
    PyObject *news = self->news;
    (void)unused;
    self->news = NULL;
    return news ? news : new_reference(Py_None);
}

static void pyjournal_dealloc(PyObject *object) {
    JournalObject *self = (JournalObject *)object;
    if (self->journal) journal_close(self->journal);
    if (self->lock) PyThread_free_lock(self->lock);
    if (self->settling) PyThread_free_lock(self->settling);
    Py_XDECREF(self->news);
    Py_TYPE(object)->tp_free(object);
}

/* --- recorded results --- */

/* The bytes of an item's result; None where there is none. */
static PyObject *journal_bytes(JournalObject *self, uint64_t item, uint64_t digest) {
    prong_bytes result;
    prong_status status = PRONG_INVALID;
    PyObject *bytes = NULL;
    journal_lock_take(self->lock);
    const struct journal_entry *entry = self->journal ? journal_from(self->journal, item) : NULL;
    bool recorded = entry && entry->first == item && entry->count == 1;
    if (recorded) status = journal_check_input(self->journal, entry, digest);
    if (recorded && status >= 0) status = journal_read(self->journal, entry, &result);
    if (recorded && status >= 0) bytes = PyBytes_FromStringAndSize(result.data, (Py_ssize_t)result.size);
    PyThread_release_lock(self->lock);
    if (!recorded) return new_reference(Py_None);
    return status < 0 ? raise_status(status) : bytes;
}

int journal_result(JournalObject *self, uint64_t item, uint64_t digest, PyObject **value) {
    PyObject *bytes = journal_bytes(self, item, digest);
    int found = !bytes ? -1 : bytes != Py_None;
    if (found == 1) {
        *value = decode_pickle(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
        if (!*value) found = -1;
    }
    Py_XDECREF(bytes);
    return found;
}

/* --- appending --- */

static void *batch_grow(void *memory, size_t *room, size_t needed, size_t size) {
    if (needed <= *room) return memory;
    void *more = PyMem_RawRealloc(memory, needed * 2 * size);
    if (more)
        *room = needed * 2;
    else
        PyErr_NoMemory();
    return more;
}

static int batch_make_room(struct journal_batch *batch, size_t size) {
    void *entries = batch_grow(batch->entries, &batch->entries_room, batch->count + 1, sizeof *batch->entries);
    if (!entries) return -1;
    batch->entries = entries;
    void *bytes = batch_grow(batch->bytes, &batch->room, batch->size + size, 1);
    if (!bytes) return -1;
    batch->bytes = bytes;
    return 0;
}

int journal_batch_add(struct journal_batch *batch, uint64_t item, uint64_t digest, PyObject *value) {
    struct encoded encoded;
    if (encode_for_strangers(value, &encoded)) return -1;
    int bad = batch_make_room(batch, encoded.size);
    if (!bad) {
        encoded_write(&encoded, batch->bytes + batch->size);
        batch->size += encoded.size;
        batch->entries[batch->count++] = (struct journal_entry){item, 1, digest, 0, encoded.size};
    }
    encoded_clear(&encoded);
    return bad;
}

enum { SMALL_BATCH = 1 << 16 };

/* Giving the GIL back takes longer than to write a few bytes to memory. */
int journal_batch_write(JournalObject *self, const struct journal_batch *batch) {
    prong_status status = PRONG_OK;
    journal_lock_take(self->lock);
    struct run_journal *journal = self->journal;
    if (journal && batch->size < SMALL_BATCH && !journal_is_sync_due(journal)) {
        status = journal_append_all(journal, batch->entries, batch->count, batch->bytes);
    } else if (journal) {
        Py_BEGIN_ALLOW_THREADS;
        status = journal_append_all(journal, batch->entries, batch->count, batch->bytes);
        if (status == PRONG_OK && journal_is_sync_due(journal)) status = journal_sync(journal);
        Py_END_ALLOW_THREADS;
    }
    int bad = journal_note(self, status);
    PyThread_release_lock(self->lock);
    return bad;
}

void journal_batch_clear(struct journal_batch *batch) {
    PyMem_RawFree(batch->entries);
    PyMem_RawFree(batch->bytes);
}

/* --- the type --- */

/* items(first, items, single) */
static PyObject *pyjournal_items(PyObject *object, PyObject *arguments) {
    unsigned long long first;
    PyObject *items;
    int single;
    if (!PyArg_ParseTuple(arguments, "KO!p", &first, &PyTuple_Type, &items, &single)) return NULL;
    return journal_items_make((JournalObject *)object, first, items, single);
}

static PyMethodDef journal_methods[] = {
    {"items", pyjournal_items, METH_VARARGS,
     DOC("items($self, first, items, single, /)",
         "The items from that number on, as JournalItems. single: a task of one has it itself, and not a list.\n"
         "\n"
         "An exception is returned when an item cannot be pickled; ValueError is raised when one is recorded with "
         "another digest.")},
    {"news", pyjournal_news, METH_NOARGS, DOC("news($self, /)", "Why it has stopped, once; else None.")},
    {"close", pyjournal_close, METH_NOARGS, DOC("close($self, /)", "Closes it, all of it on the disk.")},
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
    return add_type(module, "JournalItems", &JournalItems_type) || add_type(module, "Journal", &Journal_type);
}
