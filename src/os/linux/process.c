/* Processes: identifying one for good, its end, what a new image begins with, and dying with the parent. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static bool proc_read(const char *path, char *text, size_t size) {
    int fd = os_off_stdio(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0) return false;
    ssize_t length = read(fd, text, size - 1);
    close(fd);
    if (length <= 0) return false;
    text[length] = 0;
    return true;
}

enum { STAT_STATE = 3, STAT_START_TIME = 22, STAT_EXIT_CODE = 52 };

/* The text of a field of /proc/PID/stat, by its number in proc(5); NULL where there is none. */
static const char *proc_stat_field(const char *text, int number) {
    /* The command's name may contain blanks and brackets: count fields from the last bracket on. */
    const char *field = strrchr(text, ')');
    for (int i = 2; field && i < number; i++) field = strchr(field + 1, ' ');
    return field ? field + 1 : NULL;
}

uint64_t os_process_start_time(pid_t pid) {
    char path[64], text[1024];
    if (!os_proc_is_own()) return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    const char *time = proc_read(path, text, sizeof text) ? proc_stat_field(text, STAT_START_TIME) : NULL;
    return time ? strtoull(time, NULL, 10) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK)) : 0;
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
    return os_off_stdio((int)syscall(SYS_pidfd_open, pid, 0));
}

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
enum { PIDFS = 0x50494446 }; /* before, all pidfds had one inode */

int os_pidfd_of_peer(int socket) {
    int pidfd = -1;
    socklen_t size = sizeof(pidfd);
    return getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0 ? os_off_stdio(pidfd) : -1;
}

uint64_t os_pidfd_identity(int pidfd) {
    struct statfs system;
    struct stat status;
    if (pidfd < 0 || fstatfs(pidfd, &system) < 0 || system.f_type != PIDFS) return 0;
    return fstat(pidfd, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

int os_pidfd_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

bool os_pidfd_ended(int pidfd) {
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN);
}

bool os_pidfd_is_child(int pidfd) {
    siginfo_t info;
    if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return true;
    return errno != ECHILD && errno != EBADF;
}

int os_ended_descriptor(void) {
    return eventfd(1, EFD_CLOEXEC);
}

/* To processes that may not see it, /proc shows an exit code of 0. */
static bool proc_shows_code(pid_t pid) {
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
    return readlink(path, target, sizeof target) >= 0 || (errno != EACCES && errno != EPERM);
}

bool os_unreaped_code(int pidfd, int *exit_code) {
    char path[64], text[1024];
    pid_t pid = os_pidfd_pid(pidfd);
    if (!pid) return false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!proc_read(path, text, sizeof text)) return false;
    const char *state = proc_stat_field(text, STAT_STATE), *code = proc_stat_field(text, STAT_EXIT_CODE);
    if (!state || *state != 'Z' || !code) return false;
    int status = atoi(code);
    if (status == 0 && !proc_shows_code(pid)) return false;
    /* Still not reaped: so its number is not another's yet. */
    if (os_pidfd_signal(pidfd, 0) != 0 && errno != EPERM) return false;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return true;
}

void os_pidfd_wait(int pidfd, deadline_t deadline) {
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    poll(&end, 1, deadline_poll_ms(deadline));
}

pid_t os_pidfd_pid(int pidfd) {
    char path[64], text[1024];
    if (!os_proc_is_own()) return 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    const char *line = proc_read(path, text, sizeof text) ? strstr(text, "\nPid:") : NULL;
    int pid = line ? atoi(line + 5) : 0;
    return pid > 0 ? pid : 0;
}

enum reaped { REAPED, REAPED_NOT_YET, REAPED_BY_OTHERS };

/* For Linux before 5.4, and for sandboxes that do not allow it by descriptor. A child that only this process reaps
 * keeps its number. */
static enum reaped reap_by_pid(int pidfd, int *exit_code) {
    int status;
    if (!os_pidfd_ended(pidfd)) return REAPED_NOT_YET;
    pid_t pid = os_pidfd_pid(pidfd), result = -1;
    while (pid > 0 && (result = waitpid(pid, &status, WNOHANG)) < 0 && errno == EINTR) {}
    if (result < 0) return REAPED_BY_OTHERS;
    if (result == 0) return REAPED_NOT_YET;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return REAPED;
}

static enum reaped pidfd_reap(int pidfd, int *exit_code) {
    siginfo_t info = {0};
    int result;
    do result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    while (result != 0 && errno == EINTR);
    /* EBADF: the process was gone when the descriptor was to be opened, or the descriptor is closed. */
    if (result != 0 && (errno == ECHILD || errno == EBADF))
        return os_pidfd_ended(pidfd) ? REAPED_BY_OTHERS : REAPED_NOT_YET;
    if (result != 0) return reap_by_pid(pidfd, exit_code);
    if (info.si_pid == 0) return REAPED_NOT_YET;
    *exit_code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return REAPED;
}

bool os_reap(int pidfd, int *exit_code, bool *stolen) {
    enum reaped reaped = pidfd_reap(pidfd, exit_code);
    *stolen = reaped == REAPED_BY_OTHERS;
    return reaped != REAPED_NOT_YET;
}

