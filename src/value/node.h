/* How values look inside.
 *
 * A value's head has its kind in the low 8 bits and a size in the others: bytes of text, items of a tuple. None, bool,
 * int up to 64 bits and float are the value itself. str, bytes and larger ints point to their bytes (a str's are followed
 * by a NUL). All others point to a node; a node is what can be shared, refer to others, and be met twice. */
#ifndef VALUE_NODE_H
#define VALUE_NODE_H

#include "base/local.h"
#include "value/document.h"
#include "value/table.h"
#include <prong/value.h>
#include <stdarg.h>
#include <string.h>

enum { DEPTH_MAX = PRONG_VALUE_DEPTH }; /* recursion is bounded everywhere: some threads have stacks of 128 KiB */

static inline prong_kind value_kind(prong_value value) {
    return (prong_kind)(value.head & 0xff);
}
static inline size_t value_size(prong_value value) {
    return (size_t)(value.head >> 8);
}
static inline prong_value value_of_kind(prong_kind kind, size_t size, const void *pointer) {
    return (prong_value){.head = (uint64_t)kind | (uint64_t)size << 8, .pointer = pointer};
}
static inline bool value_is_big(prong_value value) { /* an int that does not fit 64 bits */
    return value_size(value) != 0;
}

/* A walk (a dump, a copy) takes a number that no walk had before and notes it in the nodes that it has met, with what it
 * needs to know of them. */
struct node {
    uint64_t walk;
    uint32_t index;
    uint32_t height; /* of nesting below, as far as known when it was made; never less than 1 */
};
uint64_t walk_begin(void);

/* Kept nodes of a fixed size; those with items have them behind. */
struct tuple_node {
    struct node node;
    uint32_t hash; /* 0 until computed. Kept, as one that holds another twice, and so on, would take forever */
    prong_value items[];
};
struct list_node {
    struct node node;
    prong_value *items;
    size_t count, capacity;
};
struct table_node { /* dict, set, frozenset */
    struct node node;
    uint32_t hash; /* of a frozenset, as of a tuple */
    struct table table;
};
struct bytes_node { /* bytearray, buffer */
    struct node node;
    const void *data;
    size_t size;
    bool read_only;
};
struct complex_node {
    struct node node;
    double real, imaginary;
};
struct range_node {
    struct node node;
    prong_value start, stop, step;
};
struct class_node {
    struct node node;
    prong_value module, name; /* str */
};
struct object_node {
    struct node node;
    const struct class_node *class;
    bool by_new, has_state;
    prong_value arguments, keywords, items, pairs, state;
};
struct handle_node {
    struct node node;
    const char *type;
    uint64_t offset, generation;
};

static inline struct list_node *value_list(prong_value value) {
    return (struct list_node *)(uintptr_t)value.pointer;
}
static inline struct table *value_table(prong_value value) {
    return &((struct table_node *)(uintptr_t)value.pointer)->table;
}
static inline const struct bytes_node *value_bytes(prong_value value) {
    return value.pointer;
}
static inline struct object_node *value_object(prong_value value) {
    return (struct object_node *)(uintptr_t)value.pointer;
}
static inline const struct class_node *value_class(prong_value value) {
    return value.pointer;
}
/* A set of bits, not comparisons: kinds come in no order that a CPU could predict. */
static inline bool kind_has_node(prong_kind kind) {
    const uint32_t without = 1u << PRONG_KIND_NULL | 1u << PRONG_KIND_BOOL | 1u << PRONG_KIND_INT |
                             1u << PRONG_KIND_FLOAT | 1u << PRONG_KIND_STR | 1u << PRONG_KIND_BYTES |
                             1u << PRONG_KIND_ELLIPSIS | 1u << PRONG_KIND_NOT_IMPLEMENTED;
    return !(without >> (kind & 31) & 1);
}

/* The items of a list or tuple, for reading. */
static inline const prong_value *value_items(prong_value value, size_t *count) {
    if (value_kind(value) == PRONG_KIND_LIST) {
        *count = value_list(value)->count;
        return value_list(value)->items;
    }
    *count = value_size(value);
    return *count ? ((const struct tuple_node *)value.pointer)->items : NULL;
}

static inline bool kind_is_sequence(prong_kind kind) {
    return kind == PRONG_KIND_LIST || kind == PRONG_KIND_TUPLE;
}
static inline bool kind_is_table(prong_kind kind) {
    return kind == PRONG_KIND_DICT || kind == PRONG_KIND_SET || kind == PRONG_KIND_FROZENSET;
}
static inline bool kind_is_number(prong_kind kind) {
    return kind == PRONG_KIND_BOOL || kind == PRONG_KIND_INT || kind == PRONG_KIND_FLOAT;
}

