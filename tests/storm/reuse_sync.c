/* Locks, semaphores, events, conditions, barriers and shared values, for reuse_test.c. */
#include "../support/sync.h"
#include "reuse.h"

/* --- locks: a stranger releases even ones alone; in an odd one, one is inside --- */

/* Overlapping is seen by those who are inside of the same one: the owner, with its number. */
static void be_inside(const struct handle *handle) {
    static _Thread_local long self;
    if (!self) self = 1 + (long)(storm_self - storm->slots) * 64 + (long)storm_random(64);
    long mine = handle->number << 24 | self, before = atomic_exchange(&storm->shared[FACT], mine);
    if (before >> 24 == handle->number && (before & 0xffffff))
        storm_wrong(__FILE__, __LINE__, "two are inside of object %ld", handle->number);
    for (int i = 0; i < 20; i++) {
        long now = storm->shared[FACT];
        if (now != mine && now >> 24 == handle->number)
            storm_wrong(__FILE__, __LINE__, "another came into object %ld", handle->number);
    }
    atomic_compare_exchange_strong(&storm->shared[FACT], &mine, handle->number << 24);
}

#define HELD(name, type, ...)                                                                                          \
    static void make_##name(struct handle *handle) {                                                                   \
        storm_ok(prong_##type##_create((prong_##type *)handle->words, __VA_ARGS__));                                   \
    }                                                                                                                  \
    static void use_##name(const struct handle *handle) {                                                              \
        if (is_even(handle) && storm_random(3) == 0) {                                                                 \
            storm_is(prong_##type##_release(THE(type, handle)),                                                        \
                     status >= 0 || status == PRONG_NOT_OWNER || gone(status));                                        \
            return;                                                                                                    \
        }                                                                                                              \
        prong_status got = prong_##type##_acquire(THE(type, handle), PRONG_MS(storm_random(20)));                      \
        storm_is(got, status >= 0 || status == PRONG_TIMEOUT || gone(status));                                         \
        if (got) return;                                                                                               \
        if (!is_even(handle)) be_inside(handle);                                                                       \
        storm_is(prong_##type##_release(THE(type, handle)),                                                            \
                 status >= 0 || gone(status) || (is_even(handle) && status == PRONG_NOT_OWNER));                       \
    }                                                                                                                  \
    static void end_##name(const struct handle *handle) {                                                              \
        if (storm_random(2)) use_##name(handle);                                                                       \
        storm_ok(prong_##type##_destroy(THE(type, handle)));                                                           \
    }
HELD(lock, lock, NULL)
HELD(rlock, lock, &(prong_lock_options){.recursive = true})
HELD(semaphore, semaphore, 1, &(prong_semaphore_options){.bounded = true, .recover = handle->number % 4 > 1})

/* --- events: odd ones are never set --- */

static void make_event(struct handle *handle) {
    storm_ok(prong_event_create((prong_event *)handle->words, NULL));
}

static void use_event(const struct handle *handle) {
    prong_event event = THE(event, handle);
    if (is_even(handle) && storm_random(2))
        storm_is(storm_random(4) ? prong_event_set(event) : prong_event_clear(event), status >= 0 || gone(status));
    else if (storm_random(2))
        storm_is(prong_event_wait(event, PRONG_MS(storm_random(2))),
                 (status >= 0 && is_even(handle)) || status == PRONG_TIMEOUT || gone(status));
    else
        storm_check(!prong_event_is_set(event) || is_even(handle));
}

static void end_event(const struct handle *handle) {
    storm_check(!prong_event_is_set(THE(event, handle)) || is_even(handle));
    storm_ok(prong_event_destroy(THE(event, handle)));
}

/* --- conditions: nobody is notified in odd ones --- */

static void make_condition(struct handle *handle) {
    storm_ok(prong_condition_create((prong_condition *)handle->words, NULL));
}

static void use_condition(const struct handle *handle) {
    prong_condition condition = THE(condition, handle);
    prong_status got = prong_lock_acquire(condition_lock(condition), storm_patience());
    storm_is(got, status >= 0 || gone(status));
    if (got) return;
    if (!is_even(handle)) be_inside(handle);
    if (is_even(handle) && storm_random(2))
        storm_is(prong_condition_notify(condition, PRONG_ALL), status >= 0 || gone(status));
    else
        storm_is(prong_condition_wait(condition, PRONG_MS(storm_random(3))),
                 (status >= 0 && is_even(handle)) || status == PRONG_TIMEOUT || gone(status));
    storm_is(prong_lock_release(condition_lock(condition)), status >= 0 || gone(status));
}

static void end_condition(const struct handle *handle) {
    if (storm_random(2)) use_condition(handle);
    storm_ok(prong_condition_destroy(THE(condition, handle)));
}

/* --- barriers: nobody waits at odd ones, or breaks them --- */

static unsigned parties_of(long number) {
    return (unsigned)(2 + number % 2 * 3);
}

static void make_barrier(struct handle *handle) {
    storm_ok(prong_barrier_create((prong_barrier *)handle->words, parties_of(handle->number), NULL));
}

