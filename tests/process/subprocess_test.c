/* Other programs: what they are started with, how they end, and all that may go wrong. */
#define _GNU_SOURCE
#include "subprocess_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- codes --- */

static int codes(void *unused, size_t size) {
    int code = 99;
    (void)unused;
    (void)size;
    ok(call(ARGV("true"), NULL, &code));
    equal(code, 0);
    ok(call(SH("exit 7"), NULL, &code));
    equal(code, 7);
    ok(call(SH("kill -9 $$"), NULL, &code));
    equal(code, -SIGKILL);
    ok(check_call(ARGV("true"), NULL));
    is(check_call(SH("exit 3"), NULL), PRONG_COMMAND_FAILED);
    says("'/bin/sh' ended with 3");
    is(check_call(SH("kill -15 $$"), NULL), PRONG_COMMAND_FAILED);
    says("killed by signal 15");
    return 0;
}

TEST(return_codes_are_those_of_the_program_or_minus_its_signal) {
    codes(NULL, 0);
}

METHOD_TEST(children_of_each_start_method_run_programs) {
    int nothing = 0;
    equal(test_end(start_with(method, codes, nothing)), 0);
}

/* --- no return code --- */

TEST(a_return_code_is_none_where_there_is_none) {
    const char *const missing[] = {"/no/such/program", NULL};
    prong_completed completed = {.returncode = 0};
    prong_popen *popen;
    int code = 0;
    is(call(missing, NULL, &code), PRONG_NOT_FOUND);
    equal(code, PRONG_NO_RETURNCODE);
    is(prong_subprocess_run(missing, &completed, NULL, PRONG_FOREVER), PRONG_NOT_FOUND);
    equal(completed.returncode, PRONG_NO_RETURNCODE);
    code = 0;
    is(call(ARGV("true"), &(prong_subprocess_options){.input_size = 3}, &code), PRONG_INVALID);
    equal(code, PRONG_NO_RETURNCODE);
    is(call_within(ARGV("sleep", "1000"), NULL, &code, PRONG_MS(20)), PRONG_TIMEOUT);
    equal(code, -SIGKILL);
    ok(prong_popen_open(&popen, ARGV("sleep", "1000"), NULL));
    code = 0;
    is(prong_popen_wait(popen, &code, PRONG_NOWAIT), PRONG_TIMEOUT);
    equal(code, PRONG_NO_RETURNCODE);
    code = 0;
    is(prong_popen_wait(popen, &code, PRONG_MS(1)), PRONG_TIMEOUT);
    equal(code, PRONG_NO_RETURNCODE);
    code = 0;
    is(prong_popen_stop(popen, &code, &(prong_stop_plan){.wait = PRONG_MS(1)}), PRONG_TIMEOUT);
    equal(code, PRONG_NO_RETURNCODE);
    ok(prong_popen_stop(popen, &code, NULL));
    equal(code, -SIGTERM);
    ok(prong_popen_close(popen));
}

TEST(a_return_code_that_the_host_program_took_is_none) {
    int code = 0;
    signal(SIGCHLD, SIG_IGN);
    prong_status status = call(ARGV("true"), NULL, &code);
    check(status == PRONG_SYSTEM ? code == PRONG_NO_RETURNCODE : code == 0);
}

/* --- what keeps a program from starting --- */

