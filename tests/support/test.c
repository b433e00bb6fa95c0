/* The runner. What it prints is TAP, the Test Anything Protocol; what tests print goes to its standard error. */
#define _GNU_SOURCE
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_CHECK
#include <check.h>
#endif

static struct test *tests, **last = &tests;

void test_register(struct test *test) {
    *last = test;
    last = &test->next;
}

/* --- helpers --- */

int64_t test_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void test_sleep_ms(int milliseconds) {
    usleep((useconds_t)milliseconds * 1000);
}

bool test_gone_within(int pid, int milliseconds) {
    for (int i = 0; i < milliseconds / 5; i++, test_sleep_ms(5)) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {} /* see run */
        if (kill(pid, 0) != 0) return true;
    }
    return false;
}

prong_process test_start(prong_start_method method, prong_target *target, const void *argument, size_t size,
                         bool daemon) {
    prong_process process;
    ok(prong_process_create(&process, &(prong_process_options){.target = target,
                                                               .argument = argument,
                                                               .argument_size = size,
                                                               .method = method,
                                                               .daemon = daemon ? PRONG_DAEMON_YES : PRONG_DAEMON_NO}));
    ok(prong_process_start(process));
    return process;
}

int test_end(prong_process process) {
    int code;
    ok(prong_process_join(process, PRONG_SECONDS(10)));
    ok(prong_process_exitcode(process, &code));
    ok(prong_process_destroy(process));
    return code;
}

int test_pid(prong_process process) {
    prong_process_state state;
    ok(prong_process_get_state(process, &state));
    check(state.pid != 0);
    return state.pid;
}

bool test_is_alive(prong_process process) {
    prong_process_state state;
    ok(prong_process_get_state(process, &state));
    return state.alive;
}

size_t test_queue_size(prong_queue queue) {
    size_t size;
    ok(prong_queue_size(queue, &size, NULL));
    return size;
}

bool test_job_has_ended(prong_job job) {
    prong_progress progress;
    ok(prong_job_progress(job, &progress));
    check(!progress.ended || progress.done == progress.total);
    return progress.ended;
}

void test_arena_is_clean(unsigned objects) {
    prong_family_state state;
    prong_process own;
    ok(prong_current_process(&own));
    ok(prong_family_check(&state));
    equal(state.blocks_in_hand, 0);
    equal(state.objects, objects + 1);
}

int test_open_descriptors(void) {
    int count = -1; /* the directory's own */
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(directory));) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* --- running one --- */

void test_failed(const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    fflush(stderr);
    kill(0, SIGCONT); /* a stopped process must not outlive us */
    _exit(99);
}

enum { SKIPPED = 77 };

/* Why the test that runs is skipped: shared with the processes that run it. */
static char *skip_reason;
enum { REASON_SIZE = 256 };

void test_skip(const char *reason) {
    if (skip_reason) snprintf(skip_reason, REASON_SIZE, "%s", reason);
    _exit(SKIPPED);
}

/* From linux/capability.h, which not every C library's compiler finds. */
enum { CAPABILITY_VERSION = 0x20080522, DAC_READ_SEARCH = 2 };

static bool keep_capability(unsigned capability) {
    struct {
        uint32_t version;
        int pid;
    } header = {CAPABILITY_VERSION, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2] = {{1u << capability, 1u << capability, 1u << capability}};
    return syscall(SYS_capset, &header, sets) == 0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0;
}

static char own_program[4096];

void test_needs_own_program(void) {
    if (access(own_program, R_OK | X_OK) != 0) test_skip("another user cannot read the folder of this program");
}

void test_become_another_user(void) {
    if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) || setgid(12345) || setuid(12345))
        test_skip("only root can become another user");
    if (!keep_capability(DAC_READ_SEARCH)) test_needs_own_program();
}

void test_own_mounts(void) {
    if (getuid() != 0 || unshare(CLONE_NEWNS) != 0) test_skip("only root has mounts of its own");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) test_skip("the root folder is no mount: a chroot");
}

static bool orphans_end(void) {
    for (int i = 0; i < 300; i++) {
        pid_t pid;
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (pid < 0 && errno == ECHILD) return true;
        test_sleep_ms(10);
    }
    return false;
}

