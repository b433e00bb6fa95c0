/* How long a wait lasts before it checks for dead processes, and how long a call waits for a stopped process: all
 * periods on which the guarantees of the headers rest, and what they add up to.
 *
 * A process that is killed wakes nobody. So a thread that waits for another process wakes up from time to time, and
 * checks whether that is alive:
 *
 *     a lock of the library's own    DEAD_LOCK_FIRST, then twice as long each time, up to less than 2 * DEAD_LOCK_LAST
 *     a Lock, RLock, Condition's     DEAD_MUTEX_FIRST, then twice as long each time, up to less than 2 * DEAD_MUTEX_LAST
 *     Semaphore, Barrier, Condition  DEAD_HOLDER
 *     a connection's other end       DEAD_PEER
 *     a wait on many                 DEAD_PEER
 *     a queue, or any other sleep    DEAD_NAP: a process may die just as it is to wake another
 *     the manager's server           DEAD_SERVER; it is told of its clients' ends by descriptors
 *     a process, a pool's worker     at once: by a descriptor of the process
 *
 * The check is left out if another thread made it within the last DEAD_LOOK_AGAIN. A member that is found dead is
 * buried, which takes the family's internal locks; the dead member may have held one. So every waiter knows of a death
 * within DEAD_KNOWN: tests/storm/known_test.c measures that for each kind of object. It holds while processors are
 * free; a thread that does not get a processor checks later. */
#ifndef BASE_PERIODS_H
#define BASE_PERIODS_H

#include <prong/time.h>

#define DEAD_LOCK_FIRST PRONG_MS(1)
#define DEAD_LOCK_LAST PRONG_MS(50) /* no further doubling from here on */
#define DEAD_MUTEX_FIRST PRONG_MS(2)
#define DEAD_MUTEX_LAST PRONG_MS(40)
#define DEAD_HOLDER PRONG_MS(50)
#define DEAD_PEER PRONG_MS(100)
#define DEAD_NAP PRONG_MS(100)
#define DEAD_SERVER PRONG_MS(50)
#define DEAD_LOOK_AGAIN PRONG_MS(10)
#define DEAD_KNOWN PRONG_MS(200)

/* The worst case: a check after the longest period, one that was left out, and a lock that the dead process held. */
_Static_assert(DEAD_PEER + DEAD_LOOK_AGAIN + DEAD_LOCK_LAST * 32 / 25 <= DEAD_KNOWN, "within what the headers promise");
_Static_assert(DEAD_NAP + DEAD_LOOK_AGAIN + DEAD_LOCK_LAST * 32 / 25 <= DEAD_KNOWN, "within what the headers promise");

/* For a lock that a stopped process holds. A call with a deadline waits at least the first of these, however near the
 * deadline is; a call without one that must not wait forever (a recovery, an exit, an interrupted wait) waits at most
 * the second. */
#define STOPPED_AT_LEAST PRONG_MS(100)
#define STOPPED_AT_MOST PRONG_SECONDS(1)

#endif
