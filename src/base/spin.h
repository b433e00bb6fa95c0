/* Spinning before sleeping, where each check is a system call. A process that sleeps takes long to wake up, so spinning
 * pays when the answer comes soon; whether it does is learnt from the last times. */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

#include "base/deadline.h"
#include <sched.h>

/* Nanoseconds; and how often to spin for the longest time again, in case things have changed. */
enum { SPIN_LONGEST = 50000, SPIN_SHORTEST = 1000, SPIN_FULL_EVERY = 64 };

struct spin {
    int64_t span; /* how long to spin next time; the longest at first */
    unsigned tries;
};

/* True as soon as look(context) is true; yields the processor between two checks. False without a check if spinning has
 * not paid lately: then sleep at once. */
static inline bool spin(struct spin *spin, bool (*look)(void *), void *context) {
    if (spin->span < SPIN_SHORTEST) {
        if (++spin->tries % SPIN_FULL_EVERY) return false;
        spin->span = SPIN_LONGEST;
    }
    int64_t end = clock_now() + spin->span;
    do {
        if (look(context)) {
            if (spin->span < SPIN_LONGEST) spin->span *= 2;
            return true;
        }
        sched_yield();
    } while (clock_now() < end);
    spin->span /= 4;
    return false;
}

#endif
