/* What the demo prints. */
#ifndef PRINT_H
#define PRINT_H

#include "parallel.h"

struct settings {
    const char *path;
    bool chosen; /* the path was given */
    bool kill;
    unsigned processes;
};

void print_beginning(const struct settings *settings, const struct tree *tree);
void print_words(const struct settings *settings, const struct tree *tree, struct parallel *parallel);
/* apart: the seconds that independent processes take. */
void print_speed(const struct settings *settings, const struct parallel *parallel, double apart);
/* What each worker has done. */
void print_shares(const struct parallel *parallel);
/* Returns whether all results are the same as the serial ones. */
bool print_comparison(const struct parallel *parallel);
void print_what_is_next(const struct settings *settings);

#endif
