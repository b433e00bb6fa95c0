/* Making values. */
#include "base/error.h"
#include "value/document.h"
#include "value/number.h"
#include "value/text.h"
#include <stdatomic.h>
#include <string.h>

uint64_t walk_begin(void) {
    static _Atomic uint64_t walks;
    return atomic_fetch_add_explicit(&walks, 1, memory_order_relaxed) + 1;
}

prong_status expected(const char *what, prong_value found) {
    return fail(PRONG_INVALID, "expected %s, found %s", what, prong_kind_name(value_kind(found)));
}

const char *prong_kind_name(prong_kind kind) {
    static const char *const names[] = {
        "NoneType", "bool",   "int",    "float", "complex",   "str",   "bytes",    "bytearray",
        "list",     "tuple",  "dict",   "set",   "frozenset", "range", "ellipsis", "NotImplementedType",
        "type",     "object", "buffer", "handle"};
    return (unsigned)kind < sizeof(names) / sizeof(*names) ? names[kind] : "?";
}

/* The bytes, and a NUL behind them. */
prong_status make_text(prong_document *document, prong_kind kind, const void *data, size_t size, prong_value *value) {
    char *copy = document_take(document, size + 1);
    if (!copy) return PRONG_NO_MEMORY;
    if (size) memcpy(copy, data, size);
    copy[size] = 0;
    *value = value_of_kind(kind, size, copy);
    return PRONG_OK;
}

prong_status prong_make_str(prong_document *document, const char *text, size_t size, prong_value *value) {
    size_t bad;
    if (size == PRONG_TO_NUL) {
        if (!text) return fail_text(PRONG_INVALID, "str: no text (NULL)");
        size = strlen(text);
    }
    TRY(check_bytes(text, size, "str: text"));
    if (!utf8_valid(text, size, &bad)) return fail(PRONG_INVALID, "str: not UTF-8 at byte %zu", bad);
    return make_text(document, PRONG_KIND_STR, text, size, value);
}

prong_status prong_make_bytes(prong_document *document, const void *data, size_t size, prong_value *value) {
    TRY(check_bytes(data, size, "bytes: data"));
    return make_text(document, PRONG_KIND_BYTES, data, size, value);
}

prong_status make_bytes_node(prong_document *document, prong_kind kind, const void *data, size_t size, bool read_only,
                             prong_value *value) {
    struct bytes_node *node;
    prong_status status = make_node(document, sizeof(*node), &node);
    if (status < 0) return status;
    node->data = data;
    node->size = size;
    node->read_only = read_only;
    *value = value_of_kind(kind, 0, node);
    return PRONG_OK;
}

prong_status make_bytearray(prong_document *document, const void *data, size_t size, prong_value *value) {
    prong_value copy;
    TRY(check_bytes(data, size, "bytearray: data"));
    prong_status status = make_text(document, PRONG_KIND_BYTES, data, size, &copy);
    return status < 0 ? status : make_bytes_node(document, PRONG_KIND_BYTEARRAY, copy.pointer, size, false, value);
}

prong_status prong_make_buffer(prong_document *document, void *data, size_t size, bool read_only, prong_value *value) {
    TRY(check_bytes(data, size, "buffer: data"));
    return make_bytes_node(document, PRONG_KIND_BUFFER, data, size, read_only, value);
}

prong_status make_complex(prong_document *document, double real, double imaginary, prong_value *value) {
    struct complex_node *node;
    prong_status status = make_node(document, sizeof(*node), &node);
    if (status < 0) return status;
    node->real = real;
    node->imaginary = imaginary;
    *value = value_of_kind(PRONG_KIND_COMPLEX, 0, node);
    return PRONG_OK;
}

prong_status make_tuple(prong_document *document, const prong_value *items, size_t count, prong_value *value) {
    struct tuple_node *node = NULL;
    if (count) {
        node = document_take(document, sizeof(*node) + count * sizeof(*items));
        if (!node) return PRONG_NO_MEMORY;
        node->node = (struct node){.height = 1};
        node->hash = 0;
        node_copy_items(&node->node, node->items, items, count);
    }
    *value = value_of_kind(PRONG_KIND_TUPLE, count, node);
    return PRONG_OK;
}

prong_status prong_make_tuple(prong_document *document, const prong_value *items, size_t count, prong_value *value) {
    TRY(check_bytes(items, count, "tuple: items"));
    return make_tuple(document, items, count, value);
}

