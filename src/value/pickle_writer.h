/* Writing pickles, inside: one pass, in which each node is memoized when it is written, and a reference is written when it
 * is met again. Strings are remembered in two small caches (dict keys; others), for those that come again and again.
 *
 * pickle_write.c has what is frequent, pickle_write_objects.c classes and objects, pickle_write_old.c what protocols below
 * the newest write in its place. */
#ifndef VALUE_PICKLE_WRITER_H
#define VALUE_PICKLE_WRITER_H

#include "base/error.h"
#include "value/document.h"
#include "value/node.h"
#include "value/pickle_format.h"
#include <prong/pickle.h>

enum { TEXTS = 256 };

/* Texts that are in the memo, by a hash of their bytes (longer ones: of their address). */
struct text_cache {
    uint32_t sizes[TEXTS]; /* plus 1; 0: free */
    uint32_t indices[TEXTS];
    const char *texts[TEXTS];
};

struct writer {
    char *at, *end;
    struct chunk *chunk; /* the output, until it becomes the document's */
    size_t limit;        /* 0: none */
    int protocol;
    uint64_t walk;
    uint32_t memo;
    const prong_pickle_options *options;
    size_t buffers;
    struct text_cache keys, texts;
};

/* --- pickle_write.c --- */

/* depth: how many values this one is within. */
prong_status save_value(struct writer *w, prong_value value, unsigned depth);
prong_status save_text(struct writer *w, struct text_cache *cache, const char *text, size_t size);
/* The same, and it is not remembered. */
prong_status write_text(struct writer *w, const char *text, size_t size);
/* What goes into a list or dict that is the last value, in pieces that do not need much of a reader's stack. */
prong_status write_appends(struct writer *w, const prong_value *items, size_t count, unsigned depth);
prong_status write_setitems(struct writer *w, const struct table *table, unsigned depth);
prong_status writer_grow(struct writer *w, size_t more);

/* --- pickle_write_objects.c --- */

/* A class or function by name. */
prong_status save_class(struct writer *w, const char *module, const char *name);
/* module.name(*items), of which no item refers to the whole. */
prong_status save_call(struct writer *w, const char *module, const char *name, const prong_value *items, size_t count,
                       unsigned depth);
prong_status save_object(struct writer *w, prong_value value, unsigned depth);
/* What is a call, or a name. */
prong_status save_named(struct writer *w, prong_value value, unsigned depth);

/* --- pickle_write_old.c --- */

/* Below protocol 4. */
prong_status write_old_put(struct writer *w, uint32_t index);
prong_status save_old_set(struct writer *w, prong_value value, unsigned depth);
/* Below protocol 3: a call that makes them of text. */
prong_status save_old_bytes(struct writer *w, const char *module, const char *name, const char *encoding,
                            const void *data, size_t size);
/* Below protocol 2: in decimal. */
prong_status save_int_text(struct writer *w, prong_value value);
/* Protocol 0. */
prong_status write_text_get(struct writer *w, uint32_t index);
prong_status write_raw_unicode(struct writer *w, const char *text, size_t size);

/* --- output --- */

static inline prong_status writer_room(struct writer *w, size_t size) {
    return __builtin_expect((size_t)(w->end - w->at) < size, 0) ? writer_grow(w, size) : PRONG_OK;
}

/* The put functions write where room was made before. */
static inline void writer_put_byte(struct writer *w, int byte) {
    *w->at++ = (char)byte;
}
static inline void writer_put_number(struct writer *w, uint64_t number, size_t size) {
    memcpy(w->at, &number, size);
    w->at += size;
}
static inline void writer_put_raw(struct writer *w, const void *data, size_t size) {
    if (size) memcpy(w->at, data, size);
    w->at += size;
}

static inline prong_status writer_byte(struct writer *w, int byte) {
    TRY(writer_room(w, 1));
    writer_put_byte(w, byte);
    return PRONG_OK;
}

static inline prong_status writer_line(struct writer *w, int opcode, const char *text, size_t size) {
    TRY(writer_room(w, size + 2));
    writer_put_byte(w, opcode);
    writer_put_raw(w, text, size);
    writer_put_byte(w, '\n');
    return PRONG_OK;
}

/* An opcode, a count of `width` bytes, and the bytes. */
static inline prong_status writer_counted(struct writer *w, int opcode, size_t width, const void *data, size_t size) {
    TRY(writer_room(w, size + 9));
    writer_put_byte(w, opcode);
    writer_put_number(w, size, width);
    writer_put_raw(w, data, size);
    return PRONG_OK;
}

/* Of what stands behind a MARK, or of the last few. */
static inline prong_status writer_tuple(struct writer *w, size_t count) {
    return writer_byte(w, count == 0 && w->protocol        ? OP_EMPTY_TUPLE
                          : count <= 3 && w->protocol >= 2 ? (int)(OP_TUPLE1 + count - 1)
                                                           : OP_TUPLE);
}
static inline bool writer_needs_mark(const struct writer *w, size_t count) {
    return w->protocol == 0 || (count && (count > 3 || w->protocol < 2));
}

static inline prong_status writer_empty(struct writer *w, int binary, int marked) {
    if (w->protocol) return writer_byte(w, binary);
    TRY(writer_byte(w, OP_MARK));
    return writer_byte(w, marked);
}

/* --- the memo --- */

static inline prong_status writer_put(struct writer *w, uint32_t index) {
    return __builtin_expect(w->protocol >= 4, 1) ? writer_byte(w, OP_MEMOIZE) : write_old_put(w, index);
}

static inline prong_status writer_get(struct writer *w, uint32_t index) {
    if (__builtin_expect(w->protocol == 0, 0)) return write_text_get(w, index);
    TRY(writer_room(w, 5));
    if (index < 256) {
        writer_put_byte(w, OP_BINGET);
        writer_put_byte(w, (int)index);
    } else {
        writer_put_byte(w, OP_LONG_BINGET);
        writer_put_number(w, index, 4);
    }
    return PRONG_OK;
}

static inline struct node *node_of(prong_value value) {
    return (struct node *)(uintptr_t)value.pointer;
}
static inline bool writer_has_met(const struct writer *w, const struct node *node) {
    return node->walk == w->walk;
}
static inline prong_status writer_memoize(struct writer *w, struct node *node) {
    node->walk = w->walk;
    node->index = w->memo++;
    return writer_put(w, node->index);
}

#endif
