/* Links: Listener and Client between C programs; what Python does is in interop.py. */
#include "../support/test.h"
#include "certificate.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
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
    if (prong_link_connect(&link, client->address, &options, PRONG_SECONDS(10)) < 0) {
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
    if (prong_document_open(&document, NULL) < 0) return 1;
    while (prong_link_recv_value(link, document, &value, NULL, PRONG_SECONDS(10)) >= 0)
        if (prong_link_send_value(link, value, PRONG_SECONDS(10)) < 0) return 2;
    prong_link_close(link);
    prong_document_close(document);
    return 0;
}

static prong_link *accepted(void) {
    prong_link *link;
    ok(prong_listener_accept(listener, &link, PRONG_SECONDS(10)));
    return link;
}

/* The next message, in `lent`; the one before is given back. */
static prong_message lent;

static prong_status receive(prong_link *link, prong_time timeout) {
    if (lent.data) ok(prong_message_release(&lent));
    return prong_link_recv_bytes(link, 0, &lent, timeout);
}

static void exchange_values(prong_link *link) {
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
static void exchange_with(struct client client, prong_start_method method) {
    prong_process child = start_with(method, echo_client, client);
    prong_link *link = accepted();
    exchange_values(link);
    prong_link_close(link);
    equal(test_end(child), 0);
}

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
    equal(prong_link_peer_pid(link), 0);
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
    check(prong_link_peer_pid(link) > 0);
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
    check(prong_process_is_alive(child));
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

#ifdef HAVE_OPENSSL
static int wrong_key_client(void *argument, size_t size) {
    struct client *client = argument;
    prong_link *link;
    prong_link_options wrong = {.authkey = "other", .authkey_size = 5};
    (void)size;
    if (prong_link_connect(&link, client->address, &wrong, PRONG_SECONDS(10)) != PRONG_PERMISSION) return 1;
    if (!strstr(prong_error_message(), "refuses our answer")) return 2;
    if (prong_link_connect(&link, client->address, &KEY, PRONG_SECONDS(10)) < 0) return 3;
    prong_link_close(link);
    return 0;
}

METHOD_TEST(a_wrong_key_is_refused_on_both_sides) {
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    prong_process child = start_with(method, wrong_key_client, client);
    prong_link *link = accepted(); /* the one with the right key */
    equal(prong_listener_refused(listener), 1);
    check(strstr(prong_listener_last_refusal(listener), "another authkey"));
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
    enum { SILENT = 1000, DESCRIPTORS = 3000 };
    static int silent[SILENT];
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_max < DESCRIPTORS) test_skip("fewer than 3000 descriptors are allowed");
    if (limit.rlim_cur < DESCRIPTORS) limit.rlim_cur = DESCRIPTORS;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    prong_link_options options = KEY;
    options.max_handshakes = 100;
    options.backlog = 1200;
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
    exchange_with(client, PRONG_START_FORK);
    check(prong_listener_refused(listener) >= SILENT - 100);
    for (int i = 0; i < SILENT; i++) close(silent[i]);
    prong_listener_close(listener);
}

TEST(a_handshake_that_takes_too_long_is_dropped) {
    prong_link *link;
    prong_link_options options = KEY;
    options.handshake_timeout = PRONG_MS(100);
    listen_with(NULL, &options);
    int silent = raw_client();
    is(prong_listener_accept(listener, &link, PRONG_MS(500)), PRONG_TIMEOUT);
    equal(prong_listener_refused(listener), 1);
    check(strstr(prong_listener_last_refusal(listener), "too long"));
    close(silent);
    prong_listener_close(listener);
}
#endif

#ifdef HAVE_OPENSSL
/* --- reflection: the server here has no key, and lets one client answer the other --- */

struct connecting {
    pthread_t thread;
    prong_status status;
    char said[400];
};

static void *connect_with_key(void *argument) {
    struct connecting *connecting = argument;
    prong_link *link;
    connecting->status = prong_link_connect(&link, address, &KEY, PRONG_SECONDS(10));
    if (connecting->status)
        snprintf(connecting->said, sizeof(connecting->said), "%s", prong_error_message());
    else
        prong_link_close(link);
    return NULL;
}

static prong_link *client_in_a_thread(struct connecting *connecting) {
    check(pthread_create(&connecting->thread, NULL, connect_with_key, connecting) == 0);
    return accepted();
}

