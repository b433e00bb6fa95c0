/* Value and Array: multiprocessing.managers.Value, and array.array. */
#include "base/error.h"
#include "manager/types/sequence.h"
#include "value/document.h"
#include "value/number.h"
#include "value/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

struct value_state {
    prong_value typecode, value; /* items */
};

static prong_status value_make(prong_call *call, struct managed *object) {
    prong_value given[3];
    struct value_state *state = object->state = new_state(sizeof(*state));
    if (!state) return PRONG_NO_MEMORY;
    BIND(call, "typecode value =lock", given);
    TRY(item_store(call->inner->server, given[0], &state->typecode));
    return item_store(call->inner->server, given[1], &state->value);
}

static void value_unmake(struct prong_server *server, void *given) {
    struct value_state *state = given;
    item_free(server, state->typecode);
    item_free(server, state->value);
    free(state);
}

static prong_status value_get(prong_call *call) {
    return call_return_item(call, ((struct value_state *)call->object)->value);
}

static prong_status value_set(prong_call *call) {
    struct value_state *state = call->object;
    prong_value given;
    BIND(call, "value", &given);
    return item_replace(call->inner->server, &state->value, given);
}

static prong_status value_value(struct managed *object, prong_document *document, prong_value *value) {
    struct value_state *state = object->state;
    prong_object made = {.module = "multiprocessing.managers", .name = "Value", .by_new = true, .has_state = true};
    TRY(prong_build(document, &made.state, "{s:v, s:v}", "_typecode", item_value(state->typecode), "_value",
                    item_value(state->value)));
    return prong_make_object(document, &made, value);
}

static void value_describe(const struct managed *object, char *text, size_t size) {
    const struct value_state *state = object->state;
    char typecode[32], value[200];
    prong_value_repr(item_value(state->typecode), typecode, sizeof(typecode), NULL);
    prong_value_repr(item_value(state->value), value, sizeof(value), NULL);
    snprintf(text, size, "Value(%s, %s)", typecode, value);
}

static const prong_method_entry value_methods[] = {{"get", value_get, NULL}, {"set", value_set, NULL}, {0}};

struct array_state {
    char typecode;
    struct items items; /* numbers; of 'u' one-character strs */
};

/* Bytes of an element, and what it may be. */
static size_t array_unit(char typecode) {
    static const char codes[] = "bBuhHiIlLqQfd";
    static const size_t sizes[] = {1, 1, sizeof(wchar_t), 2, 2, 4, 4, sizeof(long), sizeof(long), 8, 8, 4, 8};
    const char *at = typecode ? strchr(codes, typecode) : NULL;
    return at ? sizes[at - codes] : 0;
}

static bool is_one_character(prong_value given) {
    const char *at = given.pointer;
    if (value_kind(given) != PRONG_KIND_STR || !value_size(given)) return false;
    utf8_get(&at);
    return at == (const char *)given.pointer + value_size(given);
}

/* Refuses what array.array refuses; what is stored is an int or a float that fits. */
static prong_status array_item(prong_call *call, char typecode, prong_value given, prong_value *item) {
    size_t unit = array_unit(typecode);
    *item = given;
    if (typecode == 'f' || typecode == 'd') {
        double number;
        if (prong_get_float(given, &number) < 0) {
            call_raise(call, "TypeError", "must be real number, not %s", prong_kind_name(value_kind(given)));
            return PRONG_REMOTE_ERROR;
        }
        *item = prong_make_float(typecode == 'f' ? (double)(float)number : number);
        return PRONG_OK;
    }
    if (typecode == 'u') {
        if (is_one_character(given)) return item_store(call->inner->server, given, item);
        call_raise(call, "TypeError", "array item must be a unicode character, not %s",
                   prong_kind_name(value_kind(given)));
        return PRONG_REMOTE_ERROR;
    }
    if (value_kind(given) != PRONG_KIND_INT && value_kind(given) != PRONG_KIND_BOOL) {
        call_raise(call, "TypeError", "'%s' object cannot be interpreted as an integer",
                   prong_kind_name(value_kind(given)));
        return PRONG_REMOTE_ERROR;
    }
    bool is_signed = typecode >= 'a';
    int bits = (int)unit * 8;
    prong_value least = prong_make_int(is_signed ? (int64_t)(-1ull << (bits - 1)) : 0), most;
    uint64_t top = is_signed ? (1ull << (bits - 1)) - 1 : bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
    TRY(make_uint(call->document, top, &most));
    if (number_compare(given, least) < 0 || number_compare(given, most) > 0) {
        call_raise(call, "OverflowError", "value out of range for an array of type '%c'", typecode);
        return PRONG_REMOTE_ERROR;
    }
    return item_store(call->inner->server, given, item);
}

