/* Process: starting, ending, asking, by each start method. */
#include "../support/test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static int return_it(void *argument, size_t size) {
    check(size == sizeof(int));
    return *(int *)argument;
}

METHOD_TEST(the_exit_code_is_what_the_target_returns) {
    const int codes[] = {0, 7, 255, 300, -1}, seen[] = {0, 7, 255, 44, 255};
    for (int i = 0; i < 5; i++) equal(test_end(start_with(method, return_it, codes[i])), seen[i]);
    test_arena_is_clean(0);
}

static int call_exit(void *argument, size_t size) {
    (void)argument;
    (void)size;
    exit(9);
}

static int die_by_signal(void *argument, size_t size) {
    (void)size;
    raise(*(int *)argument);
    return 0;
}

METHOD_TEST(the_exit_code_tells_exit_and_signals) {
    int signals[] = {SIGKILL, SIGTERM, SIGSEGV, SIGABRT}, none = 0;
    equal(test_end(start_with(method, call_exit, none)), 9);
    for (int i = 0; i < 4; i++) equal(test_end(start_with(method, die_by_signal, signals[i])), -signals[i]);
}

static int wait_for_ever(void *argument, size_t size) {
    (void)argument;
    (void)size;
    for (;;) pause();
    return 0;
}

METHOD_TEST(terminate_kill_and_interrupt_end_it) {
    int none = 0, code, signals[] = {SIGTERM, SIGKILL, SIGINT};
    for (int i = 0; i < 3; i++) {
        prong_process child = start_with(method, wait_for_ever, none);
        check(test_is_alive(child));
        is(prong_process_exitcode(child, &code), PRONG_STILL_RUNNING);
        is(prong_process_join(child, PRONG_MS(30)), PRONG_TIMEOUT);
        is(prong_process_join(child, PRONG_NOWAIT), PRONG_TIMEOUT);
        ok(prong_process_signal(child, signals[i]));
        ok(prong_process_join(child, PRONG_SECONDS(10)));
        ok(prong_process_join(child, PRONG_SECONDS(10)));
        ok(prong_process_signal(child, signals[i])); /* of one that has ended: no error */
        check(!test_is_alive(child));
        equal(test_end(child), -signals[i]);
    }
}

METHOD_TEST(the_sentinel_is_readable_at_the_end) {
    int none = 0, fd;
    prong_process child = start_with(method, wait_for_ever, none);
    ok(prong_process_sentinel(child, &fd));
    struct pollfd end = {.fd = fd, .events = POLLIN};
    equal(poll(&end, 1, 20), 0);
    ok(prong_process_signal(child, SIGKILL));
    equal(poll(&end, 1, 10000), 1);
    equal(test_end(child), -SIGKILL);
}

struct report {
    prong_queue queue;
    char padding[100];
};

struct info {
    int pid, parent_pid;
    prong_process_state own, parent;
    char input[16];
};

static int report_self(void *argument, size_t size) {
    struct report *report = argument;
    struct info info = {.pid = getpid(), .parent_pid = getppid()};
    prong_process own, parent;
    check(size == sizeof *report && strcmp(report->padding, "as it was given") == 0);
    check((uintptr_t)argument % 64 == 0);
    ok(prong_current_process(&own));
    ok(prong_process_get_state(own, &info.own));
    ok(prong_parent_process(&parent));
    ok(prong_process_get_state(parent, &info.parent));
    is(prong_process_join(parent, PRONG_MS(10)), PRONG_TIMEOUT);
    is(prong_process_join(own, PRONG_MS(10)), PRONG_INVALID);
    says("itself");
    check(fgets(info.input, sizeof info.input, stdin) == NULL); /* /dev/null */
    return prong_queue_put(report->queue, &info, sizeof info, PRONG_FOREVER);
}

