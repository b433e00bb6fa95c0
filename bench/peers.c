/* What a user would write by hand: pipe, Unix socket, POSIX message queue. */
#define _GNU_SOURCE
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2][2]; /* [channel][0: receive, 1: send] */

static void write_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0) bench_die("write");
        data += n;
        size -= (size_t)n;
    }
}

static void read_all(int fd, char *data, size_t size) {
    while (size) {
        ssize_t n = read(fd, data, size);
        if (n <= 0) bench_die("read");
        data += n;
        size -= (size_t)n;
    }
}

static void stream_send(int channel, const void *data, size_t size) {
    write_all(ends[channel][1], data, size);
}

static void stream_receive(int channel, void *data, size_t size) {
    read_all(ends[channel][0], data, size);
}

static void stream_close(void) {
    for (int i = 0; i < 2; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
}

static int pipe_open(size_t size) {
    (void)size;
    return pipe(ends[0]) || pipe(ends[1]);
}

static int unix_open(size_t size) {
    (void)size;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends[0]) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends[1]);
}

const struct transport pipe_transport = {
    .name = "pipe", .open = pipe_open, .send = stream_send, .receive = stream_receive, .close = stream_close};
/* poll waits for each message, together with a second pipe on which none arrives. */
static int idle[2];

static int poll_open(size_t size) {
    return pipe(idle) || pipe_open(size);
}

static void poll_receive(int channel, void *data, size_t size) {
    struct pollfd fds[] = {{.fd = idle[0], .events = POLLIN}, {.fd = ends[channel][0], .events = POLLIN}};
    if (poll(fds, 2, -1) != 1) bench_die("poll");
    stream_receive(channel, data, size);
}

const struct transport poll_transport = {
    .name = "pipe_poll", .open = poll_open, .send = stream_send, .receive = poll_receive, .close = stream_close};
const struct transport unix_transport = {
    .name = "unix_socket", .open = unix_open, .send = stream_send, .receive = stream_receive, .close = stream_close};

static mqd_t queues[2];

static int mq_open_both(size_t size) {
    for (int i = 0; i < 2; i++) {
        char name[64];
        struct mq_attr attributes = {.mq_maxmsg = 8, .mq_msgsize = (long)size};
        snprintf(name, sizeof name, "/prong-bench-%d-%d", (int)getpid(), i);
        queues[i] = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
        if (queues[i] == (mqd_t)-1) return -1;
        mq_unlink(name);
    }
    return 0;
}

static void mq_put(int channel, const void *data, size_t size) {
    if (mq_send(queues[channel], data, size, 0) != 0) bench_die("mq_send");
}

static void mq_get(int channel, void *data, size_t size) {
    static char whole[1 << 20]; /* it wants room for the largest */
    ssize_t n = mq_receive(queues[channel], whole, sizeof whole, NULL);
    if (n < 0) bench_die("mq_receive");
    memcpy(data, whole, (size_t)n < size ? (size_t)n : size);
}

static void mq_close_both(void) {
    for (int i = 0; i < 2; i++) mq_close(queues[i]);
}

const struct transport mq_transport = {
    .name = "posix_mq", .open = mq_open_both, .send = mq_put, .receive = mq_get, .close = mq_close_both};
