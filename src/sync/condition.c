/* Condition: two lists of waiters, those that wait, and those that were notified and have not yet returned.
 *
 * The second list is for waiters that die after they were notified: the process that buries one passes its notification
 * on. A waiter moves from the first list to the second under the guard, so a notifier that dies has either notified it
 * or not. `state` is stored after that; it is what the waiter spins and sleeps on. If the notifier dies before it
 * stores `state`, the waiter finds out at its next look (family_sleep). */
#include <prong/condition.h>

#include "base/error.h"
#include "base/periods.h"
#include "os/os.h"
#include "sync/sync.h"

enum { PLACE_NONE, PLACE_WAITING, PLACE_NOTIFIED };

struct list {
    uint64_t first, last; /* arena offsets of waiters, linked by next and prev */
};

struct condition {
    struct object object;
    prong_lock lock;
    uint64_t lock_is_own;
    struct list waiting, notified;
    struct guard guard;
};

/* --- lists, under the guard --- */

static struct list *waiters_list(struct condition *c, uint64_t place) {
    return place == PLACE_WAITING ? &c->waiting : &c->notified;
}

static struct waiter *waiter_at(uint64_t offset) {
    return offset ? arena_at(offset) : NULL;
}

static void waiters_append(struct condition *c, struct waiter *w, uint64_t place) {
    struct list *list = waiters_list(c, place);
    struct waiter *last = waiter_at(list->last);
    guard_set(&c->guard, &w->place, place);
    guard_set(&c->guard, &w->prev, list->last);
    guard_set(&c->guard, &w->next, 0);
    guard_set(&c->guard, last ? &last->next : &list->first, arena_offset(w));
    guard_set(&c->guard, &list->last, arena_offset(w));
}

static void waiters_take_out(struct condition *c, struct waiter *w) {
    struct list *list = waiters_list(c, w->place);
    struct waiter *before = waiter_at(w->prev), *after = waiter_at(w->next);
    guard_set(&c->guard, before ? &before->next : &list->first, w->next);
    guard_set(&c->guard, after ? &after->prev : &list->last, w->prev);
    guard_set(&c->guard, &w->place, PLACE_NONE);
}

/* Notifies the first waiter, which counts as notified from the commit on. If it sleeps, its state is returned, to wake
 * it. */
static bool notify_first(struct condition *c, _Atomic uint32_t **to_wake) {
    struct waiter *w = waiter_at(c->waiting.first);
    *to_wake = NULL;
    if (!w) {
        guard_commit(&c->guard);
        return false;
    }
    waiters_take_out(c, w);
    waiters_append(c, w, PLACE_NOTIFIED);
    guard_commit(&c->guard);
    if (atomic_exchange(&w->state, WAITER_NOTIFIED) == WAITER_SLEEPING) *to_wake = &w->state;
    return true;
}

/* --- create, destroy --- */

/* A call is inside of the condition, and of its lock if it uses that. */
struct inside {
    struct visit condition, lock;
};

static void inside_end(struct inside *inside) {
    visit_end(&inside->condition); /* entered first: leaving it leaves the lock, too */
}
#define INSIDE_BOTH __attribute__((cleanup(inside_end))) struct inside

static prong_status condition_enter(struct inside *inside, prong_condition handle, struct condition **c) {
    return object_enter(&inside->condition, KIND_CONDITION, handle.offset, handle.generation, (void **)c);
}

static prong_status condition_enter_both(struct inside *inside, prong_condition handle, struct condition **c,
                                         struct lock **lock) {
    TRY(condition_enter(inside, handle, c));
    return sync_lock_enter(&inside->lock, (*c)->lock, lock);
}

prong_status prong_condition_create(prong_condition *handle, const prong_condition_options *options) {
    struct condition *c;
    const prong_condition_options o = options ? *options : (prong_condition_options){0};
    CHECK_RESERVED(options, "condition create: options");
    TRY(sync_create(KIND_CONDITION, handle, o.name, (void **)&c));
    prong_status status = sync_lock_choose(o.lock, o.name, &c->lock, &c->lock_is_own);
    if (status < 0) {
        object_destroy(c, object_generation(c));
        return status;
    }
    sync_publish(c, handle);
    return PRONG_OK;
}

