/* Writing pickles, in one pass. Each node is memoized when it is written, and a reference written when it is met again.
 * Strings are remembered in two small caches (dict keys; others), for those that come again and again. */
#include "base/error.h"
#include "value/classes.h"
#include "value/document.h"
#include "value/number.h"
#include "value/opcodes.h"
#include "value/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1000, TEXTS = 256, SHORT_TEXT = 64, FRAME_HEADER = 9, FIRST_SIZE = 512 };

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

static prong_status save(struct writer *w, prong_value value, unsigned depth);

/* --- output --- */

static prong_status grow(struct writer *w, size_t more) {
    size_t used = (size_t)(w->at - (char *)(w->chunk + 1)), size = w->chunk->size;
    if (more > SIZE_MAX / 4) return fail_text(PRONG_NO_MEMORY, "pickle: too large");
    size = size * 2 > used + more ? size * 2 : used + more;
    if (w->limit && size > w->limit) return fail(PRONG_NO_MEMORY, "pickle: more than the document's limit");
    struct chunk *larger = realloc(w->chunk, sizeof(*larger) + size);
    if (!larger) return fail(PRONG_NO_MEMORY, "pickle: the system has no %zu bytes left", size);
    larger->size = size;
    w->chunk = larger;
    w->at = (char *)(larger + 1) + used;
    w->end = (char *)(larger + 1) + size;
    return PRONG_OK;
}

static inline prong_status room(struct writer *w, size_t size) {
    return __builtin_expect((size_t)(w->end - w->at) < size, 0) ? grow(w, size) : PRONG_OK;
}

/* The put functions write where room was made before. */
static inline void put_byte(struct writer *w, int byte) {
    *w->at++ = (char)byte;
}
static inline void put_number(struct writer *w, uint64_t number, size_t size) {
    memcpy(w->at, &number, size);
    w->at += size;
}
static inline void put_raw(struct writer *w, const void *data, size_t size) {
    if (size) memcpy(w->at, data, size);
    w->at += size;
}

static inline prong_status write_byte(struct writer *w, int byte) {
    TRY(room(w, 1));
    put_byte(w, byte);
    return PRONG_OK;
}

static prong_status write_line(struct writer *w, int opcode, const char *text, size_t size) {
    TRY(room(w, size + 2));
    put_byte(w, opcode);
    put_raw(w, text, size);
    put_byte(w, '\n');
    return PRONG_OK;
}

/* Up to 16 bytes in two overlapping words each: most texts are that short, and memcpy would cost more than they do. */
static inline void put_short(struct writer *w, const char *data, size_t size) {
    uint64_t first, last;
    if (size > 16) {
        memcpy(w->at, data, size);
    } else if (size >= 8) {
        memcpy(&first, data, 8);
        memcpy(&last, data + size - 8, 8);
        memcpy(w->at, &first, 8);
        memcpy(w->at + size - 8, &last, 8);
    } else {
        for (size_t i = 0; i < size; i++) w->at[i] = data[i];
    }
    w->at += size;
}

/* An opcode, a count of `width` bytes, and the bytes. */
static inline prong_status write_counted(struct writer *w, int opcode, size_t width, const void *data, size_t size) {
    TRY(room(w, size + 9));
    put_byte(w, opcode);
    put_number(w, size, width);
    put_raw(w, data, size);
    return PRONG_OK;
}

/* --- the memo --- */

static prong_status write_old_put(struct writer *w, uint32_t index) {
    TRY(room(w, 16));
    if (w->protocol == 0) {
        w->at += sprintf(w->at, "p%u\n", index);
    } else if (index < 256) {
        put_byte(w, BINPUT);
        put_byte(w, (int)index);
    } else {
        put_byte(w, LONG_BINPUT);
        put_number(w, index, 4);
    }
    return PRONG_OK;
}

static inline prong_status write_put(struct writer *w, uint32_t index) {
    return __builtin_expect(w->protocol >= 4, 1) ? write_byte(w, MEMOIZE) : write_old_put(w, index);
}

static inline prong_status write_get(struct writer *w, uint32_t index) {
    TRY(room(w, 16));
    if (__builtin_expect(w->protocol == 0, 0)) {
        w->at += sprintf(w->at, "g%u\n", index);
    } else if (index < 256) {
        put_byte(w, BINGET);
        put_byte(w, (int)index);
    } else {
        put_byte(w, LONG_BINGET);
        put_number(w, index, 4);
    }
    return PRONG_OK;
}

