/* Death at random moments among locks and shared state: eight processes use twenty objects, and are killed over and over.
 * Nobody may wait for the dead, no protected counter may be wrong by more than the updates that died, and each recovery must
 * be in the report. PRONG_STORM_KILLS sets how often (0: until interrupted). */
#define _GNU_SOURCE
#include "../support/sync.h"
#include "../support/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 8, LOCKS = 6, RLOCKS = 3, SEMAPHORES = 3, CONDITIONS = 3, EVENTS = 2, BARRIERS = 1, VALUES = 2 };
enum { COUNTERS = LOCKS + RLOCKS, LATE_MS = 200 };

/* In the arena. */
struct ledger {
    struct {
        volatile long first, second; /* raised one after the other under the lock: equal whenever it is free */
    } counters[COUNTERS];
    /* each worker's own, which its successor goes on with */
    struct {
        volatile long begun[COUNTERS], done[COUNTERS], taken_over, torn, failed, late;
        volatile int64_t longest;
    } workers[WORKERS];
    _Atomic bool stop;
    _Atomic long stalls;
};

struct storm {
    prong_lock locks[LOCKS];
    prong_lock rlocks[RLOCKS];
    prong_semaphore semaphores[SEMAPHORES];
    prong_condition conditions[CONDITIONS];
    prong_event events[EVENTS];
    prong_barrier barriers[BARRIERS];
    prong_shared_value values[VALUES];
    uint64_t ledger;
    int me;
};

struct pair {
    long a, fill[10], b;
};

/* --- one worker --- */

static struct storm *storm;
static struct ledger *ledger;

static void note_wait(int64_t before) {
    int64_t waited = test_now() - before;
    if (waited > ledger->workers[storm->me].longest) ledger->workers[storm->me].longest = waited;
    if (waited > PRONG_MS(LATE_MS)) ledger->workers[storm->me].late++;
}

/* Under the lock. */
static void raise_counter(int i, prong_status acquired) {
    volatile long *first = &ledger->counters[i].first, *second = &ledger->counters[i].second;
    if (acquired == PRONG_OWNER_DIED) {
        ledger->workers[storm->me].taken_over++;
        *second = *first; /* what the dead one began is counted */
    }
    if (*first != *second) ledger->workers[storm->me].torn++;
    *first += 1;
    if (*first % 16 == 0) usleep(50); /* time to die in */
    *second += 1;
}

static void fail_unless(bool fine) {
    if (!fine) ledger->workers[storm->me].failed++;
}

static bool got(prong_status status) {
    fail_unless(status == PRONG_OK || status == PRONG_OWNER_DIED);
    return status == PRONG_OK || status == PRONG_OWNER_DIED;
}

static void use_lock(int i, bool recursive) {
    int counter = recursive ? LOCKS + i : i;
    ledger->workers[storm->me].begun[counter]++;
    int64_t before = test_now();
    prong_lock lock = recursive ? storm->rlocks[i] : storm->locks[i];
    prong_status status = prong_lock_acquire(lock, PRONG_SECONDS(10));
    note_wait(before);
    if (!got(status)) return;
    raise_counter(counter, status);
    fail_unless(!prong_lock_release(lock));
    ledger->workers[storm->me].done[counter]++;
}

static void use_semaphore(int i) {
    int64_t before = test_now();
    prong_status status = prong_semaphore_acquire(storm->semaphores[i], PRONG_SECONDS(10));
    note_wait(before);
    fail_unless(status >= 0);
    if (status >= 0) fail_unless(prong_semaphore_release(storm->semaphores[i]) >= 0);
}

static void use_condition(int i) {
    int64_t before = test_now();
    if (!got(prong_lock_acquire(condition_lock(storm->conditions[i]), PRONG_SECONDS(10)))) return;
    note_wait(before);
    fail_unless(prong_condition_notify(storm->conditions[i], 1) >= 0);
    prong_status status = prong_condition_wait(storm->conditions[i], PRONG_US(300));
    fail_unless(status == PRONG_OK || status == PRONG_TIMEOUT || status == PRONG_OWNER_DIED);
    fail_unless(prong_lock_release(condition_lock(storm->conditions[i])) >= 0);
}

static void use_event(int i) {
    int64_t before = test_now();
    fail_unless(prong_event_set(storm->events[i]) >= 0);
    fail_unless(prong_event_clear(storm->events[i]) >= 0);
    note_wait(before);
    prong_status status = prong_event_wait(storm->events[i], PRONG_US(100));
    fail_unless(status == PRONG_OK || status == PRONG_TIMEOUT);
}

