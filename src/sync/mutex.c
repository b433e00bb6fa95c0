/* Waiting for a held mutex, waking waiters, and recovery from a dead holder. */
#include "sync/mutex.h"

#include "base/error.h"
#include "base/periods.h"
#include "os/pause.h"

#include <limits.h>
#include <stdio.h>

#ifndef MUTEX_PATIENCE /* the model in tests/model has its own */
#define MUTEX_PATIENCE DEAD_MUTEX_FIRST
#endif
static const prong_time MUTEX_SPIN_FOR = PRONG_US(10), MUTEX_ARRIVES_WITHIN = PRONG_US(1);

/* Masks of sleepers: those that were woken in vain, and all others. */
enum { PASSED_OVER = 1, COMING = 2, ANYBODY = 3 };

struct attempt {
    struct mutex *mutex;
    uint32_t token;
    bool slept;       /* may have been woken: may take what is reserved, and sees to the other sleepers */
    bool passed_over; /* was woken, and found it taken */
    bool abandoned;   /* took the lock over from a dead holder */
    int64_t since;    /* when it began to sleep; 0 when it has not */
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

/* A short critical section is over within this time. The pauses between two tries grow, as each try takes the word's
 * cache line from the holder; but not those of a thread that has waited already, as the next release may be for it. */
static bool mutex_spin(struct attempt *a) {
    struct pause pause = {0};
    for (unsigned gap = 1;; gap *= a->slept ? 1 : 2) {
        if (try_now(a)) return true;
        for (unsigned i = 0; i < gap; i++)
            if (!pause_again(&pause, MUTEX_SPIN_FOR)) return false;
    }
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
    atomic_compare_exchange_strong(&mutex->word, &reserved, 0);
    os_futex_wake_masked(&mutex->word, 1, ANYBODY);
}

/* In units of 66 us, of which 32 bits are enough: only differences count. */
static uint32_t mutex_clock(int64_t time) {
    return (uint32_t)(time >> 16);
}

static bool mutex_is_due(uint32_t since, int64_t now) {
    return (int32_t)(mutex_clock(now) - since) >= (int32_t)mutex_clock(MUTEX_PATIENCE);
}

/* Stores since when this thread waits, unless another has waited longer. */
static void mutex_note_wait(struct attempt *a, bool only_if_longer) {
    uint32_t mine = mutex_clock(a->since), noted = atomic_load_explicit(&a->mutex->since, memory_order_relaxed);
    if (!only_if_longer || (int32_t)(mine - noted) < 0)
        atomic_store_explicit(&a->mutex->since, mine, memory_order_relaxed);
}

/* Woken, but the mutex is taken. */
static void mutex_passed_over(struct attempt *a, int64_t now) {
    a->passed_over = true;
    mutex_note_wait(a, true);
    flag_holder(a->mutex, mutex_is_due(mutex_clock(a->since), now) ? MUTEX_RESERVED | MUTEX_WAITERS : MUTEX_WAITERS);
}

/* Sets MUTEX_WAITERS for a thread that is about to sleep. */
static void mutex_announce(struct attempt *a) {
    if (!a->slept) mutex_note_wait(a, false);
    flag_holder(a->mutex, MUTEX_WAITERS);
}

static bool sleep_until_taken(struct attempt *a, deadline_t deadline) {
    struct mutex *mutex = a->mutex;
    a->since = clock_now();
    for (prong_time nap = DEAD_MUTEX_FIRST;;) {
        uint32_t word = atomic_load(&mutex->word);
        if (may_take(a, word)) {
            if (mutex_take(a, word)) return true;
            continue;
        }
        if ((word & MUTEX_HOLDER) == MUTEX_GONE || (a->slept && deadline_passed(deadline))) return false;
        if ((word & MUTEX_HOLDER) && !(word & MUTEX_WAITERS)) {
            mutex_announce(a);
            continue;
        }
        enum sleep_end end = family_sleep(&mutex->word, word, a->passed_over ? PASSED_OVER : COMING, nap, deadline);
        a->slept = true;
        if (mutex_spin(a)) return true;
        if (end == SLEEP_WOKEN) {
            mutex_passed_over(a, clock_now());
        } else {
            look_at_holder(mutex);
            if (nap < DEAD_MUTEX_LAST) nap *= 2;
        }
    }
}

/* If it is held, its release wakes one. */
void mutex_wake(struct mutex *mutex) {
    if (!flag_holder(mutex, MUTEX_WAITERS)) mutex_offer(mutex);
}

static bool mutex_wait(struct attempt *a, void *object, deadline_t deadline) {
    struct waiter *waiter = waiter_begin(object);
    bool taken = sleep_until_taken(a, deadline);
    waiter_end(waiter);
    if (!taken) mutex_wake(a->mutex); /* it may have been woken: then it passes its wake-up on */
    return taken;
}

enum mutex_result mutex_acquire_slow(struct mutex *mutex, void *object, deadline_t deadline) {
    struct attempt a = {.mutex = mutex, .token = self_token()};
    bool taken = deadline == PRONG_NOWAIT ? try_now(&a) || try_after_a_look(&a)
                                          : mutex_spin(&a) || mutex_wait(&a, object, deadline);
    if (!taken) return MUTEX_TIMED_OUT;
    /* Most that sleep have come later; one that has not, as it was passed over, notes its own when it wakes in vain again. */
    if (a.since) mutex_note_wait(&a, false);
    atomic_store_explicit(&mutex->thread, thread_self(), memory_order_relaxed);
    mutex->count = 0;
    return a.abandoned ? MUTEX_OWNER_DIED : MUTEX_TAKEN;
}

/* --- releasing --- */

/* Whether a sleeper has waited long enough to be the next. Asked only when there is one. */
static bool somebody_is_due(struct mutex *mutex) {
    return mutex_is_due(atomic_load_explicit(&mutex->since, memory_order_relaxed), clock_now());
}

/* Whether the thread that has reserved the mutex is awake and takes it. Its release wakes the next one. */
static bool taken_at_once(struct mutex *mutex) {
    struct pause pause = {0};
    do
        if (atomic_load(&mutex->word) != MUTEX_RESERVED) return true;
    while (pause_again(&pause, MUTEX_ARRIVES_WITHIN));
    return false;
}

/* Wakes a sleeper that was woken in vain before; if there is none, any other; if nobody sleeps, drops the
 * reservation. */
static void mutex_hand_over(struct mutex *mutex) {
    if (os_futex_wake_masked(&mutex->word, 1, PASSED_OVER) > 0 || os_futex_wake_masked(&mutex->word, 1, COMING) > 0)
        return;
    mutex_offer(mutex);
}

/* If another thread has taken the mutex already, a sleeper would wake in vain: that thread's release wakes it. */
static void wake_one(struct mutex *mutex) {
    if (!flag_holder(mutex, MUTEX_WAITERS)) os_futex_wake_masked(&mutex->word, 1, ANYBODY);
}

bool mutex_release_slow(struct mutex *mutex, uint32_t holder) {
    uint32_t word = atomic_load(&mutex->word), after;
    bool due = (word & MUTEX_WAITERS) && somebody_is_due(mutex);
    do {
        if ((word & MUTEX_HOLDER) != holder) return false;
        after = due && (word & MUTEX_WAITERS) ? MUTEX_RESERVED : word & MUTEX_RESERVED;
    } while (!atomic_compare_exchange_weak(&mutex->word, &word, after));
    if ((word & MUTEX_RESERVED) && taken_at_once(mutex)) return true;
    if (after == MUTEX_RESERVED)
        mutex_hand_over(mutex);
    else if (word & MUTEX_WAITERS)
        wake_one(mutex);
    return true;
}

/* --- beginning and end --- */

void mutex_begin(struct mutex *mutex) {
    mutex->count = 0;
    mutex->died_pid = 0;
    atomic_store(&mutex->thread, 0);
    atomic_store(&mutex->since, 0);
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
