/* What the tests of supervisors share: children that tell what they do. */
#ifndef TESTS_POOL_SUPERVISOR_TEST_H
#define TESTS_POOL_SUPERVISOR_TEST_H

#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

enum { STARTED = 's', ENDED = 'e' };

/* The argument of each child. */
struct duty {
    prong_queue log;
    prong_shared_value runs; /* how often it was started */
    int number;
    int crashes; /* so often it ends at once, by itself, with `code` (below 0: by that signal) */
    int code;
};

struct event {
    int what, number, pid;
};

static inline void duty_tell(const struct duty *duty, int what) {
    struct event event = {what, duty->number, getpid()};
    if (prong_queue_put(duty->log, &event, sizeof event, PRONG_SECONDS(5)) < 0) _exit(98);
}

/* Ends by itself as often as it is to; then it runs until SIGTERM, and tells of both. */
static inline int serve(void *argument, size_t size) {
    const struct duty *duty = argument;
    long before;
    int number;
    sigset_t set;
    (void)size;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    duty_tell(duty, STARTED);
    if (prong_shared_value_add(duty->runs, 0, 1, &before) < 0) return 97;
    if (before < duty->crashes) {
        if (duty->code >= 0) return duty->code;
        raise(-duty->code);
    }
    sigwait(&set, &number);
    duty_tell(duty, ENDED);
    return 0;
}

/* Takes no notice of SIGTERM. */
static inline int refuse(void *argument, size_t size) {
    (void)size;
    signal(SIGTERM, SIG_IGN);
    duty_tell(argument, STARTED);
    for (int seconds = 0; seconds < 60; seconds++) sleep(1);
    return 1;
}

static inline struct duty duty_make(int number, prong_queue log) {
    struct duty duty = {.log = log, .number = number};
    ok(prong_shared_value_create(&duty.runs, PRONG_TYPE_OF(long), 1, NULL, NULL));
    return duty;
}

static inline struct event next_event(prong_queue log) {
    struct event event;
    size_t size;
    ok(prong_queue_get(log, &event, sizeof event, &size, PRONG_SECONDS(10)));
    return event;
}

/* The next event is this; returns the process that told it. */
static inline int expect_event(prong_queue log, int what, int number) {
    struct event event = next_event(log);
    equal(event.what, what);
    equal(event.number, number);
    return event.pid;
}

static inline prong_queue make_log(void) {
    prong_queue log;
    ok(prong_queue_create(&log, NULL));
    return log;
}

static inline prong_supervisor make(const prong_child_options *children, size_t count,
                                    const prong_supervisor_options *options) {
    prong_supervisor supervisor;
    ok(prong_supervisor_create(&supervisor, children, count, options));
    return supervisor;
}

static inline prong_child_options duty_child(struct duty *duty, int method) {
    return (prong_child_options){
        .process = {
            .target = serve, .argument = duty, .argument_size = sizeof *duty, .method = (prong_start_method)method}};
}

/* Runs a supervisor, as a process's target. */
static inline int run_supervisor(void *argument, size_t size) {
    (void)size;
    return -prong_supervisor_run(*(prong_supervisor *)argument, PRONG_FOREVER);
}

static inline prong_child_state child_state(prong_supervisor supervisor, size_t index) {
    prong_child_state states[8];
    size_t count;
    ok(prong_supervisor_children(supervisor, states, 8, &count));
    check(index < count && count <= 8);
    return states[index];
}

static inline bool child_starts(prong_supervisor supervisor) {
    prong_child_state states[8];
    size_t count;
    ok(prong_supervisor_children(supervisor, states, 8, &count));
    for (size_t i = 0; i < count; i++)
        if (states[i].phase == PRONG_CHILD_STARTING) return true;
    return false;
}

/* Drives until so many events are in the log, and no child is about to begin. */
static inline void drive_until(prong_supervisor supervisor, prong_queue log, size_t events) {
    for (int i = 0; i < 1000 && (test_queue_size(log) < events || child_starts(supervisor)); i++)
        is(prong_supervisor_run(supervisor, PRONG_MS(20)), PRONG_TIMEOUT);
    check(test_queue_size(log) >= events);
}

/* Waits until the child is in that phase. */
static inline prong_child_state await_phase(prong_supervisor supervisor, size_t index, prong_child_phase phase) {
    for (int i = 0; i < 2000; i++, test_sleep_ms(5)) {
        prong_child_state state = child_state(supervisor, index);
        if (state.phase == phase && (phase != PRONG_CHILD_RUNNING || state.pid)) return state;
    }
    test_failed(__FILE__, __LINE__, "child %zu never came to phase %d", index, (int)phase);
}

#endif
