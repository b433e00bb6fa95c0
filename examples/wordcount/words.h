/* A table of words, with how often each of them occurs. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>
#include <stdint.h>

enum { WORD_SIZE = 32 };

struct word {
    uint64_t hash, count;
    char text[WORD_SIZE]; /* cut off at that; the hash is of the whole word */
};

/* All zero: an empty table. It grows as it fills; a program that has no more memory ends. */
struct words {
    struct word *all; /* one after the other */
    size_t count, capacity;
    uint32_t *places; /* a hash table of twice the capacity: an index in `all`, plus 1; 0: free */
};

/* Adds the word's count to what the table has of it. */
void words_add(struct words *words, const struct word *word);
/* The most frequent first. No more can be added then. */
void words_sort(struct words *words);
void words_free(struct words *words);

#endif
