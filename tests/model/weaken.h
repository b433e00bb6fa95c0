/* What is needed: each site's order is made weaker, or a site is left out, one at a time, and what is explored must then show a
 * violation. */
#ifndef MODEL_WEAKEN_H
#define MODEL_WEAKEN_H

#include "explorer.h"

enum { WEAKER_NOT, WEAKER_ACQ_REL, WEAKER_RELAXED, LEFT_OUT };

/* Explorations are numbered, the last ones in common: where a site was not reached, changing it changes nothing. */
enum { EXPLORATIONS_TOLD_APART = 64 };
uint64_t exploration_bit(void);
void explorations_begin(void);
/* Counts the one that begins. False: it need not be repeated, with the one site that is changed. */
bool exploration_begins(void);

static inline int weakened_order(struct model_site *site, int order) {
    site->reached |= exploration_bit();
    if (site->weakened == WEAKER_RELAXED) return __ATOMIC_RELAXED;
    return site->weakened == WEAKER_ACQ_REL && order == __ATOMIC_SEQ_CST ? __ATOMIC_ACQ_REL : order;
}

/* As if the code had not been written: nothing is stored, no thread is woken; a compare-and-swap only says what it found. */
static inline bool is_left_out(const struct model_site *site) {
    return site->weakened == LEFT_OUT;
}

struct explorations {
    const char *name;    /* of the model */
    int (*all)(void);    /* returns how many it has explored */
    int (*orders)(void); /* with a model of memory; NULL: none */
    int (*quick)(void);  /* enough to find what is left out; NULL: all */
};

/* main() of a model. Without arguments: explores all. `orders FILE`: weakens each order, explores and compares with the file what
 * is needed, which has lines `model function operation number written needed`; then relaxes at once all those that need no order, but
 * for those that have `alone` behind that. `mutations FILE`: leaves out each site that the
 * file names, in lines `model function operation number: what would go wrong`, and passes if each shows a violation. */
int model_main(int argc, char **argv, const struct explorations *explorations);

#endif
