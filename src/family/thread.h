/* A thread's row in the arena: which objects the thread is inside of.
 *
 * Before a call uses an object it enters it: it stores the object's offset in its thread's row, *then* checks whether
 * the object is still the one that its handle names, and then uses it. It removes the entry when it leaves. A process
 * that destroys an object changes the generation, makes a barrier, then reads the rows (retire.c): memory that a row
 * names is parked, not reused. So a stale handle never reaches the next object in the memory, and no memory is freed
 * while a thread uses it. A stopped process delays the reuse of the objects that it is inside of, and nothing else.
 *
 * The two sides work as in Dekker's algorithm: each stores, then loads what the other one stores. Between the two there
 * must be a barrier; the side that destroys makes it for both (os_barrier_everywhere), and on the other side only the
 * compiler must keep the order. A process that such a barrier does not reach makes a fence of its own at each entry.
 *
 * The entries are a stack. Its depth is written first on entering, and last on leaving, so that a signal handler that
 * interrupts between two of these stores works above the entry. A process that reads the rows counts all entries below
 * the depth, of which the last may not be filled yet: then an object is parked needlessly, for a moment. A function
 * that is left by an exception or by pthread_cancel removes its entry; one that is left by longjmp does not, and the
 * return of its caller does it. */
#ifndef FAMILY_THREAD_H
#define FAMILY_THREAD_H

#include "base/local.h"
#include "family/member.h"

enum {
    INSIDE_QUICK = 13,  /* entries in the row itself */
    INSIDE_MORE = 1024, /* further ones, in a block of their own */
};

struct thread_row {
    _Alignas(64) _Atomic uint64_t who;     /* token in the high half, thread in the low one; 0: the row is free */
    _Atomic uint32_t depth;                /* of the stack; only its thread writes it */
    _Atomic uint32_t holding;              /* the lock that the thread keeps and is inside of: see channel/bias.h */
    _Atomic uint64_t inside[INSIDE_QUICK]; /* arena offsets */
    _Atomic uint64_t more;                 /* a block of INSIDE_MORE further ones; stays with the row */
};

/* The calling thread, and the process in which this was noted: a forked child notes it again. */
struct thread_self {
    uint32_t thread, token; /* thread: as the kernel numbers it, unique in the system */
    struct thread_row *row; /* NULL: there was no memory for one */
    struct member *member;  /* the process's row */
    uint64_t name;          /* token in the high half, place of the row in the low one: see channel/bias.h */
    uint32_t quick;         /* entries from this depth on are made by visit_begin_slow; 0: all, as they need a fence */
};
extern HIDDEN QUICK_LOCAL struct thread_self thread_known;

/* The name of a thread that the library does not know yet: no lock is kept under it, while 0 is that of no thread. */
#define THREAD_UNKNOWN 1

void thread_know_self(void);

static inline uint32_t thread_self(void) {
    if (__builtin_expect(thread_known.token != self_token() || !thread_known.token, 0)) thread_know_self();
    return thread_known.thread;
}

/* An entry of the calling thread's stack. All zero: none. */
struct visit {
    struct thread_row *row;
    uint32_t token, depth; /* depth: of the stack without it */
};

prong_status visit_begin_slow(struct visit *visit, uint64_t offset);

static inline void visit_write(struct visit *visit, _Atomic uint64_t *entry, uint64_t offset) {
    atomic_store_explicit(&visit->row->depth, visit->depth + 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(entry, offset, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the barrier in retire.c is for both */
}

/* Enters the object at that offset, if two stores are enough for that; else returns false. */
static inline bool visit_begin_quickly(struct visit *visit, uint64_t offset) {
    struct thread_row *row = thread_known.row; /* of a member: there is none without a token */
    if (__builtin_expect(thread_known.token != self_token() || !row, 0)) return false;
    uint32_t depth = atomic_load_explicit(&row->depth, memory_order_relaxed);
    if (__builtin_expect(depth >= thread_known.quick, 0)) return false;
    *visit = (struct visit){row, thread_known.token, depth};
    visit_write(visit, &row->inside[depth], offset);
    return true;
}

/* Enters the object at that offset. PRONG_NO_MEMORY: there is no place for the entry; PRONG_STALE, without a message,
 * in a process that is no member yet. */
static inline prong_status visit_begin(struct visit *visit, uint64_t offset) {
    if (__builtin_expect(visit_begin_quickly(visit, offset), 1)) return PRONG_OK;
    struct visit slow = {0}; /* *visit itself, whose address is not passed on, stays in registers */
    prong_status status = visit_begin_slow(&slow, offset);
    *visit = slow;
    return status;
}

/* Leaves it, and whatever was entered since and not left. Does nothing in a process that was forked since: the row is
 * its parent's. */
static inline void visit_end(struct visit *visit) {
    if (!visit->row) return;
    if (__builtin_expect(visit->token == self_token(), 1))
        atomic_store_explicit(&visit->row->depth, visit->depth, memory_order_release);
    visit->row = NULL;
}

/* The first registers this process for barriers, or notes that this is impossible; once in a process image. The second,
 * once the arena is mapped, agrees with the other members on whether fences are needed. */
void thread_join_barriers(void);
void thread_agree_on_fences(bool made_arena);
/* Whether the dead member was inside of an object. */
bool threads_inside(uint32_t dead);
/* Frees the rows of a dead member. */
void threads_forget(uint32_t dead);
/* Calls visit for each entry of each row in use; of the rows of one member. */
void threads_each_entry(void (*visit)(uint64_t offset, void *context), void *context);
void threads_each_entry_of(uint32_t token, void (*visit)(uint64_t offset, void *context), void *context);
/* The number of rows that are or were in use. */
uint64_t threads_count(void);

#endif