static pid_t parent_of(const char *pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[size] = 0;
    const char *after_name = strrchr(text, ')');
    int parent = 0;
    return after_name && sscanf(after_name + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static void kill_children(void) {
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (*entry->d_name >= '1' && *entry->d_name <= '9' && parent_of(entry->d_name) == getpid())
            kill(atoi(entry->d_name), SIGKILL);
    if (directory) closedir(directory);
}

/* What a test has left, children of its children included: they would hold our output open, and whoever reads it would wait. */
static void end_what_is_left(void) {
    for (int i = 0; i < 500 && (waitpid(-1, NULL, WNOHANG) >= 0 || errno == EINTR); i++) {
        kill_children();
        test_sleep_ms(1);
    }
}

/* The test is a program of its own; orphans that it leaves become our children. Returns what went wrong, or NULL. */
static const char *run(const struct test *test, int method) {
    static char text[128];
    int status;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        /* Check has handlers of its own, and nohup or a shell's background job ignores some. */
        for (int i = 0; i < 4; i++) signal((int[]){SIGHUP, SIGINT, SIGQUIT, SIGTERM}[i], SIG_DFL);
        if (getenv("TEST_SMALL_ARENA")) ok(prong_family_create(&(prong_family_options){.arena_size = 128 << 20}));
        test->run(method);
        exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (!orphans_end()) {
        end_what_is_left();
        return "it left a process behind";
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED && *skip_reason) return NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) return "a check failed";
    snprintf(text, sizeof text, "it ended with %s %d", WIFEXITED(status) ? "code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return text;
}

/* Sanitizers and valgrind slow everything down. */
static int limit_of(const struct test *test) {
    const char *factor = getenv("TEST_TIME_FACTOR");
    return test->limit * (factor ? atoi(factor) : 1);
}

/* TEST_SKIP: parts of names, separated by commas, of tests that this variant cannot run. */
static bool skipped(const struct test *test) {
    const char *skip = getenv("TEST_SKIP");
    while (skip && *skip) {
        char part[64];
        size_t length = strcspn(skip, ",");
        snprintf(part, sizeof part, "%.*s", (int)length, skip);
        if (strstr(test->name, part)) return true;
        skip += length + (skip[length] == ',');
    }
    return false;
}

static bool wanted(const struct test *test, int argc, char **argv) {
    if (argc < 2) return true;
    for (int i = 1; i < argc; i++)
        if (strstr(test->name, argv[i])) return true;
    return false;
}

/* --- running all: each once, or with each start method --- */

#ifdef HAVE_CHECK

static const struct test *current;

static void run_under_check(int method) {
    const char *wrong = run(current, method);
    ck_assert_msg(wrong == NULL, "%s", wrong ? wrong : "");
}

/* Check calls a function with a loop index and no argument of ours. */
START_TEST(each) {
    run_under_check(_i);
}
END_TEST

/* Writes what went wrong; nothing if nothing did. */
static void run_one(const struct test *test, int method, char *wrong, size_t size) {
    Suite *suite = suite_create(test->name);
    TCase *tcase = tcase_create(test->name);
    current = test;
    tcase_set_timeout(tcase, limit_of(test));
    tcase_add_loop_test(tcase, each, method, method + 1);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    if (srunner_ntests_failed(runner)) {
        TestResult **failures = srunner_failures(runner);
        snprintf(wrong, size, "%s", tr_msg(failures[0]));
        free(failures);
    }
    srunner_free(runner);
}

#else

static volatile pid_t running;

static void too_long(int signal) {
    (void)signal;
    kill(-running, SIGKILL);
}

/* Writes what went wrong; nothing if nothing did. */
static void run_one(const struct test *test, int method, char *wrong, size_t size) {
    int status;
    fflush(NULL);
    running = fork();
    if (running == 0) {
        setpgid(0, 0);
        const char *found = run(test, method);
        if (found) fprintf(stderr, "%s\n", found);
        _exit(found ? 1 : 0);
    }
    setpgid(running, running);
    signal(SIGALRM, too_long);
    alarm((unsigned)limit_of(test));
    while (waitpid(running, &status, 0) < 0 && errno == EINTR) {}
    alarm(0);
    if (status != 0) snprintf(wrong, size, "it failed%s", WIFSIGNALED(status) ? " (time limit)" : "");
}

#endif

static struct { int passed, failed, skipped; } counts;

static void run_and_tell(const struct test *test, int method) {
    static const char *const methods[] = {"", " by fork", " by spawn", " by forkserver"};
    char wrong[512] = "";
    int number = counts.passed + counts.failed + counts.skipped + 1;
    snprintf(skip_reason, REASON_SIZE, "%s", skipped(test) ? "not in this variant" : "");
    if (!*skip_reason) run_one(test, method, wrong, sizeof wrong);
    end_what_is_left();
    if (*wrong)
        printf("not ok %d - %s%s\n# %s: %s\n", number, test->name, methods[method], test->name, wrong);
    else
        printf("ok %d - %s%s%s%s\n", number, test->name, methods[method], *skip_reason ? " # SKIP " : "", skip_reason);
    ++*(*wrong ? &counts.failed : *skip_reason ? &counts.skipped : &counts.passed);
}

/* With arguments: just the tests whose names contain one of them. */
int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    if (readlink("/proc/self/exe", own_program, sizeof own_program - 1) < 0) return 99;
    setvbuf(stdout, NULL, _IOLBF, 0);
    skip_reason = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (skip_reason == MAP_FAILED) return 99;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* of a test that is killed when its time is up */
    for (const struct test *test = tests; test; test = test->next)
        for (int method = test->each_method ? 1 : 0; wanted(test, argc, argv) && method < (test->each_method ? 4 : 1);
             method++)
            run_and_tell(test, method);
    printf("1..%d\n", counts.passed + counts.failed + counts.skipped);
    printf("# %d passed, %d failed, %d skipped\n", counts.passed, counts.failed, counts.skipped);
    return counts.failed ? 1 : 0;
}
