/* Messages through each transport: one way, there and back, between several. */
#include "bench.h"

#include <stdatomic.h>
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

/* The first word of a message: whether the sender stops after it. */
enum { GOES_ON, LAST };

static void send_one(const struct transport *t, void *data, size_t size, bool in_place, uint64_t stamp) {
    if (in_place && t->send_in_place) {
        t->send_in_place(0, size, stamp);
    } else {
        *(uint64_t *)data = stamp;
        t->send(0, data, size);
    }
}

static uint64_t receive_one(const struct transport *t, void *data, size_t size, bool in_place) {
    if (in_place && t->receive_in_place) return t->receive_in_place(0);
    t->receive(0, data, size);
    return *(uint64_t *)data;
}

/* Sends until told to stop, which the last message tells the receiver. */
static void send_until(const struct transport *t, size_t size, bool in_place, const _Atomic bool *over) {
    void *data = bench_buffer(size);
    while (!atomic_load_explicit(over, memory_order_relaxed)) send_one(t, data, size, in_place, GOES_ON);
    send_one(t, data, size, in_place, LAST);
    free(data);
}

/* One end of a one-way stream of messages. */
struct receiver {
    const struct transport *t;
    void *data;
    size_t size;
    bool in_place;
    long batch;
};

static void receive_batch(void *argument) {
    struct receiver *r = argument;
    for (long i = 0; i < r->batch; i++) receive_one(r->t, r->data, r->size, r->in_place);
}

static const double WARM = 0.03, SPAN = 0.15;

/* Messages a second from one process to another, each on a core of its own. */
static void oneway(const struct transport *t, size_t size, bool in_place) {
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    _Atomic bool *over = bench_shared(sizeof *over);
    void *data = bench_buffer(size);
    struct receiver r = {t, data, size, in_place, size <= 1024 ? 256 : size <= 65536 ? 8 : 1};
    pid_t pid = bench_fork();
    bench_place(TWO_CORES, pid == 0);
    if (pid == 0) {
        child_side(t);
        send_until(t, size, in_place, over);
        t->receive(1, data, sizeof(uint64_t)); /* do not leave before all is read */
        t->close();
        _exit(0);
    }
    bench_rate(receive_batch, &r, r.batch, WARM);
    bench_result(bench_rate(receive_batch, &r, r.batch, SPAN));
    atomic_store(over, true);
    while (receive_one(t, data, size, in_place) != LAST) {}
    t->send(1, data, sizeof(uint64_t));
    bench_end_child(pid);
    t->close();
}

static long receive_until_last(const struct transport *t, size_t size) {
    void *data = bench_buffer(size);
    long count = 0;
    while (receive_one(t, data, size, false) != LAST) count++;
    free(data);
    return count;
}

/* Two producers and two consumers, on the cores that the system chooses. Each consumer stops at a last message. */
static void mpmc(const struct transport *t, size_t size) {
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    struct common {
        _Atomic bool over;
        _Atomic long count;
    } *common = bench_shared(sizeof *common);
    pid_t pids[4];
    double start = bench_now();
    for (int i = 0; i < 4; i++)
        if ((pids[i] = bench_fork()) == 0) {
            child_side(t);
            if (i < 2)
                send_until(t, size, false, &common->over);
            else
                atomic_fetch_add(&common->count, receive_until_last(t, size));
            _exit(0);
        }
    usleep((useconds_t)(SPAN * 1e6));
    atomic_store(&common->over, true);
    for (int i = 0; i < 4; i++) bench_end_child(pids[i]);
    bench_result((double)common->count / (bench_now() - start));
    t->close();
}

/* Sends back what it gets, until the last. */
static void echo(const struct transport *t, void *data, size_t size) {
    child_side(t);
    for (;;) {
        t->receive(0, data, size);
        if (*(uint64_t *)data == LAST) break;
        t->send(1, data, size);
    }
    t->close();
    _exit(0);
}

/* Microseconds for each of count messages there and back. */
static double there_and_back(const struct transport *t, void *data, size_t size, long count) {
    double start = bench_now();
    for (long i = 0; i < count; i++) {
        t->send(0, data, size);
        t->receive(1, data, size);
    }
    return (bench_now() - start) * 1e6 / (double)count;
}

/* As many as take about a millisecond, after some that warm up. */
static long trips_of_span(const struct transport *t, void *data, size_t size) {
    double end = bench_now() + WARM, trip;
    do trip = there_and_back(t, data, size, 10);
    while (bench_now() < end);
    return 1 + (long)(1000 / trip);
}

/* Microseconds for a message there and one back: the median of short spans, as the limit is. */
static double round_trip(const struct transport *t, size_t size, enum placement where) {
    enum { SPANS = 100 };
    if (t->open(size) != 0) return 0;
    double spans[SPANS];
    uint64_t *data = bench_buffer(size);
    int measured = 0;
    pid_t pid = bench_fork();
    bench_place(where, pid == 0);
    if (pid == 0) echo(t, data, size);
    long trips = trips_of_span(t, data, size);
    for (double end = bench_now() + SPAN; measured == 0 || (measured < SPANS && bench_now() < end);)
        spans[measured++] = there_and_back(t, data, size, trips);
    *data = LAST;
    t->send(0, data, size);
    bench_end_child(pid);
    t->close();
    free(data);
    return bench_median(spans, measured);
}

/* In a round trip only one side works at a time. Those that sleep do better on one core, those that spin on two: the better
 * placement counts, for each. */
static void better_round_trip(const struct transport *t, size_t size, enum placement first) {
    double best = 0;
    for (enum placement where = first; where < PLACEMENTS; where++) {
        double took = round_trip(t, size, where);
        if (took > 0 && (best == 0 || took < best)) best = took;
    }
    best > 0 ? bench_result(best) : (void)puts("-");
}

bool bench_messages(const char *name, const char *peer) {
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {{"8B", 8}, {"1KiB", 1 << 10}, {"64KiB", 1 << 16}, {"1MiB", 1 << 20}};
    if (strcmp(peer, "limit_socket") == 0) return better_round_trip(&unix_transport, 64, TWO_CORES), true;
    const struct transport *t = transport_named(peer);
    if (!t) return false;
    bool over_pipe = strncmp(name, "pipe_", 5) == 0;
    if (over_pipe && strcmp(peer, "prong") == 0) t = &prong_pipe_transport;
    if (strcmp(name, "wait_rtt_8B") == 0)
        return better_round_trip(strcmp(peer, "prong") == 0 ? &prong_wait_transport : t, 8, TWO_CORES), true;
    for (size_t i = 0; i < 4; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s_oneway_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return oneway(t, sizes[i].size, i == 3 && !over_pipe), true;
        snprintf(wanted, sizeof wanted, "%s_oneway_copied_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return oneway(t, sizes[i].size, false), true;
        snprintf(wanted, sizeof wanted, "%s_rtt_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return better_round_trip(t, sizes[i].size, TWO_CORES), true;
    }
    if (strcmp(name, "queue_mpmc_8B") == 0) return mpmc(t, 8), true;
    if (strcmp(name, "pipe_rtt_8B_one_core") == 0) return better_round_trip(t, 8, ONE_CORE), true;
    return false;
}
