/* What ends the calling thread's wait early: a signal handler that calls prong_interrupt, or a language runtime, which
 * is asked from time to time. The wait then ends as if its time were up; if a signal was the reason, the call fails
 * with PRONG_INTERRUPTED (see error.c).
 *
 * A signal that comes before the thread sleeps must end the sleep as well. So the time limit of each such sleep is in
 * the thread's own memory, from where the kernel reads it. The thread sets the limit, checks whether a handler has
 * called, then sleeps. A handler that runs in between moves the limit into the past; one that runs later interrupts the
 * sleep itself. */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include "base/local.h"

#include <prong/interrupt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* Whether the language runtime wants the wait to end. Defined in src/upward.c. */
bool upward_interrupts(void);
/* Whether there is one. */
bool upward_may_interrupt(void);
extern __attribute__((visibility("hidden"))) QUICK_LOCAL bool wait_cancelled;

enum interrupt_scope {
    INTERRUPT_NOWHERE, /* in no call that a signal may end */
    INTERRUPT_WAITS,   /* in one */
    INTERRUPT_HELD     /* in a part of one that must run to its end */
};

struct interruption {
    volatile sig_atomic_t pending; /* a handler has called, and no wait has failed for it yet */
    enum interrupt_scope scope;
    bool ended;            /* an interrupt has ended the call's wait */
    bool told;             /* and the call has reported it */
    struct timespec limit; /* of the sleep that begins */
};
extern __attribute__((visibility("hidden"))) QUICK_LOCAL struct interruption interruption;

/* The limit of a sleep, as it is passed to the system. */
static inline const struct timespec *interrupt_limit(struct timespec limit) {
    interruption.limit = limit;
    atomic_signal_fence(memory_order_seq_cst);
    if (interruption.pending && interruption.scope == INTERRUPT_WAITS) interruption.limit = (struct timespec){0};
    return &interruption.limit;
}

/* After each sleep, with no guard held: a runtime may take an interpreter's lock. */
static inline void interrupt_look(void) {
    if (interruption.pending && interruption.scope == INTERRUPT_WAITS) interruption.ended = wait_cancelled = true;
    if (upward_interrupts()) wait_cancelled = true;
}

/* --- the scope of a call --- */

static inline enum interrupt_scope interrupt_scope_begin(enum interrupt_scope scope) {
    enum interrupt_scope outer = interruption.scope;
    if (scope == INTERRUPT_HELD || outer == INTERRUPT_NOWHERE) interruption.scope = scope;
    return outer;
}

void interrupt_settle(void);

static inline void interrupt_scope_end(const enum interrupt_scope *outer) {
    interruption.scope = *outer;
    if (__builtin_expect(interruption.ended, 0) && *outer == INTERRUPT_NOWHERE) interrupt_settle();
}

#define INTERRUPT_SCOPE(scope)                                                                                         \
    __attribute__((cleanup(interrupt_scope_end), unused)) enum interrupt_scope outer_scope_ =                          \
        interrupt_scope_begin(scope)
/* To the end of the block: a signal may end the wait (the first), or may not (the second). */
#define INTERRUPTIBLE INTERRUPT_SCOPE(INTERRUPT_WAITS)
#define INTERRUPTS_HELD INTERRUPT_SCOPE(INTERRUPT_HELD)

/* In a forked child, which begins anew. */
void interrupt_forget(void);

#endif