static inline struct node *node_of(prong_value value) {
    return (struct node *)(uintptr_t)value.pointer;
}
static inline bool is_met(const struct writer *w, const struct node *node) {
    return node->walk == w->walk;
}
static inline prong_status memoize(struct writer *w, struct node *node) {
    node->walk = w->walk;
    node->index = w->memo++;
    return write_put(w, node->index);
}

/* --- numbers --- */

static prong_status save_bool(struct writer *w, bool truth) {
    if (w->protocol >= 2) return write_byte(w, truth ? NEWTRUE : NEWFALSE);
    return write_line(w, INT, truth ? "01" : "00", 2);
}

static prong_status save_int_text(struct writer *w, prong_value value) {
    if (!is_big(value)) {
        char text[24];
        bool small = value.integer == (int32_t)value.integer;
        int size = snprintf(text, sizeof(text), "%lld%s", (long long)value.integer, small ? "" : "L");
        return write_line(w, small ? INT : LONG, text, (size_t)size);
    }
    if (size_of(value) > DIGITS_MAX / 3)
        return fail(PRONG_TOO_LONG, "pickle: an int of %zu bytes is too long for protocol %d", size_of(value),
                    w->protocol);
    char *digits = int_to_text(value);
    if (!digits) return fail_text(PRONG_NO_MEMORY, "pickle: no memory for an int's digits");
    size_t size = strlen(digits);
    digits[size] = 'L';
    prong_status status = write_line(w, LONG, digits, size + 1);
    free(digits);
    return status;
}

static prong_status save_long(struct writer *w, const void *bytes, size_t size) {
    return size < 256 ? write_counted(w, LONG1, 1, bytes, size) : write_counted(w, LONG4, 4, bytes, size);
}

static prong_status save_int(struct writer *w, prong_value value) {
    int64_t number = value.integer;
    TRY(room(w, 16));
    if (is_big(value) || number != (int32_t)number || w->protocol == 0) {
        if (w->protocol < 2) return save_int_text(w, value);
        if (is_big(value)) return save_long(w, value.pointer, size_of(value));
        size_t size = 8;
        while (size > 1 && ((number >> (8 * size - 9)) == 0 || (number >> (8 * size - 9)) == -1)) size--;
        return save_long(w, &number, size);
    }
    if (number >= 0 && number < 256) {
        put_byte(w, BININT1);
        put_byte(w, (int)number);
    } else if (number >= 0 && number < 65536) {
        put_byte(w, BININT2);
        put_number(w, (uint64_t)number, 2);
    } else {
        put_byte(w, BININT);
        put_number(w, (uint32_t)number, 4);
    }
    return PRONG_OK;
}

static prong_status save_float(struct writer *w, double number) {
    if (w->protocol == 0) {
        char text[FLOAT_TEXT];
        size_t length = float_to_text(number, text);
        return write_line(w, FLOAT, text, length);
    }
    uint64_t word;
    memcpy(&word, &number, 8);
    TRY(room(w, 9));
    put_byte(w, BINFLOAT);
    put_number(w, __builtin_bswap64(word), 8);
    return PRONG_OK;
}

/* --- text and bytes --- */

static uint32_t text_slot(const char *text, size_t size) {
    uint64_t word = 0;
    if (size > SHORT_TEXT)
        word = (uint64_t)(uintptr_t)text;
    else if (size >= 8) {
        uint64_t last;
        memcpy(&word, text, 8);
        memcpy(&last, text + size - 8, 8);
        word ^= last * 3;
    } else {
        for (size_t i = 0; i < size; i++) word = word << 8 | (unsigned char)text[i];
    }
    return (uint32_t)((word + size) * 0x9e3779b97f4a7c15u >> 56);
}
_Static_assert(TEXTS == 1 << (64 - 56), "the slot is the top bits of a product");