TEST(what_keeps_a_program_from_starting_is_told_by_the_call) {
    int code, before = test_open_descriptors();
    is(call(ARGV("no-such-program-anywhere"), NULL, &code), PRONG_NOT_FOUND);
    says("start of 'no-such-program-anywhere'");
    is(call(ARGV("/no/such/program"), NULL, &code), PRONG_NOT_FOUND);
    is(call(ARGV("true"), &(prong_subprocess_options){.popen.directory = "/no/such/directory"}, &code),
       PRONG_NOT_FOUND);
    says("directory '/no/such/directory'");
    is(call(ARGV("/etc/passwd"), NULL, &code), PRONG_PERMISSION);
    is(call(ARGV("/"), NULL, &code), PRONG_PERMISSION);
    is(call(ARGV("true"), &(prong_subprocess_options){.popen.in = PRONG_FILE("/no/such/file")}, &code),
       PRONG_NOT_FOUND);
    says("stdin: file '/no/such/file'");
    is(call(ARGV("true"), &(prong_subprocess_options){.popen.out = PRONG_DESCRIPTOR(999)}, &code), PRONG_INVALID);
    says("stdout: descriptor 999");
    is(call(ARGV("true"), &(prong_subprocess_options){.popen.out = PRONG_TO_STDOUT}, &code), PRONG_INVALID);
    is(call(ARGV("true"), &(prong_subprocess_options){.popen.pass_fds = (int[]){998}, .popen.pass_fd_count = 1}, &code),
       PRONG_SYSTEM);
    says("its descriptors");
    is(call((const char *const[]){NULL}, NULL, &code), PRONG_INVALID);
    is(call(ARGV("cat"), &(prong_subprocess_options){.input = "x", .input_size = 1, .popen.in = PRONG_NULL}, &code),
       PRONG_INVALID);
    equal(test_open_descriptors(), before);
    check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* nothing is left of the failed ones */
}

TEST(no_descriptors_and_no_processes_are_errors) {
    struct rlimit limit, few;
    int code;
    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = (rlim_t)test_open_descriptors() + 2;
    setrlimit(RLIMIT_NOFILE, &few);
    prong_completed completed;
    prong_status status =
        prong_subprocess_run(ARGV("true"), &completed, &(prong_subprocess_options){.capture = true}, PRONG_FOREVER);
    setrlimit(RLIMIT_NOFILE, &limit);
    equal(status, PRONG_NO_DESCRIPTORS);
    ok(call(ARGV("true"), NULL, &code));
}

/* --- what it is started with --- */

TEST(arguments_environment_directory_and_streams_are_as_given) {
    char path[] = "/tmp/prong-test-XXXXXX";
    prints(ARGV("echo", "a b", "", "c"), NULL, "a b  c\n");
    prints(SH("echo $COLOR"), &(prong_subprocess_options){.popen.environment = ARGV("COLOR=red", "PATH=/bin:/usr/bin")},
           "red\n");
    is(check_call(ARGV("true"), &(prong_subprocess_options){.popen.environment = ARGV("PATH=/nowhere")}),
       PRONG_NOT_FOUND);
    prints(ARGV("pwd"), &(prong_subprocess_options){.popen.directory = "/usr"}, "/usr\n");
    prints(ARGV("echo $1 $0", "zero", "one"), &(prong_subprocess_options){.popen.shell = true}, "one zero\n");
    prints(ARGV("other", "-c", "echo $0"), &(prong_subprocess_options){.popen.executable = "/bin/sh"}, "other\n");
    prints(SH("umask"), &(prong_subprocess_options){.popen = {.set_umask = true, .umask = 027}}, "0027\n");
    prints(ARGV("cat"), &(prong_subprocess_options){.input = "given", .input_size = 5}, "given");
    prints(SH("echo out; echo err >&2"), &(prong_subprocess_options){.popen.err = PRONG_TO_STDOUT}, "out\nerr\n");
    prints(SH("echo out; echo err >&2"), &(prong_subprocess_options){.popen.err = PRONG_NULL}, "out\n");
    check(close(mkstemp(path)) == 0);
    ok(check_call(ARGV("echo", "one"), &(prong_subprocess_options){.popen.out = PRONG_FILE(path)}));
    prong_stream more = PRONG_FILE(path);
    more.append = true;
    ok(check_call(ARGV("echo", "two"), &(prong_subprocess_options){.popen.out = more}));
    prints(ARGV("cat"), &(prong_subprocess_options){.popen.in = PRONG_FILE(path)}, "one\ntwo\n");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    prints(ARGV("cat"), &(prong_subprocess_options){.popen.in = PRONG_DESCRIPTOR(fd)}, "one\ntwo\n");
    close(fd);
    unlink(path);
}