/* What comparing, hashing and copying has taken on this thread, in steps of some 20 ns. Values that hold each other many times
 * over, or keys that are made to collide, can make it take forever: a reader of foreign bytes sets a limit, beyond which all
 * comparisons are false at once and hashing fails, and then fails itself. */
struct value_work {
    size_t done, limit;
};
extern __attribute__((visibility("hidden"))) QUICK_LOCAL struct value_work value_work;
/* False: the limit is passed. */
static inline bool value_work_add(size_t steps) {
    value_work.done += steps;
    return value_work.done <= value_work.limit;
}
/* Of so many bytes that are compared or copied; that are hashed. */
static inline size_t value_work_of_copying(size_t size) {
    return size / 128;
}
static inline size_t value_work_of_hashing(size_t size) {
    return size / 32;
}

/* Of what has no node, 0. */
static inline uint32_t height_of(prong_value value) {
    if (!kind_has_node(value_kind(value)) || !value.pointer) return 0;
    return ((const struct node *)value.pointer)->height;
}
/* For a node that has this below. */
static inline void node_raise_height(struct node *node, prong_value below) {
    uint32_t height = height_of(below) + 1;
    if (height > node->height) node->height = height;
}
/* Into memory of the node's, which has them below then. */
static inline void node_copy_items(struct node *node, prong_value *to, const prong_value *items, size_t count) {
    uint32_t highest = node->height;
    for (size_t i = 0; i < count; i++) {
        uint32_t height = height_of(items[i]) + 1;
        to[i] = items[i];
        if (height > highest) highest = height;
    }
    node->height = highest;
}

/* --- making, without checks: what the readers and the public makers share --- */
prong_status make_text(prong_document *document, prong_kind kind, const void *data, size_t size, prong_value *value);
/* `size` bytes of a struct that begins with a node, cleared. */
static inline prong_status make_node(prong_document *document, size_t size, void *node) {
    struct node *made = document_take(document, size);
    if (!made) return PRONG_NO_MEMORY;
    memset(made, 0, size);
    made->height = 1;
    memcpy(node, &made, sizeof(made));
    return PRONG_OK;
}
prong_status make_tuple(prong_document *document, const prong_value *items, size_t count, prong_value *value);
prong_status make_list(prong_document *document, const prong_value *items, size_t count, prong_value *value);
prong_status make_table(prong_document *document, prong_kind kind, prong_value *value);
prong_status make_bytearray(prong_document *document, const void *data, size_t size, prong_value *value);
prong_status make_bytes_node(prong_document *document, prong_kind kind, const void *data, size_t size, bool read_only,
                             prong_value *value);
prong_status make_class(prong_document *document, prong_value module, prong_value name, prong_value *value);
prong_status make_complex(prong_document *document, double real, double imaginary, prong_value *value);
/* Fails where they are not all ints, or the step is 0. */
prong_status make_range(prong_document *document, prong_value start, prong_value stop, prong_value step,
                        prong_value *value);
/* From the caller's texts, which are checked. */
prong_status make_class_named(prong_document *document, const char *module, const char *name, prong_value *value);
prong_status make_object(prong_document *document, prong_value class, prong_value arguments, bool by_new,
                         prong_value *value);
prong_status make_handle(prong_document *document, const char *type, uint64_t offset, uint64_t generation,
                         prong_value *value);
/* From a handle as the program has it. Fails where there is no such type. */
prong_status make_handle_from(prong_document *document, const char *type, const void *handle, prong_value *value);
prong_status list_reserve(prong_document *document, prong_value list, size_t more);
prong_status list_extend(prong_document *document, prong_value list, const prong_value *items, size_t count);
/* Puts or replaces; of a set, value is ignored. */
prong_status table_put(prong_document *document, prong_value container, prong_value key, prong_value value);

/* The library's name for a handle's type, or NULL. */
const char *handle_type(const char *name, size_t size);

/* What the letters C, r and h of prong_scan do. */
prong_status class_names(prong_value value, const char **module, const char **name);
prong_status range_parts(prong_value value, prong_value *start, prong_value *stop, prong_value *step);
prong_status handle_parts(prong_value value, const char *type, void *handle);

prong_status expected(const char *what, prong_value found); /* fails: "expected str, found int" */

/* What a dict has for a key that is text of the caller's, without making a value of it. */
prong_status dict_find_text(prong_value dict, const char *key, size_t size, prong_value *value);
/* prong_build with its arguments as a list. */
prong_status value_build(prong_document *document, prong_value *value, const char *format, va_list list);
/* The arguments of a call, a tuple, and its keywords: a dict, or None. */
prong_status value_build_call(prong_document *document, prong_value *arguments, prong_value *keywords,
                              const char *format, va_list list);

/* A whole copy in one piece of malloc'ed memory, which the copy points to (free_packed); none for what needs no memory. */
prong_status value_pack(prong_value value, prong_value *packed);
void free_packed(prong_value packed);

#endif
