/* Where a program may be. */
#ifndef PROCESS_PATHS_H
#define PROCESS_PATHS_H

#include <prong/status.h>

struct paths {
    const char *one[2]; /* a program whose place is given; most are, and nothing is allocated then */
    const char **list;  /* and a NULL */
    char *text;         /* what they point into */
};

/* The places of a program, in the order of PATH as it is in that environment. */
prong_status paths_find(struct paths *paths, const char *program, char *const *environment);
/* Also of one that could not be filled, or that is all zero. */
void paths_free(struct paths *paths);

#endif
