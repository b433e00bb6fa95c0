/* Stored values. */
#include "manager/server/item.h"
#include "base/error.h"
#include "manager/server/server.h"
#include "value/document.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t HAS_PROXIES = 1ull << 63;

static bool in_memory(prong_value item) {
    prong_kind kind = value_kind(item);
    return kind == PRONG_KIND_INT ? value_size(item_value(item)) != 0
                                  : kind > PRONG_KIND_FLOAT && kind != PRONG_KIND_ELLIPSIS && item.pointer;
}

/* Visits everything that can refer to an object, and calls the function for proxies of this server. */
struct proxy_walk {
    struct prong_server *server;
    void (*found)(struct prong_server *server, struct managed *object);
    uint64_t walk;
    bool any;
};

static void walk_proxies(struct proxy_walk *walk, prong_value value, unsigned depth) {
    prong_kind kind = value_kind(value);
    if (kind < PRONG_KIND_LIST || !kind_has_node(kind) || !value.pointer || depth > DEPTH_MAX) return;
    struct node *node = (struct node *)(uintptr_t)value.pointer;
    if (node->walk == walk->walk) return;
    node->walk = walk->walk;
    if (kind == PRONG_KIND_OBJECT) {
        const struct object_node *object = value_object(value);
        struct managed *proxied = object_of_proxy(walk->server, value);
        walk->any |= proxied != NULL;
        if (proxied && walk->found) walk->found(walk->server, proxied);
        if (proxied) return;
        const prong_value parts[] = {object->arguments, object->keywords, object->items, object->pairs, object->state};
        for (int i = 0; i < 5; i++) walk_proxies(walk, parts[i], depth + 1);
        return;
    }
    size_t at = 0;
    for (prong_value key, item; prong_value_next(value, &at, &key, &item);) {
        walk_proxies(walk, key, depth + 1);
        walk_proxies(walk, item, depth + 1);
    }
}

static void retain_found(struct prong_server *server, struct managed *object) {
    (void)server;
    object_retain(object);
}

static void release_found(struct prong_server *server, struct managed *object) {
    object_told(object); /* the item may just be on its way to a client */
    object_release(server, object);
}

static bool for_proxies(struct prong_server *server, prong_value value,
                        void (*found)(struct prong_server *, struct managed *)) {
    struct proxy_walk walk = {.server = server, .found = found, .walk = walk_begin()};
    walk_proxies(&walk, value, 0);
    return walk.any;
}

/* On failure the item is None: what it is stored in may be freed with it. */
prong_status item_store(struct prong_server *server, prong_value value, prong_value *item) {
    prong_status status = value_pack(value, item);
    if (status < 0) *item = prong_make_null();
    if (status < 0 || !in_memory(*item)) return status;
    size_t size = malloc_usable_size((void *)(uintptr_t)item->pointer);
    if (server->memory + size > server->options.max_memory) {
        free_packed(*item);
        *item = prong_make_null();
        return fail(PRONG_NO_MEMORY, "the server's limit of %zu bytes is reached", server->options.max_memory);
    }
    server->memory += size;
    if (value_kind(*item) >= PRONG_KIND_LIST && for_proxies(server, *item, retain_found)) item->head |= HAS_PROXIES;
    return PRONG_OK;
}

void item_free(struct prong_server *server, prong_value item) {
    if (!in_memory(item)) return;
    if (item.head & HAS_PROXIES) for_proxies(server, item_value(item), release_found);
    server->memory -= malloc_usable_size((void *)(uintptr_t)item.pointer);
    free_packed(item_value(item));
}

prong_status item_replace(struct prong_server *server, prong_value *place, prong_value value) {
    prong_value item;
    size_t old = in_memory(*place) ? malloc_usable_size((void *)(uintptr_t)place->pointer) : 0;
    server->memory -= old; /* it makes room */
    prong_status status = item_store(server, value, &item);
    server->memory += old;
    if (status < 0) return status;
    item_free(server, *place);
    *place = item;
    return PRONG_OK;
}

/* --- lists of items --- */

prong_status items_reserve(struct items *items, size_t more) {
    if (more <= items->capacity - items->count) return PRONG_OK;
    size_t capacity = items->count + more;
    if (capacity < items->capacity + items->capacity / 2) capacity = items->capacity + items->capacity / 2;
    prong_value *at = capacity > SIZE_MAX / sizeof(*at) ? NULL : realloc(items->at, capacity * sizeof(*at));
    if (!at) return fail(PRONG_NO_MEMORY, "no memory for %zu items", capacity);
    items->at = at;
    items->capacity = capacity;
    return PRONG_OK;
}

prong_status items_insert(struct items *items, size_t index, prong_value item) {
    TRY(items_reserve(items, 1));
    memmove(items->at + index + 1, items->at + index, (items->count - index) * sizeof(item));
    items->at[index] = item;
    items->count++;
    return PRONG_OK;
}

prong_value items_take(struct items *items, size_t index) {
    prong_value item = items->at[index];
    memmove(items->at + index, items->at + index + 1, (--items->count - index) * sizeof(item));
    return item;
}

void items_clear(struct prong_server *server, struct items *items) {
    for (size_t i = 0; i < items->count; i++) item_free(server, items->at[i]);
    free(items->at);
    *items = (struct items){0};
}
