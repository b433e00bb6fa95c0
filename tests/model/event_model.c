/* The event (src/sync/event.c) and what waits on a waitq (src/family/waitq.c, src/sync/sync.c): no set is missed, and a waiter sees
 * what was stored before it. */
#include "surroundings.h"
#include "waiting.h"

#include "instrument.h"
#include "sync/event.c"
#include "uninstrument.h"

struct world_of_event {
    char header[64]; /* offset 0 is no place */
    _Alignas(64) struct event event;
    struct burial burial;
    char data[MODEL_THREADS]; /* stored before the event is set; each waiter uses its own */
    int returned[MODEL_THREADS];
};

static struct world_of_event *w;
static prong_event handle;
static const char *scripts[MODEL_THREADS];

static void model_recover(uint32_t dead) {
    (void)dead;
}

static void prepare(void) {
    w = model_arena();
    burial = &w->burial;
    model_prepare_object(&w->event.object, KIND_EVENT);
    handle = (prong_event){arena_offset(&w->event), GENERATION};
}

static void wait_for_event(int thread) {
    prong_status status = prong_event_wait(handle, thread == timed_thread ? PRONG_MS(500) : PRONG_FOREVER);
    model_check(status == PRONG_OK || (status == PRONG_TIMEOUT && thread == timed_thread));
    if (status == PRONG_OK) model_use(&w->data[thread]);
    w->returned[thread]++;
}

static void set_event(bool first) {
    for (int i = 0; first && i < MODEL_THREADS; i++)
        if (*scripts[i] == 'w') model_use(&w->data[i]);
    model_check(prong_event_set(handle) == PRONG_OK);
}

static void run(int thread) {
    for (const char *step = scripts[thread]; *step; step++) {
        if (*step == 'w') wait_for_event(thread);
        if (*step == 's') set_event(step == scripts[thread]);
        if (*step == 'c') model_check(prong_event_clear(handle) == PRONG_OK);
    }
}

static void finish(void) {
    for (int i = 0; i < MODEL_THREADS; i++) model_check(*scripts[i] != 'w' || w->returned[i] || model_is_dead(i));
}

static int explore(const char *name, const char *first, const char *second, const char *third, int kills, int choices) {
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

/* w: waits; s: sets; c: clears. */
static int explore_orders(void) {
    return explore("event: a waiter, one sets, 2 late stores", "w", "s", "", 0, 2);
}

static int explore_all(void) {
    int passed = explore("event: a waiter, one sets", "w", "s", "", 0, MODEL_STRONG) +
                 explore("event: a waiter, one sets, clears, and sets", "w", "scs", "", 0, MODEL_STRONG) +
                 explore("event: 2 waiters, one sets, a waiter may die", "w", "w", "s", 1, MODEL_STRONG);
    timed_thread = 0;
    passed += explore("event: 2 waiters, one with a time-out, one sets", "w", "w", "s", 0, MODEL_STRONG);
    timed_thread = -1;
    passed += explore_orders();
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("event: a waiter, one sets, clears and sets, 2 late stores", "w", "scs", "", 0, 2) +
                  explore("event: 2 waiters, one sets, a late store", "w", "w", "s", 0, 1);
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"event", explore_all, explore_orders, NULL});
}
