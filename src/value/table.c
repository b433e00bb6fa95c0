/* Tables: insertion-ordered, indexed by open addressing. */
#include "value/table.h"
#include "base/error.h"
#include "value/document.h"
#include "value/equal.h"
#include "value/node.h"
#include <string.h>

enum { FEW = 8, FIRST_CAPACITY = 4 };

static bool table_is_gap(const struct entry *entry) {
    return (entry->key.head & 0xff) == GAP;
}

/* Most keys are short strings: told apart here by length and first bytes, without a call. */
static inline bool table_same_key(prong_value a, prong_value b) {
    if (value_kind(a) == PRONG_KIND_STR && value_kind(b) == PRONG_KIND_STR) {
        if (a.head != b.head) return false;
        if (a.pointer == b.pointer) return true;
        value_work_add(value_work_of_copying(value_size(a)));
        return !value_size(a) || (*(const char *)a.pointer == *(const char *)b.pointer &&
                                  memcmp(a.pointer, b.pointer, value_size(a)) == 0);
    }
    return value_same(a, b) || prong_value_equal(a, b);
}

static struct entry *table_find_among_few(const struct table *table, prong_value key) {
    for (uint32_t i = 0; i < table->used; i++)
        if (!table_is_gap(&table->entries[i]) && table_same_key(table->entries[i].key, key)) return &table->entries[i];
    return NULL;
}

/* Slots of removed entries keep their place, so that a search passes over them. */
static struct entry *table_find_by_index(const struct table *table, prong_value key, uint32_t hash) {
    for (uint32_t i = hash & table->mask; table->index[i].place; i = (i + 1) & table->mask) {
        if (table->index[i].hash != hash) continue;
        struct entry *entry = &table->entries[table->index[i].place - 1];
        if (!table_is_gap(entry) && table_same_key(entry->key, key)) return entry;
    }
    return NULL;
}

prong_status table_find(const struct table *table, prong_value key, struct entry **entry) {
    uint32_t hash = 0;
    *entry = NULL;
    if (table->index || value_kind(key) != PRONG_KIND_STR) { /* a str is always a key; others may not be */
        prong_status status = value_hash(key, &hash);
        if (status < 0) return status;
    }
    *entry = table->index ? table_find_by_index(table, key, hash) : table_find_among_few(table, key);
    return PRONG_OK;
}

static void table_index_add(struct table *table, uint32_t hash, uint32_t place) {
    table->written++;
    uint32_t i = hash & table->mask;
    while (table->index[i].place) i = (i + 1) & table->mask;
    table->index[i] = (struct table_slot){hash, place + 1};
}

/* Slots are made for all the entries there is room for, and half as many again. */
static prong_status table_index_make(prong_document *document, struct table *table) {
    uint32_t slots = 16;
    while (slots < table->capacity + table->capacity / 2) slots *= 2;
    size_t size = slots * sizeof(struct table_slot);
    if (!table->index || table->mask + 1 != slots) {
        struct table_slot *index = document_take(document, size);
        if (!index) return PRONG_NO_MEMORY;
        document_drop(document, table->index, table->index ? (table->mask + 1) * sizeof(struct table_slot) : 0);
        table->index = index;
        table->mask = slots - 1;
    }
    memset(table->index, 0, size);
    table->written = 0;
    for (uint32_t i = 0; i < table->used; i++) {
        uint32_t hash;
        prong_status status = value_hash(table->entries[i].key, &hash);
        if (status < 0) return status;
        table_index_add(table, hash, i);
    }
    return PRONG_OK;
}

static void table_close_gaps(struct table *table) {
    uint32_t to = 0;
    for (uint32_t from = 0; from < table->used; from++)
        if (!table_is_gap(&table->entries[from])) table->entries[to++] = table->entries[from];
    table->used = to;
}

static prong_status table_resize(prong_document *document, struct table *table, size_t capacity) {
    if (capacity > UINT32_MAX / 4) return fail(PRONG_NO_MEMORY, "a dict or set of %zu items is too large", capacity);
    if (table->count < table->used) table_close_gaps(table);
    if (capacity > table->capacity) {
        struct entry *entries = document_grow(document, table->entries, table->capacity * sizeof(struct entry),
                                              capacity * sizeof(struct entry));
        if (!entries) return PRONG_NO_MEMORY;
        table->entries = entries;
        table->capacity = (uint32_t)capacity;
    }
    return table->capacity > FEW ? table_index_make(document, table) : PRONG_OK;
}

