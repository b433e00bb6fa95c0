/* What the files of the server's own types share. A method returns PRONG_OK when it has raised an exception. */
#ifndef MANAGER_TYPES_H
#define MANAGER_TYPES_H

#include "manager/server.h"

/* Binding raises on failure: the method then ends as raised. */
#define BIND(call, names, values)                                                                                      \
    do {                                                                                                               \
        if (call_bind(call, names, values)) return PRONG_OK;                                                           \
    } while (0)

extern const struct type dict_type, list_type, set_type, namespace_type, value_type, array_type, iterator_type;

/* Zeroed memory of malloc, or NULL with the failure recorded. */
void *new_state(size_t size);
prong_document *scratch_of(prong_call *call);
/* PRONG_OK if an exception was raised meanwhile; else the status. */
prong_status raised_or(prong_call *call, prong_status status);

/* All items of what Python would iterate over, in order; raises TypeError for what it would not. */
prong_status iterate(prong_call *call, prong_value from, prong_value *list);
/* A proxy of an object of this server that has a value becomes that value; anything else stays. */
prong_status see_through(prong_call *call, prong_value *value);

/* As slice.indices(): where it begins, and how many there are. */
struct slice {
    int64_t start, stop, step;
    size_t count;
};
bool is_slice(prong_value value);
prong_status read_slice(prong_call *call, prong_value value, size_t size, struct slice *slice);

prong_status list_out_of_range(prong_call *call, const char *what);
/* The place of an index that may be negative; false: raised. */
bool list_place(prong_call *call, prong_value index, size_t size, const char *what, size_t *place);
/* Stores all of a list's items at the end, or none. */
prong_status items_extend(prong_call *call, struct items *items, prong_value list);
/* Returns a new iterator over these, of the call's object. */
prong_status iterator_return(prong_call *call, prong_value list);

/* --- tables of items: an object's state, a struct table --- */

prong_status table_make(prong_call *call, struct managed *object);
void table_unmake(struct prong_server *server, void *state);
void items_table_clear(struct prong_server *server, struct table *table);
/* False: raised, as the key cannot be one. */
bool items_table_find(prong_call *call, prong_value key, struct entry **entry);
/* The key is looked for as it came, and stored only if it is new. */
prong_status items_table_put(prong_call *call, struct table *table, prong_value key, prong_value value);
void items_table_drop(prong_call *call, struct entry *entry);
prong_status unhashable(prong_call *call);

enum which { KEYS, VALUES, ITEMS };
prong_status table_list(prong_call *call, enum which which, prong_value *list);

/* Methods that more than one type has. */
prong_status table_length(prong_call *call);
prong_status table_clear_all(prong_call *call);
prong_status table_iterate(prong_call *call);
prong_status dict_contains(prong_call *call);
prong_status dict_missing(prong_call *call, prong_value key);

prong_status dict_value(struct managed *object, prong_document *document, prong_value *value);
/* What update() is given: a dict, a proxy of one, or pairs; and keywords. */
prong_status dict_take_arguments(prong_call *call, struct table *table);

#endif
