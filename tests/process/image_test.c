/* What a new image believes of what it is told: its entry gets through whatever the environment does meanwhile, and a program
 * that was handed a stray one, or that has more rights than its caller, runs its main as ever. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <prong/runtime.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- an environment that changes --- */

enum { CHANGING = 300 };
static _Atomic bool stop;

/* Where a child loses its entry it would run these tests over again, and so would its children. */
__attribute__((constructor)) static void end_if_run_again(void) {
    if (getenv("IMAGE_TEST_FIXED") && !getenv("PRONG_CHILD")) _exit(66);
}

static void *change_environment(void *unused) {
    char name[24];
    (void)unused;
    while (!stop) {
        for (int i = 0; i < CHANGING; i++) {
            snprintf(name, sizeof name, "IMAGE_TEST_%d", i);
            setenv(name, "a value", 1);
        }
        for (int i = 0; i < CHANGING; i++) {
            snprintf(name, sizeof name, "IMAGE_TEST_%d", i);
            unsetenv(name);
        }
    }
    return NULL;
}

static int has_fixed(void *argument, size_t size) {
    (void)argument;
    (void)size;
    const char *fixed = getenv("IMAGE_TEST_FIXED");
    return !fixed ? 1 : strcmp(fixed, "as it was") != 0 ? 2 : getenv("PRONG_CHILD") ? 3 : 0;
}

static pthread_t begin_changes(void) {
    pthread_t thread;
    setenv("IMAGE_TEST_FIXED", "as it was", 1);
    check(pthread_create(&thread, NULL, change_environment, NULL) == 0);
    return thread;
}

static void end_changes(pthread_t thread) {
    stop = true;
    pthread_join(thread, NULL);
}

#ifdef __GLIBC__
static const bool whole = true;
#else
static const bool whole = false; /* this library frees what is read: but no child must run main again */
#endif

/* Not by fork, whose child has the C library's own state as it is in the middle of a change. */
static void start_while_changing(int method, int starts) {
    pthread_t thread = begin_changes();
    for (int i = 0; i < starts; i++) {
        prong_process child;
        if (method == PRONG_START_FORKSERVER && i % 3 == 0) prong_stop_forkserver();
        ok(prong_process_create(&child,
                                &(prong_process_options){.target = has_fixed, .method = (prong_start_method)method}));
        prong_status status = prong_process_start(child);
        if (!whole && status == PRONG_SYSTEM) continue;
        ok(status);
        int code = test_end(child);
        check(code == 0 || (!whole && code == 1));
    }
    end_changes(thread);
}

LONG_TEST(spawned_children_have_all_variables_while_others_change, 60) {
    start_while_changing(PRONG_START_SPAWN, 200);
}

LONG_TEST(a_fork_server_has_all_variables_while_others_change, 60) {
    start_while_changing(PRONG_START_FORKSERVER, 60);
}

LONG_TEST(programs_have_all_variables_while_others_change, 60) {
    const char *const argv[] = {"sh", "-c", "test \"$IMAGE_TEST_FIXED\" = \"as it was\"", NULL};
    pthread_t thread = begin_changes();
    for (int i = 0; i < 200; i++) {
        prong_status status =
            prong_subprocess_run(argv, NULL, &(prong_subprocess_options){.check = true}, PRONG_FOREVER);
        check(status == PRONG_OK || (!whole && (status == PRONG_SYSTEM || status == PRONG_COMMAND_FAILED)));
    }
    end_changes(thread);
}

/* The arena's size is looked up in it. Each time in a process that has no family yet. */
LONG_TEST(a_family_begins_while_others_change_the_environment, 60) {
    setenv("PRONG_ARENA_SIZE", "256M", 1);
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread = begin_changes();
            prong_lock lock;
            usleep(i % 16 * 20);
            ok(prong_lock_create(&lock, NULL));
            prong_family_state state;
            ok(prong_family_check(&state));
            check(!whole || state.arena_size == 256u << 20);
            end_changes(thread);
            _exit(0);
        }
        int status;
        check(waitpid(pid, &status, 0) == pid);
        equal(status, 0);
    }
}

static int has_long(void *argument, size_t size) {
    (void)argument;
    (void)size;
    const char *value = getenv("IMAGE_TEST_LONG"), *empty = getenv("IMAGE_TEST_EMPTY");
    return value && strlen(value) == 100000 && strspn(value, "x") == 100000 && empty && !*empty ? 0 : 1;
}

