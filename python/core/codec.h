/* What the files of the codec share: codec.c, plain.c, buffers.c. */
#ifndef CODEC_H
#define CODEC_H

#include "core.h"

/* --- plain.c: pickles of what is small and plain, and of numbers, without the pickle module --- */

/* Into encoded->small; false: something else is in it, or it is too large. family: as of encode. */
bool encode_plain(PyObject *object, struct encoded *encoded, bool family);
/* Of fewer numbers it is not worth it. */
enum { NUMBERS_LEAST = 32 };
/* Into encoded->chunks. -1: something else is among them; an exception may be set. */
int encode_numbers(PyObject *const *items, Py_ssize_t count, struct encoded *encoded);
/* What these two wrote, and whatever looks like it. NULL without an exception: something that is for the pickle module. */
PyObject *decode_plain(const void *data, size_t size);
PyObject *decode_numbers(const void *data, size_t size);

/* --- buffers.c: a pickle with its buffers beside it --- */

/* Of the whole. encoded->shared: these buffers are not in it. */
size_t joined_size(const struct encoded *encoded);
void joined_write(const struct encoded *encoded, char *to);
/* Of what is_joined. message: where it lies, and may be kept; NULL: it is to be copied. */
PyObject *joined_load(const void *data, size_t size, prong_message *message);
/* The same of what lies in a buffer of `whole`, which its objects keep. */
PyObject *joined_load_in(const void *data, size_t size, PyObject *whole);
/* What lends memory of the arena to objects as a buffer; `give_back` is called with the handle when the last of them is
 * gone. Another process, and a child that is forked, never see what is written to it. NULL without an exception: there is
 * no address space for it, and the memory is the caller's to give back. */
PyObject *lent_make(const void *data, size_t size, uint64_t offset, uint64_t generation, destroy_function *give_back,
                    bool readonly);
/* Whether nothing has been written to it, as far as the system tells. */
bool lent_is_unwritten(PyObject *lent);
/* For what is smaller, a copy takes no longer. */
enum { VIEW_LEAST = 64 << 10 };

/* --- share.c --- */

/* The memory of a share as a buffer of a process's own; of a read-only one, for objects that several tasks see. */
PyObject *share_memory(prong_share share, bool readonly);
/* The object of a share: unpickled. */
PyObject *share_load(prong_share share);

/* --- kept.c: the same two, of which a pool's worker keeps some for its next tasks --- */

/* The memory, as a buffer of a process's own. */
PyObject *kept_memory(prong_share share);
PyObject *kept_object(prong_share share);

/* --- travel.c: functions and classes by name, or by value --- */

/* The pickler class, whose pickles end with an exception where something in them cannot go by name. */
extern PyObject *travel_pickler;
/* Whether, by the exception that is set, travel_dump is to be tried. */
bool travel_may_help(void);
/* In place of that exception: pickles into the sink, by value what has to be. callback: for buffers, or None. 0, or -1. */
int travel_dump(PyObject *sink, PyObject *object, PyObject *reducers, PyObject *buffer_callback);
int travel_init(PyObject *pickler);

/* --- codec.c --- */

/* The pickle alone, from its chunks. */
void encoded_write_chunks(const struct encoded *encoded, char *to);
/* By the pickle module. buffers: a list, or NULL. */
PyObject *pickle_load(PyObject *view, PyObject *buffers);

#endif
