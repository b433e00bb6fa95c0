/* Writing pickles: numbers, text, bytes and containers, and the whole. */
#include "value/number.h"
#include "value/pickle_writer.h"
#include <stdlib.h>

enum { SHORT_TEXT = 64, FIRST_SIZE = 512 };

/* --- output --- */

/* By an eighth more than is needed: what follows something large is mostly short, and must not have it copied again. */
prong_status writer_grow(struct writer *w, size_t more) {
    size_t used = (size_t)(w->at - (char *)(w->chunk + 1)), needed = used + more, size = needed + needed / 8;
    if (more > SIZE_MAX / 4) return fail_text(PRONG_NO_MEMORY, "pickle: too large");
    if (size < w->chunk->size * 2) size = w->chunk->size * 2;
    if (w->limit && size > w->limit) size = w->limit;
    if (size < needed) return fail(PRONG_NO_MEMORY, "pickle: more than the document's limit");
    struct chunk *larger = realloc(w->chunk, sizeof(*larger) + size);
    if (!larger) return fail(PRONG_NO_MEMORY, "pickle: the system has no %zu bytes left", size);
    larger->size = size;
    w->chunk = larger;
    w->at = (char *)(larger + 1) + used;
    w->end = (char *)(larger + 1) + size;
    return PRONG_OK;
}

