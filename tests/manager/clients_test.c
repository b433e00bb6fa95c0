/* Many clients at once, and which of them a server takes for the same. */
#define _GNU_SOURCE
#include "small_server.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tries to give up what another holds; then holds something itself. */
static int release_anothers(void *argument, size_t size) {
    struct order *order = argument;
    prong_proxy made;
    (void)size;
    if (prong_proxy_decref(order->proxy) != PRONG_REMOTE_ERROR) return 1;
    if (!strstr(prong_error_message(), "no reference")) return 2;
    for (int i = 0; i < 2; i++)
        if (prong_proxy_create(&made, order->proxy.manager, "dict", SOON, "()") < 0) return 3;
    say(order);
    pause();
    return 0;
}

METHOD_TEST(clients_by_tcp_of_one_computer_do_not_share_references) {
    prong_manager manager;
    prong_manager_options options = {
        .method = (prong_start_method)method,
        .server = {.address = "127.0.0.1:0", .link = KEY, .open = OPEN, .lease = PRONG_MS(100)}};
    struct order order = {0};
    size_t count = 0;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    prong_manager way = by_socket(manager);
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, way, "list", SOON, "()"));
    prong_process child = start_with(method, release_anothers, order);
    hear(&order);
    ok(prong_manager_count(way, &count, SOON));
    equal(count, 3);
    ok(prong_process_signal(child, SIGKILL));
    equal(test_end(child), -SIGKILL);
    for (int i = 0; i < 500 && count != 1; i++) { /* though this process is connected all the time */
        test_sleep_ms(20);
        ok(prong_manager_count(way, &count, SOON));
    }
    equal(count, 1);
    ok(call(order.proxy, NULL, "append", SOON, "(i)", 1));
    ok(prong_proxy_decref(order.proxy));
    ok(prong_manager_destroy(way));
    ok(prong_queue_destroy(order.said));
    ended(manager);
}

/* A process that is number 1 of a PID namespace of its own, and dies with this one's child that made it; 0: not permitted. */
static pid_t in_namespace(int (*run)(struct order *), struct order *order) {
    pid_t child = fork();
    if (child) return child;
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID)) _exit(77);
    pid_t inner = fork();
    if (inner == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(getpid() == 1 ? run(order) : 99);
    }
    int code;
    while (waitpid(inner, &code, 0) < 0) {}
    _exit(WIFEXITED(code) ? WEXITSTATUS(code) : 98);
}

static int hold_one(struct order *order) {
    if (prong_proxy_incref(order->proxy) < 0) return 1;
    say(order);
    pause();
    return 0;
}

static int release_one(struct order *order) {
    return prong_proxy_decref(order->proxy) == PRONG_REMOTE_ERROR && strstr(prong_error_message(), "no reference") ? 7
                                                                                                                   : 1;
}

TEST(members_of_two_pid_namespaces_are_two_clients) {
    prong_manager manager = started(PRONG_START_FORK);
    struct order order = {0};
    int code;
    char heard[4];
    size_t size;
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "list", SOON, "()"));
    pid_t holder = in_namespace(hold_one, &order);
    while (prong_queue_get(order.said, heard, sizeof(heard), &size, PRONG_MS(100)) == PRONG_EMPTY) {
        if (waitpid(holder, &code, WNOHANG) != holder) continue;
        equal(WEXITSTATUS(code), 77);
        test_skip("PID namespaces are not permitted");
    }
    pid_t other = in_namespace(release_one, &order); /* it has the same pid there */
    check(waitpid(other, &code, 0) == other);
    equal(WEXITSTATUS(code), 7);
    kill(holder, SIGKILL);
    check(waitpid(holder, &code, 0) == holder);
    ok(prong_proxy_decref(order.proxy));
    size_t count = 1;
    for (int i = 0; i < 500 && count; i++) { /* what it held is given up */
        test_sleep_ms(20);
        ok(prong_manager_count(manager, &count, SOON));
    }
    equal(count, 0);
    ok(prong_queue_destroy(order.said));
    ok(prong_manager_shutdown(manager, SOON));
    prong_document_close(document);
}

static char served[60];
static int serve_in_namespace(struct order *order) {
    (void)order;
    return serve_small(served, sizeof(served));
}

static bool kernel_names_peers(void) {
    struct utsname name;
    int major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 9));
}

