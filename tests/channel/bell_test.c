/* Descriptors of queues and connections: readable exactly while there is something to take, in every process that has one. */
#define _GNU_SOURCE
#include "bell_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

METHOD_TEST(a_message_taken_by_another_process_leaves_no_descriptor_readable) {
    struct told t = tell_make();
    int fd;
    ok(prong_queue_fileno(t.queue, &fd));
    prong_process child = start_with(method, do_as_told, t);
    check(tell(t, 'f'));
    for (int i = 0; i < 20; i++) {
        check(!readable(fd) && !tell(t, 'r'));
        ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
        check(readable(fd) && tell(t, 'r'));
        check(tell(t, 'g'));
        check(!readable(fd) && !tell(t, 'r'));
        check(tell(t, 'p'));
        check(readable(fd) && tell(t, 'r'));
        ok(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT));
        check(!readable(fd) && !tell(t, 'r'));
    }
    tell(t, 'q');
    equal(test_end(child), 0);
}

METHOD_TEST(a_process_that_never_asked_for_a_descriptor_rings_and_silences) {
    struct told t = tell_make();
    int fd;
    prong_process child = start_with(method, do_as_told, t);
    check(tell(t, 'p')); /* it is there before the bell is */
    ok(prong_queue_fileno(t.queue, &fd));
    check(readable(fd));
    for (int i = 0; i < 20; i++) {
        check(tell(t, 'g'));
        check(!readable(fd));
        check(tell(t, 'p'));
        check(readable(fd));
    }
    tell(t, 'q');
    equal(test_end(child), 0);
}

static int show_readiness(void *argument, size_t size) {
    struct told *t = argument;
    int fd;
    (void)size;
    ok(prong_queue_fileno(t->queue, &fd));
    ok(prong_queue_put(t->replies, "1", 1, PRONG_FOREVER));
    check(becomes_readable(fd));
    ok(prong_queue_put(t->replies, "2", 1, PRONG_FOREVER));
    while (readable(fd)) test_sleep_ms(1);
    ok(prong_queue_put(t->replies, "3", 1, PRONG_FOREVER));
    check(becomes_readable(fd)); /* closed */
    return 0;
}

static void hear(prong_queue replies, int count, char wanted) {
    for (int i = 0; i < count; i++) {
        char reply;
        ok(prong_queue_get(replies, &reply, 1, NULL, PRONG_SECONDS(30)));
        equal(reply, wanted);
    }
}

/* More than one block of the list has. */
LONG_METHOD_TEST(seventy_processes_have_a_descriptor_for_one_queue, 60) {
    enum { HOLDERS = 70 };
    struct told t = tell_make();
    prong_process children[HOLDERS];
    for (int i = 0; i < HOLDERS; i++) children[i] = start_with(method, show_readiness, t);
    hear(t.replies, HOLDERS, '1');
    ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
    hear(t.replies, HOLDERS, '2');
    ok(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT));
    hear(t.replies, HOLDERS, '3');
    ok(prong_queue_shutdown(t.queue));
    for (int i = 0; i < HOLDERS; i++) equal(test_end(children[i]), 0);
    ok(prong_queue_destroy(t.queue));
    ok(prong_queue_destroy(t.orders));
    ok(prong_queue_destroy(t.replies));
    test_arena_is_clean(0);
}

static int hold_and_pause(void *argument, size_t size) {
    struct told *t = argument;
    int fd;
    (void)size;
    ok(prong_queue_fileno(t->queue, &fd));
    ok(prong_queue_put(t->replies, "1", 1, PRONG_FOREVER));
    pause();
    return 0;
}

LONG_METHOD_TEST(killed_holders_are_forgotten, 60) {
    struct told t = tell_make();
    prong_family_state before, after;
    int fd;
    for (int i = 0; i < 40; i++) {
        prong_process child = start_with(method, hold_and_pause, t);
        hear(t.replies, 1, '1');
        ok(prong_process_signal(child, SIGKILL));
        ok(prong_process_join(child, PRONG_SECONDS(10)));
        ok(prong_process_destroy(child));
        ok(prong_family_check(i == 20 ? &before : &after));
        ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
        ok(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT));
    }
    check(after.used_blocks <= before.used_blocks);
    ok(prong_queue_fileno(t.queue, &fd));
    check(!readable(fd));
    ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
    check(readable(fd));
}

