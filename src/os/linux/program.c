/* Starting another program as vfork does: the child runs in this process's memory, on a stack of its own, until it has
 * become the program or failed, while the calling thread waits. So nothing is copied, and the child reports an error by
 * leaving it in memory. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
enum { CHILD_STACK = 32 << 10 };

struct launch {
    const struct os_program *program;
    bool handlers_cleared; /* by the kernel, as the child was made */
    sigset_t mask;         /* of the parent, for the program */
    pid_t starter;
    enum os_program_step step;
    int error; /* 0: it runs */
};

/* --- in the child: nothing that takes a lock or changes what the parent still needs --- */

/* AddressSanitizer marks memory on the stack and clears the marks when functions return. These functions never return,
 * so the marks would stay in the parent's memory. ThreadSanitizer knows no thread with this stack. */
#define IN_CHILD OS_IN_CHILD

/* Moves descriptors out of the way whose numbers others are to get, then gives each its number. */
IN_CHILD static bool place_stdio(const struct os_program *p) {
    int from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = p->stdio[i];
        if (from[i] >= 0 && from[i] < 3 && from[i] != i && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return false;
    }
    for (int i = 0; i < 3; i++) {
        if (from[i] < 0) continue;
        if (from[i] == i ? fcntl(i, F_SETFD, 0) != 0 : dup2(from[i], i) < 0) return false;
    }
    return true;
}

IN_CHILD static bool place_descriptors(const struct os_program *p) {
    if (!place_stdio(p)) return false;
    for (size_t i = 0; i < p->kept_count; i++)
        if (fcntl(p->kept[i], F_SETFD, 0) != 0) return false;
    if (!p->keep_all) os_close_all_but(p->kept, p->kept_count);
    return true;
}

/* After the change of its user, which would clear that again. The starter may have ended just before. */
IN_CHILD static bool bind_to_starter(const struct launch *launch) {
    if (!launch->program->bound) return true;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    if (getppid() != launch->starter) raise(SIGKILL);
    return true;
}

/* The system calls themselves: the C library's would change all threads of the parent. */
IN_CHILD static bool take_identity(const struct os_program *p) {
    if (p->new_session && setsid() < 0) return false;
    if (p->set_group_of_processes && setpgid(0, p->group_of_processes) != 0) return false;
    if (p->groups && syscall(SYS_setgroups, p->group_count, p->groups) != 0) return false;
    if (p->group >= 0 && syscall(SYS_setresgid, (gid_t)p->group, (gid_t)p->group, (gid_t)p->group) != 0) return false;
    return p->user < 0 || syscall(SYS_setresuid, (uid_t)p->user, (uid_t)p->user, (uid_t)p->user) == 0;
}

IN_CHILD static void set_default(int number) {
    const struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
}

/* Before the mask is lifted: a handler of the parent's must not run here, in its memory. */
IN_CHILD static void reset_handlers(const struct launch *launch) {
    for (int number = 1; number < NSIG && !launch->handlers_cleared; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0) continue;
        if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) set_default(number);
    }
    if (!launch->program->restore_signals) return;
    set_default(SIGPIPE);
    set_default(SIGXFSZ);
}

/* Runs the first program that can be run. One that is not found or not permitted is skipped; of their errors, the one
 * other than "not found" is reported, as it tells more. */
IN_CHILD static int run_first(const struct os_program *p) {
    int error = ENOENT;
    for (const char *const *path = p->paths; *path; path++) {
        execve(*path, p->arguments, p->environment);
        if (errno != ENOENT && errno != ENOTDIR) error = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
    }
    return error;
}

IN_CHILD static int child(void *context) {
    struct launch *launch = context;
    const struct os_program *p = launch->program;
    launch->step = OS_STEP_DESCRIPTORS;
    if (!place_descriptors(p)) goto failed;
    launch->step = OS_STEP_DIRECTORY;
    if (p->directory && chdir(p->directory) != 0) goto failed;
    launch->step = OS_STEP_IDENTITY;
    if (p->mask >= 0) umask((mode_t)p->mask);
    if (!take_identity(p) || !bind_to_starter(launch)) goto failed;
    reset_handlers(launch);
    sigprocmask(SIG_SETMASK, p->signal_mask ? p->signal_mask : &launch->mask, NULL);
    launch->step = OS_STEP_EXEC;
    errno = run_first(p);
failed:
    launch->error = errno;
    _exit(127);
}