METHOD_TEST(long_and_empty_variables_come_through) {
    static char value[100001];
    int none = 0;
    memset(value, 'x', 100000);
    setenv("IMAGE_TEST_LONG", value, 1);
    setenv("IMAGE_TEST_EMPTY", "", 1);
    equal(test_end(start_with(method, has_long, none)), 0);
}

/* Its own, and nothing of this process's. */
static int has_its_own(void *argument, size_t size) {
    const char *own = getenv("IMAGE_TEST_OWN"), *empty = getenv("IMAGE_TEST_EMPTY");
    (void)argument;
    (void)size;
    return own && strcmp(own, "a=b") == 0 && empty && !*empty && !getenv("PATH") && !getenv("PRONG_CHILD") ? 0 : 1;
}

TEST(a_spawned_image_begins_with_an_environment_of_its_own) {
    const char *own[] = {"IMAGE_TEST_OWN=a=b", "PRONG_CHILD=stray", "IMAGE_TEST_EMPTY=", NULL};
    prong_process_options options = {.target = has_its_own, .method = PRONG_START_SPAWN, .environment = own};
    prong_process child;
    ok(prong_process_create(&child, &options));
    own[0] = own[1] = NULL; /* it was copied */
    ok(prong_process_start(child));
    equal(test_end(child), 0);
    check(getenv("PATH") != NULL);
}

TEST(an_environment_that_cannot_be_a_childs_is_refused) {
    const char *const nameless[] = {"A=1", "=2", NULL}, *const valueless[] = {"A", NULL}, *const good[] = {"A=1", NULL};
    prong_process child;
    prong_process_options options = {.target = has_its_own, .method = PRONG_START_SPAWN, .environment = nameless};
    equal(prong_process_create(&child, &options), PRONG_INVALID);
    options.environment = valueless;
    equal(prong_process_create(&child, &options), PRONG_INVALID);
    check(strstr(prong_error_message(), "'A'"));
    options.environment = good;
    options.method = PRONG_START_FORK;
    equal(prong_process_create(&child, &options), PRONG_INVALID);
    options.method = PRONG_START_FORKSERVER;
    equal(prong_process_create(&child, &options), PRONG_INVALID);
    check(strstr(prong_error_message(), "forkserver"));
}

static int has_no_environment(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return getenv("PATH") || getenv("HOME") ? 1 : 0;
}

METHOD_TEST(a_cleared_environment_is_no_hindrance) {
    int none = 0;
    clearenv();
    equal(test_end(start_with(method, has_no_environment, none)), 0);
}

TEST(a_child_that_has_lost_its_entry_ends_and_does_not_run_main_again) {
    const char *const argv[] = {IMAGE_PROGRAM, "spawn", NULL};
    prong_completed completed;
    ok(prong_subprocess_run(argv, &completed, &(prong_subprocess_options){.popen.out = PRONG_PIPE, .check = true},
                            PRONG_FOREVER));
    check(strcmp(completed.out.data, "PRONG_START_FAILED\n") == 0);
    prong_completed_clear(&completed);
}

/* --- signals --- */

static void do_nothing(int number) {
    (void)number;
}

static bool is_ignored(int number) {
    struct sigaction action;
    check(sigaction(number, NULL, &action) == 0);
    return action.sa_handler == SIG_IGN;
}

static bool is_at_default(int number) {
    struct sigaction action;
    check(sigaction(number, NULL, &action) == 0);
    return action.sa_handler == SIG_DFL;
}

/* Sanitizers have handlers of their own for these. */
static bool is_of_faults(int number) {
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGABRT ||
           number == SIGTRAP;
}

struct wanted {
    int ignored;
    bool copy;
};

/* The parent ignores what its number says; handles SIGUSR2; blocks SIGUSR1; all else is at its default. */
static int has_signals_of(void *argument, size_t size) {
    const int ignored = ((struct wanted *)argument)->ignored;
    const bool copy = ((struct wanted *)argument)->copy;
    sigset_t mask;
    (void)size;
    for (int number = 1; number < 32; number++) {
        if (number == SIGKILL || number == SIGSTOP || (number == SIGUSR2 && copy) || is_of_faults(number)) continue;
        if (is_ignored(number) != (number == ignored)) return number;
        if (is_at_default(number) != (number != ignored)) return 100 + number;
    }
    sigprocmask(SIG_SETMASK, NULL, &mask);
    if (sigismember(&mask, SIGUSR1) != copy) return 90;
    return sigismember(&mask, SIGCHLD) || sigismember(&mask, SIGINT) ? 91 : 0;
}

