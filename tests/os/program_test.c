/* Starting a program: each step that can fail is named, and a program that started has what it was to have. */
#define _GNU_SOURCE
#include "../support/test.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const ENVIRONMENT[] = {"PATH=/bin:/usr/bin", NULL};

static struct os_program shell(const char *command) {
    static char *arguments[4] = {"sh", "-c"};
    static const char *const paths[] = {"/bin/sh", NULL};
    arguments[2] = (char *)(uintptr_t)command;
    return (struct os_program){.paths = paths,
                               .arguments = arguments,
                               .environment = ENVIRONMENT,
                               .stdio = {-1, -1, -1},
                               .mask = -1,
                               .user = -1,
                               .group = -1};
}

static void fails_at(const struct os_program *program, enum os_program_step wanted, int error) {
    enum os_program_step step = OS_STEP_START;
    int pidfd, before = test_open_descriptors();
    pid_t pid;
    check(os_program_start(program, &pid, &pidfd, &step) < 0);
    equal(errno, error);
    equal(step, wanted);
    equal(pidfd, -1);
    equal(test_open_descriptors(), before);
    check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* no child is left */
}

static int code_of(const struct os_program *program) {
    enum os_program_step step;
    int pidfd, code = -1;
    pid_t pid;
    bool stolen;
    check(os_program_start(program, &pid, &pidfd, &step) == 0);
    for (int i = 0; i < 100 && !os_reap(pidfd, &code, &stolen); i++)
        os_pidfd_wait(pidfd, deadline_after(PRONG_SECONDS(1)));
    check(!stolen);
    close(pidfd);
    return code;
}

TEST(each_step_that_fails_is_named) {
    struct os_program program = shell("exit 0");
    program.directory = "/no/such";
    fails_at(&program, OS_STEP_DIRECTORY, ENOENT);
    program = shell("exit 0");
    program.kept = (const int[]){1000};
    program.kept_count = 1;
    fails_at(&program, OS_STEP_DESCRIPTORS, EBADF);
    program = shell("exit 0");
    program.stdio[1] = 1000;
    fails_at(&program, OS_STEP_DESCRIPTORS, EBADF);
    program = shell("exit 0");
    program.set_group_of_processes = true;
    program.group_of_processes = 1 << 22; /* no such group */
    fails_at(&program, OS_STEP_IDENTITY, EPERM);
}

/* What only root may ask for. */
TEST(an_identity_that_is_not_permitted_is_an_error) {
    static const gid_t groups[] = {0};
    if (getuid() == 0 && (setgid(12345) != 0 || setuid(12345) != 0)) test_skip("root cannot become another user here");
    struct os_program program = shell("exit 0");
    program.groups = groups;
    program.group_count = 1;
    fails_at(&program, OS_STEP_IDENTITY, EPERM);
    program = shell("exit 0");
    program.group = 0;
    fails_at(&program, OS_STEP_IDENTITY, EPERM);
    program = shell("exit 0");
    program.user = 0;
    fails_at(&program, OS_STEP_IDENTITY, EPERM);
}

/* As execvp does: of several errors, the one that says most. */
TEST(the_first_program_that_can_be_run_is_run) {
    char garbage[] = "/tmp/prong-test-XXXXXX";
    int fd = mkstemp(garbage);
    check(fd >= 0 && write(fd, "\1\2\3", 3) == 3 && fchmod(fd, 0700) == 0 && close(fd) == 0);
    struct os_program program = shell("exit 3");
    program.paths = (const char *const[]){"/no/such", "/dev/null/sh", "/dev/null", "/bin/sh", NULL};
    equal(code_of(&program), 3);
    program.paths = (const char *const[]){"/no/such", "/dev/null", "/dev/null/sh", NULL};
    fails_at(&program, OS_STEP_EXEC, EACCES);
    program.paths = (const char *const[]){"/no/such", "/dev/null/sh", NULL};
    fails_at(&program, OS_STEP_EXEC, ENOENT);
    program.paths = (const char *const[]){garbage, "/bin/sh", NULL};
    fails_at(&program, OS_STEP_EXEC, ENOEXEC);
    check(unlink(garbage) == 0);
}

static void reads(int fd, const char *wanted) {
    char text[64] = "";
    check(read(fd, text, sizeof text - 1) > 0);
    if (strcmp(text, wanted)) test_failed(__FILE__, __LINE__, "it reads \"%s\", not \"%s\"", text, wanted);
}

/* Each number that is to be given away is another's target. */
TEST(standard_streams_can_be_exchanged) {
    int out[2], err[2];
    check(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
    check(dup2(out[1], 1) == 1 && dup2(err[1], 2) == 2);
    struct os_program program = shell("echo to 1; echo to 2 >&2");
    memcpy(program.stdio, (const int[]){0, 2, 1}, sizeof program.stdio);
    fcntl(0, F_SETFD, FD_CLOEXEC); /* it is given to the program all the same */
    equal(code_of(&program), 0);
    reads(err[0], "to 1\n");
    reads(out[0], "to 2\n");
    program = shell("test -e /proc/self/fd/0");
    program.stdio[0] = 0;
    equal(code_of(&program), 0);
}

TEST(streams_that_cannot_be_exchanged_for_want_of_descriptors_are_an_error) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int fd = dup(0); fd < 20; fd = dup(0)) check(fd >= 0); /* so that 20 is the next */
    close(20);
    struct os_program program = shell("exit 0");
    memcpy(program.stdio, (const int[]){1, 2, 0}, sizeof program.stdio);
    limit.rlim_cur = 21; /* one for the process, and none for three streams on their way */
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    enum os_program_step step;
    pid_t pid;
    int pidfd;
    check(os_program_start(&program, &pid, &pidfd, &step) < 0);
    equal(errno, EMFILE);
    check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST(only_a_child_that_has_ended_is_reaped) {
    struct os_program program = shell("exec sleep 100");
    enum os_program_step step;
    int pidfd, code = -1, parent = os_pidfd_open(getppid());
    pid_t pid;
    bool stolen;
    check(!os_reap(parent, &code, &stolen) && !stolen); /* no child, and lives */
    check(os_program_start(&program, &pid, &pidfd, &step) == 0);
    check(!os_reap(pidfd, &code, &stolen) && !os_unreaped_code(pidfd, &code));
    check(os_pidfd_signal(pidfd, SIGKILL) == 0);
    os_pidfd_wait(pidfd, deadline_after(PRONG_SECONDS(10)));
    check(os_unreaped_code(pidfd, &code) && code == -SIGKILL);
    check(waitpid(pid, NULL, 0) == pid);
    check(!os_unreaped_code(pidfd, &code));
    check(os_reap(pidfd, &code, &stolen) && stolen);
    close(pidfd);
    close(parent);
}

TEST(a_child_whose_writer_has_gone_already_is_told_so) {
    int ends[2], status;
    check(os_pipe(ends) == 0);
    for (int there = 1; there >= 0; there--) {
        if (!there) close(ends[1]);
        pid_t pid = fork();
        if (pid == 0) _exit(os_die_with_writer(ends[0]));
        check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        equal(WEXITSTATUS(status), there);
    }
    close(ends[0]);
}
