/* prong's Queue and Pipe. */
#include "bench.h"

#include <string.h>
#include <unistd.h>

static prong_queue queues[2];
static pid_t queue_maker; /* the other side may still be reading when one is done */

static int queue_open(size_t size) {
    queue_maker = getpid();
    prong_queue_options bounded = {.maxsize = size >= 65536 ? bench_depth(size) : 0};
    for (int i = 0; i < 2; i++) must(prong_queue_create(&queues[i], &bounded));
    return 0;
}

static void queue_send(int channel, const void *data, size_t size) {
    must(prong_queue_put(queues[channel], data, size, PRONG_FOREVER));
}

static void queue_receive(int channel, void *data, size_t size) {
    must(prong_queue_get(queues[channel], data, size, NULL, PRONG_FOREVER));
}

static void queue_send_in_place(int channel, size_t size, uint64_t stamp) {
    prong_message message;
    must(prong_message_reserve(&message, size));
    memcpy(message.data, &stamp, sizeof stamp);
    memcpy((char *)message.data + size - sizeof stamp, &stamp, sizeof stamp);
    must(prong_queue_commit(queues[channel], &message, PRONG_FOREVER));
}

static uint64_t queue_receive_in_place(int channel) {
    prong_message message;
    uint64_t first, last;
    must(prong_queue_receive(queues[channel], &message, PRONG_FOREVER));
    memcpy(&first, message.data, sizeof first);
    memcpy(&last, (char *)message.data + message.size - sizeof last, sizeof last);
    if (first != last) bench_die("a message was torn");
    must(prong_message_release(&message));
    return first;
}

static void queue_close(void) {
    if (getpid() != queue_maker) return;
    for (int i = 0; i < 2; i++) prong_queue_destroy(queues[i]);
}

const struct transport prong_queue_transport = {.name = "prong",
                                                .open = queue_open,
                                                .send = queue_send,
                                                .receive = queue_receive,
                                                .send_in_place = queue_send_in_place,
                                                .receive_in_place = queue_receive_in_place,
                                                .close = queue_close};

/* One duplex pipe: channel 0 goes from the second end to the first, channel 1 back. The child sends on channel 0 in
 * oneway, the parent in a round trip; each end is used by one process only. */
static prong_connection sides[2];

static int pipe_open(size_t size) {
    (void)size;
    must(prong_pipe_create(&sides[0], &sides[1], NULL));
    return 0;
}

static void pipe_send(int channel, const void *data, size_t size) {
    must(prong_connection_send_bytes(sides[channel], data, size, PRONG_FOREVER));
}

static void pipe_receive(int channel, void *data, size_t size) {
    must(prong_connection_recv_bytes_into(sides[1 - channel], data, size, NULL, PRONG_FOREVER));
}

static void pipe_close(void) {
}

/* The same, but prong_wait waits for each message, together with a second end on which none arrives. */
static prong_connection idle[2];

static int wait_open(size_t size) {
    must(prong_pipe_create(&idle[0], &idle[1], NULL));
    return pipe_open(size);
}

static void wait_receive(int channel, void *data, size_t size) {
    prong_waitable items[] = {{.kind = PRONG_WAIT_CONNECTION, .connection = idle[0]},
                              {.kind = PRONG_WAIT_CONNECTION, .connection = sides[1 - channel]}};
    must(prong_wait(items, 2, NULL, PRONG_FOREVER));
    pipe_receive(channel, data, size);
}

const struct transport prong_wait_transport = {
    .name = "prong", .open = wait_open, .send = pipe_send, .receive = wait_receive, .close = pipe_close};

const struct transport prong_pipe_transport = {
    .name = "prong", .open = pipe_open, .send = pipe_send, .receive = pipe_receive, .close = pipe_close};
