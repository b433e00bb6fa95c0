/* Supervisors: order, restarts, strategies, giving up, stopping. */
#include "../support/service.h"
#include "supervisor_test.h"

#include <pthread.h>

METHOD_TEST(children_start_in_order_and_end_in_reverse_order) {
    prong_queue log = make_log();
    struct duty duties[3];
    prong_child_options children[3];
    for (int i = 0; i < 3; i++) {
        duties[i] = duty_make(i, log);
        children[i] = duty_child(&duties[i], method);
    }
    prong_supervisor supervisor = make(children, 3, NULL);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_DOWN);
    is(prong_supervisor_run(supervisor, PRONG_NOWAIT), PRONG_TIMEOUT);
    drive_until(supervisor, log, 3);
    for (int i = 0; i < 3; i++) next_event(log); /* they run side by side: only the starts are in order */
    prong_child_state state = child_state(supervisor, 2);
    check(strcmp(state.name, "Child-3") == 0 && state.phase == PRONG_CHILD_RUNNING && state.pid > 0);
    equal(state.exitcode, PRONG_NO_RETURNCODE);
    is(prong_supervisor_destroy(supervisor), PRONG_STILL_RUNNING);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    for (int i = 2; i >= 0; i--) expect_event(log, ENDED, i);
    equal(child_state(supervisor, 2).phase, PRONG_CHILD_DOWN);
    equal(child_state(supervisor, 2).pid, 0);
    equal(child_state(supervisor, 2).exitcode, 0);
    ok(prong_supervisor_destroy(supervisor));
    is(prong_supervisor_run(supervisor, PRONG_NOWAIT), PRONG_STALE);
}

METHOD_TEST(a_permanent_child_is_always_restarted_and_a_transient_one_after_a_failure) {
    prong_queue log = make_log();
    struct duty crash = duty_make(0, log), done = duty_make(1, log), failed = duty_make(2, log),
                temporary = duty_make(3, log);
    crash.crashes = done.crashes = failed.crashes = temporary.crashes = 1;
    crash.code = -SIGKILL;
    failed.code = 3;
    temporary.code = 4;
    prong_child_options children[] = {duty_child(&crash, method), duty_child(&done, method),
                                      duty_child(&failed, method), duty_child(&temporary, method)};
    children[1].restart = children[2].restart = PRONG_RESTART_TRANSIENT;
    children[3].restart = PRONG_RESTART_TEMPORARY;
    prong_supervisor supervisor =
        make(children, 4, &(prong_supervisor_options){.backoff = PRONG_MS(1), .period = PRONG_SECONDS(60)});
    drive_until(supervisor, log, 6);
    is(prong_supervisor_run(supervisor, PRONG_MS(50)), PRONG_TIMEOUT);
    equal(child_state(supervisor, 0).restarts, 1);
    equal(child_state(supervisor, 0).exitcode, -SIGKILL);
    equal(child_state(supervisor, 1).restarts, 0);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_DOWN);
    equal(child_state(supervisor, 2).restarts, 1);
    equal(child_state(supervisor, 2).exitcode, 3);
    equal(child_state(supervisor, 3).restarts, 0);
    equal(child_state(supervisor, 3).exitcode, 4);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    ok(prong_supervisor_destroy(supervisor));
}

TEST(run_returns_when_all_children_have_ended_for_good_and_can_begin_again) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    duty.crashes = 2;
    prong_child_options child = duty_child(&duty, PRONG_START_FORK);
    child.restart = PRONG_RESTART_TRANSIENT;
    prong_supervisor supervisor = make(&child, 1, NULL);
    ok(prong_supervisor_run(supervisor, PRONG_SECONDS(10)));
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10))); /* nothing runs: no request is left behind */
    ok(prong_supervisor_run(supervisor, PRONG_SECONDS(10)));
    equal(test_queue_size(log), 2);
    ok(prong_supervisor_destroy(supervisor));
}

