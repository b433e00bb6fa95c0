/* A signal between the last look for one and the system call that sleeps: the linker puts __wrap_syscall in front of that call. */
#define _GNU_SOURCE
#include "../support/sync.h"
#include "../support/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FUTEX_WAIT_BITSET = 9 };

static bool strikes;          /* at the next sleep */
static struct timespec limit; /* of that sleep, once it has struck */

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

static void strike(const void *at) {
    strikes = false;
    raise(SIGUSR1);
    memcpy(&limit, at, sizeof limit);
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f) {
    if (strikes && number == SYS_futex && (b & 127) == FUTEX_WAIT_BITSET) strike((const void *)d);
    if (strikes && number == SYS_ppoll) strike((const void *)c);
    return __real_syscall(number, a, b, c, d, e, f);
}

static void on_signal(int number) {
    (void)number;
    prong_interrupt();
}

static void expect_strike(void) {
    signal(SIGUSR1, on_signal);
    limit = (struct timespec){1, 1};
    strikes = true;
}

/* The sleep had no time left when it began. */
static void has_struck(void) {
    check(!strikes);
    equal(limit.tv_sec, 0);
    equal(limit.tv_nsec, 0);
}

TEST(a_signal_just_before_the_sleep_on_a_queue_ends_it) {
    prong_queue queue;
    char byte;
    size_t size;
    ok(prong_queue_create(&queue, NULL));
    expect_strike();
    is(prong_queue_get(queue, &byte, 1, &size, PRONG_FOREVER), PRONG_INTERRUPTED);
    has_struck();
    is(prong_queue_get(queue, &byte, 1, &size, PRONG_MS(1)), PRONG_EMPTY);
}

TEST(a_signal_just_before_the_sleep_on_a_lock_ends_it) {
    prong_lock lock;
    ok(prong_lock_create(&lock, NULL));
    ok(prong_lock_acquire(lock, PRONG_NOWAIT));
    expect_strike();
    is(prong_lock_acquire(lock, PRONG_FOREVER), PRONG_INTERRUPTED);
    has_struck();
    is(prong_lock_acquire(lock, PRONG_MS(1)), PRONG_TIMEOUT);
}

TEST(a_signal_just_before_the_sleep_on_a_condition_ends_it_and_the_lock_is_held) {
    prong_condition condition;
    ok(prong_condition_create(&condition, NULL));
    ok(prong_lock_acquire(condition_lock(condition), PRONG_NOWAIT));
    expect_strike();
    is(prong_condition_wait(condition, PRONG_FOREVER), PRONG_INTERRUPTED);
    has_struck();
    ok(prong_lock_release(condition_lock(condition)));
}

static int sleep_forever(void *argument, size_t size) {
    (void)argument, (void)size;
    while (pause()) {}
    return 0;
}

METHOD_TEST(a_signal_just_before_the_sleep_in_a_join_ends_it) {
    int nothing = 0;
    prong_process child = start_daemon(method, sleep_forever, nothing);
    expect_strike();
    is(prong_process_join(child, PRONG_FOREVER), PRONG_INTERRUPTED);
    has_struck();
    is(prong_process_join(child, PRONG_MS(1)), PRONG_TIMEOUT);
    ok(prong_process_signal(child, SIGKILL));
    equal(test_end(child), -SIGKILL);
}

/* Another process has the lock when the wait ends: it is waited for, whatever signals come. */
struct relocking {
    prong_lock lock;
    prong_event taken;
};

static int take_for_a_while(void *argument, size_t size) {
    struct relocking *both = argument;
    (void)size;
    ok(prong_lock_acquire(both->lock, PRONG_FOREVER));
    ok(prong_event_set(both->taken));
    for (int i = 0; i < 30; i++) {
        kill(getppid(), SIGUSR1);
        test_sleep_ms(10);
    }
    ok(prong_lock_release(both->lock));
    return 0;
}

TEST(a_condition_whose_wait_has_ended_gets_its_lock_through_further_signals) {
    struct relocking both;
    prong_condition condition;
    ok(prong_lock_create(&both.lock, NULL));
    ok(prong_event_create(&both.taken, NULL));
    ok(prong_condition_create(&condition, &(prong_condition_options){.lock = both.lock}));
    ok(prong_lock_acquire(both.lock, PRONG_NOWAIT));
    signal(SIGUSR1, on_signal);
    prong_process child = start_with(PRONG_START_FORK, take_for_a_while, both);
    is(prong_condition_wait(condition, PRONG_FOREVER), PRONG_INTERRUPTED);
    check(prong_event_is_set(both.taken));
    ok(prong_condition_notify(condition, 1)); /* it holds the lock */
    prong_clear_interrupt();
    equal(test_end(child), 0);
}
