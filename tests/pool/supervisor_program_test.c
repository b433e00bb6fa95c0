/* Supervised programs: they know nothing of prong. */
#include "supervisor_test.h"

#include <fcntl.h>
#include <sys/prctl.h>

static char directory[] = "/tmp/prong-supervisor-XXXXXX";

static void make_directory(void) {
    check(mkdtemp(directory) != NULL);
}

static void remove_directory(void) {
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    check(system(command) == 0);
}

static prong_child_options shell(const char *const *arguments, int method) {
    return (prong_child_options){
        .program = arguments, .directory = directory, .process = {.method = (prong_start_method)method}};
}
#define SHELL(script, method) shell((const char *const[]){"sh", "-c", script, NULL}, method)

/* The number that a script has written. */
static int read_number(const char *name) {
    char path[120], text[32] = "";
    snprintf(path, sizeof path, "%s/%s", directory, name);
    for (int i = 0; i < 2000; i++, test_sleep_ms(5)) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
        if (fd >= 0) close(fd);
        if (size > 0 && text[size - 1] == '\n') return atoi(text);
    }
    test_failed(__FILE__, __LINE__, "no number in %s", path);
}

static prong_supervisor make_one(const prong_child_options *child, const prong_supervisor_options *options) {
    prong_supervisor supervisor;
    ok(prong_supervisor_create(&supervisor, child, 1, options));
    return supervisor;
}

/* Drives until the program is there. */
static int drive_to_pid(prong_supervisor supervisor) {
    for (int i = 0; i < 500; i++) {
        is(prong_supervisor_run(supervisor, PRONG_MS(10)), PRONG_TIMEOUT);
        if (child_state(supervisor, 0).pid) return child_state(supervisor, 0).pid;
    }
    test_failed(__FILE__, __LINE__, "the program has not started");
}

METHOD_TEST(a_program_runs_in_its_directory_and_environment_and_ends_by_sigterm) {
    make_directory();
    prong_child_options child = SHELL("trap 'echo 7 > bye; exit 3' TERM; echo $VALUE > value; echo $$ > pid; "
                                      "while :; do sleep 0.01; done",
                                      method);
    child.environment = (const char *const[]){"VALUE=42", "PATH=/usr/bin:/bin", NULL};
    prong_supervisor supervisor = make_one(&child, NULL);
    int pid = drive_to_pid(supervisor);
    equal(read_number("value"), 42);
    equal(read_number("pid"), pid);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(read_number("bye"), 7);
    equal(child_state(supervisor, 0).exitcode, 3);
    check(test_gone_within(pid, 2000));
    remove_directory();
}

METHOD_TEST(a_program_that_crashes_is_restarted) {
    make_directory();
    prong_child_options child = SHELL("test -f again && exec sleep 100; touch again; kill -SEGV $$", method);
    prong_supervisor supervisor = make_one(&child, &(prong_supervisor_options){.backoff = PRONG_MS(1)});
    for (int i = 0; i < 500 && !child_state(supervisor, 0).restarts; i++)
        is(prong_supervisor_run(supervisor, PRONG_MS(10)), PRONG_TIMEOUT);
    equal(child_state(supervisor, 0).exitcode, -SIGSEGV);
    drive_to_pid(supervisor);
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(child_state(supervisor, 0).exitcode, -SIGTERM);
    remove_directory();
}

METHOD_TEST(a_program_that_cannot_start_is_named) {
    make_directory();
    prong_child_options child = {.program = (const char *const[]){"/no/such/program", NULL},
                                 .process = {.method = (prong_start_method)method}};
    prong_supervisor supervisor = make_one(
        &child, &(prong_supervisor_options){.intensity = 1, .backoff = PRONG_MS(1), .period = PRONG_SECONDS(60)});
    is(prong_supervisor_run(supervisor, PRONG_SECONDS(15)), PRONG_GAVE_UP);
    says("'Child-1' could not be started");
    says("/no/such/program");
    equal(child_state(supervisor, 0).exitcode, 127);
    check(strstr(child_state(supervisor, 0).failure, "/no/such/program") != NULL);
    remove_directory();
}

METHOD_TEST(a_program_that_refuses_to_end_is_killed_after_its_grace) {
    make_directory();
    prong_child_options child = SHELL("trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done", method);
    child.grace = PRONG_MS(100);
    prong_supervisor supervisor = make_one(&child, NULL);
    drive_to_pid(supervisor);
    int pid = read_number("pid");
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    equal(child_state(supervisor, 0).exitcode, -SIGKILL);
    check(test_gone_within(pid, 2000));
    remove_directory();
}

/* --- processes that a program leaves behind --- */

#define LEAVES_ONE "(setsid sh -c 'echo $$ > left; exec sleep 100' &) ; "

METHOD_TEST(what_a_program_leaves_behind_is_ended_with_it) {
    make_directory();
    prong_child_options child = SHELL(LEAVES_ONE "exec sleep 100", method);
    child.end_descendants = true;
    prong_supervisor supervisor = make_one(&child, NULL);
    drive_to_pid(supervisor);
    int left = read_number("left");
    ok(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    check(kill(left, 0) != 0);
    remove_directory();
}

METHOD_TEST(a_program_that_forks_away_has_ended_and_so_does_what_it_left) {
    make_directory();
    prong_child_options child = SHELL(LEAVES_ONE "while ! test -s left; do sleep 0.01; done", method);
    child.end_descendants = true;
    child.restart = PRONG_RESTART_TEMPORARY;
    prong_supervisor supervisor = make_one(&child, NULL);
    ok(prong_supervisor_run(supervisor, PRONG_SECONDS(15)));
    equal(child_state(supervisor, 0).exitcode, 0);
    check(kill(read_number("left"), 0) != 0);
    remove_directory();
}

/* --- the death of the supervisor --- */

METHOD_TEST(the_death_of_a_supervisor_ends_its_programs) {
    make_directory();
    check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    prong_child_options child = SHELL("trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done", method);
    prong_supervisor supervisor = make_one(&child, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    int pid = read_number("pid");
    ok(prong_process_signal(boss, SIGKILL));
    check(test_gone_within(pid, 2000));
    test_end(boss); /* test_gone_within may have reaped it: its code is unknown */
    remove_directory();
}

METHOD_TEST(the_death_of_a_supervisor_ends_what_its_programs_left_behind) {
    make_directory();
    check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    prong_child_options child = SHELL(LEAVES_ONE "echo $$ > pid; exec sleep 100", method);
    child.end_descendants = true;
    prong_supervisor supervisor = make_one(&child, NULL);
    prong_process boss = start_with(method, run_supervisor, supervisor);
    int pid = read_number("pid"), left = read_number("left");
    ok(prong_process_signal(boss, SIGKILL));
    check(test_gone_within(pid, 2000) && test_gone_within(left, 2000));
    test_end(boss); /* test_gone_within may have reaped it: its code is unknown */
    remove_directory();
}
