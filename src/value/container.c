/* Changing lists, dicts and sets. */
#include "base/error.h"
#include "value/node.h"
#include <string.h>

static prong_status container_is_list(prong_value list) {
    return value_kind(list) == PRONG_KIND_LIST ? PRONG_OK : expected("list", list);
}

static prong_status container_has_place(prong_value list, size_t index, size_t end) {
    prong_status status = container_is_list(list);
    if (status >= 0 && index >= end)
        return fail(PRONG_NOT_FOUND, "list index %zu is out of range (%zu items)", index, value_list(list)->count);
    return status;
}

prong_status prong_list_append(prong_document *document, prong_value list, prong_value item) {
    prong_status status = container_is_list(list);
    return status < 0 ? status : list_extend(document, list, &item, 1);
}

prong_status prong_list_insert(prong_document *document, prong_value list, size_t index, prong_value item) {
    prong_status status = container_is_list(list);
    if (status >= 0) status = container_has_place(list, index, value_list(list)->count + 1);
    if (status >= 0) status = list_extend(document, list, &item, 1); /* makes room, at the end */
    if (status < 0) return status;
    prong_value *place = value_list(list)->items + index;
    memmove(place + 1, place, (value_list(list)->count - 1 - index) * sizeof(item));
    *place = item;
    return PRONG_OK;
}

prong_status prong_list_set(prong_value list, size_t index, prong_value item) {
    prong_status status = container_is_list(list);
    if (status >= 0) status = container_has_place(list, index, value_list(list)->count);
    if (status < 0) return status;
    struct list_node *node = value_list(list);
    node->items[index] = item;
    if (height_of(item) >= node->node.height) node->node.height = height_of(item) + 1;
    return PRONG_OK;
}

prong_status prong_list_remove(prong_value list, size_t index) {
    prong_status status = container_is_list(list);
    if (status >= 0) status = container_has_place(list, index, value_list(list)->count);
    if (status < 0) return status;
    prong_value *place = value_list(list)->items + index;
    memmove(place, place + 1, (--value_list(list)->count - index) * sizeof(*place));
    return PRONG_OK;
}

prong_status prong_dict_set(prong_document *document, prong_value dict, prong_value key, prong_value value) {
    if (value_kind(dict) != PRONG_KIND_DICT) return expected("dict", dict);
    return table_put(document, dict, key, value);
}

prong_status prong_dict_set_text(prong_document *document, prong_value dict, const char *key, prong_value value) {
    prong_value text;
    if (value_kind(dict) != PRONG_KIND_DICT) return expected("dict", dict);
    prong_status status = prong_make_str(document, key, PRONG_TO_NUL, &text);
    return status < 0 ? status : table_put(document, dict, text, value);
}

static prong_status container_remove_key(prong_value container, prong_value key) {
    struct entry *entry;
    prong_status status = table_find(value_table(container), key, &entry);
    if (status < 0) return status;
    if (!entry) {
        char text[80];
        prong_value_repr(key, text, sizeof(text), NULL);
        return fail(PRONG_NOT_FOUND, "no key %s", text);
    }
    table_remove(value_table(container), entry);
    return PRONG_OK;
}

prong_status prong_dict_remove(prong_value dict, prong_value key) {
    return value_kind(dict) == PRONG_KIND_DICT ? container_remove_key(dict, key) : expected("dict", dict);
}

prong_status prong_set_add(prong_document *document, prong_value set, prong_value item) {
    if (value_kind(set) != PRONG_KIND_SET) return expected("set", set);
    return table_put(document, set, item, prong_make_null());
}

prong_status prong_set_remove(prong_value set, prong_value item) {
    return value_kind(set) == PRONG_KIND_SET ? container_remove_key(set, item) : expected("set", set);
}
