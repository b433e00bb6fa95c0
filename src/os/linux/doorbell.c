/* Doorbells: datagram sockets at addresses that the kernel picks in the abstract name space, so that any process can
 * ring without preparation, and nothing is left when the owner dies. A datagram from an unrelated process causes one
 * needless check, no more. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Autobind names are a zero byte and five hexadecimal digits (unix(7)). */
enum { DIGITS = 5, NAME_LENGTH = sizeof(sa_family_t) + 1 + DIGITS };

int os_doorbell_create(uint32_t *address) {
    int fd = os_off_stdio(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0) return -1;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof name;
    if (bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &length) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    char digits[DIGITS + 1] = {0};
    memcpy(digits, name.sun_path + 1, DIGITS);
    *address = (uint32_t)strtoul(digits, NULL, 16);
    return fd;
}

bool os_doorbell_ring(uint32_t address) {
    int before = errno;
    int fd = os_off_stdio(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd < 0) {
        errno = before;
        return false;
    }
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char digits[DIGITS + 1];
    snprintf(digits, sizeof digits, "%05x", address & 0xfffff);
    memcpy(name.sun_path + 1, digits, DIGITS);
    ssize_t sent = sendto(fd, "", 1, 0, (struct sockaddr *)&name, NAME_LENGTH);
    bool rung = sent >= 0 || errno == EAGAIN; /* it is full of rings */
    close(fd);
    errno = before;
    return rung;
}

void os_doorbell_silence(int fd) {
    char drop[16];
    int before = errno;
    while (recv(fd, drop, sizeof drop, 0) >= 0) {}
    errno = before;
}
