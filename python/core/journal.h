/* The journal of a map: its file, and the items of which it has results or gets them. */
#ifndef PYTHON_CORE_JOURNAL_H
#define PYTHON_CORE_JOURNAL_H

#include "pool.h"
#include "pool/journal.h"

typedef struct {
    PyObject_HEAD struct run_journal *journal; /* NULL: closed */
    PyThread_type_lock lock;                   /* of the journal, which appends without the GIL */
    PyThread_type_lock settling;               /* of what becomes of its items */
    PyObject *news;                            /* why it has stopped, until that was told; NULL: it has not */
} JournalObject;

/* Lets other threads run while it waits. */
void journal_lock_take(PyThread_type_lock lock);
/* The result that is recorded of an item: 1 with it, 0: none is, -1 with an exception. */
int journal_result(JournalObject *self, uint64_t item, uint64_t digest, PyObject **value);

/* Records to be written, and their results one behind the other. All zero before. */
struct journal_batch {
    struct journal_entry *entries;
    char *bytes;
    size_t count, entries_room, size, room;
};
/* 0, or -1 with an exception. */
int journal_batch_add(struct journal_batch *batch, uint64_t item, uint64_t digest, PyObject *value);
/* The same; of a journal that is closed or stopped: nothing. */
int journal_batch_write(JournalObject *self, const struct journal_batch *batch);
void journal_batch_clear(struct journal_batch *batch);

/* --- journal_items.c --- */
extern PyTypeObject JournalItems_type;
/* The items from number `first` on; or the exception of one that cannot be pickled. NULL with an exception. */
PyObject *journal_items_make(JournalObject *journal, uint64_t first, PyObject *items, bool single);

#endif
