/* The words of a tree counted in this process, one task after the other. */
#ifndef SERIAL_H
#define SERIAL_H

#include "count.h"
#include "tree.h"

struct serial {
    struct sums *tasks; /* of each task, to compare with */
    size_t count, different_words;
    double seconds;
};

void count_serially(struct serial *serial, const struct tree *tree);
void serial_free(struct serial *serial);
/* Seconds since some time in the past. */
double now(void);

#endif
