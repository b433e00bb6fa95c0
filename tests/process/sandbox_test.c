/* Old kernels, and sandboxes that answer a system call with an error: processes start by each method all the same, or the first
 * start says in one sentence what is missing. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* --- the sandbox --- */

struct refusal {
    const char *name;
    int number;
    int argument;         /* -1: every call; else only those whose argument … */
    unsigned mask, value; /* … has this value under the mask */
};
static const struct refusal waitid_pidfd = {"waitid(P_PIDFD)", SYS_waitid, 0, ~0u, 3},
                            pidfd_open_ = {"pidfd_open", SYS_pidfd_open, -1, 0, 0},
                            pidfd_send_signal_ = {"pidfd_send_signal", SYS_pidfd_send_signal, -1, 0, 0},
                            clone3 = {"clone3", SYS_clone3, -1, 0, 0},
                            clone_pidfd = {"clone(CLONE_PIDFD)", SYS_clone, 0, 0x1000, 0x1000},
                            close_range_ = {"close_range", SYS_close_range, -1, 0, 0},
                            memfd_create_ = {"memfd_create", SYS_memfd_create, -1, 0, 0},
                            getrandom_ = {"getrandom", SYS_getrandom, -1, 0, 0},
                            process_vm_readv_ = {"process_vm_readv", SYS_process_vm_readv, -1, 0, 0};

/* The kernel's own headers are not everywhere: a step of a filter, and what it looks at. */
struct step {
    uint16_t code;
    uint8_t if_true, if_false; /* steps to leave out */
    uint32_t value;
};
struct call {
    int number;
    uint32_t architecture;
    uint64_t instruction, arguments[6];
};
enum {
    LOAD = 0x20,
    AND = 0x54,
    JUMP_IF_EQUAL = 0x15,
    RETURN = 0x06,
    FILTER = 2,
    ANSWER = 0x00050000,
    ALLOW = 0x7fff0000
};

/* For this process and all that it starts. */
static void refuse(const struct refusal *refused, int error) {
    const uint32_t lower_half = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
    const uint32_t argument = (uint32_t)(refused->argument < 0 ? 0 : refused->argument);
    struct step steps[] = {
        {LOAD, 0, 0, offsetof(struct call, number)},
        {JUMP_IF_EQUAL, 0, 4, (uint32_t)refused->number},
        {LOAD, 0, 0, (uint32_t)offsetof(struct call, arguments) + 8 * argument + lower_half},
        {AND, 0, 0, refused->mask},
        {JUMP_IF_EQUAL, 0, 1, refused->value},
        {RETURN, 0, 0, ANSWER | (uint32_t)error},
        {RETURN, 0, 0, ALLOW},
    };
    struct {
        unsigned short count;
        struct step *steps;
    } filter = {sizeof steps / sizeof *steps, steps};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, FILTER, &filter) != 0) test_skip("no seccomp filters here");
}

/* --- what is done in it; each returns what went wrong, as a status --- */

static int return_seven(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 7;
}

static int wait_long(void *argument, size_t size) {
    (void)argument;
    (void)size;
    test_sleep_ms(60000);
    return 0;
}

static prong_status start(prong_process *child, int method, prong_target *target) {
    ok(prong_process_create(
        child,
        &(prong_process_options){.target = target, .method = (prong_start_method)method, .daemon = PRONG_DAEMON_YES}));
    return prong_process_start(*child);
}

static prong_status run_process(int method) {
    prong_process child;
    int code;
    prong_status status = start(&child, method, return_seven);
    if (status < 0) return status;
    equal(test_end(child), 7);
    ok(start(&child, method, wait_long));
    is(prong_process_join(child, PRONG_MS(10)), PRONG_TIMEOUT);
    is(prong_process_exitcode(child, &code), PRONG_STILL_RUNNING);
    ok(prong_process_signal(child, SIGKILL));
    equal(test_end(child), -SIGKILL);
    ok(start(&child, method, wait_long)); /* ended at our exit */
    return PRONG_OK;
}

static prong_status run_fork(void) {
    return run_process(PRONG_START_FORK);
}

static prong_status run_spawn(void) {
    return run_process(PRONG_START_SPAWN);
}

static prong_status run_forkserver(void) {
    return run_process(PRONG_START_FORKSERVER);
}

