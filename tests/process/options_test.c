/* Options of processes and programs that make no sense: each is refused by the call that takes it, with a message that names it, and nothing
 * is left behind. */
#include "../support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int return_zero(void *argument, size_t size) {
    (void)argument, (void)size;
    return 0;
}

static int count_values(prong_document *document, prong_value arguments, prong_value keywords) {
    (void)document;
    return (int)prong_value_size(arguments) * 10 + (int)prong_value_size(keywords);
}

/* --- processes --- */

static void process_refused(const prong_process_options *options, const char *because) {
    prong_process process;
    is(prong_process_create(&process, options), PRONG_INVALID);
    says(because);
}

TEST(a_target_and_its_argument_are_of_one_kind) {
    prong_document *document;
    prong_value tuple, list, dict;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &tuple, "(i)", 1));
    ok(prong_build(document, &list, "[i]", 1));
    ok(prong_build(document, &dict, "{s:i}", "a", 1));
    process_refused(&(prong_process_options){.target = return_zero, .value_target = count_values}, "more than one of");
    process_refused(&(prong_process_options){.value_target = count_values, .target_name = ":f"}, "more than one of");
    process_refused(&(prong_process_options){.value_target = count_values, .argument = "x", .argument_size = 1},
                    "an argument of bytes for a target that is called with values");
    process_refused(&(prong_process_options){.target = return_zero, .values = tuple}, "see value_target");
    process_refused(&(prong_process_options){.target = return_zero, .keywords = dict}, "see value_target");
    process_refused(&(prong_process_options){.value_target = count_values, .values = list},
                    "must be a tuple, not list");
    process_refused(&(prong_process_options){.value_target = count_values, .keywords = tuple},
                    "must be a dict or None, not tuple");
    is(prong_process_create(NULL, &(prong_process_options){.target = return_zero}), PRONG_INVALID);
    says("no place for the handle");
    prong_document_close(document);
    test_arena_is_clean(0);
}

METHOD_TEST(a_target_is_called_with_values_and_keywords) {
    prong_document *document;
    prong_process_options options = {.value_target = count_values, .method = method};
    prong_process process;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &options.values, "(iii)", 1, 2, 3));
    ok(prong_build(document, &options.keywords, "{s:i}", "a", 1));
    ok(prong_process_create(&process, &options));
    prong_document_close(document); /* all that it points to was copied */
    ok(prong_process_start(process));
    equal(test_end(process), 31);
    test_arena_is_clean(0);
}

TEST(what_is_for_spawn_is_refused_by_other_methods) {
    char *const program[] = {"prong-worker", NULL}, *const nameless[] = {NULL}, *const empty[] = {"", NULL};
    const char *const variables[] = {"A=b", NULL}, *const no_name[] = {"=b", NULL}, *const no_value[] = {"A", NULL};
    for (int by = PRONG_START_FORK; by <= PRONG_START_FORKSERVER; by += 2) {
        prong_process_options options = {.target = return_zero, .method = (prong_start_method)by};
        options.program = program;
        process_refused(&options, "a program of its own is started by spawn, not by fork");
        options.program = NULL;
        options.environment = variables;
        process_refused(&options, "an environment of its own is for spawn, not for fork");
    }
    prong_process_options options = {.target = return_zero, .method = PRONG_START_SPAWN, .program = nameless};
    process_refused(&options, "a program without a name");
    options.program = empty;
    process_refused(&options, "a program without a name");
    options.program = NULL;
    options.environment = no_name;
    process_refused(&options, "=b");
    options.environment = no_value;
    process_refused(&options, "A");
    ok(prong_set_start_method(PRONG_START_SPAWN)); /* then it is by spawn without saying so */
    options.method = PRONG_START_DEFAULT;
    options.environment = variables;
    prong_process process;
    ok(prong_process_create(&process, &options));
    ok(prong_process_start(process));
    equal(test_end(process), 0);
    test_arena_is_clean(0);
}

TEST(numbers_that_are_none_of_an_enumeration_are_named) {
    process_refused(&(prong_process_options){.target = return_zero, .daemon = 9}, "daemon 9");
    process_refused(&(prong_process_options){.target = return_zero, .method = 9}, "method 9");
    is(prong_set_start_method((prong_start_method)-1), PRONG_INVALID);
    is(prong_set_start_method(PRONG_START_DEFAULT), PRONG_INVALID);
    check(strcmp(prong_start_method_name((prong_start_method)9), "no such method") == 0);
    check(strcmp(prong_start_method_name(PRONG_START_SPAWN), "spawn") == 0);
}

