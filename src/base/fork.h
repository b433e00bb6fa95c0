/* What happens around a fork: one pthread_atfork, one ordered table.
 *
 * A row of the table is a mutex of this process, and a function that drops, in a forked child, the part of the guarded
 * data that belongs to the parent alone. A fork first takes the mutexes of all rows, so that the child finds all data
 * consistent, whatever the parent's other threads were doing. In the child, which has none of those threads, the
 * function of each row is called. The table is constant: every row takes part in every fork, also one whose mutex was
 * never used.
 *
 * A row is defined beside the mutex; src/upward.c has the list. Its order is the order in which the mutexes may nest: a
 * thread that holds one may take those of later rows, never those of earlier ones. */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include <pthread.h>

struct fork_row {
    pthread_mutex_t *mutex;                     /* NULL: none */
    void (*in_parent)(void), (*in_child)(void); /* run with the mutexes of all rows held; either may be NULL */
};

/* Up to a NULL. Defined in src/upward.c. */
extern const struct fork_row *const fork_rows[];

/* The last row, for a language runtime on top of the library, which fills it in before it forks. */
extern struct fork_row fork_runtime;

/* Defines a mutex of this file, and fork_<row> for it. */
#define FORK_MUTEX(row, mutex, in_child)                                                                               \
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;                                                          \
    extern const struct fork_row fork_##row;                                                                           \
    const struct fork_row fork_##row = {&mutex, NULL, in_child};

#endif
