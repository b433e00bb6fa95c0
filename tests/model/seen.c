/* A table with open addressing. */
#include "seen.h"

#include <stdlib.h>

static struct hash *seen;
static size_t seen_used, seen_room;

void hash_bytes(struct hash *h, const void *bytes, size_t size) {
    const uint64_t *words = bytes;
    for (size_t i = 0; i < size / 8; i++) {
        if (!words[i]) continue; /* most are 0: a word's place is hashed with it */
        h->a = (h->a ^ words[i] ^ i << 44) * 0xff51afd7ed558ccdull;
        h->a ^= h->a >> 32;
        h->b = (h->b + words[i] + i) * 0xc4ceb9fe1a85ec53ull;
        h->b ^= h->b >> 29;
    }
}

static struct hash *seen_place(struct hash h) {
    size_t i = h.a % seen_room;
    while (seen[i].a && (seen[i].a != h.a || seen[i].b != h.b)) i = (i + 1) % seen_room;
    return &seen[i];
}

static void seen_grow(void) {
    struct hash *old = seen;
    size_t room = seen_room;
    seen_room = room ? room * 2 : 1 << 14;
    seen = calloc(seen_room, sizeof *seen);
    if (!seen) abort();
    for (size_t i = 0; i < room; i++)
        if (old[i].a) *seen_place(old[i]) = old[i];
    free(old);
}

void seen_clear(void) {
    free(seen);
    seen = NULL;
    seen_used = seen_room = 0;
}

bool seen_enter(struct hash hash) {
    if (hash.a == 0) hash.a = 1; /* 0 marks an empty place */
    if (seen_used * 2 >= seen_room) seen_grow();
    struct hash *place = seen_place(hash);
    if (place->a) return false;
    *place = hash;
    seen_used++;
    return true;
}

size_t seen_count(void) {
    return seen_used;
}