static prong_status array_extend(prong_call *call, char typecode, prong_value list, struct items *items) {
    prong_value one;
    size_t at = 0;
    TRY(items_reserve(items, prong_value_size(list)));
    while (prong_value_next(list, &at, NULL, &one)) {
        TRY(array_item(call, typecode, one, &items->at[items->count]));
        items->count++;
    }
    return PRONG_OK;
}

static prong_status array_make(prong_call *call, struct managed *object) {
    prong_value given[3], list;
    const char *typecode = "";
    struct array_state *state = object->state = new_state(sizeof(*state));
    if (!state) return PRONG_NO_MEMORY;
    BIND(call, "typecode sequence =lock", given);
    if (prong_get_str(given[0], &typecode, NULL) < 0 || !array_unit(*typecode) || typecode[1])
        return call_raise(call, "ValueError", "bad typecode (must be b, B, u, h, H, i, I, l, L, q, Q, f or d)");
    state->typecode = *typecode;
    prong_status status = iterate(call, given[1], &list);
    if (status >= 0) status = array_extend(call, state->typecode, list, &state->items);
    return raised_or(call, status);
}

static void array_unmake(struct prong_server *server, void *given) {
    struct array_state *state = given;
    items_clear(server, &state->items);
    free(state);
}

static void array_element(char typecode, prong_value item, unsigned char *bytes) {
    size_t unit = array_unit(typecode);
    if (typecode == 'f') {
        float number = (float)item.real;
        memcpy(bytes, &number, unit);
    } else if (typecode == 'u') {
        const char *text = item_value(item).pointer;
        wchar_t character = (wchar_t)utf8_get(&text);
        memcpy(bytes, &character, unit);
    } else if (typecode == 'd') {
        memcpy(bytes, &item.real, unit);
    } else {
        char whole[9];
        ignore_status(prong_get_big_int(item_value(item), whole, sizeof(whole), NULL)); /* it fits the typecode */
        memcpy(bytes, whole, unit);
    }
}

/* array.array(typecode, bytes), as multiprocessing sends arrays. */
static prong_status array_of(prong_document *document, char typecode, const struct items *items,
                             const struct slice *slice, prong_value *value) {
    size_t unit = array_unit(typecode), count = slice ? slice->count : items->count;
    unsigned char *bytes = document_take(document, count * unit + 1);
    if (!bytes) return PRONG_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        array_element(typecode, items->at[slice ? slice->start + (int64_t)i * slice->step : (int64_t)i],
                      bytes + i * unit);
    char code[2] = {typecode, 0};
    prong_object made = {.module = "array", .name = "array"};
    TRY(prong_build(document, &made.arguments, "(sy)", code, bytes, count * unit));
    return prong_make_object(document, &made, value);
}

static prong_status array_value(struct managed *object, prong_document *document, prong_value *value) {
    struct array_state *state = object->state;
    return array_of(document, state->typecode, &state->items, NULL, value);
}

static prong_status array_get(prong_call *call) {
    struct array_state *state = call->object;
    prong_value index, part;
    struct slice slice;
    size_t place;
    BIND(call, "index", &index);
    if (is_slice(index)) {
        prong_status status = read_slice(call, index, state->items.count, &slice);
        if (status < 0) return raised_or(call, status);
        TRY(array_of(call->document, state->typecode, &state->items, &slice, &part));
        return prong_call_return(call, part);
    }
    if (!list_place(call, index, state->items.count, "array index", &place)) return PRONG_OK;
    return call_return_item(call, state->items.at[place]);
}