/* Up to 16 bytes in two overlapping words each: most texts are that short, and memcpy would cost more than they do. */
static inline void writer_put_short(struct writer *w, const char *data, size_t size) {
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

/* --- numbers --- */

static prong_status save_bool(struct writer *w, bool truth) {
    if (w->protocol >= 2) return writer_byte(w, truth ? OP_NEWTRUE : OP_NEWFALSE);
    return writer_line(w, OP_INT, truth ? "01" : "00", 2);
}

static prong_status save_long(struct writer *w, const void *bytes, size_t size) {
    return size <= PICKLE_SHORT_MAX ? writer_counted(w, OP_LONG1, 1, bytes, size)
                                    : writer_counted(w, OP_LONG4, 4, bytes, size);
}

static prong_status save_int(struct writer *w, prong_value value) {
    int64_t number = value.integer;
    TRY(writer_room(w, 16));
    if (value_is_big(value) || number != (int32_t)number || w->protocol == 0) {
        if (w->protocol < 2) return save_int_text(w, value);
        if (value_is_big(value)) return save_long(w, value.pointer, value_size(value));
        size_t size = 8;
        while (size > 1 && ((number >> (8 * size - 9)) == 0 || (number >> (8 * size - 9)) == -1)) size--;
        w->at = pickle_put_long(w->at, number, size);
        return PRONG_OK;
    }
    w->at = pickle_put_int(w->at, (int32_t)number);
    return PRONG_OK;
}

static prong_status save_float(struct writer *w, double number) {
    if (w->protocol == 0) {
        char text[FLOAT_TEXT];
        size_t length = float_to_text(number, text);
        return writer_line(w, OP_FLOAT, text, length);
    }
    TRY(writer_room(w, PICKLE_FLOAT_SIZE));
    w->at = pickle_put_float(w->at, number);
    return PRONG_OK;
}

/* --- text and bytes --- */

static uint32_t writer_text_slot(const char *text, size_t size) {
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

prong_status write_text(struct writer *w, const char *text, size_t size) {
    if (w->protocol == 0) return write_raw_unicode(w, text, size);
    if (size <= PICKLE_SHORT_MAX && w->protocol >= 4) return writer_counted(w, OP_SHORT_BINUNICODE, 1, text, size);
    if (size <= UINT32_MAX) return writer_counted(w, OP_BINUNICODE, 4, text, size);
    if (w->protocol >= 4) return writer_counted(w, OP_BINUNICODE8, 8, text, size);
    return fail(PRONG_TOO_LONG, "pickle: text of %zu bytes needs protocol 4", size);
}

prong_status save_text(struct writer *w, struct text_cache *cache, const char *text, size_t size) {
    uint32_t slot = writer_text_slot(text, size);
    if (cache->sizes[slot] == (uint32_t)size + 1 && size < UINT32_MAX &&
        (cache->texts[slot] == text || (size <= SHORT_TEXT && memcmp(cache->texts[slot], text, size) == 0)))
        return writer_get(w, cache->indices[slot]);
    cache->sizes[slot] = (uint32_t)size + 1;
    cache->texts[slot] = text;
    cache->indices[slot] = w->memo;
    if (__builtin_expect(size <= PICKLE_SHORT_MAX && w->protocol >= 4, 1)) {
        TRY(writer_room(w, size + 3));
        writer_put_byte(w, OP_SHORT_BINUNICODE);
        writer_put_byte(w, (int)size);
        writer_put_short(w, text, size);
        writer_put_byte(w, OP_MEMOIZE);
        w->memo++;
        return PRONG_OK;
    }
    TRY(write_text(w, text, size));
    return writer_put(w, w->memo++);
}

static prong_status save_bytes(struct writer *w, const void *data, size_t size) {
    if (w->protocol < 3) return save_old_bytes(w, PICKLE_CODECS, PICKLE_ENCODE, "latin1", data, size);
    if (size <= PICKLE_SHORT_MAX) return writer_counted(w, OP_SHORT_BINBYTES, 1, data, size);
    if (size <= UINT32_MAX) return writer_counted(w, OP_BINBYTES, 4, data, size);
    if (w->protocol >= 4) return writer_counted(w, OP_BINBYTES8, 8, data, size);
    return fail(PRONG_TOO_LONG, "pickle: %zu bytes need protocol 4", size);
}

static prong_status save_bytearray(struct writer *w, prong_value value) {
    const struct bytes_node *node = value_bytes(value);
    if (w->protocol >= 5) {
        TRY(writer_counted(w, OP_BYTEARRAY8, 8, node->data, node->size));
    } else if (w->protocol >= 3) {
        prong_value bytes = value_of_kind(PRONG_KIND_BYTES, node->size, node->data);
        TRY(save_call(w, PICKLE_BUILTINS, PICKLE_BYTEARRAY, &bytes, node->size ? 1 : 0, 0));
    } else if (node->size) {
        TRY(save_old_bytes(w, PICKLE_BUILTINS, PICKLE_BYTEARRAY, "latin-1", node->data, node->size));
    } else {
        TRY(save_call(w, PICKLE_BUILTINS, PICKLE_BYTEARRAY, NULL, 0, 0));
    }
    return writer_memoize(w, node_of(value));
}

/* Beside the pickle if the caller has room for it there. */
static prong_status save_buffer(struct writer *w, prong_value value) {
    const struct bytes_node *node = value_bytes(value);
    if (!w->options || !w->options->buffers || w->protocol < 5 || w->buffers == w->options->buffer_capacity) {
        if (node->read_only) return save_bytes(w, node->data, node->size);
        return save_bytearray(w, value);
    }
    w->options->buffers[w->buffers++] =
        (prong_pickle_buffer){(void *)(uintptr_t)node->data, node->size, node->read_only};
    TRY(writer_byte(w, OP_NEXT_BUFFER));
    if (node->read_only) TRY(writer_byte(w, OP_READONLY_BUFFER));
    return writer_memoize(w, node_of(value));
}

/* --- containers --- */

static prong_status save_tuple(struct writer *w, prong_value value, unsigned depth) {
    size_t count;
    const prong_value *items = value_items(value, &count);
    struct node *node = node_of(value);
    bool marked = writer_needs_mark(w, count);
    if (marked) TRY(writer_byte(w, OP_MARK));
    for (size_t i = 0; i < count; i++) TRY(save_value(w, items[i], depth));
    if (!count) return writer_tuple(w, 0);
    if (writer_has_met(w, node)) { /* its items refer to it: it was written there */
        for (size_t i = 0; i < (marked && w->protocol ? 1 : marked ? count + 1 : count); i++)
            TRY(writer_byte(w, marked && w->protocol ? OP_POP_MARK : OP_POP));
        return writer_get(w, node->index);
    }
    TRY(writer_tuple(w, count));
    return writer_memoize(w, node);
}

prong_status write_appends(struct writer *w, const prong_value *items, size_t count, unsigned depth) {
    for (size_t from = 0; from < count; from += PICKLE_BATCH) {
        size_t batch = count - from < PICKLE_BATCH ? count - from : PICKLE_BATCH;
        bool single = batch == 1 || w->protocol == 0;
        if (!single) TRY(writer_byte(w, OP_MARK));
        for (size_t i = from; i < from + batch; i++) {
            TRY(save_value(w, items[i], depth));
            if (single) TRY(writer_byte(w, OP_APPEND));
        }
        if (!single) TRY(writer_byte(w, OP_APPENDS));
    }
    return PRONG_OK;
}

static prong_status save_list(struct writer *w, prong_value value, unsigned depth) {
    const struct list_node *node = value_list(value);
    TRY(writer_empty(w, OP_EMPTY_LIST, OP_LIST));
    TRY(writer_memoize(w, node_of(value)));
    return write_appends(w, node->items, node->count, depth);
}

static prong_status save_key(struct writer *w, prong_value key, unsigned depth) {
    if (value_kind(key) == PRONG_KIND_STR) return save_text(w, &w->keys, key.pointer, value_size(key));
    return save_value(w, key, depth);
}

prong_status write_setitems(struct writer *w, const struct table *table, unsigned depth) {
    size_t at = 0, left = table->count;
    for (struct entry *entry = table_next(table, &at); entry;) {
        size_t batch = left < PICKLE_BATCH ? left : PICKLE_BATCH;
        bool single = batch == 1 || w->protocol == 0;
        if (!single) TRY(writer_byte(w, OP_MARK));
        for (size_t i = 0; i < batch && entry; i++, entry = table_next(table, &at)) {
            TRY(save_key(w, entry->key, depth));
            TRY(save_value(w, entry->value, depth));
            if (single) TRY(writer_byte(w, OP_SETITEM));
        }
        if (!single) TRY(writer_byte(w, OP_SETITEMS));
        left -= batch;
    }
    return PRONG_OK;
}

static prong_status save_dict(struct writer *w, prong_value value, unsigned depth) {
    TRY(writer_empty(w, OP_EMPTY_DICT, OP_DICT));
    TRY(writer_memoize(w, node_of(value)));
    return write_setitems(w, value_table(value), depth);
}

static prong_status save_set(struct writer *w, prong_value value, unsigned depth) {
    const struct table *table = value_table(value);
    if (w->protocol < 4) return save_old_set(w, value, depth);
    TRY(writer_byte(w, OP_EMPTY_SET));
    TRY(writer_memoize(w, node_of(value)));
    size_t at = 0, left = table->count;
    for (struct entry *entry = table_next(table, &at); entry;) {
        size_t batch = left < PICKLE_BATCH ? left : PICKLE_BATCH;
        TRY(writer_byte(w, OP_MARK));
        for (size_t i = 0; i < batch && entry; i++, entry = table_next(table, &at))
            TRY(save_value(w, entry->key, depth));
        TRY(writer_byte(w, OP_ADDITEMS));
        left -= batch;
    }
    return PRONG_OK;
}

static prong_status save_frozenset(struct writer *w, prong_value value, unsigned depth) {
    const struct table *table = value_table(value);
    if (w->protocol < 4) return save_old_set(w, value, depth);
    TRY(writer_byte(w, OP_MARK));
    size_t at = 0;
    for (struct entry *entry = table_next(table, &at); entry; entry = table_next(table, &at))
        TRY(save_value(w, entry->key, depth));
    if (writer_has_met(w, node_of(value))) {
        TRY(writer_byte(w, OP_POP_MARK));
        return writer_get(w, node_of(value)->index);
    }
    TRY(writer_byte(w, OP_FROZENSET));
    return writer_memoize(w, node_of(value));
}

prong_status save_value(struct writer *w, prong_value value, unsigned depth) {
    prong_kind kind = value_kind(value);
    switch (kind) {
    case PRONG_KIND_NULL: return writer_byte(w, OP_NONE);
    case PRONG_KIND_BOOL: return save_bool(w, value.integer != 0);
    case PRONG_KIND_INT: return save_int(w, value);
    case PRONG_KIND_FLOAT: return save_float(w, value.real);
    case PRONG_KIND_STR: return save_text(w, &w->texts, value.pointer, value_size(value));
    case PRONG_KIND_BYTES: return save_bytes(w, value.pointer, value_size(value));
    default: break;
    }
    if (depth > DEPTH_MAX) return fail(PRONG_TOO_LONG, "pickle: values are nested deeper than %d", DEPTH_MAX);
    if (kind_has_node(kind) && value.pointer && writer_has_met(w, node_of(value)))
        return writer_get(w, node_of(value)->index);
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
static prong_status writer_write_all(struct writer *w, prong_value value) {
    TRY(writer_room(w, 2 + PICKLE_FRAME_SIZE));
    if (w->protocol >= 2) {
        writer_put_byte(w, OP_PROTO);
        writer_put_byte(w, w->protocol);
    }
    bool framed = w->protocol >= 4;
    if (framed) w->at += PICKLE_FRAME_SIZE;
    TRY(save_value(w, value, 0));
    TRY(writer_byte(w, OP_STOP));
    if (!framed) return PRONG_OK;
    char *frame = (char *)(w->chunk + 1) + 2;
    uint64_t size = (uint64_t)(w->at - frame - PICKLE_FRAME_SIZE);
    if (size < PICKLE_FRAMED_LEAST) {
        memmove(frame, frame + PICKLE_FRAME_SIZE, size);
        w->at -= PICKLE_FRAME_SIZE;
    } else {
        frame[0] = (char)OP_FRAME;
        memcpy(frame + 1, &size, 8);
    }
    return PRONG_OK;
}

static prong_status writer_choose_protocol(const prong_pickle_options *options, int *protocol) {
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
    TRY(writer_choose_protocol(options, &w.protocol));
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
    prong_status status = writer_write_all(&w, value);
    if (options && options->buffer_count) *options->buffer_count = w.buffers;
    if (status < 0) {
        free(w.chunk);
        return status;
    }
    *pickle = (prong_pickle){w.chunk + 1, (size_t)(w.at - (char *)(w.chunk + 1))};
    document_adopt(document, w.chunk);
    return PRONG_OK;
}
