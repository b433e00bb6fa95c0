/* How long a wait goes on before it looks for the dead, and how long a call bears with a stopped process: all periods that the
 * guarantee of the headers is made of, and what they add up to.
 *
 * A process that is killed wakes nobody. So whoever waits for another one wakes up now and then, and looks whether that lives:
 *
 *     a lock of the library's own    DEAD_LOCK_FIRST, then twice as long each time, up to less than 2 * DEAD_LOCK_LAST
 *     a Lock, RLock, Condition's     DEAD_MUTEX_FIRST, then twice as long each time, up to less than 2 * DEAD_MUTEX_LAST
 *     Semaphore, Barrier, Condition  DEAD_HOLDER
 *     a connection's other end       DEAD_PEER
 *     a wait on many                 DEAD_PEER
 *     a queue, or any other sleep    DEAD_NAP: a process may die just as it is to wake another
 *     the manager's server           DEAD_SERVER; it is told of its clients' ends by descriptors
 *     a start                        DEAD_CHILD, for the child; DEAD_PARENT, in the child
 *     a process, a pool's worker     at once: by a descriptor of the process
 *
 * A look at a member at which another thread looked in the last DEAD_LOOK_AGAIN is left out. A member that is found dead is buried;
 * for that the locks of the family have to be taken, one of which it may have held. So within DEAD_KNOWN of a death all who wait
 * know of it: tests/storm/known_test.c measures that for each kind of object. It holds where processors are free; where there is no
 * turn for who looks, it comes later by as much. */
#ifndef BASE_PERIODS_H
#define BASE_PERIODS_H

#include <prong/time.h>

/* Whole numbers throughout: clang takes no constant that comes from a floating one, as PRONG_MS does, in an assertion. */
#define PERIOD_MS(n) ((prong_time)(n)*1000000)

#define DEAD_LOCK_FIRST PERIOD_MS(1)
#define DEAD_LOCK_LAST PERIOD_MS(50) /* no further doubling from here on */
#define DEAD_MUTEX_FIRST PERIOD_MS(2)
#define DEAD_MUTEX_LAST PERIOD_MS(40)
#define DEAD_HOLDER PERIOD_MS(50)
#define DEAD_PEER PERIOD_MS(100)
#define DEAD_NAP PERIOD_MS(100)
#define DEAD_SERVER PERIOD_MS(50)
#define DEAD_PARENT PERIOD_MS(50) /* of a forked child that is held back */
#define DEAD_CHILD PERIOD_MS(10)  /* that is starting, or whose exit code its fork server has not noted */
#define DEAD_KILLED PERIOD_MS(5)  /* a job's workers, which its destroy has killed */
#define DEAD_LOOK_AGAIN PERIOD_MS(10)
#define DEAD_KNOWN PERIOD_MS(200)

/* The longest way: a look that comes after the longest period, one that was left out, and a lock that the dead one held. */
_Static_assert(DEAD_PEER + DEAD_LOOK_AGAIN + DEAD_LOCK_LAST * 32 / 25 <= DEAD_KNOWN, "within what the headers promise");
_Static_assert(DEAD_NAP + DEAD_LOOK_AGAIN + DEAD_LOCK_LAST * 32 / 25 <= DEAD_KNOWN, "within what the headers promise");

/* A stopped process is inside of something: a call that has a deadline waits for it no shorter than this, be the deadline ever so
 * near; one that has none, but may not wait forever (a recovery, an end, an interrupted wait), no longer than that. */
#define STOPPED_AT_LEAST PERIOD_MS(100)
#define STOPPED_AT_MOST PERIOD_MS(1000)

#endif
