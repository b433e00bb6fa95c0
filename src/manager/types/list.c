/* list */
#include "base/error.h"
#include "manager/types/sequence.h"
#include "value/equal.h"
#include <stdlib.h>
#include <string.h>

static prong_status items_value(const struct items *items, prong_document *document, prong_value *value) {
    TRY(prong_make_list(document, NULL, 0, value));
    TRY(list_reserve(document, *value, items->count));
    for (size_t i = 0; i < items->count; i++) TRY(prong_list_append(document, *value, item_value(items->at[i])));
    return PRONG_OK;
}

static prong_status list_make(prong_call *call, struct managed *object) {
    prong_value given, list;
    object->state = new_state(sizeof(struct items));
    if (!object->state) return PRONG_NO_MEMORY;
    BIND(call, "=iterable", &given);
    if (is_absent(given)) return PRONG_OK;
    prong_status status = iterate(call, given, &list);
    if (status < 0) return raised_or(call, status);
    return items_extend(call, object->state, list);
}

static void list_unmake(struct prong_server *server, void *state) {
    items_clear(server, state);
    free(state);
}

static prong_status list_value(struct managed *object, prong_document *document, prong_value *value) {
    return items_value(object->state, document, value);
}

static prong_status list_append(prong_call *call) {
    struct items *items = call->object;
    prong_value given, item;
    BIND(call, "object", &given);
    TRY(items_reserve(items, 1));
    TRY(item_store(call->inner->server, given, &item));
    items->at[items->count++] = item;
    return PRONG_OK;
}

static prong_status list_extend_by(prong_call *call) {
    prong_value given, list;
    BIND(call, "iterable", &given);
    prong_status status = iterate(call, given, &list);
    if (status < 0) return raised_or(call, status);
    return items_extend(call, call->object, list);
}

static prong_status list_insert(prong_call *call) {
    struct items *items = call->object;
    prong_value given[2], item;
    int64_t index;
    BIND(call, "index object", given);
    if (call_index(call, given[0], &index)) return PRONG_OK;
    if (index < 0) index += (int64_t)items->count;
    if (index < 0) index = 0;
    if ((size_t)index > items->count) index = (int64_t)items->count;
    TRY(items_reserve(items, 1));
    TRY(item_store(call->inner->server, given[1], &item));
    return items_insert(items, (size_t)index, item);
}

/* The reply refers to the item that is returned: so it is copied before the item is freed. */
static prong_status return_and_free(prong_call *call, prong_value item) {
    prong_value copy;
    prong_status status = prong_value_copy(call->document, item_value(item), &copy);
    item_free(call->inner->server, item);
    return status < 0 ? status : prong_call_return(call, copy);
}

static prong_status list_pop(prong_call *call) {
    struct items *items = call->object;
    prong_value index;
    size_t place;
    BIND(call, "=index", &index);
    if (!items->count) return call_raise(call, "IndexError", "pop from empty list");
    if (is_absent(index)) index = prong_make_int(-1);
    if (!list_place(call, index, items->count, "pop index", &place)) return PRONG_OK;
    return return_and_free(call, items_take(items, place));
}

static bool same_item(prong_value item, prong_value wanted) {
    return value_same(item_value(item), wanted) || prong_value_equal(item_value(item), wanted);
}

static prong_status list_remove(prong_call *call) {
    struct items *items = call->object;
    prong_value wanted;
    BIND(call, "value", &wanted);
    for (size_t i = 0; i < items->count; i++)
        if (same_item(items->at[i], wanted)) {
            item_free(call->inner->server, items_take(items, i));
            return PRONG_OK;
        }
    return call_raise(call, "ValueError", "list.remove(x): x not in list");
}

static prong_status list_count(prong_call *call) {
    struct items *items = call->object;
    prong_value wanted;
    int64_t count = 0;
    BIND(call, "value", &wanted);
    for (size_t i = 0; i < items->count; i++) count += same_item(items->at[i], wanted);
    return prong_call_return(call, prong_make_int(count));
}

static prong_status list_index(prong_call *call) {
    struct items *items = call->object;
    prong_value given[3];
    int64_t bounds[2] = {0, (int64_t)items->count};
    BIND(call, "value =start stop", given);
    for (int i = 0; i < 2; i++) {
        if (is_absent(given[i + 1])) continue;
        if (call_index(call, given[i + 1], &bounds[i])) return PRONG_OK;
        if (bounds[i] < 0) bounds[i] += (int64_t)items->count;
        if (bounds[i] < 0) bounds[i] = 0;
    }
    for (size_t i = (size_t)bounds[0]; i < items->count && (int64_t)i < bounds[1]; i++)
        if (same_item(items->at[i], given[0])) return prong_call_return(call, prong_make_int((int64_t)i));
    char text[100];
    prong_value_repr(given[0], text, sizeof(text), NULL);
    return call_raise(call, "ValueError", "%s is not in list", text);
}

static prong_status list_contains(prong_call *call) {
    struct items *items = call->object;
    prong_value wanted;
    BIND(call, "value", &wanted);
    bool found = false;
    for (size_t i = 0; i < items->count && !found; i++) found = same_item(items->at[i], wanted);
    return call_return_bool(call, found);
}

