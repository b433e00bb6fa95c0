/* A worker's main function. */
#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include <prong/pool.h>
#include <stddef.h>
#include <stdint.h>

int worker_main(void *argument, size_t size);
struct worker_argument {
    prong_pool pool;
    uint64_t place; /* among the pool's workers */
};

#endif