/* They have no pid for it. */
TEST(a_server_tells_clients_of_other_pid_namespaces_apart) {
    prong_manager manager;
    struct order order = {0};
    prong_status status = PRONG_NOT_FOUND;
    size_t count = 0;
    int code;
    if (!kernel_names_peers()) test_skip("the kernel is older than Linux 6.9");
    ok(prong_document_open(&document, NULL));
    snprintf(served, sizeof(served), "@prong-small-test-%d", (int)getpid());
    pid_t server = in_namespace(serve_in_namespace, &order);
    for (int i = 0; i < 60 && (status == PRONG_NOT_FOUND || status == PRONG_TIMEOUT); i++) {
        status =
            prong_manager_connect(&manager, served, &KEY, PRONG_SECONDS(1)); /* it waits for the server to come up */
        if (status < 0 && waitpid(server, &code, WNOHANG) == server) {
            equal(WEXITSTATUS(code), 77);
            test_skip("PID namespaces are not permitted");
        }
    }
    ok(status);
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "list", SOON, "()"));
    prong_process child = start_with(PRONG_START_FORK, release_anothers, order);
    hear(&order);
    ok(prong_process_signal(child, SIGKILL));
    equal(test_end(child), -SIGKILL);
    for (int i = 0; i < 500 && count != 1; i++) { /* it is seen to have died, too */
        test_sleep_ms(20);
        ok(prong_manager_count(manager, &count, SOON));
    }
    equal(count, 1);
    ok(prong_manager_shutdown(manager, SOON));
    check(waitpid(server, &code, 0) == server);
    equal(WEXITSTATUS(code), 0);
    ok(prong_queue_destroy(order.said));
    prong_document_close(document);
}

/* --- a thousand at once --- */

enum { MANY = 1000 };
static prong_link *many[MANY];

/* Half of them wait in get while the others set and get; then all have their item. */
LONG_TEST(a_thousand_clients_at_once, 120) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < MANY + 100) test_failed(__FILE__, __LINE__, "needs %d descriptors", MANY + 100);
    prong_manager manager = started(PRONG_START_FORK);
    prong_proxy queue, dict;
    prong_value none, name, result;
    char queue_id[24], dict_id[24];
    prong_manager_info info;
    ok(prong_proxy_create(&queue, manager, "Queue", SOON, "()"));
    ok(prong_proxy_create(&dict, manager, "dict", SOON, "()"));
    snprintf(queue_id, sizeof(queue_id), "%llx", (unsigned long long)queue.id);
    snprintf(dict_id, sizeof(dict_id), "%llx", (unsigned long long)dict.id);
    ok(prong_manager_get_info(manager, &info));
    prong_link_options options = {.authkey = OPEN ? NULL : info.authkey, .authkey_size = info.authkey_size};
    ok(prong_make_tuple(document, NULL, 0, &none));
    ok(prong_build(document, &name, "(s)", "one of many"));
    for (int i = 0; i < MANY; i++) {
        ok(prong_link_connect(&many[i], info.address, &options, SOON));
        tell(many[i], NULL, "accept_connection", name);
        hear_return(many[i], &result);
    }
    for (int i = 0; i < MANY; i += 2) tell(many[i], queue_id, "get", none);
    for (int i = 1; i < MANY; i += 2) {
        prong_value pair;
        ok(prong_build(document, &pair, "(ii)", i, i * 2));
        tell(many[i], dict_id, "__setitem__", pair);
    }
    for (int i = 1; i < MANY; i += 2) hear_return(many[i], &result);
    for (int i = 0; i < MANY; i += 2) ok(prong_proxy_put(queue, prong_make_int(i), SOON));
    for (int i = 0; i < MANY; i += 2) hear_return(many[i], &result);
    ok(call(dict, &result, "__len__", SOON, "()"));
    shows(result, "500");
    for (int i = 0; i < MANY; i++) prong_link_close(many[i]);
    ended(manager);
}

static int ask_without_end(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    say(order);
    while (prong_proxy_call(order->proxy, "__len__", NULL, NULL, SOON, "()") >= 0) {}
    return 0;
}

/* Nor does it hear that it is to end, while members always have something to ask. */
TEST(members_who_ask_without_end_hold_up_nobody_by_socket) {
    enum { ASKERS = 12, CALLS = 200 };
    prong_manager manager = started(PRONG_START_FORK), other = by_socket(manager);
    struct order order = {0};
    prong_process askers[ASKERS];
    prong_proxy seen;
    prong_value value, result;
    ok(prong_queue_create(&order.said, NULL));
    ok(prong_proxy_create(&order.proxy, manager, "dict", SOON, "()"));
    ok(prong_proxy_to_value(order.proxy, document, &value));
    ok(prong_proxy_from_value(&seen, other, value));
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = start_with(PRONG_START_FORK, ask_without_end, order);
        hear(&order);
    }
    for (int i = 0; i < CALLS; i++) ok(call(seen, &result, "__len__", SOON, "()"));
    ok(prong_manager_shutdown(manager, SOON));
    for (int i = 0; i < ASKERS; i++) equal(test_end(askers[i]), 0);
    ok(prong_queue_destroy(order.said));
    prong_document_close(document);
}
