/* Descriptors as several processes see them: a child does what it is told, one letter at a time, and tells when it is done. */
#ifndef TESTS_SUPPORT_TOLD_H
#define TESTS_SUPPORT_TOLD_H

#include "test.h"

#include <poll.h>

static inline bool readable(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, 0) == 1 && one.revents & POLLIN;
}

static inline bool becomes_readable(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, 10000) == 1 && one.revents & POLLIN;
}

#ifdef TOLD_FOLLOW /* of what it is told about: struct told has these members, too */
struct told {
    TOLD_MEMBERS;
    prong_queue orders, replies;
};

/* Defined by who includes this: carries out the order ('q' ends the child); *fd is the child's own. The reply is 'y' or 'n'. */
static char TOLD_FOLLOW(const struct told *t, int *fd, char order);

static int do_as_told(void *argument, size_t size) {
    struct told *t = argument;
    int fd = -1;
    (void)size;
    for (char order, reply;;) {
        ok(prong_queue_get(t->orders, &order, 1, NULL, PRONG_SECONDS(30)));
        if (order == 'q') return 0;
        reply = TOLD_FOLLOW(t, &fd, order);
        ok(prong_queue_put(t->replies, &reply, 1, PRONG_FOREVER));
    }
}

static bool tell(struct told t, char order) {
    char reply = 0;
    ok(prong_queue_put(t.orders, &order, 1, PRONG_FOREVER));
    if (order == 'q') return true;
    ok(prong_queue_get(t.replies, &reply, 1, NULL, PRONG_SECONDS(30)));
    check(reply == 'y' || reply == 'n');
    return reply == 'y';
}
#endif

#endif
