/* The pool in the arena, its workers, and their hands.
 *
 * A job's tasks are claimed in order, under the pool's guard, each by a *hand*: what holds one task while it runs. A *worker* is a
 * process; it has one hand, as it runs one task at a time. Each task has one word (see task_word) that says how it stands. A
 * claim, a completion, and what follows from a death each change several words under the guard, and so happen wholly or not
 * at all, whoever is killed when. */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "family/guard.h"
#include "family/object.h"
#include "family/waitq.h"
#include "pool/around.h"
#include "pool/hook.h"

#include <prong/pool.h>
#include <signal.h>

enum pool_state { POOL_RUNNING, POOL_CLOSED, POOL_TERMINATED, POOL_BROKEN };
enum doom { DOOM_NONE, DOOM_TIMEOUT, DOOM_CANCEL, DOOM_MEMORY };

struct worker {
    _Alignas(64) uint64_t process_offset, process_generation;
    uint64_t pid;
    uint64_t token; /* its member token once it works */
    uint64_t doom;  /* why it is being killed, whatever it runs */
    uint64_t tasks;
    uint64_t everywhere;   /* how many of the pool's functions for everywhere this worker has run */
    uint64_t initializing; /* since when its initializer runs, or (with a token) its exit; 0: neither does */
    uint64_t renewal;      /* the pool's when it was started */
    uint64_t memory_base;  /* what a forked one had at its start, of its parent's */
    /* what it waits for until when, if it waits for a pool; 0: nothing. See await.h */
    uint64_t awaits, awaits_generation;
    int64_t awaits_place, awaits_until;
};

/* A chain in the arena, linked both ways, so that one is taken out without a search: see chain.h. */
struct chain {
    uint64_t first, last;
};
struct chain_link {
    uint64_t next, previous;
};

struct hand {
    _Alignas(64) uint64_t job; /* of the task; 0: none, and then what follows means nothing, but for doom */
    uint64_t generation;       /* the job's */
    uint64_t place, tries;     /* of the task in the job, and how often it was begun */
    uint64_t doom;             /* why the task is being killed; it stays until the hand takes another */
    int64_t ends_at;           /* when its time limit is up; 0: it has none */
    uint64_t limit_at;         /* its place in the pool's heap of limits, + 1; 0: none. See limits.h */
};

enum { PRIORITIES = 3 };

struct pool {
    struct object object;
    struct guard guard;
    /* What each step of the schedule reads or writes, in one cache line: it moves from the one that submits to the worker. */
    _Alignas(64) _Atomic uint64_t state;
    uint64_t unfinished; /* tasks submitted and not ended */
    uint64_t open_jobs;  /* to which tasks may be added */
    struct chain
        claimable[PRIORITIES]; /* jobs with tasks to claim, the most urgent ones first, and of these the oldest */
    /* What steps only read, as a rule. */
    _Alignas(64) uint64_t workers, hands, worker_count;
    uint64_t wanted;              /* the places before this one have workers; those in others end */
    uint64_t adapts, least, most; /* whether wanted adapts itself, between these: see elastic.c */
    int64_t idle_time;
    uint64_t memory_soft, memory_hard; /* 0: no limit. See memory.c */
    uint64_t memory_watched;           /* with memory_hard: its owner looks again, without being told */
    uint64_t renewal;                  /* a worker that was started for an earlier one ends */
    uint64_t maxtasks;
    uint64_t maxbytes;            /* 0: no limit. See load.h */
    uint64_t limits, limit_count; /* the heap of hands with a time limit: see limits.h */
    int64_t limits_looked_until;  /* the owner looks at it then, at the latest; PRONG_FOREVER: when it is told to */
    _Alignas(64) uint64_t busy, busy_most; /* if it adapts: hands with a task, and how many there were at most */
    uint64_t load;                         /* with maxbytes: bytes of jobs */
    /* The rest. */
    struct chain told;         /* ended jobs whose callbacks are to run, in the order of their ends */
    _Atomic uint64_t owner;    /* token */
    struct owner *entry;       /* in the owner's own memory, under the lock of owners.c */
    _Atomic uint64_t orphaned; /* the owner is dead: freed when the last worker is, too */
    uint64_t deaths, early_deaths;
    int64_t broken_code;
    _Atomic uint64_t workers_ended; /* all, and none will follow */
    _Atomic uint64_t workers_gone;  /* and their callbacks have run: the owner's threads touch the pool no more */
    _Atomic uint32_t all_forked;    /* a gate: see fork_gate */
    struct hook initializer;
    uint64_t initializer_limit; /* 0: none */
    uint64_t initializer_late;  /* one has run longer, and none has been done since */
    struct around around;
    uint64_t everywhere, everywhere_last, everywhere_count; /* the first and the last of a list: see everywhere.h */
    uint64_t inlined;                                       /* it has no workers: see inline.h */
    void *inline_state;                                     /* in the owner's memory */
    uint64_t method;
    uint64_t program;                    /* a block: of the workers' images; 0: as the method has it */
    sigset_t mask;                       /* the creator's, for workers that are forked by a helper: see owner_entry.h */
    char name[32];                       /* of workers, and by which it is found */
    int64_t created;                     /* when: of several of one name, the last is found */
    _Alignas(64) struct waitq work;      /* workers wait for tasks */
    _Alignas(64) struct waitq attention; /* the owner's caretaker waits for what is to be done */
    _Alignas(64) struct waitq callbacks; /* the one that runs callbacks waits for jobs that have any */
    _Alignas(64) struct waitq room;      /* with maxbytes: submitters wait for others' tasks to end */
    _Alignas(64) struct waitq ended;     /* join waits for the last worker, everywhere and replace_workers for all */
};

