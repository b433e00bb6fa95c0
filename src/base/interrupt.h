/* A wait of the calling thread that a language runtime breaks off, because a signal handler of its own says so: the wait
 * then ends as if its time were up. */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <stdbool.h>

extern bool (*interrupt_hook)(void); /* true: end the wait. May be NULL */
extern _Thread_local bool wait_cancelled;

/* After each sleep, with no guard held: the hook may take an interpreter's lock. */
static inline void interrupt_look(void) {
    if (interrupt_hook && interrupt_hook()) wait_cancelled = true;
}

#endif
