/* A queue whose descriptor another process has, too: what a child that does as it is told knows to do with it. */
#ifndef TESTS_CHANNEL_BELL_TEST_H
#define TESTS_CHANNEL_BELL_TEST_H

#define TOLD_FOLLOW follow
#define TOLD_MEMBERS prong_queue queue
#include "../support/told.h"

#include <sys/prctl.h>
#include <unistd.h>

static inline struct told tell_make(void) {
    struct told t;
    ok(prong_queue_create(&t.queue, NULL));
    ok(prong_queue_create(&t.orders, NULL));
    ok(prong_queue_create(&t.replies, NULL));
    return t;
}

static inline char follow(const struct told *t, int *fd, char order) {
    char byte;
    switch (order) {
    case 'f': ok(prong_queue_fileno(t->queue, fd)); return 'y';
    case 'r': return readable(*fd) ? 'y' : 'n';
    case 'w': return becomes_readable(*fd) ? 'y' : 'n';
    case 'g': return prong_queue_get(t->queue, &byte, 1, NULL, PRONG_NOWAIT) ? 'n' : 'y';
    case 'p': return prong_queue_put(t->queue, "x", 1, PRONG_NOWAIT) ? 'n' : 'y';
    case 'd': return prong_queue_destroy(t->queue) ? 'n' : 'y';
    case 'u': return geteuid() != 0 || setuid(65534) == 0 ? 'y' : 'n';
    case 'x': return prctl(PR_SET_DUMPABLE, 0) == 0 ? 'y' : 'n';
    default: return '?';
    }
}

#endif
