#define _GNU_SOURCE
#include "serial.h"
#include "../example.h"

#include <sys/wait.h>
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

/* Each n-th task. */
static void count_share(const struct tree *tree, size_t first, size_t n) {
    struct tasks tasks = {.tree = tree};
    struct words words = {0};
    struct sums sums = {0};
    size_t size;
    for (size_t i = 0; (size = tasks_next(&tasks)); i++)
        if (i % n == first) count_pieces(&words, &sums, tasks.pieces, size);
}

double count_apart(const struct tree *tree, size_t processes) {
    size_t begun = 0;
    double start = now();
    fflush(NULL);
    for (pid_t pid = 0; begun < processes && (pid = fork()) >= 0; begun++)
        if (pid == 0) {
            count_share(tree, begun, processes);
            _exit(0);
        }
    for (size_t i = 0; i < begun; i++) wait(NULL);
    return begun == processes ? now() - start : 0;
}

void serial_free(struct serial *serial) {
    free(serial->tasks);
    *serial = (struct serial){0};
}
