/* A storm from outside over what is held and shared: critical sections never overlap, no lock and no unit is lost, what is under
 * a lock is whole, or its next holder is told that it may not be. */
#include "../support/sync.h"
#include "outside.h"

#include <unistd.h>

enum { LOCKS = 3, RLOCKS = 2, PLACES = LOCKS + RLOCKS + 2, UNITS = 3, WORKERS = 14, CELLS = 40 };
/* places: locks, rlocks, the condition's lock, the value's; each has an owner and a counter */
enum { CONDITION_PLACE = LOCKS + RLOCKS, VALUE_PLACE };
/* counters of a slot: the places', then these */
enum { ADDED = PLACES, PRODUCED, CONSUMED, RAISED };
/* words of storm->shared: owners, counters, holders of units */
enum { OWNER = 0, COUNTER = 20, HOLDER = 40, TOKENS = 60 };

struct pair {
    long a, fill[6], b;
};

struct stage {
    prong_lock locks[LOCKS];
    prong_lock rlocks[RLOCKS];
    prong_semaphore recovered, lasting;
    prong_condition condition;
    prong_event event;
    prong_barrier barrier;
    prong_shared_value value, number;
    prong_shared_value array;
    int number_of_mine, method;
};

enum { LASTING_UNITS = 1000000000 };

static _Atomic long *owner_of(int place) {
    return &storm->shared[OWNER + place];
}

static long own_slot(void) {
    return storm_self - storm->slots + 1;
}

static bool slot_died(long slot) {
    return storm_slot_died(&storm->slots[slot - 1]);
}

/* Time to die in. */
static void dwell(void) {
    if (storm_random(8) == 0) usleep(storm_random(3000));
    for (unsigned i = storm_random(200); i > 0; i--) atomic_signal_fence(memory_order_seq_cst);
}

/* --- critical sections --- */

/* Just acquired. Whoever was inside and did not leave is dead, and its successor is told. */
static void section_enter(int place, prong_status acquired) {
    long before = atomic_exchange(owner_of(place), own_slot());
    storm_check(acquired == PRONG_OK || acquired == PRONG_OWNER_DIED);
    if (before == 0) return;
    if (acquired != PRONG_OWNER_DIED || !slot_died(before))
        storm_wrong(__FILE__, __LINE__, "place %d: acquired with %s, and slot %ld (process %d) is inside", place,
                    prong_status_name(acquired), before, storm->slots[before - 1].pid);
}

static void section_leave(int place) {
    storm_check(atomic_exchange(owner_of(place), 0) == own_slot());
}

static void section_work(int place) {
    _Atomic long *counter = &storm->shared[COUNTER + place];
    storm_self->begun[place]++;
    long before = atomic_load_explicit(counter, memory_order_relaxed);
    dwell();
    storm_check(*owner_of(place) == own_slot());
    atomic_store_explicit(counter, before + 1, memory_order_relaxed);
    storm_self->done[place]++;
}

static bool acquired(prong_status status) {
    return status == PRONG_OK || status == PRONG_OWNER_DIED;
}

static prong_time any_wait(void) {
    return storm_random(4) ? storm_patience() : PRONG_MS(storm_random(3));
}

static void use_lock(struct stage *stage, int i) {
    prong_time wait = any_wait();
    prong_status got = prong_lock_acquire(stage->locks[i], wait);
    if (got == PRONG_TIMEOUT && wait < PRONG_SECONDS(1)) return;
    storm_is(got, acquired(status));
    section_enter(i, got);
    section_work(i);
    section_leave(i);
    storm_ok(prong_lock_release(stage->locks[i]));
}

static void use_rlock(struct stage *stage, int i) {
    prong_time wait = any_wait();
    prong_status got = prong_lock_acquire(stage->rlocks[i], wait);
    if (got == PRONG_TIMEOUT && wait < PRONG_SECONDS(1)) return;
    storm_is(got, acquired(status));
    section_enter(LOCKS + i, got);
    storm_ok(prong_lock_acquire(stage->rlocks[i], PRONG_NOWAIT));
    section_work(LOCKS + i);
    storm_ok(prong_lock_release(stage->rlocks[i]));
    section_work(LOCKS + i);
    section_leave(LOCKS + i);
    storm_ok(prong_lock_release(stage->rlocks[i]));
}

/* --- semaphores --- */

