/* Waiting for a held lock, waking who waits, and what a dead holder leaves. */
#include "sync/mutex.h"

#include "base/error.h"
#include "os/os.h"

#include <stdio.h>

enum { SPINS = 200, BYPASSES = 16 };
static const prong_time NAP_FIRST = PRONG_MS(2), NAP_MOST = PRONG_MS(40);

/* Masks of sleepers: one that was woken in vain, and all others. */
enum { PASSED_OVER = 1, COMING = 2 };

struct attempt {
    struct mutex *mutex;
    uint32_t token;
    bool slept;     /* may take what is reserved */
    bool heir;      /* it was woken in vain, and had the next release reserved */
    bool abandoned; /* it took the lock over from a dead holder */
};

static bool may_take(const struct attempt *a, uint32_t word) {
    uint32_t holder = word & MUTEX_HOLDER;
    return holder == MUTEX_ABANDONED || (holder == 0 && (a->slept || !(word & MUTEX_RESERVED)));
}

/* One that has slept leaves MUTEX_WAITERS set, as there may be others; the release after the last one clears it. */
static bool take(struct attempt *a, uint32_t word) {
    uint32_t flags = a->slept ? MUTEX_WAITERS : word & (MUTEX_WAITERS | MUTEX_RESERVED);
    if (!atomic_compare_exchange_weak(&a->mutex->word, &word, a->token | flags)) return false;
    a->abandoned = (word & MUTEX_HOLDER) == MUTEX_ABANDONED;
    return true;
}

static bool try_now(struct attempt *a) {
    uint32_t word = atomic_load_explicit(&a->mutex->word, memory_order_relaxed);
    return may_take(a, word) && take(a, word);
}

/* The holder of a short critical section is done within this. */
static bool spin(struct attempt *a) {
    for (int i = 0; i < SPINS; i++) {
        if (try_now(a)) return true;
        os_cpu_relax();
    }
    return false;
}

/* A try that fails on a holder that died must not fail for ever: it looks too, if nobody just has. */
static bool try_after_a_look(struct attempt *a) {
    uint32_t holder = mutex_holder(a->mutex);
    if (holder > MUTEX_ABANDONED) member_look(holder);
    /* With no time to sleep it may take what is reserved: the one it is reserved for may be dead. */
    a->slept = true;
    return try_now(a);
}

/* Woken, and found it taken: the next release is for us, unless another sleeper has had it reserved. */
static void reserve(struct attempt *a) {
    uint32_t word = atomic_load(&a->mutex->word);
    while ((word & MUTEX_HOLDER) && !(word & MUTEX_RESERVED))
        if (atomic_compare_exchange_weak(&a->mutex->word, &word, word | MUTEX_RESERVED | MUTEX_WAITERS)) a->heir = true;
}

/* Sleeps until woken or for a nap. The store to `waking` comes before the kernel compares the word, the releaser's
 * store to the word before its load of `waking`: one of the two sees the other. */
static void sleep_for(struct attempt *a, uint32_t word, prong_time nap, deadline_t deadline) {
    atomic_store(&a->mutex->waking, 0);
    os_futex_wait_masked(&a->mutex->word, word, a->heir ? PASSED_OVER : COMING, deadline_within(deadline, nap));
}

static bool sleep_until_taken(struct attempt *a, deadline_t deadline) {
    prong_time nap = NAP_FIRST;
    for (;;) {
        uint32_t word = atomic_load(&a->mutex->word);
        if (may_take(a, word)) {
            if (take(a, word)) return true;
            continue;
        }
        if (a->slept && deadline_passed(deadline)) return false;
        if (!(word & MUTEX_WAITERS)) {
            atomic_compare_exchange_weak(&a->mutex->word, &word, word | MUTEX_WAITERS);
            continue;
        }
        int64_t before = clock_now();
        sleep_for(a, word, nap, deadline);
        a->slept = true;
        if (spin(a)) return true;
        if (clock_now() - before < nap) {
            reserve(a);
            continue;
        }
        uint32_t holder = mutex_holder(a->mutex);
        if (holder > MUTEX_ABANDONED) member_look(holder);
        if (nap < NAP_MOST) nap *= 2;
    }
}

