/* The functions in between. Each asks whether it is to fail, and with which of its errors; else the real one is called. */
#define _GNU_SOURCE
#include "inject.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct fault_plan *fault_plan;

static bool is_watched(const struct fault_plan *plan) {
    bool own = (pid_t)syscall(SYS_getpid) == plan->pid;
    return plan->mode == FAULT_IN_CHILDREN ? !own : own && __atomic_load_n(&plan->on, __ATOMIC_RELAXED);
}

bool fault_fails(enum fault_kind kind, const char *name, const int *errors) {
    struct fault_plan *plan = fault_plan;
    if (!plan || plan->kind != kind || !is_watched(plan)) return false;
    int number = __atomic_add_fetch(&plan->count, 1, __ATOMIC_RELAXED);
    if (!plan->nth || plan->spent || number < plan->nth || (number > plan->nth && plan->mode != FAULT_TO_THE_END))
        return false;
    int choices = 0;
    while (errors[choices]) choices++;
    int error = errors[plan->choice % choices];
    if (plan->mode == FAULT_TO_THE_END && error == EINTR) { /* without end it would be a signal in each instant */
        if (number > plan->nth) return false;
    }
    if (number == plan->nth) {
        snprintf(plan->where, sizeof(plan->where), "%s", name);
        plan->error = error;
    }
    __atomic_add_fetch(&plan->fired, 1, __ATOMIC_RELAXED);
    errno = error;
    return true;
}

/* One that returns its error. */
#define WRAP_RETURNS(name, parameters, arguments, ...)                                                                 \
    int __real_##name parameters;                                                                                      \
    int __wrap_##name parameters;                                                                                      \
    int __wrap_##name parameters {                                                                                     \
        return fault_fails(FAULT_SYSTEM, #name, ERRORS(__VA_ARGS__)) ? errno : __real_##name arguments;                \
    }

/* --- descriptors --- */

WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1, EMFILE, ENOMEM, ENFILE)
WRAP(int, shm_open, (const char *name, int flags, mode_t mode), (name, flags, mode), -1, EMFILE, EACCES)
WRAP(int, pipe2, (int *ends, int flags), (ends, flags), -1, EMFILE, ENFILE)
WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), -1, EMFILE, ENOBUFS, ENOMEM)
WRAP(int, socketpair, (int family, int type, int protocol, int *ends), (family, type, protocol, ends), -1, EMFILE,
     ENOMEM)
WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags), (fd, from, size, flags), -1, EMFILE,
     EINTR, ECONNABORTED, ENOMEM)
WRAP(int, epoll_create1, (int flags), (flags), -1, EMFILE, ENOMEM)
WRAP(int, eventfd, (unsigned first, int flags), (first, flags), -1, EMFILE, ENOMEM)
WRAP(int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags), -1, EMFILE, ENOMEM)
WRAP(int, dup, (int fd), (fd), -1, EMFILE)
WRAP(int, dup2, (int fd, int to), (fd, to), -1, EINTR, EBUSY)
WRAP(DIR *, opendir, (const char *name), (name), NULL, EMFILE, ENOMEM, ENOENT)
WRAP(FILE *, fopen64, (const char *name, const char *mode), (name, mode), NULL, EMFILE, ENOENT, ENOMEM)

int __real_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fault_fails(FAULT_SYSTEM, "open", ERRORS(EMFILE, ENOENT, ENOMEM, EACCES)) ? -1
                                                                                     : __real_open64(name, flags, mode);
}

static const int *errors_of_command(int command) {
    static const int of_new[] = {EMFILE, 0}, of_seals[] = {EPERM, 0}, of_lock[] = {EAGAIN, ENOLCK, 0};
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return of_new;
    case F_ADD_SEALS: return of_seals;
    case F_OFD_SETLK: return of_lock;
    default: return NULL;
    }
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *); /* an int, a pointer, or nothing: what is in its place */
    va_end(list);
    const int *errors = errors_of_command(command);
    bool fails = errors && fault_fails(FAULT_SYSTEM, "fcntl", errors);
    return fails ? -1 : __real_fcntl64(fd, command, argument);
}