/* A place for one unit: a free one, or one whose holder was struck. */
static int unit_take(void) {
    for (int i = 0; i < UNITS; i++) {
        long holder = storm->shared[HOLDER + i];
        if ((holder == 0 || slot_died(holder)) &&
            atomic_compare_exchange_strong(&storm->shared[HOLDER + i], &holder, own_slot()))
            return i;
    }
    return -1;
}

static void use_recovered(struct stage *stage) {
    prong_time wait = any_wait();
    prong_status got = prong_semaphore_acquire(stage->recovered, wait);
    if (got == PRONG_TIMEOUT && wait < PRONG_SECONDS(1)) return;
    storm_is(got, status == PRONG_OK);
    int unit = unit_take();
    storm_check(unit >= 0 || slot_died(own_slot()));
    dwell();
    long mine = own_slot();
    if (unit >= 0) atomic_compare_exchange_strong(&storm->shared[HOLDER + unit], &mine, 0);
    storm_ok(prong_semaphore_release(stage->recovered));
}

/* holding: 1: perhaps, 2: certainly. */
static void use_lasting(struct stage *stage) {
    storm_self->holding = 1;
    storm_ok(prong_semaphore_acquire(stage->lasting, storm_patience()));
    storm_self->holding = 2;
    dwell();
    storm_self->holding = 1;
    storm_ok(prong_semaphore_release(stage->lasting));
    storm_self->holding = 0;
}

/* --- conditions --- */

static void condition_enter(struct stage *stage, prong_status got) {
    section_enter(CONDITION_PLACE, got);
    /* a token may have come without its notification */
    if (got == PRONG_OWNER_DIED) storm_ok(prong_condition_notify(stage->condition, PRONG_ALL));
}

static void produce_token(struct stage *stage) {
    prong_status got = prong_lock_acquire(condition_lock(stage->condition), storm_patience());
    storm_is(got, acquired(status));
    condition_enter(stage, got);
    storm_self->begun[PRODUCED]++;
    storm->shared[TOKENS]++;
    storm_self->done[PRODUCED]++;
    dwell();
    storm_ok(prong_condition_notify(stage->condition, 1));
    section_leave(CONDITION_PLACE);
    storm_ok(prong_lock_release(condition_lock(stage->condition)));
}

static void consume_token(struct stage *stage) {
    prong_status got = prong_lock_acquire(condition_lock(stage->condition), storm_patience());
    storm_is(got, acquired(status));
    condition_enter(stage, got);
    while (storm->shared[TOKENS] == 0 && !storm->stop) {
        section_leave(CONDITION_PLACE);
        prong_time wait = storm_random(10) ? PRONG_SECONDS(2) : PRONG_US(200);
        got = prong_condition_wait(stage->condition, wait);
        storm_is(got, acquired(status) || status == PRONG_TIMEOUT);
        condition_enter(stage, got == PRONG_TIMEOUT ? PRONG_OK : got);
        if (got == PRONG_TIMEOUT && wait >= PRONG_SECONDS(2) && storm->shared[TOKENS] == 0) break;
        /* a notification was lost, unless it went to another, which has not come to the lock yet */
        if (got == PRONG_TIMEOUT && wait >= PRONG_SECONDS(2) && storm->shared[TOKENS] > WORKERS)
            storm_wrong(__FILE__, __LINE__, "%ld tokens, and nobody was told", storm->shared[TOKENS]);
    }
    if (storm->shared[TOKENS] > 0) {
        storm_self->begun[CONSUMED]++;
        storm->shared[TOKENS]--;
        storm_self->done[CONSUMED]++;
    }
    section_leave(CONDITION_PLACE);
    storm_ok(prong_lock_release(condition_lock(stage->condition)));
}

/* --- events, barriers --- */

static void use_event(struct stage *stage) {
    if (storm_random(2)) {
        storm_ok(prong_event_set(stage->event));
        storm_check(storm_random(2) || prong_event_is_set(stage->event) || true);
        storm_ok(prong_event_clear(stage->event));
    } else
        storm_is(prong_event_wait(stage->event, PRONG_MS(storm_random(5))),
                 status == PRONG_OK || status == PRONG_TIMEOUT);
}

