/* Waiting for a held mutex, waking waiters, and recovery from a dead holder. */
#include "sync/mutex.h"

#include "base/error.h"
#include "base/periods.h"
#include "os/pause.h"

#include <limits.h>
#include <stdio.h>

#ifndef MUTEX_BYPASSES
#define MUTEX_BYPASSES 16 /* the model in tests/model has fewer */
#endif
static const prong_time MUTEX_SPIN_FOR = PRONG_US(10);

/* Masks of sleepers: those that were woken in vain, and all others. */
enum { PASSED_OVER = 1, COMING = 2, ANYBODY = 3 };

struct attempt {
    struct mutex *mutex;
    uint32_t token;
    bool slept;       /* may take what is reserved */
    bool passed_over; /* was woken, and found it taken */
    bool abandoned;   /* took the lock over from a dead holder */
};

static bool is_token(uint32_t holder) {
    return holder > MUTEX_GONE;
}

static bool may_take(const struct attempt *a, uint32_t word) {
    uint32_t holder = word & MUTEX_HOLDER;
    return holder == MUTEX_ABANDONED || (holder == 0 && (a->slept || !(word & MUTEX_RESERVED)));
}

static bool mutex_take(struct attempt *a, uint32_t word) {
    uint32_t flags = a->slept ? MUTEX_WAITERS : word & (MUTEX_WAITERS | MUTEX_RESERVED);
    if (!atomic_compare_exchange_weak(&a->mutex->word, &word, a->token | flags)) return false;
    a->abandoned = (word & MUTEX_HOLDER) == MUTEX_ABANDONED;
    return true;
}

static bool try_now(struct attempt *a) {
    uint32_t word = atomic_load_explicit(&a->mutex->word, memory_order_relaxed);
    return may_take(a, word) && mutex_take(a, word);
}

/* A short critical section is over within this time. */
static bool mutex_spin(struct attempt *a) {
    struct pause pause = {0};
    do
        if (try_now(a)) return true;
    while (pause_again(&pause, MUTEX_SPIN_FOR));
    return false;
}

static void look_at_holder(struct mutex *mutex) {
    uint32_t holder = mutex_holder(mutex);
    if (is_token(holder)) member_look(holder);
}

/* A try must not fail forever because of a dead holder: it checks for one, too, unless another thread just did. Nor
 * because of a reservation, as the waiter that it is for may be dead. */
static bool try_after_a_look(struct attempt *a) {
    look_at_holder(a->mutex);
    a->slept = true;
    return try_now(a);
}

/* --- waiting --- */

/* Sets the flags on a word that is held; false when it is not. */
static bool flag_holder(struct mutex *mutex, uint32_t flags) {
    uint32_t word = atomic_load(&mutex->word);
    while (word & MUTEX_HOLDER)
        if ((word & flags) == flags || atomic_compare_exchange_weak(&mutex->word, &word, word | flags)) return true;
    return false;
}

/* The mutex is free, and perhaps no sleeper is on its way: drops a reservation, and wakes a sleeper. */
static void mutex_offer(struct mutex *mutex) {
    uint32_t reserved = MUTEX_RESERVED;
    atomic_store_explicit(&mutex->bypasses, 0, memory_order_relaxed);
    atomic_compare_exchange_strong(&mutex->word, &reserved, 0);
    os_futex_wake_masked(&mutex->word, 1, ANYBODY);
}

static bool sleep_until_taken(struct attempt *a, deadline_t deadline) {
    struct mutex *mutex = a->mutex;
    for (prong_time nap = DEAD_MUTEX_FIRST;;) {
        uint32_t word = atomic_load(&mutex->word);
        if (may_take(a, word)) {
            if (mutex_take(a, word)) return true;
            continue;
        }
        if ((word & MUTEX_HOLDER) == MUTEX_GONE || (a->slept && deadline_passed(deadline))) return false;
        if ((word & MUTEX_HOLDER) && !(word & MUTEX_WAITERS)) {
            flag_holder(mutex, MUTEX_WAITERS);
            continue;
        }
        int64_t before = clock_now();
        os_futex_sleep_masked(&mutex->word, word, a->passed_over ? PASSED_OVER : COMING,
                              deadline_within(deadline, nap));
        a->slept = true;
        if (mutex_spin(a)) return true;
        if (clock_now() - before < nap) {
            a->passed_over = true;
            flag_holder(mutex, MUTEX_RESERVED | MUTEX_WAITERS);
        } else {
            look_at_holder(mutex);
            if (nap < DEAD_MUTEX_LAST) nap *= 2;
        }
    }
}

static bool mutex_wait(struct attempt *a, void *object, deadline_t deadline) {
    struct waiter *waiter = waiter_begin(object);
    bool taken = sleep_until_taken(a, deadline);
    waiter_end(waiter);
    /* A waiter that gives up may have been woken: then it passes its wake-up on to those that still sleep. */
    if (!taken && !flag_holder(a->mutex, MUTEX_WAITERS)) mutex_offer(a->mutex);
    return taken;
}

