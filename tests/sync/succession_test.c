/* What is made where another was destroyed is not disturbed by those who are late for that one. */
#include "../support/sync.h"
#include "../support/test.h"

#include <stdatomic.h>

/* One of these at a time; who comes late has the handle of the one before. */
struct succession {
    _Atomic uint64_t offset, generation; /* of the present one; generation 0: it is over, 1: none just now */
    _Atomic uint64_t inside;             /* how many are, of the present one's generation: generation << 8 | number */
    _Atomic uint64_t crowded, done;
};

struct handle {
    uint64_t offset, generation;
};

struct kind {
    prong_status (*make)(struct handle *handle);
    prong_status (*end)(struct handle handle);
    /* Of those that one holds. They are held before the end, so that others wait, or are late. */
    prong_status (*acquire)(struct handle handle, prong_time timeout);
    prong_status (*release)(struct handle handle);
    /* Everything that is done with one; false when the status is none that a late one may get. */
    bool (*use)(const struct kind *kind, struct succession *s, struct handle handle, int turn);
};

static bool present(struct succession *s, struct handle *handle) {
    do {
        handle->generation = atomic_load(&s->generation);
        handle->offset = atomic_load(&s->offset);
    } while (atomic_load(&s->generation) != handle->generation);
    return handle->generation != 0;
}

static bool as_may_be(prong_status status, prong_status other) {
    if (status < 0 && status != other && status != PRONG_STALE) printf("%s\n", prong_error_message());
    return status >= 0 || status == other || status == PRONG_STALE;
}

/* --- locks: one is inside --- */

static void be_inside(struct succession *s, uint64_t generation) {
    uint64_t mine = generation << 8, one = mine | 1;
    uint64_t before = atomic_exchange(&s->inside, one);
    if (before == one && atomic_load(&s->generation) == generation) atomic_fetch_add(&s->crowded, 1);
    for (int i = 0; i < 20; i++)
        if (atomic_load(&s->inside) != one && atomic_load(&s->inside) >> 8 == generation << 8 >> 8)
            atomic_fetch_add(&s->crowded, 1);
    atomic_compare_exchange_strong(&s->inside, &one, mine);
    atomic_fetch_add(&s->done, 1);
}

static bool use_held(const struct kind *kind, struct succession *s, struct handle handle, int turn) {
    prong_status status = kind->acquire(handle, turn % 4 ? PRONG_SECONDS(9) : PRONG_NOWAIT);
    if (status < 0) return as_may_be(status, PRONG_TIMEOUT);
    be_inside(s, handle.generation);
    return as_may_be(kind->release(handle), PRONG_OK);
}

/* --- the others: nobody hangs, or is told what is not so --- */

static bool use_event(const struct kind *kind, struct succession *s, struct handle handle, int turn) {
    prong_event event = {handle.offset, handle.generation};
    (void)kind;
    atomic_fetch_add(&s->done, 1);
    switch (turn % 8) {
    case 0: return as_may_be(prong_event_set(event), PRONG_OK);
    case 1: return as_may_be(prong_event_clear(event), PRONG_OK);
    default: return as_may_be(prong_event_wait(event, PRONG_MS(1)), PRONG_TIMEOUT);
    }
}

static bool use_condition(const struct kind *kind, struct succession *s, struct handle handle, int turn) {
    prong_condition condition = {handle.offset, handle.generation};
    prong_status status = kind->acquire(handle, PRONG_SECONDS(9));
    if (status < 0) return as_may_be(status, PRONG_OK);
    atomic_fetch_add(&s->done, 1);
    bool good = turn % 2 ? as_may_be(prong_condition_wait(condition, PRONG_MS(1)), PRONG_TIMEOUT)
                         : as_may_be(prong_condition_notify(condition, PRONG_ALL), PRONG_OK);
    return as_may_be(kind->release(handle), PRONG_OK) && good;
}

static bool use_barrier(const struct kind *kind, struct succession *s, struct handle handle, int turn) {
    prong_barrier barrier = {handle.offset, handle.generation};
    unsigned index;
    (void)kind, (void)turn;
    atomic_fetch_add(&s->done, 1);
    prong_status status = prong_barrier_wait(barrier, &index, NULL, PRONG_SECONDS(9));
    return as_may_be(status, PRONG_BROKEN);
}

/* --- making and ending --- */

