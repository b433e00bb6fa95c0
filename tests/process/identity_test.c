/* Processes that change what they are known by: their user, or the numbers by which a namespace knows them. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <prong/runtime.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- another user --- */

struct family {
    prong_queue pids;
    int method;
};

static int drop_rights_and_wait(void *argument, size_t size) {
    struct family *family = argument;
    int pid = getpid();
    (void)size;
    check(setgroups(0, NULL) == 0 && setgid(12345) == 0 && setuid(12345) == 0);
    ok(prong_queue_put(family->pids, &pid, sizeof pid, PRONG_SECONDS(10)));
    for (;;) pause();
    return 0;
}

static int start_daemon_and_wait(void *argument, size_t size) {
    struct family *family = argument;
    (void)size;
    start_daemon(family->method, drop_rights_and_wait, *family);
    for (;;) pause();
    return 0;
}

static void daemon_dies_with_its_parent(int method) {
    struct family family = {.method = method};
    int pid;
    ok(prong_queue_create(&family.pids, NULL));
    prong_process parent = start_with(PRONG_START_FORK, start_daemon_and_wait, family);
    ok(prong_queue_get(family.pids, &pid, sizeof pid, NULL, PRONG_SECONDS(10)));
    ok(prong_process_signal(parent, SIGKILL));
    equal(test_end(parent), -SIGKILL);
    bool gone = test_gone_within(pid, 5000);
    if (!gone) kill(pid, SIGKILL);
    check(gone);
}

METHOD_TEST(a_daemon_that_drops_its_rights_dies_with_its_parent) {
    if (getuid() != 0) test_skip("only root can become another user");
    daemon_dies_with_its_parent(method);
}

static int fork_server_pid(void) {
    prong_member members[16];
    size_t count;
    ok(prong_family_members(members, 16, &count));
    for (size_t i = 0; i < count; i++)
        if (strcmp(members[i].name, "forkserver") == 0) return members[i].pid;
    test_failed(__FILE__, __LINE__, "there is no fork server");
}

TEST(a_daemon_that_drops_its_rights_dies_with_its_fork_server) {
    struct family family = {.method = PRONG_START_FORKSERVER};
    int pid;
    if (getuid() != 0) test_skip("only root can become another user");
    ok(prong_queue_create(&family.pids, NULL));
    prong_process daemon = start_daemon(PRONG_START_FORKSERVER, drop_rights_and_wait, family);
    ok(prong_queue_get(family.pids, &pid, sizeof pid, NULL, PRONG_SECONDS(10)));
    check(kill(fork_server_pid(), SIGKILL) == 0);
    prong_status status = prong_process_join(daemon, PRONG_SECONDS(5));
    if (status < 0) kill(pid, SIGKILL);
    ok(status);
}

static bool write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return written;
}

static _Noreturn void map_users_of_parent(int told) {
    char byte, path[64];
    if (read(told, &byte, 1) != 1) _exit(1);
    snprintf(path, sizeof path, "/proc/%d/uid_map", (int)getppid());
    bool done = write_file(path, "0 100000 65536");
    snprintf(path, sizeof path, "/proc/%d/gid_map", (int)getppid());
    _exit(done && write_file(path, "0 100000 65536") ? 0 : 1);
}

/* Root in a namespace of its own, with users to become. A process that has left for it may not map them itself. */
static bool enter_user_namespace(void) {
    int ends[2], status;
    check(pipe(ends) == 0);
    pid_t helper = fork();
    if (helper == 0) {
        close(ends[1]);
        map_users_of_parent(ends[0]);
    }
    bool entered = getuid() == 0 && unshare(CLONE_NEWUSER) == 0 && write(ends[1], "", 1) == 1;
    close(ends[0]);
    close(ends[1]);
    check(waitpid(helper, &status, 0) == helper);
    return entered && status == 0 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0;
}

TEST(a_fork_servers_daemon_that_drops_its_rights_in_a_user_namespace_dies_with_its_parent) {
    if (!enter_user_namespace()) test_skip("no user namespace with several users can be had here");
    test_needs_own_program();
    daemon_dies_with_its_parent(PRONG_START_FORKSERVER);
}

/* --- other numbers: a namespace of pids that this process's children live in, and it does not --- */

struct shared {
    prong_lock lock;
    prong_event held, go_on;
    int method;
    int result; /* a pipe's end, or -1 */
};

static pid_t first_of_namespace;

/* Its first process must live for others to be made. */
static void leave_for_children(void) {
    if (getuid() != 0 || unshare(CLONE_NEWPID) != 0) test_skip("only root can have another namespace of pids");
    first_of_namespace = fork();
    if (first_of_namespace == 0)
        for (;;) pause();
}

/* What is left in it ends with it. */
static void end_namespace(void) {
    prong_stop_forkserver();
    check(kill(first_of_namespace, SIGKILL) == 0 && waitpid(first_of_namespace, NULL, 0) == first_of_namespace);
}

static struct shared make_shared(int method) {
    struct shared shared = {.method = method, .result = -1};
    ok(prong_lock_create(&shared.lock, NULL));
    ok(prong_event_create(&shared.held, NULL));
    ok(prong_event_create(&shared.go_on, NULL));
    return shared;
}

static int return_seven(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 7;
}

