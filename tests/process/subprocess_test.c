/* Other programs: starting, talking, ending, and all that may go wrong. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(command) ARGV("/bin/sh", "-c", command)

/* What Python's subprocess module calls call, check_call and check_output. */
static prong_status call_within(const char *const *argv, const prong_subprocess_options *options, int *code,
                                prong_time timeout) {
    prong_completed completed;
    prong_status status = prong_subprocess_run(argv, &completed, options, timeout);
    *code = completed.returncode;
    prong_completed_clear(&completed);
    return status;
}

static prong_status call(const char *const *argv, const prong_subprocess_options *options, int *code) {
    return call_within(argv, options, code, PRONG_FOREVER);
}

static prong_status check_call(const char *const *argv, const prong_subprocess_options *options) {
    prong_subprocess_options o = options ? *options : (prong_subprocess_options){0};
    o.check = true;
    return prong_subprocess_run(argv, NULL, &o, PRONG_FOREVER);
}

static prong_status check_output(const char *const *argv, const prong_subprocess_options *options,
                                 prong_completed *completed) {
    prong_subprocess_options o = options ? *options : (prong_subprocess_options){0};
    o.check = true;
    o.popen.out = PRONG_PIPE;
    return prong_subprocess_run(argv, completed, &o, PRONG_FOREVER);
}

static void prints(const char *const *argv, const prong_subprocess_options *options, const char *wanted) {
    prong_completed completed;
    ok(check_output(argv, options, &completed));
    equal(completed.returncode, 0);
    if (strcmp(completed.out.data, wanted) != 0)
        test_failed(__FILE__, __LINE__, "\"%s\" was printed, not \"%s\"", completed.out.data, wanted);
    equal(completed.out.size, strlen(wanted));
    prong_completed_clear(&completed);
    check(completed.out.data == NULL);
}

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

/* --- communicate --- */

static char pattern(size_t i) {
    return (char)(i * 2654435761u >> 13);
}

/* 256 MiB each way, in parts that fit no pipe. */
LONG_TEST(communicate_has_no_deadlock_at_any_size, 120) {
    const size_t sizes[] = {
        0, 1, 65535, 65536, 65537, 1 << 20, getenv("TEST_SMALL_ARENA") ? 1 << 22 : (size_t)256 << 20};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t size = sizes[s];
        char *input = malloc(size + 1);
        for (size_t i = 0; i < size; i++) input[i] = pattern(i);
        prong_completed completed;
        prong_subprocess_options options = {.input = input, .input_size = size, .capture = true};
        ok(prong_subprocess_run(ARGV("cat"), &completed, &options, PRONG_SECONDS(100)));
        equal(completed.returncode, 0);
        equal(completed.out.size, size);
        check(memcmp(completed.out.data, input, size) == 0 && completed.out.data[size] == 0);
        equal(completed.err.size, 0);
        prong_completed_clear(&completed);
        free(input);
    }
}

TEST(both_outputs_are_read_at_once) {
    prong_completed completed;
    const char *both = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; echo "
                       "0123456789012345678901234567890123456789 >&2; i=$((i+1)); done";
    ok(prong_subprocess_run(SH(both), &completed, &(prong_subprocess_options){.capture = true}, PRONG_FOREVER));
    equal(completed.out.size, 3000 * 41);
    equal(completed.err.size, 3000 * 41);
    prong_completed_clear(&completed);
}

TEST(input_that_is_not_read_is_dropped_without_a_signal) {
    static char input[1 << 20];
    signal(SIGPIPE, SIG_DFL); /* it would end us */
    prints(SH("head -c 5 >/dev/null; exec <&-; echo done"),
           &(prong_subprocess_options){.input = input, .input_size = sizeof input}, "done\n");
}

TEST(communicate_goes_on_after_a_timeout_and_loses_nothing) {
    prong_popen *popen;
    prong_completed completed;
    ok(prong_popen_open(&popen, SH("read a; echo 1; sleep 0.3; echo 2; read b; echo $a$b"),
                        &(prong_popen_options){.in = PRONG_PIPE, .out = PRONG_PIPE}));
    int timeouts = 0;
    prong_status status;
    while ((status = prong_popen_communicate(popen, "x\ny\n", 4, &completed, PRONG_MS(60))) == PRONG_TIMEOUT) {
        equal(completed.returncode, PRONG_NO_RETURNCODE);
        prong_completed_clear(&completed); /* of nothing */
        timeouts++;
    }
    equal(status, PRONG_OK);
    equal(completed.returncode, 0);
    check(completed.err.data == NULL);
    check(timeouts >= 2);
    check(strcmp(completed.out.data, "1\n2\nxy\n") == 0);
    prong_completed_clear(&completed);
    ok(prong_popen_close(popen));
}

TEST(a_program_can_be_talked_to_line_by_line) {
    prong_popen *popen;
    char answer[64];
    int code;
    ok(prong_popen_open(&popen, SH("while read line; do echo \"got $line\"; done; exit 4"),
                        &(prong_popen_options){.in = PRONG_PIPE, .out = PRONG_PIPE}));
    for (int i = 0; i < 3; i++) {
        check(write(prong_popen_pipe(popen, 0), "hello\n", 6) == 6);
        ssize_t n = read(prong_popen_pipe(popen, 1), answer, sizeof answer - 1);
        check(n == 10 && memcmp(answer, "got hello\n", 10) == 0);
    }
    is(prong_popen_wait(popen, &code, PRONG_NOWAIT), PRONG_TIMEOUT);
    equal(prong_popen_pipe(popen, 2), -1);
    ok(prong_popen_close_pipe(popen, 0));
    ok(prong_popen_wait(popen, &code, PRONG_SECONDS(5)));
    equal(code, 4);
    ok(prong_popen_close(popen));
}

/* The wall: the shell ends, or is killed, and a grandchild keeps its pipe. */
TEST(a_grandchild_with_the_pipe_does_not_keep_communicate) {
    prong_completed completed;
    int64_t before = test_now();
    ok(check_output(SH("echo first; sleep 15 & echo $!"), NULL, &completed));
    check(test_now() - before < PRONG_SECONDS(8));
    check(strncmp(completed.out.data, "first\n", 6) == 0);
    kill(atoi(completed.out.data + 6), SIGKILL);
    prong_completed_clear(&completed);
    prong_subprocess_options options = {.capture = true, .popen.start_new_session = true};
    is(prong_subprocess_run(SH("echo begun; sleep 15; true"), &completed, &options, PRONG_MS(200)), PRONG_TIMEOUT);
    says("ran for longer than 0.2 s");
    equal(completed.returncode, -SIGKILL);
    check(strcmp(completed.out.data, "begun\n") == 0);
    check(test_now() - before < PRONG_SECONDS(8));
    prong_completed_clear(&completed);
    /* and where that is wanted, the grandchild's output is waited for */
    prints(SH("(sleep 0.2; echo late) & echo early"), &(prong_subprocess_options){.popen.wait_for_eof = true},
           "early\nlate\n");
}

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

/* --- ending --- */

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
    ok(prong_popen_kill(popen));
    ok(prong_popen_terminate(popen));
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
        is(prong_popen_kill(popen), PRONG_NOT_CHILD);
        _exit(0);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0);
    ok(prong_popen_kill(popen));
    ok(prong_popen_wait(popen, NULL, PRONG_SECONDS(5)));
    ok(prong_popen_close(popen));
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
