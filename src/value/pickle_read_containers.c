/* Reading pickles: what goes into lists, dicts, sets, and objects that are such. */
#include "value/pickle_reader.h"

enum {
    SLICE_ITEMS = 8192, /* put into a table before a slice ends */
    ITEMS_AT_ONCE = 4   /* between two looks at the work that it took */
};

prong_status read_marked_list(struct reader *r) {
    const prong_value *items;
    size_t count;
    prong_value value;
    TRY(reader_close_mark(r, &items, &count));
    TRY(make_list(r->document, items, count, &value));
    TRY(reader_check_depth(r, value));
    return reader_push(r, value);
}

static prong_status reader_may_grow(const struct object_node *object) {
    return object->has_state ? malformed("an object grows after it got its state") : PRONG_OK;
}

/* Items for a list, or for an object that is one. */
static prong_status reader_append(struct reader *r, prong_value to, const prong_value *items, size_t count) {
    prong_value list = to;
    if (value_kind(to) == PRONG_KIND_OBJECT) {
        struct object_node *object = value_object(to);
        TRY(reader_may_grow(object));
        if (!count) return PRONG_OK; /* an object without items has none */
        if (value_kind(object->items) == PRONG_KIND_NULL) TRY(make_list(r->document, NULL, 0, &object->items));
        list = object->items;
    }
    if (value_kind(list) != PRONG_KIND_LIST) return expected("a list to append to", to);
    TRY(list_extend(r->document, list, items, count));
    if (value_kind(to) == PRONG_KIND_OBJECT && height_of(list) >= height_of(to))
        value_object(to)->node.height = height_of(list) + 1;
    return reader_check_depth(r, to);
}

static prong_status reader_set_pairs(struct reader *r, prong_value to, const prong_value *items, size_t count) {
    prong_value dict = to;
    if (count % 2) return malformed("a key without a value");
    if (value_kind(to) == PRONG_KIND_OBJECT) {
        struct object_node *object = value_object(to);
        TRY(reader_may_grow(object));
        if (!count) return PRONG_OK;
        if (value_kind(object->pairs) == PRONG_KIND_NULL) TRY(make_table(r->document, PRONG_KIND_DICT, &object->pairs));
        dict = object->pairs;
    }
    if (value_kind(dict) != PRONG_KIND_DICT) return expected("a dict to set in", to);
    if (count > 16) TRY(table_reserve(r->document, value_table(dict), value_table(dict)->count + count / 2));
    bool filled = table_fill(r->document, dict, items, count / 2);
    if (filled) TRY(reader_check_steps(r));
    for (size_t i = 0; i < count && !filled; i += 2) {
        TRY(table_put(r->document, dict, items[i], items[i + 1]));
        TRY(reader_check_steps(r));
    }
    if (value_kind(to) == PRONG_KIND_OBJECT && height_of(dict) >= height_of(to))
        value_object(to)->node.height = height_of(dict) + 1;
    return reader_check_depth(r, to);
}

static prong_status reader_add_members(struct reader *r, prong_value set, const prong_value *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        TRY(table_put(r->document, set, items[i], prong_make_null()));
        TRY(reader_check_steps(r));
    }
    return reader_check_depth(r, set);
}

static prong_status reader_put_items(struct reader *r, prong_value to, const prong_value *items, size_t count) {
    if (value_kind(to) == PRONG_KIND_SET || value_kind(to) == PRONG_KIND_FROZENSET)
        return reader_add_members(r, to, items, count);
    return reader_set_pairs(r, to, items, count);
}

prong_status read_pending(struct reader *r) {
    size_t stop = r->pending.end - r->pending.from > SLICE_ITEMS ? r->pending.from + SLICE_ITEMS : r->pending.end;
    while (r->pending.from < stop && value_work.done <= r->slice_end) {
        size_t count = stop - r->pending.from < ITEMS_AT_ONCE ? stop - r->pending.from : ITEMS_AT_ONCE;
        TRY(reader_put_items(r, r->pending.to, r->stack + r->pending.from, count));
        r->pending.from += count;
    }
    if (r->pending.from < r->pending.end) return PRONG_TIMEOUT;
    return r->pending.push ? reader_push(r, r->pending.to) : PRONG_OK;
}

/* Into a table. Many items are put slice by slice; they stay where they are, above the stack's end, until no other opcode is
 * done before that. push: the table comes onto the stack afterwards. */
static prong_status reader_put_all(struct reader *r, prong_value to, const prong_value *items, size_t count,
                                   bool push_it) {
    if (!r->sliced || count <= ITEMS_AT_ONCE) {
        TRY(reader_put_items(r, to, items, count));
        return push_it ? reader_push(r, to) : PRONG_OK;
    }
    r->pending.to = to;
    r->pending.from = (size_t)(items - r->stack);
    r->pending.end = r->pending.from + count;
    r->pending.push = push_it;
    prong_status status = read_pending(r);
    if (status != PRONG_TIMEOUT) return status;
    r->pause_at = r->at;
    return PRONG_OK;
}

prong_status read_extend(struct reader *r, enum opcode opcode) {
    const prong_value *items;
    size_t count;
    TRY(reader_close_mark(r, &items, &count));
    TRY(reader_has(r, 1));
    prong_value to = *reader_top(r);
    if (opcode == OP_APPENDS) return reader_append(r, to, items, count);
    if (opcode == OP_SETITEMS && value_kind(to) != PRONG_KIND_DICT && value_kind(to) != PRONG_KIND_OBJECT)
        return expected("a dict to set in", to);
    if (opcode == OP_ADDITEMS && value_kind(to) != PRONG_KIND_SET) return expected("a set to add to", to);
    return reader_put_all(r, to, items, count, false);
}

prong_status read_marked_table(struct reader *r, prong_kind kind) {
    const prong_value *items;
    size_t count;
    prong_value value;
    TRY(reader_close_mark(r, &items, &count));
    TRY(make_table(r->document, kind, &value));
    return reader_put_all(r, value, items, count, true);
}

prong_status read_append(struct reader *r) {
    TRY(reader_has(r, 2));
    r->count--;
    return reader_append(r, *reader_top(r), reader_top(r) + 1, 1);
}

prong_status read_setitem(struct reader *r) {
    TRY(reader_has(r, 3));
    r->count -= 2;
    return reader_set_pairs(r, *reader_top(r), reader_top(r) + 1, 2);
}
