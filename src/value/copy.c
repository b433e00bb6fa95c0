/* Copies, with what is shared kept shared. Each node met is noted with the number of this walk and the place of its copy
 * in a list; tuples and objects may be met again before they are complete, so nodes are made first and filled then. */
#include "base/error.h"
#include "value/document.h"
#include "value/node.h"
#include <stdlib.h>
#include <string.h>

struct copier {
    prong_document *document;
    uint64_t walk;
    const void **copies; /* by index of the nodes met */
    size_t count, capacity;
};

static prong_status copy_value(struct copier *copier, prong_value from, prong_value *to, unsigned depth);

static prong_status copy_note(struct copier *copier, const void *from, const void *to) {
    struct node *node = (struct node *)(uintptr_t)from;
    if (copier->count == copier->capacity) {
        size_t capacity = copier->capacity ? copier->capacity * 2 : 64;
        const void **copies = realloc(copier->copies, capacity * sizeof(*copies));
        if (!copies) return fail_text(PRONG_NO_MEMORY, "copy: the system has no memory left");
        copier->copies = copies;
        copier->capacity = capacity;
    }
    node->walk = copier->walk;
    node->index = (uint32_t)copier->count;
    copier->copies[copier->count++] = to;
    return PRONG_OK;
}

/* Room for a node like this one, noted as its copy. */
static prong_status copy_begin_node(struct copier *copier, const void *from, size_t size, void *to) {
    prong_status status = make_node(copier->document, size, to);
    if (status < 0) return status;
    struct node *made = *(struct node **)to;
    memcpy(made, from, size);
    made->walk = 0;
    return copy_note(copier, from, made);
}

static prong_status copy_all(struct copier *copier, const prong_value *from, prong_value *to, size_t count,
                             unsigned depth) {
    prong_status status = PRONG_OK;
    for (size_t i = 0; i < count && status >= 0; i++) status = copy_value(copier, from[i], &to[i], depth);
    return status;
}

static prong_status copy_tuple(struct copier *copier, prong_value from, prong_value *to, unsigned depth) {
    size_t count = value_size(from);
    const struct tuple_node *node = from.pointer;
    struct tuple_node *made;
    *to = from;
    if (!count) return PRONG_OK;
    prong_status status = copy_begin_node(copier, node, sizeof(*node) + count * sizeof(prong_value), &made);
    if (status < 0) return status;
    to->pointer = made;
    return copy_all(copier, node->items, made->items, count, depth);
}

static prong_status copy_list(struct copier *copier, prong_value from, prong_value *to, unsigned depth) {
    const struct list_node *node = from.pointer;
    struct list_node *made;
    prong_status status = copy_begin_node(copier, node, sizeof(*node), &made);
    if (status < 0) return status;
    to->pointer = made;
    made->capacity = made->count;
    made->items = NULL;
    if (!made->count) return PRONG_OK;
    made->items = document_take(copier->document, made->count * sizeof(prong_value));
    if (!made->items) return PRONG_NO_MEMORY;
    memset(made->items, 0, made->count * sizeof(prong_value));
    return copy_all(copier, node->items, made->items, made->count, depth);
}

/* Keys come first as they are, so that equal ones need not be looked for; then one by one as their copies. */
static prong_status copy_table(struct copier *copier, prong_value from, prong_value *to, unsigned depth) {
    struct table_node *made;
    prong_status status = copy_begin_node(copier, from.pointer, sizeof(*made), &made);
    if (status < 0) return status;
    to->pointer = made;
    const struct table *table = value_table(from);
    struct table *copy = &made->table;
    *copy = (struct table){.used = table->used,
                           .count = table->count,
                           .capacity = table->used,
                           .mask = table->mask,
                           .written = table->written};
    if (!table->used) return PRONG_OK;
    copy->entries = document_take(copier->document, table->used * sizeof(struct entry));
    if (!copy->entries) return PRONG_NO_MEMORY;
    memcpy(copy->entries, table->entries, table->used * sizeof(struct entry));
    if (table->index) {
        size_t size = ((size_t)table->mask + 1) * sizeof(struct table_slot);
        copy->index = document_take(copier->document, size);
        if (!copy->index) return PRONG_NO_MEMORY;
        memcpy(copy->index, table->index, size);
    }
    size_t at = 0;
    for (struct entry *entry = table_next(copy, &at); entry && status >= 0; entry = table_next(copy, &at)) {
        struct entry one = *entry;
        status = copy_value(copier, one.key, &entry->key, depth);
        if (status >= 0) status = copy_value(copier, one.value, &entry->value, depth);
    }
    return status;
}

