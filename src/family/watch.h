/* Watching many waitqs at once, or some beside descriptors: a thread says in its row of the waiters' table what it watches,
 * and whoever notifies a watched waitq looks through the table. So a waitq has no list of its watchers, no number of them is
 * too many, and burial takes back the row of one that died. */
#ifndef FAMILY_WATCH_H
#define FAMILY_WATCH_H

#include "family/waitq.h"

struct watch {
    uint64_t row; /* its place in the arena; 0: all are in use */
    int doorbell; /* readable after a notify; -1: watch_sleep instead */
};

/* With a doorbell, for a thread that sleeps in poll; false when there is no descriptor for it, with errno. */
bool watch_open(struct watch *watch, bool doorbell);
void watch_close(struct watch *watch);

/* Before each sleep: watch_renew, watch_add for each waitq, then look at what is waited for. A notify of any of these from then
 * on ends the sleep; one of another waitq may, too. */
void watch_renew(struct watch *watch);
void watch_add(struct watch *watch, struct waitq *queue);
/* Returns early for any reason. */
void watch_sleep(struct watch *watch, deadline_t deadline);
/* No longer than this without looking: without a row nobody wakes it. */
static inline deadline_t watch_within(const struct watch *watch, deadline_t deadline) {
    return watch->row ? deadline : deadline_within(deadline, PRONG_MS(5));
}

/* For waitq_notify. */
void watchers_wake(struct waitq *queue);

#endif
