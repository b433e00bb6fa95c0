/* How a manager's server is started and reached: addresses, keys, TLS; what is too long, and servers that are no managers. */
#include "small_server.h"

#include <signal.h>

static void refused(prong_status wanted, const prong_manager_options *options, const char *because) {
    prong_manager manager;
    is(prong_manager_start(&manager, options), wanted);
    says(because);
}

TEST(what_is_too_long_to_be_kept_is_refused_by_name) {
    static char long_text[400];
    prong_manager manager;
    memset(long_text, 'x', sizeof long_text - 1);
    refused(PRONG_INVALID, &(prong_manager_options){.server = {.address = long_text, .open = true}},
            "the address is too long");
    refused(PRONG_TOO_LONG,
            &(prong_manager_options){.server.link = {.authkey = long_text, .authkey_size = sizeof long_text}},
            "an authkey of 400 bytes, of at most 256");
    refused(PRONG_INVALID, &(prong_manager_options){.server.open = true, .argument_size = 4}, "argument");
    is(prong_manager_connect(&manager, long_text, NULL, PRONG_NOWAIT), PRONG_INVALID);
    says("the address is too long");
    const prong_tls all[] = {
        {.certificate = long_text}, {.key = long_text}, {.authority = long_text}, {.name = long_text}};
    const char *const names[] = {"certificate", "key", "authority", "name"};
    for (size_t i = 0; i < 4; i++) {
        prong_link_options options = {.tls = &all[i]};
        prong_status status = prong_manager_connect(&manager, "127.0.0.1:1", &options, PRONG_NOWAIT);
        if (OPEN) {
            check(status < 0); /* a library without TLS */
            continue;
        }
        is(status, PRONG_TOO_LONG);
        says("a path of 399 bytes");
        says(names[i]);
    }
    test_arena_is_clean(0);
}

TEST(a_manager_tells_its_address_key_and_process) {
    prong_manager manager = started(PRONG_START_FORK), other = by_socket(manager);
    prong_manager_info info, connected;
    ok(prong_manager_get_info(manager, &info));
    equal(info.authkey_size, OPEN ? 0 : 32);
    check(info.address[0] && kill(info.pid, 0) == 0);
    ok(prong_manager_get_info(other, &connected));
    equal(connected.pid, 0);
    check(strcmp(connected.address, info.address) == 0);
    is(prong_manager_destroy(manager), PRONG_INVALID);
    says("is ended with prong_manager_shutdown");
    ok(prong_manager_destroy(other));
    is(prong_manager_get_info(other, &connected), PRONG_STALE);
    check(!connected.address[0] && !connected.pid);
    ended(manager);
}

TEST(a_manager_without_a_key_is_open_to_all) {
    prong_manager manager, other;
    prong_proxy list;
    prong_value result;
    prong_manager_info info;
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &(prong_manager_options){.server.open = true, .method = PRONG_START_FORK}));
    ok(prong_manager_get_info(manager, &info));
    ok(prong_manager_connect(&other, info.address, NULL, SOON));
    ok(prong_proxy_create(&list, other, "list", SOON, "([i])", 1));
    ok(call(list, &result, "copy", SOON, "()"));
    shows(result, "[1]");
    ok(prong_manager_destroy(other));
    ended(manager);
}

/* --- calls with arguments that make no sense --- */

TEST(a_proxys_calls_name_what_is_wrong) {
    prong_manager manager = started(PRONG_START_FORK), other;
    prong_proxy list, seen;
    prong_value value, result, none, number = prong_make_int(1);
    char too_long[41];
    memset(too_long, 'x', 40);
    too_long[40] = 0;
    ok(prong_manager_start(&other, &(prong_manager_options){.method = PRONG_START_FORK, .server.open = OPEN}));
    is(prong_proxy_create(&list, manager, too_long, SOON, "()"), PRONG_TOO_LONG);
    says("the name is too long");
    ok(prong_proxy_create(&list, manager, "list", SOON, "()"));
    ok(prong_make_tuple(document, NULL, 0, &none));
    is(prong_proxy_call(list, "copy", NULL, &result, SOON, "vv", none, prong_make_null()), PRONG_INVALID);
    says("a result needs a document");
    is(prong_proxy_call(list, "append", document, &result, SOON, "vv", number, prong_make_null()), PRONG_INVALID);
    says("no tuple of arguments");
    ok(prong_build(document, &value, "(i)", 7));
    ok(prong_proxy_call(list, "append", NULL, NULL, SOON, "vv", value, prong_make_null())); /* nobody wants it */
    is(prong_proxy_from_value(&seen, manager, number), PRONG_INVALID);
    says("a proxy");
    is(prong_proxy_from_value(&seen, manager, value), PRONG_INVALID);
    ok(prong_proxy_to_value(list, document, &value));
    is(prong_proxy_from_value(&seen, other, value), PRONG_INVALID);
    says("proxy: it is of the server at");
    ok(prong_proxy_from_value(&seen, manager, value));
    ok(call(seen, &result, "copy", SOON, "()"));
    shows(result, "[7]");
    ok(prong_manager_shutdown(other, SOON));
    ended(manager);
}

