/* set: Python 3.14's SetProxy calls all of these. */
#include "base/error.h"
#include "manager/types/sequence.h"
#include "manager/types/table.h"

#include <string.h>

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
    while (prong_value_next(list, &at, NULL, &item)) TRY(items_table_put(call, table, item, prong_make_null()));
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
    return raised_or(call, items_table_put(call, call->object, item, prong_make_null()));
}

/* An element to look for: a set, which cannot be hashed, is looked for as a frozenset, as in Python. */
static prong_status set_asked(prong_call *call, prong_value *element) {
    TRY(call_bind(call, "element", element));
    if (value_kind(*element) != PRONG_KIND_SET) return PRONG_OK;
    prong_value list, from = *element;
    TRY(iterate(call, from, &list));
    size_t count;
    const prong_value *items = value_items(list, &count);
    return prong_make_frozenset(call->document, items, count, element);
}

static prong_status set_contains(prong_call *call) {
    prong_value item;
    struct entry *entry;
    prong_status status = set_asked(call, &item);
    if (status < 0) return raised_or(call, status);
    if (!items_table_find(call, item, &entry)) return PRONG_OK;
    return call_return_bool(call, entry != NULL);
}

static prong_status set_discard(prong_call *call) {
    prong_value item;
    struct entry *entry;
    prong_status status = set_asked(call, &item);
    if (status < 0) return raised_or(call, status);
    if (items_table_find(call, item, &entry) && entry) items_table_drop(call, entry);
    return PRONG_OK;
}

static prong_status set_remove(prong_call *call) {
    prong_value item;
    struct entry *entry;
    prong_status status = set_asked(call, &item);
    if (status < 0) return raised_or(call, status);
    if (!items_table_find(call, item, &entry)) return PRONG_OK;
    if (!entry) return dict_missing(call, item);
    items_table_drop(call, entry);
    return PRONG_OK;
}

static prong_status set_pop(prong_call *call) {
    size_t at = 0;
    struct entry *entry = table_next(call->object, &at);
    prong_value copy;
    if (!entry) return call_raise(call, "KeyError", "pop from an empty set");
    TRY(prong_value_copy(call->document, item_value(entry->key), &copy));
    items_table_drop(call, entry);
    return prong_call_return(call, copy);
}

/* Converts a value to a set, for operators and methods. */
static prong_status as_set(prong_call *call, prong_value from, prong_value *set) {
    prong_value list;
    if (value_kind(from) == PRONG_KIND_SET || value_kind(from) == PRONG_KIND_FROZENSET) {
        *set = from;
        return PRONG_OK;
    }
    TRY(iterate(call, from, &list));
    size_t count;
    const prong_value *items = value_items(list, &count);
    prong_status status = prong_make_set(call->document, items, count, set);
    if (status != PRONG_INVALID) return status;
    unhashable(call);
    return PRONG_REMOTE_ERROR;
}

/* Members of a that are (or are not) in b, added to out. */
static prong_status set_select(prong_call *call, prong_value a, prong_value b, bool in, prong_value out) {
    size_t at = 0;
    for (prong_value member; prong_value_next(a, &at, NULL, &member);)
        if (prong_value_contains(b, member) == in) TRY(prong_set_add(call->document, out, member));
    return PRONG_OK;
}

static prong_status set_combine(prong_call *call, char operation, prong_value a, prong_value b, prong_value *out) {
    TRY(prong_make_set(call->document, NULL, 0, out));
    if (operation == '&') return set_select(call, a, b, true, *out);
    TRY(set_select(call, a, b, false, *out));
    if (operation == '|') TRY(set_select(call, a, b, true, *out));
    return operation == '-' ? PRONG_OK : set_select(call, b, a, false, *out);
}

static prong_status set_replace(prong_call *call, prong_value set) {
    struct table fresh = {0};
    prong_status status = set_take(call, &fresh, set);
    if (status < 0) {
        items_table_clear(call->inner->server, &fresh);
        return raised_or(call, status);
    }
    items_table_clear(call->inner->server, call->object);
    *(struct table *)call->object = fresh;
    return PRONG_OK;
}

/* Python's operators take only sets: "__and__", unlike "intersection". False: NotImplemented was returned. */
static bool set_is_operand(prong_call *call, prong_value *given) {
    if (strncmp(call->method, "__", 2)) return true;
    if (!see_through(call, given) &&
        (value_kind(*given) == PRONG_KIND_SET || value_kind(*given) == PRONG_KIND_FROZENSET))
        return true;
    ignore_status(prong_call_return(call, value_of_kind(PRONG_KIND_NOT_IMPLEMENTED, 0, NULL)));
    return false;
}

/* Operators and symmetric differences are of two sets; the others of any number. False: raised. */
static bool set_has_operands(prong_call *call, char operation) {
    size_t count = prong_value_size(call->arguments);
    bool takes_one = operation == '^' || !strncmp(call->method, "__", 2);
    if (prong_value_kind(call->keywords) == PRONG_KIND_DICT && prong_value_size(call->keywords))
        call_raise(call, "TypeError", "%s() takes no keyword arguments", call->method);
    else if (takes_one && count != 1)
        call_raise(call, "TypeError", "%s() takes exactly one argument (%zu given)", call->method, count);
    else
        return true;
    return false;
}

/* One of | & - ^ with all arguments; swapped: the argument comes first; in place: the object becomes the result. */
static prong_status set_operate(prong_call *call, char operation, bool swapped, bool in_place, bool returns) {
    prong_value self, other;
    if (!set_has_operands(call, operation)) return PRONG_OK;
    TRY(set_value(call->inner->object, call->document, &self));
    size_t at = 0;
    for (prong_value given; prong_value_next(call->arguments, &at, NULL, &given);) {
        if (!set_is_operand(call, &given)) return PRONG_OK;
        prong_status status = as_set(call, given, &other);
        if (status < 0) return raised_or(call, status);
        TRY(set_combine(call, operation, swapped ? other : self, swapped ? self : other, &self));
    }
    if (in_place) {
        TRY(set_replace(call, self));
        TRY(set_value(call->inner->object, call->document, &self)); /* what it was made of may have been freed */
    }
    return returns && call->inner->outcome == CALL_OPEN ? prong_call_return(call, self) : PRONG_OK;
}

/* Whether the object's set includes (sign 1) or is included in (-1) the argument's; strictly: and is not equal. */
static prong_status set_relation(prong_call *call, int sign, bool strictly) {
    prong_value self, other, given;
    BIND(call, "other", &given);
    if (!set_is_operand(call, &given)) return PRONG_OK;
    TRY(set_value(call->inner->object, call->document, &self));
    prong_status status = as_set(call, given, &other);
    if (status < 0) return raised_or(call, status);
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
    TRY(set_value(call->inner->object, call->document, &self));
    prong_status status = as_set(call, given, &other);
    if (status < 0) return raised_or(call, status);
    size_t at = 0;
    while (prong_value_next(other, &at, NULL, &member))
        if (prong_value_contains(self, member)) return call_return_bool(call, false);
    return call_return_bool(call, true);
}

static prong_status set_copy(prong_call *call) {
    prong_value set;
    TRY(set_value(call->inner->object, call->document, &set));
    return prong_call_return(call, set);
}

static const prong_method_entry set_methods[] = {{"__contains__", set_contains, NULL},
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

const struct type set_type = {
    .given = {.name = "set", .methods = set_methods}, .make = set_make, .unmake = table_unmake, .value = set_value};
