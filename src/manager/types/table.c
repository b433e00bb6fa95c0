/* Tables of items, which dict, set and Namespace are made of. */
#include "base/error.h"
#include "manager/types/sequence.h"
#include "manager/types/table.h"
#include <stdio.h>
#include <stdlib.h>

static void entry_free(struct prong_server *server, const struct entry *entry) {
    item_free(server, entry->key);
    item_free(server, entry->value);
}

void items_table_clear(struct prong_server *server, struct table *table) {
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));) entry_free(server, entry);
    server->memory -= table_memory(table);
    table_free(table);
}

void table_unmake(struct prong_server *server, void *state) {
    items_table_clear(server, state);
    free(state);
}

prong_status unhashable(prong_call *call) {
    char text[200];
    snprintf(text, sizeof(text), "%s", prong_error_message());
    return call_raise(call, "TypeError", "%s", text);
}

/* False: raised. */
bool items_table_find(prong_call *call, prong_value key, struct entry **entry) {
    if (!table_find(call->object, key, entry)) return true;
    unhashable(call);
    return false;
}

/* Looks for the key as it is in the request; stores a copy only if the key is new. */
prong_status items_table_put(prong_call *call, struct table *table, prong_value key, prong_value value) {
    struct entry *entry;
    bool added;
    prong_value stored, stored_key;
    size_t before = table_memory(table);
    prong_status status = table_find(table, key, &entry);
    if (status < 0) {
        unhashable(call);
        return PRONG_REMOTE_ERROR;
    }
    if (entry) return item_replace(call->inner->server, &entry->value, value);
    TRY(item_store(call->inner->server, value, &stored));
    status = item_store(call->inner->server, key, &stored_key);
    if (status >= 0) {
        status = table_insert(NULL, table, stored_key, &entry, &added);
        if (status < 0) item_free(call->inner->server, stored_key);
    }
    if (status < 0) {
        item_free(call->inner->server, stored);
        return status;
    }
    entry->value = stored;
    call->inner->server->memory += table_memory(table) - before;
    return PRONG_OK;
}

void items_table_drop(prong_call *call, struct entry *entry) {
    struct entry gone = *entry;
    table_remove(call->object, entry);
    entry_free(call->inner->server, &gone);
}

prong_status table_make(prong_call *call, struct managed *object) {
    (void)call;
    object->state = new_state(sizeof(struct table));
    return object->state ? PRONG_OK : PRONG_NO_MEMORY;
}

prong_status table_length(prong_call *call) {
    return prong_call_return(call, prong_make_int(((struct table *)call->object)->count));
}

prong_status table_clear_all(prong_call *call) {
    items_table_clear(call->inner->server, call->object);
    return PRONG_OK;
}

prong_status table_list(prong_call *call, enum which which, prong_value *list) {
    const struct table *table = call->object;
    TRY(prong_make_list(call->document, NULL, 0, list));
    TRY(list_reserve(call->document, *list, table->count));
    size_t at = 0;
    for (struct entry *entry; (entry = table_next(table, &at));) {
        prong_value item = item_value(which == VALUES ? entry->value : entry->key);
        if (which == ITEMS) {
            prong_value pair[2] = {item, item_value(entry->value)};
            TRY(prong_make_tuple(call->document, pair, 2, &item));
        }
        TRY(prong_list_append(call->document, *list, item));
    }
    return PRONG_OK;
}

prong_status table_iterate(prong_call *call) {
    prong_value list;
    TRY(table_list(call, KEYS, &list));
    return iterator_return(call, list);
}

prong_status dict_contains(prong_call *call) {
    prong_value key;
    struct entry *entry;
    BIND(call, "key", &key);
    if (!items_table_find(call, key, &entry)) return PRONG_OK;
    return call_return_bool(call, entry != NULL);
}

prong_status dict_missing(prong_call *call, prong_value key) {
    return call_raise_value(call, "KeyError", key);
}
