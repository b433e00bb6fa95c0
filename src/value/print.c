/* Values as text: Python's repr, and JSON. */
#include "base/error.h"
#include "value/node.h"
#include "value/number.h"
#include "value/text.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is held many times over is printed as often, which could take forever: so many values are printed again at most. */
enum { AGAIN_MAX = 1 << 20 };

/* Where the text goes: what does not fit is only counted. */
struct printer {
    char *buffer;
    size_t capacity, size;
    uint64_t walk, done; /* nodes that are being printed carry the one, those that were the other */
    unsigned again;      /* within how many that were printed before */
    size_t values;       /* printed again */
    bool json;
};

static void print_put(struct printer *out, const char *text, size_t size) {
    if (out->size < out->capacity) {
        size_t room = out->capacity - out->size;
        memcpy(out->buffer + out->size, text, size < room ? size : room);
    }
    out->size += size;
}
static void print_text(struct printer *out, const char *text) {
    print_put(out, text, strlen(text));
}
__attribute__((format(printf, 2, 3))) static void print_format(struct printer *out, const char *format, ...) {
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    print_text(out, text);
}

static prong_status print_value(struct printer *out, prong_value value, unsigned depth);

static prong_status print_int(struct printer *out, prong_value value) {
    if (!value_is_big(value)) {
        print_format(out, "%lld", (long long)value.integer);
        return PRONG_OK;
    }
    if (value_size(value) > DIGITS_MAX / 2) {
        print_format(out, "<int of %zu bytes>", value_size(value));
        return PRONG_OK;
    }
    char *digits = int_to_text(value);
    if (!digits) return fail_text(PRONG_NO_MEMORY, "no memory left to print an int");
    print_text(out, digits);
    free(digits);
    return PRONG_OK;
}

static void print_float(struct printer *out, double number) {
    char text[FLOAT_TEXT];
    size_t length = float_to_text(number, text);
    print_put(out, text, length);
}

/* As Python: the imaginary part alone if the other is 0; without ".0". */
static void print_complex(struct printer *out, double real, double imaginary) {
    char text[2][FLOAT_TEXT];
    float_to_text(real, text[0]);
    float_to_text(imaginary, text[1]);
    for (int i = 0; i < 2; i++) {
        size_t size = strlen(text[i]);
        if (size > 2 && !strcmp(text[i] + size - 2, ".0")) text[i][size - 2] = 0;
    }
    if (real == 0 && !signbit(real)) {
        print_text(out, text[1]);
        print_text(out, "j");
        return;
    }
    print_text(out, "(");
    print_text(out, text[0]);
    if (*text[1] != '-') print_text(out, "+");
    print_text(out, text[1]);
    print_text(out, "j)");
}

/* Python quotes with ' unless there is one in it and no ". */
static char print_quote_for(const char *data, size_t size) {
    return memchr(data, '\'', size) && !memchr(data, '"', size) ? '"' : '\'';
}

static bool print_escape(struct printer *out, unsigned char c, char quote) {
    const char *escape = c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
    if (c == (unsigned char)quote) print_format(out, "\\%c", quote);
    if (escape) print_text(out, escape);
    return escape || c == (unsigned char)quote;
}

static void print_str(struct printer *out, const char *text, size_t size) {
    char quote = print_quote_for(text, size);
    print_put(out, &quote, 1);
    for (const char *at = text, *end = text + size; at < end;) {
        const char *from = at;
        uint32_t c = utf8_get(&at);
        if (c < 0x80 && print_escape(out, (unsigned char)c, quote)) continue;
        if (c < 0x20 || (c >= 0x7f && c < 0xa1) || c == 0xad)
            print_format(out, "\\x%02x", c);
        else if (c >= 0xd800 && c < 0xe000)
            print_format(out, "\\u%04x", c);
        else
            print_put(out, from, (size_t)(at - from));
    }
    print_put(out, &quote, 1);
}

static void print_bytes(struct printer *out, const unsigned char *data, size_t size) {
    char quote = print_quote_for((const char *)data, size);
    print_format(out, "b%c", quote);
    for (size_t i = 0; i < size; i++) {
        if (print_escape(out, data[i], quote)) continue;
        if (data[i] < 0x20 || data[i] >= 0x7f)
            print_format(out, "\\x%02x", data[i]);
        else
            print_put(out, (const char *)&data[i], 1);
    }
    print_put(out, &quote, 1);
}

static prong_status print_items(struct printer *out, const prong_value *items, size_t count, unsigned depth) {
    prong_status status = PRONG_OK;
    for (size_t i = 0; i < count && status >= 0; i++) {
        if (i) print_text(out, ", ");
        status = print_value(out, items[i], depth);
        if (status < 0 && out->json) status = fail_again(status, "[%zu]", i);
    }
    return status;
}

static prong_status print_sequence(struct printer *out, prong_value value, unsigned depth) {
    size_t count;
    const prong_value *items = value_items(value, &count);
    bool list = value_kind(value) == PRONG_KIND_LIST || out->json;
    print_text(out, list ? "[" : "(");
    prong_status status = print_items(out, items, count, depth);
    print_text(out, list ? "]" : count == 1 ? ",)" : ")");
    return status;
}