/* --- memory --- */

WRAP(void *, mmap64, (void *at, size_t size, int protection, int flags, int fd, off64_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED, ENOMEM, EAGAIN)
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size), -1, EINTR, ENOSPC, EFBIG)
WRAP(int, fallocate64, (int fd, int mode, off64_t offset, off64_t size), (fd, mode, offset, size), -1, ENOSPC, EINTR,
     ENOMEM)
WRAP(int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1, ENOMEM, EINVAL, EAGAIN)

/* --- processes and threads --- */

WRAP(pid_t, fork, (void), (), -1, EAGAIN, ENOMEM)
WRAP(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options), -1, EINTR)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1, EINTR)
WRAP_RETURNS(posix_spawnp,
             (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
              const posix_spawnattr_t *attributes, char *const *arguments, char *const *environment),
             (pid, file, actions, attributes, arguments, environment), EAGAIN, ENOMEM)
WRAP_RETURNS(posix_spawn_file_actions_adddup2, (posix_spawn_file_actions_t * actions, int fd, int to),
             (actions, fd, to), ENOMEM)
WRAP_RETURNS(posix_spawn_file_actions_addopen,
             (posix_spawn_file_actions_t * actions, int fd, const char *name, int flags, mode_t mode),
             (actions, fd, name, flags, mode), ENOMEM)
WRAP_RETURNS(pthread_create,
             (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
             (thread, attributes, run, context), EAGAIN)
#ifdef __SANITIZE_ADDRESS__ /* its runtime makes keys through this one, and does not live on without */
int __real_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*end)(void *)) {
    return __real_pthread_key_create(key, end);
}
#else
WRAP_RETURNS(pthread_key_create, (pthread_key_t * key, void (*end)(void *)), (key, end), EAGAIN, ENOMEM)
#endif

int __real_clone(int (*run)(void *), void *stack, int flags, void *context, ...);
int __wrap_clone(int (*run)(void *), void *stack, int flags, void *context, ...);
int __wrap_clone(int (*run)(void *), void *stack, int flags, void *context, ...) {
    va_list list;
    va_start(list, context);
    int *pidfd = va_arg(list, int *);
    va_end(list);
    if (fault_fails(FAULT_SYSTEM, "clone", ERRORS(EAGAIN, ENOMEM))) return -1;
    return __real_clone(run, stack, flags, context, pidfd);
}

/* What the number of a system call says about it. */
static const int *errors_of(long number) {
    static const int of_futex[] = {EINTR, 0}, of_pidfd_open[] = {EMFILE, ENOMEM, 0};
    switch (number) {
    case SYS_futex: return of_futex;
    case SYS_pidfd_open: return of_pidfd_open;
    default: return NULL;
    }
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    const int *errors = errors_of(number);
    if (errors && fault_fails(FAULT_SYSTEM, number == SYS_futex ? "futex" : "pidfd_open", errors)) return -1;
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- reading, writing, waiting --- */

WRAP(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), -1, EINTR, EIO)
WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), -1, EINTR, EIO)
WRAP(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), -1, EINTR, EIO)
WRAP(ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), -1, EINTR, EIO)
WRAP(int, fdatasync, (int fd), (fd), -1, EINTR, EIO, ENOSPC)
WRAP(int, flock, (int fd, int operation), (fd, operation), -1, EINTR, ENOLCK)

/* A part of it is written before it fails. */
ssize_t __real_pwritev64(int fd, const struct iovec *parts, int count, off64_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int count, off64_t at);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
    if (!fault_fails(FAULT_SYSTEM, "pwritev", ERRORS(ENOSPC, EIO, EINTR, EDQUOT)))
        return __real_pwritev64(fd, parts, count, at);
    int error = errno;
    struct iovec half = {parts->iov_base, parts->iov_len / 2};
    if (__real_pwritev64(fd, &half, 1, at) >= 0) errno = error;
    return -1;
}

