/* How a thread sleeps in poll that waits for other members, too: a wait on descriptors and on what is in the arena at once. It
 * cannot sleep on their pulses, as a sleep on futexes does (lookout.h); so it polls descriptors of their processes.
 *
 * Stage 1: a nap of DEAD_PEER at a time, then a look.
 * Stage 2, after VIGIL_AFTER in vain: naps as long as those of stage 2 in lookout.h. It takes a seat, if one is free, and is
 * then a lookout like the others: it watches the processes of all members and buries the dead. Else it watches those of the
 * two lookouts. It is rung (watch.h, WATCH_...) when a member has died that may have been about to wake it; when a seat is
 * free that no thread took that sleeps on a futex; and, as a lookout, when a member has joined.
 *
 * So a death is known within DEAD_KNOWN also if all members sleep in poll, and the dead member's parent, too. The kernel tells
 * it as soon as the process has ended, reaped or not.
 *
 * The descriptors are the process's, not the thread's: at most VIGIL_ROWS, beside one over all of them, while a thread
 * is in stage 2. A member has one seat, and those without a seat watch two processes. A forked child closes its copies.
 *
 * A member beyond these, or one that has no number in this namespace of pids, is looked at every DEAD_NAP, by the lookouts
 * alone. */
#ifndef FAMILY_VIGIL_H
#define FAMILY_VIGIL_H

#include "family/watch.h"

enum { VIGIL_ROWS = 120 };

/* Begins stage 2 of the calling thread. Pair with vigil_end, which another thread of this process must not call for it. */
void vigil_begin(void);
void vigil_end(void);
/* Before each sleep, after watch_renew, and before the caller checks what it waits for. How long it may sleep; *descriptor is
 * to be polled, too (-1: none). */
deadline_t vigil_prepare(struct watch *watch, deadline_t deadline, int *descriptor);
/* After each sleep: buries those whose end it has shown. in_vain: nothing else ended the sleep. */
void vigil_look(bool in_vain);

#endif
