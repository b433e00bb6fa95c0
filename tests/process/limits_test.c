/* Out of descriptors, out of processes, out of address space; a program without prong_main; an unknown function. */
#include "../support/test.h"

#include <signal.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int return_zero(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

static void limit(int resource, rlim_t value) {
    struct rlimit limits;
    check(getrlimit(resource, &limits) == 0);
    limits.rlim_cur = value;
    check(setrlimit(resource, &limits) == 0);
}

METHOD_TEST(no_descriptors_left_is_an_error_and_leaves_nothing) {
    int none = 0, fds[64], count = 0;
    prong_process child;
    equal(test_end(start_with(method, return_zero, none)), 0);
    ok(prong_process_create(&child, &(prong_process_options){.target = return_zero, .method = method}));
    limit(RLIMIT_NOFILE, 40);
    while ((fds[count] = open("/dev/null", O_RDONLY)) >= 0) count++;
    int before = 40;
    is(prong_process_start(child), PRONG_NO_DESCRIPTORS);
    says("start of");
    prong_queue queue;
    int fd;
    ok(prong_queue_create(&queue, NULL)); /* needs none */
    is(prong_queue_fileno(queue, &fd), PRONG_NO_DESCRIPTORS);
    for (int i = 0; i < count; i++) close(fds[i]);
    check(test_open_descriptors() <= before - count + 1);
    ok(prong_process_start(child)); /* and now it can */
    equal(test_end(child), 0);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* Each fork copies what its parent has open. */
METHOD_TEST(ended_children_that_no_call_has_joined_hold_no_descriptors) {
    enum { COUNT = 60 };
    prong_process children[COUNT];
    int code, sentinel;
    equal(test_end(start_with(method, return_zero, (int){0})), 0);
    int before = test_open_descriptors();
    for (int i = 0; i < COUNT; i++) {
        children[i] = start_with(method, return_zero, i);
        int64_t limit = test_now() + PRONG_SECONDS(15);
        prong_process_state state = {.alive = true};
        while (state.alive && test_now() < limit) ok(prong_process_get_state(children[i], &state));
    }
    check(test_open_descriptors() <= before + COUNT / 4);
    ok(prong_process_sentinel(children[0], &sentinel));
    struct pollfd end = {.fd = sentinel, .events = POLLIN};
    equal(poll(&end, 1, 0), 1);
    for (int i = 0; i < COUNT; i++) {
        ok(prong_process_join(children[i], PRONG_SECONDS(15)));
        ok(prong_process_exitcode(children[i], &code));
        equal(code, 0);
        ok(prong_process_destroy(children[i]));
    }
    equal(test_open_descriptors(), before);
    test_arena_is_clean(0);
}

METHOD_TEST(no_processes_left_is_an_error_and_leaves_nothing) {
    int none = 0;
    prong_process child;
    struct rlimit before;
    if (getuid() == 0) test_become_another_user(); /* root has no such limit */
    check(getrlimit(RLIMIT_NPROC, &before) == 0);
    equal(test_end(start_with(method, return_zero, none)), 0);
    ok(prong_process_create(&child, &(prong_process_options){.target = return_zero, .method = method}));
    limit(RLIMIT_NPROC, 0);
    prong_status status = prong_process_start(child);
    if (method != PRONG_START_FORKSERVER) { /* a server started before is not under the new limit */
        check(status == PRONG_NO_PROCESSES);
        says("start of");
        limit(RLIMIT_NPROC, before.rlim_cur);
        ok(prong_process_start(child));
    }
    equal(test_end(child), 0);
    test_arena_is_clean(0);
}

TEST(a_limited_address_space_gives_a_smaller_arena_and_then_an_error) {
    prong_family_state state;
    limit(RLIMIT_AS, (rlim_t)4 << 30);
    ok(prong_family_check(&state));
    check(state.arena_size < (uint64_t)4 << 30 && state.arena_size >= (uint64_t)64 << 20);
    check(state.arena_size <= (uint64_t)2 << 30); /* half is the program's */
}

TEST(no_room_even_for_the_least_arena_is_an_error) {
    prong_queue queue;
    limit(RLIMIT_AS, (rlim_t)60 << 20);
    is(prong_queue_create(&queue, NULL), PRONG_NO_MEMORY);
    says("64 MiB");
}

TEST(the_arena_has_at_least_64_GiB_of_room) {
    prong_family_state state;
    ok(prong_family_check(&state));
    check(state.arena_size >= (uint64_t)64 << 30);
    check(state.touched_bytes < 8 << 20);
}

TEST(options_for_the_family_are_checked) {
    is(prong_family_create(&(prong_family_options){.arena_size = 1000}), PRONG_INVALID);
    ok(prong_family_create(NULL));
    is(prong_family_create(&(prong_family_options){.arena_size = 1 << 30}), PRONG_ALREADY_STARTED);
}

TEST(a_program_without_prong_main_gets_an_error_at_the_first_spawn) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        execl(NO_MAIN_PROGRAM, "no_main", NULL);
        _exit(98);
    }
    check(waitpid(pid, &status, 0) == pid);
    equal(WEXITSTATUS(status), 0);
}

/* prong's own shared object, and one of the user's that the static library is part of. */
TEST(a_library_that_is_unloaded_stays_for_its_threads) {
    static const char *const libraries[] = {PRONG_LIBRARY, CARRIER};
    for (int i = 0; i < 2; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            execl(UNLOADED_PROGRAM, "unloaded", libraries[i], NULL);
            _exit(98);
        }
        check(waitpid(pid, &status, 0) == pid);
        equal(status, 0);
    }
}

