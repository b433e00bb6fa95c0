/* The death of the process that runs a supervisor: nothing of it outlives that. */
#include "supervisor_test.h"

#include <sys/prctl.h>
#include <sys/wait.h>

enum { KNOWN_WITHIN = 200, ROUNDS = 7, DOOMED = 5 }; /* milliseconds */

/* Orphans come to this process, so that their ends are seen (see test_gone_within). */
static void adopt(void) {
    check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
}

/* Busy machines: the time is measured from when the death is known, with room for the scheduler. */
static bool ends_soon(int pid) {
    return test_gone_within(pid, 10 * KNOWN_WITHIN);
}

METHOD_TEST(the_death_of_a_supervisor_ends_its_children) {
    prong_queue log;
    adopt();
    ok(prong_queue_create(&log, NULL));
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options children[] = {duty_child(&duties[0], method), duty_child(&duties[1], method)};
    children[1].process.target = refuse;
    prong_supervisor supervisor;
    ok(prong_supervisor_create(&supervisor, children, 2, NULL));
    prong_process boss = start_with(method, run_supervisor, supervisor);
    next_event(log), next_event(log);
    int first = await_phase(supervisor, 0, PRONG_CHILD_RUNNING).pid,
        second = await_phase(supervisor, 1, PRONG_CHILD_RUNNING).pid;
    ok(prong_process_signal(boss, SIGKILL));
    check(ends_soon(first) && ends_soon(second));
    test_end(boss); /* test_gone_within may have reaped it: its code is unknown */
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(5))); /* nobody runs it */
    equal(child_state(supervisor, 0).phase, PRONG_CHILD_DOWN);
    equal(child_state(supervisor, 0).pid, 0);
    drive_until(supervisor, log, 2); /* another process may go on with it */
    next_event(log), next_event(log);
    children[1].grace = 0;
    kill(child_state(supervisor, 1).pid, SIGKILL);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(15)));
    ok(prong_supervisor_destroy(supervisor));
}

/* A stop that waits learns of the death of the process that runs the supervisor. */
METHOD_TEST(a_stop_returns_when_the_supervisor_dies) {
    prong_queue log;
    adopt();
    ok(prong_queue_create(&log, NULL));
    struct duty duty = duty_make(0, log);
    prong_child_options child = duty_child(&duty, method);
    child.process.target = refuse;
    child.grace = PRONG_FOREVER;
    prong_supervisor supervisor;
    ok(prong_supervisor_create(&supervisor, &child, 1, NULL));
    prong_process boss = start_with(method, run_supervisor, supervisor);
    int pid = expect_event(log, STARTED, 0);
    is(prong_supervisor_stop(supervisor, PRONG_MS(50)), PRONG_TIMEOUT);
    ok(prong_process_signal(boss, SIGKILL));
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    check(ends_soon(pid));
    test_end(boss);
}

/* A child that runs a supervisor of its own. */
struct nested {
    prong_supervisor inner;
};

METHOD_TEST(nested_supervisors_end_with_the_outermost) {
    prong_queue log;
    adopt();
    ok(prong_queue_create(&log, NULL));
    struct duty duty = duty_make(0, log);
    prong_child_options leaf = duty_child(&duty, method);
    struct nested nested;
    prong_supervisor outer;
    ok(prong_supervisor_create(&nested.inner, &leaf, 1, &(prong_supervisor_options){.stop_on_signals = true}));
    prong_child_options middle = {.process = {.target = run_supervisor,
                                              .argument = &nested,
                                              .argument_size = sizeof nested,
                                              .method = (prong_start_method)method}};
    ok(prong_supervisor_create(&outer, &middle, 1, NULL));
    /* first, each in order */
    prong_process boss = start_with(method, run_supervisor, outer);
    expect_event(log, STARTED, 0);
    ok(prong_supervisor_stop(outer, PRONG_SECONDS(10)));
    expect_event(log, ENDED, 0);
    equal(child_state(outer, 0).exitcode, 0);
    equal(test_end(boss), 0);
    /* then all at once */
    boss = start_with(method, run_supervisor, outer);
    int pid = expect_event(log, STARTED, 0);
    ok(prong_process_signal(boss, SIGKILL));
    check(ends_soon(pid));
    test_end(boss); /* test_gone_within may have reaped it: its code is unknown */
}

