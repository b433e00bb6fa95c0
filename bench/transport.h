/* A way for processes to pass messages, behind one interface, so that all are measured by the same loops. */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens two channels (0: there, 1: back) before the fork, for messages of up to `size` bytes. */
struct transport {
    const char *name;
    int (*open)(size_t size); /* 0, or -1 when this size, or this peer, cannot be had */
    void (*child)(void);      /* in the forked child, before use; may be NULL */
    void (*send)(int channel, const void *data, size_t size);
    void (*receive)(int channel, void *data, size_t size);
    /* For peers that can write and read a message in place; NULL: the two above are used. */
    void (*send_in_place)(int channel, size_t size, uint64_t stamp);
    uint64_t (*receive_in_place)(int channel);
    void (*close)(void);
};

extern const struct transport prong_queue_transport, prong_pipe_transport, pipe_transport, unix_transport, mq_transport;
extern const struct transport prong_wait_transport, poll_transport, boost_transport, zmq_transport;

/* How many messages a bounded queue holds: 8 MiB at most. With 16 MiB on the way, two processes that copy use more pages than
 * a processor's table of addresses (TLB) has places for, and the figure is that of the table. */
static inline size_t bench_depth(size_t size) {
    return size > 512 << 10 ? ((size_t)8 << 20) / size : 16;
}

double bench_now(void);
void bench_die(const char *what);

#ifdef __cplusplus
}
#endif
#endif