METHOD_TEST(a_name_has_a_limit) {
    prong_process process;
    prong_process_state state;
    static const char at_most[] = "a-name-of-forty-seven-bytes-which-fits-exactly-";
    prong_process_options options = {.target = return_zero, .method = method, .name = at_most};
    equal(strlen(at_most), 47);
    ok(prong_process_create(&process, &options));
    ok(prong_process_get_state(process, &state));
    check(strcmp(state.name, at_most) == 0);
    ok(prong_process_start(process));
    equal(test_end(process), 0);
    options.name = "a-name-of-forty-eight-bytes-which-is-one-too-many";
    process_refused(&options, "47 bytes");
}

TEST(no_children_is_an_answer_and_no_parent_too) {
    prong_process children[2], parent;
    size_t count = 7;
    ok(prong_active_children(children, 2, &count));
    equal(count, 0);
    is(prong_active_children(NULL, 2, &count), PRONG_INVALID);
    is(prong_parent_process(&parent), PRONG_NOT_CHILD);
    says("was not started by prong");
}

METHOD_TEST(children_beyond_the_lists_end_are_counted) {
    prong_process process[3], listed[2];
    size_t count;
    for (int i = 0; i < 3; i++) {
        ok(prong_process_create(&process[i], &(prong_process_options){.target = return_zero, .method = method}));
        ok(prong_process_start(process[i]));
    }
    ok(prong_active_children(listed, 0, &count));
    check(count <= 3);
    for (int i = 0; i < 3; i++) equal(test_end(process[i]), 0);
    ok(prong_active_children(listed, 2, &count));
    equal(count, 0);
}

/* --- programs --- */

static const char *const true_program[] = {"true", NULL};

static void program_refused(const prong_popen_options *options, prong_status wanted, const char *because) {
    prong_popen *popen = NULL;
    int before = test_open_descriptors();
    is(prong_popen_open(&popen, true_program, options), wanted);
    says(because);
    check(!popen);
    equal(test_open_descriptors(), before);
}

TEST(a_stream_that_cannot_be_is_named_and_those_before_it_are_closed) {
    const prong_stream talk = PRONG_PIPE;
    program_refused(&(prong_popen_options){.in = talk, .out = PRONG_FILE(NULL)}, PRONG_INVALID,
                    "stdout: a file without a path");
    program_refused(&(prong_popen_options){.in = talk, .out = talk, .err = PRONG_FILE("/no/such/directory/file")},
                    PRONG_NOT_FOUND, "stderr: file '/no/such/directory/file'");
    program_refused(&(prong_popen_options){.in = talk, .out = PRONG_DESCRIPTOR(-1)}, PRONG_INVALID,
                    "stdout: descriptor -1 is not open");
    program_refused(&(prong_popen_options){.in = PRONG_DESCRIPTOR(1000)}, PRONG_INVALID,
                    "stdin: descriptor 1000 is not open");
    program_refused(&(prong_popen_options){.out = PRONG_TO_STDOUT}, PRONG_INVALID,
                    "stdout cannot go where stdout goes");
    program_refused(&(prong_popen_options){.err = PRONG_STREAM(77, 0, NULL)}, PRONG_INVALID,
                    "stderr: there is no kind 77 of stream");
}

TEST(what_a_program_cannot_begin_with_is_named) {
    const int none[] = {4000}, usr1[] = {SIGUSR1}, closed[] = {1000};
    program_refused(&(prong_popen_options){.blocked_signals = usr1, .blocked_signal_count = 1}, PRONG_INVALID,
                    "blocked_signals without set_signal_mask");
    program_refused(&(prong_popen_options){.set_signal_mask = true, .blocked_signals = none, .blocked_signal_count = 1},
                    PRONG_INVALID, "there is no signal 4000 to block");
    program_refused(&(prong_popen_options){.directory = "/no/such/directory"}, PRONG_NOT_FOUND,
                    "start of 'true': directory '/no/such/directory'");
    program_refused(&(prong_popen_options){.set_process_group = true, .process_group = getppid() + 100000000},
                    PRONG_PERMISSION, "its session, group or user");
    prong_popen *popen = NULL;
    prong_status status =
        prong_popen_open(&popen, true_program, &(prong_popen_options){.pass_fds = closed, .pass_fd_count = 1});
    check(status < 0 && strstr(prong_error_message(), "start of 'true': its descriptors"));
}

