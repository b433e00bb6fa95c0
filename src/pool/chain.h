/* Chains of what belongs to a pool, in the arena, changed under its guard. `link`: where an object has its place in the chain, as by
 * offsetof. */
#ifndef POOL_CHAIN_H
#define POOL_CHAIN_H

#include "pool/pool.h"

/* Words that each sets at most, for the guard's journal. */
enum { CHAIN_ADD_WORDS = 4, CHAIN_REMOVE_WORDS = 3 };

static inline struct chain_link *chain_place(uint64_t object, size_t link) {
    return (struct chain_link *)(void *)((char *)arena_at(object) + link);
}

static inline void chain_set(struct pool *pool, uint64_t *word, uint64_t value) {
    if (*word != value) guard_set(&pool->guard, word, value);
}

static inline bool chain_has(const struct chain *chain, const void *object, size_t link) {
    uint64_t offset = arena_offset(object);
    return chain_place(offset, link)->previous || chain->first == offset;
}

static inline void chain_add(struct pool *pool, struct chain *chain, const void *object, size_t link) {
    uint64_t offset = arena_offset(object), last = chain->last;
    struct chain_link *mine = chain_place(offset, link);
    chain_set(pool, &mine->next, 0);
    chain_set(pool, &mine->previous, last);
    chain_set(pool, last ? &chain_place(last, link)->next : &chain->first, offset);
    chain_set(pool, &chain->last, offset);
}

static inline void chain_remove(struct pool *pool, struct chain *chain, const void *object, size_t link) {
    if (!chain_has(chain, object, link)) return;
    struct chain_link *mine = chain_place(arena_offset(object), link);
    uint64_t before = mine->previous, after = mine->next;
    chain_set(pool, before ? &chain_place(before, link)->next : &chain->first, after);
    chain_set(pool, after ? &chain_place(after, link)->previous : &chain->last, before);
    chain_set(pool, &mine->previous, 0);
}

#endif