METHOD_TEST(a_child_knows_itself_and_its_parent) {
    struct report report = {.padding = "as it was given"};
    struct info info;
    prong_process child, listed;
    size_t count;
    prong_process_state state;
    ok(prong_queue_create(&report.queue, NULL));
    ok(prong_process_create(&child, &(prong_process_options){.target = report_self,
                                                             .argument = &report,
                                                             .argument_size = sizeof report,
                                                             .method = method,
                                                             .name = "first",
                                                             .daemon = PRONG_DAEMON_YES}));
    ok(prong_process_get_state(child, &state));
    check(strcmp(state.name, "first") == 0 && state.daemon && !state.alive && state.pid == 0);
    memset(&report.padding, 0, sizeof report.padding); /* the child has its copy */
    ok(prong_process_start(child));
    ok(prong_active_children(&listed, 1, &count));
    ok(prong_queue_get(report.queue, &info, sizeof info, NULL, PRONG_SECONDS(10)));
    int pid = test_pid(child);
    equal(info.pid, pid);
    check(info.pid != getpid());
    equal(info.own.pid, pid);
    equal(info.parent.pid, getpid());
    if (method != PRONG_START_FORKSERVER) equal(info.parent_pid, getpid());
    check(strcmp(info.own.name, "first") == 0 && strcmp(info.parent.name, "MainProcess") == 0);
    check(info.own.daemon && info.own.alive && info.parent.alive && !info.parent.daemon);
    ok(prong_process_join(child, PRONG_SECONDS(10)));
    ok(prong_process_get_state(child, &state));
    check(!state.alive && state.pid == pid);
    equal(test_end(child), 0);
    is(prong_process_get_state(child, &state), PRONG_STALE);
    ok(prong_active_children(&listed, 1, &count));
    equal(count, 0);
    ok(prong_current_process(&child));
    ok(prong_process_get_state(child, &state));
    check(strcmp(state.name, "MainProcess") == 0 && state.alive && state.pid == getpid());
    is(prong_parent_process(&child), PRONG_NOT_CHILD);
}

struct counter {
    prong_queue queue;
    int by;
};

static int run_counter(void *argument, size_t size) {
    struct counter *counter = argument;
    prong_process self;
    prong_process_state state;
    equal(size, sizeof *counter);
    ok(prong_current_process(&self));
    ok(prong_process_get_state(self, &state));
    check(strcmp(state.name, "Counter") == 0);
    counter->by *= 2;
    ok(prong_queue_put(counter->queue, counter, sizeof *counter, PRONG_FOREVER));
    return counter->by;
}

METHOD_TEST(a_target_gets_its_own_struct_and_its_own_handle) {
    struct counter counter = {.by = 21};
    prong_process child;
    ok(prong_queue_create(&counter.queue, NULL));
    ok(prong_process_create(&child, &(prong_process_options){.target = run_counter,
                                                             .argument = &counter,
                                                             .name = "Counter",
                                                             .argument_size = sizeof counter,
                                                             .method = method}));
    ok(prong_process_start(child));
    equal(test_end(child), 42);
    equal(counter.by, 21);
    ok(prong_queue_get(counter.queue, &counter, sizeof counter, NULL, PRONG_NOWAIT));
    equal(counter.by, 42);
}

METHOD_TEST(wrong_uses_are_named) {
    prong_process child, other;
    int zero = 0, code, fd;
    prong_process_options options = {
        .target = return_it, .argument = &zero, .argument_size = sizeof zero, .method = method};
    is(prong_process_create(&child, NULL), PRONG_INVALID);
    is(prong_process_create(&child, &(prong_process_options){0}), PRONG_INVALID);
    says("neither");
    is(prong_process_create(&child, &(prong_process_options){.target = return_it, .target_name = ":return_it"}),
       PRONG_INVALID);
    is(prong_process_create(&child, &(prong_process_options){.target = return_it, .argument_size = 4}), PRONG_INVALID);
    is(prong_process_create(&child, &(prong_process_options){.target = return_it, .method = 77}), PRONG_INVALID);
    says("77");
    is(prong_process_create(&child, &(prong_process_options){.target = return_it,
                                                             .name = "a name of far more than "
                                                                     "forty-seven bytes is too long for the table"}),
       PRONG_INVALID);
    is(prong_set_start_method(12), PRONG_INVALID);
    ok(prong_process_create(&child, &options));
    is(prong_process_join(child, PRONG_NOWAIT), PRONG_NOT_STARTED);
    is(prong_process_exitcode(child, &code), PRONG_NOT_STARTED);
    is(prong_process_signal(child, SIGTERM), PRONG_NOT_STARTED);
    is(prong_process_sentinel(child, &fd), PRONG_NOT_STARTED);
    check(!test_is_alive(child));
    ok(prong_process_start(child));
    is(prong_process_start(child), PRONG_ALREADY_STARTED);
    ok(prong_process_join(child, PRONG_SECONDS(10)));
    is(prong_process_start(child), PRONG_ALREADY_STARTED);
    ok(prong_process_destroy(child));
    is(prong_process_join(child, PRONG_NOWAIT), PRONG_STALE);
    is(prong_process_destroy(child), PRONG_STALE);
    child = start_with(method, wait_for_ever, zero);
    is(prong_process_destroy(child), PRONG_STILL_RUNNING);
    is(prong_process_signal(child, 4000), PRONG_INVALID);
    ok(prong_process_signal(child, SIGKILL));
    test_end(child);
    ok(prong_process_create(&other, &options));
    ok(prong_process_destroy(other)); /* never started */
    test_arena_is_clean(0);
}