/* raw-unicode-escape: what is above 255, and what would end the line or be taken for an escape, is written as one. */
static prong_status write_raw_unicode(struct writer *w, const char *text, size_t size) {
    TRY(room(w, size * 6 + 16));
    put_byte(w, UNICODE);
    for (const char *at = text, *end = text + size; at < end;) {
        uint32_t c = utf8_get(&at);
        if (c > 0xffff)
            w->at += sprintf(w->at, "\\U%08x", c);
        else if (c > 0xff || c == '\\' || c == 0 || c == '\n' || c == '\r' || c == 0x1a)
            w->at += sprintf(w->at, "\\u%04x", c);
        else
            put_byte(w, (int)c);
    }
    put_byte(w, '\n');
    return PRONG_OK;
}

static inline prong_status write_text(struct writer *w, const char *text, size_t size) {
    if (w->protocol == 0) return write_raw_unicode(w, text, size);
    if (size < 256 && w->protocol >= 4) return write_counted(w, SHORT_BINUNICODE, 1, text, size);
    if (size <= UINT32_MAX) return write_counted(w, BINUNICODE, 4, text, size);
    if (w->protocol >= 4) return write_counted(w, BINUNICODE8, 8, text, size);
    return fail(PRONG_TOO_LONG, "pickle: text of %zu bytes needs protocol 4", size);
}

static prong_status save_text(struct writer *w, struct text_cache *cache, const char *text, size_t size) {
    uint32_t slot = text_slot(text, size);
    if (cache->sizes[slot] == (uint32_t)size + 1 && size < UINT32_MAX &&
        (cache->texts[slot] == text || (size <= SHORT_TEXT && memcmp(cache->texts[slot], text, size) == 0)))
        return write_get(w, cache->indices[slot]);
    cache->sizes[slot] = (uint32_t)size + 1;
    cache->texts[slot] = text;
    cache->indices[slot] = w->memo;
    if (__builtin_expect(size < 256 && w->protocol >= 4, 1)) {
        TRY(room(w, size + 3));
        put_byte(w, SHORT_BINUNICODE);
        put_byte(w, (int)size);
        put_short(w, text, size);
        put_byte(w, MEMOIZE);
        w->memo++;
        return PRONG_OK;
    }
    TRY(write_text(w, text, size));
    return write_put(w, w->memo++);
}

static prong_status save_class(struct writer *w, const char *module, const char *name) {
    if (w->protocol >= 4) {
        TRY(save_text(w, &w->texts, module, strlen(module)));
        TRY(save_text(w, &w->texts, name, strlen(name)));
        return write_byte(w, STACK_GLOBAL);
    }
    if (w->protocol < 3) TRY(class_antiquate(&module, &name));
    if (strchr(module, '\n') || strchr(name, '\n'))
        return fail_text(PRONG_INVALID, "pickle: a class's name has a line end");
    TRY(write_line(w, GLOBAL, module, strlen(module)));
    TRY(room(w, strlen(name) + 1));
    put_raw(w, name, strlen(name));
    put_byte(w, '\n');
    return PRONG_OK;
}

static prong_status write_tuple(struct writer *w, size_t count) { /* of what stands behind a MARK, or of the last few */
    return write_byte(w, count == 0 && w->protocol        ? EMPTY_TUPLE
                         : count <= 3 && w->protocol >= 2 ? (int)(TUPLE1 + count - 1)
                                                          : TUPLE);
}
static bool tuple_needs_mark(const struct writer *w, size_t count) {
    return w->protocol == 0 || (count && (count > 3 || w->protocol < 2));
}

/* module.name(*items), of which no item refers to the whole. */
static prong_status save_call(struct writer *w, const char *module, const char *name, const prong_value *items,
                              size_t count, unsigned depth) {
    TRY(save_class(w, module, name));
    if (tuple_needs_mark(w, count)) TRY(write_byte(w, MARK));
    for (size_t i = 0; i < count; i++) TRY(save(w, items[i], depth));
    TRY(write_tuple(w, count));
    return write_byte(w, REDUCE);
}

/* The text whose characters are these bytes, for protocols that have no bytes. */
static prong_status write_latin1(struct writer *w, const unsigned char *data, size_t size) {
    char *text = malloc(size * 2 + 1), *out = text;
    if (!text) return fail_text(PRONG_NO_MEMORY, "pickle: no memory for bytes as text");
    for (size_t i = 0; i < size; i++) out += utf8_put(out, data[i]);
    prong_status status = write_text(w, text, (size_t)(out - text));
    free(text);
    return status;
}

