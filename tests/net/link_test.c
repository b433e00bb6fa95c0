/* Links: Listener and Client between C programs; what Python does is in interop.py. */
#include "../support/test.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_OPENSSL
static const prong_link_options KEY = {.authkey = "secret", .authkey_size = 6};
#else /* the library can then do without a key only */
static const prong_link_options KEY;
#endif

/* A listener at an abstract address of this test's own, and its address. */
static prong_listener *listener;
static char address[400];

static void listen_with(const char *at, const prong_link_options *options) {
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

static prong_link *connected(const struct client *client) {
    prong_link *link;
    prong_link_options options = client->with_key ? KEY : (prong_link_options){0};
    if (prong_client_connect(&link, client->address, &options, PRONG_SECONDS(10))) {
        fprintf(stderr, "client: %s\n", prong_error_message());
        exit(9);
    }
    return link;
}

static struct client client_here(bool with_key) {
    struct client client = {.with_key = with_key};
    memcpy(client.address, address, sizeof(address));
    return client;
}

static int echo_client(void *argument, size_t size) {
    prong_link *link = connected(argument);
    prong_document *document;
    prong_value value;
    (void)size;
    if (prong_document_open(&document, NULL)) return 1;
    while (!prong_link_recv(link, document, &value, NULL, PRONG_SECONDS(10)))
        if (prong_link_send(link, value, PRONG_SECONDS(10))) return 2;
    prong_link_close(link);
    prong_document_close(document);
    return 0;
}

static prong_link *accepted(void) {
    prong_link *link;
    ok(prong_listener_accept(listener, &link, PRONG_SECONDS(10)));
    return link;
}

static void exchange_values(prong_link *link) {
    prong_document *document;
    prong_value sent, back;
    static char large[3 << 20];
    ok(prong_document_open(&document, NULL));
    for (size_t size = 0; size <= sizeof(large); size = size * 7 + 1) {
        ok(prong_build(document, &sent, "[y,i]", large, size, (int)size));
        ok(prong_link_send(link, sent, PRONG_SECONDS(10)));
        ok(prong_link_recv(link, document, &back, NULL, PRONG_SECONDS(10)));
        check(prong_value_equal(sent, back));
        prong_document_reset(document);
    }
    prong_document_close(document);
}

METHOD_TEST(values_go_both_ways_with_a_key) {
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    prong_process child = start_with(method, echo_client, client);
    prong_link *link = accepted();
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener_close(listener);
}

TEST(tcp_and_paths_work_and_a_path_is_removed) {
    listen_with("127.0.0.1:0", &KEY);
    check(strcmp(address, "127.0.0.1:0"));
    struct client client = client_here(true);
    prong_process child = start_with(PRONG_START_FORK, echo_client, client);
    prong_link *link = accepted();
    equal(prong_link_peer_pid(link), 0);
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener_close(listener);

    char path[100];
    snprintf(path, sizeof(path), "/tmp/prong-link-test-%d", (int)getpid());
    listen_with(path, NULL);
    client = client_here(false);
    child = start_with(PRONG_START_FORK, echo_client, client);
    link = accepted();
    check(prong_link_peer_pid(link) > 0);
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener *second;
    is(prong_listener_open(&second, path, NULL), PRONG_EXISTS);
    prong_listener_close(listener);
    check(access(path, F_OK) != 0);
}

TEST(bad_addresses_are_named) {
    prong_link *link;
    is(prong_listener_open(&listener, "nonsense", NULL), PRONG_INVALID);
    says("neither");
    is(prong_client_connect(&link, "@nobody-listens-here-prong", NULL, PRONG_SECONDS(1)), PRONG_NOT_FOUND);
    says("nobody listens");
    is(prong_client_connect(&link, "127.0.0.1:1", NULL, PRONG_SECONDS(1)), PRONG_NOT_FOUND);
    is(prong_client_connect(&link, "/tmp", NULL, PRONG_SECONDS(1)), PRONG_NOT_FOUND);
    is(prong_client_connect(&link, "", NULL, PRONG_SECONDS(1)), PRONG_INVALID);
    is(prong_client_connect(&link, "no.such.host.invalid:80", NULL, PRONG_SECONDS(1)), PRONG_NOT_FOUND);
}

#ifdef HAVE_OPENSSL
static int wrong_key_client(void *argument, size_t size) {
    struct client *client = argument;
    prong_link *link;
    prong_link_options wrong = {.authkey = "other", .authkey_size = 5};
    (void)size;
    if (prong_client_connect(&link, client->address, &wrong, PRONG_SECONDS(10)) != PRONG_PERMISSION) return 1;
    if (!strstr(prong_error_message(), "refuses our answer")) return 2;
    if (prong_client_connect(&link, client->address, &KEY, PRONG_SECONDS(10))) return 3;
    prong_link_close(link);
    return 0;
}

METHOD_TEST(a_wrong_key_is_refused_on_both_sides) {
    const char *reason;
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    prong_process child = start_with(method, wrong_key_client, client);
    prong_link *link = accepted(); /* the one with the right key */
    equal(prong_listener_refused(listener, &reason), 1);
    check(strstr(reason, "another authkey"));
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener_close(listener);
}
#endif

/* A plain socket connected to the listener. */
static int raw_client(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path + 1, address + 1, strlen(address) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(connect(fd, (struct sockaddr *)&to, (socklen_t)(sizeof(to.sun_family) + strlen(address))) == 0);
    return fd;
}

#ifdef HAVE_OPENSSL
TEST(a_thousand_silent_peers_hold_up_nobody) {
    enum { SILENT = 600 };
    static int silent[SILENT];
    prong_link_options options = KEY;
    options.max_handshakes = 100;
    options.backlog = 1000;
    listen_with(NULL, &options);
    for (int i = 0; i < SILENT; i++) {
        silent[i] = raw_client();
        if (i % 3 == 1) check(write(silent[i], "\0\0", 2) == 2); /* half a header */
        if (i % 3 == 2)
            check(write(silent[i],
                        "\x7f\xff\xff\xff"
                        "abc",
                        7) == 7); /* 2 GiB are announced */
    }
    struct client client = client_here(true);
    prong_process child = start_with(PRONG_START_FORK, echo_client, client);
    prong_link *link = accepted();
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
    check(prong_listener_refused(listener, NULL) >= SILENT - 100);
    for (int i = 0; i < SILENT; i++) close(silent[i]);
    prong_listener_close(listener);
}

TEST(a_handshake_that_takes_too_long_is_dropped) {
    prong_link *link;
    const char *reason;
    prong_link_options options = KEY;
    options.handshake_timeout = PRONG_MS(100);
    listen_with(NULL, &options);
    int silent = raw_client();
    is(prong_listener_accept(listener, &link, PRONG_MS(500)), PRONG_TIMEOUT);
    equal(prong_listener_refused(listener, &reason), 1);
    check(strstr(reason, "too long"));
    close(silent);
    prong_listener_close(listener);
}
#endif

/* Without a key: bytes as they come, and what the other end makes of them. */
static prong_link *fed_with(const char *bytes, size_t size, bool then_ends) {
    listen_with(NULL, NULL);
    int fd = raw_client();
    check(write(fd, bytes, size) == (ssize_t)size);
    prong_link *link = accepted();
    if (then_ends)
        close(fd);
    else
        fcntl(fd, F_DUPFD_CLOEXEC, 100);
    return link;
}

static void unfeed(prong_link *link) {
    prong_link_close(link);
    prong_listener_close(listener);
}

TEST(framing_is_read_as_python_writes_it) {
    const void *data;
    size_t size;
    prong_link *link = fed_with("\0\0\0\3abc\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\2xy", 25, true);
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1)));
    check(size == 3 && !memcmp(data, "abc", 3));
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1)));
    equal(size, 0);
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1)));
    check(size == 2 && !memcmp(data, "xy", 2));
    is(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1)), PRONG_EOF);
    unfeed(link);
}

