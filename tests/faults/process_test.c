/* Faults while processes are started and waited for, by each method; and other programs. */
#include "faults.h"
#include <signal.h>
#include <unistd.h>

static const prong_time SOON = PRONG_SECONDS(20);

static int give_back(void *argument, size_t size) {
    return size == sizeof(int) ? *(int *)argument : 1;
}

static int sleep_on(void *argument, size_t size) {
    (void)argument;
    (void)size;
    for (;;) pause();
    return 0;
}

static prong_process started(prong_start_method method, prong_target *target, prong_daemon daemon) {
    prong_process process;
    int seven = 7;
    prong_process_options options = {.target = target,
                                     .argument = &seven,
                                     .argument_size = sizeof(seven),
                                     .method = method,
                                     .daemon = daemon,
                                     .name = "tried"};
    sure(prong_process_create(&process, &options));
    sure(prong_process_start(process));
    return process;
}

static void start_and_join(prong_start_method method) {
    int code = -1, descriptor;
    prong_process_state state;
    prong_process process = started(method, give_back, PRONG_DAEMON_NO), active[4];
    size_t count;
    sure(prong_process_sentinel(process, &descriptor));
    sure(prong_process_get_state(process, &state));
    sure(prong_active_children(active, 4, &count));
    sure(prong_process_join(process, SOON));
    sure(prong_process_exitcode(process, &code));
    must_hold(code == 7);
    sure(prong_process_destroy(process));
    process = started(method, sleep_on, PRONG_DAEMON_YES);
    sure(prong_process_get_state(process, &state));
    must_hold(state.alive);
    sure(prong_process_signal(process, SIGKILL));
    sure(prong_process_join(process, SOON));
    sure(prong_process_exitcode(process, &code));
    /* 255: its fork server was given up meanwhile */
    must_hold(code == -SIGKILL || (method == PRONG_START_FORKSERVER && code == 255));
    sure(prong_process_destroy(process));
}

FAMILY_SCENARIO(processes_start_by_fork) {
    start_and_join(PRONG_START_FORK);
}

FAMILY_SCENARIO(processes_start_by_spawn) {
    start_and_join(PRONG_START_SPAWN);
}

FAMILY_SCENARIO(processes_start_by_a_fork_server) {
    start_and_join(PRONG_START_FORKSERVER);
}

static int add_values(prong_document *document, prong_value arguments, prong_value keywords) {
    int a, b;
    (void)document;
    (void)keywords;
    return prong_scan(arguments, "(ii)", &a, &b) ? 100 : a + b;
}

FAMILY_SCENARIO(processes_take_values) {
    prong_document *document;
    prong_process process;
    prong_value arguments;
    int code = -1;
    sure(prong_document_open(&document, NULL));
    sure(prong_build(document, &arguments, "(ii)", 3, 4));
    prong_process_options options = {.value_target = add_values, .values = arguments, .method = PRONG_START_FORK};
    sure(prong_process_create(&process, &options));
    sure(prong_process_start(process));
    sure(prong_process_join(process, SOON));
    sure(prong_process_exitcode(process, &code));
    must_hold(code == 7);
    sure(prong_process_destroy(process));
    prong_document_close(document);
}

SCENARIO(programs_run_and_their_output_is_read) {
    prong_completed completed = {0};
    prong_subprocess_options options = {.capture = true, .input = "in", .input_size = 2, .check = true};
    sure(prong_subprocess_run((const char *const[]){"/bin/sh", "-c", "cat; echo out; echo err >&2", NULL}, &completed,
                              &options, SOON));
    must_hold(completed.out.size == 6 && !memcmp(completed.out.data, "inout\n", 6));
    must_hold(completed.err.size == 4 && !memcmp(completed.err.data, "err\n", 4));
    prong_completed_clear(&completed);
    sure(prong_subprocess_run((const char *const[]){"true", NULL}, &completed, NULL, PRONG_FOREVER));
    must_hold(completed.returncode == 0);
    gives(prong_subprocess_run((const char *const[]){"/no/such/program", NULL}, NULL, NULL, PRONG_FOREVER),
          PRONG_NOT_FOUND);
}

SCENARIO(programs_are_stopped) {
    prong_popen *popen;
    int code = 0;
    prong_popen_options options = {
        .in = {.kind = PRONG_STREAM_PIPE}, .out = {.kind = PRONG_STREAM_PIPE}, .start_new_session = true};
    sure(prong_popen_open(&popen, (const char *const[]){"cat", NULL}, &options));
    prong_completed completed = {0};
    sure(prong_popen_communicate(popen, "text", 4, &completed, SOON));
    must_hold(completed.out.size == 4 && completed.returncode == 0);
    prong_completed_clear(&completed);
    sure(prong_popen_wait(popen, &code, SOON));
    must_hold(code == 0);
    sure(prong_popen_close(popen));
    sure(prong_popen_open(&popen, (const char *const[]){"sleep", "100", NULL}, &options));
    gives(prong_popen_wait(popen, &code, PRONG_MS(1)), PRONG_TIMEOUT);
    prong_stop_plan plan = {.terminate = SOON, .kill = SOON, .group = true};
    sure(prong_popen_stop(popen, &code, &plan));
    must_hold(code == -SIGTERM);
    sure(prong_popen_close(popen));
}
