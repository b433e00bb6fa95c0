/* Messages on a descriptor: what prong_stream_… does, and that links and streams understand each other. */
#include "../support/test.h"

#include <prong/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LARGE = 3 << 20, SOON = 20 };

/* The first receives, of both kinds. */
static void make_pair(bool sockets, int ends[2]) {
    check((sockets ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) : pipe(ends)) == 0);
    signal(SIGPIPE, sockets ? SIG_DFL : SIG_IGN); /* a pipe's sender has no way to keep it from coming */
}

static unsigned char byte_at(size_t i) {
    return (unsigned char)(i * 31 + (i >> 9));
}

struct sender {
    int descriptor;
    size_t size, part;
};

static void *send_in_parts(void *context) {
    struct sender *sender = context;
    size_t count = 0;
    char *data = malloc(sender->size + 1);
    prong_bytes *parts = calloc(sender->size / sender->part + 2, sizeof *parts);
    for (size_t i = 0; i < sender->size; i++) data[i] = (char)byte_at(i);
    for (size_t at = 0; at < sender->size; at += parts[count++].size) {
        size_t left = sender->size - at;
        parts[count] = (prong_bytes){data + at, left < sender->part ? left : sender->part};
    }
    ok(prong_stream_send(sender->descriptor, parts, count, PRONG_SECONDS(SOON)));
    free(parts);
    free(data);
    return NULL;
}

/* By the two steps that a message of unknown size takes. */
static void receive(int descriptor, size_t size) {
    char small[512], *data = small, *large = NULL;
    size_t came;
    prong_status status = prong_stream_recv(descriptor, small, sizeof small, &came, PRONG_SECONDS(SOON));
    equal(status, size > sizeof small ? PRONG_TOO_LONG : PRONG_OK);
    equal(came, size);
    if (status < 0) {
        data = large = malloc(size);
        ok(prong_stream_recv_rest(descriptor, large, size, PRONG_SECONDS(SOON)));
    }
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++) wrong += (unsigned char)data[i] != byte_at(i);
    equal(wrong, 0);
    free(large);
}

static void pass(int from, int to, size_t size, size_t part) {
    struct sender sender = {from, size, part};
    pthread_t thread;
    check(pthread_create(&thread, NULL, send_in_parts, &sender) == 0);
    receive(to, size);
    pthread_join(thread, NULL);
}

static void pass_all(bool sockets, bool blocking) {
    static const size_t sizes[] = {0, 1, 3, 4, 12, 511, 512, 513, 65536, 65537, LARGE};
    int ends[2];
    make_pair(sockets, ends);
    for (int i = 0; i < 2 && !blocking; i++) fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pass(ends[1], ends[0], sizes[i], sizes[i] + 1);
        pass(ends[1], ends[0], sizes[i], sizes[i] > 4096 ? 777 : 1); /* more parts than a call of the system takes */
    }
    close(ends[0]);
    close(ends[1]);
}

TEST(messages_of_every_size_come_over_sockets_and_pipes) {
    pass_all(true, true);
    pass_all(true, false);
    pass_all(false, true);
    pass_all(false, false);
}

TEST(nothing_is_read_beyond_a_message) {
    int ends[2];
    char data[8], rest[8];
    size_t size;
    make_pair(true, ends);
    prong_bytes first = {"one", 3};
    ok(prong_stream_send(ends[1], &first, 1, PRONG_FOREVER));
    equal(write(ends[1], "behind", 6), 6);
    ok(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_FOREVER));
    equal(size, 3);
    equal(read(ends[0], rest, sizeof rest), 6);
    check(memcmp(rest, "behind", 6) == 0);
}

TEST(a_message_of_two_gigabytes_has_the_long_header) {
    int ends[2];
    char data[1];
    size_t size;
    make_pair(true, ends);
    equal(write(ends[1], "\xff\xff\xff\xff\0\0\0\0\x80\0\0\0", 12), 12);
    is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_FOREVER), PRONG_TOO_LONG);
    equal(size, (size_t)1 << 31);
}