static prong_status save_old_bytes(struct writer *w, const char *module, const char *name, const char *encoding,
                                   const void *data, size_t size) {
    if (size == 0 && strcmp(name, "encode") == 0) return save_call(w, "builtins", "bytes", NULL, 0, 0);
    TRY(save_class(w, module, name));
    if (tuple_needs_mark(w, 2)) TRY(write_byte(w, MARK));
    TRY(write_latin1(w, data, size));
    TRY(write_text(w, encoding, strlen(encoding)));
    TRY(write_tuple(w, 2));
    return write_byte(w, REDUCE);
}

static prong_status save_bytes(struct writer *w, const void *data, size_t size) {
    if (w->protocol < 3) return save_old_bytes(w, "_codecs", "encode", "latin1", data, size);
    if (size < 256) return write_counted(w, SHORT_BINBYTES, 1, data, size);
    if (size <= UINT32_MAX) return write_counted(w, BINBYTES, 4, data, size);
    if (w->protocol >= 4) return write_counted(w, BINBYTES8, 8, data, size);
    return fail(PRONG_TOO_LONG, "pickle: %zu bytes need protocol 4", size);
}

static prong_status save_bytearray(struct writer *w, prong_value value) {
    const struct bytes_node *node = bytes_of(value);
    if (w->protocol >= 5) {
        TRY(write_counted(w, BYTEARRAY8, 8, node->data, node->size));
    } else if (w->protocol >= 3) {
        prong_value bytes = value_of(PRONG_KIND_BYTES, node->size, node->data);
        TRY(save_call(w, "builtins", "bytearray", &bytes, node->size ? 1 : 0, 0));
    } else if (node->size) {
        TRY(save_old_bytes(w, "builtins", "bytearray", "latin-1", node->data, node->size));
    } else {
        TRY(save_call(w, "builtins", "bytearray", NULL, 0, 0));
    }
    return memoize(w, node_of(value));
}

/* Beside the pickle if the caller has room for it there. */
static prong_status save_buffer(struct writer *w, prong_value value) {
    const struct bytes_node *node = bytes_of(value);
    if (!w->options || !w->options->buffers || w->protocol < 5 || w->buffers == w->options->buffer_capacity) {
        if (node->read_only) return save_bytes(w, node->data, node->size);
        return save_bytearray(w, value);
    }
    w->options->buffers[w->buffers++] =
        (prong_pickle_buffer){(void *)(uintptr_t)node->data, node->size, node->read_only};
    TRY(write_byte(w, NEXT_BUFFER));
    if (node->read_only) TRY(write_byte(w, READONLY_BUFFER));
    return memoize(w, node_of(value));
}

/* --- containers --- */

static prong_status save_tuple(struct writer *w, prong_value value, unsigned depth) {
    size_t count;
    const prong_value *items = items_of(value, &count);
    struct node *node = node_of(value);
    bool marked = tuple_needs_mark(w, count);
    if (marked) TRY(write_byte(w, MARK));
    for (size_t i = 0; i < count; i++) TRY(save(w, items[i], depth));
    if (!count) return write_tuple(w, 0);
    if (is_met(w, node)) { /* its items refer to it: it was written there */
        for (size_t i = 0; i < (marked && w->protocol ? 1 : marked ? count + 1 : count); i++)
            TRY(write_byte(w, marked && w->protocol ? POP_MARK : POP));
        return write_get(w, node->index);
    }
    TRY(write_tuple(w, count));
    return memoize(w, node);
}

/* What goes into a list that is the last value, in pieces that do not need much of a reader's stack. */
static prong_status write_appends(struct writer *w, const prong_value *items, size_t count, unsigned depth) {
    for (size_t from = 0; from < count; from += BATCH) {
        size_t batch = count - from < BATCH ? count - from : BATCH;
        bool single = batch == 1 || w->protocol == 0;
        if (!single) TRY(write_byte(w, MARK));
        for (size_t i = from; i < from + batch; i++) {
            TRY(save(w, items[i], depth));
            if (single) TRY(write_byte(w, APPEND));
        }
        if (!single) TRY(write_byte(w, APPENDS));
    }
    return PRONG_OK;
}

static prong_status write_empty(struct writer *w, int binary, int marked) {
    if (w->protocol) return write_byte(w, binary);
    TRY(write_byte(w, MARK));
    return write_byte(w, marked);
}

