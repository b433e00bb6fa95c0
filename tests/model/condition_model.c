/* The condition (src/sync/condition.c): no notification lost, none given to one that did not wait, and that of a dead waiter
 * passed on. Taking and releasing its lock counts as one step here (lock_model.c has that). */
#include "surroundings.h"
#include "sections.h"
#include "weaken.h"

#include "sync/sync.h"
#include <prong/condition.h>

#undef spin_until
#include "instrument.h"
#include "sync/condition.c"
#include "uninstrument.h"

struct world_of_condition {
    char header[64]; /* offset 0 is no place */
    struct condition condition;
    _Alignas(64) struct lock lock;
    struct waiter rows[MODEL_THREADS];
    struct burial burial;
    int items, notified, returned;
    char data; /* what the lock guards */
};

static struct world_of_condition *w;
static prong_condition handle;

/* --- what stands around --- */

#include "instrument.h"
struct waiter *waiter_begin(void *object) {
    struct waiter *row = &w->rows[model_self()];
    (void)object;
    row->who = (uint64_t)self_token() << 32 | thread_self();
    atomic_store(&row->state, WAITER_WAITING);
    row->place = PLACE_NONE;
    return row;
}

static bool take_lock(uint32_t *holder, bool *died) {
    model_begin_atomic();
    *holder = atomic_load(&w->lock.mutex.word);
    bool free = *holder == 0 || !member_alive(*holder);
    *died = *holder != 0;
    if (free) atomic_store(&w->lock.mutex.word, self_token());
    model_end_atomic();
    return free;
}

static void give_lock(void) {
    model_begin_atomic();
    atomic_store(&w->lock.mutex.word, 0);
    os_futex_wake(&w->lock.mutex.word, MODEL_THREADS);
    model_end_atomic();
}
#include "uninstrument.h"

void waiter_end(struct waiter *row) {
    row->who = 0;
}

prong_status sync_lock_acquire(prong_lock lock, prong_time timeout) {
    uint32_t holder;
    bool died;
    (void)lock, (void)timeout;
    while (!take_lock(&holder, &died)) model_futex_wait(&w->lock.mutex.word, holder, ~0u, false);
    return died ? PRONG_OWNER_DIED : PRONG_OK;
}

prong_status sync_lock_release(prong_lock lock) {
    (void)lock;
    give_lock();
    return PRONG_OK;
}

bool sync_lock_is_mine(struct lock *lock) {
    return lock->mutex.word == self_token();
}

bool spin_until(bool (*ready)(void *), void *context) {
    return ready(context);
}

prong_status object_stale(uint32_t kind, uint64_t offset, uint64_t generation) {
    (void)kind, (void)offset, (void)generation;
    return PRONG_STALE;
}
prong_status sync_create(uint32_t kind, const void *place, const char *name, void **object) {
    (void)kind, (void)place, (void)name, (void)object;
    return PRONG_SYSTEM;
}
bool sync_enter(void *object, struct guard *guard, uint64_t generation) {
    (void)object, (void)generation;
    return guard_enter(guard, PRONG_FOREVER);
}
void sync_publish(void *object, void *place) {
    (void)object, (void)place;
}
void object_destroy(void *object, uint64_t generation) {
    (void)object, (void)generation;
}
prong_status sync_lock_choose(prong_lock given, const char *name, prong_lock *lock, uint64_t *is_own) {
    (void)given, (void)name, (void)lock, (void)is_own;
    return PRONG_SYSTEM;
}
prong_status prong_lock_destroy(prong_lock lock) {
    (void)lock;
    return PRONG_OK;
}

/* What the dead thread had returned with is its user's to pass on. */
static void notify_instead(void) {
    _Atomic uint32_t *sleeper;
    guard_enter(&w->condition.guard, PRONG_FOREVER);
    notify_first(&w->condition, &sleeper);
    guard_leave(&w->condition.guard);
    if (sleeper) os_futex_wake(sleeper, 1);
}

static void model_recover(uint32_t dead) {
    if (guard_steps) guard_settle(&w->condition.guard, dead);
    bool outside = w->rows[thread_of(dead)].place == PLACE_NONE;
    condition_recover(&w->condition, dead);
    if (guard_steps) condition_wake(&w->condition);
    if (guard_steps && outside) notify_instead();
    w->rows[thread_of(dead)].who = 0;
}

static void prepare(void) {
    arena_base = model_arena();
    arena_places = MODEL_ARENA / 64;
    selves[0].token = 1;
    w = model_arena();
    burial = &w->burial;
    w->condition.object.kind = KIND_CONDITION;
    w->condition.object.generation = 1;
    w->lock.object.kind = KIND_LOCK;
    w->lock.object.generation = 1;
    w->condition.lock = (prong_lock){arena_offset(&w->lock), 1};
    handle = (prong_condition){arena_offset(&w->condition), 1};
}

static prong_status acquire(void) {
    return sync_lock_acquire(w->condition.lock, PRONG_FOREVER);
}

