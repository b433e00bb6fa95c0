/* The barrier (src/sync/barrier.c): nobody leaves before all have come, each party sees what the others stored before, and a death
 * breaks it for all. */
#include "surroundings.h"
#include "waiting.h"

static bool member_is_leaving_in_model(uint32_t token) {
    (void)token;
    return false;
}
#define member_is_leaving member_is_leaving_in_model
#include "instrument.h"
#include "sync/barrier.c"
#include "uninstrument.h"

struct world_of_barrier {
    char header[64]; /* offset 0 is no place */
    _Alignas(64) struct barrier barrier;
    uint64_t members[MODEL_THREADS];
    struct burial burial;
    char data[MODEL_THREADS]; /* each party's, and used by the next one after the first round */
    int come[MODEL_THREADS], left[MODEL_THREADS];
};

static struct world_of_barrier *w;
static prong_barrier handle;
static int parties, rounds;

static void model_recover(uint32_t dead) {
    barrier_recover(&w->barrier, dead);
    if (guard_steps) barrier_wake(&w->barrier);
}

/* All are known from the round before the first one. */
static void prepare(void) {
    w = model_arena();
    burial = &w->burial;
    model_prepare_object(&w->barrier.object, KIND_BARRIER);
    w->barrier.parties = (uint64_t)parties;
    w->barrier.round = 1;
    w->barrier.members = arena_offset(w->members);
    for (int i = 0; i < parties; i++) w->members[i] = member_word(0, token_of(i));
    handle = (prong_barrier){arena_offset(&w->barrier), GENERATION};
}

static void run(int thread) {
    for (int round = 1; round <= rounds; round++) {
        if (round == 1) model_use(&w->data[thread]);
        w->come[thread]++;
        prong_status status =
            prong_barrier_wait(handle, NULL, NULL, thread == timed_thread ? PRONG_MS(500) : PRONG_FOREVER);
        if (status != PRONG_OK) {
            model_check(status == PRONG_BROKEN || (status == PRONG_TIMEOUT && thread == timed_thread));
            model_check(model_anybody_died() || timed_thread >= 0);
            break;
        }
        for (int i = 0; i < parties; i++) model_check(w->come[i] >= round);
        if (round == 1) model_use(&w->data[(thread + 1) % parties]);
        w->left[thread]++;
    }
}

/* A party that came to a round's end did so with all others, but for the dead. */
static void finish(void) {
    for (int i = 0; i < parties; i++) model_check(w->left[i] == rounds || model_anybody_died() || timed_thread >= 0);
}

static int explore(const char *name, int threads, int each, int kills, int choices) {
    parties = threads;
    rounds = each;
    return model_explore(&(struct model){.name = name,
                                         .threads = threads,
                                         .kills = kills,
                                         .choices = choices,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

static int explore_orders(void) {
    return explore("barrier: 2 parties, 2 late stores", 2, 1, 0, 2);
}

/* Each store under the guard is a step, too. */
static int explore_steps(void) {
    guard_steps = true;
    int passed = explore("barrier: 2 parties, steps under the guard, one may die", 2, 1, 1, MODEL_STRONG) +
                 explore("barrier: 2 parties, 2 rounds, steps under the guard", 2, 2, 0, MODEL_STRONG);
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("barrier: 2 parties, 2 rounds, steps under the guard, one may die", 2, 2, 1, MODEL_STRONG);
    guard_steps = false;
    return passed;
}

static int explore_all(void) {
    int passed = explore("barrier: 2 parties, 2 rounds", 2, 2, 0, MODEL_STRONG) +
                 explore("barrier: 2 parties, 2 rounds, one may die", 2, 2, 1, MODEL_STRONG) +
                 explore("barrier: 3 parties", 3, 1, 0, MODEL_STRONG);
    timed_thread = 0;
    passed += explore("barrier: 2 parties, one with a time-out", 2, 1, 0, MODEL_STRONG);
    timed_thread = -1;
    passed += explore_orders() + explore_steps();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("barrier: 3 parties, one may die", 3, 1, 1, MODEL_STRONG) +
                  explore("barrier: 2 parties, 2 rounds, a late store", 2, 2, 0, 1);
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"barrier", explore_all, explore_orders, NULL});
}