static prong_status copy_class(struct copier *copier, const struct class_node *from, const struct class_node **to) {
    struct class_node *made = NULL;
    if (from->node.walk == copier->walk) {
        *to = copier->copies[from->node.index];
        return PRONG_OK;
    }
    prong_status status = copy_begin_node(copier, from, sizeof(*from), &made);
    if (status >= 0) status = copy_value(copier, from->module, &made->module, 0);
    if (status >= 0) status = copy_value(copier, from->name, &made->name, 0);
    *to = made;
    return status;
}

static prong_status copy_object(struct copier *copier, const struct object_node *from, prong_value *to,
                                unsigned depth) {
    struct object_node *made;
    prong_status status = copy_begin_node(copier, from, sizeof(*from), &made);
    if (status < 0) return status;
    to->pointer = made;
    status = copy_class(copier, from->class, &made->class);
    if (status >= 0) status = copy_value(copier, from->arguments, &made->arguments, depth);
    if (status >= 0) status = copy_value(copier, from->keywords, &made->keywords, depth);
    if (status >= 0) status = copy_value(copier, from->items, &made->items, depth);
    if (status >= 0) status = copy_value(copier, from->pairs, &made->pairs, depth);
    if (status >= 0) status = copy_value(copier, from->state, &made->state, depth);
    return status;
}

/* A buffer's memory may not live as long as the copy: its bytes come along, and it is bytes from then on. */
static prong_status copy_bytes(struct copier *copier, prong_value from, prong_value *to) {
    const struct bytes_node *node = from.pointer;
    if (value_kind(from) == PRONG_KIND_BUFFER && node->read_only)
        return make_text(copier->document, PRONG_KIND_BYTES, node->data, node->size, to);
    struct bytes_node *made;
    prong_value data;
    prong_status status = copy_begin_node(copier, node, sizeof(*node), &made);
    if (status >= 0) status = make_text(copier->document, PRONG_KIND_BYTES, node->data, node->size, &data);
    if (status < 0) return status;
    made->data = data.pointer;
    *to = value_of_kind(PRONG_KIND_BYTEARRAY, 0, made);
    return PRONG_OK;
}

static prong_status copy_range(struct copier *copier, const struct range_node *from, prong_value *to) {
    struct range_node *made;
    prong_status status = copy_begin_node(copier, from, sizeof(*from), &made);
    to->pointer = made;
    return status < 0 ? status : copy_all(copier, &from->start, &made->start, 3, 0);
}

static prong_status copy_flat(struct copier *copier, const void *from, size_t size, prong_value *to) {
    void *made;
    prong_status status = copy_begin_node(copier, from, size, &made);
    to->pointer = made;
    return status;
}

