/* The lock that users hold (src/sync/mutex.c): exclusion, no lost wake-up, death of the holder and of waiters, time-outs. */
#include "surroundings.h"
#include "weaken.h"

/* To a thread that has no patience every sleeper is due, to the others none until its clock moves. A patient thread has
 * none in its next turn. */
static prong_time model_patience(void);
#define MUTEX_PATIENCE model_patience()

struct waiter *waiter_begin(void *object) {
    (void)object;
    return NULL;
}

void waiter_end(struct waiter *waiter) {
    (void)waiter;
}

#include "instrument.h"
#include "sync/mutex.c"
#include "uninstrument.h"

struct world_of_lock {
    struct burial burial;
    struct mutex mutex;
    /* what the properties are told in */
    char data;       /* what users guard with it */
    int inside;      /* thread + 1 of who is in the critical section */
    int died_inside; /* one died there, and nobody has been told yet */
    int turns[MODEL_THREADS];
};

static struct world_of_lock *w;
static int rounds, threads, patient;
static bool third_buries; /* the first may die, the second takes the lock, the third buries the holder if it is dead */

static prong_time model_patience(void) {
    return (patient >> model_self() & 1) ^ (w->turns[model_self()] & 1) ? PRONG_MS(1) : 0;
}

static void model_recover(uint32_t dead) {
    mutex_recover(&w->mutex, NULL, dead);
}

static void prepare(void) {
    w = model_arena();
    burial = &w->burial;
}

/* Whoever died between taking and releasing did so with the lock in its hand. */
static void enter_section(enum mutex_result result) {
    if (w->inside) {
        /* exclusion; where a third one buries, this one is told by the lock alone that the holder is dead */
        model_check(third_buries ? model_anybody_died() : model_is_dead(w->inside - 1));
        model_check(result == MUTEX_OWNER_DIED); /* and its death is told */
    }
    w->inside = model_self() + 1;
    model_use(&w->data); /* a point, too */
    model_check(w->inside == model_self() + 1);
}

/* As a lock is acquired in src/sync/lock.c. */
static enum mutex_result take_mutex(prong_time timeout) {
    if (mutex_try(&w->mutex, self_token(), thread_self())) return MUTEX_TAKEN;
    return mutex_acquire_slow(&w->mutex, NULL, deadline_after(timeout));
}

static void run(int thread) {
    if (third_buries && thread == 2) {
        look_at_holder(&w->mutex);
        return;
    }
    for (int i = 0; i < rounds; i++) {
        enum mutex_result result = take_mutex(thread == timed_thread ? PRONG_MS(500) : PRONG_FOREVER);
        if (result == MUTEX_TIMED_OUT) {
            model_check(thread == timed_thread);
            continue;
        }
        enter_section(result);
        w->inside = 0;
        model_check(mutex_release(&w->mutex, self_token()));
        w->turns[thread]++;
    }
}

static void finish(void) {
    for (int i = 0; i < threads; i++)
        model_check(w->turns[i] == rounds || i == timed_thread || third_buries || model_is_dead(i));
    /* whoever comes now has it at once, or takes it over from one that died */
    uint32_t holder = mutex_holder(&w->mutex);
    model_check(holder == 0 || holder == MUTEX_ABANDONED || !member_alive(holder));
}

struct case_of_lock {
    const char *name;
    int threads, kills, rounds, timed, patient, choices;
};

static int explore_cases(const struct case_of_lock *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rounds = cases[i].rounds;
        threads = cases[i].threads;
        timed_thread = cases[i].timed;
        patient = cases[i].patient;
        model_explore(&(struct model){.name = cases[i].name,
                                      .threads = cases[i].threads,
                                      .kills = cases[i].kills,
                                      .choices = cases[i].choices,
                                      .prepare = prepare,
                                      .run = run,
                                      .finish = finish});
    }
    return (int)count;
}
#define EXPLORE(cases) explore_cases(cases, sizeof(cases) / sizeof *(cases))

static const struct case_of_lock strong[] = {
    {"lock: 2 threads, 2 turns each, a death", 2, 1, 2, -1, 0, MODEL_STRONG},
    {"lock: 2 threads, 2 turns each, one patient at first, a death", 2, 1, 2, -1, 1, MODEL_STRONG},
    {"lock: 2 threads, 2 turns each, both patient at first, a death", 2, 1, 2, -1, 3, MODEL_STRONG},
    {"lock: 2 threads, 2 turns each, one with a time-out, a death", 2, 1, 2, 0, 1, MODEL_STRONG},
    {"lock: 2 threads, 3 turns each", 2, 0, 3, -1, 1, MODEL_STRONG},
};
/* These take most of the time. */
static const struct case_of_lock larger[] = {
    {"lock: 3 threads", 3, 0, 1, -1, 0, MODEL_STRONG},
    {"lock: 3 threads, one patient", 3, 0, 1, -1, 1, MODEL_STRONG},
    {"lock: 3 threads, two patient", 3, 0, 1, -1, 3, MODEL_STRONG},
    {"lock: 3 threads, all patient", 3, 0, 1, -1, 7, MODEL_STRONG},
    {"lock: 3 threads, one patient, a death", 3, 1, 1, -1, 1, MODEL_STRONG},
    {"lock: 3 threads, two patient, a death", 3, 1, 1, -1, 3, MODEL_STRONG},
    {"lock: 3 threads, one patient, another with a time-out", 3, 0, 1, 0, 2, MODEL_STRONG},
    {"lock: 3 threads, all patient, one with a time-out", 3, 0, 1, 0, 7, MODEL_STRONG},
    {"lock: 2 threads, 2 turns each, a choice", 2, 0, 2, -1, 0, 1},
};
static const struct case_of_lock weak[] = {
    {"lock: 2 threads, a turn each, 2 choices", 2, 0, 1, -1, 0, 2},
    {"lock: 2 threads, a turn each, one patient, a choice", 2, 0, 1, -1, 1, 1},
    {"lock: 2 threads, a turn each, a choice, a death", 2, 1, 1, -1, 0, 1},
    {"lock: 2 threads, a turn each, one with a time-out, a choice", 2, 0, 1, 0, 1, 1},
};

static int explore_third(void) {
    third_buries = true;
    rounds = 1, threads = 3, patient = 0, timed_thread = -1;
    model_explore(&(struct model){.name = "lock: 2 threads, one may die, a third buries it, plain data",
                                  .threads = 3,
                                  .kills = 1,
                                  .mortal = 1,
                                  .choices = MODEL_ORDERED,
                                  .prepare = prepare,
                                  .run = run,
                                  .finish = finish});
    third_buries = false;
    return 1;
}

static int explore_orders(void) {
    return EXPLORE(weak) + explore_third();
}

static int explore_quick(void) {
    return EXPLORE(strong);
}

static int explore_all(void) {
    int passed = EXPLORE(strong) + explore_orders();
    return getenv("PRONG_MODEL_ALL") ? passed + EXPLORE(larger) : passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"lock", explore_all, explore_orders, explore_quick});
}
