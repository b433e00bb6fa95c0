/* Maps from numbers to numbers that are not 0 (or pointers), of what a server looks up with each request. */
#ifndef MANAGER_SERVER_MAP_H
#define MANAGER_SERVER_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Open addressing; all zero: empty. */
struct map_slot {
    uint64_t key, value; /* value 0: free */
};
struct map {
    struct map_slot *slots;
    size_t count, capacity; /* capacity: a power of two, or 0 */
};

/* What a key has, or 0. */
uint64_t map_get(const struct map *map, uint64_t key);
/* Puts a value, or replaces it; false: no memory, and nothing has changed. */
bool map_set(struct map *map, uint64_t key, uint64_t value);
/* Takes a key out, if it is in. */
void map_remove(struct map *map, uint64_t key);
/* The slots that are in use, one after the other from *at (0 at first) on; then NULL. */
const struct map_slot *map_next(const struct map *map, size_t *at);
void map_free(struct map *map);

#endif
