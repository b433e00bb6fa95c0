/* Beginning to keep a lock, and revoking one that is kept. */
#include "channel/bias.h"

#include "base/periods.h"
#include "family/member.h"
#include "os/os.h"
#include "os/pause.h"

/* A thread that takes the lock so often in a row will probably go on. A revocation may take a processor's time for some
 * 10 us; each time that a kept lock is taken saves some ns. So it pays after as many times as the revocation took ns,
 * more or less. */
#ifndef BIAS_STREAK /* the model in tests/model has its own */
#define BIAS_STREAK 64
#define BIAS_PATIENCE (1 << 14)
#endif
enum { BIAS_STREAK_LEAST = BIAS_STREAK, BIAS_PATIENCE_MOST = BIAS_PATIENCE, BIAS_NS_SAVED = 4 };
static const prong_time BIAS_SPIN_FOR = PRONG_US(10), BIAS_WITHOUT_BARRIER = PRONG_MS(20);

/* --- beginning --- */

static bool bias_may_begin(struct biased_lock *l) {
    uint64_t me = bias_self();
    if (l->last != me) {
        l->last = me;
        l->streak = 0;
        return false;
    }
    /* a thread that no barrier reaches has a `quick` of 0 */
    return ++l->streak > BIAS_STREAK_LEAST + l->patience && thread_known.quick && thread_known.row &&
           !atomic_load_explicit(&thread_known.row->holding, memory_order_relaxed) && bias_self() % BIAS_REVOKED &&
           arena_offset(l) / 64 <= UINT32_MAX;
}

void biased_lock_release_and_keep(struct biased_lock *l) {
    if (bias_may_begin(l)) {
        l->name = bias_name(l);
        atomic_store_explicit(&l->owner, bias_self(), memory_order_relaxed);
    }
    lock_release(&l->lock); /* sequentially consistent: the caller looks for waiters next */
}

/* --- revoking, under `lock` --- */

void bias_leave_revoked(struct thread_row *row) {
    os_futex_wake(&row->holding, 1);
}

/* Without the barrier, which a filter of system calls may forbid, a store is visible after some time. */
static void bias_barrier(void) {
    static _Atomic uint32_t unused;
    if (!os_barrier_everywhere()) os_futex_wait(&unused, 0, deadline_after(BIAS_WITHOUT_BARRIER));
}

/* Whether the owner may be inside. A row that is another process's by now, as the owner has ended or is buried, says
 * nothing of it; and a thread that ends is not inside. `holding` is read first: the next thread clears it only when it
 * has the row. */
static bool bias_is_inside(struct biased_lock *l, uint64_t owner, struct thread_row *row) {
    bool inside = atomic_load_explicit(&row->holding, memory_order_acquire) == bias_name(l);
    return atomic_load(&row->who) >> 32 == owner >> 32 ? inside : !member_alive((uint32_t)(owner >> 32));
}

static bool bias_spin(struct biased_lock *l, uint64_t owner, struct thread_row *row) {
    struct pause pause = {0};
    do
        if (!bias_is_inside(l, owner, row)) return true;
    while (pause_again(&pause, BIAS_SPIN_FOR));
    return false;
}

/* Waits until the owner is outside (LOCK_TAKEN), or dead. */
static enum lock_result bias_wait(struct biased_lock *l, uint64_t owner, deadline_t deadline) {
    struct thread_row *row = bias_row(owner);
    uint32_t token = (uint32_t)(owner >> 32);
    if (bias_spin(l, owner, row)) return LOCK_TAKEN;
    prong_time look = DEAD_LOCK_FIRST;
    deadline_t give_up = lock_give_up_at(&l->lock, deadline);
    while (bias_is_inside(l, owner, row)) {
        if (!member_alive(token)) return LOCK_RECOVERED;
        if (deadline_passed(give_up)) return LOCK_TIMED_OUT;
        os_futex_wait(&row->holding, bias_name(l), deadline_within(give_up, look));
        if (look < DEAD_LOCK_LAST) look *= 2;
    }
    return LOCK_TAKEN;
}

/* A signal handler may have interrupted the owner itself, inside of it or not. */
static enum lock_result bias_revoke_own(struct biased_lock *l) {
    uint32_t holding = atomic_load_explicit(&thread_known.row->holding, memory_order_relaxed);
    return holding == bias_name(l) ? LOCK_TIMED_OUT : LOCK_TAKEN;
}

static enum lock_result bias_revoke(struct biased_lock *l, uint64_t owner, deadline_t deadline) {
    if (owner == bias_self()) return bias_revoke_own(l);
    int64_t before = clock_now();
    atomic_store(&l->owner, owner | BIAS_REVOKED);
    bias_barrier();
    enum lock_result result = bias_wait(l, owner, deadline);
    int64_t patience = (clock_now() - before) / BIAS_NS_SAVED;
    l->patience = (uint32_t)(patience < BIAS_PATIENCE_MOST ? patience : BIAS_PATIENCE_MOST);
    l->last = 0;
    return result;
}

/* If this process dies in here, the next one finds `owner` set, and revokes it again. If it dies behind, holding a lock of
 * which the owner has died inside, the next one is told of its death by `lock`. */
enum lock_result biased_lock_acquire_slow(struct biased_lock *l, deadline_t deadline) {
    (void)thread_self(); /* notes the thread */
    enum lock_result result = lock_acquire(&l->lock, self_token(), deadline);
    uint64_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed) & ~(uint64_t)BIAS_REVOKED;
    if (result == LOCK_TIMED_OUT || !owner) return result;
    enum lock_result revoked = bias_revoke(l, owner, deadline);
    if (revoked == LOCK_TIMED_OUT) {
        lock_release(&l->lock);
        lock_note_refusal(owner == bias_self());
    } else {
        atomic_store(&l->owner, 0);
    }
    return revoked == LOCK_TAKEN ? result : revoked;
}