static void use_barrier(const struct handle *handle) {
    prong_barrier barrier = THE(barrier, handle);
    unsigned index = 0;
    if (!is_even(handle)) {
        unsigned parties = barrier_now(barrier).parties;
        storm_check(parties == 0 || parties == parties_of(handle->number));
        storm_check(barrier_now(barrier).waiting == 0 && !barrier_now(barrier).broken);
        return;
    }
    switch (storm_random(4)) {
    case 0: storm_is(prong_barrier_abort(barrier), status >= 0 || gone(status)); break;
    case 1: storm_is(prong_barrier_reset(barrier), status >= 0 || gone(status)); break;
    default:
        storm_is(prong_barrier_wait(barrier, &index, NULL, PRONG_MS(storm_random(5))),
                 status >= 0 || status == PRONG_TIMEOUT || status == PRONG_BROKEN || gone(status));
        storm_check(index < 2);
    }
}

static void end_barrier(const struct handle *handle) {
    use_barrier(handle);
    storm_ok(prong_barrier_destroy(THE(barrier, handle)));
}

/* --- values, arrays: an odd one has its number for good --- */

static void make_value(struct handle *handle) {
    storm_ok(prong_shared_value_create((prong_shared_value *)handle->words, PRONG_TYPE_LONG, 1, &handle->number,
                                       &(prong_shared_value_options){.unlocked = handle->number % 4 > 1}));
}

static void use_value(const struct handle *handle) {
    prong_shared_value value = THE(shared_value, handle);
    long number = -1, other = 0;
    bool done;
    if (!is_even(handle)) {
        prong_status got = prong_shared_value_get(value, 0, 1, &number, storm_patience());
        storm_is(got, (status >= 0 && number == handle->number) || gone(status));
        return;
    }
    switch (storm_random(4)) {
    case 0: storm_is(prong_shared_value_set(value, 0, 1, &other, storm_patience()), status >= 0 || gone(status)); break;
    case 1: storm_is(prong_shared_value_add(value, 0, 1000000, NULL), status >= 0 || gone(status)); break;
    case 2: storm_is(prong_shared_value_exchange(value, 0, &other, &number), status >= 0 || gone(status)); break;
    default:
        storm_is(prong_shared_value_compare_exchange(value, 0, &number, &other, &done), status >= 0 || gone(status));
    }
}

static void end_value(const struct handle *handle) {
    use_value(handle);
    storm_ok(prong_shared_value_destroy(THE(shared_value, handle)));
}

static size_t length_of(long number) {
    return (size_t)(1 + number % 50);
}

static void make_array(struct handle *handle) {
    long cells[50];
    for (size_t i = 0; i < length_of(handle->number); i++) cells[i] = handle->number;
    storm_ok(prong_shared_value_create((prong_shared_value *)handle->words, PRONG_TYPE_LONG, length_of(handle->number),
                                       cells, &(prong_shared_value_options){.unlocked = handle->number % 4 > 1}));
}

static void use_array(const struct handle *handle) {
    prong_shared_value array = THE(shared_value, handle);
    long cells[50] = {0};
    size_t count = length_of(handle->number);
    if (is_even(handle)) {
        storm_is(storm_random(2) ? prong_shared_value_set(array, 0, count, cells, storm_patience())
                                 : prong_shared_value_add(array, count - 1, 5, NULL),
                 status >= 0 || gone(status));
        return;
    }
    prong_status got = prong_shared_value_get(array, 0, count, cells, storm_patience());
    storm_is(got, status >= 0 || gone(status));
    for (size_t i = 0; i < count && !got; i++) storm_check(cells[i] == handle->number);
}

static void end_array(const struct handle *handle) {
    use_array(handle);
    storm_ok(prong_shared_value_destroy(THE(shared_value, handle)));
}

/* --- blocks of bytes: the size tells which --- */

static void make_block(struct handle *handle) {
    void *data;
    storm_ok(prong_shared_value_create((prong_shared_value *)handle->words, PRONG_TYPE_UCHAR,
                                       100 + (size_t)(handle->number % 5000), NULL,
                                       &(prong_shared_value_options){.unlocked = true}));
    storm_ok(prong_shared_value_data(THE(shared_value, handle), &data, NULL));
    memset(data, 255, 100);
}

static void use_block(const struct handle *handle) {
    size_t size;
    storm_is(prong_shared_value_data(THE(shared_value, handle), NULL, &size),
             (status >= 0 && size == 100 + (size_t)(handle->number % 5000)) || gone(status));
}

static void end_block(const struct handle *handle) {
    storm_ok(prong_shared_value_destroy(THE(shared_value, handle)));
}

const struct kind lock_kind = {"lock", make_lock, use_lock, end_lock};
const struct kind rlock_kind = {"rlock", make_rlock, use_rlock, end_rlock};
const struct kind semaphore_kind = {"semaphore", make_semaphore, use_semaphore, end_semaphore};
const struct kind event_kind = {"event", make_event, use_event, end_event};
const struct kind condition_kind = {"condition", make_condition, use_condition, end_condition};
const struct kind barrier_kind = {"barrier", make_barrier, use_barrier, end_barrier};
const struct kind value_kind = {"value", make_value, use_value, end_value};
const struct kind array_kind = {"array", make_array, use_array, end_array};
const struct kind block_kind = {"block", make_block, use_block, end_block};
