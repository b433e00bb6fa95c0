/* The fork server's death, or its standstill, at any moment: no start runs twice, no join hangs, ends are known. */
#include "../support/test.h"

#include <poll.h>
#include <prong/runtime.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int wait_for_ever(void *argument, size_t size) {
    (void)argument;
    (void)size;
    for (;;) pause();
    return 0;
}

static int return_four(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 4;
}

/* 0 when there is none just now. */
static int server_pid(void) {
    prong_member members[64];
    size_t count;
    if (prong_family_members(members, 64, &count) < 0) return 0;
    for (size_t i = 0; i < count && i < 64; i++)
        if (strcmp(members[i].name, "forkserver") == 0) return members[i].pid;
    return 0;
}

static void kill_server(void) {
    int pid = server_pid();
    check(pid > 0);
    check(kill(pid, SIGKILL) == 0);
    for (int i = 0; i < 2000 && server_pid() == pid; i++) test_sleep_ms(5);
}

/* --- a server that is started ahead of its first child --- */

static int start_server(void) {
    ok(prong_start_forkserver());
    for (int i = 0; i < 2000 && server_pid() == 0; i++) test_sleep_ms(5);
    check(server_pid() > 0);
    return server_pid();
}

TEST(a_fork_server_that_was_started_ahead_starts_the_children_and_is_replaced_when_it_has_died) {
    int none = 0, pid = start_server();
    equal(start_server(), pid);
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_four, none)), 4);
    equal(server_pid(), pid);
    kill_server();
    check(start_server() != pid);
    kill_server(); /* before it was asked for anything */
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_four, none)), 4);
}

/* --- what belongs to a child stays with it, though another server runs --- */

static int exit_when_told(void *argument, size_t size) {
    char byte;
    (void)size;
    ok(prong_queue_get(*(prong_queue *)argument, &byte, 1, NULL, PRONG_SECONDS(20)));
    exit(7);
}

TEST(children_of_a_fork_server_that_died_are_joined_though_another_runs) {
    int none = 0;
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    prong_process killed = start_with(PRONG_START_FORKSERVER, wait_for_ever, none);
    prong_process leaves = start_with(PRONG_START_FORKSERVER, exit_when_told, queue);
    kill_server();
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_four, none)), 4);
    is(prong_process_join(killed, PRONG_MS(20)), PRONG_TIMEOUT);
    check(test_is_alive(killed));
    ok(prong_process_signal(killed, SIGKILL));
    equal(test_end(killed), 255);
    ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
    equal(test_end(leaves), 255);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

static int leave_a_child_of_the_first_server(void *argument, size_t size) {
    prong_process child = start_with(PRONG_START_FORKSERVER, wait_for_ever, size);
    (void)argument;
    kill_server();
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_four, size)), 4);
    ok(prong_process_signal(child, SIGKILL));
    return 3; /* and joins the child first */
}

TEST(an_exit_ends_though_the_fork_server_of_a_child_has_died) {
    int none = 0;
    equal(test_end(start_with(PRONG_START_FORK, leave_a_child_of_the_first_server, none)), 3);
}

/* --- the sentinel --- */

static int end_somehow(void *argument, size_t size) {
    int how = *(int *)argument;
    (void)size;
    if (how == 0) return 5;
    if (how == 1) exit(6);
    if (how == 2) _exit(0);
    abort();
}

static void wait_for_sentinel(prong_process child) {
    int fd;
    ok(prong_process_sentinel(child, &fd));
    struct pollfd end = {.fd = fd, .events = POLLIN};
    equal(poll(&end, 1, 10000), 1);
}

METHOD_TEST(an_end_is_known_to_whoever_has_seen_the_sentinel_readable) {
    const int codes[] = {5, 6, 0, -SIGABRT};
    for (int i = 0; i < 120; i++) {
        int how = i % 4, code = 1;
        prong_process child = start_with(method, end_somehow, how);
        wait_for_sentinel(child);
        if (i % 3 == 0) {
            ok(prong_process_exitcode(child, &code));
            equal(code, codes[how]);
        } else if (i % 3 == 1) {
            check(!test_is_alive(child));
        } else {
            ok(prong_process_join(child, PRONG_NOWAIT));
        }
        ok(prong_process_exitcode(child, &code));
        equal(code, codes[how]);
        ok(prong_process_destroy(child));
    }
    test_arena_is_clean(0);
}

