/* What the network does to a connection as it is made, and to a link later: the linker puts the functions here in front
 * of the system's, so that a call can be told to fail. */
#define _GNU_SOURCE
#include "link_test.h"

#include <errno.h>
#include <netinet/in.h>

static int connected_with_itself;
static bool connects_with_itself;
/* The next errors of each call, up to a 0; then the system's own answer. */
static int connect_errors[4], receive_error, send_error, accept_errors[4];

static int next_error(int *errors) {
    int error = *errors;
    if (error) memmove(errors, errors + 1, 3 * sizeof(*errors));
    errno = error;
    return error;
}

int __real_connect(int socket, const struct sockaddr *to, socklen_t size);
int __wrap_connect(int socket, const struct sockaddr *to, socklen_t size);
int __wrap_connect(int socket, const struct sockaddr *to, socklen_t size) {
    int on = 1;
    if (connects_with_itself) {
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (to->sa_family == AF_INET && bind(socket, to, size) == 0) connected_with_itself++;
    }
    int error = next_error(connect_errors);
    if (error == EINTR) __real_connect(socket, to, size); /* it goes on by itself */
    errno = error;
    return error ? -1 : __real_connect(socket, to, size);
}

ssize_t __real_recv(int socket, void *data, size_t size, int flags);
ssize_t __wrap_recv(int socket, void *data, size_t size, int flags);
ssize_t __wrap_recv(int socket, void *data, size_t size, int flags) {
    errno = receive_error;
    return receive_error ? -1 : __real_recv(socket, data, size, flags);
}

ssize_t __real_sendmsg(int socket, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags) {
    errno = send_error;
    return send_error ? -1 : __real_sendmsg(socket, message, flags);
}

int __real_accept4(int socket, struct sockaddr *from, socklen_t *size, int flags);
int __wrap_accept4(int socket, struct sockaddr *from, socklen_t *size, int flags);
int __wrap_accept4(int socket, struct sockaddr *from, socklen_t *size, int flags) {
    return next_error(accept_errors) ? -1 : __real_accept4(socket, from, size, flags);
}

TEST(a_client_is_not_connected_with_itself) {
    prong_link *link;
    listen_with("127.0.0.1:0", NULL);
    prong_listener_close(listener);
    connects_with_itself = true;
    is(prong_link_connect(&link, address, NULL, PRONG_MS(20)), PRONG_NOT_FOUND);
    says("nobody listens there");
    check(connected_with_itself > 0);
}

static void both_ends(const char *at, prong_link **client, prong_link **server) {
    listen_with(at, NULL);
    ok(prong_link_connect(client, address, NULL, PRONG_SECONDS(10)));
    *server = accepted();
    prong_listener_close(listener);
}

static void close_both(prong_link *client, prong_link *server) {
    prong_link_close(client);
    prong_link_close(server);
}

TEST(a_connect_that_a_signal_ends_goes_on) {
    static const char *const places[] = {NULL, "127.0.0.1:0"};
    static const int errors[][4] = {{EINTR}, {EINTR, EALREADY}, {EINTR, EINTR, EISCONN}};
    prong_link *client, *server;
    for (int place = 0; place < 2; place++)
        for (int i = 0; i < 3; i++) {
            memcpy(connect_errors, errors[i], sizeof(connect_errors));
            both_ends(places[place], &client, &server);
            ok(prong_link_send_bytes(client, "through", 7, PRONG_SECONDS(10)));
            ok(receive(server, PRONG_SECONDS(10)));
            equal(lent.size, 7);
            close_both(client, server);
        }
}

