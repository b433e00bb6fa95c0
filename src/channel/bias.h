/* The lock of one side of a channel, which a thread can keep.
 *
 * A thread that has taken the lock many times in a row *keeps* it: from then on it enters and leaves by plain stores
 * into its own row, with no locked instruction, until another thread wants the lock. That one takes `lock`, revokes what
 * is kept, makes a barrier in all processes (os_barrier_everywhere), and waits until the row no longer says that its
 * thread is inside. The two sides work as in Dekker's algorithm, as in family/thread.h: each stores, then loads what the
 * other one stores; the barrier is for both.
 *
 * A revocation is expensive. So the longer the last one took, the more often a thread has to take the lock in a row
 * before it keeps it again.
 *
 * While the lock is kept, a release is no fence. So it is not kept while another thread waits for what its holder does:
 * a waiter first announces itself, then makes sure that the lock is not kept (side_settle_put), then looks. And a thread
 * begins to keep it with a fence, and then looks for waiters: so either it sees the waiter, or the waiter that it keeps
 * the lock.
 *
 * Death. If the owner is killed inside, its row shows that. The process that takes over the lock is told, as with a lock
 * that is not kept. */
#ifndef CHANNEL_BIAS_H
#define CHANNEL_BIAS_H

#include "family/lock.h"
#include "family/thread.h"

struct biased_lock {
    lock_t lock;
    uint32_t streak;        /* how often in a row `last` has taken it */
    _Atomic uint64_t owner; /* the thread that keeps it; 0: none. With BIAS_REVOKED: no longer */
    uint64_t last;          /* the thread that took `lock` last */
    uint32_t patience;      /* the streak that it takes to keep it, beyond BIAS_STREAK_LEAST */
    uint32_t name;          /* as in the row of a thread that is inside, since it was kept */
};

#define BIAS_REVOKED 0x80000000u /* places of rows are smaller */

/* A thread is named by its process and its row. The next thread of the process that has the row keeps what the one before
 * kept: that one has ended, and so is not inside. */
static inline uint64_t bias_self(void) {
    return thread_known.name;
}

static inline struct thread_row *bias_row(uint64_t owner) {
    return arena_at((owner & (BIAS_REVOKED - 1)) * 64);
}

/* What a row says of the lock that its thread is inside of. Locks are in cache lines of their own. */
static inline uint32_t bias_name(const struct biased_lock *l) {
    return (uint32_t)(arena_offset(l) / 64);
}

void bias_leave_revoked(struct thread_row *row);
enum lock_result biased_lock_acquire_slow(struct biased_lock *l, deadline_t deadline);
/* As biased_lock_release, by a thread that did not keep the lock, and may do so from now on. */
void biased_lock_release_and_keep(struct biased_lock *l);

/* Whether this thread keeps the lock. */
static inline bool bias_is_own(struct biased_lock *l) {
    return __builtin_expect(atomic_load_explicit(&l->owner, memory_order_relaxed) == bias_self(), 1);
}

/* Whether this thread keeps the lock, and can enter it. Not in a signal handler that has interrupted the thread inside of
 * such a lock. */
static inline bool bias_at_door(struct biased_lock *l) {
    return bias_is_own(l) && __builtin_expect(thread_known.token == self_token(), 1) &&
           __builtin_expect(atomic_load_explicit(&thread_known.row->holding, memory_order_relaxed) == 0, 1);
}

/* Enters. False: the lock was just revoked, and the thread must leave it as if it was inside. */
static inline bool bias_step_in(struct biased_lock *l) {
    atomic_store_explicit(&thread_known.row->holding, l->name, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the barrier in bias_revoke is for both */
    return bias_is_own(l);
}

/* The thread is inside no longer. A thread that revokes the lock may wait for that: bias_left is to be called, unless the
 * result is true. */
static inline bool bias_step_out(struct biased_lock *l) {
    /* pairs with the acquire in bias_wait */
    atomic_store_explicit(&thread_known.row->holding, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst); /* the barrier in bias_revoke is for both */
    return bias_is_own(l);
}

static inline void bias_left(struct biased_lock *l) {
    if (!bias_is_own(l)) bias_leave_revoked(thread_known.row);
}

static inline void bias_leave(struct biased_lock *l) {
    if (!bias_step_out(l)) bias_leave_revoked(thread_known.row);
}

/* Takes the lock if this thread keeps it. */
static inline bool bias_enter(struct biased_lock *l) {
    if (!bias_at_door(l)) return false;
    if (bias_step_in(l)) return true;
    bias_leave(l);
    return false;
}

/* Leaves the lock if this thread is inside of it because it keeps it: a thread that holds `lock` has revoked that. */
static inline bool bias_try_leave(struct biased_lock *l) {
    uint64_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed);
    if ((owner & ~(uint64_t)BIAS_REVOKED) != bias_self()) return false;
    bias_leave(l);
    return true;
}

/* As lock_acquire. */
static inline enum lock_result biased_lock_acquire(struct biased_lock *l, deadline_t deadline) {
    return __builtin_expect(bias_enter(l), 1) ? LOCK_TAKEN : biased_lock_acquire_slow(l, deadline);
}

static inline void biased_lock_release(struct biased_lock *l) {
    if (!bias_try_leave(l)) lock_release(&l->lock);
}

/* Whether a thread other than the caller keeps it. */
static inline bool biased_lock_is_kept(struct biased_lock *l) {
    uint64_t owner = atomic_load(&l->owner);
    return owner && owner != bias_self();
}

/* The calling thread, which is not inside, keeps it no longer. Does nothing in a signal handler that has interrupted it
 * inside of such a lock. */
static inline void biased_lock_keep_not(struct biased_lock *l) {
    uint64_t me = bias_self();
    if (!me || thread_known.token != self_token()) return; /* a forked child is not its parent's thread */
    if (atomic_load_explicit(&l->owner, memory_order_relaxed) == me && !atomic_load(&thread_known.row->holding))
        atomic_compare_exchange_strong(&l->owner, &me, 0);
}

/* Whether this member holds, or died holding, the lock; or keeps it. */
static inline bool biased_lock_is_of(struct biased_lock *l, uint32_t token) {
    return lock_held_by(&l->lock, token) || (uint32_t)(atomic_load(&l->owner) >> 32) == token;
}

#endif
