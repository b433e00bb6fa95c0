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
/* The same for what is no waitq (vigil.h). */
enum watch_sign {
    WATCH_DEATHS = 2, /* a member has died, perhaps before it woke this thread */
    WATCH_JOINS = 4,  /* one has joined */
    WATCH_SEATS = 8,  /* a lookout's seat is free */
    WATCH_MATE = 16   /* the same, and no thread of another member takes it */
};
void watch_add_signs(struct watch *watch, uint32_t signs);
void watch_drop_signs(struct watch *watch, uint32_t signs);
/* For a thread that watches very many waitqs, and deaths, and must not check them all each time: instead of these. The waitqs fall
 * into groups. watch_take returns those in which one was notified since the last call, a bit each; or all of them, if that is not
 * known. Then watch_take_one tells for each waitq of these groups, and of no other, whether it was. A new waitq counts as notified. A
 * notify from then on ends the sleep again. */
enum { WATCH_GROUPS = 27 };
unsigned watch_group(const struct waitq *queue);
uint32_t watch_take(struct watch *watch);
bool watch_take_one(const struct watch *watch, struct waitq *queue);
/* Returns early for any reason, and for a look after a while (lookout.h). */
void watch_sleep(struct watch *watch, deadline_t deadline);
/* The longest sleep without a check: a thread without a row is not woken. */
static inline deadline_t watch_within(const struct watch *watch, deadline_t deadline) {
    return watch->row ? deadline : deadline_within(deadline, PRONG_MS(5));
}

/* For waitq_notify. */
void watchers_wake(struct waitq *queue);
/* Wakes at most `most` of the threads that watch one of these, and returns how many. WATCH_DEATHS: also each one that the dead
 * member may have been about to wake. */
int watchers_ring(uint32_t signs, int most);
/* A doorbell could not be rung, as the process that was to ring had no descriptor, or is in another network namespace, or its
 * sandbox forbids it. From then on no thread relies on its doorbell for longer than a nap. */
bool watchers_are_deaf(void);

#endif