METHOD_TEST(a_supervisor_gives_up_after_too_many_restarts_and_ends_the_others) {
    prong_queue log = make_log();
    struct duty good = duty_make(0, log), bad = duty_make(1, log);
    bad.crashes = 1000;
    bad.code = 7;
    prong_child_options children[] = {duty_child(&good, method), duty_child(&bad, method)};
    children[1].name = "bad";
    prong_supervisor supervisor =
        make(children, 2,
             &(prong_supervisor_options){
                 .name = "shop", .intensity = 2, .period = PRONG_SECONDS(60), .backoff = PRONG_MS(50)});
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(15)), PRONG_GAVE_UP);
    says("supervisor 'shop'");
    says("child 'bad' ended with code 7, after 2 restarts");
    equal(child_state(supervisor, 1).restarts, 2);
    equal(child_state(supervisor, 0).phase, PRONG_CHILD_DOWN);
    int started = 0, ended = 0;
    while (test_queue_size(log)) {
        struct event event = next_event(log);
        started += event.number == 1 && event.what == STARTED;
        ended += event.number == 0 && event.what == ENDED;
    }
    equal(started, 3);
    equal(ended, 1);
    ok(prong_supervisor_destroy(supervisor));
}

TEST(no_restart_is_made_with_an_intensity_below_0) {
    prong_queue log = make_log();
    struct duty bad = duty_make(0, log);
    bad.crashes = 1;
    bad.code = -SIGSEGV;
    prong_child_options child = duty_child(&bad, PRONG_START_FORK);
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.intensity = -1});
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(15)), PRONG_GAVE_UP);
    says("child 'Child-1' was killed by signal 11");
}

TEST(restarts_that_are_far_apart_do_not_count_together) {
    prong_queue log = make_log();
    struct duty bad = duty_make(0, log);
    bad.crashes = 4;
    bad.code = 1;
    prong_child_options child = duty_child(&bad, PRONG_START_FORK);
    prong_supervisor supervisor =
        make(&child, 1, &(prong_supervisor_options){.intensity = 1, .period = PRONG_MS(1), .backoff = PRONG_MS(40)});
    drive_until(supervisor, log, 5);
    equal(child_state(supervisor, 0).restarts, 4);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
}

TEST(the_delay_before_restarts_doubles_up_to_its_limit) {
    prong_queue log = make_log();
    struct duty bad = duty_make(0, log);
    bad.crashes = 4;
    bad.code = 1;
    prong_child_options child = duty_child(&bad, PRONG_START_FORK);
    prong_supervisor supervisor = make(
        &child, 1, &(prong_supervisor_options){.intensity = 10, .backoff = PRONG_MS(20), .backoff_most = PRONG_MS(60)});
    int64_t begin = test_now();
    drive_until(supervisor, log, 5);
    check(test_now() - begin >= PRONG_MS(20 + 40 + 60 + 60));
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
}

/* Three children, of which the second crashes once all run; the log then has the events of the restart alone. */
static prong_supervisor make_three(prong_queue log, prong_strategy strategy, int method) {
    prong_child_options children[3];
    struct duty duties[3];
    for (int i = 0; i < 3; i++) {
        duties[i] = duty_make(i, log);
        children[i] = duty_child(&duties[i], method);
    }
    prong_supervisor supervisor =
        make(children, 3, &(prong_supervisor_options){.strategy = strategy, .backoff = PRONG_MS(1)});
    is(prong_supervisor_run(supervisor, PRONG_NOWAIT), PRONG_TIMEOUT);
    drive_until(supervisor, log, 3);
    for (int i = 0; i < 3; i++) next_event(log);
    kill(child_state(supervisor, 1).pid, SIGKILL);
    return supervisor;
}

METHOD_TEST(one_for_one_restarts_the_child_alone) {
    prong_queue log = make_log();
    prong_supervisor supervisor = make_three(log, PRONG_ONE_FOR_ONE, method);
    drive_until(supervisor, log, 1);
    is(prong_supervisor_run(supervisor, PRONG_MS(50)), PRONG_TIMEOUT);
    expect_event(log, STARTED, 1);
    equal(test_queue_size(log), 0);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
}

METHOD_TEST(one_for_all_ends_the_others_in_reverse_order_and_starts_all) {
    prong_queue log = make_log();
    prong_supervisor supervisor = make_three(log, PRONG_ONE_FOR_ALL, method);
    drive_until(supervisor, log, 5);
    expect_event(log, ENDED, 2);
    expect_event(log, ENDED, 0);
    int started = 0;
    for (int i = 0; i < 3; i++) {
        struct event event = next_event(log);
        equal(event.what, STARTED);
        started |= 1 << event.number;
    }
    equal(started, 7);
    equal(child_state(supervisor, 0).restarts, 0);
    equal(child_state(supervisor, 1).restarts, 1);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
}

