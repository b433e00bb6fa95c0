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
/* Counts the same tasks by that many independent processes, and drops the results: the best that so many processes can
 * do on this machine. Returns the seconds that it took; 0 if they cannot be started. */
double count_apart(const struct tree *tree, size_t processes);
/* Seconds since some time in the past. */
double now(void);

#endif
