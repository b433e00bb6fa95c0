/* Watching many waitqs at once, or some together with descriptors: a thread notes in its row of the waiters' table what
 * it watches, and a notify of a watched waitq reads the table. So a waitq needs no list of its watchers, their number
 * has no limit, and burial frees the rows of dead watchers. */
#ifndef FAMILY_WATCH_H
#define FAMILY_WATCH_H

#include "family/waitq.h"

struct watch {
    uint64_t row; /* its place in the arena; 0: all are in use */
    int doorbell; /* readable after a notify; -1: watch_sleep instead */
};

/* doorbell: makes one, for a thread that sleeps in poll; false, with errno, when there is no descriptor for it. */
bool watch_open(struct watch *watch, bool doorbell);
void watch_close(struct watch *watch);

/* Before each sleep: watch_renew, watch_add for each waitq, then check what is waited for. A notify of any of these
 * from then on ends the sleep; one of another waitq may, too. */
void watch_renew(struct watch *watch);
void watch_add(struct watch *watch, struct waitq *queue);
/* Returns early for any reason, and for a look after a while (lookout.h). */
void watch_sleep(struct watch *watch, deadline_t deadline);
/* The longest sleep without a check: a thread without a row is not woken. */
static inline deadline_t watch_within(const struct watch *watch, deadline_t deadline) {
    return watch->row ? deadline : deadline_within(deadline, PRONG_MS(5));
}

/* For waitq_notify. */
void watchers_wake(struct waitq *queue);

#endif