METHOD_TEST(a_destroyed_queue_is_readable_forever_whatever_becomes_of_its_memory) {
    struct told t = tell_make();
    prong_process child = start_with(method, do_as_told, t);
    check(tell(t, 'f'));
    check(!tell(t, 'r'));
    ok(prong_queue_destroy(t.queue));
    check(tell(t, 'r'));
    for (int i = 0; i < 5; i++) {
        prong_queue next;
        int fd;
        ok(prong_queue_create(&next, NULL));
        ok(prong_queue_fileno(next, &fd));
        check(!readable(fd));
        ok(prong_queue_put(next, "x", 1, PRONG_NOWAIT));
        check(readable(fd));
        ok(prong_queue_get(next, &(char){0}, 1, NULL, PRONG_NOWAIT));
        check(!readable(fd));
        ok(prong_queue_destroy(next));
        check(tell(t, 'r'));
    }
    check(!tell(t, 'd')); /* stale: its descriptor is closed all the same */
    check(!tell(t, 'r'));
    tell(t, 'q');
    equal(test_end(child), 0);
}

METHOD_TEST(a_process_that_cannot_open_the_pipe_rings_all_the_same) {
    struct told t = tell_make();
    int fd;
    /* as root, nothing keeps a process from opening the pipe: so the other one has to have no rights */
    prong_process child = start_with(method, do_as_told, t);
    if (geteuid() != 0) check(prctl(PR_SET_DUMPABLE, 0) == 0);
    check(tell(t, 'u'));
    ok(prong_queue_fileno(t.queue, &fd));
    for (int i = 0; i < 5; i++) {
        check(!readable(fd));
        check(tell(t, 'p'));
        check(readable(fd));
        ok(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT));
    }
    check(!readable(fd));
    tell(t, 'q');
    equal(test_end(child), 0);
}

METHOD_TEST(a_holder_that_cannot_open_the_pipe_is_rung_all_the_same) {
    struct told t = tell_make();
    int fd;
    prong_process child = start_with(method, do_as_told, t);
    if (geteuid() != 0) check(prctl(PR_SET_DUMPABLE, 0) == 0);
    check(tell(t, 'u'));
    ok(prong_queue_fileno(t.queue, &fd));
    check(tell(t, 'f'));
    for (int i = 0; i < 5; i++) {
        check(!tell(t, 'g') && !tell(t, 'r'));
        ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
        check(tell(t, 'r') && readable(fd));
        ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
        check(tell(t, 'g') && tell(t, 'r') && readable(fd));
        check(tell(t, 'g'));
        check(!tell(t, 'g') && !tell(t, 'r'));
        is(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT), PRONG_EMPTY);
        check(!readable(fd));
        check(tell(t, 'p') && tell(t, 'r') && readable(fd)); /* its own */
        check(tell(t, 'g'));
        is(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT), PRONG_EMPTY);
    }
    tell(t, 'q');
    equal(test_end(child), 0);
}

/* --- forks --- */

TEST(a_forked_child_has_its_parents_descriptor) {
    struct told t = tell_make();
    int fd, again;
    ok(prong_queue_fileno(t.queue, &fd));
    pid_t child = fork();
    if (child == 0) {
        check(becomes_readable(fd));
        ok(prong_queue_put(t.replies, "1", 1, PRONG_FOREVER)); /* it joins the family */
        ok(prong_queue_fileno(t.queue, &again));
        equal(again, fd);
        while (readable(fd)) test_sleep_ms(1);
        ok(prong_queue_put(t.replies, "2", 1, PRONG_FOREVER));
        check(becomes_readable(fd));
        _exit(0);
    }
    ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
    hear(t.replies, 1, '1');
    ok(prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT));
    hear(t.replies, 1, '2');
    ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
    int status;
    check(waitpid(child, &status, 0) == child && status == 0);
    check(readable(fd));
}