static void use_barrier(int i) {
    prong_status status = prong_barrier_wait(storm->barriers[i], NULL, NULL, PRONG_MS(1));
    fail_unless(status == PRONG_OK || status == PRONG_TIMEOUT || status == PRONG_BROKEN);
    if (status < 0) fail_unless(prong_barrier_reset(storm->barriers[i]) >= 0);
}

static void use_value(int i) {
    struct pair pair;
    prong_lock lock;
    fail_unless(prong_shared_value_get_lock(storm->values[i], &lock) >= 0);
    int64_t before = test_now();
    if (!got(prong_lock_acquire(lock, PRONG_SECONDS(10)))) return;
    note_wait(before);
    fail_unless(prong_shared_value_get(storm->values[i], 0, 1, &pair, PRONG_NOWAIT) >= 0);
    pair.b = ++pair.a;
    fail_unless(prong_shared_value_set(storm->values[i], 0, 1, &pair, PRONG_NOWAIT) >= 0);
    fail_unless(prong_lock_release(lock) >= 0);
}

static int work(void *argument, size_t size) {
    storm = argument;
    ledger = prong_memory_at(storm->ledger);
    unsigned seed = (unsigned)getpid();
    (void)size;
    while (!ledger->stop) {
        int what = rand_r(&seed) % 10, which = rand_r(&seed) % 6;
        if (what < 4)
            use_lock(which, false);
        else if (what < 6)
            use_lock(which % RLOCKS, true);
        else if (what == 6)
            use_semaphore(which % SEMAPHORES);
        else if (what == 7)
            use_condition(which % CONDITIONS);
        else if (what == 8)
            use_value(which % VALUES);
        else if (which < EVENTS)
            use_event(which);
        else if (which == 5)
            use_barrier(0);
    }
    return 0;
}

/* --- all of them --- */

static void make(struct storm *s) {
    for (int i = 0; i < LOCKS; i++) ok(prong_lock_create(&s->locks[i], NULL));
    for (int i = 0; i < RLOCKS; i++) ok(prong_lock_create(&s->rlocks[i], &(prong_lock_options){.recursive = true}));
    for (int i = 0; i < SEMAPHORES; i++)
        ok(prong_semaphore_create(&s->semaphores[i], 2, &(prong_semaphore_options){.bounded = true, .recover = true}));
    for (int i = 0; i < CONDITIONS; i++) ok(prong_condition_create(&s->conditions[i], NULL));
    for (int i = 0; i < EVENTS; i++) ok(prong_event_create(&s->events[i], NULL));
    for (int i = 0; i < BARRIERS; i++) ok(prong_barrier_create(&s->barriers[i], 2, NULL));
    for (int i = 0; i < VALUES; i++)
        ok(prong_shared_value_create(&s->values[i], PRONG_TYPE_STRUCT, 1, NULL,
                                     &(prong_shared_value_options){.size = sizeof(struct pair)}));
    ok(prong_memory_alloc(sizeof *ledger, (void **)&ledger));
    memset(ledger, 0, sizeof *ledger);
    s->ledger = prong_memory_offset(ledger);
}

static void destroy(struct storm *s) {
    for (int i = 0; i < LOCKS; i++) ok(prong_lock_destroy(s->locks[i]));
    for (int i = 0; i < RLOCKS; i++) ok(prong_lock_destroy(s->rlocks[i]));
    for (int i = 0; i < SEMAPHORES; i++) ok(prong_semaphore_destroy(s->semaphores[i]));
    for (int i = 0; i < CONDITIONS; i++) ok(prong_condition_destroy(s->conditions[i]));
    for (int i = 0; i < EVENTS; i++) ok(prong_event_destroy(s->events[i]));
    for (int i = 0; i < BARRIERS; i++) ok(prong_barrier_destroy(s->barriers[i]));
    for (int i = 0; i < VALUES; i++) ok(prong_shared_value_destroy(s->values[i]));
    ok(prong_memory_free(ledger));
    test_arena_is_clean(0);
}

static void check_counters(void) {
    for (int c = 0; c < COUNTERS; c++) {
        long begun = 0, done = 0;
        for (int w = 0; w < WORKERS; w++) {
            begun += ledger->workers[w].begun[c];
            done += ledger->workers[w].done[c];
        }
        if (ledger->counters[c].first < done || ledger->counters[c].first > begun)
            test_failed(__FILE__, __LINE__, "counter %d is %ld: %ld updates were done, %ld begun", c,
                        ledger->counters[c].first, done, begun);
    }
}

