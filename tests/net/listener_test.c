/* Listeners among peers that have another key, are silent, slow or many: they keep nobody else out. */
#include "link_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HAVE_OPENSSL
static const char *last_refusal(void) {
    const char *reason;
    prong_listener_refused(listener, &reason);
    return reason;
}

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
    equal(prong_listener_refused(listener, NULL), 1);
    check(strstr(last_refusal(), "another authkey"));
    prong_link_close(link);
    equal(test_end(child), 0);
    prong_listener_close(listener);
}

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
    check(prong_listener_refused(listener, NULL) >= SILENT - 100);
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
    equal(prong_listener_refused(listener, NULL), 1);
    check(strstr(last_refusal(), "too long"));
    close(silent);
    prong_listener_close(listener);
}

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
    equal(prong_listener_refused(listener, NULL), 0);
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
        ok(prong_process_signal(floods[i], SIGKILL));
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
    while (!prong_listener_refused(listener, NULL))
        is(prong_listener_accept(listener, &link, PRONG_MS(100)), PRONG_TIMEOUT);
    check(strstr(last_refusal(), "too long"));
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