static prong_status array_read_element(prong_call *call, char typecode, const void *from, prong_value *element) {
    size_t unit = array_unit(typecode);
    unsigned char bytes[9] = {0};
    memcpy(bytes, from, unit);
    if (typecode == 'f' || typecode == 'd') {
        float real;
        double wide;
        memcpy(&real, bytes, sizeof(real));
        memcpy(&wide, bytes, sizeof(wide));
        *element = prong_make_float(typecode == 'f' ? (double)real : wide);
        return PRONG_OK;
    }
    if (typecode == 'u') {
        char text[4];
        wchar_t character;
        memcpy(&character, bytes, sizeof(character));
        return prong_make_str(call->document, text, utf8_put(text, (uint32_t)character), element);
    }
    if (typecode >= 'a' && bytes[unit - 1] & 0x80) memset(bytes + unit, 0xff, sizeof(bytes) - unit);
    return prong_make_big_int(call->document, bytes, sizeof(bytes), element);
}

/* The elements of array.array(typecode, bytes), or of any iterable. */
static prong_status array_elements(prong_call *call, prong_value from, prong_value *list) {
    prong_object view;
    const void *data;
    const char *code;
    size_t size;
    if (!prong_value_is(from, "array", "array")) return iterate(call, from, list);
    prong_get_object(from, &view);
    TRY(prong_scan(view.arguments, "(sy)", &code, &data, &size));
    TRY(prong_make_list(call->document, NULL, 0, list));
    size_t unit = array_unit(*code);
    for (size_t at = 0; unit && at + unit <= size; at += unit) {
        prong_value one;
        TRY(array_read_element(call, *code, (const char *)data + at, &one));
        TRY(prong_list_append(call->document, *list, one));
    }
    return PRONG_OK;
}

/* All of its elements, or none: those that are replaced go when all new ones are there. */
static prong_status array_set_slice(prong_call *call, struct array_state *state, prong_value index, prong_value from) {
    struct slice slice;
    struct items by = {0};
    prong_value list;
    prong_status status = read_slice(call, index, state->items.count, &slice);
    if (status >= 0) status = array_elements(call, from, &list);
    if (status < 0) return raised_or(call, status);
    if (prong_value_size(list) != slice.count)
        return call_raise(call, "ValueError", "a shared array cannot change its size");
    status = array_extend(call, state->typecode, list, &by);
    for (size_t i = 0; i < slice.count && status >= 0; i++) {
        prong_value *place = &state->items.at[slice.start + (int64_t)i * slice.step], replaced = *place;
        *place = by.at[i];
        by.at[i] = replaced;
    }
    items_clear(call->inner->server, &by);
    return raised_or(call, status);
}

static prong_status array_set(prong_call *call) {
    struct array_state *state = call->object;
    prong_value given[2], item;
    size_t place;
    BIND(call, "index value", given);
    if (is_slice(given[0])) return array_set_slice(call, state, given[0], given[1]);
    if (!list_place(call, given[0], state->items.count, "array assignment index", &place)) return PRONG_OK;
    prong_status status = array_item(call, state->typecode, given[1], &item);
    if (status < 0) return raised_or(call, status);
    item_free(call->inner->server, state->items.at[place]);
    state->items.at[place] = item;
    return PRONG_OK;
}

static prong_status array_length(prong_call *call) {
    return prong_call_return(call, prong_make_int((int64_t)((struct array_state *)call->object)->items.count));
}

static void array_describe(const struct managed *object, char *text, size_t size) {
    const struct array_state *state = object->state;
    size_t used = (size_t)snprintf(text, size, "array('%c'%s", state->typecode, state->items.count ? ", [" : "");
    for (size_t i = 0; i < state->items.count && used + 40 < size; i++) {
        char one[40];
        prong_value_repr(item_value(state->items.at[i]), one, sizeof(one), NULL);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", one);
    }
    snprintf(text + used, size - used, state->items.count ? "])" : ")");
}

static const prong_method_entry array_methods[] = {
    {"__getitem__", array_get, NULL}, {"__setitem__", array_set, NULL}, {"__len__", array_length, NULL}, {0}};

const struct type value_type = {.given = {.name = "Value", .methods = value_methods},
                                .make = value_make,
                                .unmake = value_unmake,
                                .value = value_value,
                                .describe = value_describe};

const struct type array_type = {.given = {.name = "Array", .methods = array_methods},
                                .make = array_make,
                                .unmake = array_unmake,
                                .value = array_value,
                                .describe = array_describe};