static void check_free(struct storm *s) {
    for (int i = 0; i < LOCKS; i++) {
        prong_status status = prong_lock_acquire(s->locks[i], PRONG_SECONDS(5));
        check(status == PRONG_OK || status == PRONG_OWNER_DIED);
        ok(prong_lock_release(s->locks[i]));
    }
    for (int i = 0; i < SEMAPHORES; i++) equal(prong_semaphore_value(s->semaphores[i]), 2);
}

/* The number of the last recovery that the report names. */
static long reported_recoveries(void) {
    static char text[64 << 10];
    long last = 0;
    ok(prong_family_report(text, sizeof text, NULL, NULL));
    for (const char *line = text; (line = strstr(line, "recovery ")); line++) {
        check(strstr(line, "process ") && strstr(line, " died "));
        last = atol(line + 9);
    }
    return last;
}

/* A process that only sleeps counts how often the machine gives it no processor for as long as that: then the workers, who are
 * more, wait for the machine. */
static pid_t start_yardstick(void) {
    pid_t parent = getpid(), pid = fork();
    check(pid >= 0);
    if (pid) return pid;
    while (!ledger->stop && getppid() == parent) {
        int64_t before = test_now();
        test_sleep_ms(10);
        if (test_now() - before > PRONG_MS(LATE_MS) / 4) ledger->stalls++;
    }
    _exit(0);
}

static void storm_on_locks(long kills) {
    struct storm s = {.me = 0};
    prong_process workers[WORKERS];
    unsigned seed = (unsigned)test_now();
    make(&s);
    long reported_before = reported_recoveries();
    pid_t yardstick = start_yardstick();
    for (s.me = 0; s.me < WORKERS; s.me++) workers[s.me] = start_with(1 + s.me % 3, work, s);
    for (long kill = 0; kill < kills; kill++) {
        usleep((useconds_t)(rand_r(&seed) % 2000));
        s.me = rand_r(&seed) % WORKERS;
        ok(prong_process_signal(workers[s.me], SIGKILL));
        if (rand_r(&seed) % 8 == 0) usleep((useconds_t)(rand_r(&seed) % 30000)); /* the others find out by themselves */
        int code = test_end(workers[s.me]);
        if (code != -SIGKILL) test_failed(__FILE__, __LINE__, "worker %d ended with %d by itself", s.me, code);
        int by = rand_r(&seed) % 10 == 0 ? PRONG_START_SPAWN : 1 + 2 * (rand_r(&seed) % 2);
        workers[s.me] = start_with(by, work, s);
    }
    ledger->stop = true;
    for (int i = 0; i < WORKERS; i++) equal(test_end(workers[i]), 0);
    check(waitpid(yardstick, NULL, 0) == yardstick);
    long taken_over = 0, late = 0, updates = 0;
    int64_t longest = 0;
    for (int i = 0; i < WORKERS; i++) {
        equal(ledger->workers[i].torn, 0);
        equal(ledger->workers[i].failed, 0);
        taken_over += ledger->workers[i].taken_over;
        late += ledger->workers[i].late;
        if (ledger->workers[i].longest > longest) longest = ledger->workers[i].longest;
    }
    for (int i = 0; i < COUNTERS; i++) updates += ledger->counters[i].first;
    check_counters();
    check_free(&s);
    check(reported_recoveries() - reported_before >= taken_over);
    printf("     %ld kills, %ld updates, %ld locks taken over, %ld recoveries reported; longest wait %.1f ms, %ld over "
           "%d ms, %ld stalls\n",
           kills, updates, taken_over, reported_recoveries() - reported_before, (double)longest / 1e6, late, LATE_MS,
           ledger->stalls);
    /* Where everything is slowed down on purpose, it says nothing. */
    if (!getenv("TEST_TIME_FACTOR")) check(late <= 1 + kills / 200 + WORKERS * ledger->stalls);
    destroy(&s);
}

LONG_TEST(locks_and_shared_state_survive_random_kills, 400) {
    const char *wanted = getenv("PRONG_STORM_KILLS");
    long kills = wanted ? atol(wanted) : 2000;
    for (long left = kills ? kills : 1l << 60; left > 0; left -= 2000) storm_on_locks(left < 2000 ? left : 2000);
}