/* The other party may be struck when none comes in its place any more. */
static void use_barrier(struct stage *stage) {
    unsigned index = 99;
    prong_time wait = storm_random(4) ? storm_patience() / 4 : PRONG_MS(storm_random(20));
    prong_status met = prong_barrier_wait(stage->barrier, &index, NULL, wait);
    bool alone = met == PRONG_TIMEOUT && (wait < PRONG_SECONDS(1) || storm->stop);
    storm_is(met, status == PRONG_OK || status == PRONG_BROKEN || alone);
    if (met)
        storm_ok(prong_barrier_reset(stage->barrier));
    else
        storm_check(index < 2);
}

/* --- values --- */

static void use_value(struct stage *stage) {
    struct pair pair;
    prong_lock lock;
    storm_ok(prong_shared_value_get_lock(stage->value, &lock));
    prong_status got = prong_lock_acquire(lock, storm_patience());
    storm_is(got, acquired(status));
    section_enter(VALUE_PLACE, got);
    storm_ok(prong_shared_value_get(stage->value, 0, 1, &pair, PRONG_NOWAIT));
    storm_check(pair.a == pair.b || got == PRONG_OWNER_DIED);
    dwell();
    pair.b = ++pair.a;
    storm_ok(prong_shared_value_set(stage->value, 0, 1, &pair, PRONG_NOWAIT));
    section_leave(VALUE_PLACE);
    storm_ok(prong_lock_release(lock));
}

static void add_to_value(struct stage *stage) {
    storm_self->begun[ADDED]++;
    storm_ok(prong_shared_value_add(stage->number, 0, 1, NULL));
    storm_self->done[ADDED]++;
}

/* All cells are equal, but for what a dead process left half done. */
static void use_array(struct stage *stage) {
    long cells[CELLS];
    prong_status got = prong_shared_value_get(stage->array, 0, CELLS, cells, storm_patience());
    storm_is(got, acquired(status));
    for (int i = 1; i < CELLS; i++) storm_check(cells[i] == cells[0] || got == PRONG_OWNER_DIED || storm->shared[99]);
    if (got == PRONG_OWNER_DIED) storm->shared[99]++; /* until it is written anew */
    for (int i = 0; i < CELLS; i++) cells[i] = own_slot();
    storm_is(prong_shared_value_set(stage->array, 0, CELLS, cells, storm_patience()), acquired(status));
    if (got == PRONG_OWNER_DIED) storm->shared[99]--;
}

/* --- all --- */

static void use_any(struct stage *stage) {
    switch (storm_random(16)) {
    case 0:
    case 1:
    case 2:
    case 3: use_lock(stage, (int)storm_random(LOCKS)); break;
    case 4:
    case 5: use_rlock(stage, (int)storm_random(RLOCKS)); break;
    case 6:
    case 7: use_recovered(stage); break;
    case 8: use_lasting(stage); break;
    case 9: use_event(stage); break;
    case 10:
    case 11: use_value(stage); break;
    case 12: add_to_value(stage); break;
    case 13: use_array(stage); break;
    default: produce_token(stage);
    }
}

static int work(void *argument, size_t size);

/* Locks are used by children of children as well. */
static void foster(struct stage *stage) {
    prong_process child;
    struct stage theirs = *stage;
    theirs.number_of_mine = -1;
    if (!storm_start(&child, &(prong_process_options){.target = work,
                                                      .argument = &theirs,
                                                      .argument_size = sizeof theirs,
                                                      .daemon = storm_random(2) ? PRONG_DAEMON_NO : PRONG_DAEMON_YES,
                                                      .method = (prong_start_method)stage->method}))
        storm_end(child, stage->method);
}

static int work(void *argument, size_t size) {
    struct stage *stage = argument;
    int64_t until = test_now() + PRONG_MS(200);
    (void)size;
    storm_begin();
    while (!storm->stop) switch (stage->number_of_mine) {
        case -1:
            use_any(stage);
            if (test_now() > until) return 0;
            break;
        case 0:
        case 1:
            use_barrier(stage);
            if (storm->stop) storm_ok(prong_barrier_abort(stage->barrier));
            break;
        case 2:
        case 3: consume_token(stage); break;
        case 4: foster(stage); break;
        default: use_any(stage);
        }
    return 0;
}

