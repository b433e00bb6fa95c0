/* Tables: what is in dicts and sets. Entries stand in order of insertion; an index by hash is made when there are more
 * than a few. Keys are equal as in Python. A removed entry leaves a gap, which the next growth closes. */
#ifndef VALUE_TABLE_H
#define VALUE_TABLE_H

#include <prong/value.h>

struct entry {
    prong_value key, value;
};

/* The hash beside the place lets a look-up pass over others without touching their entries. */
struct table_slot {
    uint32_t hash;
    uint32_t place; /* of the entry, plus 1; 0: free */
};

struct table {
    struct entry *entries;
    struct table_slot *index; /* NULL while there are few */
    uint32_t used, count;     /* entries with gaps; without */
    uint32_t capacity, mask;  /* entries there is room for; slots - 1 */
    uint32_t written;         /* slots used since the index was made: those of removed entries stay */
};

/* Marks a gap; no value has this kind. */
enum { GAP = 0xff };

/* Hash of a key. Fails for what cannot be one. */
prong_status value_hash(prong_value key, uint32_t *hash);

/* Finds the key: its entry, or NULL. Fails for a key that cannot be one. */
prong_status table_find(const struct table *table, prong_value key, struct entry **entry);
/* Finds or makes it: *added tells which. A new entry's value is None. */
prong_status table_insert(prong_document *document, struct table *table, prong_value key, struct entry **entry,
                          bool *added);
/* All entries of a small dict at once: these pairs, if it has had none yet, and their keys are strs of which no two are
 * equal. False: nothing was done. */
bool table_fill(prong_document *document, prong_value dict, const prong_value *pairs, size_t count);
void table_remove(struct table *table, struct entry *entry);
/* The next entry from *at on, or NULL. */
static inline struct entry *table_next(const struct table *table, size_t *at) {
    while (*at < table->used) {
        struct entry *entry = &table->entries[(*at)++];
        if ((entry->key.head & 0xff) != GAP) return entry;
    }
    return NULL;
}
prong_status table_reserve(prong_document *document, struct table *table, size_t entries);
void table_clear(struct table *table);
/* For tables on malloc. */
void table_free(struct table *table);
size_t table_memory(const struct table *table);

#endif
