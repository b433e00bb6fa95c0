/* One item of a wait for many (prong_wait). Each kind has a function that fills this in: see channel/source.h. */
#ifndef FAMILY_WAITED_H
#define FAMILY_WAITED_H

#include "family/waitq.h"

struct waited {
    int descriptor;              /* readable when it is ready; -1: none */
    struct waitq *queue;         /* notified when it may be ready; NULL: none */
    void *object;                /* the kind's own, as is what follows */
    uint64_t offset, generation; /* the handle */
    uint64_t before;             /* how it was at first */
    /* Whether it is ready, or destroyed, without looking at the descriptor. NULL: only that counts. */
    bool (*ready)(const struct waited *waited);
    /* Buries dead members whose death makes the item ready, or delays it. NULL: there are none. */
    void (*look)(const struct waited *waited);
    /* Called after the queue is watched, and before `ready` is asked: see channel/bias.h. NULL: not needed. */
    void (*settle)(const struct waited *waited);
    /* Called when the item was found not ready: corrects its bell. NULL: it has none. */
    void (*nothing)(const struct waited *waited);
};

/* For an object that is destroyed already: it is always ready. */
static inline bool waited_always(const struct waited *waited) {
    (void)waited;
    return true;
}

#endif
