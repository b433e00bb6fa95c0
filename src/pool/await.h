/* Workers that wait for pools: what each waits for stands in its entry, so that a wait which cannot end is found. */
#ifndef POOL_AWAIT_H
#define POOL_AWAIT_H

#include "pool/pool.h"

/* The place of what is awaited: of one task of a job; or every task of it; or the end of all workers of a pool; or room in it; or, from
 * AWAIT_MORE on downwards, that more than so many of the job's tasks are done. */
enum { AWAIT_EVERY_TASK = -1, AWAIT_WORKERS = -2, AWAIT_ROOM = -3, AWAIT_MORE = -4 };

static inline bool await_is_for_pool(int64_t place) {
    return place == AWAIT_WORKERS || place == AWAIT_ROOM;
}

static inline int64_t await_more_than(uint64_t done) {
    return AWAIT_MORE - (int64_t)done;
}

struct awaited {
    uint64_t offset, generation; /* of a job, or of a pool */
    int64_t place;
};

/* A wait, on the stack of the thread that waits. */
struct await {
    struct worker *worker; /* NULL: not a worker's own thread, which alone is looked at */
    struct awaited outer;  /* the wait during which this one began: in a progress callback */
    int64_t outer_until;
};

/* This thread is the worker. */
void await_as(struct pool *pool, struct worker *worker);
/* Whether this thread is a worker of that pool. */
bool await_is_worker_of(const struct pool *pool);
/* From here on it waits. In any other thread these do nothing. */
void await_begin(struct await *await, const struct awaited *awaited, deadline_t deadline);
/* PRONG_DEADLOCK when nothing that workers do can end the wait before its deadline: no longer waiting then. To be called after
 * await_begin, and whenever the thread wakes. */
prong_status await_check(const struct await *await);
void await_end(const struct await *await);

#endif