static void relay(prong_link *from, prong_link *to) {
    ok(receive(from, PRONG_SECONDS(10)));
    ok(prong_link_send_bytes(to, lent.data, lent.size, PRONG_SECONDS(10)));
}

TEST(a_server_that_lets_one_client_answer_another_is_refused_by_both) {
    static const char forged[] = "#CHALLENGE#{sha256}0123456789012345678901234567890123456789";
    struct connecting one = {0}, two = {0};
    listen_with(NULL, NULL);
    prong_link *first = client_in_a_thread(&one), *second = client_in_a_thread(&two);
    ok(prong_link_send_bytes(first, forged, sizeof(forged) - 1, PRONG_SECONDS(10)));
    ok(receive(first, PRONG_SECONDS(10))); /* an answer, whatever it is */
    ok(prong_link_send_bytes(first, "#WELCOME#", 9, PRONG_SECONDS(10)));
    relay(first, second); /* its challenge */
    is(receive(second, PRONG_SECONDS(10)), PRONG_EOF);
    pthread_join(two.thread, NULL);
    equal(two.status, PRONG_PERMISSION);
    check(strstr(two.said, "reflection"));
    prong_link_close(first);
    pthread_join(one.thread, NULL);
    equal(one.status, PRONG_EOF);
    prong_link_close(second);
    prong_listener_close(listener);
}

TEST(a_program_can_connect_to_itself) {
    struct connecting client = {0};
    listen_with(NULL, &KEY);
    prong_link *link = client_in_a_thread(&client);
    pthread_join(client.thread, NULL);
    equal(client.status, PRONG_OK);
    prong_link_close(link);
    prong_listener_close(listener);
}
#endif

TEST(those_that_wait_to_be_accepted_do_not_give_way_to_others) {
    enum { MANY = 300 };
    static int waiting[MANY];
    char sent = 0, got[8];
    listen_with(NULL, &(prong_link_options){.backlog = MANY, .max_handshakes = 10});
    for (int i = 0; i < MANY; i++) waiting[i] = raw_client();
    for (int i = 0; i < MANY; i++) {
        prong_link *link;
        ok(prong_listener_accept(listener, &link, i % 2 ? PRONG_NOWAIT : PRONG_SECONDS(10)));
        ok(prong_link_send_bytes(link, &sent, 1, PRONG_SECONDS(1)));
        equal(read(waiting[i], got, sizeof(got)), 5);
        check(write(waiting[i], "\0\0\0\0", 4) == 4);
        ok(receive(link, PRONG_SECONDS(1)));
        prong_link_close(link);
        close(waiting[i]);
    }
    equal(prong_listener_refused(listener), 0);
    prong_listener_close(listener);
}

/* A connection without a key is open at once, so whoever says nothing is accepted. */
#ifdef HAVE_OPENSSL
TEST(a_peer_that_hangs_up_at_once_is_no_error) {
    listen_with(NULL, &KEY);
    for (int i = 0; i < 3; i++) close(raw_client());
    struct client client = client_here(true);
    exchange_with(client, PRONG_START_FORK);
    prong_listener_close(listener);
}

/* Connects and hangs up, without end. */
static int flood(void *argument, size_t size) {
    struct client *client = argument;
    (void)size;
    memcpy(address, client->address, sizeof(address));
    for (;;) {
        int fd = raw_client();
        if (write(fd, "\0", 1) < 0) fd = dup(fd);
        close(fd);
    }
    return 0;
}

TEST(a_flood_of_connections_keeps_nobody_out_and_accept_in_its_time) {
    enum { FLOODS = 3 };
    prong_process floods[FLOODS];
    prong_link *link;
    listen_with(NULL, &KEY);
    struct client client = client_here(true);
    for (int i = 0; i < FLOODS; i++) floods[i] = start_with(PRONG_START_FORK, flood, client);
    for (int i = 0; i < 3; i++) {
        is(prong_listener_accept(listener, &link, PRONG_MS(50)), PRONG_TIMEOUT);
        exchange_with(client, PRONG_START_FORK);
    }
    for (int i = 0; i < FLOODS; i++) {
        ok(prong_process_kill(floods[i]));
        test_end(floods[i]);
    }
    prong_listener_close(listener);
}

