/* Values: what programs exchange. None, bool, int of any size, float, complex, str, bytes, bytearray, list, tuple, dict,
 * set, frozenset, range, Ellipsis, classes and objects by name, buffers and handles of the family: Python's data, and
 * nothing that could be called.
 *
 *     prong_document *document;
 *     prong_document_open(&document, NULL);
 *     prong_value job;
 *     prong_build(document, &job, "{s:s, s:[i,i]}", "name", "resize", "size", 640, 480);
 *     prong_pickle_dumps(document, job, &pickle, NULL);                     see <prong/pickle.h>
 *     prong_document_close(document);
 *
 * Ownership, one rule everywhere. A prong_value is a small struct to copy freely. What it refers to (text, items) lies in
 * a document, and lives until that document is reset or closed; nothing is freed one by one. A container holds its items
 * by reference, as in Python: a list put into two others is one list, and may hold itself. Do not put a value of one
 * document into a container of another that lives longer: prong_value_copy brings it over.
 *
 * A document and all its values are for one thread at a time, reading too. None of this uses the arena; a forked child has
 * copies. No call that makes something is for signal handlers: documents use malloc. Text is UTF-8, in which a lone surrogate (Python's surrogateescape) stands as the three bytes it would take. */
#ifndef PRONG_VALUE_H
#define PRONG_VALUE_H

#include <prong/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

/* How deep values may be nested in each other for what goes all through them: copying, printing, comparing, pickling. */
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
    PRONG_KIND_CLASS, /* a class or function, by name only */
    PRONG_KIND_OBJECT, /* one of a class, as what it was made from: see prong_object */
    PRONG_KIND_BUFFER, /* memory that belongs to others: see prong_make_buffer */
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

/* "int", "str", … as Python calls it. Never NULL. */
PRONG_API const char *prong_kind_name(prong_kind kind);
static inline prong_kind prong_value_kind(prong_value value) {
    return (prong_kind)(value.head & 0xff);
}

/* --- documents --- */

typedef struct prong_document prong_document;

typedef struct prong_document_options {
    size_t
        max_memory; /* bytes; what needs more is PRONG_NO_MEMORY; 0: no limit */
} prong_document_options;

/* options may be NULL. Pair with prong_document_close. Errors: PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_document_open(
    prong_document **document, const prong_document_options *options);
/* Frees the document and all that is in it. NULL is allowed. */
PRONG_API void prong_document_close(prong_document *document);
/* Forgets all that is in it, and keeps the memory for what comes next, up to 32 MiB. */
PRONG_API void prong_document_reset(prong_document *document);
/* Bytes in use. */
PRONG_API size_t prong_document_memory(const prong_document *document);

/* --- making values ---
 * All copy what they are given, and may return PRONG_NO_MEMORY; further errors as named. */

#define PRONG_VALUE_HEAD(kind) ((uint64_t)(kind))
static inline prong_value prong_null(void) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_NULL);
    value.integer = 0;
    return value;
}
static inline prong_value prong_bool(bool truth) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_BOOL);
    value.integer = truth;
    return value;
}
static inline prong_value prong_int(int64_t number) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_INT);
    value.integer = number;
    return value;
}
static inline prong_value prong_float(double number) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_FLOAT);
    value.real = number;
    return value;
}
static inline prong_value prong_ellipsis(void) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_ELLIPSIS);
    value.integer = 0;
    return value;
}

/* An int of any size, as two's complement, least significant byte first. */
PRONG_CHECKED prong_status prong_make_int(prong_document *document,
                                          const void *bytes, size_t size,
                                          prong_value *value);
/* The same from decimal digits. Errors: PRONG_INVALID (no number, or more than 4,300 digits). */
PRONG_CHECKED prong_status prong_make_int_text(prong_document *document,
                                               const char *digits,
                                               prong_value *value);
PRONG_CHECKED prong_status prong_make_uint(prong_document *document,
                                           uint64_t number, prong_value *value);
