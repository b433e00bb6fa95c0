/* Children that are added, stopped, started and removed while a supervisor runs, or does not. */
#include "supervisor_test.h"

#include <pthread.h>

static size_t count_children(prong_supervisor supervisor) {
    size_t count;
    ok(prong_supervisor_children(supervisor, NULL, 0, &count));
    return count;
}

/* One that has no children yet, run by a process of its own. */
static prong_process run_empty(prong_supervisor *supervisor, const prong_supervisor_options *options, int method) {
    ok(prong_supervisor_create(supervisor, NULL, 0, options));
    return start_with(method, run_supervisor, *supervisor);
}

static void add(prong_supervisor supervisor, struct duty *duty, const char *name, int method) {
    prong_child_options child = duty_child(duty, method);
    child.name = name;
    ok(prong_supervisor_add_child(supervisor, &child, PRONG_SECONDS(10)));
}

METHOD_TEST(children_are_added_to_a_supervisor_that_another_process_runs) {
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options first = duty_child(&duties[0], method);
    prong_supervisor supervisor = make(&first, 1, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    expect_event(log, STARTED, 0);
    add(supervisor, &duties[1], NULL, method);
    prong_child_state state = child_state(supervisor, 1);
    check(state.phase == PRONG_CHILD_RUNNING && strcmp(state.name, "Child-2") == 0 && state.in_phase >= 0);
    equal(expect_event(log, STARTED, 1), state.pid);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    expect_event(log, ENDED, 1); /* it came last */
    expect_event(log, ENDED, 0);
    equal(test_end(boss), 0);
    ok(prong_supervisor_destroy(supervisor));
}

METHOD_TEST(a_child_is_stopped_started_and_removed) {
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_supervisor supervisor;
    prong_child_options children[] = {duty_child(&duties[0], method), duty_child(&duties[1], method)};
    supervisor = make(children, 2, &(prong_supervisor_options){.backoff = PRONG_MS(1)});
    prong_process boss = start_with(method, run_supervisor, supervisor);
    next_event(log), next_event(log);
    await_phase(supervisor, 1, PRONG_CHILD_RUNNING);
    ok(prong_supervisor_stop_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    equal(child_state(supervisor, 0).phase, PRONG_CHILD_DOWN);
    equal(child_state(supervisor, 0).restarts, 0);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_RUNNING);
    ok(prong_supervisor_stop_child(supervisor, "Child-1", PRONG_SECONDS(10))); /* it is already */
    ok(prong_supervisor_start_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    expect_event(log, STARTED, 0);
    ok(prong_supervisor_start_child(supervisor, "Child-1", PRONG_SECONDS(10))); /* it runs already */
    kill(child_state(supervisor, 0).pid, SIGKILL);
    expect_event(log, STARTED, 0); /* supervised as before */
    ok(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    equal(count_children(supervisor), 1);
    is(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_SECONDS(10)), PRONG_NOT_FOUND);
    says("has no child 'Child-1'");
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    expect_event(log, ENDED, 1);
    equal(test_end(boss), 0);
    equal(test_queue_size(log), 0);
}

/* What a strategy draws in does not wake one that was stopped. */
METHOD_TEST(a_stopped_child_is_not_restarted_with_others) {
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options children[] = {duty_child(&duties[0], method), duty_child(&duties[1], method)};
    prong_supervisor supervisor =
        make(children, 2, &(prong_supervisor_options){.strategy = PRONG_ONE_FOR_ALL, .backoff = PRONG_MS(1)});
    prong_process boss = start_with(method, run_supervisor, supervisor);
    next_event(log), next_event(log);
    int pid = await_phase(supervisor, 0, PRONG_CHILD_RUNNING).pid;
    ok(prong_supervisor_stop_child(supervisor, "Child-2", PRONG_SECONDS(10)));
    expect_event(log, ENDED, 1);
    kill(pid, SIGKILL);
    expect_event(log, STARTED, 0);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_DOWN);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    equal(test_queue_size(log), 0);
    equal(test_end(boss), 0);
}

METHOD_TEST(a_supervisor_without_children_may_stay) {
    prong_queue log = make_log();
    prong_supervisor supervisor;
    struct duty duty = duty_make(0, log), done = duty_make(1, log);
    prong_process boss = run_empty(&supervisor, &(prong_supervisor_options){.stays = true}, method);
    add(supervisor, &duty, "one", method);
    expect_event(log, STARTED, 0);
    ok(prong_supervisor_remove_child(supervisor, "one", PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    done.crashes = 1;
    prong_child_options once = duty_child(&done, method);
    once.restart = PRONG_RESTART_TEMPORARY;
    ok(prong_supervisor_add_child(supervisor, &once, PRONG_SECONDS(10)));
    expect_event(log, STARTED, 1);
    await_phase(supervisor, 0, PRONG_CHILD_DOWN);
    is(prong_supervisor_destroy(supervisor), PRONG_STILL_RUNNING);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
}

/* --- while nobody runs it, or no thread does --- */

METHOD_TEST(children_are_added_and_removed_while_it_does_not_run) {
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options first = duty_child(&duties[0], method);
    prong_supervisor supervisor = make(&first, 1, NULL);
    add(supervisor, &duties[1], "two", method);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_DOWN);
    is(prong_supervisor_start_child(supervisor, "two", PRONG_SECONDS(10)), PRONG_NOT_STARTED);
    ok(prong_supervisor_stop_child(supervisor, "two", PRONG_SECONDS(10)));
    ok(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    drive_until(supervisor, log, 1);
    expect_event(log, STARTED, 1);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    ok(prong_supervisor_destroy(supervisor));
}

METHOD_TEST(a_call_does_the_work_while_no_thread_runs_it) {
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options first = duty_child(&duties[0], method);
    prong_supervisor supervisor = make(&first, 1, NULL);
    drive_until(supervisor, log, 1);
    expect_event(log, STARTED, 0);
    add(supervisor, &duties[1], "two", method);
    expect_event(log, STARTED, 1);
    ok(prong_supervisor_stop_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    ok(prong_supervisor_start_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    expect_event(log, STARTED, 0);
    ok(prong_supervisor_remove_child(supervisor, "two", PRONG_SECONDS(10)));
    expect_event(log, ENDED, 1);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    ok(prong_supervisor_destroy(supervisor));
}

static void *run_in_thread(void *supervisor) {
    return (void *)(intptr_t)prong_supervisor_run(*(prong_supervisor *)supervisor, PRONG_FOREVER);
}

METHOD_TEST(another_thread_adds_and_removes_many) {
    enum { MANY = 6 };
    prong_queue log = make_log();
    prong_supervisor supervisor;
    struct duty duty = duty_make(0, log);
    pthread_t thread;
    void *status;
    char name[20];
    ok(prong_supervisor_create(&supervisor, NULL, 0, &(prong_supervisor_options){.stays = true}));
    check(pthread_create(&thread, NULL, run_in_thread, &supervisor) == 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "number %d", i);
        add(supervisor, &duty, name, method);
    }
    for (int i = 0; i < MANY; i++) expect_event(log, STARTED, 0);
    equal(count_children(supervisor), MANY);
    for (int i = 0; i < MANY; i += 2) {
        snprintf(name, sizeof name, "number %d", i);
        ok(prong_supervisor_remove_child(supervisor, name, PRONG_SECONDS(10)));
    }
    equal(count_children(supervisor), MANY / 2);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    pthread_join(thread, &status);
    equal((intptr_t)status, PRONG_OK);
}

/* --- what goes wrong --- */

METHOD_TEST(a_child_that_is_added_and_cannot_be_started_is_named) {
    prong_queue log = make_log();
    prong_supervisor supervisor;
    struct duty duty = duty_make(0, log);
    prong_process boss = run_empty(&supervisor, &(prong_supervisor_options){.stays = true}, method);
    prong_child_options child = {.name = "lost",
                                 .restart = PRONG_RESTART_TEMPORARY,
                                 .program = (const char *const[]){"/no/such/program", NULL},
                                 .process = {.method = (prong_start_method)method}};
    add(supervisor, &duty, "one", method);
    expect_event(log, STARTED, 0); /* now it runs */
    is(prong_supervisor_add_child(supervisor, &child, PRONG_SECONDS(10)), PRONG_START_FAILED);
    says("child 'lost'");
    says("/no/such/program");
    is(prong_supervisor_start_child(supervisor, "lost", PRONG_SECONDS(10)), PRONG_START_FAILED);
    is(prong_supervisor_add_child(supervisor, &child, PRONG_SECONDS(10)), PRONG_EXISTS);
    says("two children are named 'lost'");
    child.grace = -1;
    is(prong_supervisor_add_child(supervisor, &child, PRONG_SECONDS(10)), PRONG_INVALID);
    is(prong_supervisor_add_child(supervisor, NULL, PRONG_SECONDS(10)), PRONG_INVALID);
    is(prong_supervisor_stop_child(supervisor, NULL, PRONG_SECONDS(10)), PRONG_INVALID);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
    ok(prong_supervisor_destroy(supervisor));
    is(prong_supervisor_stop_child(supervisor, "lost", PRONG_SECONDS(10)), PRONG_STALE);
}

METHOD_TEST(a_request_has_a_time_limit_and_stands) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, method);
    child.process.target = refuse;
    child.grace = PRONG_MS(300);
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.stays = true});
    prong_process boss = start_with(method, run_supervisor, supervisor);
    expect_event(log, STARTED, 0);
    await_phase(supervisor, 0, PRONG_CHILD_RUNNING);
    is(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_MS(10)), PRONG_TIMEOUT);
    for (int i = 0; i < 2000 && count_children(supervisor); i++) test_sleep_ms(5);
    equal(count_children(supervisor), 0);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
}