/* --- in the parent --- */

#ifdef __x86_64__
/* clone3 alone can clear all handlers at once (Linux 5.5), and the C library has no way to call it with a stack: the child
 * goes on at the instruction after the call, on a stack that has no frame to return to. */
IN_CHILD static long clone_cleared(struct launch *launch, char *stack, int *pidfd) {
    enum { SYS_CLONE3 = 435 };
    const uint64_t clear_handlers = 0x100000000ull;
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | clear_handlers,
                   .pidfd = (uint64_t)(uintptr_t)pidfd,
                   .exit_signal = SIGCHLD,
                   .stack = (uint64_t)(uintptr_t)stack,
                   .stack_size = CHILD_STACK};
    long result;
    launch->handlers_cleared = true;
    /* No code may come between these and the call: what a sanitizer or a coverage counter inserts may use the
     * registers. */
    register int (*run)(void *) __asm__("r8") = child;
    register void *context __asm__("r9") = launch;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_CLONE3), "D"(&arguments), "S"(sizeof arguments), "r"(run), "r"(context)
                     : "rcx", "r11", "memory", "cc");
    if (result >= 0) return result;
    launch->handlers_cleared = false;
    errno = (int)-result;
    return -1;
}
#else
static long clone_cleared(struct launch *launch, char *stack, int *pidfd) {
    (void)launch;
    (void)stack;
    (void)pidfd;
    errno = ENOSYS;
    return -1;
}
#endif

/* For old kernels, and sandboxes that do not allow clone3. */
static bool is_refused(long result) {
    return result < 0 && (errno == ENOSYS || errno == EINVAL || errno == EPERM);
}

static pid_t clone_child(struct launch *launch, char *stack, int *pidfd) {
    const int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
    long pid = clone_cleared(launch, stack, pidfd);
    if (is_refused(pid)) pid = clone(child, stack + CHILD_STACK, flags | CLONE_PIDFD, launch, pidfd);
    if (is_refused(pid)) pid = clone(child, stack + CHILD_STACK, flags, launch);
    return (pid_t)pid;
}

/* For a child that was made without a pidfd. While SIGCHLD is ignored, a child that has ended is gone at once, and its
 * number may be another process's: so only a process that is our child is opened or signalled by its number. */
static bool open_descriptor(pid_t pid, int *pidfd) {
    siginfo_t info;
    if (*pidfd >= 0 || ((*pidfd = os_pidfd_open(pid)) >= 0 && os_pidfd_is_child(*pidfd))) return true;
    bool gone = *pidfd >= 0 || errno == ESRCH;
    if (*pidfd >= 0) close(*pidfd);
    if (gone && (*pidfd = os_ended_descriptor()) >= 0) return true;
    int number = errno;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) kill(pid, SIGKILL);
    errno = number;
    return false;
}

/* The program runs already: if no descriptor is free for it, it has to be killed. */
static void keep_pidfd_off_stdio(struct launch *launch, int *pidfd) {
    int moved = *pidfd > 2 ? *pidfd : fcntl(*pidfd, F_DUPFD_CLOEXEC, 3);
    if (moved == *pidfd) return;
    if (moved < 0) {
        launch->error = errno;
        launch->step = OS_STEP_START;
        os_pidfd_signal(*pidfd, SIGKILL);
        return;
    }
    close(*pidfd);
    *pidfd = moved;
}

int os_program_start(const struct os_program *program, pid_t *pid, int *pidfd, enum os_program_step *step) {
    _Alignas(16) char stack[CHILD_STACK];
    struct launch launch = {.program = program, .starter = getpid()};
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &launch.mask);
    *pidfd = -1;
    *pid = clone_child(&launch, stack, pidfd);
    if (*pid < 0 || (launch.error == 0 && !open_descriptor(*pid, pidfd))) {
        launch.error = errno;
        launch.step = OS_STEP_START;
    }
    pthread_sigmask(SIG_SETMASK, &launch.mask, NULL);
    if (*pid > 0 && launch.error == 0) keep_pidfd_off_stdio(&launch, pidfd);
    *step = launch.step;
    if (launch.error == 0) return 0;
    if (*pid > 0) {
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) {}
        if (*pidfd >= 0) close(*pidfd);
        *pidfd = -1; /* the number may be another thread's by now */
    }
    errno = launch.error;
    return -1;
}