TEST(bad_lengths_are_no_messages) {
    static const char *const wrong[] = {"\xff\xff\xff\xfe", "\x80\0\0\0", "\xff\xff\xff\xff\xff\0\0\0\0\0\0\0"};
    for (size_t i = 0; i < 3; i++) {
        int ends[2];
        char data[1];
        size_t size, length = i == 2 ? 12 : 4;
        make_pair(true, ends);
        equal(write(ends[1], wrong[i], length), (long long)length);
        is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_SECONDS(SOON)), PRONG_INVALID);
        says("bad message length");
        close(ends[0]);
        close(ends[1]);
    }
}

TEST(the_end_is_told_and_so_is_one_within_a_message) {
    static const char whole[] = "\0\0\0\5hello";
    for (size_t cut = 0; cut < 9; cut++) {
        int ends[2];
        char data[8];
        size_t size;
        make_pair(cut % 2, ends);
        equal(write(ends[1], whole, cut), (long long)cut);
        close(ends[1]);
        is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_SECONDS(SOON)), cut ? PRONG_INVALID : PRONG_EOF);
        if (cut) says("end of file during message");
        close(ends[0]);
    }
}

TEST(nobody_to_receive_is_a_broken_pipe_and_no_signal) {
    int ends[2];
    prong_bytes part = {"x", 1};
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    close(ends[0]);
    is(prong_stream_send(ends[1], &part, 1, PRONG_FOREVER), PRONG_BROKEN_PIPE);
    equal(errno, EPIPE);
    is(prong_stream_send(-1, &part, 1, PRONG_FOREVER), PRONG_SYSTEM);
    equal(errno, EBADF);
}

TEST(no_wait_is_longer_than_its_time) {
    int ends[2];
    char data[8], *large = calloc(1, LARGE);
    size_t size;
    make_pair(true, ends);
    is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_MS(30)), PRONG_TIMEOUT);
    equal(write(ends[1], "\0\0\0\5he", 6), 6);
    is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_MS(30)), PRONG_BROKEN);
    prong_bytes part = {large, LARGE};
    is(prong_stream_send(ends[1], &part, 1, PRONG_MS(30)), PRONG_BROKEN); /* nobody reads */
    says("in the middle of a message");
    is(prong_stream_send(ends[1], &part, 1, PRONG_NOWAIT), PRONG_TIMEOUT);
    free(large);
}

/* --- waits that a signal interrupts --- */

static volatile sig_atomic_t alarms;
static bool breaks_off; /* what the runtime makes of it */

static void count_alarm(int number) {
    (void)number;
    alarms++;
}
static bool alarm_has_come(void) {
    return breaks_off && alarms > 0;
}