TEST(stdout_and_stderr_may_change_places) {
    prong_completed completed;
    int pair[2];
    check(pipe2(pair, O_CLOEXEC) == 0);
    prong_subprocess_options options = {.popen = {.out = PRONG_DESCRIPTOR(2), .err = PRONG_DESCRIPTOR(pair[1])}};
    ok(prong_subprocess_run(SH("echo to-err >&2"), &completed, &options, PRONG_FOREVER));
    close(pair[1]);
    char text[32] = "";
    check(read(pair[0], text, sizeof text - 1) > 0);
    check(strcmp(text, "to-err\n") == 0);
    close(pair[0]);
    prong_completed_clear(&completed);
}

TEST(it_has_the_descriptors_passed_and_no_others) {
    int open_here = dup(0), passed = fcntl(0, F_DUPFD_CLOEXEC, 40);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "0 1 2 %d ", passed);
    const char *list = "for f in /proc/self/fd/*; do n=${f##*/}; [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; true";
    prints(SH(list), NULL, "0 1 2 ");
    prints(SH(list), &(prong_subprocess_options){.popen.pass_fds = &passed, .popen.pass_fd_count = 1}, wanted);
    snprintf(wanted, sizeof wanted, "%d ", open_here);
    prong_completed completed;
    ok(check_output(SH(list), &(prong_subprocess_options){.popen.keep_fds = true}, &completed));
    check(strstr(completed.out.data, wanted) != NULL);
    prong_completed_clear(&completed);
    close(open_here);
    close(passed);
}

static void on_signal(int number) {
    (void)number;
}

TEST(signals_are_at_their_default_and_the_hosts_stay_as_they_are) {
    struct sigaction handler = {.sa_handler = on_signal}, now;
    for (int number = 1; number < 32; number++) signal(number, SIG_DFL); /* a shell's background job ignores SIGINT */
    sigaction(SIGUSR1, &handler, NULL);
    signal(SIGPIPE, SIG_IGN);
    prints(SH("cat /proc/self/status | grep -E 'Sig(Ign|Cgt|Blk)' | tr -d '\\t'"), NULL,
           "SigBlk:0000000000000000\nSigIgn:0000000000000000\nSigCgt:0000000000000000\n");
    prints(SH("cat /proc/self/status | grep SigIgn | tr -d '\\t'"),
           &(prong_subprocess_options){.popen.keep_signals = true}, "SigIgn:0000000000001000\n");
    sigaction(SIGUSR1, NULL, &now);
    check(now.sa_handler == on_signal);
}

TEST(the_signal_mask_is_the_callers_or_as_asked) {
    const int blocked[] = {SIGHUP, SIGTERM}, none[] = {0}, beyond[] = {12345};
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    prints(SH("cat /proc/self/status | grep SigBlk | tr -d '\t'"), NULL, "SigBlk:0000000000000200\n");
    prong_subprocess_options options = {.popen.set_signal_mask = true};
    prints(SH("cat /proc/self/status | grep SigBlk | tr -d '\t'"), &options, "SigBlk:0000000000000000\n");
    options.popen.blocked_signals = blocked;
    options.popen.blocked_signal_count = 2;
    prints(SH("cat /proc/self/status | grep SigBlk | tr -d '\t'"), &options, "SigBlk:0000000000004001\n");
    pthread_sigmask(SIG_SETMASK, NULL, &usr1);
    check(sigismember(&usr1, SIGUSR1) && !sigismember(&usr1, SIGHUP));
    options.popen.blocked_signal_count = 1;
    options.popen.blocked_signals = none;
    is(check_call(ARGV("true"), &options), PRONG_INVALID);
    says("there is no signal 0 to block");
    options.popen.blocked_signals = beyond;
    is(check_call(ARGV("true"), &options), PRONG_INVALID);
    options.popen.set_signal_mask = false;
    is(check_call(ARGV("true"), &options), PRONG_INVALID);
    says("blocked_signals without set_signal_mask");
}