/* Gave up. A reservation that nobody waits for would make others sleep once; and if the last release woke us alone, or
 * none since we were on our way, somebody else must be woken in our place. */
static void withdraw(struct attempt *a) {
    if (a->heir) atomic_fetch_and(&a->mutex->word, ~MUTEX_RESERVED);
    atomic_store(&a->mutex->waking, 0);
    uint32_t word = atomic_load(&a->mutex->word);
    if ((word & MUTEX_WAITERS) && !(word & MUTEX_HOLDER)) os_futex_wake(&a->mutex->word, 1);
}

static bool wait(struct attempt *a, void *object, deadline_t deadline) {
    struct waiter *waiter = waiter_begin(object);
    bool taken = sleep_until_taken(a, deadline);
    waiter_end(waiter);
    if (!taken) withdraw(a);
    if (taken && a->slept) {
        a->mutex->bypassed = 0;
        atomic_store(&a->mutex->waking, 0);
    }
    return taken;
}

enum mutex_result mutex_acquire_slow(struct mutex *mutex, void *object, deadline_t deadline) {
    struct attempt a = {.mutex = mutex, .token = self_token()};
    bool taken =
        deadline == PRONG_NOWAIT ? try_now(&a) || try_after_a_look(&a) : spin(&a) || wait(&a, object, deadline);
    if (!taken) return MUTEX_TIMED_OUT;
    atomic_store_explicit(&mutex->thread, thread_self(), memory_order_relaxed);
    mutex->count = 0;
    return a.abandoned ? MUTEX_OWNER_DIED : MUTEX_TAKEN;
}

/* --- releasing --- */

/* To those that slept, the one first that was woken in vain. Nobody asleep: there is nobody to reserve it for. */
static void hand_over(struct mutex *mutex) {
    uint32_t reserved = MUTEX_RESERVED | MUTEX_WAITERS;
    if (os_futex_wake_masked(&mutex->word, 1, PASSED_OVER) > 0 || os_futex_wake_masked(&mutex->word, 1, COMING) > 0)
        return;
    if (!atomic_load(&mutex->waking)) atomic_compare_exchange_strong(&mutex->word, &reserved, 0);
}

/* Nobody sleeps: whoever is about to finds the word changed, and sets the flag anew. */
static void wake_one(struct mutex *mutex) {
    uint32_t idle = MUTEX_WAITERS;
    if (atomic_exchange(&mutex->waking, 1) || os_futex_wake(&mutex->word, 1) > 0) return;
    atomic_store(&mutex->waking, 0);
    atomic_compare_exchange_strong(&mutex->word, &idle, 0);
}

void mutex_release_slow(struct mutex *mutex) {
    uint32_t word = atomic_load(&mutex->word), flags;
    bool enough = mutex->bypassed >= BYPASSES;
    mutex->bypassed = enough ? 0 : mutex->bypassed + 1;
    do {
        flags = word & (MUTEX_WAITERS | MUTEX_RESERVED);
        if (enough && (flags & MUTEX_WAITERS)) flags |= MUTEX_RESERVED;
    } while (!atomic_compare_exchange_weak(&mutex->word, &word, flags));
    if (flags & MUTEX_RESERVED)
        hand_over(mutex);
    else if (flags & MUTEX_WAITERS)
        wake_one(mutex);
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
    if (holder > MUTEX_ABANDONED)
        return fail(PRONG_TIMEOUT, "%s is held by %s", what, member_describe(holder, who, sizeof who));
    return fail(PRONG_TIMEOUT, "%s was not to be had", what);
}

/* Killed in here, the recovery is begun again by another: the word is then still the dead one's, or is abandoned and
 * only the waking is left, which a nap replaces. */
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
    if (holder) visit(context, holder, atomic_load(&mutex->thread));
}