static int release_soon(void *argument, size_t size) {
    const struct order *order = argument;
    (void)size;
    test_sleep_ms(50);
    return prong_proxy_put(order->proxy, prong_make_int(7), SOON) != PRONG_OK;
}

TEST(waits_of_proxies_take_every_timeout) {
    prong_manager manager = started(PRONG_START_FORK);
    struct order order = {0};
    prong_proxy lock;
    prong_value item;
    ok(prong_proxy_create(&lock, manager, "Lock", SOON, "()"));
    ok(prong_proxy_acquire(lock, PRONG_FOREVER));
    is(prong_proxy_acquire(lock, PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_proxy_acquire(lock, -5), PRONG_TIMEOUT); /* as none */
    ok(prong_proxy_release(lock));
    ok(prong_proxy_acquire(lock, PRONG_FOREVER - 1));
    ok(prong_proxy_release(lock));
    ok(prong_proxy_create(&order.proxy, manager, "Queue", SOON, "(i)", 1));
    prong_process child = start_with(PRONG_START_FORK, release_soon, order);
    ok(prong_proxy_get(order.proxy, document, &item, PRONG_FOREVER));
    equal(test_end(child), 0);
    ok(prong_proxy_put(order.proxy, item, PRONG_FOREVER));
    is(prong_proxy_put(order.proxy, item, PRONG_NOWAIT), PRONG_FULL);
    ended(manager);
}

/* --- the end of a server's process --- */

static int end_before_it_serves(prong_server *server, const void *argument, size_t size) {
    (void)server, (void)size;
    if (*(const int *)argument) kill(getpid(), *(const int *)argument);
    exit(3);
}

METHOD_TEST(a_server_that_ends_before_it_serves_is_an_error) {
    for (int signal = 0; signal <= SIGKILL; signal += SIGKILL)
        refused(PRONG_START_FAILED,
                &(prong_manager_options){.method = (prong_start_method)method,
                                         .server.open = OPEN,
                                         .setup = end_before_it_serves,
                                         .argument = &signal,
                                         .argument_size = sizeof signal},
                "the server's process ended before it served");
    test_arena_is_clean(0);
}

TEST(a_server_that_does_not_answer_is_ended) {
    prong_manager manager = started(PRONG_START_FORK);
    prong_manager_info info;
    ok(prong_manager_get_info(manager, &info));
    check(kill(info.pid, SIGSTOP) == 0);
    ok(prong_manager_shutdown(manager, PRONG_MS(50)));
    check(kill(info.pid, 0) < 0);
    prong_document_close(document);
    test_arena_is_clean(0);
}

/* --- TLS --- */

#ifdef HAVE_OPENSSL
#include "../net/certificate.h"

static char directory[] = "/tmp/prong-reach-XXXXXX", certificate[64], key_file[64];

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    check(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int append_by_tls(void *argument, size_t size) {
    struct order *order = argument;
    (void)size;
    return prong_proxy_call(order->proxy, "append", NULL, NULL, SOON, "(s)", "from a child") != PRONG_OK;
}

/* Each process of the family has links of its own, by the paths that the manager keeps. */
METHOD_TEST(a_manager_by_tls_is_used_by_other_families_and_their_children) {
    prong_manager manager, other;
    struct order order = {0};
    prong_value result;
    prong_manager_info info;
    check(mkdtemp(directory));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", directory);
    snprintf(key_file, sizeof key_file, "%s/key.pem", directory);
    write_file(certificate, TEST_CERTIFICATE);
    write_file(key_file, TEST_KEY);
    prong_tls server = {.certificate = certificate, .key = key_file};
    prong_tls client = {.authority = certificate, .name = "prong.test"};
    prong_link_options options = {.authkey = "secret", .authkey_size = 6, .tls = &server};
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &(prong_manager_options){.method = (prong_start_method)method,
                                                              .server = {.address = "127.0.0.1:0", .link = options}}));
    ok(prong_manager_get_info(manager, &info));
    options.tls = &client;
    ok(prong_manager_connect(&other, info.address, &options, SOON));
    ok(prong_proxy_create(&order.proxy, other, "list", SOON, "()"));
    equal(test_end(start_with(method, append_by_tls, order)), 0);
    ok(call(order.proxy, &result, "copy", SOON, "()"));
    shows(result, "['from a child']");
    ok(prong_manager_destroy(other));
    client.name = "other.test";
    check(prong_manager_connect(&other, info.address, &options, SOON) < 0);
    says("certificate");
    ok(prong_manager_shutdown(manager, SOON));
    unlink(certificate);
    unlink(key_file);
    rmdir(directory);
    prong_document_close(document);
    test_arena_is_clean(0);
}
#endif
