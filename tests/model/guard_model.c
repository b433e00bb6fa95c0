/* The guard (src/family/guard.c) over the family's lock (src/family/lock.c): one thread at a time is inside, no wake-up is lost, and
 * a change that a dead thread has begun under it is undone, also if who undoes it dies in the middle. */
#include "surroundings.h"
#include "guarded.h"

struct world_of_guard {
    char header[64]; /* offset 0 is no place */
    _Alignas(64) struct guard guard;
    uint64_t one, other; /* the same, but in the middle of a change */
    struct burial burial;
    char data; /* what the guard protects */
    int turns[MODEL_THREADS];
};

static struct world_of_guard *w;
static int rounds;
static uint64_t deaths; /* at most */

static void model_recover(uint32_t dead) {
    guard_settle(&w->guard, dead);
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    w = model_arena();
    burial = &w->burial;
}

static void run(int thread) {
    for (int i = 0; i < rounds; i++) {
        model_check(guard_enter(&w->guard, PRONG_FOREVER));
        model_use(&w->data);
        model_check(w->one == w->other);
        guard_set(&w->guard, &w->one, w->one + 1);
        guard_set(&w->guard, &w->other, w->other + 1);
        guard_leave(&w->guard);
        w->turns[thread]++;
    }
}

static void finish(void) {
    uint64_t turns = 0;
    for (int i = 0; i < MODEL_THREADS; i++) turns += (uint64_t)w->turns[i];
    guard_finish(&w->guard);
    /* one that died may have left the guard, and not counted its turn */
    model_check(w->one == w->other && w->one >= turns && w->one <= turns + deaths);
}

static int explore(const char *name, int threads, int each, int kills, int choices) {
    rounds = each;
    deaths = (uint64_t)kills;
    return model_explore(&(struct model){.name = name,
                                         .threads = threads,
                                         .kills = kills,
                                         .choices = choices,
                                         .prepare = prepare,
                                         .run = run,
                                         .finish = finish});
}

static int explore_orders(void) {
    return explore("guard: 2 threads, 2 late stores", 2, 1, 0, 2);
}

static int explore_quick(void) {
    return explore("guard: 2 threads, a death", 2, 1, 1, MODEL_STRONG) +
           explore("guard: 2 threads, 2 turns each, a death", 2, 2, 1, MODEL_STRONG);
}

static int explore_all(void) {
    int passed = explore_quick() + explore_orders();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("guard: 3 threads, 2 deaths", 3, 1, 2, MODEL_STRONG) +
                  explore("guard: 2 threads, a death, a late store", 2, 1, 1, 1);
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"guard", explore_all, explore_orders, explore_quick});
}
