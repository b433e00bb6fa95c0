/* Death at every instruction of what rings, silences, makes and takes down the bell of a queue or an event: once the dead one is
 * buried, each descriptor is readable exactly if there is something to take, or the event is set. */
#define _GNU_SOURCE
#include "step.h"

#include <poll.h>

static int bell;

static bool readable(void) {
    struct pollfd one = {.fd = bell, .events = POLLIN};
    return poll(&one, 1, 0) == 1;
}

static void put_one(struct stage *stage) {
    prong_queue_put(stage->queue, "x", 1, PRONG_NOWAIT);
}

static void get_one(struct stage *stage) {
    char byte;
    prong_queue_get(stage->queue, &byte, 1, NULL, PRONG_NOWAIT);
}

static void hang_bell(struct stage *stage) {
    ok(prong_queue_fileno(stage->queue, &bell));
}

static void hang_bell_and_put(struct stage *stage) {
    hang_bell(stage);
    put_one(stage);
}

static void hang_no_bell(struct stage *stage) {
    (void)stage;
}

static void verify_bell(struct stage *stage) {
    size_t count;
    ok(prong_queue_fileno(stage->queue, &bell));
    ok(prong_queue_size(stage->queue, &count, NULL));
    equal(readable(), count > 0);
    while (count-- > 0) get_one(stage);
    check(!readable());
    for (int i = 0; i < 2; i++) {
        put_one(stage);
        check(readable());
        get_one(stage);
        check(!readable());
    }
}

LONG_TEST(put_that_rings, 240) {
    kill_everywhere(&(struct operation){hang_bell, join_family, put_one, verify_bell, 13});
}

LONG_TEST(get_that_silences, 240) {
    kill_everywhere(&(struct operation){hang_bell_and_put, join_family, get_one, verify_bell, 13});
}

LONG_TEST(get_in_vain, 240) {
    kill_everywhere(&(struct operation){hang_bell, join_family, get_one, verify_bell, 37});
}

static void open_bell(struct stage *stage) {
    int descriptor;
    prong_queue_fileno(stage->queue, &descriptor);
}

LONG_TEST(fileno_that_makes_the_bell, 240) {
    kill_everywhere(&(struct operation){hang_no_bell, join_family, open_bell, verify_bell, 61});
}

static void open_put_and_get(struct stage *stage) {
    open_bell(stage);
    put_one(stage);
    get_one(stage);
}

LONG_TEST(fileno_put_and_get, 240) {
    kill_everywhere(&(struct operation){hang_no_bell, join_family, open_put_and_get, verify_bell, 127});
}

static void destroy(struct stage *stage) {
    prong_queue_destroy(stage->queue);
}

static void verify_destroyed(struct stage *stage) {
    size_t count;
    bool there = prong_queue_size(stage->queue, &count, NULL) == PRONG_OK;
    equal(readable(), !there);
    prong_queue_destroy(stage->queue);
    ok(prong_queue_create(&stage->queue, NULL));
}

LONG_TEST(destroy_of_what_has_a_bell, 240) {
    kill_everywhere(&(struct operation){hang_bell, join_family, destroy, verify_destroyed, 61});
}

/* --- an event --- */

static void make_event(struct stage *stage) {
    ok(prong_event_create(&stage->event, NULL));
}

static void hang_bell_of_event(struct stage *stage) {
    make_event(stage);
    ok(prong_event_fileno(stage->event, &bell));
}

static void hang_bell_of_event_and_set(struct stage *stage) {
    hang_bell_of_event(stage);
    ok(prong_event_set(stage->event));
}

static void verify_event(struct stage *stage) {
    ok(prong_event_fileno(stage->event, &bell));
    equal(readable(), prong_event_is_set(stage->event));
    ok(prong_event_clear(stage->event));
    check(!readable());
    for (int i = 0; i < 2; i++) {
        ok(prong_event_set(stage->event));
        check(readable());
        ok(prong_event_clear(stage->event));
        check(!readable());
    }
    ok(prong_event_destroy(stage->event));
}