TEST(session_group_and_user_are_as_asked) {
    prong_popen *popen;
    ok(prong_popen_open(&popen, ARGV("sleep", "20"), &(prong_popen_options){.start_new_session = true}));
    equal(getsid(prong_popen_pid(popen)), prong_popen_pid(popen));
    ok(prong_popen_stop(popen, NULL, &(prong_stop_plan){.kill = PRONG_SECONDS(5)}));
    ok(prong_popen_close(popen));
    ok(prong_popen_open(&popen, ARGV("sleep", "20"), &(prong_popen_options){.set_process_group = true}));
    equal(getpgid(prong_popen_pid(popen)), prong_popen_pid(popen));
    ok(prong_popen_stop(popen, NULL, &(prong_stop_plan){.kill = PRONG_SECONDS(5)}));
    ok(prong_popen_close(popen));
    if (getuid() == 0) {
        gid_t groups[] = {7};
        prong_subprocess_options options = {.popen = {.set_user = true,
                                                      .user = 65534,
                                                      .set_group = true,
                                                      .group = 65533,
                                                      .extra_groups = groups,
                                                      .extra_group_count = 1}};
        prints(SH("id -u; id -g; id -G"), &options, "65534\n65533\n65533 7\n");
        equal(getuid(), 0);
    } else {
        is(check_call(ARGV("true"), &(prong_subprocess_options){.popen = {.set_user = true, .user = 0}}),
           PRONG_PERMISSION);
        says("user");
    }
}

/* --- ending --- */

/* Neither gone nor a zombie that init has yet to reap. */
static bool is_running(int pid) {
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *about = fopen(path, "r");
    if (about && fscanf(about, "%*d %*s %c", &state) != 1) state = 'Z';
    if (about) fclose(about);
    return state != 'Z';
}

TEST(the_whole_group_is_killed_on_timeout) {
    char path[] = "/tmp/prong-test-XXXXXX";
    check(close(mkstemp(path)) == 0);
    prong_completed completed;
    const char *const argv[] = {"/bin/sh", "-c", "sleep 30 & echo $! > $0; wait", path, NULL};
    is(prong_subprocess_run(argv, &completed, &(prong_subprocess_options){.popen.set_process_group = true},
                            PRONG_MS(300)),
       PRONG_TIMEOUT);
    prong_completed_clear(&completed);
    FILE *file = fopen(path, "r");
    int pid = 0;
    check(file && fscanf(file, "%d", &pid) == 1);
    fclose(file);
    unlink(path);
    for (int i = 0; i < 500 && is_running(pid); i++) test_sleep_ms(10);
    check(!is_running(pid));
}

TEST(a_stop_plan_waits_then_terminates_then_kills) {
    prong_popen *popen;
    int code;
    const prong_stop_plan plan = {.wait = PRONG_MS(50), .terminate = PRONG_MS(300), .kill = PRONG_SECONDS(5)};
    ok(prong_popen_open(&popen, SH("exit 2"), NULL));
    ok(prong_popen_wait(popen, NULL, PRONG_SECONDS(5)));
    ok(prong_popen_stop(popen, &code, &plan));
    equal(code, 2);
    ok(prong_popen_close(popen));
    ok(prong_popen_open(&popen, ARGV("sleep", "30"), NULL));
    ok(prong_popen_stop(popen, &code, &plan));
    equal(code, -SIGTERM);
    ok(prong_popen_close(popen));
    ok(prong_popen_open(&popen, SH("trap '' TERM; echo; while :; do sleep 0.05; done"),
                        &(prong_popen_options){.out = PRONG_PIPE}));
    char byte;
    check(read(prong_popen_pipe(popen, 1), &byte, 1) == 1);
    is(prong_popen_stop(popen, &code, &(prong_stop_plan){.terminate = PRONG_MS(50)}), PRONG_TIMEOUT);
    says("has outlived its stop");
    is(prong_popen_stop(popen, &code, &(prong_stop_plan){.kill = PRONG_MS(50), .group = true}), PRONG_INVALID);
    ok(prong_popen_stop(popen, &code, &plan));
    equal(code, -SIGKILL);
    ok(prong_popen_close(popen));
}

