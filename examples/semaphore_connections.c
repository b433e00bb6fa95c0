/* A Semaphore as a connection limit: ten clients, never more than three connected; the place of one that is killed while it
 * is connected is given back. */
#include "example.h"

struct server {
    prong_semaphore places;
    prong_shared_value connected, served;
};

static int client(void *argument, size_t size) {
    const struct server *server = argument;
    int64_t before;
    (void)size;
    must(prong_semaphore_acquire(server->places, PRONG_SECONDS(10)));
    must(prong_shared_value_add(server->connected, 0, 1, &before));
    if (before >= 3) printf("too many\n");
    usleep(2000);
    must(prong_shared_value_add(server->connected, 0, -1, NULL));
    must(prong_shared_value_add(server->served, 0, 1, NULL));
    must(prong_semaphore_release(server->places));
    return 0;
}

static int client_that_hangs(void *argument, size_t size) {
    const struct server *server = argument;
    (void)size;
    must(prong_semaphore_acquire(server->places, PRONG_SECONDS(10)));
    must(prong_shared_value_add(server->served, 0, 1, NULL));
    sleep(1000);
    return 0;
}

static long served(const struct server *server) {
    long number;
    must(prong_shared_value_get(server->served, 0, 1, &number, PRONG_SECONDS(1)));
    return number;
}

int main(int argc, char **argv) {
    struct server server;
    prong_process clients[10];
    example_begin(argc, argv);
    must(prong_semaphore_create(&server.places, 3, &(prong_semaphore_options){.bounded = true, .recover = true}));
    must(prong_shared_value_create(&server.connected, PRONG_TYPE_OF(long), 1, NULL, NULL));
    must(prong_shared_value_create(&server.served, PRONG_TYPE_OF(long), 1, NULL, NULL));
    prong_process hanging = example_start(client_that_hangs, &server, sizeof server);
    while (served(&server) < 1) usleep(1000);
    must(prong_process_signal(hanging, SIGKILL));
    for (int i = 0; i < 10; i++) clients[i] = example_start(client, &server, sizeof server);
    for (int i = 0; i < 10; i++) must(prong_process_join(clients[i], PRONG_SECONDS(10)));
    must(prong_process_join(hanging, PRONG_SECONDS(10)));
    printf("served: %ld, places free: %u\n", served(&server), prong_semaphore_value(server.places));
}
