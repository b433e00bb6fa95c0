/* Making values, and the documents that they lie in. See <prong/value.h>. */
#ifndef PRONG_MAKE_H
#define PRONG_MAKE_H

#include <prong/value.h>

PRONG_BEGIN_DECLS

/* --- documents --- */

typedef struct prong_document_options {
    /* Bytes; what needs more is PRONG_NO_MEMORY. 0: no limit. */
    size_t max_memory;
    void *reserved[4]; /* zero */
} prong_document_options;

/* options may be NULL. Pair with prong_document_close. Errors:
 * PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_document_open(
    prong_document **document, const prong_document_options *options);
/* Frees the document and all that is in it. NULL is allowed. */
PRONG_API void prong_document_close(prong_document *document);
/* Frees all that is in it, and keeps up to 32 MiB of memory to use again. */
PRONG_API void prong_document_reset(prong_document *document);
/* Bytes in use. */
PRONG_API size_t prong_document_memory(const prong_document *document);

/* --- what needs no memory --- */

/* The first word of a value of that kind; for the functions below. */
#define PRONG_VALUE_HEAD(kind) ((uint64_t)(kind))
/* None, a bool, an int, a float, and Python's "...": each is the value itself,
 * which lies in no document. */
static inline prong_value prong_make_null(void) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_NULL);
    value.integer = 0;
    return value;
}
static inline prong_value prong_make_bool(bool truth) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_BOOL);
    value.integer = truth;
    return value;
}
static inline prong_value prong_make_int(int64_t number) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_INT);
    value.integer = number;
    return value;
}
static inline prong_value prong_make_float(double number) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_FLOAT);
    value.real = number;
    return value;
}
static inline prong_value prong_make_ellipsis(void) {
    prong_value value;
    value.head = PRONG_VALUE_HEAD(PRONG_KIND_ELLIPSIS);
    value.integer = 0;
    return value;
}

/* --- what lies in a document ---
 * All copy what they are given, and may return PRONG_NO_MEMORY; further errors
 * as named. PRONG_INVALID also for data that is NULL with a size above 0. */

/* An int of any size, from two's complement, least significant byte first. See
 * also prong_build's letters D, for decimal digits, and U, for a uint64_t. */
PRONG_CHECKED prong_status prong_make_big_int(prong_document *document,
                                              const void *bytes, size_t size,
                                              prong_value *value);
/* The size of text that ends with a NUL. */
#define PRONG_TO_NUL SIZE_MAX
/* Errors: PRONG_INVALID (not UTF-8; the message has the position). */
PRONG_CHECKED prong_status prong_make_str(prong_document *document,
                                          const char *text, size_t size,
                                          prong_value *value);
/* A bytearray is letter Y of prong_build. */
PRONG_CHECKED prong_status prong_make_bytes(prong_document *document,
                                            const void *data, size_t size,
                                            prong_value *value);
/* Refers to the caller's memory, without a copy. Pickled, it is bytes
 * (read-only) or a bytearray, or goes out of band. */
PRONG_CHECKED prong_status prong_make_buffer(prong_document *document,
                                             void *data, size_t size,
                                             bool read_only,
                                             prong_value *value);

/* Containers of these items, which may be NULL when count is 0. */
PRONG_CHECKED prong_status prong_make_list(prong_document *document,
                                           const prong_value *items,
                                           size_t count, prong_value *value);
PRONG_CHECKED prong_status prong_make_tuple(prong_document *document,
                                            const prong_value *items,
                                            size_t count, prong_value *value);
/* Errors: PRONG_INVALID (an item that cannot be hashed: a list, dict, set,
 * bytearray, or what holds one). */
PRONG_CHECKED prong_status prong_make_set(prong_document *document,
                                          const prong_value *items,
                                          size_t count, prong_value *value);
PRONG_CHECKED prong_status prong_make_frozenset(prong_document *document,
                                                const prong_value *items,
                                                size_t count,
                                                prong_value *value);
/* count pairs, 2 * count values: pairs[2 * i] is a key, pairs[2 * i + 1] its
 * value. Of two equal keys the last one counts. Errors: PRONG_INVALID (a key
 * that cannot be hashed). */
PRONG_CHECKED prong_status prong_make_dict(prong_document *document,
                                           const prong_value *pairs,
                                           size_t count, prong_value *value);

/* A copy of all that value refers to, in document; what is shared, or refers to
 * itself, does so in the copy as well. Errors: PRONG_NO_MEMORY, PRONG_TOO_LONG
 * (nested deeper than PRONG_VALUE_DEPTH). */
PRONG_CHECKED prong_status prong_value_copy(prong_document *document,
                                            prong_value value,
                                            prong_value *copy);

PRONG_END_DECLS

#endif
