/* Links: Listener and Client between C programs; what Python does is in interop.py. */
#include "link_test.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

METHOD_TEST(values_go_both_ways_with_a_key) {
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    exchange_with(client, method);
    prong_listener_close(listener);
}

TEST(tcp_and_paths_work_and_a_path_is_removed) {
    listen_with("127.0.0.1:0", &KEY);
    check(strcmp(address, "127.0.0.1:0"));
    struct client client = client_here(true);
    prong_process child = start_with(PRONG_START_FORK, echo_client, client);
    prong_link *link = accepted();
    int pid = 1;
    check(*prong_link_peer(link, &pid));
    equal(pid, 0);
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener_close(listener);

    char folder[] = "/tmp/prong-test-XXXXXX", path[100];
    check(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/socket", folder);
    listen_with(path, NULL);
    client = client_here(false);
    child = start_with(PRONG_START_FORK, echo_client, client);
    link = accepted();
    prong_link_peer(link, &pid);
    check(pid > 0);
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener *second;
    is(prong_listener_open(&second, path, NULL), PRONG_EXISTS);
    prong_listener_close(listener);
    check(access(path, F_OK) != 0);
    check(rmdir(folder) == 0);
}

TEST(bad_addresses_are_named) {
    prong_link *link;
    is(prong_listener_open(&listener, "nonsense", NULL), PRONG_INVALID);
    says("neither");
    is(prong_link_connect(&link, "@nobody-listens-here-prong", NULL, PRONG_NOWAIT), PRONG_NOT_FOUND);
    says("nobody listens");
    is(prong_link_connect(&link, "127.0.0.1:1", NULL, PRONG_NOWAIT), PRONG_NOT_FOUND);
    is(prong_link_connect(&link, "/tmp", NULL, PRONG_NOWAIT), PRONG_NOT_FOUND);
    is(prong_link_connect(&link, "", NULL, PRONG_SECONDS(1)), PRONG_INVALID);
    const char *const ports[] = {"127.0.0.1:+0", "127.0.0.1: 0", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:0x1"};
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++)
        is(prong_listener_open(&listener, ports[i], NULL), PRONG_INVALID);
    is(prong_link_connect(&link, "no.such.host.invalid:80", NULL, PRONG_FOREVER), PRONG_NOT_FOUND);
}

TEST(addresses_are_as_long_as_the_system_takes_them) {
    prong_link *link;
    char path[400], fits[108];
    memset(path, 'x', sizeof(path));
    path[0] = '/', path[sizeof(path) - 1] = 0;
    is(prong_link_connect(&link, path, NULL, PRONG_NOWAIT), PRONG_INVALID);
    says("longer than a Unix socket's may be (107 bytes)");
    path[0] = '@';
    is(prong_listener_open(&listener, path, NULL), PRONG_INVALID);
    path[0] = 'x';
    is(prong_link_connect(&link, path, NULL, PRONG_NOWAIT), PRONG_INVALID);
    says("too long");
    is(prong_link_connect(&link, NULL, NULL, PRONG_NOWAIT), PRONG_INVALID);
    says("there is none");
    snprintf(fits, sizeof(fits), "@%d-%s", (int)getpid(), path);
    listen_with(fits, NULL);
    check(strlen(address) == 107 && !strcmp(address, fits));
    ok(prong_link_connect(&link, fits, NULL, PRONG_SECONDS(10)));
    prong_link_close(link);
    prong_listener_close(listener);
}

TEST(addresses_of_ipv6_stand_in_brackets) {
    prong_link *link, *server;
    const char *const bad[] = {"::1:80", "[::1:80", "[::1]", "[::1]80", ":::"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        is(prong_listener_open(&listener, bad[i], NULL), PRONG_INVALID);
    int has = socket(AF_INET6, SOCK_STREAM, 0);
    if (has < 0 || prong_listener_open(&listener, "[::1]:0", NULL) < 0) test_skip("this machine has no IPv6");
    close(has);
    snprintf(address, sizeof(address), "%s", prong_listener_address(listener));
    check(!strncmp(address, "[::1]:", 6) && atoi(address + 6) > 0);
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    server = accepted();
    check(!strcmp(prong_link_peer(link, NULL), address) && !strncmp(prong_link_peer(server, NULL), "[::1]:", 6));
    int pid = 7;
    check(prong_link_peer(link, &pid) != NULL);
    equal(pid, 0);
    prong_link_close(link);
    prong_link_close(server);
    prong_listener_close(listener);
}

TEST(a_listener_has_an_address_of_this_computer) {
    is(prong_listener_open(&listener, "192.0.2.1:0", NULL), PRONG_NOT_FOUND);
    says("listen at 192.0.2.1:0: no address of this computer");
}

TEST(a_listener_reports_that_its_path_is_something_else_now) {
    char folder[] = "/tmp/prong-test-XXXXXX", path[100];
    check(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/socket", folder);
    listen_with(path, NULL);
    check(unlink(path) == 0 && mkdir(path, 0700) == 0);
    check(prong_listener_close(listener) < 0);
    says(path);
    check(rmdir(path) == 0);
    listen_with(path, NULL);
    check(unlink(path) == 0);
    ok(prong_listener_close(listener)); /* it is gone already */
    check(rmdir(folder) == 0);
}

/* --- a listener that comes up after its client --- */

static int early_client(void *argument, size_t size) {
    prong_link *link;
    (void)size;
    if (prong_link_connect(&link, argument, NULL, PRONG_FOREVER) < 0) return 1;
    if (prong_link_send_bytes(link, "early", 5, PRONG_SECONDS(10)) < 0) return 2;
    prong_link_close(link);
    return 0;
}

static void serves_the_early(int method, const char *at) {
    prong_link *link;
    char text[8];
    size_t size;
    prong_process child = test_start((prong_start_method)method, early_client, at, strlen(at) + 1, false);
    test_sleep_ms(100); /* it has been refused by then, mostly */
    check(test_is_alive(child));
    ok(prong_listener_open(&listener, at, NULL));
    ok(prong_listener_accept(listener, &link, PRONG_SECONDS(10)));
    ok(prong_link_recv_bytes_into(link, text, sizeof(text), &size, PRONG_SECONDS(10)));
    check(size == 5 && !memcmp(text, "early", 5));
    equal(test_end(child), 0);
    prong_link_close(link);
    prong_listener_close(listener);
}

/* A TCP address at which nobody listens any more. */
static void free_port(char at[400]) {
    ok(prong_listener_open(&listener, "127.0.0.1:0", NULL));
    snprintf(at, 400, "%s", prong_listener_address(listener));
    prong_listener_close(listener);
}

METHOD_TEST(a_client_waits_for_its_listener_to_come_up) {
    char at[400];
    snprintf(at, sizeof(at), "@prong-early-%d", (int)getpid());
    serves_the_early(method, at);
    snprintf(at, sizeof(at), "/tmp/prong-early-%d", (int)getpid());
    serves_the_early(method, at);
    free_port(at);
    serves_the_early(method, at);
}

TEST(a_client_gives_up_when_its_time_is_up_and_at_once_without_any) {
    prong_link *link;
    char at[400];
    free_port(at);
    int before = test_open_descriptors();
    const prong_time times[] = {PRONG_NOWAIT, PRONG_MS(30)};
    for (int i = 0; i < 2; i++) {
        is(prong_link_connect(&link, "@nobody-listens-here-prong", NULL, times[i]), PRONG_NOT_FOUND);
        is(prong_link_connect(&link, "/tmp/nobody/listens-here-prong", NULL, times[i]), PRONG_NOT_FOUND);
        is(prong_link_connect(&link, at, NULL, times[i]), PRONG_NOT_FOUND);
        says("nobody listens there");
    }
    equal(test_open_descriptors(), before);
}

TEST(an_address_at_which_nobody_can_ever_listen_is_refused_at_once) {
    prong_link *link;
    is(prong_link_connect(&link, "nonsense", NULL, PRONG_FOREVER), PRONG_INVALID);
    is(prong_link_connect(&link, "127.0.0.1:99999", NULL, PRONG_FOREVER), PRONG_INVALID);
    is(prong_link_connect(&link, "/dev/null/socket", NULL, PRONG_FOREVER), PRONG_NOT_FOUND);
    says("Not a directory");
}

/* What the headers promise; it is the compiler that checks. */
#define SAME(verb, link, ...)                                                                                          \
    do {                                                                                                               \
        prong_status (*of_link)(link, ##__VA_ARGS__) = prong_link_##verb;                                              \
        prong_status (*of_connection)(prong_connection, ##__VA_ARGS__) = prong_connection_##verb;                      \
        check(of_link &&of_connection);                                                                                \
    } while (0)

TEST(a_link_and_a_connection_have_the_same_calls) {
    SAME(send_bytes, prong_link *, const void *, size_t, prong_time);
    SAME(recv_bytes, prong_link *, size_t, prong_message *, prong_time);
    SAME(recv_bytes_into, prong_link *, void *, size_t, size_t *, prong_time);
    SAME(send_value, prong_link *, prong_value, prong_time);
    SAME(recv_value, prong_link *, prong_document *, prong_value *, const prong_unpickle_options *, prong_time);
    SAME(poll, prong_link *, prong_time);
    SAME(fileno, const prong_link *, int *);
    SAME(close, prong_link *);
}

TEST(what_is_no_link_has_no_descriptor) {
    int fd;
    is(prong_link_fileno(NULL, &fd), PRONG_INVALID);
    is(prong_listener_fileno(NULL, &fd), PRONG_INVALID);
    ok(prong_link_close(NULL));
    ok(prong_listener_close(NULL));
}

static int killed_client(void *argument, size_t size) {
    prong_link *link = connected(argument);
    (void)size;
    prong_link_send_bytes(link, "last", 4, PRONG_SECONDS(5));
    kill(getpid(), SIGKILL);
    return 0;
}

METHOD_TEST(the_end_comes_when_the_peer_is_killed) {
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    prong_process child = start_with(method, killed_client, client);
    prong_link *link = accepted();
    ok(receive(link, PRONG_SECONDS(10)));
    check(lent.size == 4);
    is(receive(link, PRONG_SECONDS(10)), PRONG_EOF);
    prong_status status = PRONG_OK;
    for (int i = 0; i < 100 && status >= 0; i++) status = prong_link_send_bytes(link, "x", 1, PRONG_SECONDS(1));
    is(status, PRONG_BROKEN_PIPE);
    equal(test_end(child), -SIGKILL);
    prong_link_close(link);
    prong_listener_close(listener);
}