TEST(a_network_that_does_not_reach_the_address_is_an_error_that_names_both) {
    prong_link *link;
    int before = test_open_descriptors();
    connect_errors[0] = ETIMEDOUT;
    is(prong_link_connect(&link, "127.0.0.1:7", NULL, PRONG_SECONDS(10)), PRONG_TIMEOUT);
    says("connect to 127.0.0.1:7: no answer");
    connect_errors[0] = ENETUNREACH;
    is(prong_link_connect(&link, "127.0.0.1:7", NULL, PRONG_SECONDS(10)), PRONG_SYSTEM);
    says("connect to 127.0.0.1:7: ");
    says(strerror(ENETUNREACH));
    connect_errors[0] = EACCES;
    is(prong_link_connect(&link, "/run/theirs", NULL, PRONG_SECONDS(10)), PRONG_PERMISSION);
    says("/run/theirs");
    equal(test_open_descriptors(), before);
}

/* The system completes connections up to the backlog, and leaves others without an answer. */
TEST(a_tcp_server_that_accepts_nobody_gives_no_answer_in_time) {
    enum { MOST = 20 };
    prong_link *links[MOST];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    int server = socket(AF_INET, SOCK_STREAM, 0), count = 0;
    check(server >= 0 && bind(server, (struct sockaddr *)&at, size) == 0 && listen(server, 0) == 0);
    check(getsockname(server, (struct sockaddr *)&at, &size) == 0);
    snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(at.sin_port));
    prong_status status = PRONG_OK;
    for (; status >= 0 && count < MOST; count += status >= 0)
        status = prong_link_connect(&links[count], address, NULL, PRONG_MS(100));
    is(status, PRONG_TIMEOUT);
    says("no answer in the time given");
    for (int i = 0; i < count; i++) prong_link_close(links[i]);
    close(server);
}

TEST(a_link_whose_network_fails_reports_why) {
    prong_link *client, *server;
    both_ends("127.0.0.1:0", &client, &server);
    ok(prong_link_send_bytes(server, "x", 1, PRONG_SECONDS(10))); /* an error makes a socket readable, too */
    receive_error = ETIMEDOUT;
    is(receive(client, PRONG_SECONDS(10)), PRONG_SYSTEM);
    says(strerror(ETIMEDOUT));
    receive_error = 0;
    send_error = EHOSTUNREACH;
    is(prong_link_send_bytes(client, "x", 1, PRONG_SECONDS(10)), PRONG_SYSTEM);
    says(strerror(EHOSTUNREACH));
    send_error = 0;
    is(prong_link_send_bytes(client, "x", 1, PRONG_SECONDS(10)), PRONG_BROKEN);
    says("it was cut");
    close_both(client, server);
}

TEST(a_peer_that_reset_the_connection_is_gone) {
    static const int errors[] = {ECONNRESET, ENOTCONN, EPIPE};
    prong_link *client, *server;
    for (int i = 0; i < 3; i++) {
        both_ends(NULL, &client, &server);
        send_error = errors[i];
        is(prong_link_send_bytes(client, "x", 1, PRONG_SECONDS(10)), PRONG_BROKEN_PIPE);
        says("the other side is gone");
        send_error = 0;
        ok(prong_link_send_bytes(server, "x", 1, PRONG_SECONDS(10)));
        receive_error = errors[i];
        is(receive(client, PRONG_SECONDS(10)), errors[i] == ENOTCONN ? PRONG_SYSTEM : PRONG_EOF);
        receive_error = 0;
        close_both(client, server);
    }
}

TEST(a_shortage_in_accept_is_an_error_and_a_connection_that_is_gone_is_none) {
    static const int shortages[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
    prong_link *client, *server;
    listen_with(NULL, NULL);
    for (int i = 0; i < 4; i++) {
        ok(prong_link_connect(&client, address, NULL, PRONG_SECONDS(10)));
        accept_errors[0] = shortages[i];
        prong_status status = prong_listener_accept(listener, &server, PRONG_SECONDS(10));
        check(status == PRONG_NO_DESCRIPTORS || status == PRONG_NO_MEMORY || status == PRONG_SYSTEM);
        says("accept: ");
        accept_errors[0] = ECONNABORTED, accept_errors[1] = EPROTO, accept_errors[2] = EINTR;
        close_both(client, accepted());
    }
    prong_listener_close(listener);
}
