// Boost.Interprocess message_queue.
#include "transport.h"

#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace ipc = boost::interprocess;
static ipc::message_queue *queues[2];
static char names[2][64];

static int open_both(size_t size) {
    try {
        for (int i = 0; i < 2; i++) {
            snprintf(names[i], sizeof names[i], "prong-bench-%d-%d", (int)getpid(), i);
            ipc::message_queue::remove(names[i]);
            queues[i] =
                new ipc::message_queue(ipc::create_only, names[i], size >= 65536 ? bench_depth(size) : 1000, size);
        }
    } catch (...) {
        return -1;
    }
    return 0;
}

static void put(int channel, const void *data, size_t size) {
    queues[channel]->send(data, size, 0);
}

static void get(int channel, void *data, size_t size) {
    ipc::message_queue::size_type received;
    unsigned priority;
    static char whole[1 << 20]; // it wants room for the largest
    bool small = size < queues[channel]->get_max_msg_size();
    queues[channel]->receive(small ? whole : data, small ? sizeof whole : size, received, priority);
    if (small) memcpy(data, whole, size);
}

static void close_both(void) {
    for (int i = 0; i < 2; i++) ipc::message_queue::remove(names[i]);
}

extern "C" const struct transport boost_transport = {"boost_mq", open_both, nullptr, put,
                                                     get,        nullptr,   nullptr, close_both};
