/* What the process that owns a pool has of it in its own memory, as the files of the owner share it.
 *
 * One thread, the caretaker, looks after all pools of the process: it sleeps in a poller, on the sentinels of all workers and a
 * doorbell. It must not wait for one pool while another needs it. So what may take long (a start, a guard that a stopped
 * process has entered) it leaves to a helper, a thread that is there as long as there is such work. Meanwhile the caretaker
 * does for that pool only what takes no time: it notes the ends of workers, and enforces limits. Callbacks have a thread a pool, from the first job with
 * one on, as a callback may wait for what needs a worker replaced. */
#ifndef POOL_OWNER_ENTRY_H
#define POOL_OWNER_ENTRY_H

#include "base/deadline.h"
#include "pool/owner.h"

#include <pthread.h>

/* Of a worker. */
struct sentinel {
    _Atomic int descriptor; /* -1: there is no worker */
    _Atomic bool ended;     /* the poller has told so, and has it no more */
};

struct owner {
    struct pool *pool;
    prong_pool handle;
    pid_t pid;                     /* of the process that has it */
    struct owner *next, *previous; /* all of the process */
    pthread_t callbacks;           /* the thread that runs them, from the first job that has any on */
    bool has_callbacks;
    bool ended;       /* all workers have, and no thread for callbacks starts any more */
    prong_pool joins; /* the pool for whose end one of this pool's callbacks waits */

    /* for caretaker.c, under the lock */
    int poller;                                /* the caretaker's */
    struct owner *group_next, *group_previous; /* those whose attention is of one group: see watch_group */
    enum { OWNER_QUIET, OWNER_IN_MAKING, OWNER_HELPED } others; /* another thread looks after it just now */
    bool marked; /* to be looked at; of one in the making: when it is made */
    bool helped; /* one that is marked, when it was */
    struct owner *marked_next, *slow_next;
    deadline_t due; /* when it is to be looked at, whatever happens: see due.h */
    size_t due_place;

    /* for the thread that looks after it just now */
    struct sentinel *sentinels; /* one a worker */
    _Atomic uint64_t alive;     /* how many have a worker, which may be one of the ended ones: */
    _Atomic uint64_t ended_workers;
    unsigned failed_starts;
    int64_t backlog_since, period_since; /* see elastic.c */
    int64_t memory_look_at;              /* see memory.c */
    deadline_t try_again_at;             /* after slow work that failed */
    _Atomic int64_t kill_at;             /* 0, or when those told to end are killed */
    _Atomic bool jobs_are_failed;        /* of a pool that was terminated or broken: no task of them will begin */
};

static inline bool pool_is_same(prong_pool a, prong_pool b) {
    return a.offset == b.offset && a.generation == b.generation;
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
/* A thread that none of the host's signal handlers ever runs on; NULL for `thread`: nobody joins it. Returns an errno. */
int owner_start_thread(pthread_t *thread, size_t stack, void *(*run)(void *), void *context);
/* The last of those that run code for the pool to end tells those who join it. */
void owner_tell_end(struct pool *pool);

/* --- owner_callbacks.c --- */
/* Whether this thread runs the callbacks of that pool. */
bool owner_runs_callbacks(prong_pool handle);

/* --- caretaker.c --- */
/* The pool will be looked after; until caretaker_begin, the caller does it. */
prong_status caretaker_admit(struct owner *owner);
prong_status caretaker_begin(struct owner *owner);
/* Under the lock: it looks at the pool at once; the second, for a pool that another thread has looked after. Only for one that has not
 * ended. */
void caretaker_wake(struct owner *owner);
void caretaker_return(struct owner *owner);
/* Undoes caretaker_admit. */
void caretaker_dismiss(struct owner *owner);
/* The caretaker learns when the worker at that place ends. -1 with errno: it cannot. */
int caretaker_watch_worker(const struct owner *owner, uint64_t place);
/* Waits for the threads of those that have no pool any more, and end or have ended. */
void caretakers_join_ended(void);
/* In a forked child, under the lock. */
void caretaker_forget(void);

/* --- helpers.c --- */
/* Under the lock: a helper will do what may take long, and then have the caretaker look at the pool. */
void helpers_take(struct owner *owner);
/* Sees to it that there are helpers enough, and returns when to do so again; or does the work itself, if there can be none. */
deadline_t helpers_provide(void);
/* In a forked child, under the lock. */
void helpers_forget(void);

/* --- elastic.c --- */
/* Has an adapting pool grow or shrink; *due: when to look again, at the latest. False: the guard was not to be had in time. */
bool owner_adapt(struct owner *owner, prong_time patience, deadline_t *due);
/* A start has failed: a pool that adapts is content with the workers that there are. */
void owner_grow_no_more(struct owner *owner);

/* --- memory.c --- */
/* Kills the workers whose task uses more than memory_hard. As owner_adapt. */
bool owner_limit_memory(struct owner *owner, prong_time patience, deadline_t *due);

/* --- owner_workers.c --- */
prong_status owner_start_worker(struct owner *owner, uint64_t i);
/* What a look at a pool has come to: nothing, or not yet; there is work that may take long; all workers have ended, and none
 * is to follow. */
enum look { LOOK_DONE, LOOK_SLOW, LOOK_GONE };
/* due: when to look again, whatever happens. */
enum look owner_look(struct owner *owner, deadline_t *due);
/* What of that goes on while a helper is in owner_look_slowly; false: not all could be done in a moment. */
bool owner_look_beside(struct owner *owner, deadline_t *due);
/* Does what may take long. */
void owner_look_slowly(struct owner *owner);

#endif
