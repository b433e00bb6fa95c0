/* What the process that owns a pool has of it in its own memory, as the files of the owner share it. */
#ifndef POOL_OWNER_ENTRY_H
#define POOL_OWNER_ENTRY_H

#include "family/watch.h"
#include "pool/owner.h"

#include <poll.h>
#include <pthread.h>

struct owner {
    struct pool *pool;
    prong_pool handle;
    pthread_t thread;
    pthread_t callbacks; /* the thread that runs them, from the first job that has any on */
    bool has_callbacks;
    pid_t pid;        /* of the process that has it */
    bool ended;       /* thread is about to end: all workers have */
    prong_pool joins; /* the pool for whose end one of this pool's callbacks waits */
    struct owner *next;
    struct pollfd *polls; /* the doorbell, then a sentinel a slot */
    struct watch watch;
    unsigned failed_starts;
    bool start_later;
    _Atomic int64_t kill_at; /* 0, or when those told to end are killed */
};

static inline bool pool_is_same(prong_pool a, prong_pool b) {
    return a.offset == b.offset && a.generation == b.generation;
}

static inline prong_process slot_process(const struct slot *slot) {
    return (prong_process){slot->process_offset, slot->process_generation};
}

static inline deadline_t deadline_earlier(deadline_t a, deadline_t b) {
    return a < b ? a : b;
}

/* --- owners.c: the list. What is found or first is used under the lock: another thread may destroy the pool. --- */
void owners_lock(void);
void owners_unlock(void);
struct owner *owner_find(prong_pool handle);
struct owner *owner_first(void);
void owner_add(struct owner *owner);
/* The caller's from then on; NULL when another thread has taken it off. */
struct owner *owner_remove(prong_pool handle);

/* --- owner.c --- */
/* A thread that none of the host's signal handlers ever runs on; returns an errno. */
int owner_start_thread(pthread_t *thread, size_t stack, void *(*run)(void *), struct owner *owner);
/* The last of the pool's threads to end tells those who join it. */
void owner_tell_end(struct pool *pool);

/* --- owner_callbacks.c --- */
/* Whether this thread runs the callbacks of that pool. */
bool owner_runs_callbacks(prong_pool handle);

/* --- owner_workers.c: all but the first are called by the thread that looks after the workers --- */
prong_status owner_start_worker(struct owner *owner, uint64_t i);
void owner_gather_ended(struct owner *owner);
void owner_replace_missing(struct owner *owner);
/* These kill whoever is over its limit, and return when the next one may be. */
deadline_t owner_enforce_initializer_limit(struct owner *owner);
deadline_t owner_enforce_limits(struct owner *owner);
void owner_kill_stubborn(struct owner *owner);
/* All workers have ended, and none is to follow. */
bool owner_all_gone(const struct owner *owner);

#endif
