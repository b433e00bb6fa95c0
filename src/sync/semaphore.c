/* Semaphore: a count; with `recover`, also how many units each member holds, changed atomically with the count.
 *
 * A waiter that lost a unit which it saw, or was woken in vain after it had waited for SEMAPHORE_PATIENCE, becomes the
 * heir: with RESERVED set, the last unit is for it alone. So nobody is passed over for long. RESERVED is in the word of
 * the count, so that a taker sees both at once; the heir's name is beside it. */
#include <prong/semaphore.h>

#include "base/error.h"
#include "base/periods.h"
#include "family/heap.h"
#include "sync/sync.h"

#include <limits.h>
#include <string.h>

#ifndef SEMAPHORE_PATIENCE /* the model in tests/model has its own */
#define SEMAPHORE_PATIENCE DEAD_MUTEX_FIRST
#endif
#define RESERVED (1ull << 63)
#define UNITS 0xffffffffull

struct semaphore {
    struct object object;
    _Atomic uint64_t count; /* units, and RESERVED */
    _Atomic uint64_t heir;  /* token and thread, as in waiter.h; 0: none */
    uint64_t bound;         /* UINT64_MAX: none */
    uint64_t units;         /* with recover: a word for each row of the family table; 0 without */
    struct waitq waiting;
    struct guard guard; /* with recover: over count and units */
};

static inline prong_status semaphore_enter(struct visit *inside, prong_semaphore handle, struct semaphore **s) {
    return object_enter(inside, KIND_SEMAPHORE, handle.offset, handle.generation, (void **)s);
}

static inline bool semaphore_enter_quickly(struct visit *inside, prong_semaphore handle, struct semaphore **s) {
    return object_enter_quickly(inside, KIND_SEMAPHORE, handle.offset, handle.generation, (void **)s);
}

static uint64_t self_who(void) {
    return (uint64_t)self_token() << 32 | thread_self();
}

static uint64_t *units_of(struct semaphore *s, uint32_t token) {
    return (uint64_t *)arena_at(s->units) + (token & (MEMBER_LIMIT - 1));
}

/* --- create, destroy --- */

prong_status prong_semaphore_create(prong_semaphore *handle, unsigned value, const prong_semaphore_options *options) {
    struct semaphore *s;
    prong_semaphore_options o = options ? *options : (prong_semaphore_options){0};
    CHECK_RESERVED(options, "semaphore create: options");
    if (value > PRONG_SEMAPHORE_MAX)
        return fail(PRONG_INVALID, "semaphore create: %u units are more than %d", value, PRONG_SEMAPHORE_MAX);
    prong_status status = sync_create(KIND_SEMAPHORE, handle, o.name, (void **)&s);
    if (status < 0) return status;
    s->bound = o.bounded ? value : UINT64_MAX;
    if (o.recover && (status = heap_alloc(MEMBER_LIMIT * sizeof(uint64_t), 0, &s->units, NULL))) {
        object_destroy(s, object_generation(s));
        return status;
    }
    if (s->units) memset(arena_at(s->units), 0, MEMBER_LIMIT * sizeof(uint64_t));
    atomic_store(&s->count, value);
    sync_publish(s, handle);
    return PRONG_OK;
}

prong_status prong_semaphore_destroy(prong_semaphore handle) {
    return object_destroy_handle(KIND_SEMAPHORE, handle.offset, handle.generation);
}

static void semaphore_end(void *object) {
    waitq_notify(&((struct semaphore *)object)->waiting, INT_MAX);
}

static bool semaphore_dispose(void *object) {
    struct semaphore *s = object;
    if (s->units) heap_free(s->units, &s->units);
    return true;
}

static uint64_t semaphore_weigh(void *object) {
    return ((struct semaphore *)object)->units ? MEMBER_LIMIT * sizeof(uint64_t) : 0;
}

/* --- taking and giving --- */

/* Out of line, as is too_many: the quickest way needs no registers for what is rare. */
static __attribute__((noinline)) bool semaphore_is_heir(struct semaphore *s) {
    return atomic_load(&s->heir) == self_who();
}

