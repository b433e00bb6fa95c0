/* Namespace: a dict of attributes. */
#include "base/error.h"
#include "manager/types/table.h"

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
static bool namespace_attribute(prong_call *call, prong_value name, struct entry **entry) {
    if (value_kind(name) != PRONG_KIND_STR) {
        call_raise(call, "TypeError", "attribute name must be string, not '%s'", prong_kind_name(value_kind(name)));
        return false;
    }
    return items_table_find(call, name, entry);
}

static prong_status namespace_get(prong_call *call) {
    prong_value name;
    struct entry *entry;
    BIND(call, "name", &name);
    if (!namespace_attribute(call, name, &entry)) return PRONG_OK;
    return entry ? call_return_item(call, entry->value) : no_attribute(call, name);
}

static prong_status namespace_set(prong_call *call) {
    prong_value given[2];
    struct entry *entry;
    BIND(call, "name value", given);
    if (!namespace_attribute(call, given[0], &entry)) return PRONG_OK;
    return raised_or(call, items_table_put(call, call->object, given[0], given[1]));
}

static prong_status namespace_delete(prong_call *call) {
    prong_value name;
    struct entry *entry;
    BIND(call, "name", &name);
    if (!namespace_attribute(call, name, &entry)) return PRONG_OK;
    if (!entry) return no_attribute(call, name);
    items_table_drop(call, entry);
    return PRONG_OK;
}

static const prong_method_entry namespace_methods[] = {{"__getattribute__", namespace_get, NULL},
                                                       {"__setattr__", namespace_set, NULL},
                                                       {"__delattr__", namespace_delete, NULL},
                                                       {0}};

const struct type namespace_type = {.given = {.name = "Namespace", .methods = namespace_methods},
                                    .make = namespace_make,
                                    .unmake = table_unmake,
                                    .value = namespace_value};
