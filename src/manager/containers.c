/* list, dict, set, Namespace, Value, Array and the iterators of dict and set. */
#include "base/error.h"
#include "manager/server.h"
#include "value/document.h"
#include "value/equal.h"
#include "value/number.h"
#include "value/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        prong_status status_ = (call);                                                                                 \
        if (status_) return status_;                                                                                   \
    } while (0)

/* Binding raises on failure: the method then ends as raised. */
#define BIND(call, names, values)                                                                                      \
    do {                                                                                                               \
        if (call_bind(call, names, values)) return PRONG_OK;                                                           \
    } while (0)

static void *new_state(size_t size) {
    void *state = calloc(1, size);
    if (!state) fail_text(PRONG_NO_MEMORY, "no memory for an object");
    return state;
}

static prong_document *scratch_of(prong_call *call) {
    return call->server->scratch;
}

/* All items of what Python would iterate over, in order; raises TypeError for what it would not. */
static prong_status iterate(prong_call *call, prong_value from, prong_value *list) {
    prong_kind kind = kind_of(from);
    if (is_sequence(kind)) {
        *list = from;
        return PRONG_OK;
    }
    TRY(prong_make_list(scratch_of(call), NULL, 0, list));
    if (is_table(kind)) {
        size_t at = 0;
        for (struct entry *entry; (entry = table_next(table_of(from), &at));)
            TRY(prong_list_append(scratch_of(call), *list, entry->key));
        return PRONG_OK;
    }
    if (kind == PRONG_KIND_STR) {
        const char *text = from.pointer;
        for (size_t at = 0, size; at < size_of(from); at += size) {
            prong_value one;
            for (size = 1; at + size < size_of(from) && ((unsigned char)text[at + size] & 0xc0) == 0x80;) size++;
            TRY(prong_make_str(scratch_of(call), text + at, size, &one));
            TRY(prong_list_append(scratch_of(call), *list, one));
        }
        return PRONG_OK;
    }
    if (kind == PRONG_KIND_BYTES || kind == PRONG_KIND_BYTEARRAY || kind == PRONG_KIND_BUFFER) {
        const void *data;
        size_t size;
        prong_value_get_bytes(from, &data, &size);
        for (size_t i = 0; i < size; i++)
            TRY(prong_list_append(scratch_of(call), *list, prong_int(((const unsigned char *)data)[i])));
        return PRONG_OK;
    }
    if (kind == PRONG_KIND_RANGE) {
        const struct range_node *range = from.pointer;
        int64_t start, stop, step;
        if (!prong_value_get_int(range->start, &start) && !prong_value_get_int(range->stop, &stop) &&
            !prong_value_get_int(range->step, &step)) {
            for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step)
                TRY(prong_list_append(scratch_of(call), *list, prong_int(i)));
            return PRONG_OK;
        }
    }
    struct managed *other = object_of_proxy(call->server, from);
    if (other && other->type->value) { /* a list of this server, say */
        prong_value value;
        TRY(other->type->value(other, scratch_of(call), &value));
        return iterate(call, value, list);
    }
    call_raise(call, "TypeError", "'%s' object is not iterable", prong_kind_name(kind));
    return PRONG_REMOTE_ERROR;
}

/* ---------------------------------------------------------------- slices */

struct slice {
    int64_t start, stop, step;
    size_t count;
};

static bool is_slice(prong_value value) {
    return prong_value_is(value, "builtins", "slice");
}

static prong_status slice_part(prong_call *call, prong_value part, int64_t absent, int64_t low, int64_t high,
                               size_t size, int64_t *out) {
    *out = absent;
    if (kind_of(part) == PRONG_KIND_NULL) return PRONG_OK;
    if (call_index(call, part, out)) return PRONG_REMOTE_ERROR;
    if (*out < 0) *out += (int64_t)size;
    if (*out < low) *out = low;
    if (*out > high) *out = high;
    return PRONG_OK;
}

/* As slice.indices(size). */
static prong_status read_slice(prong_call *call, prong_value value, size_t size, struct slice *slice) {
    prong_object view;
    prong_value part[3];
    int64_t n = (int64_t)size;
    prong_value_get_object(value, &view);
    for (size_t i = 0; i < 3; i++) TRY(prong_value_item(view.arguments, i, &part[i]));
    slice->step = 1;
    if (kind_of(part[2]) != PRONG_KIND_NULL && call_index(call, part[2], &slice->step)) return PRONG_REMOTE_ERROR;
    if (slice->step == 0) {
        call_raise(call, "ValueError", "slice step cannot be zero");
        return PRONG_REMOTE_ERROR;
    }
    bool up = slice->step > 0;
    if (slice_part(call, part[0], up ? 0 : n - 1, up ? 0 : -1, up ? n : n - 1, size, &slice->start) ||
        slice_part(call, part[1], up ? n : -1, up ? 0 : -1, up ? n : n - 1, size, &slice->stop))
        return PRONG_REMOTE_ERROR;
    int64_t span = up ? slice->stop - slice->start : slice->start - slice->stop, step = up ? slice->step : -slice->step;
    slice->count = span > 0 ? (size_t)((span - 1) / step + 1) : 0;
    return PRONG_OK;
}

/* ---------------------------------------------------------------- list */

static prong_status list_out_of_range(prong_call *call, const char *what) {
    return call_raise(call, "IndexError", "%s out of range", what);
}

/* The place of an index that may be negative; false: raised. */
static bool list_place(prong_call *call, prong_value index, size_t size, const char *what, size_t *place) {
    int64_t number;
    if (call_index(call, index, &number)) return false;
    if (number < 0) number += (int64_t)size;
    if (number < 0 || (size_t)number >= size) {
        list_out_of_range(call, what);
        return false;
    }
    *place = (size_t)number;
    return true;
}

/* Stores all of a list's items at the end, or none. */
static prong_status items_extend(prong_call *call, struct items *items, prong_value list) {
    size_t count, before = items->count;
    const prong_value *from = items_of(list, &count);
    TRY(items_reserve(items, count));
    for (size_t i = 0; i < count; i++) {
        prong_value item;
        prong_status status = item_store(call->server, from[i], &item);
        if (status) {
            while (items->count > before) item_free(call->server, items->at[--items->count]);
            return status;
        }
        items->at[items->count++] = item;
    }
    return PRONG_OK;
}

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
    if (status) return call->outcome == CALL_RAISED ? PRONG_OK : status;
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
    struct items *items = call->object->state;
    prong_value given, item;
    BIND(call, "object", &given);
    TRY(items_reserve(items, 1));
    TRY(item_store(call->server, given, &item));
    items->at[items->count++] = item;
    return PRONG_OK;
}