static void must_be_between(const char *what, long value, int begun_by, int done_by) {
    long begun = 0, done = 0;
    for (uint32_t i = 0; i < storm->next_slot; i++) {
        begun += storm->slots[i].begun[begun_by];
        done += storm->slots[i].done[done_by];
    }
    if (value < done || value > begun)
        test_failed(__FILE__, __LINE__, "%s is %ld: %ld were done, %ld begun", what, value, done, begun);
}

static void check_sections(struct stage *stage) {
    char name[32];
    for (int i = 0; i < LOCKS; i++) use_lock(stage, i);
    for (int i = 0; i < RLOCKS; i++) use_rlock(stage, i);
    use_value(stage);
    use_array(stage);
    for (int i = 0; i < LOCKS + RLOCKS; i++) {
        snprintf(name, sizeof name, "the counter of place %d", i);
        must_be_between(name, storm->shared[COUNTER + i], i, i);
    }
}

static void check_semaphores(struct stage *stage) {
    long perhaps = 0, certainly = 0;
    equal(prong_semaphore_value(stage->recovered), UNITS);
    for (uint32_t i = 0; i < storm->next_slot; i++) {
        perhaps += storm->slots[i].holding != 0;
        certainly += storm->slots[i].holding == 2;
    }
    unsigned value = prong_semaphore_value(stage->lasting);
    check(value >= LASTING_UNITS - perhaps && value <= LASTING_UNITS - certainly);
}

static void check_tokens(void) {
    long least = 0, most = 0;
    for (uint32_t i = 0; i < storm->next_slot; i++) {
        struct storm_slot *slot = &storm->slots[i];
        least += slot->done[PRODUCED] - slot->begun[CONSUMED];
        most += slot->begun[PRODUCED] - slot->done[CONSUMED];
    }
    check(storm->shared[TOKENS] >= least && storm->shared[TOKENS] <= most);
}

static void make(struct stage *s) {
    for (int i = 0; i < LOCKS; i++) ok(prong_lock_create(&s->locks[i], NULL));
    for (int i = 0; i < RLOCKS; i++) ok(prong_lock_create(&s->rlocks[i], &(prong_lock_options){.recursive = true}));
    ok(prong_semaphore_create(&s->recovered, UNITS, &(prong_semaphore_options){.bounded = true, .recover = true}));
    ok(prong_semaphore_create(&s->lasting, LASTING_UNITS, NULL));
    ok(prong_condition_create(&s->condition, NULL));
    ok(prong_event_create(&s->event, NULL));
    ok(prong_barrier_create(&s->barrier, 2, NULL));
    ok(prong_shared_value_create(&s->value, PRONG_TYPE_STRUCT, 1, NULL,
                                 &(prong_shared_value_options){.size = sizeof(struct pair)}));
    ok(prong_shared_value_create(&s->number, PRONG_TYPE_LONG, 1, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    ok(prong_shared_value_create(&s->array, PRONG_TYPE_LONG, CELLS, NULL, NULL));
}

static void destroy(struct stage *s) {
    for (int i = 0; i < LOCKS; i++) ok(prong_lock_destroy(s->locks[i]));
    for (int i = 0; i < RLOCKS; i++) ok(prong_lock_destroy(s->rlocks[i]));
    ok(prong_semaphore_destroy(s->recovered));
    ok(prong_semaphore_destroy(s->lasting));
    ok(prong_condition_destroy(s->condition));
    ok(prong_event_destroy(s->event));
    ok(prong_barrier_destroy(s->barrier));
    ok(prong_shared_value_destroy(s->value));
    ok(prong_shared_value_destroy(s->number));
    ok(prong_shared_value_destroy(s->array));
}

static void held(int method) {
    struct stage stage = {.method = method};
    long number;
    ok(prong_family_check(NULL));
    int descriptors = test_open_descriptors();
    make(&stage);
    storm_crew(&(struct storm_crew){method, WORKERS, work, &stage, sizeof stage, &stage.number_of_mine, NULL});
    storm_orphans_end(method);
    storm_begin();
    check_sections(&stage);
    check_semaphores(&stage);
    check_tokens();
    ok(prong_shared_value_get(stage.number, 0, 1, &number, PRONG_NOWAIT));
    must_be_between("the number", number, ADDED, ADDED);
    destroy(&stage);
    storm_check_remains(descriptors, 0);
}

LONG_METHOD_TEST(locks_and_values_survive_a_killer_from_outside, 900) {
    storm_outside(method, held, NULL);
}
