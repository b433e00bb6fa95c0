/* Producer and consumer over a one-way Pipe; the consumer ends when the producer has. */
#include "example.h"

static int produce(void *argument, size_t size) {
    (void)size;
    for (int i = 0; i < 4; i++) {
        char item[32];
        int length = snprintf(item, sizeof item, "item %d", i);
        must(prong_connection_send_bytes(*(prong_connection *)argument, item, (size_t)length, PRONG_SECONDS(10)));
    }
    return 0;
}

static int consume(void *argument, size_t size) {
    prong_message item;
    (void)size;
    while (prong_connection_recv_bytes(*(prong_connection *)argument, 0, &item, PRONG_SECONDS(10)) >= 0) {
        printf("consumed %.*s\n", (int)item.size, (char *)item.data);
        must(prong_message_release(&item));
    }
    printf("no more\n");
    return 0;
}

int main(int argc, char **argv) {
    prong_connection reader, writer;
    example_begin(argc, argv);
    must(prong_pipe_create(&reader, &writer, &(prong_pipe_options){.one_way = true}));
    prong_process consumer = example_start(consume, &reader, sizeof reader);
    prong_process producer = example_start(produce, &writer, sizeof writer);
    must(prong_process_join(producer, PRONG_SECONDS(10)));
    must(prong_process_join(consumer, PRONG_SECONDS(10)));
}
