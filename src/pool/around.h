/* What goes around the tasks of a pool's workers (a prong_worker_options), as the pool in the arena keeps it. */
#ifndef POOL_AROUND_H
#define POOL_AROUND_H

#include "pool/hook.h"

#include <prong/status.h>
#include <prong/worker.h>
#include <stdbool.h>
#include <stdint.h>

struct around {
    uint64_t threads; /* 0: as they are */
    uint64_t cpus;    /* a block of strings, or 0 */
    struct hook exit;
    uint64_t exit_limit; /* 0: none */
};

/* options may be NULL. Errors: PRONG_INVALID. */
prong_status around_check(const prong_worker_options *options);
/* What was kept in part is freed by around_free. */
prong_status around_keep(struct around *around, const prong_worker_options *options, bool forked);
void around_free(struct around *around);
/* In a worker, before its initializer. own_image: it was started by spawn. Returns as an initializer does. */
int around_begin(const struct around *around, uint64_t place, bool own_image);

#endif
