/* What a wait for many things (prong_wait) knows of one of them. Each kind has a function that fills this in: see channel/source.h. */
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
    /* Buries the dead whose end makes it ready, or who kept it from that. NULL: there are none. */
    void (*look)(const struct waited *waited);
    /* The caller is told that it is not ready: a bell is right from then on. NULL: it has none. */
    void (*nothing)(const struct waited *waited);
};

/* For an object that is destroyed already: no call that it is passed to waits. */
static inline bool waited_always(const struct waited *waited) {
    (void)waited;
    return true;
}

#endif