static prong_status save_list(struct writer *w, prong_value value, unsigned depth) {
    const struct list_node *node = list_of(value);
    TRY(write_empty(w, EMPTY_LIST, LIST));
    TRY(memoize(w, node_of(value)));
    return write_appends(w, node->items, node->count, depth);
}

static prong_status save_key(struct writer *w, prong_value key, unsigned depth) {
    if (kind_of(key) == PRONG_KIND_STR) return save_text(w, &w->keys, key.pointer, size_of(key));
    return save(w, key, depth);
}

static prong_status write_setitems(struct writer *w, const struct table *table, unsigned depth) {
    size_t at = 0, left = table->count;
    for (struct entry *entry = table_next(table, &at); entry;) {
        size_t batch = left < BATCH ? left : BATCH;
        bool single = batch == 1 || w->protocol == 0;
        if (!single) TRY(write_byte(w, MARK));
        for (size_t i = 0; i < batch && entry; i++, entry = table_next(table, &at)) {
            TRY(save_key(w, entry->key, depth));
            TRY(save(w, entry->value, depth));
            if (single) TRY(write_byte(w, SETITEM));
        }
        if (!single) TRY(write_byte(w, SETITEMS));
        left -= batch;
    }
    return PRONG_OK;
}

static prong_status save_dict(struct writer *w, prong_value value, unsigned depth) {
    TRY(write_empty(w, EMPTY_DICT, DICT));
    TRY(memoize(w, node_of(value)));
    return write_setitems(w, table_of(value), depth);
}

/* Below protocol 4: made from a list, that is of one's own. */
static prong_status save_old_set(struct writer *w, prong_value value, unsigned depth) {
    const struct table *table = table_of(value);
    TRY(save_class(w, "builtins", kind_of(value) == PRONG_KIND_SET ? "set" : "frozenset"));
    if (tuple_needs_mark(w, 1)) TRY(write_byte(w, MARK));
    TRY(write_empty(w, EMPTY_LIST, LIST));
    size_t at = 0;
    for (struct entry *entry = table_next(table, &at); entry; entry = table_next(table, &at)) {
        TRY(save(w, entry->key, depth));
        TRY(write_byte(w, APPEND));
    }
    TRY(write_tuple(w, 1));
    TRY(write_byte(w, REDUCE));
    if (is_met(w, node_of(value))) { /* met within itself */
        TRY(write_byte(w, POP));
        return write_get(w, node_of(value)->index);
    }
    return memoize(w, node_of(value));
}

static prong_status save_set(struct writer *w, prong_value value, unsigned depth) {
    const struct table *table = table_of(value);
    if (w->protocol < 4) return save_old_set(w, value, depth);
    TRY(write_byte(w, EMPTY_SET));
    TRY(memoize(w, node_of(value)));
    size_t at = 0, left = table->count;
    for (struct entry *entry = table_next(table, &at); entry;) {
        size_t batch = left < BATCH ? left : BATCH;
        TRY(write_byte(w, MARK));
        for (size_t i = 0; i < batch && entry; i++, entry = table_next(table, &at)) TRY(save(w, entry->key, depth));
        TRY(write_byte(w, ADDITEMS));
        left -= batch;
    }
    return PRONG_OK;
}

static prong_status save_frozenset(struct writer *w, prong_value value, unsigned depth) {
    const struct table *table = table_of(value);
    if (w->protocol < 4) return save_old_set(w, value, depth);
    TRY(write_byte(w, MARK));
    size_t at = 0;
    for (struct entry *entry = table_next(table, &at); entry; entry = table_next(table, &at))
        TRY(save(w, entry->key, depth));
    if (is_met(w, node_of(value))) {
        TRY(write_byte(w, POP_MARK));
        return write_get(w, node_of(value)->index);
    }
    TRY(write_byte(w, FROZENSET));
    return memoize(w, node_of(value));
}

/* --- classes and objects --- */

static prong_status save_class_node(struct writer *w, const struct class_node *class) {
    struct node *node = (struct node *)(uintptr_t) class;
    if (is_met(w, node)) return write_get(w, node->index);
    TRY(save_class(w, class->module.pointer, class->name.pointer));
    return memoize(w, node);
}

