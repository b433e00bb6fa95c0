/* A server with small limits in a process of its own, and requests to it as bytes of the protocol. */
#ifndef TESTS_MANAGER_SMALL_SERVER_H
#define TESTS_MANAGER_SMALL_SERVER_H

#include "manager_test.h"

#include <unistd.h>

static inline prong_status small_server_open(prong_server **server, const char *address) {
    prong_server_options options = {.address = address,
                                    .link = KEY,
                                    .open = OPEN,
                                    .max_memory = 1 << 20,
                                    .max_request = 16 << 20,
                                    .max_clients = 40,
                                    .max_objects = 20};
    options.link.max_message = 4 << 20;
    return prong_server_open(server, &options);
}

static inline int serve_small(void *argument, size_t size) {
    (void)size;
    prong_server *server;
    if (small_server_open(&server, argument) < 0) return 1;
    prong_status status = prong_server_run(server, PRONG_SECONDS(30));
    prong_server_close(server);
    return status != PRONG_OK;
}

/* A small server in a process, connected to. */
static inline prong_manager small_manager(prong_process *process, char name[60]) {
    prong_manager manager;
    snprintf(name, 60, "@prong-small-test-%d", (int)getpid());
    ok(prong_document_open(&document, NULL));
    *process = test_start(PRONG_START_FORK, serve_small, name, 60, true);
    ok(prong_manager_connect(&manager, name, &KEY, SOON)); /* it waits for the server to come up */
    return manager;
}

static inline void small_ended(prong_manager manager, prong_process process) {
    ok(prong_manager_shutdown(manager, SOON));
    equal(test_end(process), 0);
    prong_document_close(document);
}

static inline void tell(prong_link *link, const char *ident, const char *method, prong_value arguments) {
    prong_value request, none;
    ok(prong_make_dict(document, NULL, 0, &none));
    if (ident)
        ok(prong_build(document, &request, "(ssvv)", ident, method, arguments, none));
    else
        ok(prong_build(document, &request, "(nsvv)", method, arguments, none));
    ok(prong_link_send_value(link, request, SOON));
}

static inline void hear_return(prong_link *link, prong_value *result) {
    prong_value reply;
    const char *kind;
    ok(prong_link_recv_value(link, document, &reply, NULL, PRONG_SECONDS(30)));
    ok(prong_scan(reply, "(sv)", &kind, result));
    if (strcmp(kind, "#RETURN")) shows(reply, "a #RETURN");
}

#endif
