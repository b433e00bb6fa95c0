/* The set of states that were visited, by their hashes of 128 bits. */
#ifndef MODEL_SEEN_H
#define MODEL_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash {
    uint64_t a, b;
};
#define HASH_BEGIN ((struct hash){0x9e3779b97f4a7c15ull, 0xc2b2ae3d27d4eb4full})

void hash_bytes(struct hash *hash, const void *bytes, size_t size);

void seen_clear(void);
/* Whether the state is new; it is in the set from now on. */
bool seen_enter(struct hash hash);
size_t seen_count(void);

#endif