/* By class.__new__. Protocols that have no opcode for it call copyreg's functions, which do it. */
static prong_status write_new(struct writer *w, const struct object_node *object, unsigned depth) {
    bool keywords = kind_of(object->keywords) != PRONG_KIND_NULL;
    prong_value class = value_of(PRONG_KIND_CLASS, 0, object->class);
    if (w->protocol >= (keywords ? 4 : 2)) {
        TRY(save_class_node(w, object->class));
        TRY(save(w, object->arguments, depth));
        if (keywords) TRY(save(w, object->keywords, depth));
        return write_byte(w, keywords ? NEWOBJ_EX : NEWOBJ);
    }
    if (keywords) {
        prong_value items[] = {class, object->arguments, object->keywords};
        return save_call(w, "copyreg", "__newobj_ex__", items, 3, depth);
    }
    size_t count;
    const prong_value *items = items_of(object->arguments, &count);
    TRY(save_class(w, "copyreg", "__newobj__"));
    TRY(write_byte(w, MARK));
    TRY(save(w, class, depth));
    for (size_t i = 0; i < count; i++) TRY(save(w, items[i], depth));
    TRY(write_byte(w, TUPLE));
    return write_byte(w, REDUCE);
}

static prong_status write_made(struct writer *w, const struct object_node *object, unsigned depth) {
    if (object->by_new) return write_new(w, object, depth);
    if (kind_of(object->keywords) != PRONG_KIND_NULL)
        return fail(PRONG_INVALID, "pickle: %s is called with keywords, which only objects made by __new__ can have",
                    (const char *)object->class->name.pointer);
    TRY(save_class_node(w, object->class));
    TRY(save(w, object->arguments, depth));
    return write_byte(w, REDUCE);
}

static prong_status save_object(struct writer *w, prong_value value, unsigned depth) {
    const struct object_node *object = object_of(value);
    TRY(write_made(w, object, depth));
    if (is_met(w, node_of(value))) { /* its arguments refer to it */
        TRY(write_byte(w, POP));
        return write_get(w, node_of(value)->index);
    }
    TRY(memoize(w, node_of(value)));
    if (kind_of(object->items) == PRONG_KIND_LIST)
        TRY(write_appends(w, list_of(object->items)->items, list_of(object->items)->count, depth));
    if (kind_of(object->pairs) == PRONG_KIND_DICT) TRY(write_setitems(w, table_of(object->pairs), depth));
    if (!object->has_state) return PRONG_OK;
    TRY(save(w, object->state, depth));
    return write_byte(w, BUILD);
}

/* An int that may need all 64 bits and no sign. */
static prong_value uint_value(uint64_t number, unsigned char room[9]) {
    if (number <= INT64_MAX) return prong_int((int64_t)number);
    memcpy(room, &number, 8);
    room[8] = 0;
    return value_of(PRONG_KIND_INT, 9, room);
}

static prong_status save_named(struct writer *w, prong_value value, unsigned depth) {
    switch (kind_of(value)) {
    case PRONG_KIND_COMPLEX: {
        const struct complex_node *complex = value.pointer;
        prong_value items[] = {prong_float(complex->real), prong_float(complex->imaginary)};
        TRY(save_call(w, "builtins", "complex", items, 2, depth));
        return memoize(w, node_of(value));
    }
    case PRONG_KIND_RANGE: {
        const struct range_node *range = value.pointer;
        TRY(save_call(w, "builtins", "range", &range->start, 3, depth));
        return memoize(w, node_of(value));
    }
    case PRONG_KIND_HANDLE: {
        const struct handle_node *handle = value.pointer;
        unsigned char room[2][9];
        prong_value items[] = {value_of(PRONG_KIND_STR, strlen(handle->type), handle->type),
                               uint_value(handle->offset, room[0]), uint_value(handle->generation, room[1])};
        TRY(save_call(w, "prong", "Handle", items, 3, depth));
        return memoize(w, node_of(value));
    }
    case PRONG_KIND_ELLIPSIS: return save_class(w, "builtins", "Ellipsis");
    case PRONG_KIND_NOT_IMPLEMENTED: return save_class(w, "builtins", "NotImplemented");
    case PRONG_KIND_CLASS: return save_class_node(w, class_of(value));
    default: return fail(PRONG_INVALID, "pickle: a value of no kind (%d)", (int)kind_of(value));
    }
}

