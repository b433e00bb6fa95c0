/* Descriptors that stay out of the way of the program's standard streams. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

int os_off_stdio(int fd) {
    if (fd < 0 || fd > 2) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3), number = errno;
    close(fd);
    errno = number;
    return moved;
}

int os_pair_off_stdio(int ends[2]) {
    for (int i = 0; i < 2; i++) ends[i] = os_off_stdio(ends[i]);
    if (ends[0] >= 0 && ends[1] >= 0) return 0;
    int number = errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    errno = number;
    ends[0] = ends[1] = -1;
    return -1;
}

int os_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) == 0 ? os_pair_off_stdio(ends) : -1;
}

int os_socket_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 ? os_pair_off_stdio(ends) : -1;
}

int os_spare_descriptor(void) {
    return os_off_stdio(eventfd(0, EFD_CLOEXEC));
}