METHOD_TEST(rest_for_one_restarts_those_that_come_after_it) {
    prong_queue log = make_log();
    prong_supervisor supervisor = make_three(log, PRONG_REST_FOR_ONE, method);
    drive_until(supervisor, log, 3);
    is(prong_supervisor_run(supervisor, PRONG_MS(50)), PRONG_TIMEOUT);
    expect_event(log, ENDED, 2);
    int started = 0;
    while (test_queue_size(log)) {
        struct event event = next_event(log);
        equal(event.what, STARTED);
        started |= 1 << event.number;
    }
    equal(started, 6);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
}

METHOD_TEST(a_child_that_refuses_to_end_is_killed_after_its_grace) {
    prong_queue log = make_log();
    struct duty first = duty_make(0, log), second = duty_make(1, log);
    prong_child_options children[] = {duty_child(&first, method), duty_child(&second, method)};
    children[1].process.target = refuse;
    children[1].grace = PRONG_MS(100);
    prong_supervisor supervisor = make(children, 2, NULL);
    drive_until(supervisor, log, 2);
    is(prong_supervisor_stop(supervisor, PRONG_MS(20)), PRONG_TIMEOUT);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_ENDING);
    equal(child_state(supervisor, 0).phase, PRONG_CHILD_RUNNING); /* its turn comes when the other has ended */
    ok(prong_supervisor_run(supervisor, PRONG_SECONDS(10)));
    equal(child_state(supervisor, 1).exitcode, -SIGKILL);
    equal(child_state(supervisor, 0).exitcode, 0);
}

/* --- from elsewhere --- */

METHOD_TEST(another_process_may_run_it_and_this_one_ask_and_stop_it) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, method);
    prong_supervisor supervisor = make(&child, 1, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    int pid = expect_event(log, STARTED, 0);
    equal(await_phase(supervisor, 0, PRONG_CHILD_RUNNING).pid, pid);
    is(prong_supervisor_run(supervisor, PRONG_NOWAIT), PRONG_ALREADY_STARTED);
    says("is run by process");
    is(prong_supervisor_destroy(supervisor), PRONG_STILL_RUNNING);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    equal(test_end(boss), 0);
    ok(prong_supervisor_destroy(supervisor));
}

static void *run_in_thread(void *supervisor) {
    return (void *)(intptr_t)prong_supervisor_run(*(prong_supervisor *)supervisor, PRONG_FOREVER);
}

TEST(another_thread_may_run_it) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, PRONG_START_FORK);
    prong_supervisor supervisor = make(&child, 1, NULL);
    pthread_t thread;
    void *status;
    check(pthread_create(&thread, NULL, run_in_thread, &supervisor) == 0);
    expect_event(log, STARTED, 0);
    is(prong_supervisor_run(supervisor, PRONG_NOWAIT), PRONG_ALREADY_STARTED);
    (void)prong_supervisor_stop(supervisor, PRONG_NOWAIT); /* it may have stopped by the time that this looks */
    pthread_join(thread, &status);
    equal((intptr_t)status, PRONG_OK);
    expect_event(log, ENDED, 0);
}

static prong_supervisor signalled;
static void send_terminate(int number) {
    (void)number;
    prong_interrupt();
}

TEST(a_signal_handler_may_end_the_wait) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, PRONG_START_FORK);
    signalled = make(&child, 1, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = send_terminate}, NULL);
    drive_until(signalled, log, 1);
    alarm(1);
    is(prong_supervisor_run(signalled, PRONG_SECONDS(15)), PRONG_INTERRUPTED);
    ok(prong_supervisor_stop(signalled, PRONG_SECONDS(10)));
}

static int run_with_signals(void *argument, size_t size) {
    struct duty *duty = argument;
    (void)size;
    prong_child_options child = duty_child(duty, PRONG_START_FORK);
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.stop_on_signals = true});
    return prong_supervisor_run(supervisor, PRONG_SECONDS(15)) == PRONG_OK ? 5 : 6;
}

METHOD_TEST(sigterm_stops_a_supervisor_that_takes_signals) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_process boss = start_with(method, run_with_signals, duty);
    expect_event(log, STARTED, 0);
    ok(prong_process_signal(boss, SIGTERM));
    expect_event(log, ENDED, 0);
    equal(test_end(boss), 5);
}

