/* Processes: names that last, ends, starts, and dying together. */
#define _GNU_SOURCE
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

extern char **environ;

uint64_t os_process_start_time(pid_t pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return 0;
    text[length] = 0;
    /* The command's name may hold blanks and brackets: count fields from the last bracket on. */
    char *field = strrchr(text, ')');
    for (int i = 2; field && i < 22; i++) field = strchr(field + 1, ' ');
    if (!field) return 0;
    return strtoull(field + 1, NULL, 10) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint32_t os_thread_id(void) {
    return (uint32_t)syscall(SYS_gettid);
}

uint64_t os_boot_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int os_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int os_pidfd_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

bool os_pidfd_ended(int pidfd) {
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

void os_pidfd_wait(int pidfd, deadline_t deadline) {
    siginfo_t info;
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    /* Without a deadline in waitid, which comes back some microseconds sooner; not where somebody else has reaped it. */
    if (deadline == PRONG_FOREVER && waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT) == 0) return;
    poll(&end, 1, deadline_poll_ms(deadline));
}

bool os_reap(int pidfd, int *exit_code, bool *stolen) {
    siginfo_t info = {0};
    int result;
    *stolen = false;
    do result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    while (result != 0 && errno == EINTR);
    if (result != 0) {
        *stolen = errno == ECHILD && os_pidfd_ended(pidfd);
        return *stolen;
    }
    if (info.si_pid == 0) return false;
    *exit_code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return true;
}

static char **environment_with(const char *entry) {
    size_t count = 0;
    while (environ && environ[count]) count++;
    char **environment = malloc((count + 2) * sizeof *environment);
    if (!environment) return NULL;
    for (size_t i = 0; i < count; i++) environment[i] = environ[i];
    environment[count] = (char *)(uintptr_t)entry;
    environment[count + 1] = NULL;
    return environment;
}

int os_spawn_image(const char *path, char *const argv[], const char *environment_entry, const int *kept,
                   size_t kept_count, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **environment = environment_with(environment_entry);
    if (!environment) return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    /* Duplicating a descriptor onto itself is how it loses close-on-exec in the child alone. */
    for (size_t i = 0; i < kept_count; i++) posix_spawn_file_actions_adddup2(&actions, kept[i], kept[i]);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int number = posix_spawnp(pid, path, &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    free(environment);
    errno = number;
    return number == 0 ? 0 : -1;
}

static bool among(int fd, const int *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (list[i] == fd) return true;
    return false;
}

/* Closes [first, last] on kernels without close_range (before 5.9). */
static void close_listed(const int *kept, size_t kept_count) {
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        int fd = atoi(entry->d_name);
        if (fd >= 3 && fd != dirfd(directory) && !among(fd, kept, kept_count)) close(fd);
    }
    closedir(directory);
}

void os_close_all_but(const int *kept, size_t kept_count) {
    unsigned from = 3;
    for (;;) {
        unsigned next = ~0u; /* the lowest kept descriptor from here on */
        for (size_t i = 0; i < kept_count; i++)
            if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < next) next = (unsigned)kept[i];
        unsigned last = next == ~0u ? ~0u : next - 1;
        if (last >= from && syscall(SYS_close_range, from, last, 0) != 0) {
            close_listed(kept, kept_count);
            return;
        }
        if (next == ~0u) return;
        from = next + 1;
    }
}

bool os_die_with_writer(int pipe_read_end) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", pipe_read_end);
    /* Owner and signal belong to an open file, and this one came from the parent: open it anew. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return os_die_with_parent(getppid());
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, SIGKILL);
    fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
    struct pollfd gone = {.fd = fd, .events = POLLIN};
    return !(poll(&gone, 1, 0) > 0 && (gone.revents & POLLHUP));
}

bool os_die_with_parent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == parent;
}

void os_live_on(void) {
    prctl(PR_SET_PDEATHSIG, 0);
}

void os_detach_stdin(void) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd <= 0) return;
    dup2(fd, 0);
    close(fd);
}

void os_reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGINT, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int os_send_with_fd(int socket, const void *data, size_t size, int fd) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

ssize_t os_receive_with_fd(int socket, void *data, size_t size, int *fd) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = data, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    ssize_t received;
    *fd = -1;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return received;
}