TEST(what_is_no_message_is_an_error) {
    const void *data;
    size_t size;
    static const struct {
        const char *bytes;
        size_t size;
        const char *what;
    } cases[] = {{"\0\0", 2, "end of file during message"},
                 {"\0\0\0\5ab", 6, "end of file during message"},
                 {"\xff\xff\xff\xff\0\0", 6, "end of file during message"},
                 {"\xff\xff\xff\xfe"
                  "abc",
                  7, "bad message length"},
                 {"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, "bad message length"},
                 {"\x7f\xff\xff\xff"
                  "abc",
                  7, "a message of 2147483647 bytes"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        prong_link *link = fed_with(cases[i].bytes, cases[i].size, true);
        prong_status status = prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1));
        check(status == PRONG_INVALID || status == PRONG_TOO_LONG);
        says(cases[i].what);
        unfeed(link);
    }
}

TEST(a_part_of_a_message_waits_for_the_rest) {
    const void *data;
    size_t size;
    prong_link *link = fed_with("\0\0\0\5ab", 6, false);
    is(prong_link_recv_bytes(link, 0, &data, &size, PRONG_MS(50)), PRONG_TIMEOUT);
    check(write(100, "cde", 3) == 3);
    ok(prong_link_poll(link, PRONG_SECONDS(1)));
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1)));
    check(size == 5 && !memcmp(data, "abcde", 5));
    is(prong_link_poll(link, PRONG_NOWAIT), PRONG_TIMEOUT);
    close(100);
    unfeed(link);
}

