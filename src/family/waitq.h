/* Waiting for something in the arena to happen: spin a little, then sleep on a futex; or be rung by doorbell, for a
 * process that waits on descriptors at the same time.
 *
 * Whoever makes the thing happen does it first, then calls waitq_notify after a sequentially consistent operation
 * (lock_release is one). Whoever waits announces itself first and looks again after. So one of the two always sees
 * the other. A sleeper that is killed just as it was woken takes the wake-up with it; that is why nobody sleeps longer
 * than LONGEST_NAP without looking again. */
#ifndef FAMILY_WAITQ_H
#define FAMILY_WAITQ_H

#include "base/deadline.h"

#include <stdatomic.h>
#include <stdint.h>

enum { WATCHERS = 14, WAITQ_SLEEPERS = 1, WAITQ_WATCHED = 2 };

struct waitq {
    _Atomic uint32_t sequence; /* the futex; moves with each wake-up */
    _Atomic uint32_t flags;    /* what a notifier has to do */
    /* A doorbell each: member token in the high half, its address in the low one, and WATCHER_ARMED. */
    _Atomic uint64_t watchers[WATCHERS];
};

void waitq_notify_slow(struct waitq *queue, int count);

/* Wakes up to count sleepers and rings all armed doorbells. A load and nothing more when nobody waits. */
static inline void waitq_notify(struct waitq *queue, int count) {
    if (__builtin_expect(atomic_load_explicit(&queue->flags, memory_order_relaxed) != 0, 0))
        waitq_notify_slow(queue, count);
}

/* Waits until ready(context), the deadline, or a nap's length: true means look again, false that time is up. */
bool waitq_wait(struct waitq *queue, bool (*ready)(void *), void *context, deadline_t deadline);
/* The same without spinning, for what takes long anyway. */
bool waitq_sleep(struct waitq *queue, bool (*ready)(void *), void *context, deadline_t deadline);
/* The spinning part alone: true when ready. Bounded to some 50 us, and it yields to whoever wants the processor. */
bool spin_until(bool (*ready)(void *), void *context);

/* Registers a doorbell; the slot, or -1 when all are taken (then take short naps). */
int waitq_watch(struct waitq *queue, uint32_t address);
/* Asks to be rung at the next notify; look at the condition after this, not before. */
void waitq_arm(struct waitq *queue, int slot);
void waitq_unwatch(struct waitq *queue, int slot);
/* A member is dead: its doorbells are no more. */
void waitq_forget(struct waitq *queue, uint32_t dead);

#endif