PRONG_CHECKED prong_status prong_make_complex(prong_document *document,
                                              double real, double imaginary,
                                              prong_value *value);
/* Errors: PRONG_INVALID (not UTF-8; the message has the position). */
PRONG_CHECKED prong_status prong_make_str(prong_document *document,
                                          const char *text, size_t size,
                                          prong_value *value);
/* From a string that ends with NUL. */
PRONG_CHECKED prong_status prong_make_text(prong_document *document,
                                           const char *text,
                                           prong_value *value);
PRONG_CHECKED prong_status prong_make_bytes(prong_document *document,
                                            const void *data, size_t size,
                                            prong_value *value);
PRONG_CHECKED prong_status prong_make_bytearray(prong_document *document,
                                                const void *data, size_t size,
                                                prong_value *value);
/* items may be NULL when count is 0. */
PRONG_CHECKED prong_status prong_make_list(prong_document *document,
                                           const prong_value *items,
                                           size_t count, prong_value *value);
PRONG_CHECKED prong_status prong_make_tuple(prong_document *document,
                                            const prong_value *items,
                                            size_t count, prong_value *value);
PRONG_CHECKED prong_status prong_make_dict(prong_document *document,
                                           prong_value *value);
/* Errors: PRONG_INVALID (an item that cannot be hashed: a list, dict, set, bytearray, or what holds one). */
PRONG_CHECKED prong_status prong_make_set(prong_document *document,
                                          const prong_value *items,
                                          size_t count, prong_value *value);
PRONG_CHECKED prong_status prong_make_frozenset(prong_document *document,
                                                const prong_value *items,
                                                size_t count,
                                                prong_value *value);
/* Errors: PRONG_INVALID (they are not all ints, or the step is 0). */
PRONG_CHECKED prong_status prong_make_range(prong_document *document,
                                            prong_value start, prong_value stop,
                                            prong_value step,
                                            prong_value *value);
PRONG_CHECKED prong_status prong_make_class(prong_document *document,
                                            const char *module,
                                            const char *name,
                                            prong_value *value);
/* Refers to the caller's memory, without a copy. Pickled, it is bytes (read-only) or a bytearray, or goes out of band. */
PRONG_CHECKED prong_status prong_make_buffer(prong_document *document,
                                             void *data, size_t size,
                                             bool read_only,
                                             prong_value *value);

/* An object: the class, and what it was made from. */
typedef struct prong_object {
    const char *module,
        *name; /* of the class (or the function that makes it) */
    bool
        by_new; /* made by name.__new__(name, *arguments), else by name(*arguments) */
    prong_value arguments; /* a tuple */
    prong_value keywords;  /* a dict; None: none */
    prong_value items;     /* a list of what was appended; None: none */
    prong_value pairs;     /* a dict of what was set by key; None: none */
    bool has_state;
    prong_value state; /* what __setstate__ gets, or a dict of the attributes */
} prong_object;

/* Errors: PRONG_INVALID (no class name; arguments are not a tuple, keywords no dict, …). */
PRONG_CHECKED prong_status prong_make_object(prong_document *document,
                                             const prong_object *object,
                                             prong_value *value);

/* Handles of this family: prong_make_handle(document, "queue", &queue, &value). The type's name is that of the C type
 * without its prefix; the handle is any of the library's {offset, generation}. Errors: PRONG_INVALID (no such type). */
PRONG_CHECKED prong_status prong_make_handle(prong_document *document,
                                             const char *type,
                                             const void *handle,
                                             prong_value *value);

/* A copy of all that value refers to, in document; what is shared, or refers to itself, does so in the copy as well.
 * Errors: PRONG_NO_MEMORY, PRONG_TOO_LONG (nested deeper than PRONG_VALUE_DEPTH). */
PRONG_API prong_status prong_value_copy(prong_document *document,
                                        prong_value value, prong_value *copy);