static prong_status list_extend_by(prong_call *call) {
    prong_value given, list;
    BIND(call, "iterable", &given);
    if (iterate(call, given, &list)) return PRONG_OK;
    return items_extend(call, call->object->state, list);
}

static prong_status list_insert(prong_call *call) {
    struct items *items = call->object->state;
    prong_value given[2], item;
    int64_t index;
    BIND(call, "index object", given);
    if (call_index(call, given[0], &index)) return PRONG_OK;
    if (index < 0) index += (int64_t)items->count;
    if (index < 0) index = 0;
    if ((size_t)index > items->count) index = (int64_t)items->count;
    TRY(items_reserve(items, 1));
    TRY(item_store(call->server, given[1], &item));
    return items_insert(items, (size_t)index, item);
}

/* What is returned is read by the reply: it is copied there before the item goes. */
static prong_status return_and_free(prong_call *call, prong_value item) {
    prong_value copy;
    prong_status status = prong_value_copy(scratch_of(call), item_value(item), &copy);
    item_free(call->server, item);
    return status ? status : prong_call_return(call, copy);
}

static prong_status list_pop(prong_call *call) {
    struct items *items = call->object->state;
    prong_value index;
    size_t place;
    BIND(call, "=index", &index);
    if (!items->count) return call_raise(call, "IndexError", "pop from empty list");
    if (is_absent(index)) index = prong_int(-1);
    if (!list_place(call, index, items->count, "pop index", &place)) return PRONG_OK;
    return return_and_free(call, items_take(items, place));
}

static bool same_item(prong_value item, prong_value wanted) {
    return value_same(item_value(item), wanted) || prong_value_equal(item_value(item), wanted);
}

static prong_status list_remove(prong_call *call) {
    struct items *items = call->object->state;
    prong_value wanted;
    BIND(call, "value", &wanted);
    for (size_t i = 0; i < items->count; i++)
        if (same_item(items->at[i], wanted)) {
            item_free(call->server, items_take(items, i));
            return PRONG_OK;
        }
    return call_raise(call, "ValueError", "list.remove(x): x not in list");
}

static prong_status list_count(prong_call *call) {
    struct items *items = call->object->state;
    prong_value wanted;
    int64_t count = 0;
    BIND(call, "value", &wanted);
    for (size_t i = 0; i < items->count; i++) count += same_item(items->at[i], wanted);
    return prong_call_return(call, prong_int(count));
}

static prong_status list_index(prong_call *call) {
    struct items *items = call->object->state;
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
        if (same_item(items->at[i], given[0])) return prong_call_return(call, prong_int((int64_t)i));
    char text[100];
    prong_value_repr(given[0], text, sizeof(text), NULL);
    return call_raise(call, "ValueError", "%s is not in list", text);
}

static prong_status list_contains(prong_call *call) {
    struct items *items = call->object->state;
    prong_value wanted;
    BIND(call, "value", &wanted);
    bool found = false;
    for (size_t i = 0; i < items->count && !found; i++) found = same_item(items->at[i], wanted);
    return call_return_bool(call, found);
}

static prong_status list_length(prong_call *call) {
    return prong_call_return(call, prong_int((int64_t)((struct items *)call->object->state)->count));
}

static prong_status list_slice(prong_call *call, const struct items *items, prong_value index) {
    struct slice slice;
    prong_value list;
    prong_status status = read_slice(call, index, items->count, &slice);
    if (status) return call->outcome == CALL_RAISED ? PRONG_OK : status;
    TRY(prong_make_list(scratch_of(call), NULL, 0, &list));
    for (size_t i = 0; i < slice.count; i++)
        TRY(prong_list_append(scratch_of(call), list, item_value(items->at[slice.start + (int64_t)i * slice.step])));
    return prong_call_return(call, list);
}

static prong_status list_get(prong_call *call) {
    struct items *items = call->object->state;
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
    for (size_t i = 0; i < count; i++) item_free(call->server, items->at[from + i]);
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
    if (!status) status = iterate(call, from, &list);
    if (status) return call->outcome == CALL_RAISED ? PRONG_OK : status;
    TRY(items_extend(call, &by, list));
    if (slice.step == 1) {
        status = items_splice(call, items, (size_t)slice.start, slice.count, &by);
    } else if (by.count != slice.count) {
        status = call_raise(call, "ValueError", "attempt to assign sequence of size %zu to extended slice of size %zu",
                            by.count, slice.count);
    } else {
        for (size_t i = 0; i < slice.count; i++) {
            prong_value *place = &items->at[slice.start + (int64_t)i * slice.step];
            item_free(call->server, *place);
            *place = by.at[i];
        }
        by.count = 0;
    }
    items_clear(call->server, &by);
    return status;
}

static prong_status list_set(prong_call *call) {
    struct items *items = call->object->state;
    prong_value given[2];
    size_t place;
    BIND(call, "index value", given);
    if (is_slice(given[0])) return list_set_slice(call, items, given[0], given[1]);
    if (!list_place(call, given[0], items->count, "list assignment index", &place)) return PRONG_OK;
    return item_replace(call->server, &items->at[place], given[1]);
}

static prong_status list_delete(prong_call *call) {
    struct items *items = call->object->state;
    prong_value index;
    size_t place;
    BIND(call, "index", &index);
    if (!is_slice(index)) {
        if (!list_place(call, index, items->count, "list assignment index", &place)) return PRONG_OK;
        item_free(call->server, items_take(items, place));
        return PRONG_OK;
    }
    struct slice slice;
    prong_status status = read_slice(call, index, items->count, &slice);
    if (status) return call->outcome == CALL_RAISED ? PRONG_OK : status;
    for (size_t i = 0; i < slice.count; i++) { /* from the end, so that the others stay where they are */
        size_t nth = slice.step > 0 ? slice.count - 1 - i : i;
        item_free(call->server, items_take(items, (size_t)(slice.start + (int64_t)nth * slice.step)));
    }
    return PRONG_OK;
}