TEST(wait_times_out_and_signals_come_through) {
    prong_popen *popen;
    int code;
    ok(prong_popen_open(&popen, ARGV("sleep", "30"), NULL));
    int64_t before = test_now();
    is(prong_popen_wait(popen, &code, PRONG_MS(60)), PRONG_TIMEOUT);
    check(test_now() - before >= PRONG_MS(60));
    is(prong_popen_close(popen), PRONG_STILL_RUNNING);
    is(prong_popen_signal(popen, 12345), PRONG_INVALID);
    ok(prong_popen_signal(popen, SIGHUP));
    ok(prong_popen_wait(popen, &code, PRONG_SECONDS(5)));
    equal(code, -SIGHUP);
    ok(prong_popen_signal(popen, SIGKILL));
    ok(prong_popen_signal(popen, SIGTERM));
    ok(prong_popen_wait(popen, &code, PRONG_NOWAIT));
    equal(code, -SIGHUP);
    ok(prong_popen_close(popen));
    ok(prong_popen_close(NULL));
}

TEST(a_program_that_is_detached_runs_on_and_is_reaped_later) {
    prong_popen *popen;
    ok(prong_popen_open(&popen, SH("sleep 0.1"), NULL));
    int pid = prong_popen_pid(popen);
    ok(prong_popen_detach(popen));
    equal(kill(pid, 0), 0);
    for (int i = 0; i < 200 && kill(pid, 0) == 0; i++) {
        test_sleep_ms(10);
        ok(check_call(ARGV("true"), NULL));
    }
    check(kill(pid, 0) < 0);
}

TEST(a_host_that_reaps_it_is_told_that_nobody_knows_how_it_ended) {
    prong_popen *popen;
    int code;
    ok(prong_popen_open(&popen, ARGV("true"), NULL));
    check(waitpid(prong_popen_pid(popen), NULL, 0) > 0);
    is(prong_popen_wait(popen, &code, PRONG_SECONDS(5)), PRONG_SYSTEM);
    says("was reaped by the host program");
    ok(prong_popen_close(popen));
}

TEST(a_forked_child_cannot_use_its_parents_popen) {
    prong_popen *popen;
    ok(prong_popen_open(&popen, ARGV("sleep", "30"), NULL));
    pid_t pid = fork();
    if (pid == 0) {
        is(prong_popen_wait(popen, NULL, PRONG_NOWAIT), PRONG_NOT_CHILD);
        is(prong_popen_signal(popen, SIGKILL), PRONG_NOT_CHILD);
        is(prong_popen_detach(popen), PRONG_NOT_CHILD);
        is(prong_popen_close_pipe(popen, 0), PRONG_NOT_CHILD);
        is(prong_popen_stop(popen, NULL, NULL), PRONG_NOT_CHILD);
        ok(prong_popen_close(popen)); /* the copy */
        _exit(0);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0);
    ok(prong_popen_signal(popen, SIGKILL));
    ok(prong_popen_wait(popen, NULL, PRONG_SECONDS(5)));
    ok(prong_popen_close(popen));
}

static int run_a_program(void *argument, size_t size) {
    (void)argument, (void)size;
    return check_call(ARGV("true"), NULL) != PRONG_OK;
}

/* The child of a fork has a copy of the list of those that are to be reaped. */
TEST(a_forked_child_leaves_detached_programs_to_its_parent) {
    prong_popen *popen, *ended;
    int none = 0;
    ok(prong_popen_open(&ended, ARGV("true"), NULL));
    ok(prong_popen_wait(ended, NULL, PRONG_SECONDS(5)));
    ok(prong_popen_detach(ended));
    ok(prong_popen_open(&popen, ARGV("cat"), &(prong_popen_options){.in = PRONG_PIPE}));
    int input = dup(prong_popen_pipe(popen, 0)), pid = prong_popen_pid(popen);
    ok(prong_popen_detach(popen));
    equal(test_end(start_with(PRONG_START_FORK, run_a_program, none)), 0);
    close(input); /* its end */
    for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
        test_sleep_ms(10);
        ok(check_call(ARGV("true"), NULL));
    }
    check(kill(pid, 0) < 0);
}

