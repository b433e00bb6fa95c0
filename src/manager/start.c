/* Starting and ending a manager's server in a process of its own. This file uses client/ and server/, which do not use
 * each other. */
#include "base/error.h"
#include "manager/client/caller.h"
#include "manager/server/family.h"
#include "os/os.h"
#include "channel/queue.h"
#include "process/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const prong_time START_WITHIN = PRONG_SECONDS(60), UNASKED_WITHIN = PRONG_SECONDS(1);

/* --- in the server's process --- */

/* What its process needs; followed by the argument of setup. */
struct server_start {
    struct reach reach;
    prong_server_options options; /* without pointers */
    struct function setup;
    bool has_setup;
    prong_queue requests, ready;
};

/* What it reports when it serves, or cannot. */
struct ready {
    prong_status status;
    int pid;
    char address[PRONG_MANAGER_ADDRESS], message[400];
};

static prong_status set_up(prong_server *server, const struct server_start *start, const void *argument, size_t size) {
    any_function *function;
    if (!start->has_setup) return PRONG_OK;
    TRY(function_resolve(&start->setup, &function));
    int code = ((int (*)(prong_server *, const void *, size_t))function)(server, argument, size);
    return code ? fail(PRONG_START_FAILED, "manager: setup returned %d", code) : PRONG_OK;
}

static prong_status open_server(const struct server_start *start, prong_server **server) {
    prong_server_options options = start->options;
    prong_tls tls;
    prong_link_options link;
    reach_options(&start->reach, &link, &tls);
    link.backlog = options.link.backlog;
    link.handshake_timeout = options.link.handshake_timeout;
    options.link = link;
    options.address = *start->reach.address ? start->reach.address : NULL;
    prong_status status = prong_server_open(server, &options);
    if (status >= 0) server_join_family(*server, start->requests);
    return status;
}

static int manager_serve(void *argument, size_t size) {
    const struct server_start *start = argument;
    struct ready ready = {.pid = getpid()};
    prong_server *server = NULL;
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole terminal group, and clients need the server to clean up */
    ready.status = open_server(start, &server);
    if (!ready.status) ready.status = set_up(server, start, start + 1, size - sizeof(*start));
    snprintf(ready.message, sizeof(ready.message), "%s", ready.status ? prong_error_message() : "");
    if (server) snprintf(ready.address, sizeof(ready.address), "%s", prong_server_address(server));
    if (prong_queue_put(start->ready, &ready, sizeof(ready), PRONG_SECONDS(10)) < 0 || ready.status) {
        prong_server_close(server);
        return 1;
    }
    prong_status status = prong_server_run(server, PRONG_FOREVER);
    prong_server_close(server);
    return status != PRONG_OK;
}

/* --- starting it --- */

static prong_status await_ready(struct manager *manager, prong_queue ready, deadline_t deadline) {
    struct ready said;
    size_t size;
    for (;;) {
        prong_status status = prong_queue_get(ready, &said, sizeof(said), &size, PRONG_MS(100));
        if (status >= 0) break;
        if (status != PRONG_EMPTY) return status;
        if (!process_is_alive(manager->process) && queue_is_empty(ready))
            return fail_text(PRONG_START_FAILED, "manager: the server's process ended before it served");
        if (deadline_passed(deadline)) return fail_text(PRONG_TIMEOUT, "manager: the server did not come up in time");
    }
    if (said.status) return fail(said.status, "manager: the server's process: %s", said.message);
    snprintf(manager->reach.address, sizeof(manager->reach.address), "%s", said.address);
    manager->pid = said.pid;
    return PRONG_OK;
}

static prong_status run_server(struct manager *manager, struct server_start *start, size_t size,
                               const prong_manager_options *options) {
    prong_process_options process = {.target = manager_serve,
                                     .argument = start,
                                     .argument_size = size,
                                     .name = "Manager",
                                     .daemon = PRONG_DAEMON_YES,
                                     .method = options->method};
    deadline_t deadline = deadline_after(START_WITHIN);
    TRY(prong_process_create(&manager->process, &process));
    TRY(prong_process_start(manager->process));
    return await_ready(manager, start->ready, deadline);
}

