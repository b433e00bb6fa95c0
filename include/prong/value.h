/* Values: what programs exchange. None, bool, int of any size, float, complex,
 * str, bytes, bytearray, list, tuple, dict, set, frozenset, range, Ellipsis,
 * classes and objects by name, buffers and handles of the family: Python's
 * data, and nothing that can be called.
 *
 *     prong_document *document;
 *     prong_document_open(&document, NULL);
 *     prong_build(document, &job, "{s:s, s:[i,i]}", "name", "resize",
 *                 "size", 640, 480);
 *     prong_pickle_dumps(document, job, &pickle, NULL);
 *     prong_document_close(document);
 *
 * The name of a call tells what it does. X is a kind: int, str, list, …
 *
 *     prong_make_X(document, …, &value)  makes an X. Those that need no memory
 *                                        return it: prong_make_int(5)
 *     prong_get_X(value, &x)             reads an X, or what Python takes for
 *                                        one, as an int for a float; all
 *                                        other kinds are PRONG_INVALID
 *     prong_list_…, prong_dict_…,        change a container, or give an item
 *     prong_set_…
 *     prong_value_…                      takes values of all kinds
 *     prong_build, prong_scan            whole values by a format, in one call
 *
 * Making is in <prong/make.h>, containers in <prong/container.h>, objects in
 * <prong/object.h>, formats and printing in <prong/format.h>; this header
 * includes them. Bytes of values: <prong/pickle.h>.
 *
 * Ownership, one rule everywhere. A prong_value is a small struct to copy
 * freely. What it refers to (text, items) lies in a document, and lives until
 * that document is reset or closed; nothing is freed one by one. A container
 * holds its items by reference, as in Python: a list put into two others is one
 * list, and may hold itself. Do not put a value of one document into a
 * container of another that lives longer; copy it there with prong_value_copy.
 *
 * A document and all its values are for one thread at a time, reading too. None
 * of this uses the arena; a forked child has copies. No call that makes
 * something is for signal handlers: documents use malloc. Text is UTF-8, in
 * which a lone surrogate (Python's surrogateescape) stands as the three bytes
 * it would take. */
#ifndef PRONG_VALUE_H
#define PRONG_VALUE_H

#include <prong/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* How deep values may be nested to be copied, printed, compared or pickled. */
#define PRONG_VALUE_DEPTH 1000

typedef enum prong_kind {
    PRONG_KIND_NULL = 0, /* None; a prong_value of all zeros is this */
    PRONG_KIND_BOOL,
    PRONG_KIND_INT,
    PRONG_KIND_FLOAT,
    PRONG_KIND_COMPLEX,
    PRONG_KIND_STR,
    PRONG_KIND_BYTES,
    PRONG_KIND_BYTEARRAY,
    PRONG_KIND_LIST,
    PRONG_KIND_TUPLE,
    PRONG_KIND_DICT, /* in order of insertion */
    PRONG_KIND_SET,
    PRONG_KIND_FROZENSET,
    PRONG_KIND_RANGE,
    PRONG_KIND_ELLIPSIS,
    PRONG_KIND_NOT_IMPLEMENTED,
    PRONG_KIND_CLASS,  /* a class or function, by name only */
    PRONG_KIND_OBJECT, /* of a class, as what it was made from: prong_object */
    PRONG_KIND_BUFFER, /* memory that belongs to others: prong_make_buffer */
    PRONG_KIND_HANDLE /* a handle of this family: prong_queue, prong_lock, … */
} prong_kind;

/* Zeroed, it is None. The members are the library's own. */
typedef struct prong_value {
    uint64_t head;
    __extension__ union { /* C99 has no unions without a name */
        int64_t integer;
        double real;
        const void *pointer;
    };
} prong_value;

/* Holds the memory of values: see <prong/make.h>. */
typedef struct prong_document prong_document;

/* "int", "str", … as Python calls it. Never NULL. */
PRONG_API const char *prong_kind_name(prong_kind kind);
static inline prong_kind prong_value_kind(prong_value value) {
    return (prong_kind)(value.head & 0xff);
}

/* --- looking ---
 * PRONG_INVALID when value is of another kind; the message names both. Calls
 * without another error cannot fail for a value whose kind was checked
 * before. */

PRONG_API prong_status prong_get_bool(prong_value value, bool *truth);
/* An int or bool. PRONG_TOO_LONG when it does not fit in 64 bits: see
 * prong_get_big_int. */
PRONG_CHECKED prong_status prong_get_int(prong_value value, int64_t *number);
/* Of an int: two's complement, least significant byte first, sign-extended to
 * `size` bytes. *needed (may be NULL) is how many it takes at least. Errors:
 * PRONG_TOO_LONG (it takes more than size). */
PRONG_CHECKED prong_status prong_get_big_int(prong_value value, void *bytes,
                                             size_t size, size_t *needed);
/* A float, int or bool. */
PRONG_API prong_status prong_get_float(prong_value value, double *number);
/* A NUL follows after `size` bytes; size may be NULL. */
PRONG_API prong_status prong_get_str(prong_value value, const char **text,
                                     size_t *size);
/* Of bytes, a bytearray or a buffer: its memory, which is not copied. */
PRONG_API prong_status prong_get_bytes(prong_value value, const void **data,
                                       size_t *size);

/* --- comparing --- */

/* As Python's ==: 1 == 1.0 == True; dicts and sets without regard to order.
 * Objects are equal when all that they were made from is equal. What is nested
 * deeper than PRONG_VALUE_DEPTH, refers to itself, or takes more than a million
 * steps to compare, is equal only to itself. */
PRONG_API bool prong_value_equal(prong_value a, prong_value b);
/* As Python's <: *order is below, equal to or above 0. Errors: PRONG_INVALID
 * (they have no order, as str and int; NaN). */
PRONG_CHECKED prong_status prong_value_compare(prong_value a, prong_value b,
                                               int *order);

PRONG_END_DECLS

#include <prong/container.h>
#include <prong/format.h>
#include <prong/make.h>
#include <prong/object.h>

#endif