/* --- building and scanning by format ---
 *
 * prong_build(document, &value, format, …) makes a value; prong_scan(value, format, …) takes one apart.
 *
 *     letter  value                 build takes                    scan takes
 *     n       None                  -                              -
 *     b       bool                  int                            bool *
 *     i l I   int                   int, long, int64_t             int *, long *, int64_t *
 *     U z     int, not negative     uint64_t, size_t               uint64_t *, size_t *
 *     d       float (scan: or int)  double                         double *
 *     s       str                   const char * (NULL is None)    const char **
 *     S       str                   const char *, size_t           const char **, size_t *
 *     y       bytes                 const void *, size_t           const void **, size_t * (bytearray, buffer too)
 *     Y       bytearray             const void *, size_t           -
 *     v       any                   prong_value                    prong_value *
 *     .       any                   -                              -: looks away
 *     (…)     tuple                                                a tuple of just so many items
 *     [...]   list                                                 a list of just so many items
 *     <…>     set                                                  -
 *     {k:v…}  dict                  key and value in turn          for each key (s, a const char * argument): its value
 *
 * In scan: `*` last in ( or [ takes any number of further items; `?` after a dict's key lets it be absent (what its value
 * would go to is left as it was). Blanks, commas and colons are for the reader. scan's strings are lent by the document.
 * Errors: PRONG_INVALID (the message says where: "in [1].name: expected str, found int"), PRONG_NOT_FOUND (a key),
 * PRONG_TOO_LONG (a number that does not fit its type); build: PRONG_NO_MEMORY. A format that makes no sense is
 * PRONG_INVALID as well. */
PRONG_CHECKED prong_status prong_build(prong_document *document,
                                       prong_value *value, const char *format,
                                       ...);
PRONG_CHECKED prong_status prong_scan(prong_value value, const char *format,
                                      ...);

/* --- reading --- */

/* PRONG_INVALID when it is something else; PRONG_TOO_LONG when it does not fit. */
PRONG_API prong_status prong_value_get_bool(prong_value value, bool *truth);
PRONG_API prong_status prong_value_get_int(prong_value value, int64_t *number);
PRONG_API prong_status prong_value_get_uint(prong_value value,
                                            uint64_t *number);
PRONG_API prong_status prong_value_get_float(
    prong_value value, double *number); /* of an int or bool as well */
PRONG_API prong_status prong_value_get_complex(prong_value value, double *real,
                                               double *imaginary);
/* Always terminated by a NUL after `size` bytes; size may be NULL. */
PRONG_API prong_status prong_value_get_str(prong_value value, const char **text,
                                           size_t *size);
/* Of bytes, bytearray or a buffer. */
PRONG_API prong_status prong_value_get_bytes(prong_value value,
                                             const void **data, size_t *size);
/* An int's two's complement, least significant byte first, sign-extended to `size` bytes; *needed (may be NULL) is how
 * many it takes at least. */
PRONG_API prong_status prong_value_get_int_bytes(prong_value value, void *bytes,
                                                 size_t size, size_t *needed);
PRONG_API prong_status prong_value_get_range(prong_value value,
                                             prong_value *start,
                                             prong_value *stop,
                                             prong_value *step);
PRONG_API prong_status prong_value_get_object(prong_value value,
                                              prong_object *object);
PRONG_API prong_status prong_value_get_class(prong_value value,
                                             const char **module,
                                             const char **name);
PRONG_API prong_status prong_value_get_handle(prong_value value,
                                              const char *type, void *handle);
/* An object of that class. module may be NULL: any. */
PRONG_API bool prong_value_is(prong_value value, const char *module,
                              const char *name);

/* Items of a list, tuple, dict or set; bytes of bytes, bytearray, buffer; bytes of a str's UTF-8; 0 for all others. */
PRONG_API size_t prong_value_size(prong_value value);
/* Of a list or tuple. Errors: PRONG_NOT_FOUND (index out of range), PRONG_INVALID. */
PRONG_API prong_status prong_value_item(prong_value value, size_t index,
                                        prong_value *item);
/* Of a dict. Errors: PRONG_NOT_FOUND, PRONG_INVALID (no dict, or the key cannot be hashed). */
PRONG_API prong_status prong_value_find(prong_value dict, prong_value key,
                                        prong_value *value);