static prong_status run_program(void) {
    const char *const argv[] = {"sh", "-c",
                                "{ echo x >&9; } 2>/dev/null && echo it has our descriptor; echo out; exit 3", NULL};
    prong_completed completed;
    check(dup2(open("/dev/null", O_WRONLY), 9) == 9);
    prong_status status =
        prong_subprocess_run(argv, &completed, &(prong_subprocess_options){.capture = true}, PRONG_SECONDS(15));
    close(9);
    if (status < 0) return status;
    check(strcmp(completed.out.data, "out\n") == 0);
    equal(completed.returncode, 3);
    prong_completed_clear(&completed);
    return PRONG_OK;
}

static int twice(const void *in, void *out) {
    *(int *)out = 2 * *(const int *)in;
    return 0;
}

static prong_status run_pool(void) {
    prong_pool pool;
    int in[20] = {1, 2, 3}, out[20] = {0};
    prong_status status = prong_pool_create(&pool, &(prong_pool_options){.processes = 2});
    if (status >= 0) status = prong_pool_run(pool, PRONG_MAP(twice, in, out), NULL, PRONG_SECONDS(15));
    if (status < 0) return status;
    equal(out[2], 6);
    return prong_pool_destroy(pool);
}

static const struct {
    const char *name;
    prong_status (*run)(void);
} deeds[] = {{"fork", run_fork},
             {"spawn", run_spawn},
             {"forkserver", run_forkserver},
             {"program", run_program},
             {"pool", run_pool}};

/* Runs one in the sandbox; the message of its failure, or "". */
static void run_in_sandbox(size_t deed, const struct refusal *refused, int error, char *message, size_t size) {
    int ends[2], status;
    check(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        refuse(refused, error);
        close(ends[0]);
        if (deeds[deed].run() != PRONG_OK) dprintf(ends[1], "%s", prong_error_message());
        exit(0);
    }
    close(ends[1]);
    ssize_t all = 0;
    for (ssize_t got; (got = read(ends[0], message + all, size - 1 - (size_t)all)) > 0;) all += got;
    message[all] = 0;
    close(ends[0]);
    check(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) _exit(77);
    if (status != 0)
        test_failed(__FILE__, __LINE__, "%s with %s answered %s ends with status 0x%x", deeds[deed].name, refused->name,
                    strerror(error), status);
}

enum { ENOUGH = 400 };

/* sentence: what a failure must name; NULL: there is none. */
static void all_work_or_say(const struct refusal *refused, int error, const char *sentence) {
    char message[ENOUGH];
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        run_in_sandbox(i, refused, error, message, sizeof message);
        if (!sentence && message[0])
            test_failed(__FILE__, __LINE__, "%s with %s answered %s: %s", deeds[i].name, refused->name, strerror(error),
                        message);
        if (sentence && !strstr(message, sentence))
            test_failed(__FILE__, __LINE__, "%s with %s answered %s says \"%s\"", deeds[i].name, refused->name,
                        strerror(error), message);
    }
}

static void always_work(const struct refusal *refused) {
    all_work_or_say(refused, ENOSYS, NULL);
    all_work_or_say(refused, EPERM, NULL);
    all_work_or_say(refused, EINVAL, NULL);
}

LONG_TEST(a_child_is_reaped_where_it_cannot_be_by_descriptor, 240) {
    always_work(&waitid_pidfd);
}

LONG_TEST(processes_start_without_clone_pidfd, 240) {
    refuse(&clone3, ENOSYS); /* which gives a descriptor, too */
    always_work(&clone_pidfd);
}

TEST(processes_start_without_clone_pidfd_where_sigchld_is_ignored) {
    refuse(&clone3, ENOSYS);
    refuse(&clone_pidfd, ENOSYS);
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 30; i++) {
        prong_process child;
        ok(start(&child, PRONG_START_SPAWN, return_seven));
        equal(test_end(child), 7);
        is(prong_subprocess_run((const char *[]){"true", NULL}, NULL, &(prong_subprocess_options){.check = true},
                                PRONG_FOREVER),
           PRONG_SYSTEM);
        says("was reaped by the host program");
    }
}

LONG_TEST(descriptors_are_closed_without_close_range, 240) {
    always_work(&close_range_);
}

LONG_TEST(random_bits_are_had_without_getrandom, 240) {
    always_work(&getrandom_);
}

LONG_TEST(the_environment_is_copied_without_process_vm_readv, 240) {
    always_work(&process_vm_readv_);
}

