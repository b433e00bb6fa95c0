/* Children that hang or fail before they come to their target: the supervisor does not wait for them. */
#include "../support/service.h"
#include "supervisor_test.h"

/* An image that hangs: the constructor below stops it before main. */
static const char *const hanging[] = {"PRONG_TEST_HANGS=1", NULL};

__attribute__((constructor)) static void hang(void) {
    const char *value = getenv("PRONG_TEST_HANGS");
    if (!value) return;
    if (*value == '2') _exit(3);
    for (;;) pause();
}

static prong_child_options hanging_child(struct duty *duty) {
    prong_child_options child = duty_child(duty, PRONG_START_SPAWN);
    child.process.environment = hanging;
    return child;
}

TEST(a_child_that_hangs_in_its_start_is_killed_and_could_not_be_started) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = hanging_child(&duty);
    child.process.start_timeout = PRONG_MS(100);
    prong_supervisor supervisor = make(
        &child, 1, &(prong_supervisor_options){.intensity = 2, .period = PRONG_SECONDS(60), .backoff = PRONG_MS(1)});
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(20)), PRONG_GAVE_UP);
    says("'Child-1' could not be started");
    says("within 0.1 s");
    says("after 2 restarts");
    equal(child_state(supervisor, 0).exitcode, PRONG_NO_RETURNCODE);
    equal(test_queue_size(log), 0);
}

TEST(an_image_that_ends_before_its_target_could_not_be_started) {
    prong_queue log = make_log();
    struct duty duty = duty_make(0, log);
    prong_child_options child = hanging_child(&duty);
    child.process.environment = (const char *const[]){"PRONG_TEST_HANGS=2", NULL};
    prong_supervisor supervisor = make(&child, 1, &(prong_supervisor_options){.intensity = -1});
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(20)), PRONG_GAVE_UP);
    says("could not be started (it ended before it came to its target)");
}

/* A start is no reason not to feed the watchdog, nor to miss the end of another child. */
TEST(the_watchdog_is_fed_and_ends_are_seen_while_a_child_hangs_in_its_start) {
    prong_queue log = make_log();
    struct duty quick = duty_make(0, log), slow = duty_make(1, log);
    prong_child_options children[] = {duty_child(&quick, PRONG_START_FORK), hanging_child(&slow)};
    int service = service_begin("40000");
    prong_supervisor supervisor =
        make(children, 2, &(prong_supervisor_options){.notify = true, .backoff = PRONG_MS(1)});
    for (int i = 0; i < 500 && child_state(supervisor, 1).phase != PRONG_CHILD_STARTING; i++)
        is(prong_supervisor_run(supervisor, PRONG_MS(10)), PRONG_TIMEOUT);
    expect_event(log, STARTED, 0);
    kill(child_state(supervisor, 0).pid, SIGKILL);
    for (int i = 0; i < 500 && !test_queue_size(log); i++)
        is(prong_supervisor_run(supervisor, PRONG_MS(10)), PRONG_TIMEOUT);
    expect_event(log, STARTED, 0); /* it did not wait for the other one */
    is(prong_supervisor_run(supervisor, PRONG_MS(200)), PRONG_TIMEOUT);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_STARTING);
    for (int i = 0; i < 3; i++) check(strcmp(service_hears(service), "WATCHDOG=1") == 0); /* and it is not READY */
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(child_state(supervisor, 1).exitcode, -SIGTERM);
}

/* A child starts when the one before it has begun. */
TEST(a_child_that_hangs_in_its_start_is_waited_for_by_those_after_it) {
    prong_queue log = make_log();
    struct duty slow = duty_make(0, log), next = duty_make(1, log);
    prong_child_options children[] = {hanging_child(&slow), duty_child(&next, PRONG_START_FORK)};
    prong_supervisor supervisor = make(children, 2, NULL);
    is(prong_supervisor_run(supervisor, PRONG_MS(100)), PRONG_TIMEOUT);
    equal(child_state(supervisor, 0).phase, PRONG_CHILD_STARTING);
    equal(child_state(supervisor, 1).phase, PRONG_CHILD_WAITING);
    is(prong_supervisor_start_child(supervisor, "Child-1", PRONG_MS(20)), PRONG_TIMEOUT);
    ok(prong_supervisor_remove_child(supervisor, "Child-1", PRONG_SECONDS(10)));
    drive_until(supervisor, log, 1);
    expect_event(log, STARTED, 1);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
}
