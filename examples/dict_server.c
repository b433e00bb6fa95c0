/* A server for Python: dict_server ADDRESS serves until a client shuts it down. dict_client.py uses it. */
#include "example.h"

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    if (argc < 2) return 2;
    prong_server *server;
    prong_server_options options = {.address = argv[1],
                                    .link = {.authkey = "dict", .authkey_size = 4, .allow_md5 = true}};
    must(prong_server_open(&server, &options));
    puts(prong_server_address(server));
    fflush(stdout);
    must(prong_server_run(server, PRONG_FOREVER));
    prong_server_close(server);
    puts("the server was shut down");
}