prong_status prong_condition_destroy(prong_condition handle) {
    return object_destroy_handle(KIND_CONDITION, handle.offset, handle.generation);
}

/* Waiters find themselves in no list, and the condition destroyed. */
static void turn_out(struct condition *c, struct waiter *w) {
    waiters_take_out(c, w);
    guard_commit(&c->guard);
    if (atomic_exchange(&w->state, WAITER_NOTIFIED) == WAITER_SLEEPING) os_futex_wake(&w->state, 1);
}

/* If a stopped process is in the middle of changing the lists, waiters find out at their next check. */
static void condition_end(void *object) {
    struct condition *c = object;
    if (guard_enter(&c->guard, deadline_after(STOPPED_AT_MOST))) {
        while (c->waiting.first) turn_out(c, arena_at(c->waiting.first));
        while (c->notified.first) turn_out(c, arena_at(c->notified.first));
        guard_leave(&c->guard);
    }
    if (c->lock_is_own) prong_lock_destroy(c->lock);
}

static bool condition_dispose(void *object) {
    (void)object;
    return true;
}

static bool condition_is_gone(struct condition *c, uint64_t generation) {
    return object_generation(c) != generation;
}

static prong_status condition_say_gone(void) {
    return fail(PRONG_STALE, "the condition was destroyed meanwhile");
}

static prong_status not_entered(struct condition *c, uint64_t generation) {
    if (condition_is_gone(c, generation)) return condition_say_gone();
    return lock_refused(PRONG_TIMEOUT, "the condition's list");
}

/* --- its lock --- */

prong_status prong_condition_get_lock(prong_condition handle, prong_lock *lock) {
    struct condition *c;
    INSIDE_BOTH inside = {0};
    TRY(condition_enter(&inside, handle, &c));
    *lock = c->lock;
    return PRONG_OK;
}

static prong_status enter_held(struct inside *inside, prong_condition handle, const char *call, struct condition **c,
                               struct lock **lock) {
    char what[80];
    prong_status status = condition_enter_both(inside, handle, c, lock);
    if (status < 0 || sync_lock_is_mine(*lock)) return status;
    if (condition_is_gone(*c, handle.generation)) return condition_say_gone();
    return fail(PRONG_NOT_OWNER, "%s on %s without holding its lock", call, object_describe(*c, what, sizeof what));
}

/* --- waiting --- */

struct condition_wait {
    struct condition *condition;
    uint64_t generation;
    struct waiter *waiter;
};

static bool was_told(void *context) {
    return atomic_load_explicit(&((struct waiter *)context)->state, memory_order_acquire) == WAITER_NOTIFIED;
}

static bool condition_guard_enter(struct condition_wait *wait) {
    return sync_enter(wait->condition, &wait->condition->guard, wait->generation);
}

/* Checks whether a notifier died after it had notified this waiter and before it stored `state`; and whether waiters
 * died that had been notified. */
static bool condition_check(struct condition_wait *wait) {
    enum { SOME = 16 };
    uint32_t tokens[SOME];
    int count = 0;
    if (!condition_guard_enter(wait)) return true;
    bool notified = wait->waiter->place != PLACE_WAITING;
    for (struct waiter *w = waiter_at(wait->condition->notified.first); w && count < SOME; w = waiter_at(w->next))
        tokens[count++] = waiter_token(w);
    guard_leave(&wait->condition->guard);
    /* Not under the guard: a burial needs it. */
    for (int i = 0; i < count; i++) member_look(tokens[i]);
    return notified;
}

