/* poll(2), which prong_interrupt ends. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LONG_SECONDS = 1 << 30 };

/* The C library's ppoll would pass a copy of the limit to the kernel, which a handler could not change. */
int os_poll(struct pollfd *fds, size_t count, deadline_t deadline) {
    struct timespec left = {.tv_sec = LONG_SECONDS};
    if (deadline != PRONG_FOREVER) left = timespec_of(deadline_left(deadline));
    int ready = (int)syscall(SYS_ppoll, fds, count, interrupt_limit(left), NULL, (size_t)0);
    int number = errno;
    if (deadline != PRONG_NOWAIT) interrupt_look(); /* else it was no wait */
    errno = number;
    return ready;
}
