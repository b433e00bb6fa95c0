/* What a signal handler may call, whatever its thread was doing: event set, semaphore release, a queue's try-put. All else is
 * refused where the handler would wait for what it interrupts. */
#include "../support/sync.h"
#include "../support/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

static struct {
    prong_event event;
    prong_semaphore semaphore, recovered;
    prong_queue queue, bounded;
    prong_lock lock;
    prong_condition condition;
} all;

static volatile long fired, released, put, refused, wrong;

static void make_all(void) {
    ok(prong_event_create(&all.event, NULL));
    ok(prong_semaphore_create(&all.semaphore, 0, NULL));
    ok(prong_semaphore_create(&all.recovered, 1, &(prong_semaphore_options){.recover = true}));
    ok(prong_queue_create(&all.queue, NULL));
    ok(prong_queue_create(&all.bounded, &(prong_queue_options){.maxsize = 3}));
    ok(prong_lock_create(&all.lock, NULL));
    ok(prong_condition_create(&all.condition, NULL));
}

static void destroy_all(void) {
    ok(prong_event_destroy(all.event));
    ok(prong_semaphore_destroy(all.semaphore));
    ok(prong_semaphore_destroy(all.recovered));
    ok(prong_queue_destroy(all.queue));
    ok(prong_queue_destroy(all.bounded));
    ok(prong_lock_destroy(all.lock));
    ok(prong_condition_destroy(all.condition));
    test_arena_is_clean(0);
}

static void fire(void (*handler)(int), int microseconds) {
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void cease(void) {
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

enum { FOR_MS = 1500, SMALL = 8, LARGE = 30000 };

/* One turn of what is interrupted. */
static void turn(long number) {
    static char bytes[LARGE];
    void *memory;
    size_t size;
    ok(prong_queue_put(all.queue, bytes, number % 7 ? SMALL : LARGE, PRONG_FOREVER));
    ok(prong_queue_get(all.queue, bytes, sizeof bytes, &size, PRONG_FOREVER));
    if (prong_queue_put(all.bounded, bytes, SMALL, PRONG_NOWAIT) == PRONG_OK)
        prong_queue_get(all.bounded, bytes, sizeof bytes, &size, PRONG_NOWAIT);
    ok(prong_lock_acquire(all.lock, PRONG_FOREVER));
    ok(prong_memory_alloc(100 + (size_t)number % 5000, &memory));
    ok(prong_memory_free(memory));
    ok(prong_lock_release(all.lock));
    ok(prong_semaphore_acquire(all.recovered, PRONG_FOREVER));
    ok(prong_semaphore_release(all.recovered));
    prong_event event;
    ok(prong_event_create(&event, NULL));
    ok(prong_event_set(event));
    ok(prong_event_destroy(event));
}

static long take_what_the_handler_put(void) {
    static char bytes[LARGE];
    size_t size;
    long count = 0;
    while (prong_queue_get(all.queue, bytes, sizeof bytes, &size, PRONG_NOWAIT) >= 0) count++;
    return count;
}

static void call_what_is_safe(int number) {
    (void)number;
    fired++;
    if (prong_event_set(all.event) < 0) wrong++;
    if (prong_semaphore_release(all.semaphore) < 0)
        wrong++;
    else
        released++;
    prong_status status = prong_queue_put(all.queue, "handler", SMALL, PRONG_NOWAIT);
    put += status == PRONG_OK;
    refused += status == PRONG_DEADLOCK;
    wrong += status < 0 && status != PRONG_DEADLOCK;
}

LONG_TEST(a_handler_sets_events_releases_units_and_puts_whatever_it_interrupts, 60) {
    long turns = 0, got = 0, taken = 0;
    make_all();
    fire(call_what_is_safe, 50);
    for (int64_t end = test_now() + PRONG_MS(FOR_MS); test_now() < end; turns++) {
        turn(turns);
        ok(prong_event_wait(all.event, PRONG_SECONDS(5)));
        ok(prong_event_clear(all.event));
        if (turns % 50 == 0 && prong_semaphore_acquire(all.semaphore, PRONG_NOWAIT) == PRONG_OK) taken++;
    }
    cease();
    got = take_what_the_handler_put() + turns; /* each turn took one, its own or the handler's */
    equal(got, put + turns);
    equal(wrong, 0);
    check(fired > 100 && put > 0);
    equal(prong_semaphore_value(all.semaphore), released - taken);
    while (prong_semaphore_acquire(all.semaphore, PRONG_NOWAIT) >= 0) {}
    destroy_all();
}

/* Each gives some status, and comes back. */
static void call_all_else(int number) {
    static char bytes[LARGE];
    size_t size;
    void *memory;
    (void)number;
    fired++;
    prong_queue_put(all.bounded, bytes, LARGE, PRONG_NOWAIT);
    prong_queue_get(all.bounded, bytes, LARGE, &size, PRONG_NOWAIT);
    prong_queue_put(all.bounded, bytes, SMALL, PRONG_MS(1));
    prong_queue_get(all.bounded, bytes, LARGE, &size, PRONG_MS(1));
    if (prong_lock_acquire(all.lock, PRONG_NOWAIT) == PRONG_OK) prong_lock_release(all.lock);
    if (prong_semaphore_acquire(all.recovered, PRONG_NOWAIT) == PRONG_OK && prong_semaphore_release(all.recovered) < 0)
        wrong++;
    if (prong_lock_acquire(condition_lock(all.condition), PRONG_NOWAIT) == PRONG_OK) {
        prong_condition_notify(all.condition, PRONG_ALL);
        prong_lock_release(condition_lock(all.condition));
    }
    prong_status status = prong_memory_alloc(LARGE, &memory);
    if (status == PRONG_OK) prong_memory_free(memory);
    refused += status == PRONG_DEADLOCK;
    prong_family_check(NULL);
}

LONG_TEST(a_handler_that_calls_anything_else_comes_back, 60) {
    long turns = 0;
    make_all();
    fire(call_all_else, 5000); /* its own waits take 2000 */
    for (int64_t end = test_now() + PRONG_MS(FOR_MS); test_now() < end; turns++) turn(turns);
    cease();
    check(fired > 10 && turns > 0);
    ok(prong_family_check(NULL));
    (void)refused;
}
