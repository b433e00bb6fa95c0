/* Interrupts: which process, thread and wait one ends, and what becomes of what the wait was for. */
#include "interrupt_test.h"

#include <pthread.h>
#include <signal.h>

static prong_status queue_get(prong_time timeout) {
    char byte;
    return prong_queue_get(all.empty, &byte, 1, NULL, timeout);
}

static int wait_until_interrupted(void *argument, size_t size) {
    prong_event *ready = argument;
    (void)size;
    make_channels();
    handle(SA_RESTART);
    ok(prong_event_set(*ready));
    return queue_get(PRONG_FOREVER) == PRONG_INTERRUPTED ? 7 : 1;
}

METHOD_TEST(a_process_may_interrupt_the_wait_of_another) {
    prong_event ready;
    ok(prong_event_create(&ready, NULL));
    prong_process child = start_with(method, wait_until_interrupted, ready);
    ok(prong_event_wait(ready, PRONG_SECONDS(10)));
    ok(prong_process_signal(child, SIGUSR1));
    equal(test_end(child), 7);
}

static int wait_briefly(void *argument, size_t size) {
    (void)argument, (void)size;
    make_channels();
    return queue_get(PRONG_MS(20)) == PRONG_EMPTY ? 0 : 1;
}

METHOD_TEST(a_child_begins_without_its_parents_interrupt) {
    int nothing = 0;
    handle(0);
    make_channels();
    raise(SIGUSR1);
    prong_process child = start_with(method, wait_briefly, nothing);
    is(queue_get(PRONG_FOREVER), PRONG_INTERRUPTED); /* the start was no wait */
    equal(test_end(child), 0);
}

static void *wait_in_thread(void *status) {
    *(prong_status *)status = queue_get(PRONG_FOREVER);
    return NULL;
}

TEST(the_wait_of_one_thread_is_ended_by_a_signal_to_it_alone) {
    pthread_t threads[2];
    prong_status statuses[2];
    handle(SA_RESTART);
    make_channels();
    for (int i = 0; i < 2; i++) check(pthread_create(&threads[i], NULL, wait_in_thread, &statuses[i]) == 0);
    pthread_kill(threads[0], SIGUSR1);
    pthread_join(threads[0], NULL);
    is(statuses[0], PRONG_INTERRUPTED);
    test_sleep_ms(20);
    ok(prong_queue_put(all.empty, "x", 1, PRONG_NOWAIT));
    pthread_join(threads[1], NULL);
    ok(statuses[1]);
}

TEST(a_call_that_finds_what_it_wants_leaves_the_interrupt_to_the_next_wait) {
    make_channels();
    prong_interrupt();
    ok(prong_queue_put(all.empty, "x", 1, PRONG_FOREVER));
    ok(queue_get(PRONG_FOREVER));
    is(queue_get(PRONG_FOREVER), PRONG_INTERRUPTED);
    is(queue_get(PRONG_MS(1)), PRONG_EMPTY);
}

static int sleeper(void *argument, size_t size) {
    (void)argument, (void)size;
    test_sleep_ms(300);
    return 0;
}

static int exits_interrupted(void *argument, size_t size) {
    prong_start_method method = *(prong_start_method *)argument;
    (void)size;
    prong_process child;
    ok(prong_process_create(&child, &(prong_process_options){.target = sleeper, .method = method}));
    ok(prong_process_start(child));
    ok(prong_event_create(&all.event, NULL));
    prong_interrupt();
    exit(3);
}

METHOD_TEST(an_exit_waits_for_children_though_it_is_interrupted) {
    prong_process child = start_with(method, exits_interrupted, method);
    equal(test_end(child), 3); /* the test fails as well if a process is left */
}

TEST(a_program_in_one_call_is_killed_when_the_call_is_interrupted) {
    prong_completed completed;
    handle(SA_RESTART);
    strike_in(50000);
    is(prong_subprocess_run(ARGV("sleep", "1000"), &completed, NULL, PRONG_FOREVER), PRONG_INTERRUPTED);
    says("'sleep' was killed: a signal's handler has ended the wait");
}

static int in_place(const void *in, void *out) {
    *(volatile long *)out = *(const long *)in;
    return sleep_forever();
}

METHOD_TEST(an_interrupted_map_in_place_gives_the_memory_back) {
    prong_pool pool;
    long *numbers;
    void *memory;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2, .method = (prong_start_method)method}));
    ok(prong_memory_alloc(2 * sizeof(long), &memory));
    numbers = memory;
    numbers[0] = 1, numbers[1] = 2;
    handle(SA_RESTART);
    strike_in(100000);
    is(prong_pool_run(pool, PRONG_MAP_N(in_place, numbers, numbers, 2), NULL, PRONG_FOREVER), PRONG_INTERRUPTED);
    ok(prong_memory_free(memory));
    ok(prong_pool_destroy(pool));
}