/* --- requests that come together --- */

static void *stop_in_thread(void *supervisor) {
    return (void *)(intptr_t)prong_supervisor_stop_child(*(prong_supervisor *)supervisor, "Child-1", PRONG_SECONDS(10));
}

METHOD_TEST(a_request_that_another_one_replaces_returns) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, method);
    prong_supervisor supervisor = make(&child, 1, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    pthread_t thread;
    void *status;
    expect_event(log, STARTED, 0);
    await_phase(supervisor, 0, PRONG_CHILD_RUNNING);
    ok(prong_process_signal(boss, SIGSTOP));
    check(pthread_create(&thread, NULL, stop_in_thread, &supervisor) == 0);
    test_sleep_ms(100); /* it has asked */
    is(prong_supervisor_start_child(supervisor, "Child-1", PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_process_signal(boss, SIGCONT));
    pthread_join(thread, &status);
    equal((intptr_t)status, PRONG_OK);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
}

METHOD_TEST(no_request_replaces_a_removal) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, method);
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.stays = true});
    prong_process boss = start_with(method, run_supervisor, supervisor);
    expect_event(log, STARTED, 0);
    await_phase(supervisor, 0, PRONG_CHILD_RUNNING);
    ok(prong_process_signal(boss, SIGSTOP));
    is(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_supervisor_stop_child(supervisor, "Child-1", PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_process_signal(boss, SIGCONT));
    expect_event(log, ENDED, 0);
    for (int i = 0; i < 2000 && count_children(supervisor); i++) test_sleep_ms(5);
    equal(count_children(supervisor), 0);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
}