TEST(no_program_is_an_error) {
    prong_popen *popen;
    is(prong_popen_open(&popen, NULL, NULL), PRONG_INVALID);
    is(prong_popen_open(NULL, true_program, NULL), PRONG_INVALID);
    is(prong_popen_open(&popen, (const char *const[]){NULL}, NULL), PRONG_INVALID);
    is(prong_popen_open(&popen, (const char *const[]){"", NULL}, NULL), PRONG_INVALID);
    says("popen: no program");
    ok(prong_popen_close(NULL));
    is(prong_popen_detach(NULL), PRONG_INVALID);
    is(prong_popen_signal(NULL, SIGTERM), PRONG_INVALID);
    is(prong_popen_wait(NULL, NULL, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_popen_stop(NULL, NULL, NULL), PRONG_INVALID);
    is(prong_popen_communicate(NULL, NULL, 0, NULL, PRONG_NOWAIT), PRONG_INVALID);
    is(prong_popen_sentinel(NULL, &(int){0}), PRONG_INVALID);
    is(prong_popen_close_pipe(NULL, 0), PRONG_INVALID);
    says("no program was started here");
    equal(prong_popen_pid(NULL), 0);
    equal(prong_popen_pipe(NULL, 0), -1);
}

TEST(a_running_program_refuses_what_it_was_not_opened_for) {
    prong_popen *popen;
    const prong_stop_plan plan = {.terminate = PRONG_SECONDS(10), .kill = PRONG_SECONDS(10), .group = true};
    prong_completed completed;
    int descriptor, code;
    ok(prong_popen_open(&popen, (const char *const[]){"sleep", "60", NULL}, &(prong_popen_options){.out = PRONG_PIPE}));
    is(prong_popen_close(popen), PRONG_STILL_RUNNING);
    says("'sleep'");
    is(prong_popen_close_pipe(popen, 3), PRONG_INVALID);
    is(prong_popen_close_pipe(popen, -1), PRONG_INVALID);
    says("there is no stream -1");
    equal(prong_popen_pipe(popen, -1), -1);
    equal(prong_popen_pipe(popen, 3), -1);
    is(prong_popen_communicate(popen, "in", 2, &completed, PRONG_NOWAIT), PRONG_INVALID);
    says("its stdin is no pipe");
    is(prong_popen_stop(popen, NULL, &plan), PRONG_INVALID);
    says("no process group of its own");
    is(prong_popen_signal(popen, 4000), PRONG_INVALID);
    says("signal 4000 to 'sleep'");
    ok(prong_popen_sentinel(popen, &descriptor));
    check(fcntl(descriptor, F_GETFD) >= 0);
    ok(prong_popen_stop(popen, &code, NULL));
    equal(code, -SIGTERM);
    ok(prong_popen_signal(popen, SIGTERM)); /* it has ended: there is nothing to tell it */
    ok(prong_popen_stop(popen, &code, NULL));
    ok(prong_popen_close(popen));
}

TEST(a_run_that_captures_what_goes_elsewhere_is_refused) {
    prong_completed completed;
    prong_subprocess_options options = {.capture = true, .popen.out = PRONG_NULL};
    is(prong_subprocess_run(true_program, &completed, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("stdout");
    options = (prong_subprocess_options){.input = "x", .input_size = 1, .popen.in = PRONG_NULL};
    is(prong_subprocess_run(true_program, &completed, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("stdin");
    options = (prong_subprocess_options){.capture = true, .popen.err = PRONG_NULL};
    is(prong_subprocess_run(true_program, &completed, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("stderr");
    options = (prong_subprocess_options){.capture = true, .popen.err = PRONG_TO_STDOUT};
    ok(prong_subprocess_run((const char *const[]){"sh", "-c", "echo out; echo err >&2", NULL}, &completed, &options,
                            PRONG_SECONDS(10)));
    check(strcmp(completed.out.data, "out\nerr\n") == 0 && completed.err.size == 0);
    prong_completed_clear(&completed);
}
