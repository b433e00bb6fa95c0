/* Iterator: what iter() of a dict or set returns. */
#include "base/error.h"
#include "manager/types/sequence.h"
#include <stdlib.h>

/* The keys at the beginning; the size of what is iterated over must not change, as in Python. */
struct iterator {
    struct items items;
    size_t at;
    struct managed *over; /* has a reference */
};

prong_status iterator_return(prong_call *call, prong_value list) {
    struct iterator *iterator = new_state(sizeof(*iterator));
    if (!iterator) return PRONG_NO_MEMORY;
    prong_status status = items_extend(call, &iterator->items, list);
    if (status >= 0) status = prong_call_return_object(call, iterator);
    if (status < 0) {
        items_clear(call->inner->server, &iterator->items);
        free(iterator);
        return status;
    }
    iterator->over = call->inner->object;
    object_retain(iterator->over);
    return PRONG_OK;
}

static void iterator_unmake(struct prong_server *server, void *state) {
    struct iterator *iterator = state;
    items_clear(server, &iterator->items);
    object_release(server, iterator->over);
    free(state);
}

static prong_status iterator_next(prong_call *call) {
    struct iterator *iterator = call->object;
    const struct table *table = iterator->over->state;
    prong_value none;
    if (iterator->at < iterator->items.count) {
        if (table->count == iterator->items.count) return call_return_item(call, iterator->items.at[iterator->at++]);
        bool dict = iterator->over->type == &dict_type;
        return call_raise(call, "RuntimeError", "%s changed size during iteration", dict ? "dictionary" : "Set");
    }
    TRY(prong_make_tuple(call->document, NULL, 0, &none));
    return prong_call_raise(call, "builtins", "StopIteration", none);
}

static prong_status iterator_close(prong_call *call) {
    struct iterator *iterator = call->object;
    iterator->at = iterator->items.count;
    return PRONG_OK;
}

static prong_status iterator_self(prong_call *call) {
    return call_raise(call, "TypeError", "an iterator's proxy iterates by itself");
}

static const prong_method_entry iterator_methods[] = {
    {"__next__", iterator_next, NULL}, {"close", iterator_close, NULL}, {"__iter__", iterator_self, NULL}, {0}};

const struct type iterator_type = {
    .given = {.name = "Iterator", .methods = iterator_methods}, .unmake = iterator_unmake, .hidden = true};