METHOD_TEST(a_function_of_a_library_loaded_by_hand_is_found) {
    void *library = dlopen(PLUGIN, RTLD_NOW);
    check(library != NULL);
    prong_target *answer = (prong_target *)dlsym(library, "plugin_answer");
    int none = 0;
    equal(test_end(start_with(method, answer, none)), 42);
}

METHOD_TEST(what_is_no_function_is_an_error) {
    static char data[1] = {0};
    prong_process child;
    prong_status status = prong_process_create(
        &child, &(prong_process_options){.target = (prong_target *)(uintptr_t)16, .method = method});
    if (method == PRONG_START_FORK) {
        ok(status); /* a pointer is a pointer, and the child dies of it */
        ok(prong_process_start(child));
        equal(test_end(child), -SIGSEGV);
    } else {
        check(status == PRONG_NO_FUNCTION);
    }
    (void)data;
}

TEST(forkserver_preload_loads_and_runs_first_and_its_failure_is_told) {
    const char *libraries[] = {PLUGIN}, *missing[] = {"libnot-there.so"};
    int none = 0;
    prong_process child;
    ok(prong_set_forkserver_preload(missing, 1, NULL));
    ok(prong_process_create(&child, &(prong_process_options){.target = return_zero, .method = PRONG_START_FORKSERVER}));
    is(prong_process_start(child), PRONG_NO_FUNCTION);
    says("libnot-there.so");
    ok(prong_set_forkserver_preload(libraries, 1, NULL));
    ok(prong_process_start(child));
    equal(test_end(child), 0);
    is(prong_set_forkserver_preload(libraries, 1, NULL), PRONG_ALREADY_STARTED);
    void *library = dlopen(PLUGIN, RTLD_NOW);
    equal(test_end(start_with(PRONG_START_FORKSERVER, (prong_target *)dlsym(library, "plugin_answer"), none)), 42);
}

/* --- the fork server's own limits --- */

static const char SLACK[] = "PRONG_TEST_SLACK";

/* In the fork server: so many descriptors more than it has. */
static void limit_descriptors(void) {
    int lowest_free = dup(0);
    close(lowest_free);
    limit(RLIMIT_NOFILE, (rlim_t)lowest_free + (rlim_t)atoi(getenv(SLACK)));
}

static void limit_processes(void) {
    limit(RLIMIT_NPROC, 0);
}

TEST(a_fork_server_out_of_descriptors_says_so_to_each_that_asks) {
    prong_process child;
    int started = 0, refused = 0;
    ok(prong_process_create(&child, &(prong_process_options){.target = return_zero, .method = PRONG_START_FORKSERVER}));
    for (int slack = 0; slack < 6; slack++) {
        char text[4];
        snprintf(text, sizeof text, "%d", slack);
        setenv(SLACK, text, 1);
        ok(prong_set_forkserver_preload(NULL, 0, limit_descriptors));
        prong_status status = prong_process_start(child);
        if (status < 0) { /* a child that did not begin leaves the process to be started */
            is(status, PRONG_NO_DESCRIPTORS);
            says("start of 'Process-1' by forkserver");
            refused++;
        } else {
            equal(test_end(child), 0);
            ok(prong_process_create(&child,
                                    &(prong_process_options){.target = return_zero, .method = PRONG_START_FORKSERVER}));
            started++;
        }
        prong_stop_forkserver();
    }
    check(refused > 0 && started > 0);
    ok(prong_set_forkserver_preload(NULL, 0, NULL));
    ok(prong_process_start(child));
    equal(test_end(child), 0);
    test_arena_is_clean(0);
}

TEST(a_fork_server_out_of_processes_says_so) {
    prong_process child;
    if (getuid() == 0) test_become_another_user(); /* root has no such limit */
    test_needs_own_program();
    ok(prong_process_create(&child, &(prong_process_options){.target = return_zero, .method = PRONG_START_FORKSERVER}));
    ok(prong_set_forkserver_preload(NULL, 0, limit_processes));
    is(prong_process_start(child), PRONG_NO_PROCESSES);
    says("fork in the fork server");
    prong_stop_forkserver();
    ok(prong_set_forkserver_preload(NULL, 0, NULL));
    ok(prong_process_start(child));
    equal(test_end(child), 0);
    test_arena_is_clean(0);
}

TEST(a_preload_of_nothing_is_refused) {
    const char *libraries[] = {PLUGIN, NULL};
    is(prong_set_forkserver_preload(libraries, 2, NULL), PRONG_INVALID);
    says("library 1 is NULL");
    is(prong_set_forkserver_preload(NULL, 2, NULL), PRONG_INVALID);
}

static int close_ends(void *argument, size_t size) {
    (void)size;
    /* nothing of the parent's is open here but the arena and what we were handed */
    return test_open_descriptors() <= 5 ? 0 : *(int *)argument;
}

TEST(a_spawned_child_inherits_no_descriptors) {
    int fds[30], code = 1;
    for (int i = 0; i < 30; i++) fds[i] = dup(1);
    equal(test_end(start_with(PRONG_START_SPAWN, close_ends, code)), 0);
    for (int i = 0; i < 30; i++) close(fds[i]);
}