/* SIGALRM again and again: one that comes before the wait has begun interrupts nothing. */
static void alarms_from_now_on(bool break_off) {
    static const prong_runtime runtime = {.interrupted = alarm_has_come};
    struct sigaction action = {.sa_handler = count_alarm};
    struct itimerval often = {{0, 30000}, {0, 30000}};
    alarms = 0;
    breaks_off = break_off;
    prong_set_runtime(&runtime);
    check(sigaction(SIGALRM, &action, NULL) == 0);
    check(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

/* And the next wait is as any other. */
static void alarms_end(void) {
    struct itimerval none = {0};
    check(alarms > 0);
    check(setitimer(ITIMER_REAL, &none, NULL) == 0);
    breaks_off = false;
    prong_clear_interrupt();
}

static const prong_time long_times[] = {PRONG_FOREVER, PRONG_SECONDS(60)};

TEST(a_receive_ends_when_the_runtime_breaks_it_off) {
    for (int i = 0; i < 4; i++) {
        int ends[2];
        char data[8];
        size_t size;
        prong_time timeout = long_times[i / 2];
        make_pair(i % 2, ends);
        alarms_from_now_on(true);
        is(prong_stream_recv(ends[0], data, sizeof(data), &size, timeout), PRONG_TIMEOUT);
        alarms_end();
        equal(write(ends[1], "\0\0\0\5he", 6), 6); /* nothing was lost */
        alarms_from_now_on(true);
        is(prong_stream_recv(ends[0], data, sizeof(data), &size, timeout), PRONG_BROKEN);
        says("in the middle of a message");
        alarms_end();
        close(ends[0]);
        close(ends[1]);
    }
}

TEST(a_send_ends_when_the_runtime_breaks_it_off) {
    char *large = calloc(1, LARGE);
    prong_bytes part = {large, LARGE};
    for (int i = 0; i < 4; i++) {
        int ends[2];
        make_pair(i % 2, ends);
        alarms_from_now_on(true);
        is(prong_stream_send(ends[1], &part, 1, long_times[i / 2]), PRONG_BROKEN);
        alarms_end();
        if (i % 2) { /* a socket: a pipe that is not full would take a part */
            alarms_from_now_on(true);
            is(prong_stream_send(ends[1], &part, 1, long_times[i / 2]), PRONG_TIMEOUT);
            alarms_end();
        }
        close(ends[0]);
        close(ends[1]);
    }
    free(large);
}

static void *send_late(void *context) {
    struct sender *sender = context;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL); /* the alarms are the receiver's */
    test_sleep_ms(200);
    return send_in_parts(sender);
}

TEST(a_signal_that_the_runtime_does_not_mind_interrupts_nothing) {
    for (int i = 0; i < 2; i++) {
        int ends[2];
        pthread_t thread;
        make_pair(i % 2, ends);
        struct sender sender = {ends[1], LARGE, 1 << 16};
        alarms_from_now_on(false);
        check(pthread_create(&thread, NULL, send_late, &sender) == 0);
        receive(ends[0], LARGE);
        pthread_join(thread, NULL);
        alarms_end();
        close(ends[0]);
        close(ends[1]);
    }
}

static int send_half_and_die(void *argument, size_t size) {
    int descriptor = *(int *)argument;
    (void)size;
    check(write(descriptor, "\0\0\0\5he", 6) == 6);
    raise(SIGKILL);
    return 0;
}

TEST(a_peer_killed_within_a_message_ends_it) {
    int ends[2];
    char data[8];
    size_t size;
    make_pair(true, ends);
    prong_process peer = start_with(PRONG_START_FORK, send_half_and_die, ends[1]);
    close(ends[1]);
    is(prong_stream_recv(ends[0], data, sizeof data, &size, PRONG_SECONDS(SOON)), PRONG_INVALID);
    equal(test_end(peer), -SIGKILL);
}

/* A link at the other end. */
TEST(streams_and_links_understand_each_other) {
    prong_listener *listener;
    prong_link *accepted, *called;
    prong_message message;
    char back[8];
    size_t size;
    int fd;
    ok(prong_listener_open(&listener, "127.0.0.1:0", NULL));
    ok(prong_link_connect(&called, prong_listener_address(listener), NULL, PRONG_SECONDS(SOON)));
    ok(prong_listener_accept(listener, &accepted, PRONG_SECONDS(SOON)));
    prong_bytes parts[] = {{"to ", 3}, {"link", 4}};
    ok(prong_link_fileno(called, &fd));
    ok(prong_stream_send(fd, parts, 2, PRONG_SECONDS(SOON)));
    ok(prong_link_recv_bytes(accepted, 0, &message, PRONG_SECONDS(SOON)));
    equal(message.size, 7);
    check(memcmp(message.data, "to link", 7) == 0);
    ok(prong_message_release(&message));
    ok(prong_link_send_bytes(accepted, "from it", 7, PRONG_SECONDS(SOON)));
    ok(prong_stream_recv(fd, back, sizeof back, &size, PRONG_SECONDS(SOON)));
    equal(size, 7);
    check(memcmp(back, "from it", 7) == 0);
    prong_link_close(called);
    prong_link_close(accepted);
    prong_listener_close(listener);
}