/* --- the service manager --- */

TEST(the_service_manager_is_told_when_it_is_to_be) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, PRONG_START_FORK);
    int service = service_begin("100000");
    prong_supervisor quiet = make(&child, 1, NULL);
    drive_until(quiet, log, 1);
    ok(prong_supervisor_stop(quiet, PRONG_SECONDS(10)));
    check(service_hears_nothing(service)); /* nobody has asked for it */
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.notify = true});
    is(prong_supervisor_run(supervisor, PRONG_MS(400)), PRONG_TIMEOUT);
    service_expects(service, "READY=1\nSTATUS=");
    for (int i = 0; i < 2; i++) check(strcmp(service_hears(service), "WATCHDOG=1") == 0);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    service_expects(service, "STOPPING=1\n");
}

TEST(a_watchdog_of_another_process_is_not_told) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, PRONG_START_FORK);
    int service = service_begin("20000");
    setenv("WATCHDOG_PID", "1", 1);
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.notify = true});
    is(prong_supervisor_run(supervisor, PRONG_MS(200)), PRONG_TIMEOUT);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    check(strncmp(service_hears(service), "READY=1\n", 8) == 0);
    check(strncmp(service_hears(service), "STOPPING=1\n", 11) == 0);
}

TEST(a_bad_notify_socket_is_named_and_nothing_is_started) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, PRONG_START_FORK);
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.notify = true});
    setenv("NOTIFY_SOCKET", "nonsense", 1);
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(5)), PRONG_INVALID);
    says("NOTIFY_SOCKET 'nonsense'");
    setenv("NOTIFY_SOCKET", "/no/such/socket", 1);
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(5)), PRONG_NOT_FOUND);
    says("/no/such/socket");
    ok(prong_supervisor_destroy(supervisor));
    equal(test_queue_size(log), 0);
}

/* --- what makes no sense --- */

TEST(options_that_make_no_sense_are_refused_by_name) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_supervisor supervisor;
    prong_child_options good = duty_child(&duty, PRONG_START_FORK), children[2] = {good, good};
#define REFUSED(text)                                                                                                  \
    do {                                                                                                               \
        is(prong_supervisor_create(&supervisor, children, 2, NULL), PRONG_INVALID);                                    \
        says(text);                                                                                                    \
        children[0] = children[1] = good;                                                                              \
    } while (0)
    children[1].process.target = NULL;
    REFUSED("'Child-2': neither");
    children[1].program = (const char *const[]){"true", NULL};
    REFUSED("'Child-2': a target, and a program");
    children[0].name = children[1].name = "twin";
    REFUSED("two children are named 'twin'");
    children[0].restart = (prong_restart)9;
    REFUSED("'Child-1': restart 9");
    children[0].grace = -1;
    REFUSED("grace");
    children[0].process.daemon = PRONG_DAEMON_NO;
    REFUSED("process.daemon");
    children[0].directory = "/";
    REFUSED("are of a program");
    children[1].name = "123456789012345678901234567890123456789012345678";
    REFUSED("more than 47 bytes");
    is(prong_supervisor_create(&supervisor, &good, 0, NULL), PRONG_INVALID);
    says("no children");
    is(prong_supervisor_create(&supervisor, NULL, 1, NULL), PRONG_INVALID);
    is(prong_supervisor_create(&supervisor, &good, 1, &(prong_supervisor_options){.strategy = (prong_strategy)7}),
       PRONG_INVALID);
    says("strategy 7");
    is(prong_supervisor_create(&supervisor, &good, 1, &(prong_supervisor_options){.intensity = 1001}), PRONG_INVALID);
    is(prong_supervisor_children(supervisor, NULL, 0, NULL), PRONG_INVALID);
}

TEST(nothing_is_left_in_shared_memory) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options children[2] = {duty_child(&duty, PRONG_START_FORK), duty_child(&duty, PRONG_START_FORK)};
    prong_supervisor supervisor = make(children, 2, NULL);
    drive_until(supervisor, log, 2);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    ok(prong_supervisor_destroy(supervisor));
    is(prong_supervisor_destroy(supervisor), PRONG_STALE);
    children[1].grace = -1;
    is(prong_supervisor_create(&supervisor, children, 2, NULL), PRONG_INVALID);
    test_arena_is_clean(3); /* the queue, the value and its lock */
}
