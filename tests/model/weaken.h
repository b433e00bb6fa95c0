/* Which orders are needed: each site's order is made weaker, one at a time, and what is explored must then show a violation. */
#ifndef MODEL_WEAKEN_H
#define MODEL_WEAKEN_H

#include "explorer.h"

enum { WEAKER_NOT, WEAKER_ACQ_REL, WEAKER_RELAXED };

static inline int weakened_order(struct model_site *site, int order) {
    site->reached = true;
    if (site->weakened == WEAKER_RELAXED) return __ATOMIC_RELAXED;
    return site->weakened == WEAKER_ACQ_REL && order == __ATOMIC_SEQ_CST ? __ATOMIC_ACQ_REL : order;
}

/* main() of a model. Without an argument: explores all. With a file: weakens each order, explores (`explore_orders`) and compares
 * with the file what is needed, which has lines `model function operation number written needed`. */
int model_main(int argc, char **argv, const char *name, int (*explore_all)(void), int (*explore_orders)(void));

#endif