static prong_status list_reverse(prong_call *call) {
    struct items *items = call->object->state;
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
    struct items *items = call->object->state;
    prong_value given[2];
    BIND(call, "=key reverse", given);
    if (!is_absent(given[0]) && kind_of(given[0]) != PRONG_KIND_NULL)
        return call_raise(call, "TypeError", "sort() with a key function is not possible on this server");
    if (!items->count) return PRONG_OK;
    size_t size = items->count * sizeof(prong_value);
    prong_value *sorted = malloc(size * 2);
    if (!sorted) return fail_text(PRONG_NO_MEMORY, "no memory to sort");
    memcpy(sorted, items->at, size);
    prong_status status =
        merge_sort(sorted, sorted + items->count, items->count, !is_absent(given[1]) && is_true(given[1]));
    if (!status) memcpy(items->at, sorted, size);
    free(sorted);
    return status;
}

static prong_status list_clear(prong_call *call) {
    items_clear(call->server, call->object->state);
    return PRONG_OK;
}

static prong_status list_copy(prong_call *call) {
    prong_value list;
    TRY(items_value(call->object->state, scratch_of(call), &list));
    return prong_call_return(call, list);
}

static prong_status list_add(prong_call *call) {
    prong_value other, list;
    BIND(call, "value", &other);
    struct managed *proxied = object_of_proxy(call->server, other);
    if (proxied && proxied->type->value) TRY(proxied->type->value(proxied, scratch_of(call), &other));
    if (kind_of(other) != PRONG_KIND_LIST)
        return call_raise(call, "TypeError", "can only concatenate list (not \"%s\") to list",
                          prong_kind_name(kind_of(other)));
    TRY(items_value(call->object->state, scratch_of(call), &list));
    TRY(list_extend(scratch_of(call), list, list_of(other)->items, list_of(other)->count));
    return prong_call_return(call, list);
}

/* How often; what would be beyond the server's memory in any case is told at once. */
static prong_status list_times(prong_call *call, int64_t *times) {
    struct items *items = call->object->state;
    prong_value given;
    if (call_bind(call, "value", &given) || call_index(call, given, times)) return PRONG_REMOTE_ERROR;
    if (*times < 0 || !items->count) *times = 0;
    if ((size_t)*times > call->server->options.max_memory / sizeof(prong_value) / (items->count + 1))
        return fail_text(PRONG_NO_MEMORY, "the list would be too long");
    return PRONG_OK;
}

static prong_status list_multiply(prong_call *call) {
    int64_t times;
    prong_value one, list;
    prong_status status = list_times(call, &times);
    if (status) return call->outcome == CALL_RAISED ? PRONG_OK : status;
    TRY(items_value(call->object->state, scratch_of(call), &one));
    TRY(prong_make_list(scratch_of(call), NULL, 0, &list));
    for (int64_t i = 0; i < times; i++)
        TRY(list_extend(scratch_of(call), list, list_of(one)->items, list_of(one)->count));
    return prong_call_return(call, list);
}

static prong_status list_multiply_self(prong_call *call) {
    struct items *items = call->object->state;
    int64_t times;
    prong_value one;
    prong_status status = list_times(call, &times);
    if (status) return call->outcome == CALL_RAISED ? PRONG_OK : status;
    if (times == 0) items_clear(call->server, items);
    TRY(items_value(items, scratch_of(call), &one));
    for (int64_t i = 1; i < times; i++) TRY(items_extend(call, items, one));
    return list_copy(call);
}

/* As Python pickles reversed(list). */
static prong_status list_reversed(prong_call *call) {
    prong_value list, iterator;
    TRY(items_value(call->object->state, scratch_of(call), &list));
    prong_object object = {.module = "builtins", .name = "reversed", .has_state = true};
    object.state = prong_int((int64_t)list_of(list)->count - 1);
    TRY(prong_make_tuple(scratch_of(call), &list, 1, &object.arguments));
    TRY(prong_make_object(scratch_of(call), &object, &iterator));
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

/* ---------------------------------------------------------------- Iterator */

static prong_status dict_value(struct managed *object, prong_document *document, prong_value *value);

/* The keys as they were; what is iterated over must keep its size, as in Python. */
struct iterator {
    struct items items;
    size_t at;
    struct managed *over; /* has a reference */
};

static prong_status iterator_return(prong_call *call, prong_value list) {
    struct iterator *iterator = new_state(sizeof(*iterator));
    if (!iterator) return PRONG_NO_MEMORY;
    prong_status status = items_extend(call, &iterator->items, list);
    if (!status) status = prong_call_return_object(call, iterator);
    if (status) {
        items_clear(call->server, &iterator->items);
        free(iterator);
        return status;
    }
    iterator->over = call->object;
    object_retain(iterator->over);
    return PRONG_OK;
}

static void iterator_unmake(struct prong_server *server, void *state) {
    struct iterator *iterator = state;
    items_clear(server, &iterator->items);
    object_release(server, iterator->over);
    free(state);
}

static prong_status iterator_next(prong_call *call) {
    struct iterator *iterator = call->object->state;
    const struct table *table = iterator->over->state;
    prong_value none;
    if (iterator->at < iterator->items.count) {
        if (table->count == iterator->items.count) return call_return_item(call, iterator->items.at[iterator->at++]);
        bool dict = iterator->over->type->value == dict_value;
        return call_raise(call, "RuntimeError", "%s changed size during iteration", dict ? "dictionary" : "Set");
    }
    TRY(prong_make_tuple(scratch_of(call), NULL, 0, &none));
    return prong_call_raise(call, "builtins", "StopIteration", none);
}

static prong_status iterator_close(prong_call *call) {
    struct iterator *iterator = call->object->state;
    iterator->at = iterator->items.count;
    return PRONG_OK;
}

static prong_status iterator_self(prong_call *call) {
    return call_raise(call, "TypeError", "an iterator's proxy iterates by itself");
}

static const prong_method_entry iterator_methods[] = {
    {"__next__", iterator_next, NULL}, {"close", iterator_close, NULL}, {"__iter__", iterator_self, NULL}, {0}};

/* ---------------------------------------------------------------- tables of items: dict, set, Namespace */

static void entry_free(struct prong_server *server, const struct entry *entry) {
    item_free(server, entry->key);
    item_free(server, entry->value);
}

static void items_table_clear(struct prong_server *server, struct table *table) {
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));) entry_free(server, entry);
    server->memory -= table_memory(table);
    table_free(table);
}

static void table_unmake(struct prong_server *server, void *state) {
    items_table_clear(server, state);
    free(state);
}

static prong_status unhashable(prong_call *call) {
    char text[200];
    snprintf(text, sizeof(text), "%s", prong_error_message());
    return call_raise(call, "TypeError", "%s", text);
}

/* False: raised. */
static bool items_table_find(prong_call *call, prong_value key, struct entry **entry) {
    if (!table_find(call->object->state, key, entry)) return true;
    unhashable(call);
    return false;
}