static inline bool can_take(struct semaphore *s, uint64_t count) {
    uint64_t kept = __builtin_expect((count & RESERVED) != 0, 0) && !semaphore_is_heir(s) ? 1 : 0;
    return (count & UNITS) > kept;
}

/* The new count when the caller takes a unit; the heir gives up its reservation at the same time. */
static inline uint64_t after_taking(struct semaphore *s, uint64_t count) {
    return (__builtin_expect((count & RESERVED) != 0, 0) && semaphore_is_heir(s) ? count & ~RESERVED : count) - 1;
}

static inline bool semaphore_take_counted(struct semaphore *s) {
    uint64_t count = atomic_load(&s->count);
    while (can_take(s, count))
        if (atomic_compare_exchange_weak(&s->count, &count, after_taking(s, count))) return true;
    return false;
}

static bool take_owned(struct semaphore *s, uint64_t generation) {
    if (!can_take(s, atomic_load(&s->count)) || !sync_enter(s, &s->guard, generation)) return false;
    uint64_t count = atomic_load(&s->count), *units = units_of(s, self_token());
    bool taken = can_take(s, count);
    if (taken) {
        guard_set(&s->guard, units, *units + 1);
        guard_set(&s->guard, (uint64_t *)&s->count, after_taking(s, count));
    }
    guard_leave(&s->guard);
    return taken;
}

static bool semaphore_take_unit(struct semaphore *s, uint64_t generation) {
    return s->units ? take_owned(s, generation) : semaphore_take_counted(s);
}

static prong_status semaphore_say_gone(void) {
    return fail(PRONG_STALE, "the semaphore was destroyed meanwhile");
}

static inline uint64_t semaphore_limit(const struct semaphore *s) {
    return s->bound < PRONG_SEMAPHORE_MAX ? s->bound : PRONG_SEMAPHORE_MAX;
}

static __attribute__((noinline)) prong_status too_many(struct semaphore *s, uint64_t count) {
    char what[80];
    if (count >= s->bound)
        return fail(PRONG_NOT_OWNER, "%s is released more often than acquired", object_describe(s, what, sizeof what));
    return fail(PRONG_INVALID, "%s has its limit of %d units", object_describe(s, what, sizeof what),
                PRONG_SEMAPHORE_MAX);
}

static inline prong_status give_counted(struct semaphore *s) {
    uint64_t count = atomic_load(&s->count);
    do {
        if (__builtin_expect((count & UNITS) >= semaphore_limit(s), 0)) return too_many(s, count & UNITS);
    } while (!atomic_compare_exchange_weak(&s->count, &count, count + 1));
    return PRONG_OK;
}

static prong_status give_owned(struct semaphore *s, uint64_t generation) {
    char what[80];
    if (!sync_enter(s, &s->guard, generation))
        return object_generation(s) != generation ? semaphore_say_gone() : lock_refused(PRONG_TIMEOUT, "the semaphore");
    uint64_t count = atomic_load(&s->count), *units = units_of(s, self_token());
    prong_status status = PRONG_OK;
    if (*units == 0)
        status = fail(PRONG_NOT_OWNER, "%s: this process holds no unit", object_describe(s, what, sizeof what));
    else {
        guard_set(&s->guard, units, *units - 1);
        guard_set(&s->guard, (uint64_t *)&s->count, count + 1);
    }
    guard_leave(&s->guard);
    return status;
}

/* There is one more unit: wakes the first waiter; with a reservation all, as the heir must be among them. */
static void semaphore_tell(struct semaphore *s) {
    waitq_notify(&s->waiting, atomic_load(&s->count) & RESERVED ? INT_MAX : 1);
}

/* False: it is not to be released, units belong to processes, or there is no quick way; the caller finds out. */
static inline bool semaphore_try_release(prong_semaphore handle) {
    struct semaphore *s;
    struct visit inside;
    if (!semaphore_enter_quickly(&inside, handle, &s)) return false;
    bool given = !s->units && give_counted(s) == PRONG_OK;
    if (given) semaphore_tell(s);
    visit_end(&inside);
    return given;
}