TEST(a_buffer_that_is_too_small_leaves_the_message) {
    char buffer[8];
    size_t size;
    const void *data;
    prong_link *link = fed_with("\0\0\0\5abcde\0\0\0\1x", 14, false);
    is(prong_link_recv_bytes_into(link, buffer, 4, &size, PRONG_SECONDS(1)), PRONG_TOO_LONG);
    equal(size, 5);
    ok(prong_link_recv_bytes_into(link, buffer, 8, &size, PRONG_SECONDS(1)));
    check(!memcmp(buffer, "abcde", 5));
    ok(prong_link_recv_bytes(link, 1, &data, &size, PRONG_SECONDS(1)));
    close(100);
    unfeed(link);
}

TEST(wait_sees_what_was_read_already) {
    const void *data;
    size_t size, count;
    prong_link *link = fed_with("\0\0\0\1a\0\0\0\1b", 10, false);
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(1)));
    prong_waitable items[] = {{.kind = PRONG_WAIT_LISTENER, .listener = listener},
                              {.kind = PRONG_WAIT_LINK, .link = link}};
    ok(prong_wait(items, 2, &count, PRONG_SECONDS(1)));
    check(count == 1 && items[1].ready);
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_NOWAIT));
    is(prong_wait(items, 2, &count, PRONG_MS(30)), PRONG_TIMEOUT);
    int fd = raw_client();
    ok(prong_wait(items, 2, &count, PRONG_SECONDS(1)));
    check(items[0].ready && !items[1].ready);
    close(fd);
    close(100);
    unfeed(link);
}

TEST(a_send_that_finds_no_room_times_out_and_says_what_is_left) {
    static char large[8 << 20];
    listen_with(NULL, NULL);
    int fd = raw_client();
    prong_link *link = accepted();
    is(prong_link_send_bytes(link, large, sizeof(large), PRONG_MS(50)), PRONG_TIMEOUT);
    says("the link is cut");
    is(prong_link_send_bytes(link, "a", 1, PRONG_MS(50)), PRONG_CLOSED);
    close(fd);
    unfeed(link);
}

