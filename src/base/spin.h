/* Looking for a while before going to sleep, where a look is a system call. A process that has gone to sleep takes long to
 * wake up, so it pays where an answer is near; whether it is, is learnt from the last times. */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

#include "base/deadline.h"
#include <sched.h>

enum {
    SPIN_LONGEST = 50000,
    SPIN_FULL_EVERY = 64
}; /* nanoseconds; a full try now and then, in case things have changed */

struct spin {
    int64_t span; /* how long, the next time */
    unsigned tries;
};

/* True as soon as look(context) is; gives the processor away between two looks. */
static inline bool spin(struct spin *spin, bool (*look)(void *), void *context) {
    if (spin->tries++ % SPIN_FULL_EVERY == 0) spin->span = SPIN_LONGEST;
    if (spin->span < 1000) return look(context);
    int64_t end = clock_now() + spin->span;
    do {
        if (look(context)) {
            spin->span = SPIN_LONGEST;
            return true;
        }
        sched_yield();
    } while (clock_now() < end);
    spin->span /= 2;
    return false;
}

#endif
