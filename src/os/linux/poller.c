/* Pollers, by epoll; and wake-ups, by eventfd. */
#define _GNU_SOURCE
#include "os/os.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 };

/* --- events, in the system's words and in ours --- */

static uint32_t epoll_events(uint32_t events) {
    return (events & OS_POLLER_IN ? EPOLLIN : 0) | (events & OS_POLLER_OUT ? EPOLLOUT : 0) |
           (events & OS_POLLER_ENDED ? EPOLLRDHUP : 0);
}

static uint32_t poller_events(uint32_t events) {
    return (events & EPOLLIN ? OS_POLLER_IN : 0) | (events & EPOLLOUT ? OS_POLLER_OUT : 0) |
           (events & EPOLLRDHUP ? OS_POLLER_ENDED : 0) | (events & (EPOLLHUP | EPOLLERR) ? OS_POLLER_BROKEN : 0);
}

static int poller_control(int poller, int operation, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = epoll_events(events), .data.u64 = tag};
    return epoll_ctl(poller, operation, descriptor, &event);
}

/* --- pollers --- */

int os_poller_create(void) {
    return os_off_stdio(epoll_create1(EPOLL_CLOEXEC));
}

int os_poller_create_over(const int *descriptors, size_t count) {
    int poller = os_poller_create();
    for (size_t i = 0; poller >= 0 && i < count; i++)
        if (descriptors[i] >= 0 && os_poller_add(poller, descriptors[i], OS_POLLER_IN, 0) != 0) {
            int number = errno;
            close(poller);
            errno = number;
            return -1;
        }
    return poller;
}

int os_poller_add(int poller, int descriptor, uint32_t events, uint64_t tag) {
    return poller_control(poller, EPOLL_CTL_ADD, descriptor, events, tag);
}

int os_poller_change(int poller, int descriptor, uint32_t events, uint64_t tag) {
    return poller_control(poller, EPOLL_CTL_MOD, descriptor, events, tag);
}

int os_poller_remove(int poller, int descriptor) {
    return epoll_ctl(poller, EPOLL_CTL_DEL, descriptor, NULL);
}

bool os_poller_has(int poller, int descriptor) {
    int before = errno;
    if (poller < 0 || descriptor < 0) return false;
    bool added = os_poller_add(poller, descriptor, OS_POLLER_IN, 0) == 0, has = !added && errno == EEXIST;
    if (added) os_poller_remove(poller, descriptor);
    errno = before;
    return has;
}

int os_poller_wait(int poller, struct os_poller_event *events, int count, int milliseconds) {
    struct epoll_event there[EVENTS_MAX];
    int found = epoll_wait(poller, there, count < EVENTS_MAX ? count : EVENTS_MAX, milliseconds);
    for (int i = 0; i < found; i++)
        events[i] = (struct os_poller_event){.events = poller_events(there[i].events), .tag = there[i].data.u64};
    return found;
}

/* --- wake-ups --- */

int os_wakeup_create(void) {
    return os_off_stdio(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void os_wakeup_set(int wakeup) {
    uint64_t one = 1;
    int before = errno;
    if (write(wakeup, &one, sizeof(one)) < 0) errno = before; /* it is full: it is set */
}

bool os_wakeup_take(int wakeup) {
    uint64_t count;
    return read(wakeup, &count, sizeof(count)) > 0;
}
