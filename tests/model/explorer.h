/* An exhaustive explorer over real code: a few threads run the library's own functions, as coroutines that stop at every
 * atomic operation; the explorer tries every order of their steps, every moment at which one of them may be killed or stopped
 * forever, and every moment at which a wait may time out, and visits each state once. With a model of memory (memory.h), also what each load may
 * read, and where each store may come to be.
 *
 * What the threads share, their stacks and their registers are one piece of memory, the world: a state is a copy of it, and
 * two states are the same when these bytes are. Without a model of memory, steps are sequentially consistent.
 *
 * Each atomic operation in the code is a site, which can be weakened or left out for one exploration: see weaken.h. */
#ifndef MODEL_EXPLORER_H
#define MODEL_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef MODEL_ARENA_SIZE
#define MODEL_ARENA_SIZE (4 << 10)
#endif
enum { MODEL_THREADS = 3, MODEL_ARENA = MODEL_ARENA_SIZE };
enum { MODEL_STRONG = 0, MODEL_ORDERED = -1 }; /* of model.choices */

struct model {
    const char *name;
    int threads; /* up to MODEL_THREADS */
    int kills;   /* how many may die, one after the other, … */
    int stops;   /* … and how many may stop forever, … */
    int mortal;  /* … among the first so many threads; 0: all */
    /* MODEL_STRONG: no model of memory. MODEL_ORDERED: loads read the newest, and plain data is checked. Else an execution has at
     * most so many loads of an older store, or stores that come before a newer one. */
    int choices;
    bool naps;   /* sleeps end by themselves also if nobody has died: a lost wake-up is no violation */
    size_t most; /* not 0: only so many states, the first ones in depth; the others are left out, which is printed */
    void (*prepare)(void);
    void (*run)(int thread);
    void (*enter)(int thread); /* before each step of a thread: what else is the thread's own; may be NULL */
    void (*finish)(void);      /* all have ended or died: checks what must hold then */
};

/* Explores it all, prints how many states there were, and returns false after printing the way to a violation. */
bool model_explore(const struct model *model);

/* --- for the code that is explored --- */

/* Another thread may go on here, or this one die. */
void model_point(void);
/* The part of the world that is the model's own: zero at the beginning. */
void *model_arena(void);
int model_self(void);
bool model_is_dead(int thread);
bool model_is_stopped(int thread);
bool model_anybody_died(void);
/* A property does not hold. */
_Noreturn void model_violation(const char *what);
#define model_check(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) model_violation(#condition);                                                                 \
    } while (0)

/* Between the two there are no points; a thread that begins knows what those knew that ended before, as with a lock. */
void model_begin_atomic(void); /* a point, and then */
void model_go_on_atomic(void); /* no point, and then */
void model_end_atomic(void);

/* --- atomic operations: see instrument.h --- */

struct model_site {
    const char *function, *operation;
    int line;
    int order, failure; /* as it is written; failure: of a compare-and-swap */
    int weakened;       /* 0, or WEAKER_…, or LEFT_OUT, of weaken.h */
    uint64_t reached;   /* bit n: by the exploration that was the n-th of this process */
};
enum model_change { CHANGE_EXCHANGE, CHANGE_ADD, CHANGE_SUB, CHANGE_OR, CHANGE_AND };

uint64_t model_load(struct model_site *site, const volatile void *address, int size);
void model_store(struct model_site *site, volatile void *address, int size, uint64_t value);
uint64_t model_change(struct model_site *site, volatile void *address, int size, enum model_change how,
                      uint64_t operand);
bool model_compare_exchange(struct model_site *site, volatile void *address, int size, void *expected, uint64_t value);
void model_fence(struct model_site *site);
/* A full barrier in every thread: membarrier(2). */
void model_barrier_everywhere(struct model_site *site);
/* Plain data that one thread at a time uses, about to be used: a violation if its last use does not happen before this one. */
void model_use(const volatile void *address);
/* The same in the step of the operation before: no point. */
void model_touch(const volatile void *address);

/* Futexes. A sleeper without a deadline wakes by itself only when all others sleep or have ended; if nobody has died, that
 * it has to is a violation: a wake-up was lost. */
void model_futex_wait(const void *word, uint32_t expected, uint32_t mask, bool has_deadline);
int model_futex_wake(struct model_site *site, const void *word, int count, uint32_t mask);
/* This thread's clock, in nanoseconds; it moves when it has slept in vain. */
int64_t model_clock(void);

#endif