enum { KIND_POOL = 4 };
extern const struct object_type pool_type;

static inline struct worker *pool_worker(const struct pool *pool, uint64_t i) {
    return (struct worker *)arena_at(pool->workers) + i;
}

static inline uint64_t pool_wanted(const struct pool *pool) {
    return __atomic_load_n(&pool->wanted, __ATOMIC_RELAXED);
}

/* Whether the worker is to end though there are tasks. Not before its owner has made it known. */
static inline bool worker_is_surplus(const struct pool *pool, const struct worker *worker) {
    uint64_t place = (uint64_t)(worker - pool_worker(pool, 0));
    return __atomic_load_n(&worker->pid, __ATOMIC_ACQUIRE) &&
           (place >= pool_wanted(pool) ||
            __atomic_load_n(&worker->renewal, __ATOMIC_RELAXED) != __atomic_load_n(&pool->renewal, __ATOMIC_RELAXED));
}

/* Under the guard: whether its owner is to be told that tasks wait, though the pool could grow. */
static inline bool pool_lacks_workers(const struct pool *pool) {
    return pool->adapts && pool->unfinished > pool->wanted && pool->wanted < pool->most;
}

static inline struct hand *pool_hand(const struct pool *pool, uint64_t i) {
    return (struct hand *)arena_at(pool->hands) + i;
}

static inline struct hand *worker_hand(const struct pool *pool, const struct worker *worker) {
    return pool_hand(pool, (uint64_t)(worker - pool_worker(pool, 0)));
}

static inline struct worker *hand_worker(const struct pool *pool, const struct hand *hand) {
    return pool_worker(pool, (uint64_t)(hand - pool_hand(pool, 0)));
}

/* Why the worker is being killed, on account of its task or whatever it runs: an enum doom. A hint unless under the guard. */
static inline uint64_t worker_doom(const struct pool *pool, const struct worker *worker) {
    uint64_t of_task = __atomic_load_n(&worker_hand(pool, worker)->doom, __ATOMIC_RELAXED);
    return of_task ? of_task : __atomic_load_n(&worker->doom, __ATOMIC_RELAXED);
}

static inline prong_process worker_process(const struct worker *worker) {
    return (prong_process){worker->process_offset, worker->process_generation};
}

/* Its state, or the workers that it wants, have changed: wakes all whom that concerns. */
void pool_tell_change(struct pool *pool);
/* Inside of the pool. */
prong_status pool_enter(struct visit *inside, prong_pool handle, struct pool **pool);

#endif