/* The key is looked for as it came, and stored only if it is new. */
static prong_status items_table_put(prong_call *call, struct table *table, prong_value key, prong_value value) {
    struct entry *entry;
    bool added;
    prong_value stored, stored_key;
    size_t before = table_memory(table);
    prong_status status = table_find(table, key, &entry);
    if (status) {
        unhashable(call);
        return PRONG_REMOTE_ERROR;
    }
    if (entry) return item_replace(call->server, &entry->value, value);
    TRY(item_store(call->server, value, &stored));
    status = item_store(call->server, key, &stored_key);
    if (!status) {
        status = table_insert(NULL, table, stored_key, &entry, &added);
        if (status) item_free(call->server, stored_key);
    }
    if (status) {
        item_free(call->server, stored);
        return status;
    }
    entry->value = stored;
    call->server->memory += table_memory(table) - before;
    return PRONG_OK;
}

static void items_table_drop(prong_call *call, struct entry *entry) {
    struct entry gone = *entry;
    table_remove(call->object->state, entry);
    entry_free(call->server, &gone);
}

static prong_status table_make(prong_call *call, struct managed *object) {
    (void)call;
    object->state = new_state(sizeof(struct table));
    return object->state ? PRONG_OK : PRONG_NO_MEMORY;
}

static prong_status raised_or(prong_call *call, prong_status status) {
    return call->outcome == CALL_RAISED ? PRONG_OK : status;
}

/* ---------------------------------------------------------------- dict */

static prong_status dict_value(struct managed *object, prong_document *document, prong_value *value) {
    const struct table *table = object->state;
    TRY(prong_make_dict(document, value));
    TRY(table_reserve(document, table_of(*value), table->count));
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));)
        TRY(prong_dict_set(document, *value, item_value(entry->key), item_value(entry->value)));
    return PRONG_OK;
}

/* From a dict, a proxy of one, or pairs. */
static prong_status dict_take(prong_call *call, struct table *table, prong_value from) {
    struct managed *proxied = object_of_proxy(call->server, from);
    if (proxied && proxied->type->value) TRY(proxied->type->value(proxied, scratch_of(call), &from));
    if (kind_of(from) == PRONG_KIND_OBJECT && kind_of(object_of(from)->pairs) == PRONG_KIND_DICT)
        from = object_of(from)->pairs; /* an OrderedDict */
    size_t at = 0;
    if (kind_of(from) == PRONG_KIND_DICT) {
        for (prong_value key, value; prong_value_next(from, &at, &key, &value);)
            TRY(items_table_put(call, table, key, value));
        return PRONG_OK;
    }
    prong_value list, pair, parts[2];
    TRY(iterate(call, from, &list));
    while (prong_value_next(list, &at, NULL, &pair)) {
        if (prong_value_size(pair) != 2 || prong_value_item(pair, 0, &parts[0]) ||
            prong_value_item(pair, 1, &parts[1])) {
            call_raise(call, "ValueError", "dictionary update sequence element #%zu has length %zu; 2 is required",
                       at - 1, prong_value_size(pair));
            return PRONG_REMOTE_ERROR;
        }
        TRY(items_table_put(call, table, parts[0], parts[1]));
    }
    return PRONG_OK;
}

static prong_status dict_take_arguments(prong_call *call, struct table *table) {
    prong_value from;
    if (prong_value_size(call->arguments) > 1) {
        call_raise(call, "TypeError", "update expected at most 1 argument, got %zu", prong_value_size(call->arguments));
        return PRONG_REMOTE_ERROR;
    }
    if (!prong_value_item(call->arguments, 0, &from)) TRY(dict_take(call, table, from));
    return prong_value_size(call->keywords) ? dict_take(call, table, call->keywords) : PRONG_OK;
}

static prong_status dict_make(prong_call *call, struct managed *object) {
    TRY(table_make(call, object));
    return raised_or(call, dict_take_arguments(call, object->state));
}

static prong_status dict_update(prong_call *call) {
    return raised_or(call, dict_take_arguments(call, call->object->state));
}

static prong_status dict_missing(prong_call *call, prong_value key) {
    return call_raise_value(call, "KeyError", key);
}

static prong_status dict_get_item(prong_call *call) {
    prong_value key;
    struct entry *entry;
    BIND(call, "key", &key);
    if (!items_table_find(call, key, &entry)) return PRONG_OK;
    return entry ? call_return_item(call, entry->value) : dict_missing(call, key);
}

static prong_status dict_set_item(prong_call *call) {
    prong_value given[2];
    BIND(call, "key value", given);
    return raised_or(call, items_table_put(call, call->object->state, given[0], given[1]));
}

static prong_status dict_delete_item(prong_call *call) {
    prong_value key;
    struct entry *entry;
    BIND(call, "key", &key);
    if (!items_table_find(call, key, &entry)) return PRONG_OK;
    if (!entry) return dict_missing(call, key);
    items_table_drop(call, entry);
    return PRONG_OK;
}

static prong_status dict_get(prong_call *call) {
    prong_value given[2];
    struct entry *entry;
    BIND(call, "key =default", given);
    if (!items_table_find(call, given[0], &entry)) return PRONG_OK;
    if (entry) return call_return_item(call, entry->value);
    return prong_call_return(call, is_absent(given[1]) ? prong_null() : given[1]);
}

static prong_status dict_setdefault(prong_call *call) {
    prong_value given[2];
    struct entry *entry;
    BIND(call, "key =default", given);
    if (!items_table_find(call, given[0], &entry)) return PRONG_OK;
    if (entry) return call_return_item(call, entry->value);
    if (is_absent(given[1])) given[1] = prong_null();
    TRY(items_table_put(call, call->object->state, given[0], given[1]));
    return prong_call_return(call, given[1]);
}

static prong_status pop_value(prong_call *call, struct entry *entry) {
    prong_value copy;
    TRY(prong_value_copy(scratch_of(call), item_value(entry->value), &copy));
    items_table_drop(call, entry);
    return prong_call_return(call, copy);
}

static prong_status dict_pop(prong_call *call) {
    prong_value given[2];
    struct entry *entry;
    BIND(call, "key =default", given);
    if (!items_table_find(call, given[0], &entry)) return PRONG_OK;
    if (entry) return pop_value(call, entry);
    return is_absent(given[1]) ? dict_missing(call, given[0]) : prong_call_return(call, given[1]);
}