METHOD_TEST(no_child_is_started_while_the_supervisor_stops) {
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options children[] = {duty_child(&duties[0], method), duty_child(&duties[1], method)};
    children[0].process.target = refuse;
    children[0].grace = PRONG_MS(500);
    prong_supervisor supervisor = make(children, 2, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    next_event(log), next_event(log);
    await_phase(supervisor, 1, PRONG_CHILD_RUNNING);
    is(prong_supervisor_stop(supervisor, PRONG_NOWAIT), PRONG_TIMEOUT);
    expect_event(log, ENDED, 1);
    await_phase(supervisor, 1, PRONG_CHILD_DOWN);
    is(prong_supervisor_start_child(supervisor, "Child-2", PRONG_SECONDS(10)), PRONG_NOT_STARTED);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
}

METHOD_TEST(a_child_that_makes_the_supervisor_give_up_was_not_started) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options first = duty_child(&duty, method);
    prong_child_options child = {.name = "lost",
                                 .program = (const char *const[]){"/no/such/program", NULL},
                                 .process = {.method = (prong_start_method)method}};
    prong_supervisor supervisor = make(&first, 1, &(prong_supervisor_options){.intensity = -1});
    prong_process boss = start_with(method, run_supervisor, supervisor);
    expect_event(log, STARTED, 0);
    is(prong_supervisor_add_child(supervisor, &child, PRONG_SECONDS(10)), PRONG_START_FAILED);
    says("/no/such/program");
    check(test_end(boss) != 0);
}

/* It may be waiting for its restart, or have begun it. */
METHOD_TEST(a_child_that_will_be_restarted_is_waited_for) {
    prong_queue log = make_log();
    prong_supervisor supervisor;
    struct duty duty = duty_make(0, log);
    prong_process boss = run_empty(
        &supervisor, &(prong_supervisor_options){.stays = true, .intensity = 1000, .backoff = PRONG_MS(1)}, method);
    prong_child_options child = {.program = (const char *const[]){"/no/such/program", NULL},
                                 .process = {.method = (prong_start_method)method}};
    add(supervisor, &duty, "one", method);
    expect_event(log, STARTED, 0);
    is(prong_supervisor_add_child(supervisor, &child, PRONG_MS(200)), PRONG_TIMEOUT);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(test_end(boss), 0);
}

METHOD_TEST(a_request_returns_when_the_supervisor_dies) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, method);
    child.process.target = refuse;
    child.grace = PRONG_FOREVER;
    prong_supervisor supervisor = make(&child, 1, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    expect_event(log, STARTED, 0);
    is(prong_supervisor_stop_child(supervisor, "Child-1", PRONG_MS(50)), PRONG_TIMEOUT);
    ok(prong_process_signal(boss, SIGKILL));
    ok(prong_supervisor_stop_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    ok(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    equal(count_children(supervisor), 0);
    test_end(boss);
}

TEST(nothing_of_removed_children_is_left_in_shared_memory) {
    prong_queue log = make_log();
    prong_supervisor supervisor;
    struct duty duty = duty_make(0, log);
    ok(prong_supervisor_create(&supervisor, NULL, 0, &(prong_supervisor_options){.stays = true}));
    for (int i = 0; i < 20; i++) {
        add(supervisor, &duty, "one", PRONG_START_FORK);
        ok(prong_supervisor_remove_child(supervisor, "one", PRONG_SECONDS(10)));
    }
    add(supervisor, &duty, "two", PRONG_START_FORK);
    ok(prong_supervisor_destroy(supervisor));
    test_arena_is_clean(3); /* the queue, the value and its lock */
}
