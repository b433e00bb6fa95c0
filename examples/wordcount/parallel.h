/* The words of a tree counted by a pool of processes, and compared with the serial count. */
#ifndef PARALLEL_H
#define PARALLEL_H

#include "killer.h"
#include "serial.h"

enum { SHARES = 4096 };

struct share {
    int64_t pid; /* of a worker */
    uint64_t tasks, words;
};

struct parallel {
    const struct serial *serial;
    struct killer *killer;
    struct words words;
    struct sums sums;
    struct share shares[SHARES]; /* of the first workers that had done a task */
    size_t begun_again;          /* tasks whose worker died */
    size_t differing;            /* tasks that came out otherwise than serially */
    size_t left_out;             /* those that may, because their files changed meanwhile */
    double seconds;
};

/* Begin with {.serial = &serial, .killer = &killer}. Tells the killer of each task that has ended. */
void count_in_parallel(struct parallel *parallel, const struct tree *tree, prong_pool pool);
size_t worker_count(prong_pool pool);

#endif