/* Also PRONG_INVALID: the key is not UTF-8. */
PRONG_CHECKED prong_status prong_value_get(prong_value dict, const char *key,
                                           prong_value *value);
/* `in`: of a list, tuple, dict (keys), set, frozenset. */
PRONG_API bool prong_value_contains(prong_value container, prong_value item);
/* Goes through a list, tuple, dict, set or frozenset: size_t at = 0; while (prong_value_next(v, &at, &key, &item)) …
 * key is None except for a dict; key and item may be NULL. For a set the item is its member. The container must not
 * change meanwhile, but for values set to keys that are there. */
PRONG_API bool prong_value_next(prong_value container, size_t *at,
                                prong_value *key, prong_value *item);
/* By a path: "servers[0].name"; a key that has dots or brackets in quotes: "['a.b'][2]"; negative indices count from the
 * end. Errors: PRONG_NOT_FOUND (the message says at which step), PRONG_INVALID. */
PRONG_API prong_status prong_value_at(prong_value value, const char *path,
                                      prong_value *found);

/* As Python's ==: 1 == 1.0 == True; dicts and sets without regard to order. Objects are equal when all they were made
 * from is. What is nested deeper than PRONG_VALUE_DEPTH, or refers to itself, is equal only to itself. */
PRONG_API bool prong_value_equal(prong_value a, prong_value b);
/* As Python's <: *order is below, equal to or above 0. Errors: PRONG_INVALID (they have no order, as str and int; NaN). */
PRONG_API prong_status prong_value_compare(prong_value a, prong_value b,
                                           int *order);

/* --- changing containers --- */

/* Puts the item at the end. Errors: PRONG_INVALID (no list), PRONG_NO_MEMORY. */
PRONG_API prong_status prong_list_append(prong_document *document,
                                         prong_value list, prong_value item);
/* Before `index` (its size: at the end). Errors: PRONG_NOT_FOUND, PRONG_INVALID. */
PRONG_API prong_status prong_list_insert(prong_document *document,
                                         prong_value list, size_t index,
                                         prong_value item);
PRONG_API prong_status prong_list_set(prong_value list, size_t index,
                                      prong_value item);
PRONG_API prong_status prong_list_remove(prong_value list, size_t index);
/* Errors: PRONG_INVALID (no dict, or the key cannot be hashed), PRONG_NO_MEMORY. */
PRONG_API prong_status prong_dict_set(prong_document *document,
                                      prong_value dict, prong_value key,
                                      prong_value value);
PRONG_CHECKED prong_status prong_dict_put(prong_document *document,
                                          prong_value dict, const char *key,
                                          prong_value value);
/* Errors: PRONG_NOT_FOUND, PRONG_INVALID. */
PRONG_API prong_status prong_dict_remove(prong_value dict, prong_value key);
PRONG_API prong_status prong_set_add(prong_document *document, prong_value set,
                                     prong_value item);
PRONG_API prong_status prong_set_remove(prong_value set, prong_value item);

/* --- printing --- */

/* Writes the value as Python's repr would, cut to `capacity` and always terminated; *size (may be NULL) is its whole
 * length. What refers to itself shows as "[...]". Errors: PRONG_TOO_LONG (nested deeper than PRONG_VALUE_DEPTH, or more than
 * 1,048,576 values printed again because they are held more than once). */
PRONG_API prong_status prong_value_repr(prong_value value, char *buffer,
                                        size_t capacity, size_t *size);
/* The same as JSON. Tuples are arrays; dict keys that are bool, int, float or None become strings, as in Python's json.
 * Errors: PRONG_INVALID (what JSON has no way to say: bytes, sets, NaN, objects, …; the message has its path),
 * PRONG_TOO_LONG. */
PRONG_API prong_status prong_value_json(prong_value value, char *buffer,
                                        size_t capacity, size_t *size);

PRONG_END_DECLS

#endif