static prong_status list_length(prong_call *call) {
    return prong_call_return(call, prong_make_int((int64_t)((struct items *)call->object)->count));
}

static prong_status list_slice(prong_call *call, const struct items *items, prong_value index) {
    struct slice slice;
    prong_value list;
    prong_status status = read_slice(call, index, items->count, &slice);
    if (status < 0) return raised_or(call, status);
    TRY(prong_make_list(call->document, NULL, 0, &list));
    for (size_t i = 0; i < slice.count; i++)
        TRY(prong_list_append(call->document, list, item_value(items->at[slice.start + (int64_t)i * slice.step])));
    return prong_call_return(call, list);
}

static prong_status list_get(prong_call *call) {
    struct items *items = call->object;
    prong_value index;
    size_t place;
    BIND(call, "index", &index);
    if (is_slice(index)) return list_slice(call, items, index);
    if (!list_place(call, index, items->count, "list index", &place)) return PRONG_OK;
    return call_return_item(call, items->at[place]);
}

/* Replaces `count` items from `from` on by those of a new list, which becomes empty. */
static prong_status items_splice(prong_call *call, struct items *items, size_t from, size_t count, struct items *by) {
    TRY(items_reserve(items, by->count));
    for (size_t i = 0; i < count; i++) item_free(call->inner->server, items->at[from + i]);
    memmove(items->at + from + by->count, items->at + from + count,
            (items->count - from - count) * sizeof(prong_value));
    if (by->count) memcpy(items->at + from, by->at, by->count * sizeof(prong_value));
    items->count += by->count - count;
    by->count = 0;
    return PRONG_OK;
}

static prong_status list_set_slice(prong_call *call, struct items *items, prong_value index, prong_value from) {
    struct slice slice;
    struct items by = {0};
    prong_value list;
    prong_status status = read_slice(call, index, items->count, &slice);
    if (status >= 0) status = iterate(call, from, &list);
    if (status < 0) return raised_or(call, status);
    TRY(items_extend(call, &by, list));
    if (slice.step == 1) {
        status = items_splice(call, items, (size_t)slice.start, slice.count, &by);
    } else if (by.count != slice.count) {
        status = call_raise(call, "ValueError", "attempt to assign sequence of size %zu to extended slice of size %zu",
                            by.count, slice.count);
    } else {
        for (size_t i = 0; i < slice.count; i++) {
            prong_value *place = &items->at[slice.start + (int64_t)i * slice.step];
            item_free(call->inner->server, *place);
            *place = by.at[i];
        }
        by.count = 0;
    }
    items_clear(call->inner->server, &by);
    return status;
}

static prong_status list_set(prong_call *call) {
    struct items *items = call->object;
    prong_value given[2];
    size_t place;
    BIND(call, "index value", given);
    if (is_slice(given[0])) return list_set_slice(call, items, given[0], given[1]);
    if (!list_place(call, given[0], items->count, "list assignment index", &place)) return PRONG_OK;
    return item_replace(call->inner->server, &items->at[place], given[1]);
}

static prong_status list_delete(prong_call *call) {
    struct items *items = call->object;
    prong_value index;
    size_t place;
    BIND(call, "index", &index);
    if (!is_slice(index)) {
        if (!list_place(call, index, items->count, "list assignment index", &place)) return PRONG_OK;
        item_free(call->inner->server, items_take(items, place));
        return PRONG_OK;
    }
    struct slice slice;
    prong_status status = read_slice(call, index, items->count, &slice);
    if (status < 0) return raised_or(call, status);
    for (size_t i = 0; i < slice.count; i++) { /* from the end, so that the others stay where they are */
        size_t nth = slice.step > 0 ? slice.count - 1 - i : i;
        item_free(call->inner->server, items_take(items, (size_t)(slice.start + (int64_t)nth * slice.step)));
    }
    return PRONG_OK;
}

static prong_status list_reverse(prong_call *call) {
    struct items *items = call->object;
    for (size_t i = 0, j = items->count; i + 1 < j; i++) {
        prong_value swapped = items->at[i];
        items->at[i] = items->at[--j];
        items->at[j] = swapped;
    }
    return PRONG_OK;
}

/* A stable merge sort, as Python's is stable; it ends at the first pair that has no order, with the list unchanged. */
static prong_status merge_sort(prong_value *items, prong_value *room, size_t count, bool reverse) {
    if (count < 2) return PRONG_OK;
    size_t half = count / 2, a = 0, b = half;
    TRY(merge_sort(items, room, half, reverse));
    TRY(merge_sort(items + half, room, count - half, reverse));
    for (size_t i = 0; i < count; i++) {
        bool second = a == half;
        if (a < half && b < count) {
            int order;
            TRY(prong_value_compare(item_value(items[b]), item_value(items[a]), &order));
            second = reverse ? order > 0 : order < 0;
        }
        room[i] = second ? items[b++] : items[a++];
    }
    memcpy(items, room, count * sizeof(*items));
    return PRONG_OK;
}