LONG_TEST(without_pidfd_open_the_first_start_says_so, 240) {
    all_work_or_say(&pidfd_open_, ENOSYS, "pidfd_open is missing here, or a sandbox forbids it; prong needs Linux 5.3");
    all_work_or_say(&pidfd_open_, EPERM, "pidfd_open is missing here, or a sandbox forbids it; prong needs Linux 5.3");
}

LONG_TEST(without_pidfd_send_signal_the_first_start_says_so, 240) {
    all_work_or_say(&pidfd_send_signal_, ENOSYS, "pidfd_send_signal is missing here, or a sandbox forbids it");
    all_work_or_say(&pidfd_send_signal_, EPERM, "pidfd_send_signal is missing here, or a sandbox forbids it");
}

/* The C library takes ENOSYS alone as a reason to make threads by clone. */
LONG_TEST(processes_start_without_clone3, 240) {
    char message[ENOUGH];
    all_work_or_say(&clone3, ENOSYS, NULL);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        run_in_sandbox(i, &clone3, EPERM, message, sizeof message);
        if (message[0] && (deeds[i].run != run_pool || !strstr(message, "thread")))
            test_failed(__FILE__, __LINE__, "%s without clone3 says \"%s\"", deeds[i].name, message);
    }
}

static void no_family(const struct refusal *refused, int error, prong_status wanted, const char *sentence) {
    prong_queue queue;
    pid_t child = fork();
    if (child == 0) {
        refuse(refused, error);
        prong_status status = prong_queue_create(&queue, NULL);
        if (status != wanted || !strstr(prong_error_message(), sentence) || strstr(prong_error_message(), "MiB"))
            fprintf(stderr, "%s answered %s: %s\n", refused->name, strerror(error), prong_error_message());
        else
            _exit(0);
        _exit(1);
    }
    int code;
    check(waitpid(child, &code, 0) == child);
    equal(code, 0);
}

TEST(without_memfd_create_there_is_no_family_and_the_message_says_so) {
    static const struct refusal seals = {"fcntl(F_ADD_SEALS)", SYS_fcntl, 1, ~0u, 1033};
    static const char forbidden[] = "memfd_create is missing here (Linux 3.17 has it), or a sandbox (seccomp)";
    no_family(&memfd_create_, ENOSYS, PRONG_SYSTEM, forbidden);
    no_family(&memfd_create_, EPERM, PRONG_PERMISSION, forbidden);
    no_family(&memfd_create_, EACCES, PRONG_PERMISSION, forbidden);
    no_family(&memfd_create_, EINVAL, PRONG_INVALID, forbidden);
    no_family(&memfd_create_, EMFILE, PRONG_NO_DESCRIPTORS, "there is no descriptor for it");
    no_family(&seals, EPERM, PRONG_PERMISSION, "forbids fcntl(F_ADD_SEALS)");
}

/* For this process, in a namespace of its own; skips where that is not permitted. */
static void hide(const char *directory) {
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) test_skip("no mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("none", directory, "tmpfs", 0, NULL) != 0)
        test_skip("no mounts");
}

METHOD_TEST(an_image_that_needs_proc_says_so) {
    prong_process child;
    hide("/proc");
    if (method == PRONG_START_FORK) {
        ok(run_process(method));
        return;
    }
    is(start(&child, method, return_seven), PRONG_NOT_FOUND);
    says("/proc/self/exe, which is not there: is /proc mounted?");
}

METHOD_TEST(an_image_that_needs_dev_null_says_so) {
    prong_process child;
    hide("/dev");
    if (method == PRONG_START_FORK) {
        ok(run_process(method));
        return;
    }
    is(start(&child, method, return_seven), PRONG_NOT_FOUND);
    says("/dev/null cannot be opened");
}

TEST(descriptors_are_closed_without_close_range_and_proc) {
    test_own_mounts();
    check(mount("none", "/proc", "tmpfs", 0, NULL) == 0);
    refuse(&close_range_, ENOSYS);
    ok(run_program());
}

TEST(a_child_is_reaped_without_waitid_by_descriptor_and_proc) {
    prong_process child;
    test_own_mounts();
    check(mount("none", "/proc", "tmpfs", 0, NULL) == 0);
    refuse(&waitid_pidfd, ENOSYS);
    ok(start(&child, PRONG_START_FORK, return_seven));
    equal(test_end(child), 7); /* what it said that it would exit with */
}
