/* Equality and order. */
#include "value/equal.h"
#include "base/error.h"
#include "value/number.h"
#include <math.h>
#include <string.h>

enum { STEPS_MAX = 1 << 20 };
QUICK_LOCAL struct value_work value_work = {.limit = SIZE_MAX};
static _Thread_local size_t equal_steps, last_step; /* last_step: of the comparison that runs */

/* How deep the comparison is that is looking up keys in a table, which compares them in turn; 0: none is. */
static _Thread_local unsigned looking_up_at;

static bool equal_values(prong_value a, prong_value b, unsigned depth);

/* In containers the very same is equal, as in Python: a NaN, too. */
static bool equal_inside(prong_value a, prong_value b, unsigned depth) {
    bool may_be_nan = value_kind(a) == PRONG_KIND_FLOAT || value_kind(a) == PRONG_KIND_COMPLEX;
    if (may_be_nan && value_same(a, b)) return value_work_add(1);
    return equal_values(a, b, depth);
}

static bool equal_items(prong_value a, prong_value b, unsigned depth) {
    size_t count_a, count_b;
    const prong_value *items_a = value_items(a, &count_a), *items_b = value_items(b, &count_b);
    if (count_a != count_b) return false;
    for (size_t i = 0; i < count_a; i++)
        if (!equal_inside(items_a[i], items_b[i], depth)) return false;
    return true;
}

static bool equal_entries(prong_value a, prong_value b, unsigned depth) {
    const struct table *one = value_table(a), *other = value_table(b);
    size_t at = 0;
    for (struct entry *entry = table_next(one, &at), *match; entry; entry = table_next(one, &at)) {
        if (table_find(other, entry->key, &match) || !match) return false;
        if (value_kind(a) == PRONG_KIND_DICT && !equal_inside(entry->value, match->value, depth)) return false;
    }
    return true;
}

static bool equal_tables(prong_value a, prong_value b, unsigned depth) {
    unsigned before = looking_up_at;
    if (value_table(a)->count != value_table(b)->count) return false;
    looking_up_at = depth;
    bool are_same = equal_entries(a, b, depth);
    looking_up_at = before;
    return are_same;
}

static bool equal_memory(const void *a, const void *b, size_t size) {
    return value_work_add(value_work_of_copying(size)) && memcmp(a, b, size) == 0;
}

static bool equal_numbers(prong_value a, prong_value b) {
    if (value_is_big(a) && value_is_big(b)) value_work_add(value_work_of_copying(value_size(a)));
    return number_compare(a, b) == 0;
}

static bool equal_bytes(prong_value a, prong_value b) {
    const void *data_a, *data_b;
    size_t size_a, size_b;
    if (prong_get_bytes(a, &data_a, &size_a) < 0 || prong_get_bytes(b, &data_b, &size_b) < 0) return false;
    return size_a == size_b && (size_a == 0 || equal_memory(data_a, data_b, size_a));
}

static bool equal_classes(const struct class_node *a, const struct class_node *b) {
    return a == b || (equal_values(a->module, b->module, 0) && equal_values(a->name, b->name, 0));
}

static bool equal_objects(const struct object_node *a, const struct object_node *b, unsigned depth) {
    return equal_classes(a->class, b->class) && a->has_state == b->has_state &&
           equal_values(a->arguments, b->arguments, depth) && equal_values(a->keywords, b->keywords, depth) &&
           equal_values(a->state, b->state, depth) && equal_values(a->items, b->items, depth) &&
           equal_values(a->pairs, b->pairs, depth);
}

static bool equal_ranges(const struct range_node *a, const struct range_node *b) {
    return equal_values(a->start, b->start, 0) && equal_values(a->stop, b->stop, 0) &&
           equal_values(a->step, b->step, 0);
}

static bool equal_complex(prong_value a, prong_value b) {
    double real[2], imaginary[2];
    if (to_complex(a, &real[0], &imaginary[0]) < 0 || to_complex(b, &real[1], &imaginary[1]) < 0) return false;
    return real[0] == real[1] && imaginary[0] == imaginary[1];
}

static bool equal_holds_bytes(prong_kind kind) {
    return kind == PRONG_KIND_BYTES || kind == PRONG_KIND_BYTEARRAY || kind == PRONG_KIND_BUFFER;
}
static bool equal_is_set(prong_kind kind) {
    return kind == PRONG_KIND_SET || kind == PRONG_KIND_FROZENSET;
}