/* A message of the handshake, byte by byte, until it is hung up on. */
static int dribble(void *argument, size_t size) {
    struct client *client = argument;
    (void)size;
    memcpy(address, client->address, sizeof(address));
    int fd = raw_client();
    if (write(fd, "\0\0\0\xff", 4) != 4) return 1;
    for (int i = 0; i < 250; i++) {
        if (write(fd, "x", 1) != 1) return 2;
        test_sleep_ms(20);
    }
    return 0;
}

TEST(a_peer_that_dribbles_is_dropped_and_delays_nobody) {
    prong_link *link;
    prong_link_options options = KEY;
    options.handshake_timeout = PRONG_SECONDS(3);
    listen_with(NULL, &options);
    struct client client = client_here(true);
    prong_process slow = start_with(PRONG_START_FORK, dribble, client);
    exchange_with(client, PRONG_START_FORK);
    while (!prong_listener_refused(listener)) is(prong_listener_accept(listener, &link, PRONG_MS(100)), PRONG_TIMEOUT);
    check(strstr(prong_listener_last_refusal(listener), "too long"));
    equal(test_end(slow), -SIGPIPE);
    prong_listener_close(listener);
}

/* Descriptors up to this one may be opened from now on. */
static void allow_descriptors(int below) {
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t)below;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(a_listener_without_descriptors_says_so_and_goes_on_when_there_are) {
    prong_link *link;
    listen_with(NULL, &KEY);
    struct connecting client = {0};
    int silent[4];
    for (int i = 0; i < 4; i++) silent[i] = raw_client();
    check(pthread_create(&client.thread, NULL, connect_with_key, &client) == 0);
    test_sleep_ms(50); /* it is in the backlog */
    int next = dup(0);
    close(next);
    allow_descriptors(next);
    is(prong_listener_accept(listener, &link, PRONG_SECONDS(5)), PRONG_NO_DESCRIPTORS);
    is(prong_listener_accept(listener, &link, PRONG_NOWAIT), PRONG_NO_DESCRIPTORS);
    allow_descriptors(next + 2); /* those that say nothing make way */
    link = accepted();
    pthread_join(client.thread, NULL);
    equal(client.status, PRONG_OK);
    prong_link_close(link);
    for (int i = 0; i < 4; i++) close(silent[i]);
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
    prong_link *link = fed_with("\0\0\0\3abc\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\2xy", 25, true);
    ok(receive(link, PRONG_SECONDS(1)));
    check(lent.size == 3 && !memcmp(lent.data, "abc", 3));
    ok(receive(link, PRONG_SECONDS(1)));
    equal(lent.size, 0);
    ok(receive(link, PRONG_SECONDS(1)));
    check(lent.size == 2 && !memcmp(lent.data, "xy", 2));
    is(receive(link, PRONG_SECONDS(1)), PRONG_EOF);
    unfeed(link);
}

TEST(what_is_no_message_is_an_error) {
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
        prong_status status = receive(link, PRONG_SECONDS(1));
        check(status == PRONG_INVALID || status == PRONG_TOO_LONG);
        says(cases[i].what);
        unfeed(link);
    }
}

TEST(a_part_of_a_message_waits_for_the_rest) {
    prong_link *link = fed_with("\0\0\0\5ab", 6, false);
    is(receive(link, PRONG_MS(50)), PRONG_TIMEOUT);
    check(write(100, "cde", 3) == 3);
    ok(prong_link_poll(link, PRONG_SECONDS(1)));
    ok(receive(link, PRONG_SECONDS(1)));
    check(lent.size == 5 && !memcmp(lent.data, "abcde", 5));
    is(prong_link_poll(link, PRONG_NOWAIT), PRONG_TIMEOUT);
    close(100);
    unfeed(link);
}

TEST(a_buffer_that_is_too_small_leaves_the_message) {
    char buffer[8];
    size_t size;
    prong_link *link = fed_with("\0\0\0\5abcde\0\0\0\1x", 14, false);
    is(prong_link_recv_bytes_into(link, buffer, 4, &size, PRONG_SECONDS(1)), PRONG_TOO_LONG);
    equal(size, 5);
    ok(prong_link_recv_bytes_into(link, buffer, 8, &size, PRONG_SECONDS(1)));
    check(!memcmp(buffer, "abcde", 5));
    ok(prong_link_recv_bytes(link, 1, &lent, PRONG_SECONDS(1)));
    close(100);
    unfeed(link);
}

static char block_sent[3 << 20];

static void *send_block(void *link) {
    ok(prong_link_send_bytes(link, block_sent, sizeof(block_sent), PRONG_SECONDS(10)));
    return NULL;
}