static bool sleep_until_notified(struct condition_wait *wait, deadline_t deadline) {
    _Atomic uint32_t *state = &wait->waiter->state;
    while (!was_told(wait->waiter)) {
        uint32_t waiting = WAITER_WAITING;
        if (deadline_passed(deadline)) return false;
        atomic_compare_exchange_strong(state, &waiting, WAITER_SLEEPING);
        enum sleep_end end = family_sleep(state, WAITER_SLEEPING, SLEEP_ANYBODY, DEAD_HOLDER, deadline);
        if (end == SLEEP_LOOK && condition_check(wait)) return true;
    }
    return true;
}

/* Removes the waiter from the list of those that wait, or, if asked, from that of the notified. Returns whether it had
 * been notified. */
static bool condition_withdraw(struct condition_wait *wait, uint64_t from) {
    if (!condition_guard_enter(wait)) return false;
    bool notified = wait->waiter->place == PLACE_NOTIFIED;
    if (wait->waiter->place == from) waiters_take_out(wait->condition, wait->waiter);
    guard_leave(&wait->condition->guard);
    return notified;
}

static prong_status line_up(struct condition_wait *wait) {
    if (!(wait->waiter = waiter_begin(wait->condition))) {
        family_bury_dead();
        wait->waiter = waiter_begin(wait->condition);
    }
    if (!wait->waiter)
        return fail(PRONG_NO_MEMORY, "condition wait: %d threads of the family wait already", WAITER_LIMIT);
    if (!condition_guard_enter(wait)) {
        waiter_end(wait->waiter);
        return not_entered(wait->condition, wait->generation);
    }
    waiters_append(wait->condition, wait->waiter, PLACE_WAITING);
    guard_leave(&wait->condition->guard);
    return PRONG_OK;
}

/* Releases the lock, however often it was acquired; returns how many times more than once that was. */
static uint32_t release_all(prong_lock handle, struct lock *lock) {
    uint32_t count = lock->mutex.count;
    lock->mutex.count = 0;
    sync_lock_release(handle);
    return count;
}

/* Acquires the lock again, whatever has ended the wait. */
static prong_status take_again(prong_lock handle) {
    INTERRUPTS_HELD;
    wait_cancelled = false;
    return sync_lock_acquire(handle, PRONG_FOREVER);
}

static prong_status condition_outcome(struct condition_wait *wait, bool notified, prong_status lock_status) {
    char what[80];
    if (condition_is_gone(wait->condition, wait->generation)) return condition_say_gone();
    if (lock_status) return lock_status;
    if (notified) return PRONG_OK;
    return fail(PRONG_TIMEOUT, "%s was not notified", object_describe(wait->condition, what, sizeof what));
}

prong_status prong_condition_wait(prong_condition handle, prong_time timeout) {
    struct condition_wait wait = {.generation = handle.generation};
    struct lock *lock;
    INSIDE_BOTH inside = {0};
    deadline_t deadline = deadline_after(timeout);
    TRY(enter_held(&inside, handle, "wait", &wait.condition, &lock));
    TRY(line_up(&wait));
    const prong_lock lock_handle = wait.condition->lock;
    uint32_t count = release_all(lock_handle, lock);
    INTERRUPTIBLE;
    bool told =
        deadline != PRONG_NOWAIT && (spin_until(was_told, wait.waiter) || sleep_until_notified(&wait, deadline));
    /* One that timed out leaves the list before it waits for the lock, so that no later notification goes to it. */
    bool notified = told || condition_withdraw(&wait, PLACE_WAITING);
    prong_status lock_status = take_again(lock_handle);
    if (lock_status >= 0) lock->mutex.count = count;
    if (notified)
        condition_withdraw(&wait, PLACE_NOTIFIED); /* not before: if it dies until here, another waiter is notified */
    waiter_end(wait.waiter);
    return condition_outcome(&wait, notified, lock_status);
}

