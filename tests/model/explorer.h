/* An exhaustive explorer over real code: a few threads run the library's own functions, as coroutines that stop at every
 * atomic operation; the explorer tries every order of their steps, every moment at which one of them may be killed, and every
 * moment at which a wait may time out, and visits each state once.
 *
 * What the threads share, their stacks and their registers are one piece of memory, the world: a state is a copy of it, and
 * two states are the same when these bytes are. Steps are sequentially consistent; that weaker orders suffice where the code
 * asks for them is not shown here. */
#ifndef MODEL_EXPLORER_H
#define MODEL_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS = 3, MODEL_ARENA = 4 << 10 };

struct model {
    const char *name;
    int threads; /* up to MODEL_THREADS */
    int kills;   /* how many may die, one after the other … */
    int mortal;  /* … among the first so many threads; 0: all */
    void (*prepare)(void);
    void (*run)(int thread);
    void (*finish)(void); /* all have ended or died: checks what must hold then */
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
bool model_anybody_died(void);
/* A property does not hold. */
_Noreturn void model_violation(const char *what);
#define model_check(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) model_violation(#condition);                                                                 \
    } while (0)

/* Between the two there are no points. */
void model_begin_atomic(void); /* a point, and then */
void model_go_on_atomic(void); /* no point, and then */
void model_end_atomic(void);

/* Futexes. A sleeper without a deadline wakes by itself only when all others sleep or have ended; if nobody has died, that
 * it has to is a violation: a wake-up was lost. */
void model_futex_wait(const void *word, uint32_t expected, uint32_t mask, bool has_deadline);
int model_futex_wake(const void *word, int count, uint32_t mask);
/* This thread's clock, in nanoseconds; it moves when it has slept in vain. */
int64_t model_clock(void);

#endif