static prong_status dict_popitem(prong_call *call) {
    struct table *table = call->object->state;
    struct entry *entry = &table->entries[table->used - 1]; /* never a gap */
    prong_value pair;
    if (!table->count) return call_raise(call, "KeyError", "popitem(): dictionary is empty");
    TRY(prong_build(scratch_of(call), &pair, "(vv)", item_value(entry->key), item_value(entry->value)));
    TRY(prong_value_copy(scratch_of(call), pair, &pair));
    items_table_drop(call, entry);
    return prong_call_return(call, pair);
}

static prong_status dict_contains(prong_call *call) {
    prong_value key;
    struct entry *entry;
    BIND(call, "key", &key);
    if (!items_table_find(call, key, &entry)) return PRONG_OK;
    return call_return_bool(call, entry != NULL);
}

static prong_status table_length(prong_call *call) {
    return prong_call_return(call, prong_int(((struct table *)call->object->state)->count));
}

static prong_status table_clear_all(prong_call *call) {
    items_table_clear(call->server, call->object->state);
    return PRONG_OK;
}

enum which { KEYS, VALUES, ITEMS };

static prong_status table_list(prong_call *call, enum which which, prong_value *list) {
    const struct table *table = call->object->state;
    TRY(prong_make_list(scratch_of(call), NULL, 0, list));
    TRY(list_reserve(scratch_of(call), *list, table->count));
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));) {
        prong_value item = item_value(which == VALUES ? entry->value : entry->key);
        if (which == ITEMS) {
            prong_value pair[2] = {item, item_value(entry->value)};
            TRY(prong_make_tuple(scratch_of(call), pair, 2, &item));
        }
        TRY(prong_list_append(scratch_of(call), *list, item));
    }
    return PRONG_OK;
}

static prong_status return_list(prong_call *call, enum which which) {
    prong_value list;
    TRY(table_list(call, which, &list));
    return prong_call_return(call, list);
}
static prong_status dict_keys(prong_call *call) {
    return return_list(call, KEYS);
}
static prong_status dict_values(prong_call *call) {
    return return_list(call, VALUES);
}
static prong_status dict_items(prong_call *call) {
    return return_list(call, ITEMS);
}

static prong_status table_iterate(prong_call *call) {
    prong_value list;
    TRY(table_list(call, KEYS, &list));
    return iterator_return(call, list);
}

static prong_status dict_reversed(prong_call *call) {
    prong_value list;
    TRY(table_list(call, KEYS, &list));
    struct list_node *node = list_of(list);
    for (size_t i = 0, j = node->count; i + 1 < j; i++) {
        prong_value swapped = node->items[i];
        node->items[i] = node->items[--j];
        node->items[j] = swapped;
    }
    return iterator_return(call, list);
}

static prong_status dict_copy(prong_call *call) {
    prong_value dict;
    TRY(dict_value(call->object, scratch_of(call), &dict));
    return prong_call_return(call, dict);
}

static prong_status as_dict(prong_call *call, prong_value *from) {
    struct managed *proxied = object_of_proxy(call->server, *from);
    if (proxied && proxied->type->value) TRY(proxied->type->value(proxied, scratch_of(call), from));
    if (kind_of(*from) == PRONG_KIND_DICT) return PRONG_OK;
    call_raise(call, "TypeError", "unsupported operand type(s) for |: 'dict' and '%s'",
               prong_kind_name(kind_of(*from)));
    return PRONG_REMOTE_ERROR;
}

static prong_status dict_merge(prong_call *call, prong_value first, prong_value second) {
    prong_value merged, key, value;
    TRY(prong_make_dict(scratch_of(call), &merged));
    const prong_value both[] = {first, second};
    for (int i = 0; i < 2; i++) {
        size_t at = 0;
        while (prong_value_next(both[i], &at, &key, &value)) TRY(prong_dict_set(scratch_of(call), merged, key, value));
    }
    return prong_call_return(call, merged);
}

static prong_status dict_or(prong_call *call) {
    prong_value other, self;
    BIND(call, "value", &other);
    if (as_dict(call, &other)) return PRONG_OK;
    TRY(dict_value(call->object, scratch_of(call), &self));
    return dict_merge(call, self, other);
}

static prong_status dict_reverse_or(prong_call *call) {
    prong_value other, self;
    BIND(call, "value", &other);
    if (as_dict(call, &other)) return PRONG_OK;
    TRY(dict_value(call->object, scratch_of(call), &self));
    return dict_merge(call, other, self);
}

static prong_status dict_or_self(prong_call *call) {
    TRY(raised_or(call, dict_take_arguments(call, call->object->state)));
    return call->outcome == CALL_RAISED ? PRONG_OK : dict_copy(call);
}

static prong_status dict_fromkeys(prong_call *call) {
    prong_value given[2], list, dict, key;
    BIND(call, "iterable =value", given);
    prong_status status = iterate(call, given[0], &list);
    if (status) return raised_or(call, status);
    TRY(prong_make_dict(scratch_of(call), &dict));
    size_t at = 0;
    while (prong_value_next(list, &at, NULL, &key))
        TRY(prong_dict_set(scratch_of(call), dict, key, is_absent(given[1]) ? prong_null() : given[1]));
    return prong_call_return(call, dict);
}

static const prong_method_entry dict_methods[] = {{"__getitem__", dict_get_item, NULL},
                                                  {"__setitem__", dict_set_item, NULL},
                                                  {"get", dict_get, NULL},
                                                  {"__contains__", dict_contains, NULL},
                                                  {"__delitem__", dict_delete_item, NULL},
                                                  {"__len__", table_length, NULL},
                                                  {"__iter__", table_iterate, "Iterator"},
                                                  {"clear", table_clear_all, NULL},
                                                  {"copy", dict_copy, NULL},
                                                  {"items", dict_items, NULL},
                                                  {"keys", dict_keys, NULL},
                                                  {"values", dict_values, NULL},
                                                  {"pop", dict_pop, NULL},
                                                  {"popitem", dict_popitem, NULL},
                                                  {"setdefault", dict_setdefault, NULL},
                                                  {"update", dict_update, NULL},
                                                  {"__or__", dict_or, NULL},
                                                  {"__ror__", dict_reverse_or, NULL},
                                                  {"__ior__", dict_or_self, NULL},
                                                  {"__reversed__", dict_reversed, "Iterator"},
                                                  {"fromkeys", dict_fromkeys, NULL},
                                                  {0}};

/* ---------------------------------------------------------------- set */

static prong_status set_value(struct managed *object, prong_document *document, prong_value *value) {
    const struct table *table = object->state;
    TRY(prong_make_set(document, NULL, 0, value));
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));)
        TRY(prong_set_add(document, *value, item_value(entry->key)));
    return PRONG_OK;
}