METHOD_TEST(ignored_signals_stay_ignored_and_others_are_at_their_default) {
    const int all[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGPIPE, SIGCHLD, SIGTSTP};
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    for (int number = 1; number < 32; number++) signal(number, number == SIGUSR2 ? do_nothing : SIG_DFL);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct wanted wanted = {all[i], method == PRONG_START_FORK};
        signal(all[i], SIG_IGN);
        prong_stop_forkserver(); /* its children have what it began with */
        equal(test_end(start_with(method, has_signals_of, wanted)), 0);
        signal(all[i], SIG_DFL);
    }
}

/* --- stray entries --- */

/* The program's main has run with this entry, and found nothing of it. */
static void runs_as_ever(const char *entry, int descriptor) {
    char number[16], variable[400], wanted[64];
    snprintf(number, sizeof number, "%d", descriptor);
    snprintf(variable, sizeof variable, "PRONG_CHILD=%s", entry);
    snprintf(wanted, sizeof wanted, "main ran as %d/%d\n", (int)getuid(), (int)geteuid());
    const char *const argv[] = {IMAGE_PROGRAM, "look", descriptor >= 0 ? number : NULL, NULL};
    const char *const environment[] = {"PATH=/bin", variable, NULL};
    prong_subprocess_options options = {.popen = {.out = PRONG_PIPE,
                                                  .environment = environment,
                                                  .pass_fds = &descriptor,
                                                  .pass_fd_count = descriptor >= 0},
                                        .check = true};
    prong_completed completed;
    ok(prong_subprocess_run(argv, &completed, &options, PRONG_SECONDS(10)));
    if (strcmp(completed.out.data, wanted) != 0)
        test_failed(__FILE__, __LINE__, "with %s: %s", variable, completed.out.data);
    prong_completed_clear(&completed);
}

static void entry_of(char *entry, size_t size, int descriptor) {
    snprintf(entry, size, "process:%d:4097:100000:-1:0123456789abcdef:fedcba9876543210", descriptor);
}

TEST(an_entry_that_is_none_does_nothing) {
    const char *const texts[] = {"",
                                 "x",
                                 "process",
                                 "process:3:1:1:-1",
                                 "process:x:1:1:-1:0:0",
                                 "PROCESS:3:1:1:-1:0:0",
                                 "process:3:1:1:-1:0:0:more",
                                 "process:-1:1:1:-1:0:0",
                                 "process:99999999999999999999:1:1:-1:0:0",
                                 "aprocessofaverylongkind:3:1:1:-1:0:0"};
    char longest[380];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) runs_as_ever(texts[i], -1);
    memset(longest, '1', sizeof longest);
    longest[sizeof longest - 1] = 0;
    runs_as_ever(longest, -1);
}

TEST(an_entry_whose_descriptor_is_not_open_or_another_files_does_nothing) {
    char entry[128];
    int ends[2], null = open("/dev/null", O_RDWR), file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    check(pipe(ends) == 0 && null >= 0 && file >= 0 && ftruncate(file, 1 << 20) == 0);
    entry_of(entry, sizeof entry, 900);
    runs_as_ever(entry, -1);
    for (int i = 0, all[] = {null, ends[0], ends[1], file}; i < 4; i++) {
        entry_of(entry, sizeof entry, all[i]);
        runs_as_ever(entry, all[i]);
    }
}

TEST(an_entry_whose_descriptor_is_of_other_memory_does_nothing) {
    char entry[128];
    const off_t sizes[] = {0, 8, 4096, 64 << 20};
    for (int i = 0; i < 4; i++) {
        int memory = memfd_create("prong", MFD_ALLOW_SEALING);
        check(memory >= 0 && ftruncate(memory, sizes[i]) == 0);
        entry_of(entry, sizeof entry, memory);
        runs_as_ever(entry, memory);
        if (sizes[i] >= 8)
            check(pwrite(memory, "1ragnorp", 8, 0) == 8); /* an arena's first word, on these processors */
        runs_as_ever(entry, memory);
        close(memory);
    }
}

/* The descriptor of this process's arena. */
static int own_arena(void) {
    int found = -1;
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(directory));) {
        char target[64] = "";
        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) > 0)
            if (strncmp(target, "/memfd:prong", 12) == 0) found = atoi(entry->d_name);
    }
    closedir(directory);
    check(found >= 0);
    return found;
}

TEST(an_entry_that_does_not_know_the_arenas_secret_does_nothing) {
    prong_process own;
    char entry[128];
    ok(prong_current_process(&own));
    entry_of(entry, sizeof entry, own_arena());
    runs_as_ever(entry, own_arena());
}

/* --- more rights than the caller --- */

