/* Messages through each transport: one way, there and back, between several. */
#include "bench.h"

#include <string.h>
#include <unistd.h>

static const struct transport *const transports[] = {
    &prong_queue_transport, &pipe_transport, &poll_transport, &unix_transport, &mq_transport,
#ifdef HAVE_BOOST
    &boost_transport,
#endif
#ifdef HAVE_ZMQ
    &zmq_transport,
#endif
};

static const struct transport *transport_named(const char *name) {
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
        if (strcmp(transports[i]->name, name) == 0) return transports[i];
    return NULL;
}

static void child_side(const struct transport *t) {
    if (t->child) t->child();
}

static long count_for(size_t size) {
    return size <= 8 ? 2000000 : size <= 1024 ? 1000000 : size <= 65536 ? 30000 : 3000;
}

static double slowdown(const struct transport *t) { /* peers get fewer messages, to take as long */
    return strcmp(t->name, "prong") == 0 ? 1 : 5;
}

static void send_many(const struct transport *t, size_t size, long count, bool in_place) {
    char *data = calloc(1, size);
    for (long i = 0; i < count; i++)
        if (in_place && t->send_in_place)
            t->send_in_place(0, size, (uint64_t)i);
        else
            t->send(0, data, size);
}

static void receive_many(const struct transport *t, size_t size, long count, bool in_place) {
    char *data = calloc(1, size);
    for (long i = 0; i < count; i++)
        if (in_place && t->receive_in_place)
            t->receive_in_place(0);
        else
            t->receive(0, data, size);
}

/* Messages a second from one process to another; the first tenth warms up. */
static void oneway(const struct transport *t, size_t size, bool in_place) {
    long count = (long)((double)count_for(size) / slowdown(t)), warm = count / 10;
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child_side(t);
        send_many(t, size, warm + count, in_place);
        char byte;
        t->receive(1, &byte, 1); /* do not leave before all is read */
        t->close();
        _exit(0);
    }
    receive_many(t, size, warm, in_place);
    double start = bench_now();
    receive_many(t, size, count, in_place);
    bench_result((double)count / (bench_now() - start));
    t->send(1, "x", 1);
    bench_end_child(pid);
    t->close();
}

/* Two producers and two consumers. */
static void mpmc(const struct transport *t, size_t size) {
    long each = (long)((double)count_for(size) / slowdown(t));
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    pid_t pids[4];
    double start = bench_now();
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0) {
            child_side(t);
            if (i < 2)
                send_many(t, size, each, false);
            else
                receive_many(t, size, each, false);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) bench_end_child(pids[i]);
    bench_result((double)(2 * each) / (bench_now() - start));
    t->close();
}

static void echo(const struct transport *t, char *data, size_t size, long count) {
    child_side(t);
    for (long i = 0; i < count; i++) {
        t->receive(0, data, size);
        t->send(1, data, size);
    }
    t->close();
    _exit(0);
}

/* Microseconds for each of count messages there and back. */
static double there_and_back(const struct transport *t, char *data, size_t size, long count) {
    double start = bench_now();
    for (long i = 0; i < count; i++) {
        t->send(0, data, size);
        t->receive(1, data, size);
    }
    return (bench_now() - start) * 1e6 / (double)count;
}

/* Microseconds for a message there and one back: the median of some spans, as the limit is. */
static void round_trip(const struct transport *t, size_t size, bool one_core) {
    enum { SPANS = 20 };
    long span = size > 65536 ? 15 : strcmp(t->name, "prong") == 0 ? 5000 : 150;
    double spans[SPANS];
    char *data = calloc(1, size);
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    if (one_core) bench_pin(0);
    pid_t pid = fork();
    if (pid == 0) echo(t, data, size, span * (SPANS + 2));
    there_and_back(t, data, size, span * 2);
    for (int i = 0; i < SPANS; i++) spans[i] = there_and_back(t, data, size, span);
    bench_result(bench_median(spans, SPANS));
    bench_end_child(pid);
    t->close();
}

bool bench_messages(const char *name, const char *peer) {
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {{"8B", 8}, {"1KiB", 1 << 10}, {"64KiB", 1 << 16}, {"1MiB", 1 << 20}};
    if (strcmp(peer, "limit_socket") == 0) return round_trip(&unix_transport, 64, false), true;
    const struct transport *t = transport_named(peer);
    if (!t) return false;
    bool over_pipe = strncmp(name, "pipe_", 5) == 0;
    if (over_pipe && strcmp(peer, "prong") == 0) t = &prong_pipe_transport;
    if (strcmp(name, "wait_rtt_8B") == 0)
        return round_trip(strcmp(peer, "prong") == 0 ? &prong_wait_transport : t, 8, false), true;
    for (size_t i = 0; i < 4; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s_oneway_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return oneway(t, sizes[i].size, sizes[i].size >= 1 << 20 && !over_pipe), true;
        snprintf(wanted, sizeof wanted, "%s_oneway_copied_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return oneway(t, sizes[i].size, false), true;
        snprintf(wanted, sizeof wanted, "%s_rtt_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return round_trip(t, sizes[i].size, false), true;
    }
    if (strcmp(name, "queue_mpmc_8B") == 0) return mpmc(t, 8), true;
    if (strcmp(name, "pipe_rtt_8B_one_core") == 0) return round_trip(t, 8, true), true;
    return false;
}
