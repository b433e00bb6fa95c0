/* Reading values. */
#include "base/error.h"
#include "value/equal.h"
#include "value/number.h"
#include "value/text.h"
#include <string.h>

prong_status prong_get_bool(prong_value value, bool *truth) {
    if (kind_of(value) != PRONG_KIND_BOOL) return expected("bool", value);
    *truth = value.integer != 0;
    return PRONG_OK;
}

prong_status prong_get_int(prong_value value, int64_t *number) {
    return kind_of(value) == PRONG_KIND_INT ? prong_to_int(value, number) : expected("int", value);
}

prong_status prong_get_float(prong_value value, double *number) {
    if (kind_of(value) != PRONG_KIND_FLOAT) return expected("float", value);
    *number = value.real;
    return PRONG_OK;
}

prong_status prong_to_int(prong_value value, int64_t *number) {
    if (kind_of(value) != PRONG_KIND_INT && kind_of(value) != PRONG_KIND_BOOL) return expected("int", value);
    if (is_big(value)) return fail(PRONG_TOO_LONG, "an int of %zu bytes does not fit in 64 bits", size_of(value));
    *number = value.integer;
    return PRONG_OK;
}

prong_status to_uint(prong_value value, uint64_t *number) {
    if (kind_of(value) == PRONG_KIND_INT && is_big(value)) {
        const unsigned char *bytes = value.pointer;
        if (size_of(value) != 9 || bytes[8])
            return fail_text(PRONG_TOO_LONG, "an int does not fit in 64 bits without sign");
        memcpy(number, bytes, 8);
        return PRONG_OK;
    }
    int64_t with_sign;
    prong_status status = prong_to_int(value, &with_sign);
    if (status < 0) return status;
    if (with_sign < 0) return fail(PRONG_TOO_LONG, "%lld is negative", (long long)with_sign);
    *number = (uint64_t)with_sign;
    return PRONG_OK;
}

prong_status prong_to_float(prong_value value, double *number) {
    if (!is_number(kind_of(value))) return expected("float", value);
    *number = kind_of(value) == PRONG_KIND_FLOAT ? value.real : int_to_double(value);
    return PRONG_OK;
}

prong_status to_complex(prong_value value, double *real, double *imaginary) {
    if (kind_of(value) == PRONG_KIND_COMPLEX) {
        const struct complex_node *complex = value.pointer;
        *real = complex->real;
        *imaginary = complex->imaginary;
        return PRONG_OK;
    }
    *imaginary = 0;
    return is_number(kind_of(value)) ? prong_to_float(value, real) : expected("complex", value);
}

prong_status prong_get_str(prong_value value, const char **text, size_t *size) {
    if (kind_of(value) != PRONG_KIND_STR) return expected("str", value);
    *text = value.pointer;
    if (size) *size = size_of(value);
    return PRONG_OK;
}

prong_status prong_get_bytes(prong_value value, const void **data, size_t *size) {
    return kind_of(value) == PRONG_KIND_BYTES ? prong_to_bytes(value, data, size) : expected("bytes", value);
}

prong_status prong_to_bytes(prong_value value, const void **data, size_t *size) {
    switch (kind_of(value)) {
    case PRONG_KIND_BYTES:
        *data = value.pointer;
        *size = size_of(value);
        return PRONG_OK;
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_BUFFER:
        *data = bytes_of(value)->data;
        *size = bytes_of(value)->size;
        return PRONG_OK;
    default: return expected("bytes", value);
    }
}

prong_status range_parts(prong_value value, prong_value *start, prong_value *stop, prong_value *step) {
    if (kind_of(value) != PRONG_KIND_RANGE) return expected("range", value);
    const struct range_node *range = value.pointer;
    *start = range->start;
    *stop = range->stop;
    *step = range->step;
    return PRONG_OK;
}

prong_status prong_get_object(prong_value value, prong_object *object) {
    if (kind_of(value) != PRONG_KIND_OBJECT) return expected("object", value);
    const struct object_node *node = object_of(value);
    *object = (prong_object){.module = node->class->module.pointer,
                             .name = node->class->name.pointer,
                             .by_new = node->by_new,
                             .arguments = node->arguments,
                             .keywords = node->keywords,
                             .items = node->items,
                             .pairs = node->pairs,
                             .has_state = node->has_state,
                             .state = node->state};
    return PRONG_OK;
}