static prong_status set_take(prong_call *call, struct table *table, prong_value from) {
    prong_value list, item;
    TRY(iterate(call, from, &list));
    size_t at = 0;
    while (prong_value_next(list, &at, NULL, &item)) TRY(items_table_put(call, table, item, prong_null()));
    return PRONG_OK;
}

static prong_status set_make(prong_call *call, struct managed *object) {
    prong_value from;
    TRY(table_make(call, object));
    BIND(call, "=iterable", &from);
    return is_absent(from) ? PRONG_OK : raised_or(call, set_take(call, object->state, from));
}

static prong_status set_add(prong_call *call) {
    prong_value item;
    BIND(call, "element", &item);
    return raised_or(call, items_table_put(call, call->object->state, item, prong_null()));
}

static prong_status set_discard(prong_call *call) {
    prong_value item;
    struct entry *entry;
    BIND(call, "element", &item);
    if (items_table_find(call, item, &entry) && entry) items_table_drop(call, entry);
    return PRONG_OK;
}

static prong_status set_remove(prong_call *call) {
    prong_value item;
    struct entry *entry;
    BIND(call, "element", &item);
    if (!items_table_find(call, item, &entry)) return PRONG_OK;
    if (!entry) return dict_missing(call, item);
    items_table_drop(call, entry);
    return PRONG_OK;
}

static prong_status set_pop(prong_call *call) {
    size_t at = 0;
    struct entry *entry = table_next(call->object->state, &at);
    prong_value copy;
    if (!entry) return call_raise(call, "KeyError", "pop from an empty set");
    TRY(prong_value_copy(scratch_of(call), item_value(entry->key), &copy));
    items_table_drop(call, entry);
    return prong_call_return(call, copy);
}

/* What a value is as a set, for operators and methods. */
static prong_status as_set(prong_call *call, prong_value from, prong_value *set) {
    prong_value list;
    if (kind_of(from) == PRONG_KIND_SET || kind_of(from) == PRONG_KIND_FROZENSET) {
        *set = from;
        return PRONG_OK;
    }
    TRY(iterate(call, from, &list));
    size_t count;
    const prong_value *items = items_of(list, &count);
    prong_status status = prong_make_set(scratch_of(call), items, count, set);
    if (status != PRONG_INVALID) return status;
    unhashable(call);
    return PRONG_REMOTE_ERROR;
}

/* Members of a that are (or are not) in b, added to out. */
static prong_status set_select(prong_call *call, prong_value a, prong_value b, bool in, prong_value out) {
    size_t at = 0;
    for (prong_value member; prong_value_next(a, &at, NULL, &member);)
        if (prong_value_contains(b, member) == in) TRY(prong_set_add(scratch_of(call), out, member));
    return PRONG_OK;
}

static prong_status set_combine(prong_call *call, char operation, prong_value a, prong_value b, prong_value *out) {
    TRY(prong_make_set(scratch_of(call), NULL, 0, out));
    if (operation == '&') return set_select(call, a, b, true, *out);
    TRY(set_select(call, a, b, false, *out));
    if (operation == '|') TRY(set_select(call, a, b, true, *out));
    return operation == '-' ? PRONG_OK : set_select(call, b, a, false, *out);
}

static prong_status set_replace(prong_call *call, prong_value set) {
    struct table fresh = {0};
    prong_status status = set_take(call, &fresh, set);
    if (status) {
        items_table_clear(call->server, &fresh);
        return raised_or(call, status);
    }
    items_table_clear(call->server, call->object->state);
    *(struct table *)call->object->state = fresh;
    return PRONG_OK;
}

/* One of | & - ^ with all arguments; swapped: the argument comes first; in place: the object becomes the result. */
static prong_status set_operate(prong_call *call, char operation, bool swapped, bool in_place, bool returns) {
    prong_value self, other;
    TRY(set_value(call->object, scratch_of(call), &self));
    size_t at = 0;
    for (prong_value given; prong_value_next(call->arguments, &at, NULL, &given);) {
        prong_status status = as_set(call, given, &other);
        if (status) return raised_or(call, status);
        TRY(set_combine(call, operation, swapped ? other : self, swapped ? self : other, &self));
    }
    if (in_place) TRY(set_replace(call, self));
    return returns && call->outcome == CALL_OPEN ? prong_call_return(call, self) : PRONG_OK;
}

/* Whether the object's set includes (sign 1) or is included in (-1) the argument's; strictly: and is not equal. */
static prong_status set_relation(prong_call *call, int sign, bool strictly) {
    prong_value self, other, given;
    BIND(call, "other", &given);
    TRY(set_value(call->object, scratch_of(call), &self));
    prong_status status = as_set(call, given, &other);
    if (status) return raised_or(call, status);
    prong_value small = sign > 0 ? other : self, large = sign > 0 ? self : other, member;
    size_t at = 0;
    while (prong_value_next(small, &at, NULL, &member))
        if (!prong_value_contains(large, member)) return call_return_bool(call, false);
    return call_return_bool(call, !strictly || prong_value_size(small) < prong_value_size(large));
}

#define SET_OPERATION(name, operation, swapped, in_place, returns)                                                     \
    static prong_status name(prong_call *call) {                                                                       \
        return set_operate(call, operation, swapped, in_place, returns);                                               \
    }
SET_OPERATION(set_and, '&', false, false, true)
SET_OPERATION(set_or, '|', false, false, true)
SET_OPERATION(set_sub, '-', false, false, true)
SET_OPERATION(set_xor, '^', false, false, true)
SET_OPERATION(set_reverse_sub, '-', true, false, true)
SET_OPERATION(set_and_self, '&', false, true, true)
SET_OPERATION(set_or_self, '|', false, true, true)
SET_OPERATION(set_sub_self, '-', false, true, true)
SET_OPERATION(set_xor_self, '^', false, true, true)
SET_OPERATION(set_and_update, '&', false, true, false)
SET_OPERATION(set_or_update, '|', false, true, false)
SET_OPERATION(set_sub_update, '-', false, true, false)
SET_OPERATION(set_xor_update, '^', false, true, false)

#define SET_RELATION(name, sign, strictly)                                                                             \
    static prong_status name(prong_call *call) {                                                                       \
        return set_relation(call, sign, strictly);                                                                     \
    }
SET_RELATION(set_ge, 1, false)
SET_RELATION(set_gt, 1, true)
SET_RELATION(set_le, -1, false)
SET_RELATION(set_lt, -1, true)