static __attribute__((noinline)) prong_status semaphore_release_checked(prong_semaphore handle) {
    struct semaphore *s;
    INSIDE struct visit inside = {0};
    TRY(semaphore_enter(&inside, handle, &s));
    TRY(s->units ? give_owned(s, handle.generation) : give_counted(s));
    semaphore_tell(s);
    return PRONG_OK;
}

prong_status prong_semaphore_release(prong_semaphore handle) {
    return __builtin_expect(semaphore_try_release(handle), 1) ? PRONG_OK : semaphore_release_checked(handle);
}

unsigned prong_semaphore_value(prong_semaphore handle) {
    struct semaphore *s;
    INSIDE struct visit inside = {0};
    return semaphore_enter(&inside, handle, &s) ? 0 : (unsigned)(atomic_load(&s->count) & UNITS);
}

/* --- waiting --- */

static void set_reserved(struct semaphore *s, uint64_t generation, bool on) {
    bool guarded = s->units;
    if (guarded && !sync_enter(s, &s->guard, generation)) return;
    if (on)
        atomic_fetch_or(&s->count, RESERVED);
    else
        atomic_fetch_and(&s->count, ~RESERVED);
    if (guarded) guard_leave(&s->guard);
}

static void become_heir(struct semaphore *s, uint64_t generation) {
    uint64_t nobody = 0;
    if (atomic_compare_exchange_strong(&s->heir, &nobody, self_who())) set_reserved(s, generation, true);
}

/* The name is removed after the reservation: an heir without a reservation is harmless, a reservation without an heir
 * is not. */
static void give_up_heir(struct semaphore *s, uint64_t generation, uint64_t who) {
    if (atomic_load(&s->heir) != who) return;
    set_reserved(s, generation, false);
    atomic_compare_exchange_strong(&s->heir, &who, 0);
    semaphore_tell(s);
}

struct semaphore_wait {
    struct semaphore *semaphore;
    uint64_t generation;
    uint32_t sequence; /* of the queue, and the time, when it began */
    int64_t since;
};

static bool semaphore_is_gone(const struct semaphore_wait *wait) {
    return object_generation(wait->semaphore) != wait->generation;
}

/* Woken in vain, and due. A holder that gives its unit back and takes it again at once is always faster than the one that
 * it wakes, which never sees the unit. */
static bool semaphore_is_passed_over(const struct semaphore_wait *wait) {
    return wait->sequence != atomic_load_explicit(&wait->semaphore->waiting.sequence, memory_order_relaxed) &&
           !atomic_load_explicit(&wait->semaphore->heir, memory_order_relaxed) &&
           clock_now() - wait->since >= SEMAPHORE_PATIENCE;
}

static bool semaphore_ready(void *context) {
    const struct semaphore_wait *wait = context;
    return semaphore_is_gone(wait) || can_take(wait->semaphore, atomic_load(&wait->semaphore->count)) ||
           semaphore_is_passed_over(wait);
}

/* Buries holders that have died, and the heir if it has died. */
static void semaphore_check(void *object) {
    struct semaphore *s = object;
    uint64_t heir = atomic_load(&s->heir);
    if (heir) member_look((uint32_t)(heir >> 32));
    for (uint32_t row = 0; s->units && row < MEMBER_LIMIT; row++)
        if (__atomic_load_n(units_of(s, row), __ATOMIC_RELAXED))
            member_look((uint32_t)atomic_load(&member_rows()[row].token));
}

static bool semaphore_wait(struct semaphore_wait *wait, deadline_t deadline) {
    struct semaphore *s = wait->semaphore;
    if (deadline == PRONG_NOWAIT) {
        semaphore_check(s);
        return semaphore_take_unit(s, wait->generation);
    }
    wait->sequence = atomic_load_explicit(&s->waiting.sequence, memory_order_relaxed);
    wait->since = clock_now();
    while (sync_wait(&s->waiting, semaphore_ready, wait, s, semaphore_check, deadline)) {
        if (semaphore_is_gone(wait)) return false;
        if (semaphore_take_unit(s, wait->generation)) return true;
        become_heir(s, wait->generation);
    }
    return false;
}

