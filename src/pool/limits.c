/* A heap of numbers of hands in the arena. A hand knows its place, so that it is taken out without a search. */
#include "pool/limits.h"

_Static_assert(MEMBER_LIMIT <= 5461, "LIMIT_LEVELS levels have room for all hands");

static uint64_t *limit_word(const struct pool *pool, uint64_t at) {
    return (uint64_t *)arena_at(pool->limits) + at;
}

static struct hand *limit_hand(const struct pool *pool, uint64_t at) {
    return pool_hand(pool, *limit_word(pool, at));
}

static void limit_put(struct pool *pool, uint64_t at, struct hand *hand) {
    guard_set(&pool->guard, limit_word(pool, at), (uint64_t)(hand - pool_hand(pool, 0)));
    guard_set(&pool->guard, &hand->limit_at, at + 1);
}

/* Puts the hand at that place, which is free, or above it; what is in its way moves down. */
static void limit_rise(struct pool *pool, uint64_t at, struct hand *hand) {
    while (at > 0) {
        struct hand *parent = limit_hand(pool, (at - 1) / LIMIT_CHILDREN);
        if (parent->ends_at <= hand->ends_at) break;
        limit_put(pool, at, parent);
        at = (at - 1) / LIMIT_CHILDREN;
    }
    limit_put(pool, at, hand);
}

/* The child that ends first; limit_count: there is none. */
static uint64_t limit_first_child(const struct pool *pool, uint64_t at) {
    uint64_t best = at * LIMIT_CHILDREN + 1, end = best + LIMIT_CHILDREN;
    if (best >= pool->limit_count) return pool->limit_count;
    for (uint64_t child = best + 1; child < end && child < pool->limit_count; child++)
        if (limit_hand(pool, child)->ends_at < limit_hand(pool, best)->ends_at) best = child;
    return best;
}

/* Puts the hand at that place, which is free, or below it. */
static void limit_sink(struct pool *pool, uint64_t at, struct hand *hand) {
    for (uint64_t child; (child = limit_first_child(pool, at)) < pool->limit_count; at = child) {
        struct hand *first = limit_hand(pool, child);
        if (hand->ends_at <= first->ends_at) break;
        limit_put(pool, at, first);
    }
    limit_put(pool, at, hand);
}

bool limits_add(struct pool *pool, struct hand *hand) {
    guard_set(&pool->guard, &pool->limit_count, pool->limit_count + 1);
    limit_rise(pool, pool->limit_count - 1, hand);
    return hand->ends_at < pool->limits_looked_until;
}

void limits_remove(struct pool *pool, struct hand *hand) {
    if (!hand->limit_at) return;
    uint64_t at = hand->limit_at - 1;
    struct hand *last = limit_hand(pool, pool->limit_count - 1);
    guard_set(&pool->guard, &pool->limit_count, pool->limit_count - 1);
    guard_set(&pool->guard, &hand->limit_at, 0);
    if (last == hand) return;
    if (at > 0 && limit_hand(pool, (at - 1) / LIMIT_CHILDREN)->ends_at > last->ends_at)
        limit_rise(pool, at, last);
    else
        limit_sink(pool, at, last);
}

struct hand *limits_first(const struct pool *pool) {
    return pool->limit_count ? limit_hand(pool, 0) : NULL;
}