TEST(a_message_is_lent_until_its_release_whatever_the_link_does) {
    enum { ROUNDS = 200 };
    prong_message held[ROUNDS], large;
    prong_link *link, *other;
    prong_waitable item = {.kind = PRONG_WAIT_LINK};
    listen_with(NULL, NULL);
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    other = item.link = accepted();
    for (int i = 0; i < ROUNDS; i++) {
        size_t size = (size_t)i * 131;
        memset(block_sent, 'a' + i % 26, size);
        ok(prong_link_send_bytes(link, block_sent, size, PRONG_SECONDS(10)));
        if (i % 3 == 0) ok(prong_link_send_bytes(link, "behind", 6, PRONG_SECONDS(10))); /* two in one buffer */
        ok(prong_link_recv_bytes(other, 0, &held[i], PRONG_SECONDS(10)));
        equal(held[i].size, size);
        if (i % 3) continue;
        ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(10)));
        ok(prong_link_poll(other, PRONG_SECONDS(10)));
        ok(receive(other, PRONG_SECONDS(10)));
        check(lent.size == 6 && !memcmp(lent.data, "behind", 6));
    }
    pthread_t thread; /* more than the socket holds */
    check(pthread_create(&thread, NULL, send_block, link) == 0);
    ok(prong_link_recv_bytes(other, 0, &large, PRONG_SECONDS(10)));
    pthread_join(thread, NULL);
    prong_link_close(link);
    unfeed(other);
    check(large.size == sizeof(block_sent) && !memcmp(large.data, block_sent, large.size));
    ok(prong_message_release(&large));
    for (int i = 0; i < ROUNDS; i++) {
        const char *text = held[i].data;
        for (size_t j = 0; j < held[i].size; j++) check(text[j] == 'a' + i % 26);
        ok(prong_message_release(&held[i]));
        is(prong_message_release(&held[i]), PRONG_STALE);
    }
}

TEST(a_message_of_a_link_goes_to_no_queue_or_connection) {
    prong_queue queue;
    prong_connection ours, theirs;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_link *link = fed_with("\0\0\0\3abc", 7, true);
    ok(receive(link, PRONG_SECONDS(1)));
    is(prong_queue_commit(queue, &lent, PRONG_NOWAIT), PRONG_INVALID);
    says("a link has lent");
    is(prong_connection_commit(ours, &lent, PRONG_NOWAIT), PRONG_INVALID);
    check(lent.size == 3 && !memcmp(lent.data, "abc", 3)); /* it is still the caller's */
    ok(prong_message_release(&lent));
    unfeed(link);
    ok(prong_queue_destroy(queue));
}

TEST(a_message_that_is_too_long_tells_its_length) {
    prong_link *link = fed_with("\0\0\0\5abcde", 9, false);
    is(prong_link_recv_bytes(link, 4, &lent, PRONG_SECONDS(1)), PRONG_TOO_LONG);
    equal(lent.size, 5);
    check(!lent.data);
    is(prong_link_recv_bytes(link, 0, &lent, PRONG_SECONDS(1)), PRONG_BROKEN);
    close(100);
    unfeed(link);
}

