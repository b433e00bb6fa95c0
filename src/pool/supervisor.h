/* The supervisor object, as its files share it:
 *
 *     supervisor.c        the object: made, asked, stopped, destroyed
 *     supervisor_make.c   a child's options, checked and kept
 *     supervisor_run.c    the call that supervises: begins, waits, ends
 *     supervisor_step.c   what is to be done when: ends, restarts, starts
 *     supervisor_guard.c  the process between the supervisor and a program
 *
 * Only the driver writes what it knows of its children: the thread that is inside of prong_supervisor_run, or of a stop
 * that does the work. Others read single words. If it dies, burial frees the supervisor; the kernel kills the children. */
#ifndef POOL_SUPERVISOR_H
#define POOL_SUPERVISOR_H

#include "base/deadline.h"
#include "family/object.h"
#include "family/waitq.h"
#include "process/notify.h"
#include "process/process.h"

#include <prong/event.h>
#include <prong/supervisor.h>

enum { KIND_SUPERVISOR = 13 };
extern const struct object_type supervisor_type;

enum { CHILD_FAILURE_SIZE = 160, CHILD_PHASES = 4 };

/* A child. It is to be started when it is DOWN and wanted; it is to be ended when it is RUNNING and leaving. */
struct supervised {
    prong_process plan; /* of a program: of its guard */
    char name[MEMBER_NAME_SIZE];
    uint64_t restart, is_program;
    prong_time grace;
    /* the driver's */
    prong_process process; /* while it runs */
    uint64_t wanted, leaving, killed;
    int64_t due, started, kill_at; /* on CLOCK_MONOTONIC */
    uint64_t in_a_row;             /* restarts, without having settled */
    /* for all to read */
    _Atomic uint64_t phase; /* a prong_child_phase, but not WAITING */
    _Atomic uint64_t pid, restarts;
    _Atomic int64_t exitcode;
    char failure[CHILD_FAILURE_SIZE]; /* its guard may write it, too; read by others, who may find half of it */
};

enum supervisor_phase { SUPERVISOR_IDLE, SUPERVISOR_RUNS, SUPERVISOR_STOPS, SUPERVISOR_GONE };

struct supervisor {
    struct object object;
    _Atomic uint64_t state;  /* round << 8 | supervisor_phase: each run from idle to idle is a round */
    _Atomic uint64_t asked;  /* the round that is to stop */
    _Atomic uint64_t runner; /* token of the children's parent */
    _Atomic uint64_t driver; /* token << 32 | thread; 0: no thread drives */
    prong_event wake;        /* set for the driver to look again */
    struct waitq changed;    /* the state has become idle, or the driver has left */
    uint64_t children;       /* block: a struct supervised each, then `intensity` times of restarts */
    uint64_t count;
    uint64_t strategy, intensity, stop_on_signals, notify;
    prong_time period, backoff, backoff_most, settled;
    /* the driver's */
    uint64_t restarts, ready, gave_up;
    char reason[320]; /* why it gave up */
};

static inline enum supervisor_phase supervisor_phase(struct supervisor *s) {
    return (enum supervisor_phase)(atomic_load(&s->state) & 0xff);
}
static inline uint64_t supervisor_round(struct supervisor *s) {
    return atomic_load(&s->state) >> 8;
}
static inline struct supervised *supervisor_child(const struct supervisor *s, uint64_t i) {
    return (struct supervised *)arena_at(s->children) + i;
}
static inline int64_t *supervisor_times(const struct supervisor *s) {
    return (int64_t *)(void *)supervisor_child(s, s->count);
}
static inline bool child_is_down(struct supervised *child) {
    return atomic_load(&child->phase) == PRONG_CHILD_DOWN;
}

prong_status supervisor_enter(struct visit *inside, prong_supervisor handle, struct supervisor **s);
void supervisor_set_phase(struct supervisor *s, enum supervisor_phase phase);

/* --- supervisor_make.c --- */

prong_status supervised_make(struct supervised *child, const prong_child_options *options, size_t index,
                             prong_supervisor handle, bool stop_on_signals);

/* --- supervisor_run.c --- */

/* Becomes the driver, and drives until the supervisor is idle or time is up. begins: a new round, if it is idle. Errors:
 * PRONG_STALE (it is idle), and as prong_supervisor_run. */
prong_status supervisor_drive(struct supervisor *s, bool begins, deadline_t deadline);
/* Whether the calling thread may drive now, as nobody does. */
bool supervisor_is_free(struct supervisor *s);

/* --- supervisor_step.c --- */

/* All children are to be started. */
void supervisor_want_all(struct supervisor *s);
/* All children are to be ended; no child is started any more. */
void supervisor_begin_stop(struct supervisor *s, const struct notifier *notifier);
/* Does what can be done now. True: no child runs, and none is to be started. Otherwise *next is when there is more to
 * do, if no child ends before. */
bool supervisor_step(struct supervisor *s, const struct notifier *notifier, deadline_t *next);

/* --- supervisor_guard.c --- */

/* A prong_target: runs a program, and ends it when it is told to, or the supervisor is dead. */
int guard_main(void *argument, size_t size);
/* What it runs, as its argument: malloc'ed. */
prong_status guard_argument(const prong_child_options *options, uint64_t index, prong_supervisor handle,
                            prong_time grace, void **argument, size_t *size);
/* The guard kills the program itself; a guard that has not ended so long after that is killed, and the program with it. */
#define GUARD_MARGIN PRONG_SECONDS(2)

#endif
