/* Managers of this test's own, and what children do with them. */
#ifndef TESTS_MANAGER_MANAGER_TEST_H
#define TESTS_MANAGER_MANAGER_TEST_H

#include "../support/test.h"

static const prong_time SOON = PRONG_SECONDS(10);

#ifdef HAVE_OPENSSL
static const prong_link_options KEY = {.authkey = "secret", .authkey_size = 6};
enum { OPEN = false };
#else /* the library can then do without a key only */
static const prong_link_options KEY;
enum { OPEN = true };
#endif

/* Of all values of this test. */
static prong_document *document;

/* A manager of this family's own. */
static inline prong_manager started(int method) {
    prong_manager manager;
    prong_manager_options options = {.method = (prong_start_method)method, .server.open = OPEN};
    ok(prong_document_open(&document, NULL));
    ok(prong_manager_start(&manager, &options));
    return manager;
}

static inline void ended(prong_manager manager) {
    ok(prong_manager_shutdown(manager, SOON));
    prong_document_close(document);
    test_arena_is_clean(0);
}

static inline int server_pid(prong_manager manager) {
    prong_manager_info info;
    ok(prong_manager_get_info(manager, &info));
    check(info.pid > 0);
    return info.pid;
}

/* The same server by socket: as another program would see it. */
static inline prong_manager by_socket(prong_manager manager) {
    prong_manager_info info;
    prong_manager other;
    ok(prong_manager_get_info(manager, &info));
    prong_link_options options = {.authkey = OPEN ? NULL : info.authkey, .authkey_size = info.authkey_size};
    ok(prong_manager_connect(&other, info.address, &options, SOON));
    return other;
}

static inline void shows(prong_value value, const char *wanted) {
    char text[500];
    ok(prong_value_repr(value, text, sizeof(text), NULL));
    if (strcmp(text, wanted)) test_failed(__FILE__, __LINE__, "%s is not %s", text, wanted);
}

#define call(proxy, result, method, ...) prong_proxy_call(proxy, method, document, result, __VA_ARGS__)

struct order {
    prong_proxy proxy, other;
    prong_queue said;
    int number;
};

static inline void say(struct order *order) {
    prong_queue_put(order->said, "x", 1, PRONG_FOREVER);
}
static inline void hear(struct order *order) {
    char heard[4];
    size_t size;
    ok(prong_queue_get(order->said, heard, sizeof(heard), &size, SOON));
}

#endif