/* Exactly so many the first time; then by half at least: a caller that reserves for each batch would otherwise have each
 * batch copied and hashed again with every later one. */
prong_status table_reserve(prong_document *document, struct table *table, size_t entries) {
    if (entries <= table->capacity) return PRONG_OK;
    size_t least = (size_t)table->capacity + table->capacity / 2;
    return table_resize(document, table, entries > least ? entries : least);
}

/* No room: gaps are closed, or if there are few it grows. */
static prong_status table_make_room(prong_document *document, struct table *table) {
    size_t wanted = table->count < table->capacity - table->capacity / 4 ? table->capacity
                    : table->capacity < FEW                              ? table->capacity ? FEW : FIRST_CAPACITY
                                            : (size_t)table->capacity + table->capacity / 2;
    return table_resize(document, table, wanted);
}

prong_status table_insert(prong_document *document, struct table *table, prong_value key, struct entry **entry,
                          bool *added) {
    uint32_t hash = 0;
    prong_status status = PRONG_OK;
    *added = false;
    if (table->index || value_kind(key) != PRONG_KIND_STR) status = value_hash(key, &hash);
    if (status < 0) return status;
    *entry = table->index ? table_find_by_index(table, key, hash) : table_find_among_few(table, key);
    if (*entry) return PRONG_OK;
    bool had_index = table->index != NULL;
    if (table->used == table->capacity || (table->index && table->written == table->capacity))
        status = table_make_room(document, table);
    if (status >= 0 && table->index && !had_index) status = value_hash(key, &hash);
    if (status < 0) return status;
    *entry = &table->entries[table->used];
    **entry = (struct entry){.key = key};
    if (table->index) table_index_add(table, hash, table->used);
    table->used++;
    table->count++;
    *added = true;
    return PRONG_OK;
}

/* A bit of 64, by length and characters at its ends: if no two keys have the same, they are all different. */
static inline uint64_t table_key_mark(prong_value key) {
    const char *text = key.pointer;
    size_t size = value_size(key);
    unsigned ends = size ? (unsigned char)text[0] + 5u * (unsigned char)text[size - 1] : 0;
    return (uint64_t)1 << ((ends + 11 * size) & 63);
}

/* Different heads: different strs. */
static bool table_are_new_keys(const prong_value *pairs, size_t count) {
    uint64_t met = 0, mark;
    for (size_t i = 0; i < 2 * count; i += 2, met |= mark) {
        if (value_kind(pairs[i]) != PRONG_KIND_STR) return false;
        mark = table_key_mark(pairs[i]);
        for (size_t j = 0; met & mark && j < i; j += 2)
            if (pairs[j].head == pairs[i].head && table_same_key(pairs[j], pairs[i])) return false;
    }
    return true;
}

bool table_fill(prong_document *document, prong_value dict, const prong_value *pairs, size_t count) {
    struct table_node *node = (struct table_node *)(uintptr_t)dict.pointer;
    struct table *table = &node->table;
    if (!count || table->capacity || count > FEW || !table_are_new_keys(pairs, count)) return false;
    size_t capacity = count > FIRST_CAPACITY ? count : FIRST_CAPACITY;
    struct entry *entries = document_take(document, capacity * sizeof(*entries));
    if (!entries) return false;
    node_copy_items(&node->node, &entries->key, pairs, 2 * count);
    table->entries = entries;
    table->capacity = (uint32_t)capacity;
    table->used = table->count = (uint32_t)count;
    return true;
}
_Static_assert(sizeof(struct entry) == 2 * sizeof(prong_value), "an entry is a key and a value, one behind the other");

void table_remove(struct table *table, struct entry *entry) {
    *entry = (struct entry){.key.head = GAP};
    if (--table->count == 0) table_clear(table);
    while (table->used && table_is_gap(&table->entries[table->used - 1]))
        table->used--; /* slots may point to places beyond: what is there is a gap, or another with another hash */
}

void table_clear(struct table *table) {
    table->used = table->count = table->written = 0;
    if (table->index) memset(table->index, 0, ((size_t)table->mask + 1) * sizeof(struct table_slot));
}

void table_free(struct table *table) {
    document_drop(NULL, table->entries, 0);
    document_drop(NULL, table->index, 0);
    *table = (struct table){0};
}

size_t table_memory(const struct table *table) {
    return table->capacity * sizeof(struct entry) +
           (table->index ? ((size_t)table->mask + 1) * sizeof(struct table_slot) : 0);
}
