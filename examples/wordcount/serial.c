#define _GNU_SOURCE
#include "serial.h"
#include "../example.h"

#include <time.h>

double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void count_serially(struct serial *serial, const struct tree *tree) {
    struct tasks tasks = {.tree = tree};
    struct words words = {0};
    size_t size, capacity = 0;
    double start = now();
    while ((size = tasks_next(&tasks))) {
        if (serial->count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            serial->tasks = must_have(realloc(serial->tasks, capacity * sizeof *serial->tasks));
        }
        serial->tasks[serial->count] = (struct sums){0};
        count_pieces(&words, &serial->tasks[serial->count++], tasks.pieces, size);
    }
    serial->seconds = now() - start;
    serial->different_words = words.count;
    words_free(&words);
}

void serial_free(struct serial *serial) {
    free(serial->tasks);
    *serial = (struct serial){0};
}