/* --- how soon --- */

/* The one child of a process that has no other thread. */
static int only_child(int pid) {
    char path[60];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    for (int i = 0; i < 2000 && !child; i++, test_sleep_ms(2)) {
        FILE *file = fopen(path, "r");
        if (file && fscanf(file, "%d", &child) != 1) child = 0;
        if (file) fclose(file);
    }
    check(child > 0);
    return child;
}

/* Milliseconds until none of them is there any more. */
static int end_after_kill(prong_process boss, const int *pids) {
    int64_t begin = test_now();
    ok(prong_process_signal(boss, SIGKILL));
    for (int i = 0; i < DOOMED; i++)
        for (int looks = 0; kill(pids[i], 0) == 0; looks++) {
            check(looks < 10 * KNOWN_WITHIN);
            test_sleep_ms(1);
            while (waitpid(-1, NULL, WNOHANG) > 0) {}
        }
    return (int)((test_now() - begin) / PRONG_MS(1));
}

static int compare_ints(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* A function, a program, what that has started, a nested supervisor and its child. */
METHOD_TEST(what_a_killed_supervisor_ran_ends_within_200_ms) {
    int took[ROUNDS], pids[DOOMED];
    prong_supervisor inner, outer;
    adopt();
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options leaf = duty_child(&duties[0], method), children[3] = {duty_child(&duties[1], method)};
    leaf.process.target = children[0].process.target = refuse;
    ok(prong_supervisor_create(&inner, &leaf, 1, NULL));
    children[1] = (prong_child_options){
        .program = (const char *const[]){"sh", "-c", "trap '' TERM; sleep 1000 & exec sleep 1000", NULL},
        .end_descendants = true,
        .process = {.method = (prong_start_method)method}};
    children[2].process = (prong_process_options){.target = run_supervisor,
                                                  .argument = &inner,
                                                  .argument_size = sizeof inner,
                                                  .method = (prong_start_method)method};
    ok(prong_supervisor_create(&outer, children, 3, NULL));
    for (int round = 0; round < ROUNDS; round++) {
        prong_process boss = start_with(method, run_supervisor, outer);
        pids[0] = next_event(log).pid, pids[1] = next_event(log).pid;
        for (size_t i = 1; i < 3; i++) pids[1 + i] = await_phase(outer, i, PRONG_CHILD_RUNNING).pid;
        pids[4] = only_child(pids[2]);
        took[round] = end_after_kill(boss, pids);
        test_end(boss); /* it may have been reaped already: its code is unknown */
    }
    qsort(took, ROUNDS, sizeof *took, compare_ints);
    printf("# median %d ms, longest %d ms\n", took[ROUNDS / 2], took[ROUNDS - 1]);
    check(took[ROUNDS / 2] < KNOWN_WITHIN && took[ROUNDS - 1] < 10 * KNOWN_WITHIN);
}

/* The plans of children are the supervisor's, and not their creator's. */
static int create_and_leave(void *argument, size_t size) {
    struct duty *duty = argument;
    prong_child_options child = duty_child(duty, PRONG_START_SPAWN);
    prong_supervisor supervisor;
    (void)size;
    ok(prong_supervisor_create(&supervisor, &child, 1, NULL));
    ok(prong_queue_put(duty->log, &supervisor, sizeof supervisor, PRONG_SECONDS(5)));
    return 0;
}

METHOD_TEST(a_supervisor_outlives_the_process_that_created_it) {
    prong_queue log;
    size_t size;
    prong_supervisor supervisor;
    ok(prong_queue_create(&log, NULL));
    struct duty duty = duty_make(0, log);
    equal(test_end(start_with(method, create_and_leave, duty)), 0);
    ok(prong_queue_get(log, &supervisor, sizeof supervisor, &size, PRONG_SECONDS(5)));
    is(prong_supervisor_run(supervisor, PRONG_NOWAIT), PRONG_TIMEOUT);
    expect_event(log, STARTED, 0);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    ok(prong_supervisor_destroy(supervisor));
}
