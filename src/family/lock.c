/* Taking a contended or abandoned lock. */
#include "family/lock.h"

#include "family/member.h"
#include "os/os.h"

/* A holder is inside for tens of nanoseconds, or it has been descheduled, or it is dead. Spin for the first, sleep
 * for the second, and look whether it lives after the first millisecond, then ever more rarely. */
#ifndef LOCK_SPINS
#define LOCK_SPINS 200 /* the model in tests/model has fewer */
#endif
enum { SPINS = LOCK_SPINS };
static const prong_time FIRST_LOOK = PRONG_MS(1), LAST_LOOK = PRONG_MS(50);
/* A caller's deadline is for messages and room; that somebody is within for a moment is no reason to fail before this. */
static const prong_time PATIENCE = PRONG_MS(100);

static bool spin_for(lock_t *lock, uint32_t token) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t free = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak(&lock->word, &free, token))
            return true;
        os_cpu_relax();
    }
    return false;
}

enum lock_result lock_acquire_slow(lock_t *lock, uint32_t token, deadline_t deadline) {
    if (spin_for(lock, token)) return LOCK_TAKEN;
    prong_time look = FIRST_LOOK;
    deadline_t patient = deadline_after(PATIENCE), give_up = deadline > patient ? deadline : patient;
    for (;;) {
        uint32_t word = atomic_load(&lock->word);
        if (word == 0) {
            /* We may have slept among others: the one who releases next must wake them. */
            if (atomic_compare_exchange_weak(&lock->word, &word, token | LOCK_WAITERS)) return LOCK_TAKEN;
            continue;
        }
        if (!(word & LOCK_WAITERS) && !atomic_compare_exchange_weak(&lock->word, &word, word | LOCK_WAITERS)) continue;
        word |= LOCK_WAITERS;
        int64_t before = clock_now();
        os_futex_wait(&lock->word, word, deadline_within(give_up, look));
        if (atomic_load(&lock->word) != word) continue;
        if (clock_now() - before >= look) {
            if (!member_alive(word & ~LOCK_WAITERS)) {
                if (atomic_compare_exchange_strong(&lock->word, &word, token | LOCK_WAITERS)) return LOCK_RECOVERED;
                continue;
            }
            if (look < LAST_LOOK) look *= 2;
        }
        if (deadline_passed(give_up)) return LOCK_TIMED_OUT;
    }
}

void lock_wake(lock_t *lock) {
    os_futex_wake(&lock->word, 1);
}
