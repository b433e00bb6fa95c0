/* What a process waits for when it exits, and what it does not. */
#include "../support/test.h"

#include <signal.h>
#include <unistd.h>

/* What each of these processes has; the queues are for handles and for messages. */
struct circle {
    prong_queue handles, ended;
    prong_process awaited;
    int method, length;
};

static int join_it_and_tell(void *argument, size_t size) {
    struct circle *circle = argument;
    (void)size;
    ok(prong_process_join(circle->awaited, PRONG_FOREVER));
    ok(prong_queue_put(circle->ended, "x", 1, PRONG_FOREVER));
    return 0;
}

/* A chain of processes that exit, each of which joins the next, and the last of which joins the first. */
static int begin_or_go_on(void *argument, size_t size) {
    struct circle *circle = argument;
    (void)size;
    if (circle->length == 0) return join_it_and_tell(argument, size);
    if (!circle->awaited.generation) ok(prong_current_process(&circle->awaited));
    circle->length--;
    test_start(circle->method, begin_or_go_on, circle, sizeof *circle, false);
    return 5;
}

METHOD_TEST(children_that_join_the_process_that_exits_do_not_keep_it) {
    for (int length = 1; length < 4; length++) {
        struct circle circle = {.method = method, .length = length};
        char byte;
        ok(prong_queue_create(&circle.ended, NULL));
        equal(test_end(start_with(method, begin_or_go_on, circle)), 5);
        ok(prong_queue_get(circle.ended, &byte, 1, NULL, PRONG_SECONDS(10)));
        ok(prong_queue_destroy(circle.ended));
    }
}

static int get_and_join(void *argument, size_t size) {
    struct circle *circle = argument;
    prong_process other;
    (void)size;
    ok(prong_queue_get(circle->handles, &other, sizeof other, NULL, PRONG_SECONDS(10)));
    ok(prong_process_join(other, PRONG_FOREVER));
    return 0;
}

static int start_some_that_join_one_another(void *argument, size_t size) {
    struct circle circle = *(struct circle *)argument;
    prong_process members[3];
    prong_queue handles[3];
    (void)size;
    for (int i = 0; i < circle.length; i++) {
        ok(prong_queue_create(&handles[i], NULL));
        circle.handles = handles[i];
        members[i] = start_with(circle.method, get_and_join, circle);
    }
    for (int i = 0; i < circle.length; i++) {
        ok(prong_queue_put(handles[i], &members[(i + 1) % circle.length], sizeof members[i], PRONG_FOREVER));
        ok(prong_queue_put(circle.ended, &members[i], sizeof members[i], PRONG_FOREVER));
    }
    return 6;
}

METHOD_TEST(children_that_join_one_another_do_not_keep_a_process_that_exits) {
    for (int length = 2; length < 4; length++) {
        struct circle circle = {.method = method, .length = length};
        ok(prong_queue_create(&circle.ended, NULL));
        equal(test_end(start_with(PRONG_START_FORK, start_some_that_join_one_another, circle)), 6);
        for (int i = 0; i < length; i++) {
            prong_process left;
            ok(prong_queue_get(circle.ended, &left, sizeof left, NULL, PRONG_SECONDS(10)));
            prong_status status = prong_process_signal(left, SIGKILL);
            check(status == PRONG_OK || (i > 0 && status == PRONG_STALE)); /* who joined the one before has ended */
        }
        ok(prong_queue_destroy(circle.ended));
    }
}

/* --- what is no circle --- */

static int wait_for_a_message(void *argument, size_t size) {
    struct circle *circle = argument;
    char byte;
    (void)size;
    ok(prong_queue_get(circle->handles, &byte, 1, NULL, PRONG_FOREVER));
    ok(prong_queue_put(circle->ended, "x", 1, PRONG_FOREVER));
    return 0;
}

/* With a time limit: this one goes on by itself. */
static int join_for_a_while(void *argument, size_t size) {
    struct circle *circle = argument;
    (void)size;
    is(prong_process_join(circle->awaited, PRONG_MS(1500)), PRONG_TIMEOUT);
    ok(prong_queue_put(circle->ended, "x", 1, PRONG_FOREVER));
    return 0;
}

static int start_a_chain(void *argument, size_t size) {
    struct circle circle = *(struct circle *)argument;
    (void)size;
    circle.awaited = start_with(circle.method, wait_for_a_message, circle);
    circle.awaited = start_with(circle.method, join_it_and_tell, circle);
    start_with(circle.method, join_it_and_tell, circle);
    ok(prong_current_process(&circle.awaited));
    start_with(circle.method, join_for_a_while, circle);
    return 7;
}

METHOD_TEST(children_that_wait_for_one_that_will_end_are_joined) {
    struct circle circle = {.method = method};
    char byte;
    ok(prong_queue_create(&circle.handles, NULL));
    ok(prong_queue_create(&circle.ended, NULL));
    prong_process parent = start_with(PRONG_START_FORK, start_a_chain, circle);
    is(prong_process_join(parent, PRONG_MS(2500)), PRONG_TIMEOUT);
    ok(prong_queue_put(circle.handles, "x", 1, PRONG_FOREVER));
    equal(test_end(parent), 7);
    for (int i = 0; i < 4; i++)
        ok(prong_queue_get(circle.ended, &byte, 1, NULL, PRONG_NOWAIT)); /* all had ended before */
    ok(prong_queue_destroy(circle.handles));
    ok(prong_queue_destroy(circle.ended));
}

/* --- exit handlers --- */

static int letters[2];

static void say(char letter) {
    check(write(letters[1], &letter, 1) == 1);
}
static void say_a(void) {
    say('a');
}
static void say_b(void) {
    say('b');
}
static void say_c(void) {
    say('c');
}

static int returns_three(void *argument, size_t size) {
    (void)argument, (void)size;
    atexit(say_c);
    return 3;
}

static int exits_three(void *argument, size_t size) {
    returns_three(argument, size);
    exit(3);
}

static int leaves_at_once(void *argument, size_t size) {
    returns_three(argument, size);
    _exit(3);
}

static void runs_handlers(prong_target *target, const char *wanted) {
    char said[8] = "";
    int nothing = 0;
    check(pipe(letters) == 0);
    equal(test_end(start_with(PRONG_START_FORK, target, nothing)), 3);
    close(letters[1]);
    check(read(letters[0], said, sizeof said - 1) >= 0);
    close(letters[0]);
    if (strcmp(said, wanted) != 0) test_failed(__FILE__, __LINE__, "\"%s\" was said, not \"%s\"", said, wanted);
}

/* The parent's own exit says nothing: it is by _exit. */
static int forks_with_handlers(void *argument, size_t size) {
    (void)argument, (void)size;
    atexit(say_a); /* before the first start, and after it */
    runs_handlers(returns_three, "");
    atexit(say_b);
    runs_handlers(returns_three, "");
    runs_handlers(exits_three, "cba");
    runs_handlers(leaves_at_once, "");
    _exit(0);
}

METHOD_TEST(a_forked_child_runs_exit_handlers_if_it_calls_exit_and_not_if_it_returns) {
    int nothing = 0;
    equal(test_end(start_with(method, forks_with_handlers, nothing)), 0);
}
