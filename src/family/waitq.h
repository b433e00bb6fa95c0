/* Waiting for a change in the arena: spin a little, then sleep on a futex. A thread that waits for several changes, or
 * for descriptors at the same time, watches them: see watch.h.
 *
 * The notifier makes the change, then, after a sequentially consistent operation (lock_release is one), calls
 * waitq_notify. The waiter announces itself, then checks once more. So one of the two always sees the other. If the
 * notifier is killed in between, or the sleeper just as it was woken, burial wakes all: see `wake` in object.h. Those
 * that no burial reaches check every DEAD_NAP (family/lookout.h). */
#ifndef FAMILY_WAITQ_H
#define FAMILY_WAITQ_H

#include "base/deadline.h"
#include "os/os.h"

#include <stdatomic.h>
#include <stdint.h>

enum { WAITQ_SLEEPERS = 1, WAITQ_WATCHED = 2 };

struct waitq {
    _Atomic uint32_t sequence; /* the futex; moves with each wake-up */
    _Atomic uint32_t flags;    /* what a notifier has to do */
};

void waitq_notify_slow(struct waitq *queue, int count);

/* Wakes up to count sleepers and all that watch. Only a load when no thread waits. */
static inline void waitq_notify(struct waitq *queue, int count) {
    os_fence_after_atomic(); /* the change is visible before flags is read: pairs with the fence in waitq_sleep */
    if (__builtin_expect(atomic_load_explicit(&queue->flags, memory_order_relaxed) != 0, 0))
        waitq_notify_slow(queue, count);
}

/* The same for all, whatever the flags say: a notifier that died may have cleared them, and woken nobody. */
void waitq_wake_all(struct waitq *queue);

/* Waits until ready(context), the deadline, or a look is due (family_sleep): true means check again, false that the time is up. */
bool waitq_wait(struct waitq *queue, bool (*ready)(void *), void *context, deadline_t deadline);
/* The same without spinning, for waits that are long anyway. */
bool waitq_sleep(struct waitq *queue, bool (*ready)(void *), void *context, deadline_t deadline);
/* The spinning part alone: true when ready. Takes some 50 us at most, and yields to others that want the processor. */
bool spin_until(bool (*ready)(void *), void *context);

#endif
