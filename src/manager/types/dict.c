/* dict */
#include "base/error.h"
#include "manager/types/sequence.h"
#include "manager/types/table.h"

prong_status dict_value(struct managed *object, prong_document *document, prong_value *value) {
    const struct table *table = object->state;
    TRY(prong_make_dict(document, NULL, 0, value));
    TRY(table_reserve(document, value_table(*value), table->count));
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));)
        TRY(prong_dict_set(document, *value, item_value(entry->key), item_value(entry->value)));
    return PRONG_OK;
}

/* From a dict, a proxy of one, or pairs. */
static prong_status dict_take(prong_call *call, struct table *table, prong_value from) {
    TRY(see_through(call, &from));
    if (value_kind(from) == PRONG_KIND_OBJECT && value_kind(value_object(from)->pairs) == PRONG_KIND_DICT)
        from = value_object(from)->pairs; /* an OrderedDict */
    size_t at = 0;
    if (value_kind(from) == PRONG_KIND_DICT) {
        for (prong_value key, value; prong_value_next(from, &at, &key, &value);)
            TRY(items_table_put(call, table, key, value));
        return PRONG_OK;
    }
    prong_value list, pair, parts[2];
    TRY(iterate(call, from, &list));
    while (prong_value_next(list, &at, NULL, &pair)) {
        if (prong_value_size(pair) != 2 || prong_list_get(pair, 0, &parts[0]) < 0 ||
            prong_list_get(pair, 1, &parts[1])) {
            call_raise(call, "ValueError", "dictionary update sequence element #%zu has length %zu; 2 is required",
                       at - 1, prong_value_size(pair));
            return PRONG_REMOTE_ERROR;
        }
        TRY(items_table_put(call, table, parts[0], parts[1]));
    }
    return PRONG_OK;
}

prong_status dict_take_arguments(prong_call *call, struct table *table) {
    prong_value from;
    if (prong_value_size(call->arguments) > 1) {
        call_raise(call, "TypeError", "update expected at most 1 argument, got %zu", prong_value_size(call->arguments));
        return PRONG_REMOTE_ERROR;
    }
    if (prong_list_get(call->arguments, 0, &from) >= 0) TRY(dict_take(call, table, from));
    return prong_value_size(call->keywords) ? dict_take(call, table, call->keywords) : PRONG_OK;
}

static prong_status dict_make(prong_call *call, struct managed *object) {
    TRY(table_make(call, object));
    return raised_or(call, dict_take_arguments(call, object->state));
}

static prong_status dict_update(prong_call *call) {
    return raised_or(call, dict_take_arguments(call, call->object));
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
    return raised_or(call, items_table_put(call, call->object, given[0], given[1]));
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
    return prong_call_return(call, is_absent(given[1]) ? prong_make_null() : given[1]);
}

static prong_status dict_setdefault(prong_call *call) {
    prong_value given[2];
    struct entry *entry;
    BIND(call, "key =default", given);
    if (!items_table_find(call, given[0], &entry)) return PRONG_OK;
    if (entry) return call_return_item(call, entry->value);
    if (is_absent(given[1])) given[1] = prong_make_null();
    TRY(items_table_put(call, call->object, given[0], given[1]));
    return prong_call_return(call, given[1]);
}

static prong_status pop_value(prong_call *call, struct entry *entry) {
    prong_value copy;
    TRY(prong_value_copy(call->document, item_value(entry->value), &copy));
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
    struct table *table = call->object;
    prong_value pair;
    if (!table->count) return call_raise(call, "KeyError", "popitem(): dictionary is empty");
    struct entry *entry = &table->entries[table->used - 1]; /* never a gap */
    TRY(prong_build(call->document, &pair, "(vv)", item_value(entry->key), item_value(entry->value)));
    TRY(prong_value_copy(call->document, pair, &pair));
    items_table_drop(call, entry);
    return prong_call_return(call, pair);
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

static prong_status dict_reversed(prong_call *call) {
    prong_value list;
    TRY(table_list(call, KEYS, &list));
    struct list_node *node = value_list(list);
    for (size_t i = 0, j = node->count; i + 1 < j; i++) {
        prong_value swapped = node->items[i];
        node->items[i] = node->items[--j];
        node->items[j] = swapped;
    }
    return iterator_return(call, list);
}

static prong_status dict_copy(prong_call *call) {
    prong_value dict;
    TRY(dict_value(call->inner->object, call->document, &dict));
    return prong_call_return(call, dict);
}

static prong_status as_dict(prong_call *call, prong_value *from) {
    TRY(see_through(call, from));
    if (value_kind(*from) == PRONG_KIND_DICT) return PRONG_OK;
    call_raise(call, "TypeError", "unsupported operand type(s) for |: 'dict' and '%s'",
               prong_kind_name(value_kind(*from)));
    return PRONG_REMOTE_ERROR;
}

static prong_status dict_merge(prong_call *call, prong_value first, prong_value second) {
    prong_value merged, key, value;
    TRY(prong_make_dict(call->document, NULL, 0, &merged));
    const prong_value both[] = {first, second};
    for (int i = 0; i < 2; i++) {
        size_t at = 0;
        while (prong_value_next(both[i], &at, &key, &value)) TRY(prong_dict_set(call->document, merged, key, value));
    }
    return prong_call_return(call, merged);
}

static prong_status dict_or(prong_call *call) {
    prong_value other, self;
    BIND(call, "value", &other);
    prong_status status = as_dict(call, &other);
    if (status < 0) return raised_or(call, status);
    TRY(dict_value(call->inner->object, call->document, &self));
    return dict_merge(call, self, other);
}

static prong_status dict_reverse_or(prong_call *call) {
    prong_value other, self;
    BIND(call, "value", &other);
    prong_status status = as_dict(call, &other);
    if (status < 0) return raised_or(call, status);
    TRY(dict_value(call->inner->object, call->document, &self));
    return dict_merge(call, other, self);
}

static prong_status dict_or_self(prong_call *call) {
    TRY(raised_or(call, dict_take_arguments(call, call->object)));
    return call->inner->outcome == CALL_RAISED ? PRONG_OK : dict_copy(call);
}

static prong_status dict_fromkeys(prong_call *call) {
    prong_value given[2], list, dict, key;
    BIND(call, "iterable =value", given);
    prong_status status = iterate(call, given[0], &list);
    if (status < 0) return raised_or(call, status);
    TRY(prong_make_dict(call->document, NULL, 0, &dict));
    size_t at = 0;
    while (prong_value_next(list, &at, NULL, &key))
        TRY(prong_dict_set(call->document, dict, key, is_absent(given[1]) ? prong_make_null() : given[1]));
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

const struct type dict_type = {
    .given = {.name = "dict", .methods = dict_methods}, .make = dict_make, .unmake = table_unmake, .value = dict_value};
