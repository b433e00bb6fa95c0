/* Lists of what belongs to a pool, in the arena, changed under its guard. `link`: where an object has its place in the list, as by
 * offsetof. */
#ifndef POOL_LIST_H
#define POOL_LIST_H

#include "pool/pool.h"

/* Words that each sets at most, for the guard's journal. */
enum { LIST_ADD_WORDS = 4, LIST_REMOVE_WORDS = 3 };

static inline struct link *list_link(uint64_t object, size_t link) {
    return (struct link *)(void *)((char *)arena_at(object) + link);
}

static inline void list_set(struct pool *pool, uint64_t *word, uint64_t value) {
    if (*word != value) guard_set(&pool->guard, word, value);
}

static inline bool list_has(const struct list *list, const void *object, size_t link) {
    uint64_t offset = arena_offset(object);
    return list_link(offset, link)->previous || list->first == offset;
}

static inline void list_add(struct pool *pool, struct list *list, const void *object, size_t link) {
    uint64_t offset = arena_offset(object), last = list->last;
    struct link *mine = list_link(offset, link);
    list_set(pool, &mine->next, 0);
    list_set(pool, &mine->previous, last);
    list_set(pool, last ? &list_link(last, link)->next : &list->first, offset);
    list_set(pool, &list->last, offset);
}

static inline void list_remove(struct pool *pool, struct list *list, const void *object, size_t link) {
    if (!list_has(list, object, link)) return;
    struct link *mine = list_link(arena_offset(object), link);
    uint64_t before = mine->previous, after = mine->next;
    list_set(pool, before ? &list_link(before, link)->next : &list->first, after);
    list_set(pool, after ? &list_link(after, link)->previous : &list->last, before);
    list_set(pool, &mine->previous, 0);
}

#endif
