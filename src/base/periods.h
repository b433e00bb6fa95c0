/* How long a wait lasts before it checks for dead processes, and how long a call waits for a stopped process: all
 * periods on which the guarantees of the headers rest, and what they add up to.
 *
 * A process that is killed wakes nobody itself. So a thread that waits for another process first wakes up from time to
 * time, and checks whether that is alive:
 *
 *     a lock of the library's own    DEAD_LOCK_FIRST, then twice as long each time, up to less than 2 * DEAD_LOCK_LAST
 *     a Lock, RLock, Condition's     DEAD_MUTEX_FIRST, then twice as long each time, up to less than 2 * DEAD_MUTEX_LAST
 *     Semaphore, Barrier, Condition  DEAD_HOLDER
 *     a connection's other end       DEAD_PEER
 *     a wait on many                 DEAD_PEER, if it also waits for descriptors; else DEAD_NAP
 *     a queue, or any other sleep    DEAD_NAP: a process may die just as it is to wake another
 *     the manager's server           DEAD_SERVER; it is told of its clients' ends by descriptors
 *     a start                        DEAD_CHILD, for the child; DEAD_PARENT, in the child
 *     a process, a pool's worker     at once: by a descriptor of the process
 *
 * A thread that has slept for DEAD_NAP in vain checks no more. From then on (family/lookout.h) the kernel wakes one of
 * two lookouts when a member dies, and the burial wakes all whom it may concern. If the kernel cannot do that for a
 * member, the lookouts check it every DEAD_NAP; if it cannot do it at all (before 5.16, or in some sandboxes), all go on
 * as before. A sleep in poll does the same after VIGIL_AFTER (family/vigil.h), also on older kernels. One for a lock of the
 * library's own goes on as before.
 *
 * The check is left out if another thread made it within the last DEAD_LOOK_AGAIN. A member that is found dead is
 * buried, which takes the family's internal locks; the dead member may have held one. So every waiter knows of a death
 * within DEAD_KNOWN: tests/storm/known_test.c measures that for each kind of object. It holds while processors are
 * free; a thread that does not get a processor checks later.
 *
 * It does not hold while a lookout is stopped, or when both lookouts and the threads that the kernel woke in their place
 * die at the same time. Then the next one that wakes up by itself finds the death: each thread does after about
 * LOOKOUT_NAP * members, so that in an idle family one does every LOOKOUT_NAP. tests/storm/lookout_test.c and
 * tests/storm/vigil_test.c have these. */
#ifndef BASE_PERIODS_H
#define BASE_PERIODS_H

#include <prong/time.h>

/* Whole numbers throughout: clang takes no constant that comes from a floating one, as PRONG_MS does, in an assertion. */
#define PERIOD_MS(n) ((prong_time)(n)*1000000)

#define DEAD_LOCK_FIRST PERIOD_MS(1)
#define DEAD_LOCK_LAST PERIOD_MS(50)  /* no further doubling from here on */
#define DEAD_MUTEX_FIRST PERIOD_MS(1) /* a waiter of that age is also served first: see sync/mutex.h */
#define DEAD_MUTEX_LAST PERIOD_MS(40)
#define DEAD_HOLDER PERIOD_MS(50)
#define DEAD_PEER PERIOD_MS(100)
#define DEAD_NAP PERIOD_MS(100)
#define DEAD_SERVER PERIOD_MS(50)
#define DEAD_PARENT PERIOD_MS(50) /* of a forked child that is held back */
#define DEAD_CHILD PERIOD_MS(10)  /* that is starting, or whose exit code its fork server has not noted */
#define DEAD_KILLED PERIOD_MS(5)  /* a job's workers, which its destroy has killed */
#define DEAD_LOOK_AGAIN PERIOD_MS(10)
#define PULSE_LOOK_AGAIN PERIOD_MS(3000) /* of starts, at a member whose pulse beats: the kernel may have missed it */
#define DEAD_LOOK_FIRST PERIOD_MS(1)     /* after a sign of a member's death, then twice as long each time */
#define LOOKOUT_NAP PERIOD_MS(300)       /* for each member of the family: all together, they wake up every 300 ms */
#define VIGIL_AFTER PERIOD_MS(500)       /* of a sleep in poll, in vain: what follows takes descriptors */
#define LOOKOUT_NAP_MOST PERIOD_MS(60000)
#define LOOKOUT_NAP_RUNTIME PERIOD_MS(1000) /* of a language runtime's thread, for what another thread was told */
#define DEAD_KNOWN PERIOD_MS(200)

/* The worst case: a check after the longest period, one that was left out, and a lock that the dead process held. */
_Static_assert(DEAD_PEER + DEAD_LOOK_AGAIN + DEAD_LOCK_LAST * 32 / 25 <= DEAD_KNOWN, "within what the headers promise");
_Static_assert(DEAD_NAP + DEAD_LOOK_AGAIN + DEAD_LOCK_LAST * 32 / 25 <= DEAD_KNOWN, "within what the headers promise");

/* For a lock that a stopped process holds. A call with a deadline waits at least the first of these, however near the
 * deadline is; a call without one that must not wait forever (an exit, an interrupted wait, a burial for all locks of
 * objects together) waits at most the second. A burial that has left an object out for that is tried again after the
 * third. */
#define STOPPED_AT_LEAST PERIOD_MS(100)
#define STOPPED_AT_MOST PERIOD_MS(1000)
#define BURIAL_AGAIN PERIOD_MS(1000)

#endif
