/* The semaphore (src/sync/semaphore.c): no more units are taken than there are, no wake-up is lost, a heir that dies or gives up
 * leaves its unit to others, and with `recover` the units of the dead come back. */
#include "surroundings.h"
#include "waiting.h"

/* Members with rows of their own: a token's lower bits are its row. */
#undef self_token
#define self_token() (token_of(model_self()) | (uint32_t)model_self())
#define MEMBER_LIMIT 4
struct row_of_model {
    _Atomic uint64_t token;
};
static struct row_of_model rows_of_model[MEMBER_LIMIT] = {{1 << 12}, {2 << 12 | 1}, {3 << 12 | 2}};
#define member_rows() rows_of_model

#define SEMAPHORE_PATIENCE 0 /* who was woken in vain is due at once */
#include "instrument.h"
#include "sync/semaphore.c"
#include "uninstrument.h"

struct world_of_semaphore {
    char header[64]; /* offset 0 is no place */
    _Alignas(64) struct semaphore semaphore;
    uint64_t units[MEMBER_LIMIT];
    struct burial burial;
    char data; /* with one unit, it guards this */
    int held;
    int done[MODEL_THREADS];
};

static struct world_of_semaphore *w;
static prong_semaphore handle;
static const char *scripts[MODEL_THREADS];
static int value;
static bool recovers;

static void model_recover(uint32_t dead) {
    semaphore_recover(&w->semaphore, dead | (uint32_t)thread_of(dead));
    if (guard_steps) semaphore_wake(&w->semaphore);
}

static void prepare(void) {
    w = model_arena();
    burial = &w->burial;
    model_prepare_object(&w->semaphore.object, KIND_SEMAPHORE);
    w->semaphore.count = (uint64_t)value;
    w->semaphore.bound = UINT64_MAX;
    if (recovers) w->semaphore.units = arena_offset(w->units);
    handle = (prong_semaphore){arena_offset(&w->semaphore), GENERATION};
}

static bool acquire(int thread) {
    prong_status status = prong_semaphore_acquire(handle, thread == timed_thread ? PRONG_MS(500) : PRONG_FOREVER);
    model_check(status == PRONG_OK || (status == PRONG_TIMEOUT && thread == timed_thread));
    return status == PRONG_OK;
}

static void release(void) {
    model_check(prong_semaphore_release(handle) == PRONG_OK);
}

/* With one unit: a lock. */
static void use_unit(void) {
    model_check(++w->held == 1 || model_anybody_died());
    model_use(&w->data);
    w->held--;
}

/* a: acquires, uses, releases; t: takes a unit for good; r: releases one. */
static void run(int thread) {
    for (const char *step = scripts[thread]; *step; step++) {
        if (*step == 'r') release();
        if (*step == 't') acquire(thread);
        if (*step == 'a' && acquire(thread)) {
            use_unit();
            release();
        }
    }
    w->done[thread] = 1;
}

static void finish(void) {
    for (int i = 0; i < MODEL_THREADS; i++) model_check(!*scripts[i] || w->done[i] || model_is_dead(i));
    if (model_anybody_died()) return;
    model_check(!(w->semaphore.count & RESERVED));
    if (*scripts[0] == 'a') model_check(w->semaphore.count == (uint64_t)value);
}

static int explore(const char *name, int units, const char *first, const char *second, const char *third, int kills,
                   int choices) {
    value = units;
    recovers = kills > 0;
    scripts[0] = first, scripts[1] = second, scripts[2] = third;
    return model_explore(&(struct model){.name = name,
                                         .threads = *third ? 3 : 2,
                                         .kills = kills,
                                         .mortal = 1,
                                         .choices = choices,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

static int explore_orders(void) {
    return explore("semaphore: a unit, 2 threads, a late store", 1, "a", "a", "", 0, 1) +
           explore("semaphore: one takes, one releases, 2 late stores", 0, "t", "r", "", 0, 2);
}

/* Each store under the guard is a step, too: of a semaphore that takes back the units of the dead. */
static int explore_steps(void) {
    guard_steps = true;
    int passed =
        explore("semaphore: a unit, 2 threads, steps under the guard, one may die", 1, "a", "a", "", 1, MODEL_STRONG);
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("semaphore: a unit, 2 threads, 2 turns each, steps under the guard, one may die", 1, "aa",
                          "aa", "", 1, MODEL_STRONG);
    guard_steps = false;
    return passed;
}

static int explore_all(void) {
    int passed = explore("semaphore: a unit, 2 threads", 1, "a", "a", "", 0, MODEL_STRONG) +
                 explore("semaphore: a unit, 2 threads, 2 turns each", 1, "aa", "aa", "", 0, MODEL_STRONG) +
                 explore("semaphore: a unit, 2 threads, one may die", 1, "a", "a", "", 1, MODEL_STRONG) +
                 explore("semaphore: 2 that take, one releases twice", 0, "t", "t", "rr", 0, MODEL_STRONG);
    timed_thread = 0;
    passed += explore("semaphore: a unit, 2 threads, one with a time-out", 1, "a", "a", "", 0, MODEL_STRONG);
    timed_thread = -1;
    passed += explore_orders() + explore_steps();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("semaphore: a unit, 3 threads", 1, "a", "a", "a", 0, MODEL_STRONG) +
                  explore("semaphore: a unit, 3 threads, one may die", 1, "a", "a", "a", 1, MODEL_STRONG);
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"semaphore", explore_all, explore_orders, NULL});
}