static prong_status copy_value(struct copier *copier, prong_value from, prong_value *to, unsigned depth) {
    prong_kind kind = value_kind(from);
    *to = from;
    if (depth > DEPTH_MAX) return fail(PRONG_TOO_LONG, "copy: values are nested deeper than %d", DEPTH_MAX);
    if (kind_has_node(kind) && from.pointer && ((const struct node *)from.pointer)->walk == copier->walk) {
        to->pointer = copier->copies[((const struct node *)from.pointer)->index];
        return PRONG_OK;
    }
    switch (kind) {
    case PRONG_KIND_INT:
        return value_is_big(from) ? make_text(copier->document, kind, from.pointer, value_size(from), to) : PRONG_OK;
    case PRONG_KIND_STR:
    case PRONG_KIND_BYTES: return make_text(copier->document, kind, from.pointer, value_size(from), to);
    case PRONG_KIND_BYTEARRAY:
    case PRONG_KIND_BUFFER: return copy_bytes(copier, from, to);
    case PRONG_KIND_LIST: return copy_list(copier, from, to, depth + 1);
    case PRONG_KIND_TUPLE: return copy_tuple(copier, from, to, depth + 1);
    case PRONG_KIND_DICT:
    case PRONG_KIND_SET:
    case PRONG_KIND_FROZENSET: return copy_table(copier, from, to, depth + 1);
    case PRONG_KIND_OBJECT: return copy_object(copier, value_object(from), to, depth + 1);
    case PRONG_KIND_RANGE: return copy_range(copier, from.pointer, to);
    case PRONG_KIND_CLASS: {
        const struct class_node *class;
        prong_status status = copy_class(copier, value_class(from), &class);
        to->pointer = class;
        return status;
    }
    case PRONG_KIND_COMPLEX: return copy_flat(copier, from.pointer, sizeof(struct complex_node), to);
    case PRONG_KIND_HANDLE: return copy_flat(copier, from.pointer, sizeof(struct handle_node), to);
    default: return PRONG_OK;
    }
}

prong_status prong_value_copy(prong_document *document, prong_value value, prong_value *copy) {
    struct copier copier = {.document = document, .walk = walk_begin()};
    prong_status status = copy_value(&copier, value, copy, 0);
    free(copier.copies);
    return status;
}

/* --- packing: a copy in one piece of memory ---
 * Most are small: a trial copy into a buffer here tells the size, a second one of just that size is kept. For larger ones
 * the buffer is made larger until the trial fits. */

static bool copy_takes_memory(prong_value value) {
    return (value_kind(value) == PRONG_KIND_INT && value_is_big(value)) || value_kind(value) == PRONG_KIND_STR ||
           value_kind(value) == PRONG_KIND_BYTES || (kind_has_node(value_kind(value)) && value.pointer);
}

/* What the copy is reached by is the first thing taken, so its pointer is the piece's. */
static prong_status copy_pack_measured(prong_value value, size_t size, prong_value *packed) {
    void *memory = document_take(NULL, size);
    if (!memory) return PRONG_NO_MEMORY;
    prong_document exact;
    document_on(&exact, memory, size);
    prong_status status = prong_value_copy(&exact, value, packed);
    if (status < 0) document_drop(NULL, memory, size);
    return status;
}

prong_status value_pack(prong_value value, prong_value *packed) {
    *packed = value;
    if (!copy_takes_memory(value)) return PRONG_OK;
    prong_kind kind = value_kind(value);
    if (kind == PRONG_KIND_STR || kind == PRONG_KIND_BYTES || kind == PRONG_KIND_INT)
        return make_text(NULL, kind, value.pointer, value_size(value), packed);
    char room[4096] __attribute__((aligned(16)));
    prong_document trial;
    document_on(&trial, room, sizeof(room));
    prong_value copy;
    prong_status status = prong_value_copy(&trial, value, &copy);
    if (status >= 0) return copy_pack_measured(value, (size_t)(trial.at - room), packed);
    for (size_t size = 16 * sizeof(room); status == PRONG_NO_MEMORY && size < SIZE_MAX / 8; size *= 8) {
        void *larger = document_take(NULL, size);
        if (!larger) return PRONG_NO_MEMORY;
        document_on(&trial, larger, size);
        status = prong_value_copy(&trial, value, &copy);
        document_drop(NULL, larger, size);
        if (status >= 0) return copy_pack_measured(value, (size_t)(trial.at - (char *)larger), packed);
    }
    return status;
}

void free_packed(prong_value packed) {
    if (copy_takes_memory(packed)) document_drop(NULL, (void *)(uintptr_t)packed.pointer, 0);
}