static prong_status save(struct writer *w, prong_value value, unsigned depth) {
    prong_kind kind = kind_of(value);
    switch (kind) {
    case PRONG_KIND_NULL: return write_byte(w, NONE);
    case PRONG_KIND_BOOL: return save_bool(w, value.integer != 0);
    case PRONG_KIND_INT: return save_int(w, value);
    case PRONG_KIND_FLOAT: return save_float(w, value.real);
    case PRONG_KIND_STR: return save_text(w, &w->texts, value.pointer, size_of(value));
    case PRONG_KIND_BYTES: return save_bytes(w, value.pointer, size_of(value));
    default: break;
    }
    if (depth > DEPTH_MAX) return fail(PRONG_TOO_LONG, "pickle: values are nested deeper than %d", DEPTH_MAX);
    if (has_node(kind) && value.pointer && is_met(w, node_of(value))) return write_get(w, node_of(value)->index);
    switch (kind) {
    case PRONG_KIND_LIST: return save_list(w, value, depth + 1);
    case PRONG_KIND_TUPLE: return save_tuple(w, value, depth + 1);
    case PRONG_KIND_DICT: return save_dict(w, value, depth + 1);
    case PRONG_KIND_SET: return save_set(w, value, depth + 1);
    case PRONG_KIND_FROZENSET: return save_frozenset(w, value, depth + 1);
    case PRONG_KIND_OBJECT: return save_object(w, value, depth + 1);
    case PRONG_KIND_BYTEARRAY: return save_bytearray(w, value);
    case PRONG_KIND_BUFFER: return save_buffer(w, value);
    default: return save_named(w, value, depth + 1);
    }
}

/* --- the whole --- */

/* One frame around all; left out where it would be longer than what it frames. */
static prong_status write_all(struct writer *w, prong_value value) {
    TRY(room(w, 2 + FRAME_HEADER));
    if (w->protocol >= 2) {
        put_byte(w, PROTO);
        put_byte(w, w->protocol);
    }
    bool framed = w->protocol >= 4;
    if (framed) w->at += FRAME_HEADER;
    TRY(save(w, value, 0));
    TRY(write_byte(w, STOP));
    if (!framed) return PRONG_OK;
    char *frame = (char *)(w->chunk + 1) + 2;
    uint64_t size = (uint64_t)(w->at - frame - FRAME_HEADER);
    if (size < 4) {
        memmove(frame, frame + FRAME_HEADER, size);
        w->at -= FRAME_HEADER;
    } else {
        frame[0] = (char)FRAME;
        memcpy(frame + 1, &size, 8);
    }
    return PRONG_OK;
}

static prong_status choose_protocol(const prong_pickle_options *options, int *protocol) {
    int wanted = options ? options->protocol : 0;
    if (wanted < PRONG_PICKLE_TEXT || wanted > PRONG_PICKLE_PROTOCOL)
        return fail(PRONG_INVALID, "pickle: there is no protocol %d", wanted);
    *protocol = wanted == PRONG_PICKLE_TEXT ? 0 : wanted == 0 ? PRONG_PICKLE_PROTOCOL : wanted;
    return PRONG_OK;
}

prong_status prong_pickle_dumps(prong_document *document, prong_value value, prong_pickle *pickle,
                                const prong_pickle_options *options) {
    struct writer w;
    CHECK_RESERVED(options, "pickle: options");
    TRY(choose_protocol(options, &w.protocol));
    w.chunk = document_large_chunk(document, FIRST_SIZE);
    if (!w.chunk) return fail_text(PRONG_NO_MEMORY, "pickle: the system has no memory left");
    w.at = (char *)(w.chunk + 1);
    w.end = w.at + w.chunk->size;
    w.limit = document->limit;
    w.walk = walk_begin();
    w.memo = 0;
    w.options = options;
    w.buffers = 0;
    memset(w.keys.sizes, 0, sizeof(w.keys.sizes));
    memset(w.texts.sizes, 0, sizeof(w.texts.sizes));
    prong_status status = write_all(&w, value);
    if (options && options->buffer_count) *options->buffer_count = w.buffers;
    if (status < 0) {
        free(w.chunk);
        return status;
    }
    *pickle = (prong_pickle){w.chunk + 1, (size_t)(w.at - (char *)(w.chunk + 1))};
    document_adopt(document, w.chunk);
    return PRONG_OK;
}
