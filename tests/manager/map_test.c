/* The maps by which a server finds references and sessions. */
#include "manager/server/map.h"
#include "../support/test.h"

enum { KEYS = 300, CHANGES = 200000 };

/* Keys that are near each other, and few, so that they meet in the same slots again and again. */
TEST(a_map_has_what_was_set_and_not_removed) {
    static uint64_t has[KEYS];
    struct map map = {0};
    uint64_t random = 1;
    size_t count = 0, at = 0, met = 0;
    equal(map_get(&map, 7), 0);
    map_remove(&map, 7);
    for (int i = 0; i < CHANGES; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t key = (random >> 33) % KEYS, value = (random >> 50) % 3;
        count = count + (value && !has[key]) - (!value && has[key]);
        if (value)
            check(map_set(&map, key * 16, value));
        else
            map_remove(&map, key * 16);
        has[key] = value;
        equal(map.count, count);
        if (i % 1000 == 0)
            for (uint64_t k = 0; k < KEYS; k++) equal(map_get(&map, k * 16), has[k]);
    }
    for (const struct map_slot *slot; (slot = map_next(&map, &at)); met++) equal(slot->value, has[slot->key / 16]);
    equal(met, count);
    map_free(&map);
    equal(map_get(&map, 16), 0);
}

/* A request costs the same however many objects a client has. */
TEST(a_map_of_many_finds_each) {
    struct map map = {0};
    for (uint64_t i = 1; i <= 100000; i++) check(map_set(&map, i << 4, i));
    for (uint64_t i = 1; i <= 100000; i++) equal(map_get(&map, i << 4), i);
    for (uint64_t i = 1; i <= 100000; i += 2) map_remove(&map, i << 4);
    for (uint64_t i = 1; i <= 100000; i++) equal(map_get(&map, i << 4), i % 2 ? 0 : i);
    map_free(&map);
}
