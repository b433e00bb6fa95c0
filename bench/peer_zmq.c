/* ZeroMQ over ipc, PUSH to PULL. A socket belongs to the process that uses it, so each side makes its own. */
#include "transport.h"

#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

static char addresses[2][96];
static void *context, *sockets[2];
static int is_child;

static void *connect_to(int channel, int type, int binds) {
    void *made = zmq_socket(context, type);
    int high = 64;
    zmq_setsockopt(made, ZMQ_SNDHWM, &high, sizeof high);
    zmq_setsockopt(made, ZMQ_RCVHWM, &high, sizeof high);
    if ((binds ? zmq_bind(made, addresses[channel]) : zmq_connect(made, addresses[channel])) != 0) bench_die("zmq");
    return made;
}

static int open_names(size_t size) {
    (void)size;
    for (int i = 0; i < 2; i++)
        snprintf(addresses[i], sizeof addresses[i], "ipc:///tmp/prong-bench-%d-%d", (int)getpid(), i);
    return 0;
}

static void *use(int channel, int sends) {
    if (!context) context = zmq_ctx_new();
    if (!sockets[channel]) sockets[channel] = connect_to(channel, sends ? ZMQ_PUSH : ZMQ_PULL, !is_child);
    return sockets[channel];
}

static void child(void) {
    is_child = 1;
}

static void put(int channel, const void *data, size_t size) {
    if (zmq_send(use(channel, 1), data, size, 0) < 0) bench_die("zmq_send");
}

static void get(int channel, void *data, size_t size) {
    if (zmq_recv(use(channel, 0), data, size, 0) < 0) bench_die("zmq_recv");
}

static void close_both(void) {
    for (int i = 0; i < 2; i++)
        if (sockets[i]) zmq_close(sockets[i]);
    if (context) zmq_ctx_term(context);
    sockets[0] = sockets[1] = context = NULL;
    if (!is_child)
        for (int i = 0; i < 2; i++) unlink(addresses[i] + 6);
}

const struct transport zmq_transport = {"zmq_ipc", open_names, child, put, get, NULL, NULL, close_both};
