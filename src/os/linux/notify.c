/* The service manager's socket (systemd's protocol: datagrams of lines NAME=value). */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int os_notify_open(const char *address) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = strlen(address);
    if ((*address != '/' && *address != '@') || size < 2 || size >= sizeof to.sun_path) {
        errno = EINVAL;
        return -1;
    }
    memcpy(to.sun_path, address, size);
    if (*address == '@') to.sun_path[0] = 0;
    int fd = os_off_stdio(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

void os_notify_send(int fd, const char *text) {
    while (send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}