/* A copy that any user may run, with its owner's rights. */
static void make_set_user_id(char *directory, char *path, uid_t owner) {
    char copy[1000];
    check(mkdtemp(directory) != NULL && chmod(directory, 0755) == 0);
    sprintf(path, "%s/program", directory);
    snprintf(copy, sizeof copy, "cp '%s' '%s'", IMAGE_PROGRAM, path);
    check(system(copy) == 0);
    check(chown(path, owner, owner) == 0 && chmod(path, 04755) == 0);
}

/* A stranger's start, with public options alone: of a target by name, in the program's image. */
static int start_as_stranger(const char *path) {
    char *const program[] = {(char *)(uintptr_t)path, (char *)(uintptr_t) "look", NULL};
    prong_process child;
    int code = -1;
    if (setgroups(0, NULL) || setgid(12345) || setuid(12345)) return 50;
    ok(prong_process_create(&child,
                            &(prong_process_options){.program = program, .target_name = PLUGIN ":plugin_answer"}));
    prong_status status = prong_process_start(child);
    if (status) return status == PRONG_START_FAILED ? 51 : 52;
    prong_process_join(child, PRONG_SECONDS(10));
    return prong_process_exitcode(child, &code) ? 53 : code;
}

TEST(a_set_user_id_program_believes_no_entry) {
    char directory[] = "/tmp/prong-image-XXXXXX", path[64], output[256] = "";
    int ends[2], status;
    if (getuid() != 0) test_skip("only root can make a program that has another user's rights");
    make_set_user_id(directory, path, 23456);
    check(pipe(ends) == 0);
    pid_t stranger = fork();
    if (stranger == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        _exit(start_as_stranger(path));
    }
    close(ends[1]);
    for (ssize_t got = 0, n; (n = read(ends[0], output + got, sizeof output - 1 - (size_t)got)) > 0;) got += n;
    check(waitpid(stranger, &status, 0) == stranger);
    check(unlink(path) == 0 && rmdir(directory) == 0);
    if (strstr(output, "12345/12345")) test_skip("set-user-ID has no effect here (nosuid, or no_new_privs)");
    if (strcmp(output, "main ran as 12345/23456\n") != 0)
        test_failed(__FILE__, __LINE__, "the program said: %s", output);
    equal(WEXITSTATUS(status), 51);
}

static int return_zero(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

METHOD_TEST(a_start_whose_image_would_believe_nothing_is_refused) {
    int none = 0;
    prong_process child;
    if (getuid() != 0) test_skip("only root can take another effective user");
    ok(prong_process_create(&child, &(prong_process_options){.target = return_zero, .method = method}));
    check(seteuid(12345) == 0);
    if (method == PRONG_START_FORK) {
        ok(prong_process_start(child));
    } else {
        is(prong_process_start(child), PRONG_PERMISSION);
        says("set-user-ID");
        check(setresuid(0, 0, 0) == 0);
        ok(prong_process_start(child));
    }
    equal(test_end(child), 0);
    check(setresuid(0, 0, 0) == 0);
    test_become_another_user(); /* the arena is root's, the children are not */
    if (method == PRONG_START_FORKSERVER) prong_stop_forkserver();
    equal(test_end(start_with(method, return_zero, none)), 0);
}

/* --- prong_main, where there is nothing to take up --- */

TEST(an_entry_that_is_cut_or_too_long_is_taken_out_of_the_environment) {
    static char too_long[400];
    const char *const entries[] = {"",
                                   "process",
                                   "process:3:1",
                                   "process:3:1:64:-1:0000000000000001:0000000000000002:x",
                                   "process:900:1:64:-1:0000000000000001:0000000000000002",
                                   too_long};
    char *own[] = {(char *)(uintptr_t) "own", NULL}, **argv = own;
    int argc = 1;
    memset(too_long, 'x', sizeof too_long - 1);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        setenv("PRONG_CHILD", entries[i], 1);
        prong_main(&argc, &argv); /* and comes back */
        check(!getenv("PRONG_CHILD"));
    }
}

static int return_five(void *argument, size_t size) {
    (void)argument, (void)size;
    return 5;
}

TEST(a_program_that_tells_no_arguments_can_spawn) {
    char **none = NULL, *own[] = {NULL}, **empty = own;
    int zero = 0;
    prong_main(NULL, NULL);
    equal(test_end(start_with(PRONG_START_SPAWN, return_five, zero)), 5);
    prong_main(&zero, NULL);
    equal(test_end(start_with(PRONG_START_SPAWN, return_five, zero)), 5);
    prong_main(&zero, &empty);
    equal(test_end(start_with(PRONG_START_SPAWN, return_five, zero)), 5);
    prong_main(&zero, &none);
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_five, zero)), 5);
}