/* What has come lies in the kernel's memory already. */
WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags), -1, EINTR)
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags), -1, EINTR, ENOBUFS)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1, EINTR, ENOMEM)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1, EINTR, ENOBUFS)
WRAP(ssize_t, sendto, (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t to_size),
     (fd, data, size, flags, to, to_size), -1, EINTR, ENOBUFS)

/* The kernel interrupts a wait only while there is nothing to tell; for a few descriptors it needs no memory. */
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
    if (!fault_fails(FAULT_SYSTEM, "poll", ERRORS(EINTR))) return __real_poll(fds, count, timeout);
    int ready = __real_poll(fds, count, 0);
    errno = EINTR;
    return ready > 0 ? ready : -1;
}

int __real_epoll_wait(int fd, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout) {
    if (!fault_fails(FAULT_SYSTEM, "epoll_wait", ERRORS(EINTR))) return __real_epoll_wait(fd, events, count, timeout);
    int ready = __real_epoll_wait(fd, events, count, 0);
    errno = EINTR;
    return ready > 0 ? ready : -1;
}

/* Only what is new takes memory. */
int __real_epoll_ctl(int fd, int what, int which, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int what, int which, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int what, int which, struct epoll_event *event) {
    int result = __real_epoll_ctl(fd, what, which, event);
    if (result || what != EPOLL_CTL_ADD || !fault_fails(FAULT_SYSTEM, "epoll_ctl", ERRORS(ENOMEM, ENOSPC)))
        return result;
    int error = errno;
    __real_epoll_ctl(fd, EPOLL_CTL_DEL, which, NULL);
    errno = error;
    return -1;
}

WRAP(int, bind, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), -1, ENOMEM, EADDRINUSE)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1, EADDRINUSE, ENOMEM)
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size), -1, EINTR, ECONNREFUSED, ENOMEM)
WRAP(int, getsockname, (int fd, struct sockaddr *name, socklen_t *size), (fd, name, size), -1, ENOBUFS)

/* --- memory of malloc: how much the library has is counted, too --- */

static void *counted(void *block) {
    if (block && fault_plan && (pid_t)syscall(SYS_getpid) == fault_plan->pid)
        __atomic_add_fetch(&fault_plan->held, 1, __ATOMIC_RELAXED);
    return block;
}

#define WRAP_ALLOCATOR(name, parameters, arguments)                                                                    \
    void *__real_##name parameters;                                                                                    \
    void *__wrap_##name parameters;                                                                                    \
    void *__wrap_##name parameters {                                                                                   \
        return fault_fails(FAULT_MALLOC, #name, ERRORS(ENOMEM)) ? NULL : counted(__real_##name arguments);             \
    }

WRAP_ALLOCATOR(malloc, (size_t size), (size))
WRAP_ALLOCATOR(calloc, (size_t count, size_t size), (count, size))

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
    if (fault_fails(FAULT_MALLOC, "realloc", ERRORS(ENOMEM))) return NULL;
    void *made = __real_realloc(block, size);
    return block ? made : counted(made);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
    return fault_fails(FAULT_MALLOC, "strdup", ERRORS(ENOMEM)) ? NULL : counted(__real_strdup(text));
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block) {
    if (block && fault_plan && (pid_t)syscall(SYS_getpid) == fault_plan->pid)
        __atomic_sub_fetch(&fault_plan->held, 1, __ATOMIC_RELAXED);
    __real_free(block);
}

/* --- memory of the arena --- */

prong_status __real_heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block);
prong_status __wrap_heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block);
prong_status __wrap_heap_alloc(uint64_t size, uint32_t owner, uint64_t *into, uint64_t *block) {
    if (fault_fails(FAULT_ARENA, "heap_alloc", ERRORS(ENOMEM)))
        return fail(PRONG_NO_MEMORY, "the arena has no %llu bytes left (as a test has it)", (unsigned long long)size);
    return __real_heap_alloc(size, owner, into, block);
}