#define MADE(name, type, ...)                                                                                          \
    static prong_status make_##name(struct handle *handle) {                                                           \
        return prong_##type##_create((prong_##type *)handle, __VA_ARGS__);                                             \
    }                                                                                                                  \
    static prong_status end_##name(struct handle handle) {                                                             \
        return prong_##type##_destroy((prong_##type){handle.offset, handle.generation});                               \
    }
#define HELD(name, type)                                                                                               \
    static prong_status acquire_##name(struct handle handle, prong_time timeout) {                                     \
        return prong_##type##_acquire((prong_##type){handle.offset, handle.generation}, timeout);                      \
    }                                                                                                                  \
    static prong_status release_##name(struct handle handle) {                                                         \
        return prong_##type##_release((prong_##type){handle.offset, handle.generation});                               \
    }
MADE(lock, lock, NULL)
HELD(lock, lock)
MADE(rlock, lock, &(prong_lock_options){.recursive = true})
HELD(rlock, lock)
MADE(semaphore, semaphore, 1, NULL)
HELD(semaphore, semaphore)
MADE(event, event, NULL)
MADE(condition, condition, NULL)
MADE(barrier, barrier, 2, NULL)
static prong_lock handle_lock(struct handle condition) {
    return condition_lock((prong_condition){condition.offset, condition.generation});
}
static prong_status acquire_condition(struct handle handle, prong_time timeout) {
    return prong_lock_acquire(handle_lock(handle), timeout);
}
static prong_status release_condition(struct handle handle) {
    return prong_lock_release(handle_lock(handle));
}

static const struct kind kinds[] = {
    {make_lock, end_lock, acquire_lock, release_lock, use_held},
    {make_rlock, end_rlock, acquire_rlock, release_rlock, use_held},
    {make_semaphore, end_semaphore, acquire_semaphore, release_semaphore, use_held},
    {make_event, end_event, NULL, NULL, use_event},
    {make_condition, end_condition, acquire_condition, release_condition, use_condition},
    {make_barrier, end_barrier, NULL, NULL, use_barrier},
};
enum { LOCK, RLOCK, SEMAPHORE, EVENT, CONDITION, BARRIER };

struct job {
    uint64_t succession;
    int kind;
};

static int use_each(void *argument, size_t size) {
    const struct job *job = argument;
    const struct kind *k = &kinds[job->kind];
    struct succession *s = prong_memory_at(job->succession);
    struct handle handle;
    (void)size;
    for (int turn = 0; present(s, &handle); turn++)
        if (!k->use(k, s, handle, turn)) return 1;
    return 0;
}

static void succeed_each_other(int kind, int method, int count) {
    enum { USERS = 4 };
    const struct kind *k = &kinds[kind];
    struct succession *s;
    struct handle handle;
    prong_process users[USERS];
    ok(k->make(&handle));
    ok(prong_memory_alloc(sizeof *s, (void **)&s));
    *s = (struct succession){.offset = handle.offset, .generation = handle.generation};
    struct job job = {prong_memory_offset(s), kind};
    for (int i = 0; i < USERS; i++) users[i] = start_with(method, use_each, job);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i % 5; j++) check(k->use(k, s, handle, kind == BARRIER ? 0 : j * 4));
        if (k->acquire) ok(k->acquire(handle, PRONG_SECONDS(9)));
        ok(k->end(handle));
        ok(k->make(&handle));
        atomic_store(&s->generation, 1);
        atomic_store(&s->offset, handle.offset);
        atomic_store(&s->generation, handle.generation);
    }
    atomic_store(&s->generation, 0);
    ok(k->end(handle));
    for (int i = 0; i < USERS; i++) equal(test_end(users[i]), 0);
    equal(atomic_load(&s->crowded), 0);
    check(atomic_load(&s->done) > 0);
    ok(prong_memory_free(s));
    test_arena_is_clean(0);
}

LONG_METHOD_TEST(locks_in_one_place, 60) {
    succeed_each_other(LOCK, method, 20000);
}

LONG_METHOD_TEST(rlocks_in_one_place, 60) {
    succeed_each_other(RLOCK, method, 20000);
}

LONG_METHOD_TEST(semaphores_in_one_place, 60) {
    succeed_each_other(SEMAPHORE, method, 20000);
}

LONG_METHOD_TEST(events_in_one_place, 60) {
    succeed_each_other(EVENT, method, 5000);
}

LONG_METHOD_TEST(conditions_in_one_place, 60) {
    succeed_each_other(CONDITION, method, 5000);
}

LONG_METHOD_TEST(barriers_in_one_place, 60) {
    succeed_each_other(BARRIER, method, 5000);
}
