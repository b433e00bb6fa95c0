#include "base/fork.h"
#include "base/interrupt.h"

static struct {
    pthread_mutex_t *mutex; /* NULL: the row's file is not part of this program */
    void (*in_parent)(void), (*in_child)(void);
} rows[FORK_ROWS];

static void fork_prepare(void) {
    for (int row = 0; row < FORK_ROWS; row++)
        if (rows[row].mutex) pthread_mutex_lock(rows[row].mutex);
}

static void fork_in_parent(void) {
    for (int row = FORK_ROWS; row-- > 0;) {
        if (rows[row].in_parent) rows[row].in_parent();
        if (rows[row].mutex) pthread_mutex_unlock(rows[row].mutex);
    }
}

/* A mutex of the default type may be unlocked here, though the thread that locked it has another number in the child. */
static void fork_in_child(void) {
    interrupt_forget();
    for (int row = FORK_ROWS; row-- > 0;) {
        if (rows[row].in_child) rows[row].in_child();
        if (rows[row].mutex) pthread_mutex_unlock(rows[row].mutex);
    }
}

void fork_register(enum fork_row row, pthread_mutex_t *mutex, void (*in_parent)(void), void (*in_child)(void)) {
    static int registered; /* constructors run one at a time */
    rows[row].mutex = mutex;
    rows[row].in_parent = in_parent;
    rows[row].in_child = in_child;
    if (!registered) registered = pthread_atfork(fork_prepare, fork_in_parent, fork_in_child) == 0;
}