static int poll_what_was_inherited(void *argument, size_t size) {
    struct told *t = argument;
    int fd;
    (void)size;
    ok(prong_queue_get(t->orders, &fd, sizeof fd, NULL, PRONG_SECONDS(10)));
    ok(prong_queue_put(t->replies, "1", 1, PRONG_FOREVER));
    check(becomes_readable(fd));
    ok(prong_queue_put(t->replies, "2", 1, PRONG_FOREVER));
    return 0;
}

struct left_bell {
    struct told told;
    int wait_ms; /* the child calls nothing of the library for so long */
};

/* It makes the bell, leaves it to its child, and ends. */
static int leave_a_bell(void *argument, size_t size) {
    struct left_bell *left = argument;
    int fd;
    (void)size;
    ok(prong_queue_fileno(left->told.queue, &fd));
    ok(prong_queue_put(left->told.orders, &fd, sizeof fd, PRONG_FOREVER));
    pid_t child = fork();
    if (child == 0) {
        test_sleep_ms(left->wait_ms);
        _exit(poll_what_was_inherited(&left->told, sizeof left->told));
    }
    return 0;
}

METHOD_TEST(a_descriptor_outlives_the_process_that_made_it_in_a_forked_child) {
    struct left_bell left = {tell_make(), 0};
    prong_process maker = start_with(method, leave_a_bell, left);
    hear(left.told.replies, 1, '1');
    equal(test_end(maker), 0);
    ok(prong_queue_put(left.told.queue, "x", 1, PRONG_NOWAIT));
    hear(left.told.replies, 1, '2');
}

METHOD_TEST(a_forked_child_joins_a_bell_that_went_with_its_parent) {
    for (int another = 0; another < 2; another++) {
        struct left_bell left = {tell_make(), 400};
        int fd;
        equal(test_end(start_with(method, leave_a_bell, left)), 0);
        if (another) ok(prong_queue_fileno(left.told.queue, &fd));
        hear(left.told.replies, 1, '1');
        test_sleep_ms(20);
        ok(prong_queue_put(left.told.queue, "x", 1, PRONG_NOWAIT));
        hear(left.told.replies, 1, '2');
        if (another) check(readable(fd));
    }
}

METHOD_TEST(a_forked_child_sees_what_was_put_before_it_joined) {
    struct left_bell left = {tell_make(), 400};
    equal(test_end(start_with(method, leave_a_bell, left)), 0);
    ok(prong_queue_put(left.told.queue, "x", 1, PRONG_NOWAIT));
    hear(left.told.replies, 1, '1');
    hear(left.told.replies, 1, '2');
}

/* --- signals --- */

static prong_queue handled;
static volatile sig_atomic_t handler_puts;

static void put_in_handler(int number) {
    (void)number;
    handler_puts += prong_queue_put(handled, "x", 1, PRONG_NOWAIT) == PRONG_OK;
}

METHOD_TEST(a_put_in_a_signal_handler_rings) {
    enum { PUTS = 300 };
    struct told t = tell_make();
    int fd, got = 0;
    ok(prong_queue_create(&handled, NULL));
    prong_process other = start_with(method, do_as_told, t);
    check(tell(t, 'f'));
    ok(prong_queue_fileno(handled, &fd));
    signal(SIGALRM, put_in_handler);
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    check(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (handler_puts < PUTS) {
        void *volatile block = malloc(100); /* interrupted in the middle of this, and of ringing another bell */
        prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT);
        prong_queue_get(t.queue, &(char){0}, 1, NULL, PRONG_NOWAIT);
        free(block);
    }
    check(setitimer(ITIMER_REAL, &never, NULL) == 0);
    for (char byte; becomes_readable(fd) && got < handler_puts;)
        got += prong_queue_get(handled, &byte, 1, NULL, PRONG_NOWAIT) == PRONG_OK;
    check(!readable(fd));
    check(!tell(t, 'r'));
    tell(t, 'q');
    equal(test_end(other), 0);
}