static prong_status set_isdisjoint(prong_call *call) {
    prong_value self, other, given, member;
    BIND(call, "other", &given);
    TRY(set_value(call->object, scratch_of(call), &self));
    prong_status status = as_set(call, given, &other);
    if (status) return raised_or(call, status);
    size_t at = 0;
    while (prong_value_next(other, &at, NULL, &member))
        if (prong_value_contains(self, member)) return call_return_bool(call, false);
    return call_return_bool(call, true);
}

static prong_status set_copy(prong_call *call) {
    prong_value set;
    TRY(set_value(call->object, scratch_of(call), &set));
    return prong_call_return(call, set);
}

static const prong_method_entry set_methods[] = {{"__contains__", dict_contains, NULL},
                                                 {"add", set_add, NULL},
                                                 {"__len__", table_length, NULL},
                                                 {"__iter__", table_iterate, "Iterator"},
                                                 {"discard", set_discard, NULL},
                                                 {"remove", set_remove, NULL},
                                                 {"pop", set_pop, NULL},
                                                 {"clear", table_clear_all, NULL},
                                                 {"copy", set_copy, NULL},
                                                 {"__and__", set_and, NULL},
                                                 {"__rand__", set_and, NULL},
                                                 {"__or__", set_or, NULL},
                                                 {"__ror__", set_or, NULL},
                                                 {"__sub__", set_sub, NULL},
                                                 {"__rsub__", set_reverse_sub, NULL},
                                                 {"__xor__", set_xor, NULL},
                                                 {"__rxor__", set_xor, NULL},
                                                 {"__iand__", set_and_self, NULL},
                                                 {"__ior__", set_or_self, NULL},
                                                 {"__isub__", set_sub_self, NULL},
                                                 {"__ixor__", set_xor_self, NULL},
                                                 {"__ge__", set_ge, NULL},
                                                 {"__gt__", set_gt, NULL},
                                                 {"__le__", set_le, NULL},
                                                 {"__lt__", set_lt, NULL},
                                                 {"intersection", set_and, NULL},
                                                 {"union", set_or, NULL},
                                                 {"difference", set_sub, NULL},
                                                 {"symmetric_difference", set_xor, NULL},
                                                 {"intersection_update", set_and_update, NULL},
                                                 {"update", set_or_update, NULL},
                                                 {"difference_update", set_sub_update, NULL},
                                                 {"symmetric_difference_update", set_xor_update, NULL},
                                                 {"isdisjoint", set_isdisjoint, NULL},
                                                 {"issubset", set_le, NULL},
                                                 {"issuperset", set_ge, NULL},
                                                 {0}};

/* ---------------------------------------------------------------- Namespace */

static prong_status namespace_make(prong_call *call, struct managed *object) {
    TRY(table_make(call, object));
    if (prong_value_size(call->arguments)) return call_raise(call, "TypeError", "Namespace takes keywords only");
    return raised_or(call, dict_take_arguments(call, object->state));
}

static prong_status namespace_value(struct managed *object, prong_document *document, prong_value *value) {
    prong_object made = {.module = "multiprocessing.managers", .name = "Namespace", .by_new = true, .has_state = true};
    TRY(dict_value(object, document, &made.state));
    return prong_make_object(document, &made, value);
}

static prong_status no_attribute(prong_call *call, prong_value name) {
    return call_raise(call, "AttributeError", "'Namespace' object has no attribute '%s'", (const char *)name.pointer);
}

/* False: raised. */
static bool attribute(prong_call *call, prong_value name, struct entry **entry) {
    if (kind_of(name) != PRONG_KIND_STR) {
        call_raise(call, "TypeError", "attribute name must be string, not '%s'", prong_kind_name(kind_of(name)));
        return false;
    }
    return items_table_find(call, name, entry);
}

static prong_status namespace_get(prong_call *call) {
    prong_value name;
    struct entry *entry;
    BIND(call, "name", &name);
    if (!attribute(call, name, &entry)) return PRONG_OK;
    return entry ? call_return_item(call, entry->value) : no_attribute(call, name);
}

static prong_status namespace_set(prong_call *call) {
    prong_value given[2];
    struct entry *entry;
    BIND(call, "name value", given);
    if (!attribute(call, given[0], &entry)) return PRONG_OK;
    return raised_or(call, items_table_put(call, call->object->state, given[0], given[1]));
}

static prong_status namespace_delete(prong_call *call) {
    prong_value name;
    struct entry *entry;
    BIND(call, "name", &name);
    if (!attribute(call, name, &entry)) return PRONG_OK;
    if (!entry) return no_attribute(call, name);
    items_table_drop(call, entry);
    return PRONG_OK;
}

static const prong_method_entry namespace_methods[] = {{"__getattribute__", namespace_get, NULL},
                                                       {"__setattr__", namespace_set, NULL},
                                                       {"__delattr__", namespace_delete, NULL},
                                                       {0}};

/* ---------------------------------------------------------------- Value */

struct value_state {
    prong_value typecode, value; /* items */
};

static prong_status value_make(prong_call *call, struct managed *object) {
    prong_value given[3];
    struct value_state *state = object->state = new_state(sizeof(*state));
    if (!state) return PRONG_NO_MEMORY;
    BIND(call, "typecode value =lock", given);
    TRY(item_store(call->server, given[0], &state->typecode));
    return item_store(call->server, given[1], &state->value);
}

static void value_unmake(struct prong_server *server, void *given) {
    struct value_state *state = given;
    item_free(server, state->typecode);
    item_free(server, state->value);
    free(state);
}

static prong_status value_get(prong_call *call) {
    return call_return_item(call, ((struct value_state *)call->object->state)->value);
}