static int start_the_parents(void *argument, size_t size) {
    prong_status status = prong_process_start(*(prong_process *)argument);
    (void)size;
    return status == PRONG_NOT_CHILD ? 0 : 1;
}

METHOD_TEST(only_the_creator_may_start_a_process_and_anybody_may_join_it) {
    int none = 0;
    prong_process child, helper;
    ok(prong_process_create(
        &child, &(prong_process_options){
                    .target = wait_for_ever, .argument = &none, .argument_size = sizeof none, .method = method}));
    helper = start_with(method, start_the_parents, child);
    equal(test_end(helper), 0);
    ok(prong_process_start(child));
    ok(prong_process_signal(child, SIGKILL));
    equal(test_end(child), -SIGKILL);
}

static int join_a_sibling(void *argument, size_t size) {
    prong_process sibling = *(prong_process *)argument;
    (void)size;
    check(test_is_alive(sibling));
    ok(prong_process_signal(sibling, SIGTERM));
    ok(prong_process_join(sibling, PRONG_SECONDS(10)));
    return 0;
}

METHOD_TEST(a_sibling_may_end_and_join_it) {
    int none = 0;
    prong_process child = start_with(method, wait_for_ever, none);
    prong_process sibling = start_with(method, join_a_sibling, child);
    equal(test_end(sibling), 0); /* first: to end the child here closes its handle */
    equal(test_end(child), -SIGTERM);
}

static void *join_it(void *process) {
    prong_status status = prong_process_join(*(prong_process *)process, PRONG_SECONDS(10));
    int code = 1;
    if (status >= 0) status = prong_process_exitcode(*(prong_process *)process, &code);
    return (void *)(intptr_t)(status == PRONG_OK && code == -SIGKILL);
}

METHOD_TEST(many_threads_may_join_one_process) {
    enum { THREADS = 8 };
    int none = 0;
    pthread_t threads[THREADS];
    void *good;
    prong_process child = start_with(method, wait_for_ever, none);
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, join_it, &child) == 0);
    test_sleep_ms(20);
    ok(prong_process_signal(child, SIGKILL));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &good);
        check(good != NULL);
    }
}

struct starting {
    int method;
    prong_process child;
};

static void *start_a_daemon(void *context) {
    struct starting *starting = context;
    int none = 0;
    starting->child = start_daemon(starting->method, wait_for_ever, none);
    return NULL;
}

METHOD_TEST(a_daemon_outlives_the_thread_that_started_it) {
    struct starting starting = {.method = method};
    pthread_t thread;
    check(pthread_create(&thread, NULL, start_a_daemon, &starting) == 0);
    pthread_join(thread, NULL);
    test_sleep_ms(100);
    check(test_is_alive(starting.child));
    ok(prong_process_signal(starting.child, SIGKILL));
    equal(test_end(starting.child), -SIGKILL);
}

static int nest(void *argument, size_t size) {
    int depth = *(int *)argument - 1;
    (void)size;
    return depth == 0 ? 1 : 1 + test_end(start_with(prong_get_start_method(), nest, depth));
}

METHOD_TEST(children_may_have_children_daemons_too) {
    int depth = 3;
    ok(prong_set_start_method((prong_start_method)method));
    equal(test_end(start_daemon(0, nest, depth)), 3);
}

static int inherited = 11;

static int tell_inherited(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return inherited;
}

METHOD_TEST(fork_inherits_what_the_parent_has_and_the_others_begin_afresh) {
    int none = 0;
    inherited = 66;
    equal(test_end(start_with(method, tell_inherited, none)), method == PRONG_START_FORK ? 66 : 11);
}

TEST(a_start_from_a_large_parent_does_not_copy_it) {
    size_t size = (size_t)1 << 30;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int zero = 0;
    memset(memory, 1, size);
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_it, zero)), 0);
    int64_t times[4] = {0};
    for (int by = 1; by < 4; by++)
        for (int i = 0; i < 5; i++) {
            int64_t before = test_now();
            equal(test_end(start_with(by, return_it, zero)), 0);
            times[by] += test_now() - before;
        }
    check(times[PRONG_START_FORKSERVER] < times[PRONG_START_FORK]);
    munmap(memory, size);
}

METHOD_TEST(a_thousand_starts_leave_nothing) {
    int zero = 0;
    equal(test_end(start_with(method, return_it, zero)), 0);
    int before = test_open_descriptors();
    prong_family_state first, last;
    ok(prong_family_check(&first));
    for (int i = 0; i < (method == PRONG_START_SPAWN ? 200 : 1000); i++)
        equal(test_end(start_with(method, return_it, zero)), 0);
    ok(prong_family_check(&last));
    equal(test_open_descriptors(), before);
    equal(last.used_bytes, first.used_bytes);
    equal(last.members, first.members);
}
