/* Spinning, sleeping, waking. */
#include "base/periods.h"
#include "family/waitq.h"

#include "family/lookout.h"
#include "family/member.h"
#include "family/watch.h"
#include "os/pause.h"

#include <limits.h>
#include <sched.h>

/* --- spinning ---
 *
 * A reply from another core comes within a microsecond or so: pause and check again. If the other side has no core of
 * its own, every pause only keeps it from answering: yield to it instead. Which of the two is right is learnt from what
 * worked last time, per thread, with a full attempt now and then in case things have changed. If other processes need
 * the core, a yield lasts until all of them have had their turn, and a sleeping thread would run sooner: after a yield
 * that took long, threads sleep at once, until the next full attempt. */
enum { TRY_AGAIN_EVERY = 128 };
static const prong_time PAUSE_MOST = PRONG_US(10), PAUSE_LEAST = 50, YIELD_FOR = PRONG_US(30),
                        YIELD_MOST = PRONG_US(300);
static QUICK_LOCAL prong_time pause_for = PRONG_US(10);
static QUICK_LOCAL unsigned spins;
static QUICK_LOCAL bool yields_are_slow;

static bool pause_until(bool (*ready)(void *), void *context, prong_time span) {
    struct pause pause = {0};
    while (span >= PAUSE_LEAST) {
        if (ready(context)) return true;
        if (!pause_again(&pause, span)) break;
    }
    return false;
}

static bool yield_until(bool (*ready)(void *), void *context) {
    int64_t now = clock_now(), end = now + YIELD_FOR;
    while (!yields_are_slow && now < end) {
        int64_t before = now;
        sched_yield();
        now = clock_now();
        yields_are_slow = now - before > YIELD_MOST;
        if (ready(context)) return true;
    }
    return false;
}

bool spin_until(bool (*ready)(void *), void *context) {
    bool full = ++spins % TRY_AGAIN_EVERY == 0;
    if (full) yields_are_slow = false;
    if (pause_until(ready, context, full ? PAUSE_MOST : pause_for)) {
        if (full || pause_for > PAUSE_MOST / 2) pause_for = PAUSE_MOST;
        return true;
    }
    pause_for /= 2;
    return yield_until(ready, context);
}

/* --- sleeping --- */

bool waitq_wait(struct waitq *queue, bool (*ready)(void *), void *context, deadline_t deadline) {
    if (deadline == PRONG_NOWAIT) return false;
    return spin_until(ready, context) || waitq_sleep(queue, ready, context, deadline);
}

bool waitq_sleep(struct waitq *queue, bool (*ready)(void *), void *context, deadline_t deadline) {
    if (deadline == PRONG_NOWAIT) return false;
    uint32_t sequence = atomic_load(&queue->sequence);
    atomic_fetch_or(&queue->flags, WAITQ_SLEEPERS);
    os_fence_after_atomic(); /* the flag is set before ready checks: pairs with the fence in waitq_notify */
    if (!ready(context)) {
        count_event(&self_row()->sleeps);
        enum sleep_end end = family_sleep(&queue->sequence, sequence, SLEEP_ANYBODY, DEAD_NAP, deadline);
        member_mark_if_needed();
        if (end == SLEEP_LOOK) family_look_around();
    }
    /* The notifier cleared the flag and woke one sleeper; there may be others. */
    atomic_fetch_or(&queue->flags, WAITQ_SLEEPERS);
    os_fence_after_atomic();
    return ready(context) || !deadline_passed(deadline);
}

/* --- notifying --- */

void waitq_notify_slow(struct waitq *queue, int count) {
    uint32_t flags = atomic_exchange(&queue->flags, 0);
    if (flags & WAITQ_SLEEPERS) {
        atomic_fetch_add(&queue->sequence, 1);
        os_futex_wake(&queue->sequence, count);
    }
    if (flags & WAITQ_WATCHED) watchers_wake(queue);
}

void waitq_wake_all(struct waitq *queue) {
    atomic_fetch_add(&queue->sequence, 1);
    os_futex_wake(&queue->sequence, INT_MAX);
    watchers_wake(queue);
}
