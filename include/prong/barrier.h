/* Barrier: a number of processes or threads, the parties, which wait for each
 * other, round after round.
 *
 * A party that dies breaks the barrier within 200 ms: all that wait, or come
 * later, get PRONG_BROKEN, and the message names the dead process. A process is
 * a party while it waits, and from the round in which it last took part to the
 * end of the next one; or from prong_barrier_enroll on. A process that has
 * ended in good order between rounds does not break the barrier, and another
 * may take its place.
 *
 * A signal handler may make every call but a wait; see prong.h.
 *
 * All calls are safe in threads and in forked children. */
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
    const char *name;  /* for messages and reports; up to 23 bytes */
    void *reserved[4]; /* zero */
} prong_barrier_options;

/* Creates a barrier of 1 to 1,000,000 parties. It lives until
 * prong_barrier_destroy, or until the family ends. options may be NULL.
 * Errors: PRONG_INVALID (parties, name too long), PRONG_NO_MEMORY. */
PRONG_CHECKED prong_status
prong_barrier_create(prong_barrier *barrier, unsigned parties,
                     const prong_barrier_options *options);

/* Runs in the thread of the last party to arrive, while all others wait. It may
 * make any call but a wait at this barrier, which would wait for itself. A
 * result other than 0 breaks the barrier. */
typedef int prong_barrier_action(void *context);

typedef struct prong_barrier_wait_options {
    /* Every party gives its own, since a function pointer of one program image
     * means nothing in another; the one of the last party to arrive is called.
     * NULL: none. */
    prong_barrier_action *action;
    void *context;     /* for the action */
    void *reserved[2]; /* zero */
} prong_barrier_wait_options;

/* Waits until all parties have arrived. *index (may be NULL) is the order of
 * arrival: 0 to parties - 1, different for each party of a round. options may
 * be NULL.
 * Errors: PRONG_TIMEOUT (this party's time passed first, which breaks the
 * barrier for the others), PRONG_BROKEN (it is broken, or was broken or reset
 * meanwhile; the message says why), PRONG_STALE. */
PRONG_CHECKED prong_status prong_barrier_wait(
    prong_barrier barrier, unsigned *index,
    const prong_barrier_wait_options *options, prong_time timeout);

/* Makes this process a party of the coming round: if it dies before it waits,
 * the barrier breaks. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_enroll(prong_barrier barrier);

/* Breaks the barrier: all that wait, or come before the next reset, get
 * PRONG_BROKEN. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_abort(prong_barrier barrier);

/* Starts again, with no parties known. All that wait get PRONG_BROKEN.
 * Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_reset(prong_barrier barrier);

typedef struct prong_barrier_state {
    unsigned parties; /* how many it has */
    unsigned waiting; /* how many of them wait now */
    bool broken;
    void *reserved[2]; /* zero */
} prong_barrier_state;

/* How it is now. Errors: PRONG_STALE (*state is then zero). */
PRONG_API prong_status prong_barrier_get_state(prong_barrier barrier,
                                               prong_barrier_state *state);

/* Destroys it. Waiters get PRONG_STALE. Errors: PRONG_STALE. */
PRONG_API prong_status prong_barrier_destroy(prong_barrier barrier);

PRONG_END_DECLS

#endif
