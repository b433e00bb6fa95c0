/* A listener of this test's own, and clients of it. */
#ifndef TESTS_NET_LINK_TEST_H
#define TESTS_NET_LINK_TEST_H

#include "../support/test.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef HAVE_OPENSSL
static const prong_link_options KEY = {.authkey = "secret", .authkey_size = 6};
#else /* the library can then do without a key only */
static const prong_link_options KEY;
#endif

/* A listener at an abstract address of this test's own, and its address. */
static prong_listener *listener;
static char address[400];

static inline void listen_with(const char *at, const prong_link_options *options) {
    char name[100];
    snprintf(name, sizeof(name), "@prong-link-test-%d", (int)getpid());
    ok(prong_listener_open(&listener, at ? at : name, options));
    snprintf(address, sizeof(address), "%s", prong_listener_address(listener));
}

/* A client process: runs what it is given with a link. */
struct client {
    char address[400];
    bool with_key;
};

static inline prong_link *connected(const struct client *client) {
    prong_link *link;
    prong_link_options options = client->with_key ? KEY : (prong_link_options){0};
    if (prong_link_connect(&link, client->address, &options, PRONG_SECONDS(10)) < 0) {
        fprintf(stderr, "client: %s\n", prong_error_message());
        exit(9);
    }
    return link;
}

static inline struct client client_here(bool with_key) {
    struct client client = {.with_key = with_key};
    memcpy(client.address, address, sizeof(address));
    return client;
}

static inline int echo_client(void *argument, size_t size) {
    prong_link *link = connected(argument);
    prong_document *document;
    prong_value value;
    (void)size;
    if (prong_document_open(&document, NULL) < 0) return 1;
    while (prong_link_recv_value(link, document, &value, NULL, PRONG_SECONDS(10)) >= 0)
        if (prong_link_send_value(link, value, PRONG_SECONDS(10)) < 0) return 2;
    prong_link_close(link);
    prong_document_close(document);
    return 0;
}

static inline prong_link *accepted(void) {
    prong_link *link;
    ok(prong_listener_accept(listener, &link, PRONG_SECONDS(10)));
    return link;
}

/* The next message, in `lent`; the one before is given back. */
static prong_message lent;

static inline prong_status receive(prong_link *link, prong_time timeout) {
    if (lent.data) ok(prong_message_release(&lent));
    return prong_link_recv_bytes(link, 0, &lent, timeout);
}

static inline void exchange_values(prong_link *link) {
    prong_document *document;
    prong_value sent, back;
    static char large[3 << 20];
    ok(prong_document_open(&document, NULL));
    for (size_t size = 0; size <= sizeof(large); size = size * 7 + 1) {
        ok(prong_build(document, &sent, "[y,i]", large, size, (int)size));
        ok(prong_link_send_value(link, sent, PRONG_SECONDS(10)));
        ok(prong_link_recv_value(link, document, &back, NULL, PRONG_SECONDS(10)));
        check(prong_value_equal(sent, back));
        prong_document_reset(document);
    }
    prong_document_close(document);
}

/* Serves a client that is started for it, from the first value to its end. */
static inline void exchange_with(struct client client, prong_start_method method) {
    prong_process child = start_with(method, echo_client, client);
    prong_link *link = accepted();
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
}

/* A plain socket connected to the listener. */
static inline int raw_client(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path + 1, address + 1, strlen(address) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(fd, (struct sockaddr *)&to, (socklen_t)(sizeof(to.sun_family) + strlen(address))) == 0);
    return fd;
}

static inline void unfeed(prong_link *link) {
    prong_link_close(link);
    prong_listener_close(listener);
}

#endif
