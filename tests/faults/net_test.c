/* Faults at both ends of a link. The other end is a process that has no faults; it takes, or makes, connections until it
 * is killed. */
#include "../net/certificate.h"
#include "faults.h"
#include "inject.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const prong_time SOON = PRONG_SECONDS(20);
#ifdef HAVE_OPENSSL
static prong_link_options options = {.authkey = "secret", .authkey_size = 6};
#else
static prong_link_options options;
#endif

static void new_address(char address[64]) {
    snprintf(address, 64, "@prong-faults-%d", (int)getpid());
}

/* Says back whatever it is sent. */
static void echo(const char *address) {
    prong_listener *listener;
    if (prong_listener_open(&listener, address, &options) < 0) _exit(1);
    for (;;) {
        prong_link *link;
        prong_message message;
        if (prong_listener_accept(listener, &link, PRONG_FOREVER) < 0) continue;
        while (prong_link_recv_bytes(link, 0, &message, PRONG_FOREVER) >= 0) {
            prong_link_send_bytes(link, message.data, message.size, PRONG_FOREVER);
            prong_message_release(&message);
        }
        prong_link_close(link);
    }
}

static void call_again_and_again(const char *address) {
    for (;;) {
        prong_link *link;
        prong_message message;
        if (prong_link_connect(&link, address, &options, PRONG_SECONDS(10)) < 0) {
            test_sleep_ms(2);
            continue;
        }
        prong_link_send_bytes(link, "hello", 5, PRONG_FOREVER);
        if (prong_link_recv_bytes(link, 0, &message, PRONG_FOREVER) >= 0) prong_message_release(&message);
        prong_link_close(link);
    }
}

static pid_t other_end(void (*run)(const char *), const char *address) {
    struct fault_plan *plan = fault_plan;
    fault_plan = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(address);
    }
    fault_plan = plan;
    if (pid < 0) abort();
    return pid;
}

static void end_other(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void talk_with_a_listener(size_t most) {
    char address[64];
    prong_link *link;
    prong_document *document;
    prong_value value, got;
    prong_message message, kept;
    size_t size;
    new_address(address);
    pid_t pid = other_end(echo, address);
    for (int i = 0; i < 2000 && prong_link_connect(&link, address, &options, SOON); i++) test_sleep_ms(1);
    prong_link_close(link); /* it listens */
    sure(prong_link_connect(&link, address, &options, SOON));
    sure(prong_link_send_bytes(link, "hello", 5, SOON));
    sure(prong_link_poll(link, SOON));
    sure(prong_link_recv_bytes(link, 0, &message, SOON));
    must_hold(message.size == 5 && !memcmp(message.data, "hello", 5));
    sure(prong_message_release(&message));
    sure(prong_document_open(&document, NULL));
    sure(prong_build(document, &value, "(isd)", 1, "two", 3.0));
    sure(prong_link_send_value(link, value, SOON));
    sure(prong_link_recv_value(link, document, &got, NULL, SOON));
    must_hold(prong_value_equal(value, got));
    sure(prong_link_send_bytes(link, "kept", 4, SOON));
    sure(prong_link_recv_bytes(link, 0, &kept, SOON));
    char *large = calloc(1, most);
    sure(prong_link_send_bytes(link, large, most, SOON));
    sure(prong_link_recv_bytes_into(link, large, most, &size, SOON));
    must_hold(size == most);
    free(large);
    prong_document_close(document);
    plain(prong_link_close(link));
    must_hold(kept.size == 4 && !memcmp(kept.data, "kept", 4));
    sure(prong_message_release(&kept));
    end_other(pid);
}

static void talk_with_clients(void) {
    char address[64];
    prong_listener *listener;
    prong_link *link;
    prong_message message;
    new_address(address);
    sure(prong_listener_open(&listener, address, &options));
    pid_t pid = other_end(call_again_and_again, address);
    for (int i = 0; i < 2; i++) {
        sure(prong_listener_accept(listener, &link, SOON));
        sure(prong_link_recv_bytes(link, 0, &message, SOON));
        must_hold(message.size == 5);
        sure(prong_link_send_bytes(link, message.data, message.size, SOON));
        sure(prong_message_release(&message));
        plain(prong_link_close(link));
    }
    end_other(pid);
    plain(prong_listener_close(listener));
}

enum { LARGE = 100000, HUGE = 2000000 }; /* HUGE: does not leave at once */

SCENARIO(a_client_talks_with_a_listener) {
    talk_with_a_listener(LARGE);
}

/* What has begun and cannot go on for long cuts a link. */
WAITING_SCENARIO(a_client_sends_what_does_not_leave_at_once) {
    talk_with_a_listener(HUGE);
}

WAITING_SCENARIO(a_listener_talks_with_clients) {
    talk_with_clients();
}

#ifdef HAVE_OPENSSL
static char certificate[64], key[64];

static void write_file(char path[64], const char *kind, const char *text) {
    snprintf(path, 64, "/tmp/prong-faults-%s-XXXXXX", kind);
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd)) abort();
}

/* Each trial has files of its own. */
static void with_tls(void (*talk)(void)) {
    static prong_tls tls = {.certificate = certificate, .key = key, .authority = certificate, .name = "prong.test"};
    write_file(certificate, "certificate", TEST_CERTIFICATE);
    write_file(key, "key", TEST_KEY);
    options.tls = &tls;
    talk();
    unlink(certificate);
    unlink(key);
}

static void talk_with_a_listener_of_tls(void) {
    talk_with_a_listener(HUGE);
}

/* A record that TLS has made has to go, too. */
WAITING_SCENARIO(a_client_talks_with_a_listener_by_tls) {
    with_tls(talk_with_a_listener_of_tls);
}

WAITING_SCENARIO(a_listener_talks_with_clients_by_tls) {
    with_tls(talk_with_clients);
}
#endif
