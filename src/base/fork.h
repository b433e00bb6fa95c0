/* What happens around a fork: one pthread_atfork, one ordered table.
 *
 * A row of the table is a mutex of this process, and what a forked child forgets of what it guards. A fork first takes the
 * mutexes of all rows, so that the child finds everything whole, whatever the parent's other threads were doing. In the child,
 * which has none of those threads, each row forgets what was the parent's alone. Rows are there from the moment at which the
 * library is loaded: no first use can come too late for a fork.
 *
 * The order of the rows is the order in which the mutexes may nest: a thread that holds one may take those of later rows,
 * never those of earlier ones. */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include <pthread.h>

enum fork_row {
    FORK_POOLS,     /* the pools that this process owns */
    FORK_SERVER,    /* its fork server */
    FORK_CHILDREN,  /* the processes that it started */
    FORK_NOTES,     /* what it alone knows of its jobs */
    FORK_DETACHED,  /* programs that nobody waits for any more */
    FORK_FUNCTIONS, /* looking through the loaded objects */
    FORK_AUTH,      /* the challenges that it has outstanding */
    FORK_FAMILY,    /* entering the family */
    FORK_BELLS,     /* its descriptors for queues and connections */
    FORK_RUNTIME,   /* what a language runtime on top of the library keeps */
    FORK_ROWS
};

/* in_parent and in_child run with the mutexes of all rows held; either may be NULL. Called from constructors. */
void fork_register(enum fork_row row, pthread_mutex_t *mutex, void (*in_parent)(void), void (*in_child)(void));

/* Defines a mutex of this file and registers it as the row's. */
#define FORK_MUTEX(row, mutex, in_child)                                                                               \
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;                                                          \
    __attribute__((constructor)) static void mutex##_register(void) {                                                  \
        fork_register(row, &mutex, NULL, in_child);                                                                    \
    }

#endif
