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
/* Counts the same tasks by so many processes that have nothing to do with one another, and throws the results away: as fast as a
 * number of processes can be on this machine. Returns the seconds that it took; 0 where they cannot be started. */
double count_apart(const struct tree *tree, size_t processes);
/* Seconds since some time in the past. */
double now(void);

#endif