enum mutex_result mutex_acquire_slow(struct mutex *mutex, void *object, deadline_t deadline) {
    struct attempt a = {.mutex = mutex, .token = self_token()};
    bool taken = deadline == PRONG_NOWAIT ? try_now(&a) || try_after_a_look(&a)
                                          : mutex_spin(&a) || mutex_wait(&a, object, deadline);
    if (!taken) return MUTEX_TIMED_OUT;
    if (a.slept) atomic_store_explicit(&mutex->bypasses, 0, memory_order_relaxed);
    atomic_store_explicit(&mutex->thread, thread_self(), memory_order_relaxed);
    mutex->count = 0;
    return a.abandoned ? MUTEX_OWNER_DIED : MUTEX_TAKEN;
}

/* --- releasing --- */

/* The new word; also stores the count, which only the holder writes. */
static uint32_t word_after(struct mutex *mutex, uint32_t word) {
    uint32_t bypasses = atomic_load_explicit(&mutex->bypasses, memory_order_relaxed);
    bool enough = bypasses >= MUTEX_BYPASSES && !(word & MUTEX_WAITERS);
    if (!enough)
        atomic_store_explicit(&mutex->bypasses,
                              word & MUTEX_WAITERS ? 1
                              : bypasses           ? bypasses + 1
                                                   : 0,
                              memory_order_relaxed);
    return enough ? MUTEX_RESERVED : word & MUTEX_RESERVED;
}

/* Wakes a sleeper that was woken in vain before; if there is none, any other; if nobody sleeps, drops the
 * reservation. */
static void mutex_hand_over(struct mutex *mutex) {
    if (os_futex_wake_masked(&mutex->word, 1, PASSED_OVER) > 0 || os_futex_wake_masked(&mutex->word, 1, COMING) > 0)
        return;
    mutex_offer(mutex);
}

/* If the flag was left over, no sleeper is on its way, whatever the count says. A thread that reserves the mutex by
 * that count checks the count again afterwards (below), and this one checks the word afterwards: so one of the two sees
 * the other. */
static void wake_one(struct mutex *mutex) {
    if (os_futex_wake_masked(&mutex->word, 1, ANYBODY) > 0) return;
    atomic_store(&mutex->bypasses, 0);
    if (atomic_load(&mutex->word) == MUTEX_RESERVED) mutex_offer(mutex);
}

bool mutex_release_slow(struct mutex *mutex, uint32_t holder) {
    uint32_t word = atomic_load(&mutex->word), after;
    do {
        if ((word & MUTEX_HOLDER) != holder) return false;
        after = word_after(mutex, word);
    } while (!atomic_compare_exchange_weak(&mutex->word, &word, after));
    if (word & MUTEX_RESERVED)
        mutex_hand_over(mutex);
    else if (word & MUTEX_WAITERS)
        wake_one(mutex);
    else if (after == MUTEX_RESERVED && atomic_load(&mutex->bypasses) == 0)
        mutex_offer(mutex);
    return true;
}

/* --- beginning and end --- */

void mutex_begin(struct mutex *mutex) {
    mutex->count = 0;
    mutex->died_pid = 0;
    atomic_store(&mutex->thread, 0);
    atomic_store(&mutex->bypasses, 0);
    atomic_store(&mutex->word, 0);
}

void mutex_end(struct mutex *mutex) {
    atomic_store(&mutex->word, MUTEX_GONE);
    os_futex_wake(&mutex->word, INT_MAX);
}

/* --- outcome, death, report --- */

prong_status mutex_status(enum mutex_result result, struct mutex *mutex, void *object) {
    char what[80], who[80];
    if (result == MUTEX_TAKEN) return PRONG_OK;
    object_describe(object, what, sizeof what);
    if (result == MUTEX_OWNER_DIED)
        return fail(PRONG_OWNER_DIED, "%s was held by process %u '%.47s', which died", what, mutex->died_pid,
                    mutex->died);
    uint32_t holder = mutex_holder(mutex);
    if (is_token(holder))
        return fail(PRONG_TIMEOUT, "%s is held by %s", what, member_describe(holder, who, sizeof who));
    return fail(PRONG_TIMEOUT, "%s was not to be had", what);
}

/* If this process is killed in here, another one begins the recovery again: the word is then still that of the dead
 * holder; or it is abandoned already, and only the wake-up is missing, which the sleepers' next check replaces. */
void mutex_recover(struct mutex *mutex, void *object, uint32_t dead) {
    uint32_t word = atomic_load(&mutex->word);
    if ((word & MUTEX_HOLDER) != dead) return;
    char what[80], who[80];
    mutex->died_pid = (uint32_t)atomic_load(&member_row(dead)->pid);
    snprintf(mutex->died, sizeof mutex->died, "%s", member_row(dead)->name);
    while ((word & MUTEX_HOLDER) == dead)
        if (atomic_compare_exchange_weak(&mutex->word, &word, (word & ~MUTEX_HOLDER) | MUTEX_ABANDONED)) {
            recovery_note("%s died holding %s", member_describe(dead, who, sizeof who),
                          object_describe(object, what, sizeof what));
            break;
        }
    os_futex_wake(&mutex->word, 1);
}

void mutex_holders(struct mutex *mutex, holder_visit *visit, void *context) {
    uint32_t holder = mutex_holder(mutex);
    if (holder && holder != MUTEX_GONE) visit(context, holder, atomic_load(&mutex->thread));
}