static int knows_itself_and_has_a_child(void *argument, size_t size) {
    struct shared *shared = argument;
    prong_process own;
    prong_process_state state;
    (void)size;
    ok(prong_current_process(&own));
    ok(prong_process_get_state(own, &state));
    check(strncmp(state.name, "Process-", 8) == 0);
    prong_process child = start_with(shared->method, return_seven, *shared);
    return test_end(child);
}

METHOD_TEST(children_in_another_pid_namespace_start_and_have_children) {
    struct shared shared = make_shared(method);
    leave_for_children();
    equal(test_end(start_with(method, knows_itself_and_has_a_child, shared)), 7);
    equal(test_end(start_daemon(method, knows_itself_and_has_a_child, shared)), 7);
    end_namespace();
}

static int hold_lock(void *argument, size_t size) {
    struct shared *shared = argument;
    (void)size;
    ok(prong_lock_acquire(shared->lock, PRONG_SECONDS(10)));
    ok(prong_event_set(shared->held));
    for (;;) prong_event_wait(shared->go_on, PRONG_SECONDS(60));
    return 0;
}

METHOD_TEST(a_lock_of_a_living_child_in_another_pid_namespace_is_its_own_and_of_a_dead_one_is_not) {
    struct shared shared = make_shared(method);
    leave_for_children();
    prong_process holder = start_with(method, hold_lock, shared);
    ok(prong_event_wait(shared.held, PRONG_SECONDS(10)));
    is(prong_lock_acquire(shared.lock, PRONG_MS(300)), PRONG_TIMEOUT);
    int pid = test_pid(holder);
    check(kill(pid, SIGKILL) == 0); /* the number is this process's own for it */
    is(prong_lock_acquire(shared.lock, PRONG_SECONDS(10)), PRONG_OWNER_DIED);
    equal(test_end(holder), -SIGKILL);
    ok(prong_lock_release(shared.lock));
    end_namespace();
}

static int try_lock(void *argument, size_t size) {
    struct shared *shared = argument;
    (void)size;
    return prong_lock_acquire(shared->lock, PRONG_MS(300)) == PRONG_TIMEOUT ? 3 : 4;
}

METHOD_TEST(a_lock_of_a_living_parent_is_its_own_for_children_in_another_pid_namespace) {
    struct shared shared = make_shared(method);
    leave_for_children();
    ok(prong_lock_acquire(shared.lock, PRONG_FOREVER));
    equal(test_end(start_with(method, try_lock, shared)), 3);
    ok(prong_lock_release(shared.lock));
    end_namespace();
}

static int take_lock_over(void *argument, size_t size) {
    struct shared *shared = argument;
    (void)size;
    ok(prong_event_set(shared->held));
    prong_status status = prong_lock_acquire(shared->lock, PRONG_SECONDS(15));
    char result = status == PRONG_OWNER_DIED ? 'y' : 'n';
    return write(shared->result, &result, 1) == 1 ? 0 : 1;
}

/* Nobody else looks: the parent is not in the library meanwhile. */
TEST(a_lock_of_a_dead_member_of_the_first_pid_namespace_is_taken_over_in_another) {
    if (getuid() != 0)
        test_skip("only root can have another namespace of pids"); /* before there is a process to leave behind */
    struct shared shared = make_shared(PRONG_START_FORK);
    int ends[2], pid;
    char result = 0;
    check(pipe(ends) == 0);
    shared.result = ends[1];
    prong_process holder = start_with(PRONG_START_FORK, hold_lock, shared);
    ok(prong_event_wait(shared.held, PRONG_SECONDS(10)));
    ok(prong_event_clear(shared.held));
    pid = test_pid(holder);
    leave_for_children();
    prong_process other = start_with(PRONG_START_FORK, take_lock_over, shared);
    ok(prong_event_wait(shared.held, PRONG_SECONDS(10)));
    test_sleep_ms(1500); /* the holder marks that it lives when it next looks around, ten times a second */
    check(kill(pid, SIGKILL) == 0);
    check(read(ends[0], &result, 1) == 1);
    equal(result, 'y');
    equal(test_end(other), 0);
    equal(test_end(holder), -SIGKILL);
    end_namespace();
}

/* A process of the host's own making: it joins by itself. */
TEST(a_forked_process_that_is_no_child_of_prongs_keeps_its_lock_in_another_pid_namespace) {
    struct shared shared = make_shared(PRONG_START_FORK);
    leave_for_children();
    pid_t pid = fork();
    if (pid == 0) _exit(hold_lock(&shared, sizeof shared));
    ok(prong_event_wait(shared.held, PRONG_SECONDS(10)));
    is(prong_lock_acquire(shared.lock, PRONG_MS(300)), PRONG_TIMEOUT);
    check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    is(prong_lock_acquire(shared.lock, PRONG_SECONDS(10)), PRONG_OWNER_DIED);
    end_namespace();
}

TEST(a_pool_says_why_it_cannot_be_made_when_children_live_in_another_pid_namespace) {
    prong_pool pool;
    leave_for_children();
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = 2}), PRONG_NO_PROCESSES);
#ifdef __GLIBC__
    says("in another namespace of pids cannot make threads");
#else /* musl says EAGAIN of whatever the kernel said */
    says("no thread to look after the workers");
#endif
    end_namespace();
}
