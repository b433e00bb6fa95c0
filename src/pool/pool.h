/* The pool in the arena, and its slots, one a worker.
 *
 * A job's tasks are claimed in order by workers, under the pool's guard. Each has one word (see task_word) that says
 * how it stands; each worker has a slot that says which task it runs. A claim, a completion, and what follows from a
 * death each change several words under the guard, and so happen wholly or not at all, whoever is killed when. */
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
enum doom { DOOM_NONE, DOOM_TIMEOUT, DOOM_CANCEL };

struct slot {
    _Alignas(64) uint64_t process_offset, process_generation;
    uint64_t pid;
    uint64_t token;      /* the worker's member token once it works */
    uint64_t job, place; /* the task it runs; 0: none */
    uint64_t started_at; /* set for jobs with a time limit */
    uint64_t doom;       /* why it is being killed */
    uint64_t tasks;
    uint64_t initializing; /* since when its initializer runs, or (with a token) its exit; 0: neither does */
    /* what it waits for until when, if it waits for a pool; 0: nothing. See await.h */
    uint64_t awaits, awaits_generation;
    int64_t awaits_place, awaits_until;
};

/* A list of jobs in the arena, linked both ways, so that one is taken out without a search: see schedule.c. */
struct job_list {
    uint64_t first, last;
};
struct job_link {
    uint64_t next, previous;
};

struct pool {
    struct object object;
    struct guard guard;
    /* What each step of the schedule reads or writes, in one cache line: it moves from the one that submits to the worker. */
    _Alignas(64) _Atomic uint64_t state;
    uint64_t maxtasks;
    uint64_t unfinished;       /* tasks submitted and not ended */
    uint64_t least_limit;      /* the shortest time limit of unfinished jobs, or less; 0: none has one */
    struct job_list claimable; /* jobs with tasks to claim, oldest first */
    struct job_list told;      /* ended jobs whose callbacks are to run, in the order of their ends */
    uint64_t slots, slot_count;
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
    uint64_t inlined;   /* it has no workers: see inline.h */
    void *inline_state; /* in the owner's memory */
    uint64_t method;
    uint64_t program; /* a block: of the workers' images; 0: as the method has it */
    sigset_t mask;    /* the creator's, for workers that are forked by a helper: see owner_entry.h */
    char name[32];
    _Alignas(64) struct waitq work;      /* workers wait for tasks */
    _Alignas(64) struct waitq attention; /* the owner's caretaker waits for what is to be done */
    _Alignas(64) struct waitq callbacks; /* the one that runs callbacks waits for jobs that have any */
    _Alignas(64) struct waitq ended;     /* join waits for the last worker */
};

enum { KIND_POOL = 4 };
extern const struct object_type pool_type;

static inline struct slot *pool_slot(const struct pool *pool, uint64_t i) {
    return (struct slot *)arena_at(pool->slots) + i;
}

/* Inside of the pool. */
prong_status pool_enter(struct visit *inside, prong_pool handle, struct pool **pool);

#endif