TEST(an_end_is_known_though_the_fork_server_is_stopped) {
    int none = 0, code;
    prong_process child = start_with(PRONG_START_FORKSERVER, wait_for_ever, none);
    int pid = server_pid();
    check(kill(pid, SIGSTOP) == 0);
    ok(prong_process_signal(child, SIGKILL));
    wait_for_sentinel(child);
    ok(prong_process_exitcode(child, &code));
    equal(code, -SIGKILL);
    ok(prong_process_join(child, PRONG_NOWAIT));
    ok(prong_process_destroy(child));
    check(kill(pid, SIGCONT) == 0);
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_four, none)), 4);
}

static int keep_its_parent(void *argument, size_t size) {
    prong_queue *queues = argument;
    (void)size;
    start_with(PRONG_START_FORK, exit_when_told, queues[0]);
    ok(prong_queue_put(queues[1], "x", 1, PRONG_FOREVER));
    return 9; /* and joins the other first */
}

METHOD_TEST(who_is_killed_after_its_target_has_returned_was_killed) {
    prong_queue queues[2];
    char byte;
    for (int i = 0; i < 2; i++) ok(prong_queue_create(&queues[i], NULL));
    prong_process child = start_with(method, keep_its_parent, queues);
    ok(prong_queue_get(queues[1], &byte, 1, NULL, PRONG_SECONDS(10)));
    test_sleep_ms(100);
    ok(prong_process_signal(child, SIGKILL));
    wait_for_sentinel(child);
    equal(test_end(child), -SIGKILL);
    ok(prong_queue_put(queues[0], "x", 1, PRONG_FOREVER));
    test_sleep_ms(100);
}

/* --- a start that is given up, whose child lives on --- */

enum { ANSWER_TO_PRELOAD = 1, TASK_TO_CHILD, ANSWER_TO_START };
static const char STANDS_STILL[] = "PRONG_TEST_SERVER_STANDS_STILL";
static int sends_left;
static _Atomic bool sends_late;

/* In place of the C library's: a fork server stands still before it answers, or its client takes its time to ask. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (sends_left && --sends_left == 0) pause();
    if (sends_late) test_sleep_ms(300);
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* In the child, which is a member by now and has not reached its target: it outlives its server, and goes on when told. */
static void stay(int descriptor) {
    int pid = getpid();
    char byte;
    sends_left = 0;
    prctl(PR_SET_PDEATHSIG, 0);
    if (write(descriptor, &pid, sizeof pid) != sizeof pid || read(descriptor, &byte, 1) != 1) _exit(99);
}

static void prepare_server(void) {
    prong_set_runtime(&(prong_runtime){.take_handed = stay});
    if (getenv(STANDS_STILL)) sends_left = ANSWER_TO_START;
}

static void *start_it(void *process) {
    ok(prong_process_start(*(prong_process *)process));
    return NULL;
}

static int read_pid(int descriptor) {
    int pid;
    check(read(descriptor, &pid, sizeof pid) == sizeof pid);
    return pid;
}

static bool is_member(int pid) {
    prong_member members[16];
    size_t count;
    ok(prong_family_members(members, 16, &count));
    for (size_t i = 0; i < count; i++)
        if (members[i].pid == pid) return true;
    return false;
}

