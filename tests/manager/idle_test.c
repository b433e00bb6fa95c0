/* A server that has nothing to do sleeps. */
#include "manager_test.h"

#include "../storm/wakeups.h"

#include <unistd.h>

enum { SETTLES = 3500, WATCHED = 4000 }; /* ms */

/* It looks around at first, once a second; then more and more seldom, or not at all. */
static long wakeups_of(int pid) {
    test_sleep_ms(SETTLES);
    long before = switches_of_pid(pid);
    test_sleep_ms(WATCHED);
    return switches_of_pid(pid) - before;
}

static void skip_where_threads_are_added(void) {
#ifdef __SANITIZE_THREAD__
    test_skip("ThreadSanitizer has a thread of its own in each process, which wakes up all the time");
#endif
}

static void use(prong_manager manager, prong_proxy *list) {
    ok(prong_proxy_create(list, manager, "list", SOON, "()"));
    ok(call(*list, NULL, "append", SOON, "(s)", "x"));
}

METHOD_TEST(a_server_of_the_family_sleeps_while_no_request_comes) {
    skip_where_threads_are_added();
    prong_manager manager = started(method);
    prong_proxy list;
    use(manager, &list);
    check(wakeups_of(server_pid(manager)) <= 2);
    ok(call(list, NULL, "append", PRONG_SECONDS(2), "(s)", "y"));
    ended(manager);
}

static int serve(void *argument, size_t size) {
    prong_server *server;
    prong_server_options options = {.address = argument, .link = KEY, .open = OPEN};
    (void)size;
    if (prong_server_open(&server, &options) < 0) return 1;
    prong_status status = prong_server_run(server, PRONG_SECONDS(60));
    prong_server_close(server);
    return status != PRONG_OK;
}

TEST(a_server_with_clients_by_socket_sleeps_while_no_request_comes) {
    char name[60];
    prong_manager manager;
    skip_where_threads_are_added();
    prong_proxy list;
    snprintf(name, sizeof name, "@prong-idle-test-%d", (int)getpid());
    ok(prong_document_open(&document, NULL));
    prong_process process = test_start(PRONG_START_FORK, serve, name, sizeof name, true);
    ok(prong_manager_connect(&manager, name, &KEY, SOON));
    use(manager, &list);
    check(wakeups_of(test_pid(process)) <= 1);
    ok(call(list, NULL, "append", PRONG_SECONDS(2), "(s)", "y"));
    ok(prong_manager_shutdown(manager, SOON));
    equal(test_end(process), 0);
    prong_document_close(document);
}