static int killed_client(void *argument, size_t size) {
    prong_link *link = connected(argument);
    (void)size;
    prong_link_send_bytes(link, "last", 4, PRONG_SECONDS(5));
    kill(getpid(), SIGKILL);
    return 0;
}

METHOD_TEST(the_end_comes_when_the_peer_is_killed) {
    const void *data;
    size_t size;
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    prong_process child = start_with(method, killed_client, client);
    prong_link *link = accepted();
    ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(10)));
    check(size == 4);
    is(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(10)), PRONG_EOF);
    prong_status status = PRONG_OK;
    for (int i = 0; i < 100 && !status; i++) status = prong_link_send_bytes(link, "x", 1, PRONG_SECONDS(1));
    is(status, PRONG_BROKEN_PIPE);
    equal(test_end(child), -SIGKILL);
    prong_link_close(link);
    prong_listener_close(listener);
}

#ifdef HAVE_OPENSSL
/* --- TLS, with a certificate made on the spot --- */

static char directory[] = "/tmp/prong-tls-XXXXXX", certificate[64], key[64];

static bool make_certificate(void) {
    char command[400];
    if (!mkdtemp(directory)) return false;
    snprintf(certificate, sizeof(certificate), "%s/cert.pem", directory);
    snprintf(key, sizeof(key), "%s/key.pem", directory);
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s -out %s -days 2 "
             "-subj /CN=prong.test -addext subjectAltName=DNS:prong.test >/dev/null 2>&1",
             key, certificate);
    return system(command) == 0;
}

struct tls_client {
    struct client client;
    char authority[64];
    const char *name;
};

static int tls_client(void *argument, size_t size) {
    struct tls_client *client = argument;
    prong_tls tls = {.authority = client->authority, .name = client->name};
    prong_link_options options = KEY;
    options.tls = &tls;
    prong_link *link;
    (void)size;
    prong_status status = prong_client_connect(&link, client->client.address, &options, PRONG_SECONDS(10));
    if (status) return status == PRONG_PERMISSION ? 42 : 43;
    const void *data;
    size_t length;
    while (!prong_link_recv_bytes(link, 0, &data, &length, PRONG_SECONDS(10)))
        if (prong_link_send_bytes(link, data, length, PRONG_SECONDS(10))) return 2;
    prong_link_close(link);
    return 0;
}

TEST(tls_carries_messages_and_refuses_a_wrong_name) {
    if (!make_certificate()) {
        printf("skipped: no openssl command\n");
        return;
    }
    prong_tls tls = {.certificate = certificate, .key = key};
    prong_link_options options = KEY;
    options.tls = &tls;
    listen_with("127.0.0.1:0", &options);
    struct tls_client client = {.client = client_here(true), .name = "prong.test"};
    memcpy(client.authority, certificate, sizeof(certificate));
    prong_process child = start_with(PRONG_START_FORK, tls_client, client);
    prong_link *link = accepted();
    static char large[1 << 20];
    const void *data;
    size_t size;
    for (size_t n = 1; n <= sizeof(large); n *= 32) {
        ok(prong_link_send_bytes(link, large, n, PRONG_SECONDS(10)));
        ok(prong_link_recv_bytes(link, 0, &data, &size, PRONG_SECONDS(10)));
        equal(size, n);
    }
    prong_link_close(link);
    equal(test_end(child), 0);
    client.name = "other.test";
    child = start_with(PRONG_START_FORK, tls_client, client);
    is(prong_listener_accept(listener, &link, PRONG_SECONDS(2)), PRONG_TIMEOUT);
    equal(test_end(child), 42);
    prong_listener_close(listener);
    options.tls = &(prong_tls){.certificate = "/nowhere.pem"};
    is(prong_listener_open(&listener, "127.0.0.1:0", &options), PRONG_INVALID);
    says("/nowhere.pem");
    unlink(certificate);
    unlink(key);
    rmdir(directory);
}
#endif
