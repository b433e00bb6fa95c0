/* The supervisor object, as its files share it:
 *
 *     supervisor.c        the object: made, destroyed, and what is told of it
 *     supervisor_make.c   a child's options, checked and kept
 *     supervisor_list.c   the list of its children
 *     supervisor_ask.c    what others ask of it: to stop, to add, start, stop and remove a child
 *     supervisor_run.c    the call that supervises: begins, waits, ends
 *     supervisor_step.c   what is to be done when: ends, restarts, starts
 *     supervisor_start.c  how a child is started, and has begun
 *     supervisor_guard.c  the process between the supervisor and a program
 *
 * Only the driver writes what it knows of its children: the thread that is inside of prong_supervisor_run, or of another
 * call that does the work. Others read single words, and write `asked`. If it dies, burial frees the supervisor; the
 * kernel kills the children. */
#ifndef POOL_SUPERVISOR_H
#define POOL_SUPERVISOR_H

#include "base/deadline.h"
#include "family/lock.h"
#include "family/object.h"
#include "family/waitq.h"
#include "process/notify.h"
#include "process/process.h"

#include <prong/event.h>
#include <prong/supervisor.h>

enum { KIND_SUPERVISOR = 13 };
extern const struct object_type supervisor_type;

enum { CHILD_FAILURE_SIZE = 160 };

/* What others ask of a child: a word of a number << 8 | child_request. Another request than the last has another number,
 * which ends the wait of whoever asked for the last; but a removal stays. */
enum child_request { ASKED_NOTHING, ASKED_START, ASKED_STOP, ASKED_REMOVE, ASKED_HEARD = 0x80 };

/* A child: a block of the arena, in a list. It is to be started when it is DOWN and wanted; it is to be ended when it is
 * neither DOWN nor ENDING, and leaving. */
struct supervised {
    _Atomic uint64_t next; /* a block; 0: none */
    prong_process plan;    /* of a program: of its guard */
    char name[MEMBER_NAME_SIZE];
    uint64_t restart, is_program;
    prong_time grace, start_within;
    _Atomic uint64_t asked; /* last of it; ASKED_HEARD: by the driver */
    /* the driver's */
    prong_process process; /* while it runs */
    uint64_t leaving, killed, removing;
    int64_t due, started, kill_at; /* on CLOCK_MONOTONIC; started: 0 if it was not, in this round */
    uint64_t in_a_row;             /* restarts, without having settled */
    /* for all to read */
    _Atomic uint64_t phase; /* a prong_child_phase, but not WAITING, which is DOWN and wanted */
    _Atomic uint64_t wanted, pid, restarts;
    _Atomic int64_t exitcode, since;  /* since: it is in that phase, on CLOCK_MONOTONIC */
    char failure[CHILD_FAILURE_SIZE]; /* changes under the list's lock */
};

enum supervisor_phase { SUPERVISOR_IDLE, SUPERVISOR_RUNS, SUPERVISOR_STOPS, SUPERVISOR_GONE };