static bool equal_values(prong_value a, prong_value b, unsigned depth) {
    prong_kind kind = value_kind(a), other = value_kind(b);
    if (!value_work_add(1)) return false;
    if (kind_is_number(kind) && kind_is_number(other)) return equal_numbers(a, b);
    if (kind == PRONG_KIND_COMPLEX && other == kind) return equal_complex(a, b);
    if (value_same(a, b)) return true;
    if (depth >= DEPTH_MAX || ++equal_steps > last_step) return false;
    if (kind != other) {
        if (equal_holds_bytes(kind) && equal_holds_bytes(other)) return equal_bytes(a, b);
        if (equal_is_set(kind) && equal_is_set(other)) return equal_tables(a, b, depth + 1);
        if (kind == PRONG_KIND_COMPLEX || other == PRONG_KIND_COMPLEX) return equal_complex(a, b);
        return false;
    }
    switch (kind) {
    case PRONG_KIND_STR: return a.head == b.head && equal_memory(a.pointer, b.pointer, value_size(a));
    case PRONG_KIND_BYTES:
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_BUFFER: return equal_bytes(a, b);
    case PRONG_KIND_LIST:
    case PRONG_KIND_TUPLE: return equal_items(a, b, depth + 1);
    case PRONG_KIND_DICT:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: return equal_tables(a, b, depth + 1);
    case PRONG_KIND_RANGE: return equal_ranges(a.pointer, b.pointer);
    case PRONG_KIND_CLASS: return equal_classes(a.pointer, b.pointer);
    case PRONG_KIND_OBJECT: return equal_objects(a.pointer, b.pointer, depth + 1);
    case PRONG_KIND_HANDLE: {
        const struct handle_node *one = a.pointer, *two = b.pointer;
        return one->offset == two->offset && one->generation == two->generation;
    }
    default: return kind == PRONG_KIND_NULL || kind == PRONG_KIND_ELLIPSIS || kind == PRONG_KIND_NOT_IMPLEMENTED;
    }
}

bool prong_value_equal(prong_value a, prong_value b) {
    if (!looking_up_at) last_step = equal_steps + STEPS_MAX;
    return equal_values(a, b, looking_up_at);
}

static int compare_sign(int order) {
    return order < 0 ? -1 : order > 0;
}

/* UTF-8 in the order of its bytes is in the order of its characters. */
static int compare_bytes(const void *a, size_t size_a, const void *b, size_t size_b) {
    int order = memcmp(a, b, size_a < size_b ? size_a : size_b);
    return order ? compare_sign(order) : (size_a > size_b) - (size_a < size_b);
}

static prong_status compare_refused(prong_value a, prong_value b) {
    return fail(PRONG_INVALID, "'<' not supported between instances of '%s' and '%s'", prong_kind_name(value_kind(a)),
                prong_kind_name(value_kind(b)));
}

static prong_status compare_values(prong_value a, prong_value b, int *order, unsigned depth);

/* The first pair that differs decides. */
static prong_status compare_items(prong_value a, prong_value b, int *order, unsigned depth) {
    size_t count_a, count_b;
    const prong_value *items_a = value_items(a, &count_a), *items_b = value_items(b, &count_b);
    for (size_t i = 0; i < count_a && i < count_b; i++)
        if (!value_same(items_a[i], items_b[i]) && !prong_value_equal(items_a[i], items_b[i]))
            return compare_values(items_a[i], items_b[i], order, depth);
    *order = (count_a > count_b) - (count_a < count_b);
    return PRONG_OK;
}

static prong_status compare_values(prong_value a, prong_value b, int *order, unsigned depth) {
    prong_kind kind = value_kind(a), other = value_kind(b);
    if (kind_is_number(kind) && kind_is_number(other)) {
        *order = number_compare(a, b);
        return *order == UNORDERED ? fail_text(PRONG_INVALID, "NaN has no order") : PRONG_OK;
    }
    if (depth >= DEPTH_MAX) return fail(PRONG_TOO_LONG, "values are nested deeper than %d", DEPTH_MAX);
    if (kind == PRONG_KIND_STR && other == kind) {
        *order = compare_bytes(a.pointer, value_size(a), b.pointer, value_size(b));
        return PRONG_OK;
    }
    if (equal_holds_bytes(kind) && equal_holds_bytes(other)) {
        const void *data_a, *data_b;
        size_t size_a, size_b;
        prong_get_bytes(a, &data_a, &size_a);
        prong_get_bytes(b, &data_b, &size_b);
        *order = compare_bytes(data_a, size_a, data_b, size_b);
        return PRONG_OK;
    }
    if (kind_is_sequence(kind) && kind == other) return compare_items(a, b, order, depth + 1);
    return compare_refused(a, b);
}

prong_status prong_value_compare(prong_value a, prong_value b, int *order) {
    return compare_values(a, b, order, 0);
}
