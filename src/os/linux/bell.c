/* Bells: a pipe that many processes have open.
 *
 * The pipe is opened for reading and writing at once, so one number serves for both. Another process opens the same
 * pipe through /proc/PID/fd/N. It compares device, inode and file type before it opens anything: N may be another file
 * by now, and opening an unknown file may have side effects. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_BYTES = 4096 };

static int close_failed(int fd) {
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static bool is_bell(const struct stat *about, const struct os_bell_id *id) {
    return S_ISFIFO(about->st_mode) && about->st_dev == id->device && about->st_ino == id->inode;
}

static int open_pipe(const char *path) {
    return os_off_stdio(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
}

int os_bell_create(struct os_bell_id *id) {
    int ends[2];
    char path[64];
    struct stat about;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    int fd = open_pipe(path), number = errno;
    close(ends[0]);
    close(ends[1]);
    errno = number;
    if (fd < 0) return -1;
    if (fstat(fd, &about) != 0) return close_failed(fd);
    fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
    *id = (struct os_bell_id){about.st_dev, about.st_ino};
    return fd;
}

int os_bell_open(pid_t pid, int number, const struct os_bell_id *id) {
    char path[64];
    struct stat about;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, number);
    if (stat(path, &about) != 0) return -1;
    if (!is_bell(&about, id)) {
        errno = ENOENT;
        return -1;
    }
    int fd = open_pipe(path);
    if (fd < 0 || os_bell_is(fd, id)) return fd;
    errno = ENOENT; /* the number became another file's between the two */
    return close_failed(fd);
}

bool os_bell_is(int fd, const struct os_bell_id *id) {
    struct stat about;
    int before = errno;
    bool same = fd >= 0 && fstat(fd, &about) == 0 && is_bell(&about, id);
    errno = before;
    return same;
}

bool os_bell_put(int fd, uint32_t count) {
    static const char bytes[OS_BELL_MOST];
    int before = errno;
    ssize_t put;
    if (count > OS_BELL_MOST) count = OS_BELL_MOST;
    while ((put = write(fd, bytes, count)) < 0 && errno == EINTR) {}
    bool done = put >= 0 || errno == EAGAIN; /* EAGAIN: there are bytes enough */
    errno = before;
    return done;
}

void os_bell_take(int fd, uint32_t count) {
    char drop[PIPE_BYTES];
    int before = errno;
    while (read(fd, drop, count < sizeof drop ? count : sizeof drop) < 0 && errno == EINTR) {}
    errno = before;
}

uint32_t os_bell_bytes(int fd) {
    int bytes = 0, before = errno;
    if (ioctl(fd, FIONREAD, &bytes) != 0 || bytes < 0) bytes = 0;
    errno = before;
    return (uint32_t)bytes;
}