/* The items may be where the value is to go: a list of one, made in its place. */
prong_status make_list(prong_document *document, const prong_value *items, size_t count, prong_value *value) {
    struct list_node *node = document_take(document, sizeof(*node));
    if (!node) return PRONG_NO_MEMORY;
    *node = (struct list_node){.node.height = 1};
    prong_value made = value_of_kind(PRONG_KIND_LIST, 0, node);
    prong_status status = list_extend(document, made, items, count);
    if (status >= 0) *value = made;
    return status;
}

prong_status prong_make_list(prong_document *document, const prong_value *items, size_t count, prong_value *value) {
    TRY(check_bytes(items, count, "list: items"));
    return make_list(document, items, count, value);
}

prong_status list_reserve(prong_document *document, prong_value list, size_t more) {
    struct list_node *node = value_list(list);
    if (more <= node->capacity - node->count) return PRONG_OK;
    size_t wanted = node->count + more;
    if (node->capacity && wanted < node->capacity * 2) wanted = node->capacity * 2;
    prong_value *items = document_grow(document, node->items, node->capacity * sizeof(*items), wanted * sizeof(*items));
    if (!items) return PRONG_NO_MEMORY;
    node->items = items;
    node->capacity = wanted;
    return PRONG_OK;
}

prong_status list_extend(prong_document *document, prong_value list, const prong_value *items, size_t count) {
    if (!count) return PRONG_OK;
    prong_status status = list_reserve(document, list, count);
    if (status < 0) return status;
    struct list_node *node = value_list(list);
    node_copy_items(&node->node, node->items + node->count, items, count);
    node->count += count;
    return PRONG_OK;
}

prong_status make_table(prong_document *document, prong_kind kind, prong_value *value) {
    struct table_node *node = document_take(document, sizeof(*node));
    if (!node) return PRONG_NO_MEMORY;
    *node = (struct table_node){.node.height = 1};
    *value = value_of_kind(kind, 0, node);
    return PRONG_OK;
}

prong_status table_put(prong_document *document, prong_value container, prong_value key, prong_value value) {
    struct table_node *node = (struct table_node *)(uintptr_t)container.pointer;
    struct entry *entry;
    bool added;
    prong_status status = table_insert(document, &node->table, key, &entry, &added);
    if (status < 0) return status;
    node_raise_height(&node->node, key);
    if (value_kind(container) == PRONG_KIND_DICT) {
        entry->value = value;
        node_raise_height(&node->node, value);
    }
    return PRONG_OK;
}

prong_status prong_make_dict(prong_document *document, const prong_value *pairs, size_t count, prong_value *value) {
    prong_value made;
    TRY(check_bytes(pairs, count, "dict: pairs"));
    prong_status status = make_table(document, PRONG_KIND_DICT, &made);
    for (size_t i = 0; i < count && status >= 0; i++)
        status = table_put(document, made, pairs[2 * i], pairs[2 * i + 1]);
    if (status >= 0) *value = made;
    return status;
}

static prong_status make_set(prong_document *document, prong_kind kind, const prong_value *items, size_t count,
                             prong_value *value) {
    prong_value made;
    prong_status status = make_table(document, kind, &made);
    for (size_t i = 0; i < count && status >= 0; i++) status = table_put(document, made, items[i], prong_make_null());
    if (status >= 0) *value = made;
    return status;
}

prong_status prong_make_set(prong_document *document, const prong_value *items, size_t count, prong_value *value) {
    TRY(check_bytes(items, count, "set: items"));
    return make_set(document, PRONG_KIND_SET, items, count, value);
}
prong_status prong_make_frozenset(prong_document *document, const prong_value *items, size_t count,
                                  prong_value *value) {
    TRY(check_bytes(items, count, "frozenset: items"));
    return make_set(document, PRONG_KIND_FROZENSET, items, count, value);
}

prong_status make_range(prong_document *document, prong_value start, prong_value stop, prong_value step,
                        prong_value *value) {
    if (value_kind(start) != PRONG_KIND_INT || value_kind(stop) != PRONG_KIND_INT || value_kind(step) != PRONG_KIND_INT)
        return fail_text(PRONG_INVALID, "range: start, stop and step must be ints");
    if (step.integer == 0 && !value_is_big(step)) return fail_text(PRONG_INVALID, "range: the step must not be zero");
    struct range_node *node;
    prong_status status = make_node(document, sizeof(*node), &node);
    if (status < 0) return status;
    node->start = start;
    node->stop = stop;
    node->step = step;
    *value = value_of_kind(PRONG_KIND_RANGE, 0, node);
    return PRONG_OK;
}