/* --- surroundings --- */

/* A program that closes descriptors it does not know, and opens files of its own there. */
TEST(a_number_that_became_the_programs_own_file_is_not_written_to) {
    enum { NUMBERS = 256 };
    struct told t = tell_make();
    bool open_before[NUMBERS];
    int fd, pipes[2], taken = 0;
    char byte;
    prong_process child = start_with(PRONG_START_FORK, do_as_told, t);
    check(tell(t, 'p') && tell(t, 'g'));
    check(pipe2(pipes, O_NONBLOCK) == 0);
    for (int i = 0; i < NUMBERS; i++) open_before[i] = fcntl(i, F_GETFD) >= 0;
    ok(prong_queue_fileno(t.queue, &fd));
    for (int i = 0; i < NUMBERS; i++)
        if (!open_before[i] && fcntl(i, F_GETFD) >= 0) taken += dup2(pipes[1], i) == i;
    check(taken > 0);
    for (int i = 0; i < 3; i++) {
        ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
        check(tell(t, 'g') && tell(t, 'p'));
        ok(prong_queue_get(t.queue, &byte, 1, NULL, PRONG_NOWAIT));
    }
    check(read(pipes[0], &byte, 1) < 0);
    int again;
    ok(prong_queue_fileno(t.queue, &again));
    check(again != fd && !readable(again));
    check(tell(t, 'p'));
    check(readable(again) && read(pipes[0], &byte, 1) < 0);
    ok(prong_queue_destroy(t.queue));
    for (int i = 0; i < NUMBERS; i++) taken -= !open_before[i] && fcntl(i, F_GETFD) >= 0;
    equal(taken, 0);
    tell(t, 'q');
    equal(test_end(child), 0);
}

TEST(all_descriptors_of_a_bell_are_given_back) {
    prong_queue queue;
    prong_connection ours, theirs;
    ok(prong_family_check(NULL));
    int before = test_open_descriptors(), fd;
    for (int i = 0; i < 100; i++) {
        ok(prong_queue_create(&queue, NULL));
        ok(prong_queue_fileno(queue, &fd));
        ok(prong_queue_destroy(queue));
        ok(prong_pipe_create(&ours, &theirs, NULL));
        ok(prong_connection_fileno(ours, &fd));
        ok(prong_connection_fileno(theirs, &fd));
        ok(prong_connection_close(ours));
        check(readable(fd)); /* the end */
        ok(prong_connection_close(theirs));
    }
    equal(test_open_descriptors(), before);
    test_arena_is_clean(0);
}

static int put_and_get(void *argument, size_t size) {
    prong_queue *queues = argument;
    (void)size;
    for (prong_queue queue; prong_queue_get(queues[0], &queue, sizeof queue, NULL, PRONG_FOREVER) >= 0;) {
        ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
        ok(prong_queue_put(queues[1], "x", 1, PRONG_NOWAIT));
    }
    int count = test_open_descriptors();
    check(count < 150);
    return 0;
}

METHOD_TEST(who_only_rings_keeps_no_pipes_of_bells_that_are_gone) {
    prong_queue queues[2], queue;
    int fd;
    char byte;
    for (int i = 0; i < 2; i++) ok(prong_queue_create(&queues[i], NULL));
    prong_process child = start_with(method, put_and_get, queues);
    for (int i = 0; i < 300; i++) {
        ok(prong_queue_create(&queue, NULL));
        ok(prong_queue_fileno(queue, &fd));
        ok(prong_queue_put(queues[0], &queue, sizeof queue, PRONG_FOREVER));
        check(becomes_readable(fd));
        ok(prong_queue_get(queues[1], &byte, 1, NULL, PRONG_SECONDS(10)));
        ok(prong_queue_destroy(queue));
    }
    ok(prong_queue_shutdown(queues[0]));
    equal(test_end(child), 0);
}