static prong_status print_members(struct printer *out, prong_value value, unsigned depth) {
    const struct table *table = value_table(value);
    bool frozen = value_kind(value) == PRONG_KIND_FROZENSET;
    if (!table->count) {
        print_text(out, frozen ? "frozenset()" : "set()");
        return PRONG_OK;
    }
    prong_status status = PRONG_OK;
    print_text(out, frozen ? "frozenset({" : "{");
    size_t at = 0, count = 0;
    for (struct entry *entry = table_next(table, &at); entry && status >= 0; entry = table_next(table, &at)) {
        if (count++) print_text(out, ", ");
        status = print_value(out, entry->key, depth);
    }
    print_text(out, frozen ? "})" : "}");
    return status;
}

static prong_status print_json_key(struct printer *out, prong_value key) {
    switch (value_kind(key)) {
    case PRONG_KIND_STR: return print_value(out, key, 0);
    case PRONG_KIND_NULL:
    case PRONG_KIND_BOOL:
    case PRONG_KIND_INT:
    case PRONG_KIND_FLOAT: {
        print_text(out, "\"");
        prong_status status = print_value(out, key, 0);
        print_text(out, "\"");
        return status;
    }
    default: return fail(PRONG_INVALID, "a %s cannot be a key in JSON", prong_kind_name(value_kind(key)));
    }
}

static prong_status print_pairs(struct printer *out, prong_value dict, unsigned depth) {
    const struct table *table = value_table(dict);
    prong_status status = PRONG_OK;
    print_text(out, "{");
    size_t at = 0, count = 0;
    for (struct entry *entry = table_next(table, &at); entry && status >= 0; entry = table_next(table, &at)) {
        if (count++) print_text(out, ", ");
        status = out->json ? print_json_key(out, entry->key) : print_value(out, entry->key, depth);
        print_text(out, ": ");
        if (status >= 0) status = print_value(out, entry->value, depth);
        if (status < 0 && out->json && value_kind(entry->key) == PRONG_KIND_STR)
            status = fail_again(status, ".%.60s", (const char *)entry->key.pointer);
    }
    print_text(out, "}");
    return status;
}

static void print_class(struct printer *out, const struct class_node *class) {
    const char *module = class->module.pointer;
    print_format(out, "<class '");
    if (strcmp(module, "builtins")) {
        print_text(out, module);
        print_text(out, ".");
    }
    print_text(out, class->name.pointer);
    print_text(out, "'>");
}

/* What it would be made by; attributes follow as if they were keywords. */
static prong_status print_object(struct printer *out, const struct object_node *object, unsigned depth) {
    size_t count, written = 0;
    const prong_value *items = value_items(object->arguments, &count);
    print_text(out, object->class->name.pointer);
    print_text(out, "(");
    prong_status status = print_items(out, items, count, depth);
    written = count;
    const prong_value more[] = {object->items, object->pairs, object->keywords, object->state};
    for (int i = 0; i < 4 && status >= 0; i++) {
        bool attributes = i >= 2 && value_kind(more[i]) == PRONG_KIND_DICT;
        if (i == 3 ? !object->has_state : value_kind(more[i]) == PRONG_KIND_NULL) continue;
        if (!attributes) {
            if (written++) print_text(out, ", ");
            if (i == 3) print_text(out, "state=");
            status = print_value(out, more[i], depth);
            continue;
        }
        size_t at = 0;
        for (struct entry *entry; status >= 0 && (entry = table_next(value_table(more[i]), &at));) {
            if (written++) print_text(out, ", ");
            if (value_kind(entry->key) == PRONG_KIND_STR)
                print_put(out, entry->key.pointer, value_size(entry->key));
            else
                status = print_value(out, entry->key, depth);
            print_text(out, "=");
            if (status >= 0) status = print_value(out, entry->value, depth);
        }
    }
    print_text(out, ")");
    return status;
}

static prong_status print_range(struct printer *out, const struct range_node *range) {
    print_text(out, "range(");
    print_value(out, range->start, 0);
    print_text(out, ", ");
    print_value(out, range->stop, 0);
    if (value_is_big(range->step) || range->step.integer != 1) {
        print_text(out, ", ");
        print_value(out, range->step, 0);
    }
    print_text(out, ")");
    return PRONG_OK;
}

static prong_status print_other(struct printer *out, prong_value value) {
    const struct bytes_node *bytes = value.pointer;
    switch (value_kind(value)) {
    case PRONG_KIND_BYTES: print_bytes(out, value.pointer, value_size(value)); break;
    case PRONG_KIND_BYTEARRAY:
        print_text(out, "bytearray(");
        print_bytes(out, bytes->data, bytes->size);
        print_text(out, ")");
        break;
    case PRONG_KIND_BUFFER: print_format(out, "<buffer of %zu bytes>", bytes->size); break;
    case PRONG_KIND_COMPLEX: {
        const struct complex_node *complex = value.pointer;
        print_complex(out, complex->real, complex->imaginary);
        break;
    }
    case PRONG_KIND_RANGE: return print_range(out, value.pointer);
    case PRONG_KIND_ELLIPSIS: print_text(out, "Ellipsis"); break;
    case PRONG_KIND_NOT_IMPLEMENTED: print_text(out, "NotImplemented"); break;
    case PRONG_KIND_CLASS: print_class(out, value_class(value)); break;
    case PRONG_KIND_HANDLE: {
        const struct handle_node *handle = value.pointer;
        print_format(out, "<%s %#llx>", handle->type, (unsigned long long)handle->offset);
        break;
    }
    default: break;
    }
    return PRONG_OK;
}

