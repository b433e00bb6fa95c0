/* Linear probing; at most half of the slots are in use. */
#include "manager/server/map.h"
#include <stdlib.h>

enum { MAP_FIRST = 16 };

static size_t map_home(const struct map *map, uint64_t key) {
    uint64_t word = key * 0x9e3779b97f4a7c15u;
    return (size_t)(word ^ word >> 32) & (map->capacity - 1);
}

/* The key's slot, or the free one where it would be. There is always a free one. */
static struct map_slot *map_find(const struct map *map, uint64_t key) {
    size_t at = map_home(map, key);
    while (map->slots[at].value && map->slots[at].key != key) at = (at + 1) & (map->capacity - 1);
    return &map->slots[at];
}

uint64_t map_get(const struct map *map, uint64_t key) {
    return map->capacity ? map_find(map, key)->value : 0;
}

static bool map_grow(struct map *map) {
    struct map larger = {.capacity = map->capacity ? map->capacity * 2 : MAP_FIRST, .count = map->count};
    larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
    if (!larger.slots) return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value) *map_find(&larger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = larger;
    return true;
}

bool map_set(struct map *map, uint64_t key, uint64_t value) {
    bool is_new = map_get(map, key) == 0;
    if (is_new && map->count >= map->capacity / 2 && !map_grow(map)) return false;
    *map_find(map, key) = (struct map_slot){key, value};
    map->count += is_new;
    return true;
}

/* Later slots move into the gap, unless a search for them begins behind it. */
void map_remove(struct map *map, uint64_t key) {
    struct map_slot *slot = map->capacity ? map_find(map, key) : NULL;
    if (!slot || !slot->value) return;
    size_t mask = map->capacity - 1, gap = (size_t)(slot - map->slots);
    for (size_t at = (gap + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
        size_t from_home = (at - map_home(map, map->slots[at].key)) & mask;
        if (from_home < ((at - gap) & mask)) continue;
        map->slots[gap] = map->slots[at];
        gap = at;
    }
    map->slots[gap] = (struct map_slot){0};
    map->count--;
}

const struct map_slot *map_next(const struct map *map, size_t *at) {
    while (*at < map->capacity)
        if (map->slots[(*at)++].value) return &map->slots[*at - 1];
    return NULL;
}

void map_free(struct map *map) {
    free(map->slots);
    *map = (struct map){0};
}
