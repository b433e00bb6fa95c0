/* Reading values. */
#include "base/error.h"
#include "value/equal.h"
#include "value/number.h"
#include "value/text.h"
#include <string.h>

prong_status prong_get_bool(prong_value value, bool *truth) {
    if (value_kind(value) != PRONG_KIND_BOOL) return expected("bool", value);
    *truth = value.integer != 0;
    return PRONG_OK;
}

prong_status prong_get_int(prong_value value, int64_t *number) {
    if (value_kind(value) != PRONG_KIND_INT && value_kind(value) != PRONG_KIND_BOOL) return expected("int", value);
    if (value_is_big(value))
        return fail(PRONG_TOO_LONG, "an int of %zu bytes does not fit in 64 bits", value_size(value));
    *number = value.integer;
    return PRONG_OK;
}

prong_status to_uint(prong_value value, uint64_t *number) {
    if (value_kind(value) == PRONG_KIND_INT && value_is_big(value)) {
        const unsigned char *bytes = value.pointer;
        if (value_size(value) != 9 || bytes[8])
            return fail_text(PRONG_TOO_LONG, "an int does not fit in 64 bits without sign");
        memcpy(number, bytes, 8);
        return PRONG_OK;
    }
    int64_t with_sign;
    prong_status status = prong_get_int(value, &with_sign);
    if (status < 0) return status;
    if (with_sign < 0) return fail(PRONG_TOO_LONG, "%lld is negative", (long long)with_sign);
    *number = (uint64_t)with_sign;
    return PRONG_OK;
}

prong_status prong_get_float(prong_value value, double *number) {
    if (!kind_is_number(value_kind(value))) return expected("float", value);
    *number = value_kind(value) == PRONG_KIND_FLOAT ? value.real : int_to_double(value);
    return PRONG_OK;
}

prong_status to_complex(prong_value value, double *real, double *imaginary) {
    if (value_kind(value) == PRONG_KIND_COMPLEX) {
        const struct complex_node *complex = value.pointer;
        *real = complex->real;
        *imaginary = complex->imaginary;
        return PRONG_OK;
    }
    *imaginary = 0;
    return kind_is_number(value_kind(value)) ? prong_get_float(value, real) : expected("complex", value);
}

prong_status prong_get_str(prong_value value, const char **text, size_t *size) {
    if (value_kind(value) != PRONG_KIND_STR) return expected("str", value);
    *text = value.pointer;
    if (size) *size = value_size(value);
    return PRONG_OK;
}

prong_status prong_get_bytes(prong_value value, const void **data, size_t *size) {
    switch (value_kind(value)) {
    case PRONG_KIND_BYTES:
        *data = value.pointer;
        *size = value_size(value);
        return PRONG_OK;
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_BUFFER:
        *data = value_bytes(value)->data;
        *size = value_bytes(value)->size;
        return PRONG_OK;
    default: return expected("bytes", value);
    }
}

prong_status range_parts(prong_value value, prong_value *start, prong_value *stop, prong_value *step) {
    if (value_kind(value) != PRONG_KIND_RANGE) return expected("range", value);
    const struct range_node *range = value.pointer;
    *start = range->start;
    *stop = range->stop;
    *step = range->step;
    return PRONG_OK;
}

prong_status prong_get_object(prong_value value, prong_object *object) {
    if (value_kind(value) != PRONG_KIND_OBJECT) return expected("object", value);
    const struct object_node *node = value_object(value);
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
    if (value_kind(value) != PRONG_KIND_CLASS) return expected("type", value);
    *module = value_class(value)->module.pointer;
    *name = value_class(value)->name.pointer;
    return PRONG_OK;
}

prong_status handle_parts(prong_value value, const char *type, void *handle) {
    if (value_kind(value) != PRONG_KIND_HANDLE) return expected("handle", value);
    const struct handle_node *node = value.pointer;
    if (strcmp(node->type, type))
        return fail(PRONG_INVALID, "expected a handle of %s, found one of %s", type, node->type);
    memcpy(handle, &node->offset, sizeof(node->offset));
    memcpy((char *)handle + sizeof(node->offset), &node->generation, sizeof(node->generation));
    return PRONG_OK;
}

bool prong_value_is(prong_value value, const char *module, const char *name) {
    if (value_kind(value) != PRONG_KIND_OBJECT) return false;
    const struct class_node *class = value_object(value)->class;
    return !strcmp(class->name.pointer, name) && (!module || !strcmp(class->module.pointer, module));
}

size_t prong_value_size(prong_value value) {
    switch (value_kind(value)) {
    case PRONG_KIND_STR:
    case PRONG_KIND_BYTES:
    case PRONG_KIND_TUPLE: return value_size(value);
    case PRONG_KIND_LIST: return value_list(value)->count;
    case PRONG_KIND_DICT:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: return value_table(value)->count;
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_BUFFER: return value_bytes(value)->size;
    default: return 0;
    }
}

prong_status prong_list_get(prong_value value, size_t index, prong_value *item) {
    if (!kind_is_sequence(value_kind(value))) return expected("list or tuple", value);
    size_t count;
    const prong_value *items = value_items(value, &count);
    if (index >= count)
        return fail(PRONG_NOT_FOUND, "%s index %zu is out of range (%zu items)", prong_kind_name(value_kind(value)),
                    index, count);
    *item = items[index];
    return PRONG_OK;
}

prong_status prong_dict_get(prong_value dict, prong_value key, prong_value *value) {
    if (value_kind(dict) != PRONG_KIND_DICT) return expected("dict", dict);
    struct entry *entry;
    prong_status status = table_find(value_table(dict), key, &entry);
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
    return prong_dict_get(dict, value_of_kind(PRONG_KIND_STR, size, key), value);
}

prong_status prong_dict_get_text(prong_value dict, const char *key, prong_value *value) {
    return dict_find_text(dict, key, strlen(key), value);
}

bool prong_value_contains(prong_value container, prong_value item) {
    if (kind_is_table(value_kind(container))) {
        struct entry *entry;
        return !table_find(value_table(container), item, &entry) && entry;
    }
    if (!kind_is_sequence(value_kind(container))) return false;
    size_t count;
    const prong_value *items = value_items(container, &count);
    for (size_t i = 0; i < count; i++)
        if (value_same(items[i], item) || prong_value_equal(items[i], item)) return true;
    return false;
}

bool prong_value_next(prong_value container, size_t *at, prong_value *key, prong_value *item) {
    prong_value found_key = prong_make_null(), found;
    if (kind_is_table(value_kind(container))) {
        struct entry *entry = table_next(value_table(container), at);
        if (!entry) return false;
        bool dict = value_kind(container) == PRONG_KIND_DICT;
        found_key = dict ? entry->key : prong_make_null();
        found = dict ? entry->value : entry->key;
    } else {
        size_t count = 0;
        const prong_value *items = kind_is_sequence(value_kind(container)) ? value_items(container, &count) : NULL;
        if (*at >= count) return false;
        found = items[(*at)++];
    }
    if (key) *key = found_key;
    if (item) *item = found;
    return true;
}