prong_status class_names(prong_value value, const char **module, const char **name) {
    if (kind_of(value) != PRONG_KIND_CLASS) return expected("type", value);
    *module = class_of(value)->module.pointer;
    *name = class_of(value)->name.pointer;
    return PRONG_OK;
}

prong_status handle_parts(prong_value value, const char *type, void *handle) {
    if (kind_of(value) != PRONG_KIND_HANDLE) return expected("handle", value);
    const struct handle_node *node = value.pointer;
    if (strcmp(node->type, type))
        return fail(PRONG_INVALID, "expected a handle of %s, found one of %s", type, node->type);
    memcpy(handle, &node->offset, sizeof(node->offset));
    memcpy((char *)handle + sizeof(node->offset), &node->generation, sizeof(node->generation));
    return PRONG_OK;
}

bool prong_value_is(prong_value value, const char *module, const char *name) {
    if (kind_of(value) != PRONG_KIND_OBJECT) return false;
    const struct class_node *class = object_of(value)->class;
    return !strcmp(class->name.pointer, name) && (!module || !strcmp(class->module.pointer, module));
}

size_t prong_value_size(prong_value value) {
    switch (kind_of(value)) {
    case PRONG_KIND_STR:
    case PRONG_KIND_BYTES:
    case PRONG_KIND_TUPLE: return size_of(value);
    case PRONG_KIND_LIST: return list_of(value)->count;
    case PRONG_KIND_DICT:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: return table_of(value)->count;
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_BUFFER: return bytes_of(value)->size;
    default: return 0;
    }
}

prong_status prong_list_get(prong_value value, size_t index, prong_value *item) {
    if (!is_sequence(kind_of(value))) return expected("list or tuple", value);
    size_t count;
    const prong_value *items = items_of(value, &count);
    if (index >= count)
        return fail(PRONG_NOT_FOUND, "%s index %zu is out of range (%zu items)", prong_kind_name(kind_of(value)), index,
                    count);
    *item = items[index];
    return PRONG_OK;
}

prong_status prong_dict_get(prong_value dict, prong_value key, prong_value *value) {
    if (kind_of(dict) != PRONG_KIND_DICT) return expected("dict", dict);
    struct entry *entry;
    prong_status status = table_find(table_of(dict), key, &entry);
    if (status < 0) return status;
    if (!entry) {
        char text[80];
        prong_value_repr(key, text, sizeof(text), NULL);
        return fail(PRONG_NOT_FOUND, "no key %s", text);
    }
    *value = entry->value;
    return PRONG_OK;
}

/* A str in place must be UTF-8, as any other: what prints it relies on that. */
prong_status dict_find_text(prong_value dict, const char *key, size_t size, prong_value *value) {
    size_t bad;
    if (!utf8_valid(key, size, &bad)) return fail(PRONG_INVALID, "a key that is not UTF-8 at byte %zu", bad);
    return prong_dict_get(dict, value_of(PRONG_KIND_STR, size, key), value);
}

prong_status prong_dict_get_text(prong_value dict, const char *key, prong_value *value) {
    return dict_find_text(dict, key, strlen(key), value);
}

bool prong_value_contains(prong_value container, prong_value item) {
    if (is_table(kind_of(container))) {
        struct entry *entry;
        return !table_find(table_of(container), item, &entry) && entry;
    }
    if (!is_sequence(kind_of(container))) return false;
    size_t count;
    const prong_value *items = items_of(container, &count);
    for (size_t i = 0; i < count; i++)
        if (value_same(items[i], item) || prong_value_equal(items[i], item)) return true;
    return false;
}

bool prong_value_next(prong_value container, size_t *at, prong_value *key, prong_value *item) {
    prong_value found_key = prong_make_null(), found;
    if (is_table(kind_of(container))) {
        struct entry *entry = table_next(table_of(container), at);
        if (!entry) return false;
        bool dict = kind_of(container) == PRONG_KIND_DICT;
        found_key = dict ? entry->key : prong_make_null();
        found = dict ? entry->value : entry->key;
    } else {
        size_t count = 0;
        const prong_value *items = is_sequence(kind_of(container)) ? items_of(container, &count) : NULL;
        if (*at >= count) return false;
        found = items[(*at)++];
    }
    if (key) *key = found_key;
    if (item) *item = found;
    return true;
}
