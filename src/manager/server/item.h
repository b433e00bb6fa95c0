/* Items: values that a server keeps, each in one piece of memory of its own. An item that holds proxies of this server's
 * objects holds references to them. */
#ifndef MANAGER_ITEM_H
#define MANAGER_ITEM_H

#include "value/node.h"

struct prong_server;

/* Fails with PRONG_NO_MEMORY beyond the server's limit. */
prong_status item_store(struct prong_server *server, prong_value value, prong_value *item);
/* Replaces the item at place; keeps the old one if the new one cannot be stored. */
prong_status item_replace(struct prong_server *server, prong_value *place, prong_value value);
void item_free(struct prong_server *server, prong_value item);
/* The item as a value to read; it must not be changed. */
static inline prong_value item_value(prong_value item) {
    item.head &= ~(1ull << 63);
    return item;
}

/* A list of items. */
struct items {
    prong_value *at;
    size_t count, capacity;
};
prong_status items_reserve(struct items *items, size_t more);
prong_status items_insert(struct items *items, size_t index, prong_value item);
prong_value items_take(struct items *items, size_t index); /* out of the list; not freed */
void items_clear(struct prong_server *server, struct items *items);

#endif