static void print_json_str(struct printer *out, const char *text, size_t size) {
    print_text(out, "\"");
    for (const char *at = text, *end = text + size; at < end;) {
        const char *from = at;
        uint32_t c = utf8_get(&at);
        if (c == '"' || c == '\\')
            print_format(out, "\\%c", (char)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            print_text(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c < 0x20 || (c >= 0xd800 && c < 0xe000))
            print_format(out, "\\u%04x", c);
        else
            print_put(out, from, (size_t)(at - from));
    }
    print_text(out, "\"");
}

static prong_status print_below(struct printer *out, prong_value value, unsigned depth) {
    switch (value_kind(value)) {
    case PRONG_KIND_LIST:
    case PRONG_KIND_TUPLE: return print_sequence(out, value, depth);
    case PRONG_KIND_DICT: return print_pairs(out, value, depth);
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: return print_members(out, value, depth);
    default: return print_object(out, value_object(value), depth);
    }
}

/* A node is marked while it is printed, so that one met within itself is known. */
static prong_status print_node(struct printer *out, prong_value value, unsigned depth) {
    prong_kind kind = value_kind(value);
    struct node *node = (struct node *)(uintptr_t)value.pointer;
    if (depth > DEPTH_MAX) return fail(PRONG_TOO_LONG, "values are nested deeper than %d", DEPTH_MAX);
    if (!node) return print_below(out, value, depth);
    if (node->walk == out->walk) {
        if (out->json) return fail_text(PRONG_INVALID, "refers to itself, which JSON cannot say");
        print_text(out, kind == PRONG_KIND_LIST ? "[...]" : kind == PRONG_KIND_TUPLE ? "(...)" : "{...}");
        return PRONG_OK;
    }
    bool again = node->walk == out->done;
    out->again += again;
    node->walk = out->walk;
    prong_status status = print_below(out, value, depth + 1);
    node->walk = out->done;
    out->again -= again;
    return status;
}

static bool print_json_has(prong_value value) {
    prong_kind kind = value_kind(value);
    return kind <= PRONG_KIND_INT || kind == PRONG_KIND_STR || kind == PRONG_KIND_LIST || kind == PRONG_KIND_TUPLE ||
           kind == PRONG_KIND_DICT || (kind == PRONG_KIND_FLOAT && isfinite(value.real));
}

static prong_status print_value(struct printer *out, prong_value value, unsigned depth) {
    if (out->again && ++out->values > AGAIN_MAX)
        return fail(PRONG_TOO_LONG, "more than %d values to print that were printed before", AGAIN_MAX);
    if (out->json && !print_json_has(value))
        return fail(PRONG_INVALID, "JSON has no way to say this %s", prong_kind_name(value_kind(value)));
    switch (value_kind(value)) {
    case PRONG_KIND_NULL: print_text(out, out->json ? "null" : "None"); return PRONG_OK;
    case PRONG_KIND_BOOL:
        print_text(out, value.integer ? (out->json ? "true" : "True") : (out->json ? "false" : "False"));
        return PRONG_OK;
    case PRONG_KIND_INT: return print_int(out, value);
    case PRONG_KIND_FLOAT: print_float(out, value.real); return PRONG_OK;
    case PRONG_KIND_STR:
        (out->json ? print_json_str : print_str)(out, value.pointer, value_size(value));
        return PRONG_OK;
    case PRONG_KIND_LIST:
    case PRONG_KIND_TUPLE:
    case PRONG_KIND_DICT:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET:
    case PRONG_KIND_OBJECT: return print_node(out, value, depth);
    default: return print_other(out, value);
    }
}

static prong_status print_to(prong_value value, char *buffer, size_t capacity, size_t *size, bool json) {
    TRY(check_bytes(buffer, capacity, "value as text: buffer"));
    struct printer out = {.buffer = buffer,
                          .capacity = capacity ? capacity - 1 : 0,
                          .walk = walk_begin(),
                          .done = walk_begin(),
                          .json = json};
    prong_status status = print_value(&out, value, 0);
    if (capacity) buffer[out.size < out.capacity ? out.size : out.capacity] = 0;
    if (size) *size = out.size;
    return status;
}

prong_status prong_value_repr(prong_value value, char *buffer, size_t capacity, size_t *size) {
    return print_to(value, buffer, capacity, size, false);
}

prong_status prong_value_json(prong_value value, char *buffer, size_t capacity, size_t *size) {
    return print_to(value, buffer, capacity, size, true);
}
