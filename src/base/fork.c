#include "base/fork.h"
#include "base/interrupt.h"

#include <stddef.h>

struct fork_row fork_runtime;

static size_t fork_row_count(void) {
    size_t count = 0;
    while (fork_rows[count]) count++;
    return count;
}

static void fork_prepare(void) {
    for (size_t i = 0; fork_rows[i]; i++)
        if (fork_rows[i]->mutex) pthread_mutex_lock(fork_rows[i]->mutex);
}

static void fork_in_parent(void) {
    for (size_t i = fork_row_count(); i-- > 0;) {
        if (fork_rows[i]->in_parent) fork_rows[i]->in_parent();
        if (fork_rows[i]->mutex) pthread_mutex_unlock(fork_rows[i]->mutex);
    }
}

/* A mutex of the default type may be unlocked here, although the thread that locked it has another id in the child. */
static void fork_in_child(void) {
    interrupt_forget();
    for (size_t i = fork_row_count(); i-- > 0;) {
        if (fork_rows[i]->in_child) fork_rows[i]->in_child();
        if (fork_rows[i]->mutex) pthread_mutex_unlock(fork_rows[i]->mutex);
    }
}

__attribute__((constructor)) static void fork_watch(void) {
    pthread_atfork(fork_prepare, fork_in_parent, fork_in_child);
}
