/* Arguments that are iterated over, indices and slices. */
#include "base/error.h"
#include "manager/types/sequence.h"

/* All items of an iterable, in order; raises TypeError for what Python would not iterate over. */
prong_status iterate(prong_call *call, prong_value from, prong_value *list) {
    prong_kind kind = value_kind(from);
    if (kind_is_sequence(kind)) {
        *list = from;
        return PRONG_OK;
    }
    TRY(prong_make_list(call->document, NULL, 0, list));
    if (kind_is_table(kind)) {
        size_t at = 0;
        for (struct entry *entry; (entry = table_next(value_table(from), &at));)
            TRY(prong_list_append(call->document, *list, entry->key));
        return PRONG_OK;
    }
    if (kind == PRONG_KIND_STR) {
        const char *text = from.pointer;
        for (size_t at = 0, size; at < value_size(from); at += size) {
            prong_value one;
            for (size = 1; at + size < value_size(from) && ((unsigned char)text[at + size] & 0xc0) == 0x80;) size++;
            TRY(prong_make_str(call->document, text + at, size, &one));
            TRY(prong_list_append(call->document, *list, one));
        }
        return PRONG_OK;
    }
    if (kind == PRONG_KIND_BYTES || kind == PRONG_KIND_BYTEARRAY || kind == PRONG_KIND_BUFFER) {
        const void *data;
        size_t size;
        prong_get_bytes(from, &data, &size);
        for (size_t i = 0; i < size; i++)
            TRY(prong_list_append(call->document, *list, prong_make_int(((const unsigned char *)data)[i])));
        return PRONG_OK;
    }
    if (kind == PRONG_KIND_RANGE) {
        const struct range_node *range = from.pointer;
        int64_t start, stop, step;
        if (prong_get_int(range->start, &start) >= 0 && prong_get_int(range->stop, &stop) >= 0 &&
            prong_get_int(range->step, &step) >= 0) {
            bool beyond = false; /* what follows the last number may be no int64_t */
            for (int64_t i = start; !beyond && (step > 0 ? i < stop : i > stop);
                 beyond = __builtin_add_overflow(i, step, &i))
                TRY(prong_list_append(call->document, *list, prong_make_int(i)));
            return PRONG_OK;
        }
    }
    prong_value seen = from;
    TRY(see_through(call, &seen));
    if (seen.pointer != from.pointer) return iterate(call, seen, list); /* a list of this server, say */
    call_raise(call, "TypeError", "'%s' object is not iterable", prong_kind_name(kind));
    return PRONG_REMOTE_ERROR;
}

prong_status see_through(prong_call *call, prong_value *value) {
    struct managed *object = object_of_proxy(call->inner->server, *value);
    return object && object->type->value ? object->type->value(object, call->document, value) : PRONG_OK;
}

prong_status list_out_of_range(prong_call *call, const char *what) {
    return call_raise(call, "IndexError", "%s out of range", what);
}

/* The place of an index that may be negative; false: raised. */
bool list_place(prong_call *call, prong_value index, size_t size, const char *what, size_t *place) {
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
prong_status items_extend(prong_call *call, struct items *items, prong_value list) {
    size_t count, before = items->count;
    const prong_value *from = value_items(list, &count);
    TRY(items_reserve(items, count));
    for (size_t i = 0; i < count; i++) {
        prong_value item;
        prong_status status = item_store(call->inner->server, from[i], &item);
        if (status < 0) {
            while (items->count > before) item_free(call->inner->server, items->at[--items->count]);
            return status;
        }
        items->at[items->count++] = item;
    }
    return PRONG_OK;
}

bool is_slice(prong_value value) {
    return prong_value_is(value, "builtins", "slice");
}

static prong_status slice_part(prong_call *call, prong_value part, int64_t absent, int64_t low, int64_t high,
                               size_t size, int64_t *out) {
    *out = absent;
    if (value_kind(part) == PRONG_KIND_NULL) return PRONG_OK;
    if (call_index(call, part, out)) return PRONG_REMOTE_ERROR;
    if (*out < 0) *out += (int64_t)size;
    if (*out < low) *out = low;
    if (*out > high) *out = high;
    return PRONG_OK;
}

/* As slice.indices(size). */
prong_status read_slice(prong_call *call, prong_value value, size_t size, struct slice *slice) {
    prong_object view;
    prong_value part[3];
    int64_t n = (int64_t)size;
    prong_get_object(value, &view);
    for (size_t i = 0; i < 3; i++) TRY(prong_list_get(view.arguments, i, &part[i]));
    slice->step = 1;
    if (value_kind(part[2]) != PRONG_KIND_NULL && call_index(call, part[2], &slice->step)) return PRONG_REMOTE_ERROR;
    if (slice->step == 0) {
        call_raise(call, "ValueError", "slice step cannot be zero");
        return PRONG_REMOTE_ERROR;
    }
    if (slice->step == INT64_MIN) slice->step = -INT64_MAX; /* the other has no opposite */
    bool up = slice->step > 0;
    if (slice_part(call, part[0], up ? 0 : n - 1, up ? 0 : -1, up ? n : n - 1, size, &slice->start) ||
        slice_part(call, part[1], up ? n : -1, up ? 0 : -1, up ? n : n - 1, size, &slice->stop))
        return PRONG_REMOTE_ERROR;
    int64_t span = up ? slice->stop - slice->start : slice->start - slice->stop, step = up ? slice->step : -slice->step;
    slice->count = span > 0 ? (size_t)((span - 1) / step + 1) : 0;
    return PRONG_OK;
}