static prong_status value_set(prong_call *call) {
    struct value_state *state = call->object->state;
    prong_value given;
    BIND(call, "value", &given);
    return item_replace(call->server, &state->value, given);
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

/* ---------------------------------------------------------------- Array */

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

/* As array.array refuses; what is stored is an int or float that fits. */
static prong_status array_item(prong_call *call, char typecode, prong_value given, prong_value *item) {
    size_t unit = array_unit(typecode);
    *item = given;
    if (typecode == 'f' || typecode == 'd') {
        double number;
        if (prong_value_get_float(given, &number)) {
            call_raise(call, "TypeError", "must be real number, not %s", prong_kind_name(kind_of(given)));
            return PRONG_REMOTE_ERROR;
        }
        *item = prong_float(typecode == 'f' ? (double)(float)number : number);
        return PRONG_OK;
    }
    if (typecode == 'u') {
        if (kind_of(given) == PRONG_KIND_STR) return item_store(call->server, given, item);
        call_raise(call, "TypeError", "array item must be a unicode character, not %s",
                   prong_kind_name(kind_of(given)));
        return PRONG_REMOTE_ERROR;
    }
    if (kind_of(given) != PRONG_KIND_INT && kind_of(given) != PRONG_KIND_BOOL) {
        call_raise(call, "TypeError", "'%s' object cannot be interpreted as an integer",
                   prong_kind_name(kind_of(given)));
        return PRONG_REMOTE_ERROR;
    }
    bool is_signed = typecode >= 'a';
    int bits = (int)unit * 8;
    prong_value least = prong_int(is_signed ? (int64_t)(-1ull << (bits - 1)) : 0), most;
    uint64_t top = is_signed ? (1ull << (bits - 1)) - 1 : bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
    TRY(prong_make_uint(scratch_of(call), top, &most));
    if (number_compare(given, least) < 0 || number_compare(given, most) > 0) {
        call_raise(call, "OverflowError", "value out of range for an array of type '%c'", typecode);
        return PRONG_REMOTE_ERROR;
    }
    return item_store(call->server, given, item);
}

static prong_status array_make(prong_call *call, struct managed *object) {
    prong_value given[3], list, one;
    const char *typecode = "";
    struct array_state *state = object->state = new_state(sizeof(*state));
    if (!state) return PRONG_NO_MEMORY;
    BIND(call, "typecode sequence =lock", given);
    if (prong_value_get_str(given[0], &typecode, NULL) || !array_unit(*typecode) || typecode[1])
        return call_raise(call, "ValueError", "bad typecode (must be b, B, u, h, H, i, I, l, L, q, Q, f or d)");
    state->typecode = *typecode;
    prong_status status = iterate(call, given[1], &list);
    size_t at = 0;
    while (!status && prong_value_next(list, &at, NULL, &one)) {
        prong_value item;
        status = array_item(call, state->typecode, one, &item);
        if (!status) status = items_insert(&state->items, state->items.count, item);
    }
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
        prong_value_get_int_bytes(item_value(item), whole, sizeof(whole), NULL);
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
    struct array_state *state = call->object->state;
    prong_value index, part;
    struct slice slice;
    size_t place;
    BIND(call, "index", &index);
    if (is_slice(index)) {
        prong_status status = read_slice(call, index, state->items.count, &slice);
        if (status) return raised_or(call, status);
        TRY(array_of(scratch_of(call), state->typecode, &state->items, &slice, &part));
        return prong_call_return(call, part);
    }
    if (!list_place(call, index, state->items.count, "array index", &place)) return PRONG_OK;
    return call_return_item(call, state->items.at[place]);
}

/* The elements of array.array(typecode, bytes), or of any iterable. */
static prong_status array_elements(prong_call *call, prong_value from, prong_value *list) {
    prong_object view;
    const void *data;
    const char *code;
    size_t size;
    if (!prong_value_is(from, "array", "array")) return iterate(call, from, list);
    prong_value_get_object(from, &view);
    TRY(prong_scan(view.arguments, "(sy)", &code, &data, &size));
    TRY(prong_make_list(scratch_of(call), NULL, 0, list));
    size_t unit = array_unit(*code);
    for (size_t at = 0; unit && at + unit <= size; at += unit) {
        prong_value one;
        unsigned char bytes[9] = {0};
        memcpy(bytes, (const char *)data + at, unit);
        if (*code >= 'a' && bytes[unit - 1] & 0x80) memset(bytes + unit, 0xff, 9 - unit);
        float real;
        double wide;
        memcpy(&real, bytes, 4);
        memcpy(&wide, bytes, 8);
        if (*code == 'f' || *code == 'd')
            one = prong_float(*code == 'f' ? (double)real : wide);
        else
            TRY(prong_make_int(scratch_of(call), bytes, 9, &one));
        TRY(prong_list_append(scratch_of(call), *list, one));
    }
    return PRONG_OK;
}

static prong_status array_set_slice(prong_call *call, struct array_state *state, prong_value index, prong_value from) {
    struct slice slice;
    prong_value list, one;
    prong_status status = read_slice(call, index, state->items.count, &slice);
    if (!status) status = array_elements(call, from, &list);
    if (status) return raised_or(call, status);
    if (prong_value_size(list) != slice.count)
        return call_raise(call, "ValueError", "a shared array cannot change its size");
    for (size_t i = 0; i < slice.count; i++) {
        prong_value item;
        prong_value_item(list, i, &one);
        status = array_item(call, state->typecode, one, &item);
        if (status) return raised_or(call, status);
        prong_value *place = &state->items.at[slice.start + (int64_t)i * slice.step];
        item_free(call->server, *place);
        *place = item;
    }
    return PRONG_OK;
}

static prong_status array_set(prong_call *call) {
    struct array_state *state = call->object->state;
    prong_value given[2], item;
    size_t place;
    BIND(call, "index value", given);
    if (is_slice(given[0])) return array_set_slice(call, state, given[0], given[1]);
    if (!list_place(call, given[0], state->items.count, "array assignment index", &place)) return PRONG_OK;
    prong_status status = array_item(call, state->typecode, given[1], &item);
    if (status) return raised_or(call, status);
    item_free(call->server, state->items.at[place]);
    state->items.at[place] = item;
    return PRONG_OK;
}

static prong_status array_length(prong_call *call) {
    return prong_call_return(call, prong_int((int64_t)((struct array_state *)call->object->state)->items.count));
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

/* ---------------------------------------------------------------- all */

#define TYPE(name_, methods_, make_, unmake_)                                                                          \
    .given = {.name = name_, .methods = methods_}, .make = make_, .unmake = unmake_

const struct type container_types[] = {
    {TYPE("dict", dict_methods, dict_make, table_unmake), .value = dict_value},
    {TYPE("list", list_methods, list_make, list_unmake), .value = list_value},
    {TYPE("set", set_methods, set_make, table_unmake), .value = set_value},
    {TYPE("Namespace", namespace_methods, namespace_make, table_unmake), .value = namespace_value},
    {TYPE("Value", value_methods, value_make, value_unmake), .value = value_value, .describe = value_describe},
    {TYPE("Array", array_methods, array_make, array_unmake), .value = array_value, .describe = array_describe},
    {TYPE("Iterator", iterator_methods, NULL, iterator_unmake), .hidden = true},
    {.given = {0}}};
