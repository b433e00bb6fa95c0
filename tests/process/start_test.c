/* Starts in a program that has its own ways: with SIGCHLD, with its streams, with descriptors. */
#include "../support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int return_three(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 3;
}

static int wait_for_ever(void *argument, size_t size) {
    (void)argument;
    (void)size;
    for (;;) pause();
    return 0;
}

/* --- children that the system or the host program reaps --- */

static void starts_succeed(int method) {
    int none = 0, code;
    for (int i = 0; i < (method == PRONG_START_SPAWN ? 50 : 500); i++)
        equal(test_end(start_with(method, return_three, none)), 3);
    prong_process child = start_with(method, wait_for_ever, none);
    is(prong_process_join(child, PRONG_MS(20)), PRONG_TIMEOUT);
    ok(prong_process_signal(child, SIGKILL));
    ok(prong_process_join(child, PRONG_SECONDS(10)));
    ok(prong_process_exitcode(child, &code));
    check(code == -SIGKILL || (method != PRONG_START_FORKSERVER && code == 255)); /* this one's parent is the server */
    ok(prong_process_destroy(child));
    test_arena_is_clean(0);
}

METHOD_TEST(starts_succeed_where_sigchld_is_ignored) {
    signal(SIGCHLD, SIG_IGN);
    starts_succeed(method);
}

METHOD_TEST(starts_succeed_where_children_are_not_to_become_zombies) {
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &action, NULL);
    starts_succeed(method);
}

static _Atomic bool over;

static void *reap_all(void *unused) {
    while (!over)
        if (waitpid(-1, NULL, WNOHANG) <= 0) sched_yield();
    return unused;
}

METHOD_TEST(starts_succeed_while_the_host_reaps_every_child_at_once) {
    pthread_t reaper;
    check(pthread_create(&reaper, NULL, reap_all, NULL) == 0);
    starts_succeed(method);
    over = true;
    pthread_join(reaper, NULL);
}

/* --- streams that other threads are in --- */

static void *read_a_line(void *line) {
    return fgets(line, 16, stdin);
}

METHOD_TEST(a_start_does_not_wait_for_a_thread_that_reads_standard_input) {
    int ends[2], none = 0;
    char line[16] = "";
    pthread_t reader;
    check(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    check(pthread_create(&reader, NULL, read_a_line, line) == 0);
    test_sleep_ms(100);
    equal(test_end(start_with(method, return_three, none)), 3);
    check(write(ends[1], "hello\n", 6) == 6);
    pthread_join(reader, NULL);
    check(strcmp(line, "hello\n") == 0);
}

static void *print_much(void *unused) {
    for (int i = 0; i < 20000; i++) printf("a line that nobody reads yet\n");
    return unused;
}

METHOD_TEST(a_start_does_not_wait_for_a_thread_that_prints_where_nobody_reads) {
    int ends[2], none = 0, output = dup(1);
    char text[4096];
    pthread_t printer;
    fflush(stdout);
    check(pipe(ends) == 0 && dup2(ends[1], 1) == 1);
    close(ends[1]);
    check(pthread_create(&printer, NULL, print_much, NULL) == 0);
    test_sleep_ms(100);
    prong_process child = start_with(method, return_three, none);
    ok(prong_process_join(child, PRONG_SECONDS(10)));
    size_t got = 0;
    ssize_t one;
    while (got < 20000 * 29 && (one = read(ends[0], text, sizeof text)) > 0) got += (size_t)one;
    pthread_join(printer, NULL);
    equal(got, 20000 * 29);
    check(dup2(output, 1) == 1);
    equal(test_end(child), 3);
}

/* Fully buffered: a copy in a child is that child's to write, if it wrote it. */
TEST(what_is_in_a_buffer_at_a_fork_start_is_written_once) {
    char path[] = "/tmp/prong-start-XXXXXX", text[64] = "";
    int none = 0, output = dup(1), fd = mkstemp(path);
    check(fd >= 0);
    unlink(path);
    FILE *file = fdopen(dup(fd), "w");
    fflush(stdout);
    check(dup2(fd, 1) == 1);
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    fprintf(stdout, "one ");
    fprintf(file, "two ");
    equal(test_end(start_with(PRONG_START_FORK, return_three, none)), 3);
    fclose(file);
    fflush(stdout);
    check(dup2(output, 1) == 1);
    check(pread(fd, text, sizeof text - 1, 0) > 0);
    check(strstr(text, "one ") && strstr(text, "two ") && strlen(text) == 8);
}

TEST(an_image_that_does_not_come_to_its_target_in_time_is_ended) {
    static char *const program[] = {(char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000", NULL};
    prong_process process;
    prong_process_options options = {.target_name = "none:none", .program = program, .start_timeout = PRONG_MS(200)};
    prong_document *document;
    ok(prong_document_open(&document, NULL));
    ok(prong_make_tuple(document, NULL, 0, &options.values));
    ok(prong_process_create(&process, &options));
    for (int tries = 0; tries < 2; tries++) {
        is(prong_process_start(process), PRONG_TIMEOUT);
        says("the child did not reach prong_main in the time given");
    }
    ok(prong_process_destroy(process));
    prong_document_close(document);
    test_arena_is_clean(0); /* and the test fails if a process is left */
}