/* Releases that follow each other may have woken this thread alone: until it had run, the queue's flag said that nobody
 * else slept. */
static void semaphore_pass_on(struct semaphore *s) {
    if (atomic_load(&s->count) & UNITS) semaphore_tell(s);
}

/* False: there is no unit, units belong to processes, or there is no quick way. */
static inline bool semaphore_try(prong_semaphore handle) {
    struct semaphore *s;
    struct visit inside;
    if (!semaphore_enter_quickly(&inside, handle, &s)) return false;
    bool taken = !s->units && semaphore_take_counted(s);
    visit_end(&inside);
    return taken;
}

static __attribute__((noinline)) prong_status semaphore_acquire_checked(prong_semaphore handle, prong_time timeout) {
    struct semaphore_wait wait = {.generation = handle.generation};
    char what[80];
    INSIDE struct visit inside = {0};
    TRY(semaphore_enter(&inside, handle, &wait.semaphore));
    if (semaphore_take_unit(wait.semaphore, handle.generation)) return PRONG_OK;
    INTERRUPTIBLE;
    bool taken = semaphore_wait(&wait, deadline_after(timeout));
    give_up_heir(wait.semaphore, handle.generation, self_who());
    if (taken) {
        semaphore_pass_on(wait.semaphore);
        return PRONG_OK;
    }
    if (semaphore_is_gone(&wait)) return semaphore_say_gone();
    return fail(PRONG_TIMEOUT, "%s has no unit left", object_describe(wait.semaphore, what, sizeof what));
}

prong_status prong_semaphore_acquire(prong_semaphore handle, prong_time timeout) {
    return __builtin_expect(semaphore_try(handle), 1) ? PRONG_OK : semaphore_acquire_checked(handle, timeout);
}

/* --- death, report --- */

static uint64_t take_back(struct semaphore *s, uint32_t dead) {
    uint64_t back = 0;
    /* The units are not checked before: what the dead member had begun may be undone just now. */
    if (!guard_enter(&s->guard, deadline_after(STOPPED_AT_MOST))) return 0;
    if (s->units) {
        uint64_t *units = units_of(s, dead);
        back = *units;
        guard_set(&s->guard, units, 0);
        guard_set(&s->guard, (uint64_t *)&s->count, atomic_load(&s->count) + back);
    }
    guard_leave(&s->guard);
    return back;
}

static void semaphore_recover(void *object, uint32_t dead) {
    struct semaphore *s = object;
    char what[80], who[80];
    uint64_t heir = atomic_load(&s->heir), back = s->units ? take_back(s, dead) : 0;
    if (heir >> 32 == dead) give_up_heir(s, object_generation(s), heir);
    if (back == 0) return;
    recovery_note("%s died holding %llu of %s", member_describe(dead, who, sizeof who), (unsigned long long)back,
                  object_describe(s, what, sizeof what));
    waitq_notify(&s->waiting, INT_MAX);
}

static void semaphore_wake(void *object) {
    struct semaphore *s = object;
    lock_wake(&s->guard.lock);
    waitq_wake_all(&s->waiting);
}

static void semaphore_holders(void *object, holder_visit *visit, void *context) {
    struct semaphore *s = object;
    for (uint32_t row = 0; s->units && row < MEMBER_LIMIT; row++)
        if (__atomic_load_n(units_of(s, row), __ATOMIC_RELAXED))
            visit(context, (uint32_t)atomic_load(&member_rows()[row].token), 0);
}

const struct object_type semaphore_type = {.name = "semaphore",
                                           .size = sizeof(struct semaphore),
                                           .recover = semaphore_recover,
                                           .wake = semaphore_wake,
                                           .end = semaphore_end,
                                           .dispose = semaphore_dispose,
                                           .weigh = semaphore_weigh,
                                           .holders = semaphore_holders,
                                           .holding = HOLDERS_SHARE};