prong_status make_class(prong_document *document, prong_value module, prong_value name, prong_value *value) {
    struct class_node *node;
    prong_status status = make_node(document, sizeof(*node), &node);
    if (status < 0) return status;
    node->module = module;
    node->name = name;
    *value = value_of_kind(PRONG_KIND_CLASS, 0, node);
    return PRONG_OK;
}

prong_status make_class_named(prong_document *document, const char *module, const char *name, prong_value *value) {
    if (!module || !*module || !name || !*name) return fail_text(PRONG_INVALID, "class: no module or no name");
    prong_value texts[2];
    prong_status status = prong_make_str(document, module, PRONG_TO_NUL, &texts[0]);
    if (status >= 0) status = prong_make_str(document, name, PRONG_TO_NUL, &texts[1]);
    return status < 0 ? status : make_class(document, texts[0], texts[1], value);
}

prong_status make_object(prong_document *document, prong_value class, prong_value arguments, bool by_new,
                         prong_value *value) {
    struct object_node *node;
    prong_status status = make_node(document, sizeof(*node), &node);
    if (status < 0) return status;
    node->class = value_class(class);
    node->arguments = arguments;
    node->by_new = by_new;
    node_raise_height(&node->node, arguments);
    *value = value_of_kind(PRONG_KIND_OBJECT, 0, node);
    return PRONG_OK;
}

static prong_status object_check_part(prong_value value, prong_kind kind, const char *what) {
    if (value_kind(value) == PRONG_KIND_NULL || value_kind(value) == kind) return PRONG_OK;
    return fail(PRONG_INVALID, "object: %s must be a %s or None, not %s", what, prong_kind_name(kind),
                prong_kind_name(value_kind(value)));
}

prong_status prong_make_object(prong_document *document, const prong_object *object, prong_value *value) {
    prong_value class = {0}, arguments = object->arguments;
    CHECK_RESERVED(object, "object");
    prong_status status = object_check_part(object->keywords, PRONG_KIND_DICT, "keywords");
    if (status >= 0) status = object_check_part(object->items, PRONG_KIND_LIST, "items");
    if (status >= 0) status = object_check_part(object->pairs, PRONG_KIND_DICT, "pairs");
    if (status >= 0) status = object_check_part(arguments, PRONG_KIND_TUPLE, "arguments");
    if (status >= 0) status = make_class_named(document, object->module, object->name, &class);
    if (status >= 0 && value_kind(arguments) == PRONG_KIND_NULL) status = make_tuple(document, NULL, 0, &arguments);
    if (status >= 0) status = make_object(document, class, arguments, object->by_new, value);
    if (status < 0) return status;
    struct object_node *node = value_object(*value);
    node->keywords = object->keywords;
    node->items = object->items;
    node->pairs = object->pairs;
    node->has_state = object->has_state;
    node->state = object->state;
    node_raise_height(&node->node, node->keywords);
    node_raise_height(&node->node, node->items);
    node_raise_height(&node->node, node->pairs);
    node_raise_height(&node->node, node->state);
    return PRONG_OK;
}

/* --- handles --- */

const char *handle_type(const char *name, size_t size) {
    static const char *const types[] = {"queue",   "connection",   "process",   "pool",      "job",
                                        "lock",    "rlock",        "semaphore", "condition", "event",
                                        "barrier", "shared_value", "share",     "manager"};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (strlen(types[i]) == size && !memcmp(types[i], name, size)) return types[i];
    return NULL;
}

prong_status make_handle(prong_document *document, const char *type, uint64_t offset, uint64_t generation,
                         prong_value *value) {
    struct handle_node *node;
    prong_status status = make_node(document, sizeof(*node), &node);
    if (status < 0) return status;
    node->type = type;
    node->offset = offset;
    node->generation = generation;
    *value = value_of_kind(PRONG_KIND_HANDLE, 0, node);
    return PRONG_OK;
}

prong_status make_handle_from(prong_document *document, const char *type, const void *handle, prong_value *value) {
    if (!type || !handle) return fail_text(PRONG_INVALID, "handle: no type or no handle (NULL)");
    const char *known = handle_type(type, strlen(type));
    if (!known) return fail(PRONG_INVALID, "handle: there is no type \"%s\"", type);
    uint64_t words[2];
    memcpy(words, handle, sizeof(words));
    return make_handle(document, known, words[0], words[1], value);
}