prong_status prong_condition_wait_for(prong_condition handle, bool (*predicate)(void *), void *context,
                                      prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    if (!predicate) return fail(PRONG_INVALID, "condition wait_for: no predicate");
    struct condition *c;
    struct lock *lock;
    INSIDE_BOTH inside = {0};
    TRY(enter_held(&inside, handle, "wait_for", &c, &lock));
    while (!predicate(context)) {
        int64_t left = deadline == PRONG_FOREVER  ? PRONG_FOREVER
                       : deadline == PRONG_NOWAIT ? 0
                                                  : deadline - clock_now();
        if (left <= 0) return fail_text(PRONG_TIMEOUT, "the predicate stayed false for the time given");
        prong_status status = prong_condition_wait(handle, left);
        if (status != PRONG_OK && status != PRONG_TIMEOUT) return status;
    }
    return PRONG_OK;
}

/* --- notifying --- */

prong_status prong_condition_notify(prong_condition handle, unsigned count) {
    struct condition *c;
    struct lock *lock;
    _Atomic uint32_t *sleeper = NULL, *next;
    INSIDE_BOTH inside = {0};
    TRY(enter_held(&inside, handle, "notify", &c, &lock));
    /* Exact, as waiters enter the list under the lock, which this thread holds. This is also the most frequent case. */
    if (__atomic_load_n(&c->waiting.first, __ATOMIC_RELAXED) == 0) return PRONG_OK;
    if (!sync_enter(c, &c->guard, handle.generation)) return not_entered(c, handle.generation);
    while (count-- > 0 && notify_first(c, &next)) {
        if (sleeper) os_futex_wake(sleeper, 1);
        sleeper = next;
    }
    guard_leave(&c->guard);
    if (sleeper) os_futex_wake(sleeper, 1); /* after leaving: it will want the guard */
    return PRONG_OK;
}

/* --- death, report --- */

/* Removes a dead waiter and, if it had been notified, notifies the next one instead, in one step. */
static void bury_waiter(struct condition *c, struct waiter *w) {
    _Atomic uint32_t *sleeper = NULL;
    bool notified = w->place == PLACE_NOTIFIED;
    waiters_take_out(c, w);
    if (notified && c->waiting.first) {
        notify_first(c, &sleeper);
    } else {
        guard_commit(&c->guard);
    }
    if (sleeper) os_futex_wake(sleeper, 1);
}

static void bury_in(struct condition *c, struct list *list, uint32_t dead) {
    struct waiter *next;
    for (struct waiter *w = waiter_at(list->first); w; w = next) {
        next = waiter_at(w->next);
        if (waiter_token(w) == dead) bury_waiter(c, w);
    }
}

static void condition_recover(void *object, uint32_t dead) {
    struct condition *c = object;
    char what[80], who[80];
    /* The lists are not checked before: while a waiter moves from one to the other, both may seem empty. */
    if (!guard_enter(&c->guard, deadline_after(STOPPED_AT_MOST))) return;
    uint64_t first = c->notified.first;
    bool passed = first && waiter_token(arena_at(first)) == dead;
    bury_in(c, &c->waiting, dead); /* first, so that no notification is passed on to the dead waiter itself */
    bury_in(c, &c->notified, dead);
    guard_leave(&c->guard);
    if (passed)
        recovery_note("%s died notified by %s", member_describe(dead, who, sizeof who),
                      object_describe(c, what, sizeof what));
}

/* A thread that died while it notified may have left waiters on the list of the notified that do not know it. */
static void condition_wake(void *object) {
    struct condition *c = object;
    lock_wake(&c->guard.lock);
    if (!guard_enter(&c->guard, deadline_after(STOPPED_AT_MOST))) return;
    for (struct waiter *w = waiter_at(c->notified.first); w; w = waiter_at(w->next)) {
        atomic_store(&w->state, WAITER_NOTIFIED);
        os_futex_wake(&w->state, 1);
    }
    guard_leave(&c->guard);
}

const struct object_type condition_type = {
    .name = "condition",
    .size = sizeof(struct condition),
    .recover = condition_recover,
    .wake = condition_wake,
    .end = condition_end,
    .dispose = condition_dispose,
};
