#include "words.h"
#include "../example.h"

/* The slot of the word with this hash, or the free one where it is to be put. */
static uint32_t *words_place(const struct words *words, uint64_t hash) {
    size_t mask = 2 * words->capacity - 1, i = hash & mask;
    while (words->places[i] && words->all[words->places[i] - 1].hash != hash) i = (i + 1) & mask;
    return &words->places[i];
}

static void words_grow(struct words *words) {
    words->capacity = words->capacity ? words->capacity * 2 : 2048;
    words->all = must_have(realloc(words->all, words->capacity * sizeof *words->all));
    free(words->places);
    words->places = must_have(calloc(2 * words->capacity, sizeof *words->places));
    for (size_t i = 0; i < words->count; i++) *words_place(words, words->all[i].hash) = (uint32_t)(i + 1);
}

void words_add(struct words *words, const struct word *word) {
    if (words->count == words->capacity) words_grow(words);
    uint32_t *place = words_place(words, word->hash);
    if (*place) {
        words->all[*place - 1].count += word->count;
    } else {
        words->all[words->count++] = *word;
        *place = (uint32_t)words->count;
    }
}

static int words_compare(const void *a, const void *b) {
    const struct word *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->text, y->text);
}

void words_sort(struct words *words) {
    if (words->count) qsort(words->all, words->count, sizeof *words->all, words_compare);
}

void words_free(struct words *words) {
    free(words->all);
    free(words->places);
    *words = (struct words){0};
}