static void set_event(struct stage *stage) {
    prong_event_set(stage->event);
}

static void clear_event(struct stage *stage) {
    prong_event_clear(stage->event);
}

LONG_TEST(set_that_rings, 240) {
    kill_everywhere(&(struct operation){hang_bell_of_event, join_family, set_event, verify_event, 13});
}

LONG_TEST(clear_that_silences, 240) {
    kill_everywhere(&(struct operation){hang_bell_of_event_and_set, join_family, clear_event, verify_event, 13});
}

static void open_set_and_clear(struct stage *stage) {
    int descriptor;
    prong_event_fileno(stage->event, &descriptor);
    prong_event_set(stage->event);
    prong_event_clear(stage->event);
}

LONG_TEST(fileno_set_and_clear, 240) {
    kill_everywhere(&(struct operation){make_event, join_family, open_set_and_clear, verify_event, 127});
}

static void destroy_event(struct stage *stage) {
    prong_event_destroy(stage->event);
}

static void verify_destroyed_event(struct stage *stage) {
    int fd;
    bool there = prong_event_fileno(stage->event, &fd) == PRONG_OK;
    equal(readable(), !there);
    prong_event_destroy(stage->event);
}

LONG_TEST(destroy_of_an_event_that_has_a_bell, 240) {
    kill_everywhere(&(struct operation){hang_bell_of_event, join_family, destroy_event, verify_destroyed_event, 61});
}

/* --- stopped before and after each system call --- */

static void act_alone(prong_event event, int act) {
    if (act == 's') prong_event_set(event);
    if (act != 'c') return;
    prong_event_clear(event);
    raise(SIGUSR2); /* it has cleared */
    for (int i = 0; i < 3; i++) {
        prong_event_is_set(event);
        test_sleep_ms(2);
    }
}

/* Runs until the next system call begins or ends, or a signal comes, which is returned. */
static int go_on(pid_t pid) {
    int status;
    check(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0);
    check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
    return WSTOPSIG(status);
}

static pid_t start_stopped(prong_event event, int act) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        prong_event_is_set(event); /* it joins the family */
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        act_alone(event, act);
        raise(SIGUSR1);
        _exit(0);
    }
    check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
    return pid;
}

static bool go_far(pid_t pid, int stops) {
    while (stops-- > 0)
        if (go_on(pid) == SIGUSR1) return false;
    return true;
}

static void end_stopped(pid_t pid) {
    kill(pid, SIGKILL);
    check(waitpid(pid, NULL, 0) == pid);
}

/* One process stops while it rings, goes on for a step when another one has cleared the event, and so leaves a byte; that one stops
 * while it takes the byte. What is set then must be readable, whatever step is next. False: there are no such many steps. */
static bool set_while_two_stop(prong_event event, int ringing, int silencing, bool *rings) {
    pid_t one = start_stopped(event, 's'), two = start_stopped(event, 'c');
    *rings = go_far(one, ringing);
    while (go_on(two) != SIGUSR2) {}
    *rings = *rings && go_far(one, 1);
    bool there = go_far(two, silencing);
    ok(prong_event_set(event));
    check(readable());
    while (there && go_on(two) != SIGUSR1) check(readable());
    end_stopped(one);
    end_stopped(two);
    return there;
}

LONG_TEST(what_is_set_is_readable_while_others_are_stopped_in_the_middle_of_ringing_and_silencing, 240) {
    bool rings = true;
    for (int ringing = 1; rings; ringing++) {
        bool there = true;
        for (int silencing = 0; there; silencing++) {
            struct stage stage;
            hang_bell_of_event(&stage);
            there = set_while_two_stop(stage.event, ringing, silencing, &rings);
            ok(prong_family_check(NULL));
            verify_event(&stage);
        }
    }
}