static prong_status wait_once(int thread) {
    prong_status status = prong_condition_wait(handle, thread == timed_thread ? PRONG_MS(500) : PRONG_FOREVER);
    model_check(status == PRONG_OK || (status == PRONG_TIMEOUT && thread == timed_thread) ||
                (status == PRONG_OWNER_DIED && model_anybody_died()));
    if (status == PRONG_OK) w->returned++;
    if (!model_anybody_died()) model_check(w->returned <= w->notified);
    return status;
}

static void notify_one(void) {
    for (struct waiter *row = waiter_at(w->condition.waiting.first); row && w->condition.waiting.first; row = NULL)
        w->notified++;
    model_check(prong_condition_notify(handle, 1) == PRONG_OK);
}

/* --- two take an item each, the third brings two --- */

static void take_or_bring(int thread) {
    acquire();
    if (thread == 2) {
        for (int i = 0; i < 2; i++) {
            w->items++;
            notify_one();
            sync_lock_release(w->condition.lock);
            if (i == 0) acquire();
        }
        return;
    }
    while (w->items == 0)
        if (wait_once(thread) == PRONG_TIMEOUT) break; /* it goes without */
    if (w->items > 0) w->items--;
    sync_lock_release(w->condition.lock);
}

/* --- one word for two, who pass it on; the first may die, and what it was notified of must go on to the other --- */

static void pass_on(int thread) {
    acquire();
    if (thread < 2) {
        while (w->items == 0) wait_once(thread);
        /* back from wait, the word is passed on in one step: a death in here would not be the library's affair */
        if (!guard_steps) model_go_on_atomic();
        notify_one();
        sync_lock_release(w->condition.lock);
        if (!guard_steps) model_end_atomic();
        return;
    }
    w->items = 1;
    notify_one();
    sync_lock_release(w->condition.lock);
}

static void finish(void) {
    model_check(w->condition.waiting.first == 0 || model_anybody_died());
    model_check(w->condition.notified.first == 0 || model_anybody_died());
    model_check(w->lock.mutex.word == 0 || !member_alive(w->lock.mutex.word));
}

/* Each store under the guard is a step, too; deaths are found as burials find them. */
static int explore_steps(const char *name, int threads, void (*act)(int), int kills, size_t most) {
    guard_steps = naps_bury = true;
    int passed = model_explore(&(struct model){.name = name,
                                               .threads = threads,
                                               .kills = kills,
                                               .mortal = 1,
                                               .most = most,
                                               .prepare = prepare,
                                               .run = act,
                                               .finish = finish});
    guard_steps = naps_bury = false;
    return passed;
}

static int explore(const char *name, void (*act)(int), int kills, int mortal, int choices) {
    return model_explore(&(struct model){.name = name,
                                         .threads = 3,
                                         .kills = kills,
                                         .mortal = mortal,
                                         .choices = choices,
                                         .prepare = prepare,
                                         .run = act,
                                         .finish = finish});
}

static int explore_timed(const char *name) {
    timed_thread = 0;
    int passed = explore(name, take_or_bring, 0, 0, MODEL_STRONG);
    timed_thread = -1;
    return passed;
}

/* --- one waits, one brings: with a model of memory --- */

static void take_or_bring_one(int thread) {
    acquire();
    if (thread == 1) {
        w->items++;
        model_use(&w->data);
        notify_one();
    }
    while (w->items == 0) wait_once(thread);
    model_use(&w->data);
    sync_lock_release(w->condition.lock);
}

static int explore_orders(void) {
    return model_explore(&(struct model){.name = "condition: a waiter, a notification, a late store",
                                         .threads = 2,
                                         .choices = 1,
                                         .prepare = prepare,
                                         .run = take_or_bring_one,
                                         .finish = finish});
}

static int explore_all(void) {
    int passed =
        explore("condition: 2 waiters, 2 notifications", take_or_bring, 0, 0, MODEL_STRONG) + explore_orders() +
        explore_steps("condition: a waiter, a notification, steps under the guard, the waiter may die", 2,
                      take_or_bring_one, 1, 0) +
        explore_steps("condition: 2 waiters that pass on, steps under the guard, one may die", 3, pass_on, 1, 0);
    if (getenv("PRONG_MODEL_ALL"))
        passed += explore("condition: 2 waiters, 2 notifications, a waiter dies", take_or_bring, 1, 2, MODEL_STRONG) +
                  explore("condition: a notified waiter dies, and another waits", pass_on, 1, 1, MODEL_STRONG) +
                  explore_steps("condition: 2 waiters, 2 notifications, steps under the guard, a waiter may die", 3,
                                take_or_bring, 1, 0) +
                  explore_timed("condition: 2 waiters, one with a time-out, 2 notifications");
    return passed;
}

int main(int argc, char **argv) {
    return model_main(argc, argv, &(struct explorations){"condition", explore_all, explore_orders, NULL});
}
