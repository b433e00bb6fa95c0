/* What tests ask about barriers and conditions, in one expression. */
#ifndef TEST_SYNC_H
#define TEST_SYNC_H

#include <prong/barrier.h>
#include <prong/condition.h>

/* All zero if the handle is stale. */
static inline prong_barrier_state barrier_now(prong_barrier barrier) {
    prong_barrier_state state;
    prong_barrier_get_state(barrier, &state);
    return state;
}

/* The handle of no lock if the condition's is stale. */
static inline prong_lock condition_lock(prong_condition condition) {
    prong_lock lock = {0, 0};
    prong_condition_get_lock(condition, &lock);
    return lock;
}

#endif
