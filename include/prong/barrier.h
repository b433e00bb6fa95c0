/* Barrier: a number of processes or threads (the parties) that wait for each other, round after round.
 *
 * A party that dies breaks the barrier for the others at once (within 200 ms): who waits, or comes, gets PRONG_BROKEN, and
 * the message says who died. A process counts as a party while it waits, and from the round it last took part in on to the
 * end of the next; or from prong_barrier_enroll on. One that has ended in good order between rounds does not break it:
 * another may come in its place.
 *
 * An action runs in the thread that comes last, while all others wait for it. It may make any call but a wait at this
 * barrier, which would wait for itself.
 *
 * From a signal handler every call here but a wait comes back at once; see prong.h.
 *
 * All calls are safe from any number of threads and in forked children. Handles are plain values. */
#ifndef PRONG_BARRIER_H
#define PRONG_BARRIER_H

#include <prong/status.h>
#include <prong/time.h>
#include <stdbool.h>
#include <stdint.h>

PRONG_BEGIN_DECLS

typedef struct prong_barrier {
    uint64_t offset, generation;
} prong_barrier;

typedef struct prong_barrier_options {
    const char *name; /* for messages and prong_family_report; up to 23 bytes */
} prong_barrier_options;

/* What the last to arrive does before all go on. Another result than 0 breaks the barrier. */
typedef int prong_barrier_action(void *context);

/* Makes a barrier of 1 to 1,000,000 parties. options may be NULL. Errors: PRONG_INVALID, PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status prong_barrier_create(prong_barrier *barrier, unsigned parties,
                                                const prong_barrier_options *options);

/* Waits until all parties are there. *index (may be NULL) is the order of arrival in this round, from 0 on: each party has
 * another. Errors: PRONG_TIMEOUT (for the one whose time passed first: that breaks the barrier for all others),
 * PRONG_BROKEN (it is broken, or was broken or reset meanwhile; the message says by what), PRONG_STALE. */
PRONG_CHECKED prong_status prong_barrier_wait(prong_barrier barrier, unsigned *index, prong_time timeout);

/* The same with an action. Every party gives its own (a function pointer of one program image means nothing in another);
 * that of the last to arrive is run, in its process, while the others still wait. */
PRONG_CHECKED prong_status prong_barrier_wait_action(prong_barrier barrier, prong_barrier_action *action, void *context,
                                                     unsigned *index, prong_time timeout);

/* This process is a party of the coming round: should it die before it waits, the barrier breaks. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_enroll(prong_barrier barrier);

/* Breaks it: who waits, and who comes until the next reset, gets PRONG_BROKEN. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_abort(prong_barrier barrier);
/* Begins anew, with no parties known; who waits gets PRONG_BROKEN. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_reset(prong_barrier barrier);

/* False, 0 and 0 for a stale handle. */
PRONG_API bool prong_barrier_broken(prong_barrier barrier);
PRONG_API unsigned prong_barrier_parties(prong_barrier barrier);
PRONG_API unsigned prong_barrier_n_waiting(prong_barrier barrier);

/* Ends it; who waits gets PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_destroy(prong_barrier barrier);

PRONG_END_DECLS

#endif
