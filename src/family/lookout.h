/* How a thread sleeps that waits for another process: it is to learn of a death without looking for one all the time.
 *
 * Stage 1: the thread sleeps on its futex, and wakes up after each nap for a look. Most sleeps end in this stage.
 * Stage 2, after DEAD_NAP in vain: it sleeps on several words, for LOOKOUT_NAP and more.
 *
 *     own word      it is woken, as in stage 1
 *     `deaths`      moves with each burial of a member that may have died before it woke another
 *     seats         two threads of different members have one, and are the family's lookouts
 *
 * A lookout also sleeps on the pulses of all other members (os_pulse_begin), in which the kernel notes a member's death.
 * It buries the dead member, which wakes those that this concerns. A lookout that ends its sleep gives up its seat, and
 * wakes a thread of those in stage 2, which takes it. The two lookouts watch each other; all others in stage 2 watch
 * both.
 *
 * A member without a pulse (it has not begun, or the thread that joined has ended), and one for which a lookout has no
 * place, are looked at every DEAD_NAP, by the lookouts alone.
 *
 * A thread that sleeps in poll can be a lookout, too: vigil.h.
 *
 * A burial wakes the waiters of all objects that the dead member was inside of. `deaths` is for what that does not reach:
 * the quick way of a put or a take, which is inside of nothing (channel/quick.h), and a thread that the dead member had
 * taken off a list, and not yet woken (watch.c). Both leave no trace of whom they were to wake. So a death wakes all that
 * are in stage 2, once, unless the member exited normally and was inside of nothing. To tell fewer, every quick put would
 * have to store the object in the thread's row before it looks for waiters, and clear that behind it.
 *
 * tests/model/lookout_model.c explores this. */
#ifndef FAMILY_LOOKOUT_H
#define FAMILY_LOOKOUT_H

#include "base/deadline.h"

#include <stdatomic.h>
#include <stdint.h>

enum { LOOKOUT_SEATS = 2 };
#define SLEEP_ANYBODY 0xffffffffu /* a mask */

/* In the arena. */
struct lookouts {
    _Alignas(64) _Atomic uint32_t seat[LOOKOUT_SEATS]; /* token of the lookout's member; 0: free */
    _Atomic uint32_t deaths;
    _Atomic uint32_t joined;  /* moves with each row that is reserved, and each member that joins */
    _Atomic uint32_t members; /* at the last look: how many share the naps */
    _Atomic uint32_t polled;  /* some thread has had a doorbell (watch.h) */
    _Atomic uint32_t unrung;  /* see watchers_are_deaf */
    _Atomic uint32_t to_ring; /* a doorbell could not be rung: the next thread that wakes up tries */
};

/* SLEEP_LOOK: nothing woke the thread. A nap is over, or the time; or a member has died, perhaps before it woke this thread. */
enum sleep_end { SLEEP_WOKEN, SLEEP_LOOK };

/* Sleeps while *word == expected. May return early for any reason, so the caller checks again. nap: of stage 1; mask: as that of
 * os_futex_sleep_masked. Not under a guard: buries dead members. */
enum sleep_end family_sleep(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, prong_time nap,
                            deadline_t deadline);
/* The deadline of a wait that ends after a nap for a look; the wait's own deadline in stage 2, where none is needed. */
deadline_t family_nap(deadline_t deadline, prong_time nap);

/* This process has become a member. */
void lookout_joined(void);
/* The table has a new row, or what a row tells of its pulse has changed: the lookouts go through it. */
void lookout_changed(void);
/* Wakes all in stage 2 for a look. A member that has died may have done so before it woke one of them. */
void lookout_wake_all(void);
/* This process could not ring a doorbell. The first time in the family, it wakes all that sleep on futexes in stage 2, and one of
 * these rings all doorbells. */
void lookout_ask_to_ring(void);

#endif
