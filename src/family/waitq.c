/* Spinning, sleeping, ringing. */
#include "family/waitq.h"

#include "family/member.h"
#include "os/os.h"

#include <sched.h>

#define WATCHER_ARMED (1ull << 31)
static const prong_time LONGEST_NAP = PRONG_MS(100);

/* --- spinning ---
 *
 * A reply from another core comes within a microsecond or so: pause and look. If the other side has no core of its
 * own, every pause only keeps it from answering: yield to it instead. Which of the two holds is learnt from what
 * worked last time, per thread, with a full try now and then in case things have changed. */
enum { PAUSES_MOST = 300, TRY_AGAIN_EVERY = 128 };
static const prong_time YIELD_FOR = PRONG_US(30);
static _Thread_local int pauses = PAUSES_MOST;
static _Thread_local unsigned spins;

static bool pause_until(bool (*ready)(void *), void *context, int limit) {
    for (int i = 0; i < limit; i++) {
        if (ready(context)) return true;
        os_cpu_relax();
    }
    return false;
}

static bool yield_until(bool (*ready)(void *), void *context) {
    int64_t end = clock_now() + YIELD_FOR;
    do {
        sched_yield();
        if (ready(context)) return true;
    } while (clock_now() < end);
    return false;
}

bool spin_until(bool (*ready)(void *), void *context) {
    bool full = ++spins % TRY_AGAIN_EVERY == 0;
    if (pause_until(ready, context, full ? PAUSES_MOST : pauses)) {
        if (full || pauses > PAUSES_MOST / 2) pauses = PAUSES_MOST;
        return true;
    }
    pauses /= 2;
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
    atomic_fetch_or(&queue->flags, WAITQ_SLEEPERS); /* pairs with the notifier's release before it looks at flags */
    if (!ready(context)) {
        count_event(&self_row()->sleeps);
        int64_t before = clock_now();
        os_futex_wait(&queue->sequence, sequence, deadline_within(deadline, LONGEST_NAP));
        interrupt_look();
        if (atomic_load(&queue->sequence) == sequence && clock_now() - before >= LONGEST_NAP) family_look_around();
    }
    /* The notifier took the flag off and woke one of us; there may be others. */
    atomic_fetch_or(&queue->flags, WAITQ_SLEEPERS);
    return ready(context) || !deadline_passed(deadline);
}

/* --- notifying --- */

static void ring(struct waitq *queue, int slot) {
    uint64_t word = atomic_load(&queue->watchers[slot]);
    if (!(word & WATCHER_ARMED)) return;
    if (!atomic_compare_exchange_strong(&queue->watchers[slot], &word, word & ~WATCHER_ARMED)) return;
    if (os_doorbell_ring((uint32_t)word & ~(uint32_t)WATCHER_ARMED)) return;
    word &= ~WATCHER_ARMED;
    atomic_compare_exchange_strong(&queue->watchers[slot], &word, 0); /* nobody there any more */
}

void waitq_notify_slow(struct waitq *queue, int count) {
    uint32_t flags = atomic_exchange(&queue->flags, 0);
    if (flags & WAITQ_SLEEPERS) {
        atomic_fetch_add(&queue->sequence, 1);
        os_futex_wake(&queue->sequence, count);
    }
    if (flags & WAITQ_WATCHED)
        for (int slot = 0; slot < WATCHERS; slot++) ring(queue, slot);
}

/* --- doorbells --- */

int waitq_watch(struct waitq *queue, uint32_t address) {
    uint64_t word = (uint64_t)self_token() << 32 | address;
    for (int slot = 0; slot < WATCHERS; slot++) {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&queue->watchers[slot], &none, word)) return slot;
    }
    return -1;
}

void waitq_arm(struct waitq *queue, int slot) {
    atomic_fetch_or(&queue->watchers[slot], WATCHER_ARMED);
    atomic_fetch_or(&queue->flags, WAITQ_WATCHED);
}

void waitq_unwatch(struct waitq *queue, int slot) {
    atomic_store(&queue->watchers[slot], 0);
}

void waitq_forget(struct waitq *queue, uint32_t dead) {
    for (int slot = 0; slot < WATCHERS; slot++) {
        uint64_t word = atomic_load(&queue->watchers[slot]);
        if (word >> 32 == dead) atomic_compare_exchange_strong(&queue->watchers[slot], &word, 0);
    }
}
