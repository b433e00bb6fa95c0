/* Objects of all kinds, for reuse_test.c: how one is made, used and ended. */
#ifndef STORM_REUSE_H
#define STORM_REUSE_H

#include "outside.h"

enum { WORDS = 4 };

/* As any handle: two of them for a pipe's ends. */
struct handle {
    uint64_t words[WORDS];
    long number;
};

struct kind {
    const char *name;
    void (*make)(struct handle *handle);
    void (*use)(const struct handle *handle);
    void (*end)(const struct handle *handle); /* by the process that made it */
};

/* See reuse_objects.c. */
extern const struct kind queue_kind, pipe_kind, process_kind, pool_kind, job_kind, manager_kind;
/* See reuse_sync.c. */
extern const struct kind lock_kind, rlock_kind, semaphore_kind, event_kind, condition_kind, barrier_kind, value_kind,
    array_kind, block_kind;

struct stage {
    int number, kind, method;
    struct handle handle; /* of an object for good, if the kind needs one */
};

/* storm->shared: the number of the present object (0: none just now), its handle, how often it was used, and not found. */
enum { NUMBER, HANDLE, USED = HANDLE + WORDS, STALE, FOR_GOOD, FACT = 100, FACTS = 100 };

extern struct stage *stage; /* the present test's: see reuse_test.c */

#define THE(type, handle) (*(const prong_##type *)(handle)->words)

static inline bool is_even(const struct handle *handle) {
    return handle->number % 2 == 0;
}

static inline bool gone(prong_status status) {
    if (status == PRONG_STALE) storm->shared[STALE]++;
    return status == PRONG_STALE;
}

#endif
