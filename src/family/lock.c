/* Taking a contended or abandoned lock. */
#include "family/lock.h"

#include "base/error.h"
#include "base/periods.h"
#include "family/member.h"
#include "os/pause.h"

/* A holder is inside for tens of nanoseconds, or it has been descheduled, or it is dead. Spin for the first, sleep for
 * the second, and check whether it is alive after the first millisecond, then less and less often. */
static const prong_time LOCK_SPIN_FOR = PRONG_US(10);

static bool spin_for(lock_t *lock, uint32_t token) {
    struct pause pause = {0};
    do {
        uint32_t free = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak(&lock->word, &free, token))
            return true;
    } while (pause_again(&pause, LOCK_SPIN_FOR));
    return false;
}

#ifndef LOCK_NOTES
QUICK_LOCAL struct lock_notes lock_notes;

/* The last entry is the lock that the caller is about to take. */
static bool lock_is_interrupted(const lock_t *lock) {
    lock_notes.refused = false;
    for (uint32_t i = 0; i + 1 < lock_notes.count && i < LOCK_NOTES; i++)
        if (lock_notes.lock[i] == lock) lock_notes.refused = true;
    return lock_notes.refused;
}

/* The locks of the family itself are in the arena's header: without them nothing can be done at all. */
static bool lock_is_of_object(const lock_t *lock) {
    return (const char *)lock >= arena_base + sizeof(struct arena);
}

static bool lock_is_hurried(const lock_t *lock) {
    return lock_notes.limit && lock_is_of_object(lock);
}

static bool lock_is_late(const lock_t *lock) {
    return lock_is_hurried(lock) && deadline_passed(lock_notes.limit);
}

deadline_t lock_give_up_at(const lock_t *lock, deadline_t deadline) {
    bool hurried = lock_is_hurried(lock);
    if (lock_is_late(lock)) return PRONG_NOWAIT;
    deadline_t least = deadline_after(hurried ? DEAD_LOCK_FIRST : STOPPED_AT_LEAST);
    if (hurried && deadline > lock_notes.limit) deadline = lock_notes.limit;
    return deadline_latest(deadline, least);
}

static enum lock_result lock_give_up(const lock_t *lock) {
    if (lock_is_of_object(lock)) lock_notes.gave_up = true;
    return LOCK_TIMED_OUT;
}

/* Past the limit of a burial. What it wants may have thousands of times the same lock. */
static enum lock_result lock_acquire_late(lock_t *lock, uint32_t token) {
    if (lock_notes.late == lock) return lock_give_up(lock);
    if (spin_for(lock, token)) return LOCK_TAKEN;
    uint32_t word = atomic_load(&lock->word);
    if (word && !member_alive(word & ~LOCK_WAITERS) &&
        atomic_compare_exchange_strong(&lock->word, &word, token | LOCK_WAITERS))
        return LOCK_RECOVERED;
    lock_notes.late = lock;
    return lock_give_up(lock);
}

prong_status lock_refused(prong_status status, const char *what) {
    if (lock_notes.refused)
        return fail(PRONG_DEADLOCK, "this thread was interrupted inside of %s by the signal handler that calls", what);
    return fail(status, "a stopped process is in the middle of %s", what);
}
#endif

enum lock_result lock_acquire_slow(lock_t *lock, uint32_t token, deadline_t deadline) {
    if (lock_is_interrupted(lock)) return lock_give_up(lock);
    if (lock_is_late(lock)) return lock_acquire_late(lock, token);
    if (spin_for(lock, token)) return LOCK_TAKEN;
    prong_time look = DEAD_LOCK_FIRST;
    deadline_t give_up = lock_give_up_at(lock, deadline);
    for (;;) {
        uint32_t word = atomic_load(&lock->word);
        if (word == 0) {
            /* Others may be asleep, too: the next release must wake them. */
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
            if (look < DEAD_LOCK_LAST) look *= 2;
        }
        if (deadline_passed(give_up)) return lock_give_up(lock);
    }
}

void lock_wake(lock_t *lock) {
    os_futex_wake(&lock->word, 1);
}