static void end_process(struct manager *manager, prong_time patience) {
    if (!manager->process.offset) return;
    if (prong_process_join(manager->process, patience) == PRONG_TIMEOUT) {
        prong_process_signal(manager->process, SIGTERM);
        if (prong_process_join(manager->process, PRONG_SECONDS(1)) == PRONG_TIMEOUT) {
            prong_process_signal(manager->process, SIGKILL);
            prong_process_join(manager->process, PRONG_SECONDS(10));
        }
    }
    prong_process_destroy(manager->process);
}

/* Makes a secret key, if none was given. */
static void manager_make_key(struct reach *reach) {
    if (reach->has_key) return;
    for (size_t i = 0; i < 32; i += sizeof(uint64_t)) {
        uint64_t word = os_random();
        memcpy(reach->key + i, &word, sizeof(word));
    }
    reach->key_size = 32;
    reach->has_key = true;
}

static prong_status fill_start(struct server_start *start, const prong_manager_options *options) {
    TRY(reach_keep(&start->reach, options->server.address, &options->server.link));
    if (!options->server.open) manager_make_key(&start->reach);
    start->options = options->server;
    start->options.address = NULL;
    TRY(check_bytes(options->argument, options->argument_size, "manager: argument"));
    if (options->argument_size) memcpy(start + 1, options->argument, options->argument_size);
    if (!options->setup) return PRONG_OK;
    start->has_setup = true;
    return function_identify((any_function *)options->setup, &start->setup);
}

static prong_status manager_start_server(struct manager *manager, struct server_start *start,
                                         const prong_manager_options *options) {
    prong_status status = fill_start(start, options);
    if (status >= 0) status = prong_queue_create(&start->requests, NULL);
    if (status >= 0) status = prong_queue_create(&start->ready, NULL);
    manager->reach = start->reach;
    manager->requests = start->requests;
    manager->in_family = true;
    if (status >= 0) status = run_server(manager, start, sizeof(*start) + options->argument_size, options);
    if (start->ready.offset) prong_queue_destroy(start->ready);
    if (status < 0) {
        KEEP_MESSAGE;
        end_process(manager, PRONG_NOWAIT);
        prong_queue_destroy(start->requests);
    }
    return status;
}

prong_status prong_manager_start(prong_manager *handle, const prong_manager_options *options) {
    static const prong_manager_options none;
    INTERRUPTS_HELD;
    if (!options) options = &none;
    CHECK_RESERVED(options, "manager: options");
    CHECK_RESERVED(&options->server, "manager: server options");
    struct manager *manager;
    struct server_start *start = calloc(1, sizeof(*start) + options->argument_size);
    if (!start) return fail_text(PRONG_NO_MEMORY, "manager: no memory");
    prong_status status = manager_new(&manager);
    if (status >= 0) {
        status = manager_start_server(manager, start, options);
        if (status < 0)
            manager_drop(manager);
        else
            manager_publish(manager, handle);
    }
    free(start);
    return status;
}

/* --- ending it --- */

prong_status prong_manager_shutdown(prong_manager handle, prong_time timeout) {
    INTERRUPTS_HELD;
    struct manager *manager;
    TRY(manager_find(handle, &manager));
    deadline_t deadline = deadline_after(timeout);
    prong_status status = manager_ask(handle, manager, "shutdown", timeout, NULL);
    /* A server that did not get the request goes on, unless it was about to end anyway. */
    prong_time patience = status ? UNASKED_WITHIN : PRONG_FOREVER, left = deadline_left(deadline);
    if (status == PRONG_BROKEN_PIPE || status == PRONG_EOF || status == PRONG_NOT_FOUND)
        status = PRONG_OK; /* it has ended */
    if (manager->process.offset && process_is_child(manager->process)) {
        end_process(manager, left < patience ? left : patience);
        manager_drain(manager->requests);
        prong_queue_destroy(manager->requests);
        status = PRONG_OK;
    }
    manager_leave(handle); /* the server is killed: this process destroys the mailbox */
    if (status >= 0) manager_drop(manager);
    return status;
}
