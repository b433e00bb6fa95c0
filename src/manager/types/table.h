/* Tables of items, which dict, set and Namespace are made of: an object's state is a struct table. */
#ifndef MANAGER_TYPES_TABLE_H
#define MANAGER_TYPES_TABLE_H

#include "manager/types/type.h"

prong_status table_make(prong_call *call, struct managed *object);
void table_unmake(struct prong_server *server, void *state);
void items_table_clear(struct prong_server *server, struct table *table);
/* False: an exception was raised, as the value cannot be a key. */
bool items_table_find(prong_call *call, prong_value key, struct entry **entry);
/* Looks for the key as it is in the request; stores a copy only if the key is new. */
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
