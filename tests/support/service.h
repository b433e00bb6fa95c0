/* A service manager's socket, as systemd makes one for a service, and what it hears. */
#ifndef TESTS_SUPPORT_SERVICE_H
#define TESTS_SUPPORT_SERVICE_H

#include "test.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* From now on it is this process's and its children's service manager. microseconds: of the watchdog; NULL: it does not
 * watch. */
static inline int service_begin(const char *microseconds) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 10};
    char name[60], pid[20];
    snprintf(name, sizeof name, "@prong-service-%d", (int)getpid());
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    check(bind(fd, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
    setenv("NOTIFY_SOCKET", name, 1);
    if (microseconds) setenv("WATCHDOG_USEC", microseconds, 1);
    if (microseconds) setenv("WATCHDOG_PID", pid, 1);
    return fd;
}

/* The next message; it comes within ten seconds. */
static inline const char *service_hears(int fd) {
    static char text[600];
    ssize_t size = recv(fd, text, sizeof text - 1, 0);
    check(size >= 0);
    text[size] = 0;
    return text;
}

/* The next message that is not the watchdog's begins with this. */
static inline void service_expects(int fd, const char *beginning) {
    const char *text;
    do text = service_hears(fd);
    while (strcmp(text, "WATCHDOG=1") == 0);
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        test_failed(__FILE__, __LINE__, "the service says '%s', and not '%s'", text, beginning);
}

static inline bool service_hears_nothing(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) < 0;
}

#endif
