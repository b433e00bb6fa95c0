/* Deadlines: a public call turns its timeout into a point in time once, when it begins. */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include "base/interrupt.h"

#include <prong/time.h>
#include <stdbool.h>
#include <time.h>

/* A time of CLOCK_MONOTONIC in nanoseconds. PRONG_FOREVER never comes, PRONG_NOWAIT has passed already. */
typedef int64_t deadline_t;

static inline int64_t clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The same as of the last tick, some milliseconds ago: in a fraction of the time. */
static inline int64_t clock_last_tick(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline deadline_t deadline_after(prong_time span) {
    if (span <= 0) return PRONG_NOWAIT;
    if (span == PRONG_FOREVER) return PRONG_FOREVER;
    int64_t now = clock_now();
    return span > PRONG_FOREVER - now ? PRONG_FOREVER : now + span;
}

static inline bool deadline_passed(deadline_t deadline) {
    if (__builtin_expect(wait_cancelled, 0)) return true;
    if (deadline == PRONG_FOREVER) return false;
    return deadline == PRONG_NOWAIT || clock_now() >= deadline;
}

/* The earlier of a deadline and a span from now. */
static inline deadline_t deadline_within(deadline_t deadline, prong_time span) {
    deadline_t soon = deadline_after(span);
    return deadline < soon ? deadline : soon;
}

static inline deadline_t deadline_latest(deadline_t one, deadline_t other) {
    return one > other ? one : other;
}

/* The span that is left. */
static inline prong_time deadline_left(deadline_t deadline) {
    if (deadline == PRONG_FOREVER || deadline == PRONG_NOWAIT) return deadline;
    int64_t left = deadline - clock_now();
    return left > 0 ? left : PRONG_NOWAIT;
}

/* A point in time, or a span. */
static inline struct timespec timespec_of(int64_t nanoseconds) {
    return (struct timespec){.tv_sec = nanoseconds / 1000000000, .tv_nsec = (long)(nanoseconds % 1000000000)};
}

/* For poll(2): whole milliseconds left, rounded up; -1 is forever. */
static inline int deadline_poll_ms(deadline_t deadline) {
    if (deadline == PRONG_FOREVER) return -1;
    int64_t left = deadline == PRONG_NOWAIT ? 0 : deadline - clock_now();
    if (left <= 0) return 0;
    int64_t ms = (left + 999999) / 1000000;
    return ms > 1000000000 ? 1000000000 : (int)ms;
}

#endif
