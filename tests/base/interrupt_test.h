/* Signals whose handler ends a wait, and channels at which nothing ever comes. */
#ifndef TESTS_BASE_INTERRUPT_TEST_H
#define TESTS_BASE_INTERRUPT_TEST_H

#include "../support/test.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void on_signal(int number) {
    (void)number;
    prong_interrupt();
}

static inline void handle(int flags) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
}

static inline void strike_in(int microseconds) {
    struct itimerval timer = {.it_value = {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static inline int sleep_forever(void) {
    while (pause()) {}
    return 0;
}

/* What is waited for: none of it ever comes. */
static struct {
    prong_queue empty, full, joinable;
    prong_connection here, there, full_here, full_there;
    prong_lock lock;
    prong_lock rlock;
    prong_semaphore semaphore;
    prong_event event, held;
    prong_condition condition;
    prong_barrier barrier;
    prong_shared_value value;
    prong_process process;
    prong_pool pool;
    prong_job job;
    prong_iterator *iterator;
    prong_listener *listener;
    prong_link *link, *other;
    prong_popen *popen;
    prong_supervisor supervisor;
    prong_manager manager;
    prong_proxy proxy;
    char path[64];
} all;

static inline void make_channels(void) {
    ok(prong_queue_create(&all.empty, NULL));
    ok(prong_queue_create(&all.full, &(prong_queue_options){.maxsize = 1}));
    ok(prong_queue_put(all.full, "x", 1, PRONG_NOWAIT));
    ok(prong_queue_create(&all.joinable, &(prong_queue_options){.joinable = true}));
    ok(prong_queue_put(all.joinable, "x", 1, PRONG_NOWAIT));
    ok(prong_pipe_create(&all.here, &all.there, NULL));
    ok(prong_pipe_create(&all.full_here, &all.full_there, &(prong_pipe_options){.buffer_bytes = 1}));
    ok(prong_connection_send_bytes(all.full_here, "x", 1, PRONG_NOWAIT));
}

#endif