const char *os_missing_for_processes(void) {
    static _Atomic bool all_there;
    if (atomic_load_explicit(&all_there, memory_order_relaxed)) return NULL;
    int pidfd = os_pidfd_open(getpid());
    if (pidfd < 0) return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? NULL : "pidfd_open";
    int result = os_pidfd_signal(pidfd, 0), number = errno;
    close(pidfd);
    errno = number;
    if (result != 0) return "pidfd_send_signal";
    atomic_store(&all_there, true);
    return NULL;
}

/* --- images --- */

bool os_is_secure_execution(void) {
    return getauxval(AT_SECURE) != 0;
}

bool os_would_be_secure_execution(bool own_image) {
    return (own_image && os_is_secure_execution()) || getuid() != geteuid() || getgid() != getegid();
}

bool os_is_own_image(void) {
    const char *started_as = (const char *)getauxval(AT_EXECFN);
    return started_as && strcmp(started_as, OS_OWN_IMAGE) == 0;
}

OS_IN_CHILD static bool among(int fd, const int *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (list[i] == fd) return true;
    return false;
}

/* --- closing descriptors: in a child that shares its parent's memory, too, so that nothing is allocated here --- */

struct directory_entry {
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

OS_IN_CHILD static void close_named(const char *name, int directory, const int *kept, size_t kept_count) {
    int fd = 0;
    if (*name < '0' || *name > '9') return;
    for (; *name >= '0' && *name <= '9'; name++) fd = fd * 10 + (*name - '0');
    if (fd >= 3 && fd != directory && !among(fd, kept, kept_count)) close(fd);
}

OS_IN_CHILD static bool close_listed(const int *kept, size_t kept_count) {
    _Alignas(struct directory_entry) char entries[2048];
    long size;
    int directory = os_off_stdio(open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory < 0) return false;
    while ((size = syscall(SYS_getdents64, directory, entries, sizeof entries)) > 0)
        for (long at = 0; at < size;) {
            const struct directory_entry *entry = (const void *)(entries + at);
            close_named(entry->name, directory, kept, kept_count);
            at += entry->size;
        }
    close(directory);
    return size == 0;
}

/* Closes each number that may be open, one by one. */
OS_IN_CHILD static void close_each(const int *kept, size_t kept_count) {
    enum { MOST = 1 << 20 };
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST ? (int)limit.rlim_cur : MOST;
    for (int fd = 3; fd < end; fd++)
        if (!among(fd, kept, kept_count)) close(fd);
}

OS_IN_CHILD void os_close_all_but(const int *kept, size_t kept_count) {
    unsigned from = 3;
    for (;;) {
        unsigned next = ~0u; /* the lowest kept descriptor from here on */
        for (size_t i = 0; i < kept_count; i++)
            if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < next) next = (unsigned)kept[i];
        unsigned last = next == ~0u ? ~0u : next - 1;
        /* Not before Linux 5.9, nor in some sandboxes. */
        if (last >= from && syscall(SYS_close_range, from, last, 0) != 0) {
            if (!close_listed(kept, kept_count)) close_each(kept, kept_count);
            return;
        }
        if (next == ~0u) return;
        from = next + 1;
    }
}

void os_close_range(int low, int high) {
    if (low < high && syscall(SYS_close_range, (unsigned)low, (unsigned)high, 0) == 0) return;
    for (int fd = low; fd <= high; fd++) close(fd);
}

bool os_die_with_writer(int pipe_read_end) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", pipe_read_end);
    /* Owner and signal belong to an open file, and this one came from the parent: open it anew. */
    int fd = os_off_stdio(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
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
    if (fd == 0) fcntl(fd, F_SETFD, 0); /* there was none before */
    if (fd > 0) fd = os_off_stdio(fd);
    if (fd <= 0) return;
    dup2(fd, 0);
    close(fd);
}

/* The C library may make all streams' locks anew, as glibc does; musl does not. */
bool os_stream_is_lost(FILE *stream) {
#ifdef __GLIBC__
    (void)stream;
    return false;
#else
    if (ftrylockfile(stream) != 0) return true;
    funlockfile(stream);
    return false;
#endif
}

static struct {
    struct sigaction interrupt, child;
    sigset_t mask;
} before_server;

int os_take_signals(void) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigaction(SIGINT, &ignore, &before_server.interrupt);
    sigaction(SIGCHLD, &usual, &before_server.child);
    sigprocmask(SIG_BLOCK, &child, &before_server.mask);
    return os_off_stdio(signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC));
}

void os_drain_signals(int fd) {
    struct signalfd_siginfo dropped;
    while (read(fd, &dropped, sizeof dropped) > 0) {}
}

void os_give_signals_back(void) {
    sigaction(SIGINT, &before_server.interrupt, NULL);
    sigaction(SIGCHLD, &before_server.child, NULL);
    sigprocmask(SIG_SETMASK, &before_server.mask, NULL);
}

enum { SHORTAGE_LOOKS = 20, SHORTAGE_NAP_MS = 5 };
bool os_passes_soon(int *looks) {
    if (errno == EINTR) return true;
    if ((errno != ENOMEM && errno != ENOBUFS) || ++*looks > SHORTAGE_LOOKS) return false;
    poll(NULL, 0, SHORTAGE_NAP_MS);
    return true;
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
    int looks = 0;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && os_passes_soon(&looks));
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
    int looks = 0;
    *fd = -1;
    do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (received < 0 && os_passes_soon(&looks));
    if (received < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
        *fd = os_off_stdio(*fd);
    }
    return received;
}