TEST(a_child_whose_start_was_given_up_is_a_member_until_it_is_dead) {
    int pair[2];
    pthread_t thread;
    prong_process process;
    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    ok(prong_set_forkserver_preload(NULL, 0, prepare_server));
    prong_set_runtime(&(prong_runtime){.handed = pair[1]});
    ok(prong_process_create(&process,
                            &(prong_process_options){.target = return_four, .method = PRONG_START_FORKSERVER}));
    setenv(STANDS_STILL, "1", 1);
    check(pthread_create(&thread, NULL, start_it, &process) == 0);
    int first = read_pid(pair[0]);
    unsetenv(STANDS_STILL);
    kill_server();
    int second = read_pid(pair[0]); /* of the next server: the start was tried once more */
    check(first != second && is_member(first) && is_member(second));
    check(write(pair[0], "x", 1) == 1 && write(pair[0], "x", 1) == 1);
    pthread_join(thread, NULL);
    equal(test_end(process), 4);
    for (int i = 0; i < 2000 && is_member(first); i++) test_sleep_ms(5);
    check(!is_member(first));
    close(pair[0]);
    close(pair[1]);
}

static int preloaded;

static void preload(void) {
    preloaded = 17;
}

static int return_preloaded(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return preloaded;
}

/* The server has forked one ahead by the time that it is told. */
TEST(children_find_the_preload_done_however_late_it_comes) {
    int none = 0;
    ok(prong_set_forkserver_preload(NULL, 0, preload));
    sends_late = true;
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_preloaded, none)), 17);
    sends_late = false;
}

/* --- killed forty times a second --- */

enum { STARTS_MOST = 20000, STORM_SECONDS = 4 };

struct storm {
    prong_shared_value runs; /* how often each start's target has run */
    int index;
};

static int count_a_run(void *argument, size_t size) {
    struct storm *storm = argument;
    void *runs;
    (void)size;
    ok(prong_shared_value_data(storm->runs, &runs, NULL));
    atomic_fetch_add(&((_Atomic int *)runs)[storm->index], 1);
    return 21;
}

static _Atomic bool over;

static void *kill_servers(void *kills) {
    while (!over) {
        int pid = server_pid();
        if (pid > 0 && kill(pid, SIGKILL) == 0) ++*(int *)kills;
        test_sleep_ms(25);
    }
    return NULL;
}

LONG_TEST(starts_succeed_while_fork_servers_are_killed_and_no_target_runs_twice, 120) {
    struct storm storm = {0};
    void *runs;
    int kills = 0, started = 0, failed = 0, code;
    bool began[STARTS_MOST] = {false};
    pthread_t killer;
    ok(prong_shared_value_create(&storm.runs, PRONG_TYPE_INT, STARTS_MOST, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    ok(prong_shared_value_data(storm.runs, &runs, NULL));
    check(pthread_create(&killer, NULL, kill_servers, &kills) == 0);
    int64_t end = test_now() + STORM_SECONDS * 1000000000ll;
    for (; storm.index < STARTS_MOST && test_now() < end; storm.index++) {
        prong_process child;
        ok(prong_process_create(
            &child, &(prong_process_options){.target = count_a_run,
                                             .argument = &storm,
                                             .argument_size = sizeof storm,
                                             .method = PRONG_START_FORKSERVER,
                                             .daemon = storm.index % 2 ? PRONG_DAEMON_YES : PRONG_DAEMON_NO}));
        prong_status status = prong_process_start(child);
        if (status < 0) {
            is(status, PRONG_START_FAILED);
            ok(prong_process_destroy(child));
            failed++;
            continue;
        }
        ok(prong_process_join(child, PRONG_SECONDS(20)));
        ok(prong_process_exitcode(child, &code));
        check(code == 21 || code == 255 || code == -SIGKILL);
        began[storm.index] = true;
        started++;
        ok(prong_process_destroy(child));
    }
    over = true;
    pthread_join(killer, NULL);
    printf("(%d kills, %d starts, %d of them failed) ", kills, started + failed, failed);
    check(kills > 10 && started > failed);
    test_sleep_ms(300); /* for one that would run late */
    for (int i = 0; i < storm.index; i++) {
        int times = ((_Atomic int *)runs)[i];
        check(times <= 1);
        check(began[i] || times == 0);
    }
    ok(prong_shared_value_destroy(storm.runs));
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_four, code)), 4);
    test_arena_is_clean(0);
}