TEST(values_received_own_their_bytes) {
    static char text[1000];
    prong_document *document;
    prong_value sent, first, second;
    const void *bytes;
    size_t size;
    prong_link *link, *other;
    prong_unpickle_options borrow = {.borrow_bytes = true};
    listen_with(NULL, NULL);
    ok(prong_document_open(&document, NULL));
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    other = accepted();
    for (int i = 0; i < 2; i++) {
        memset(text, 'x' + i, sizeof(text));
        ok(prong_make_bytes(document, text, sizeof(text), &sent));
        ok(prong_link_send_value(link, sent, PRONG_SECONDS(10)));
        ok(prong_link_recv_value(other, document, i ? &second : &first, &borrow, PRONG_SECONDS(10)));
    }
    prong_link_close(link);
    unfeed(other);
    ok(prong_to_bytes(first, &bytes, &size));
    memset(text, 'x', sizeof(text));
    check(size == sizeof(text) && !memcmp(bytes, text, size));
    prong_document_close(document);
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

TEST(wait_sees_what_was_read_already) {
    size_t count;
    prong_link *link = fed_with("\0\0\0\1a\0\0\0\1b", 10, false);
    ok(receive(link, PRONG_SECONDS(1)));
    prong_waitable items[] = {{.kind = PRONG_WAIT_LISTENER, .listener = listener},
                              {.kind = PRONG_WAIT_LINK, .link = link}};
    ok(prong_wait(items, 2, &count, PRONG_SECONDS(1)));
    check(count == 1 && items[1].ready);
    ok(receive(link, PRONG_NOWAIT));
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
    is(prong_link_send_bytes(link, "a", 1, PRONG_MS(50)), PRONG_BROKEN);
    close(fd);
    unfeed(link);
}

/* Nothing of a message that found no room has left: those before it arrive, and those after. */
TEST(a_send_without_room_leaves_the_link_as_it_was) {
    char block[1000] = {0}, last[] = "last";
    size_t sent = 0;
    prong_status status = PRONG_OK;
    listen_with(NULL, NULL);
    prong_link *link, *other;
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    other = accepted();
    for (; status >= 0; sent += status >= 0) status = prong_link_send_bytes(link, block, sizeof(block), PRONG_NOWAIT);
    is(status, PRONG_TIMEOUT);
    bool cut = prong_link_send_bytes(link, block, sizeof(block), PRONG_NOWAIT) == PRONG_BROKEN;
    check(!cut); /* a Unix socket takes a small message whole, or not */
    for (size_t i = 0; i < sent; i++) {
        ok(receive(other, PRONG_SECONDS(10)));
        equal(lent.size, sizeof(block));
    }
    ok(prong_link_send_bytes(link, last, sizeof(last), PRONG_SECONDS(10)));
    ok(receive(other, PRONG_SECONDS(10)));
    check(lent.size == sizeof(last) && !memcmp(lent.data, last, lent.size));
    prong_link_close(link);
    unfeed(other);
}

TEST(connecting_to_a_full_backlog_times_out) {
    enum { MOST = 100 };
    prong_link *links[MOST], *link;
    prong_status status = PRONG_OK;
    int count = 0;
    listen_with(NULL, &(prong_link_options){.backlog = 1});
    for (; status >= 0 && count < MOST; count += status >= 0)
        status = prong_link_connect(&links[count], address, NULL, PRONG_MS(50));
    is(status, PRONG_TIMEOUT);
    says("backlog is full");
    for (int i = 0; i < count; i++) {
        prong_link_close(accepted());
        prong_link_close(links[i]);
    }
    ok(prong_link_connect(&link, address, NULL, PRONG_SECONDS(10)));
    prong_link_close(link);
    prong_listener_close(listener);
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

#ifdef HAVE_OPENSSL
/* --- TLS --- */

static char directory[] = "/tmp/prong-tls-XXXXXX", certificate[64], key[64];

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    check(file && fputs(text, file) >= 0);
    fclose(file);
}

static void make_certificate(void) {
    check(mkdtemp(directory));
    snprintf(certificate, sizeof(certificate), "%s/cert.pem", directory);
    snprintf(key, sizeof(key), "%s/key.pem", directory);
    write_file(certificate, TEST_CERTIFICATE);
    write_file(key, TEST_KEY);
}

static void remove_certificate(void) {
    unlink(certificate);
    unlink(key);
    rmdir(directory);
}

struct tls_client {
    struct client client;
    char authority[64];
    char name[32];
};

static int tls_client(void *argument, size_t size) {
    struct tls_client *client = argument;
    prong_tls tls = {.authority = client->authority, .name = client->name};
    prong_link_options options = KEY;
    options.tls = &tls;
    prong_link *link;
    (void)size;
    prong_status status = prong_link_connect(&link, client->client.address, &options, PRONG_SECONDS(10));
    if (status < 0) return status == PRONG_PERMISSION ? 42 : 43;
    while (receive(link, PRONG_SECONDS(10)) >= 0)
        if (prong_link_send_bytes(link, lent.data, lent.size, PRONG_SECONDS(10)) < 0) return 2;
    prong_link_close(link);
    return 0;
}

TEST(tls_carries_messages_and_refuses_a_wrong_name) {
    make_certificate();
    prong_tls tls = {.certificate = certificate, .key = key};
    prong_link_options options = KEY;
    options.tls = &tls;
    listen_with("127.0.0.1:0", &options);
    struct tls_client client = {.client = client_here(true), .name = "prong.test"};
    memcpy(client.authority, certificate, sizeof(certificate));
    prong_process child = start_with(PRONG_START_FORK, tls_client, client);
    prong_link *link = accepted();
    static char large[1 << 20];
    for (size_t n = 1; n <= sizeof(large); n *= 32) {
        ok(prong_link_send_bytes(link, large, n, PRONG_SECONDS(10)));
        ok(receive(link, PRONG_SECONDS(10)));
        equal(lent.size, n);
    }
    prong_link_close(link);
    equal(test_end(child), 0);
    strcpy(client.name, "other.test");
    child = start_with(PRONG_START_FORK, tls_client, client);
    is(prong_listener_accept(listener, &link, PRONG_SECONDS(2)), PRONG_TIMEOUT);
    equal(test_end(child), 42);
    prong_listener_close(listener);
    options.tls = &(prong_tls){.certificate = "/nowhere.pem"};
    is(prong_listener_open(&listener, "127.0.0.1:0", &options), PRONG_INVALID);
    says("/nowhere.pem");
    remove_certificate();
}

/* The listener is inherited. */
static int accept_until_told(void *argument, size_t size) {
    prong_link *link;
    (void)argument, (void)size;
    while (prong_listener_accept(listener, &link, PRONG_SECONDS(1)) == PRONG_TIMEOUT) {}
    return 0;
}

/* Sends one message, and then says goodbye, or is cut off without. */
struct leaving_client {
    struct tls_client tls;
    bool with_key, by_death;
};

static int leaving_client(void *argument, size_t size) {
    struct leaving_client *client = argument;
    prong_tls tls = {.authority = client->tls.authority, .name = client->tls.name};
    prong_link_options options = client->with_key ? KEY : (prong_link_options){0};
    options.tls = &tls;
    prong_link *link;
    (void)size;
    if (prong_link_connect(&link, client->tls.client.address, &options, PRONG_SECONDS(10)) < 0) return 1;
    if (prong_link_send_bytes(link, "last", 4, PRONG_SECONDS(10)) < 0) return 2;
    if (client->by_death) kill(getpid(), SIGKILL);
    prong_link_close(link);
    return 0;
}

/* A link to such a client, which has gone. */
static prong_link *tls_left(int method, bool with_key, bool by_death) {
    prong_tls tls = {.certificate = certificate, .key = key};
    prong_link_options options = with_key ? KEY : (prong_link_options){0};
    options.tls = &tls;
    listen_with("127.0.0.1:0", &options);
    struct leaving_client client = {
        .tls = {.client = client_here(with_key), .name = "prong.test"}, .with_key = with_key, .by_death = by_death};
    memcpy(client.tls.authority, certificate, sizeof(certificate));
    prong_process child = start_with(method, leaving_client, client);
    prong_link *link = accepted();
    equal(test_end(child), by_death ? -SIGKILL : 0);
    prong_listener_close(listener);
    return link;
}

static void tls_ends_with(prong_link *link, prong_status wanted) {
    ok(receive(link, PRONG_SECONDS(10)));
    check(lent.size == 4 && !memcmp(lent.data, "last", 4));
    for (int again = 0; again < 2; again++) is(receive(link, PRONG_SECONDS(10)), wanted);
}

METHOD_TEST(a_tls_connection_that_is_cut_has_not_ended) {
    make_certificate();
    for (int with_key = 0; with_key < 2; with_key++) {
        prong_link *link = tls_left(method, with_key, false);
        tls_ends_with(link, PRONG_EOF);
        prong_link_close(link);
        link = tls_left(method, with_key, true);
        tls_ends_with(link, PRONG_BROKEN_PIPE);
        says("close_notify");
        prong_link_close(link);
    }
    remove_certificate();
}

/* --- one side with TLS, the other without --- */

struct mismatched {
    struct tls_client tls;
    bool with_tls, with_key;
    prong_time timeout; /* of the connection */
};

/* What went wrong, on standard output's place: a queue. */
static prong_queue told;

static int mismatched_client(void *argument, size_t size) {
    struct mismatched *client = argument;
    prong_tls tls = {.authority = client->tls.authority, .name = client->tls.name};
    prong_link_options options = client->with_key ? KEY : (prong_link_options){0};
    prong_link *link;
    (void)size;
    if (client->with_tls) options.tls = &tls;
    prong_status status = prong_link_connect(&link, client->tls.client.address, &options, client->timeout);
    if (status >= 0) status = prong_link_send_bytes(link, "hello, who is there?", 20, PRONG_SECONDS(10));
    if (status >= 0) status = receive(link, PRONG_SECONDS(10));
    return status >= 0 || prong_queue_put(told, prong_error_message(), strlen(prong_error_message()) + 1, PRONG_NOWAIT);
}

/* The client's error says this, and what the listener meets, by accept or by a first message, that. */
static void mismatch(bool with_tls, bool with_key, prong_time timeout, const char *client_says,
                     const char *listener_says) {
    prong_tls tls = {.certificate = certificate, .key = key};
    prong_link_options options = with_key ? KEY : (prong_link_options){0};
    const char *reason = NULL;
    char text[700];
    size_t size;
    if (!with_tls) options.tls = &tls;
    options.handshake_timeout = PRONG_MS(300);
    listen_with("127.0.0.1:0", &options);
    struct mismatched client = {.tls = {.client = client_here(with_key), .name = "prong.test"},
                                .with_tls = with_tls,
                                .with_key = with_key,
                                .timeout = timeout};
    memcpy(client.tls.authority, certificate, sizeof(certificate));
    prong_process child = start_with(PRONG_START_FORK, mismatched_client, client);
    prong_link *link = NULL;
    prong_status status = prong_listener_accept(listener, &link, PRONG_SECONDS(1));
    if (status >= 0) {
        check(receive(link, PRONG_MS(500)) != PRONG_OK);
        reason = prong_error_message();
    } else
        reason = prong_listener_last_refusal(listener);
    if (!reason || !strstr(reason, listener_says))
        test_failed(__FILE__, __LINE__, "the listener met \"%s\", not \"%s\"", reason ? reason : "", listener_says);
    prong_link_close(link);
    prong_listener_close(listener);
    equal(test_end(child), 0);
    ok(prong_queue_get(told, text, sizeof(text), &size, PRONG_SECONDS(1)));
    if (!strstr(text, client_says))
        test_failed(__FILE__, __LINE__, "the client says \"%s\", not \"%s\"", text, client_says);
}

TEST(a_client_without_tls_and_a_listener_with_it_say_so) {
    make_certificate();
    ok(prong_queue_create(&told, NULL));
    mismatch(false, true, PRONG_SECONDS(10), "may expect TLS", "may not speak TLS"); /* the listener hangs up */
    mismatch(false, true, PRONG_MS(100), "may expect TLS", "");
    mismatch(false, false, PRONG_SECONDS(10), "TLS", "does not speak TLS"); /* with an alert, or without */
    remove_certificate();
}

TEST(a_client_with_tls_and_a_listener_without_it_say_so) {
    make_certificate();
    ok(prong_queue_create(&told, NULL));
    mismatch(true, true, PRONG_SECONDS(10), "does not speak TLS", "speaks TLS, and this side does not");
    mismatch(true, false, PRONG_SECONDS(10), "may not speak TLS", "which this side does not speak");
    mismatch(true, false, PRONG_MS(100), "may not speak TLS", "speaks TLS, and this side does not");
    remove_certificate();
}

TEST(a_certificate_that_nobody_known_has_signed_is_refused) {
    make_certificate();
    prong_tls tls = {.certificate = certificate, .key = key};
    prong_link_options options = KEY;
    options.tls = &tls;
    listen_with("127.0.0.1:0", &options);
    struct tls_client client = {.client = client_here(true), .name = "prong.test"};
    snprintf(client.authority, sizeof(client.authority), "%s/none.pem", directory);
    prong_tls of_client = {.name = client.name}; /* the system's authorities */
    prong_link *link;
    prong_process waiting = start_with(PRONG_START_FORK, accept_until_told, client);
    options.tls = &of_client;
    is(prong_link_connect(&link, address, &options, PRONG_SECONDS(10)), PRONG_PERMISSION);
    says("certificate");
    of_client.authority = client.authority;
    is(prong_link_connect(&link, address, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("none.pem");
    ok(prong_process_kill(waiting));
    test_end(waiting);
    prong_listener_close(listener);
    remove_certificate();
}

TEST(sending_by_tls_to_who_is_gone_raises_no_signal) {
    make_certificate();
    prong_link *link = tls_left(PRONG_START_FORK, true, true);
    prong_status status = PRONG_OK;
    for (int i = 0; i < 100 && status >= 0; i++) status = prong_link_send_bytes(link, "x", 1, PRONG_SECONDS(1));
    is(status, PRONG_BROKEN_PIPE);
    prong_link_close(link);
    remove_certificate();
}
#endif
