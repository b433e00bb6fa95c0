/* The heap of time limits, from inside: the first to end is on top, whatever is added and removed, and a step that is undone
 * leaves it as it was. */
#include "../support/test.h"

#include "family/heap.h"
#include "pool/limits.h"

#include <stdlib.h>
#include <string.h>

enum { HANDS = 600 };

static uint64_t table(size_t size) {
    uint64_t at;
    ok(heap_alloc(size, 0, &at, NULL));
    memset(arena_at(at), 0, size);
    return at;
}

static struct pool *pool_with_hands(void) {
    ok(prong_family_check(NULL)); /* there is a family */
    struct pool *pool = arena_at(table(sizeof *pool));
    pool->workers = table(HANDS * sizeof(struct worker));
    pool->hands = table(HANDS * sizeof(struct hand));
    pool->limits = table(HANDS * sizeof(uint64_t));
    pool->worker_count = HANDS;
    pool->limits_looked_until = PRONG_FOREVER;
    check(guard_enter(&pool->guard, PRONG_FOREVER));
    return pool;
}

static int64_t first_by_search(const struct pool *pool) {
    int64_t first = 0;
    for (int i = 0; i < HANDS; i++) {
        const struct hand *hand = pool_hand(pool, (uint64_t)i);
        if (hand->limit_at && (!first || hand->ends_at < first)) first = hand->ends_at;
    }
    return first;
}

static void check_heap(const struct pool *pool) {
    const struct hand *first = limits_first(pool);
    equal(first ? first->ends_at : 0, first_by_search(pool));
    for (uint64_t at = 0; at < pool->limit_count; at++)
        equal(pool_hand(pool, ((uint64_t *)arena_at(pool->limits))[at])->limit_at, at + 1);
}

static void add_or_remove(struct pool *pool, struct hand *hand, int64_t ends_at) {
    if (hand->limit_at) {
        limits_remove(pool, hand);
    } else {
        hand->ends_at = ends_at;
        limits_add(pool, hand);
    }
}

TEST(the_first_to_end_is_on_top) {
    struct pool *pool = pool_with_hands();
    unsigned seed = 11;
    for (int i = 0; i < 20000; i++) {
        add_or_remove(pool, pool_hand(pool, (uint64_t)rand_r(&seed) % HANDS), 1 + rand_r(&seed) % 1000);
        guard_commit(&pool->guard);
        if (i % 50 == 0) check_heap(pool);
    }
    for (struct hand *hand; (hand = limits_first(pool));) {
        equal(hand->ends_at, first_by_search(pool));
        limits_remove(pool, hand);
        guard_commit(&pool->guard);
    }
    equal(pool->limit_count, 0);
    guard_leave(&pool->guard);
}

TEST(what_is_undone_is_as_before) {
    struct pool *pool = pool_with_hands();
    unsigned seed = 13;
    static uint64_t before[HANDS];
    for (int i = 0; i < 4000; i++) {
        add_or_remove(pool, pool_hand(pool, (uint64_t)rand_r(&seed) % HANDS), 1 + rand_r(&seed) % 1000);
        guard_commit(&pool->guard);
        uint64_t count = pool->limit_count;
        memcpy(before, arena_at(pool->limits), sizeof before);
        struct hand *hand = pool_hand(pool, (uint64_t)rand_r(&seed) % HANDS);
        int64_t ends_at = hand->ends_at;
        add_or_remove(pool, hand, 1 + rand_r(&seed) % 1000);
        guard_undo(&pool->guard);
        hand->ends_at = ends_at;
        equal(pool->limit_count, count);
        check(memcmp(before, arena_at(pool->limits), count * sizeof *before) == 0);
        if (i % 50 == 0) check_heap(pool);
    }
    guard_leave(&pool->guard);
}

TEST(the_owner_is_told_of_what_ends_before_it_looks) {
    struct pool *pool = pool_with_hands();
    struct hand *hand = pool_hand(pool, 0), *other = pool_hand(pool, 1);
    hand->ends_at = 500;
    check(limits_add(pool, hand));
    pool->limits_looked_until = 500;
    other->ends_at = 500;
    check(!limits_add(pool, other));
    limits_remove(pool, other);
    other->ends_at = 499;
    check(limits_add(pool, other));
    equal(limits_first(pool)->ends_at, 499);
    limits_remove(pool, other);
    limits_remove(pool, other); /* it is not there */
    equal(pool->limit_count, 1);
    guard_leave(&pool->guard);
}
