/* Talking to other programs through pipes: input and outputs of any size, at once, and with limits of time. */
#include "subprocess_test.h"

#include <signal.h>
#include <unistd.h>

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

/* It closes its input and lives on: what is written then is refused. */
TEST(a_program_that_closes_its_input_is_listened_to_until_its_end) {
    static char input[1 << 20];
    prong_completed completed;
    const prong_subprocess_options options = {.input = input, .input_size = sizeof input, .capture = true};
    signal(SIGPIPE, SIG_DFL);
    ok(prong_subprocess_run(SH("exec <&-; echo first; sleep 0.2; echo last"), &completed, &options, PRONG_SECONDS(15)));
    check(strcmp(completed.out.data, "first\nlast\n") == 0);
    prong_completed_clear(&completed);
}

TEST(a_sigpipe_that_waits_for_the_host_is_left_to_it) {
    static char input[1 << 20];
    sigset_t pipe_alone, pending;
    prong_popen *popen;
    sigemptyset(&pipe_alone);
    sigaddset(&pipe_alone, SIGPIPE);
    check(sigprocmask(SIG_BLOCK, &pipe_alone, NULL) == 0);
    for (int waits = 0; waits < 2; waits++) {
        if (waits) raise(SIGPIPE);
        ok(prong_popen_open(&popen, SH("exec <&-; sleep 0.1"), &(prong_popen_options){.in = PRONG_PIPE}));
        ok(prong_popen_communicate(popen, input, sizeof input, NULL, PRONG_SECONDS(15))); /* nobody wants its code */
        ok(prong_popen_communicate(popen, NULL, 0, NULL, PRONG_NOWAIT));                  /* it has ended */
        ok(prong_popen_close(popen));
        check(sigpending(&pending) == 0);
        equal(sigismember(&pending, SIGPIPE), waits);
    }
}
