/* Links by TLS: names and certificates, how they end, and peers that speak no TLS. */
#include "link_test.h"
#include "certificate.h"

#include <signal.h>
#include <unistd.h>

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

/* On a busy machine a client takes long to come, so a listener accepts until the client has ended. */
static bool still_runs(prong_process child) {
    return prong_process_join(child, PRONG_NOWAIT) == PRONG_TIMEOUT;
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
    while (still_runs(child)) is(prong_listener_accept(listener, &link, PRONG_MS(100)), PRONG_TIMEOUT);
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
    prong_status status = PRONG_TIMEOUT;
    while (status == PRONG_TIMEOUT && !prong_listener_refused(listener, NULL) && still_runs(child))
        status = prong_listener_accept(listener, &link, PRONG_MS(500));
    if (status >= 0) {
        check(receive(link, PRONG_MS(500)) != PRONG_OK);
        reason = prong_error_message();
    } else
        prong_listener_refused(listener, &reason);
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

TEST(what_tls_cannot_use_is_named_when_the_listener_opens) {
    prong_tls tls = {.authority = "/nowhere.pem"};
    prong_link_options options = KEY;
    options.tls = &tls;
    make_certificate();
    is(prong_listener_open(&listener, "127.0.0.1:0", &options), PRONG_INVALID);
    says("a listener needs a certificate");
    tls = (prong_tls){.certificate = certificate, .key = "/nowhere/key.pem"};
    is(prong_listener_open(&listener, "127.0.0.1:0", &options), PRONG_INVALID);
    says("/nowhere/key.pem");
    tls.key = NULL; /* it is to stand in the certificate's file */
    is(prong_listener_open(&listener, "127.0.0.1:0", &options), PRONG_INVALID);
    says(certificate);
    FILE *file = fopen(certificate, "a");
    check(file && fputs(TEST_KEY, file) >= 0 && fclose(file) == 0);
    ok(prong_listener_open(&listener, "127.0.0.1:0", &options));
    prong_listener_close(listener);
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
    ok(prong_process_signal(waiting, SIGKILL));
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