static prong_status list_sort(prong_call *call) {
    struct items *items = call->object;
    prong_value given[2];
    BIND(call, "=key reverse", given);
    if (!is_absent(given[0]) && value_kind(given[0]) != PRONG_KIND_NULL)
        return call_raise(call, "TypeError", "sort() with a key function is not possible on this server");
    if (!items->count) return PRONG_OK;
    size_t size = items->count * sizeof(prong_value);
    prong_value *sorted = malloc(size * 2);
    if (!sorted) return fail_text(PRONG_NO_MEMORY, "no memory to sort");
    memcpy(sorted, items->at, size);
    prong_status status =
        merge_sort(sorted, sorted + items->count, items->count, !is_absent(given[1]) && is_true(given[1]));
    if (status >= 0) memcpy(items->at, sorted, size);
    free(sorted);
    return status;
}

static prong_status list_clear(prong_call *call) {
    items_clear(call->inner->server, call->object);
    return PRONG_OK;
}

static prong_status list_copy(prong_call *call) {
    prong_value list;
    TRY(items_value(call->object, call->document, &list));
    return prong_call_return(call, list);
}

static prong_status list_add(prong_call *call) {
    prong_value other, list;
    BIND(call, "value", &other);
    TRY(see_through(call, &other));
    if (value_kind(other) != PRONG_KIND_LIST)
        return call_raise(call, "TypeError", "can only concatenate list (not \"%s\") to list",
                          prong_kind_name(value_kind(other)));
    TRY(items_value(call->object, call->document, &list));
    TRY(list_extend(call->document, list, value_list(other)->items, value_list(other)->count));
    return prong_call_return(call, list);
}

/* How often to repeat; what would exceed the server's memory in any case is refused at once. */
static prong_status list_times(prong_call *call, int64_t *times) {
    struct items *items = call->object;
    prong_value given;
    if (call_bind(call, "value", &given) || call_index(call, given, times)) return PRONG_REMOTE_ERROR;
    if (*times < 0 || !items->count) *times = 0;
    if ((size_t)*times > call->inner->server->options.max_memory / sizeof(prong_value) / (items->count + 1))
        return fail_text(PRONG_NO_MEMORY, "the list would be too long");
    return PRONG_OK;
}

static prong_status list_multiply(prong_call *call) {
    int64_t times;
    prong_value one, list;
    prong_status status = list_times(call, &times);
    if (status < 0) return raised_or(call, status);
    TRY(items_value(call->object, call->document, &one));
    TRY(prong_make_list(call->document, NULL, 0, &list));
    for (int64_t i = 0; i < times; i++)
        TRY(list_extend(call->document, list, value_list(one)->items, value_list(one)->count));
    return prong_call_return(call, list);
}

static prong_status list_multiply_self(prong_call *call) {
    struct items *items = call->object;
    int64_t times;
    prong_value one;
    prong_status status = list_times(call, &times);
    if (status < 0) return raised_or(call, status);
    if (times == 0) items_clear(call->inner->server, items);
    TRY(items_value(items, call->document, &one));
    for (int64_t i = 1; i < times; i++) TRY(items_extend(call, items, one));
    return list_copy(call);
}

/* As Python pickles reversed(list). */
static prong_status list_reversed(prong_call *call) {
    prong_value list, iterator;
    TRY(items_value(call->object, call->document, &list));
    prong_object object = {.module = "builtins", .name = "reversed", .has_state = true};
    object.state = prong_make_int((int64_t)value_list(list)->count - 1);
    TRY(prong_make_tuple(call->document, &list, 1, &object.arguments));
    TRY(prong_make_object(call->document, &object, &iterator));
    return prong_call_return(call, iterator);
}

static const prong_method_entry list_methods[] = {{"__getitem__", list_get, NULL},
                                                  {"__setitem__", list_set, NULL},
                                                  {"__len__", list_length, NULL},
                                                  {"append", list_append, NULL},
                                                  {"pop", list_pop, NULL},
                                                  {"__contains__", list_contains, NULL},
                                                  {"__delitem__", list_delete, NULL},
                                                  {"__add__", list_add, NULL},
                                                  {"__mul__", list_multiply, NULL},
                                                  {"__rmul__", list_multiply, NULL},
                                                  {"__imul__", list_multiply_self, NULL},
                                                  {"__reversed__", list_reversed, NULL},
                                                  {"extend", list_extend_by, NULL},
                                                  {"__iadd__", list_extend_by, NULL},
                                                  {"insert", list_insert, NULL},
                                                  {"remove", list_remove, NULL},
                                                  {"count", list_count, NULL},
                                                  {"index", list_index, NULL},
                                                  {"reverse", list_reverse, NULL},
                                                  {"sort", list_sort, NULL},
                                                  {"clear", list_clear, NULL},
                                                  {"copy", list_copy, NULL},
                                                  {0}};

const struct type list_type = {
    .given = {.name = "list", .methods = list_methods}, .make = list_make, .unmake = list_unmake, .value = list_value};