TEST(a_program_writes_its_errors_where_we_print) {
    const prong_subprocess_options options = {.popen.err = PRONG_TO_STDOUT, .check = true};
    int ends[2], before = dup(1);
    char text[8] = "";
    check(pipe(ends) == 0 && dup2(ends[1], 1) == 1);
    prong_status status = prong_subprocess_run(SH("echo error >&2"), NULL, &options, PRONG_SECONDS(10));
    check(dup2(before, 1) == 1);
    ok(status);
    check(read(ends[0], text, sizeof text - 1) == 6 && strcmp(text, "error\n") == 0);
}

TEST(input_that_is_nowhere_is_refused_and_a_pipe_may_be_asked_for_twice) {
    prong_completed completed;
    prong_subprocess_options options = {.input_size = 4, .capture = true};
    is(prong_subprocess_run(ARGV("cat"), &completed, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("input");
    options = (prong_subprocess_options){.input = "text", .input_size = 4, .capture = true, .popen.in = PRONG_PIPE};
    ok(prong_subprocess_run(ARGV("cat"), &completed, &options, PRONG_SECONDS(10)));
    check(strcmp(completed.out.data, "text") == 0);
    prong_completed_clear(&completed);
}

TEST(a_program_joins_the_group_of_another) {
    prong_popen *first, *second;
    ok(prong_popen_open(&first, ARGV("sleep", "20"), &(prong_popen_options){.set_process_group = true}));
    int group = prong_popen_pid(first);
    ok(prong_popen_open(&second, ARGV("sleep", "20"),
                        &(prong_popen_options){.set_process_group = true, .process_group = group}));
    equal(getpgid(prong_popen_pid(second)), group);
    const prong_stop_plan plan = {.kill = PRONG_SECONDS(5), .group = true};
    is(prong_popen_stop(second, NULL, &plan), PRONG_INVALID); /* it is not its own */
    ok(prong_popen_stop(first, NULL, &plan));
    ok(prong_popen_wait(second, NULL, PRONG_SECONDS(5)));
    ok(prong_popen_close(first));
    ok(prong_popen_close(second));
}

TEST(a_program_is_sought_in_the_path_that_it_gets) {
    char directory[] = "/tmp/prong-path-XXXXXX";
    const char *const empty_part[] = {"PATH=/nowhere::/nowhere/else", NULL}, *const no_path[] = {"A=b", NULL};
    check(mkdtemp(directory) && chdir(directory) == 0);
    FILE *script = fopen("here", "w");
    check(script && fputs("#!/bin/sh\nexit 7\n", script) >= 0 && fclose(script) == 0 && chmod("here", 0755) == 0);
    int code;
    ok(call(ARGV("here"), &(prong_subprocess_options){.popen.environment = empty_part}, &code)); /* this directory */
    equal(code, 7);
    is(call(ARGV("here"), &(prong_subprocess_options){.popen.environment = no_path}, &code), PRONG_NOT_FOUND);
    ok(call(ARGV("true"), &(prong_subprocess_options){.popen.environment = no_path},
            &code)); /* the usual directories */
    check(unlink("here") == 0 && rmdir(directory) == 0);
}

static void *run_many(void *unused) {
    for (int i = 0; i < 60; i++) {
        int code;
        ok(call(SH("exit 5"), NULL, &code));
        equal(code, 5);
        is(call(ARGV("/no/such"), NULL, &code), PRONG_NOT_FOUND);
    }
    return unused;
}

TEST(threads_start_programs_at_the_same_time) {
    pthread_t threads[4];
    int before = test_open_descriptors();
    for (int i = 0; i < 4; i++) check(pthread_create(&threads[i], NULL, run_many, NULL) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    equal(test_open_descriptors(), before);
}