struct supervisor {
    struct object object;
    _Atomic uint64_t state;   /* round << 8 | supervisor_phase: each run from idle to idle is a round */
    _Atomic uint64_t asked;   /* the round that is to stop */
    _Atomic uint64_t runner;  /* token of the children's parent */
    _Atomic uint64_t driver;  /* token << 32 | thread; 0: no thread drives */
    prong_event wake;         /* set for the driver to look again */
    struct waitq changed;     /* the state has become idle, the driver has left, or a child's phase has changed */
    lock_t listing;           /* for the list, unless the driver reads it; see supervisor_list.c */
    _Atomic uint64_t first;   /* child */
    uint64_t loose;           /* block of a child that is being added or removed … */
    prong_process loose_plan; /* … and its plan */
    _Atomic uint64_t named;   /* children made, for their names */
    uint64_t times;           /* block: `intensity` times of restarts */
    uint64_t strategy, intensity, stop_on_signals, notify, stays;
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
static inline struct supervised *child_at(_Atomic uint64_t *link) {
    uint64_t block = atomic_load(link);
    return block ? arena_at(block) : NULL;
}
/* In their order; for the driver, or under the list's lock. */
#define EACH_CHILD(supervisor, child)                                                                                  \
    for (struct supervised *child = child_at(&(supervisor)->first); child; child = child_at(&(child)->next))
static inline bool child_is_down(struct supervised *child) {
    return atomic_load(&child->phase) == PRONG_CHILD_DOWN;
}

static inline bool child_is(struct supervised *child, prong_child_phase phase) {
    return atomic_load(&child->phase) == phase;
}

static inline enum child_request child_request(uint64_t asked) {
    return (enum child_request)(asked & 0x7f);
}

/* Unless the driver has heard it. */
static inline enum child_request child_pending(uint64_t asked) {
    return asked & ASKED_HEARD ? ASKED_NOTHING : child_request(asked);
}

prong_status supervisor_enter(struct visit *inside, prong_supervisor handle, struct supervisor **s);
void supervisor_set_phase(struct supervisor *s, enum supervisor_phase phase);
void child_set(struct supervisor *s, struct supervised *child, prong_child_phase phase);
/* As others see it: also WAITING. */
prong_child_phase child_phase(struct supervised *child);
/* Takes the list's lock, as others may read it just then. */
void child_set_failure(struct supervisor *s, struct supervised *child, const char *text);

/* --- supervisor_make.c --- */

prong_status supervised_make(struct supervisor *s, struct supervised *child, const prong_child_options *options);

/* --- supervisor_list.c --- */

/* Errors: PRONG_TIMEOUT (a stopped process has it). */
prong_status supervisor_lock(struct supervisor *s);
void supervisor_unlock(struct supervisor *s);
/* Under the lock; NULL: there is none of that name. */
struct supervised *supervisor_find(struct supervisor *s, const char *name);
/* Takes over what supervised_make has made, or destroys it. Errors: PRONG_EXISTS (the name), PRONG_INVALID (too many),
 * PRONG_NO_MEMORY, PRONG_TIMEOUT. */
prong_status supervisor_append(struct supervisor *s, struct supervised *made);
/* Under the lock, by the driver, or while nobody runs the supervisor: takes a child that is down out of the list. */
void supervisor_drop(struct supervisor *s, struct supervised *child);
/* Nobody is inside of the supervisor any more, and none will be. */
void supervisor_free_list(struct supervisor *s);

/* --- supervisor_run.c --- */

/* Becomes the driver, and drives until the supervisor is idle, done(context) says so (NULL: it never does), or time is
 * up. begins: a new round, if it is idle. Errors: PRONG_STALE (it is idle), and as prong_supervisor_run. */
prong_status supervisor_drive(struct supervisor *s, bool begins, bool (*done)(void *), void *context,
                              deadline_t deadline);
/* Whether the calling thread may drive now, as nobody does. */
bool supervisor_is_free(struct supervisor *s);

/* --- supervisor_step.c --- */

/* All children are to be started. */
void supervisor_want_all(struct supervisor *s);
/* Notes what others have asked of children. */
void supervisor_hear(struct supervisor *s);
/* All children are to be ended; no child is started any more. */
void supervisor_begin_stop(struct supervisor *s, const struct notifier *notifier);
/* Does what can be done now. True: no child runs, and none is to be started. Otherwise *next is when there is more to
 * do, if no child ends before. */
bool supervisor_step(struct supervisor *s, const struct notifier *notifier, deadline_t *next);

/* A child has ended, with that code, or could not be started: it is restarted, or not. */
void supervisor_take_end(struct supervisor *s, struct supervised *child, int code, const struct notifier *notifier);

/* --- supervisor_start.c --- */

/* Starts the first that is due; false: none is. *next: as of supervisor_step. */
bool supervisor_start_one(struct supervisor *s, const struct notifier *notifier, deadline_t *next);
/* Notes it if the child has begun. */
void child_look_begun(struct supervisor *s, struct supervised *child);
/* The child has ended, and had not begun. */
void child_note_failure(struct supervisor *s, struct supervised *child, int *code);

/* --- supervisor_guard.c --- */

/* A prong_target: runs a program, and ends it when it is told to, or the supervisor is dead. */
int guard_main(void *argument, size_t size);
/* What it runs, as its argument: malloc'ed. */
prong_status guard_argument(const prong_child_options *options, prong_time grace, void **argument, size_t *size);
/* The guard kills the program itself; a guard that has not ended so long after that is killed, and the program with it. */
#define GUARD_MARGIN PRONG_SECONDS(2)

#endif
