/* Descriptors of a queue that many put to and take from, and are killed or stopped while they do. */
#include "bell_test.h"

#include <signal.h>
#include <unistd.h>

enum { STORM_PROCESSES = 4, STORM_ROUNDS = 12 };

struct storm {
    prong_queue queue;
};

static int put_and_take(void *argument, size_t size) {
    struct storm *s = argument;
    unsigned seed = (unsigned)getpid();
    char byte;
    while (size) {
        if (rand_r(&seed) % 2)
            prong_queue_put(s->queue, "x", 1, PRONG_NOWAIT);
        else
            prong_queue_get(s->queue, &byte, 1, NULL, PRONG_NOWAIT);
    }
    return 0;
}

static prong_process storm_start(int method, const struct storm *s) {
    return start_daemon(method, put_and_take, *s);
}

/* As soon as all are quiet, each descriptor tells what is there. */
static void storm_is_right(prong_queue queue, int fd, struct told t) {
    bool empty = true;
    size_t count = 0;
    ok(prong_family_check(NULL)); /* the dead are buried */
    ok(prong_queue_size(queue, &count, NULL));
    empty = count == 0;
    equal(readable(fd), !empty);
    equal(tell(t, 'r'), !empty);
}

static void storm_drain(prong_queue queue) {
    char byte;
    while (prong_queue_get(queue, &byte, 1, NULL, PRONG_NOWAIT) == PRONG_OK) {}
}

LONG_METHOD_TEST(killed_putters_and_takers_leave_every_descriptor_right, 120) {
    struct told t = tell_make();
    struct storm s = {.queue = t.queue};
    prong_process storm[STORM_PROCESSES];
    unsigned seed = (unsigned)test_now();
    int fd;
    ok(prong_queue_fileno(t.queue, &fd));
    prong_process watcher = start_with(method, do_as_told, t);
    check(tell(t, 'f'));
    for (int round = 0; round < STORM_ROUNDS; round++) {
        for (int i = 0; i < STORM_PROCESSES; i++) storm[i] = storm_start(method, &s);
        usleep(20000 + (useconds_t)(rand_r(&seed) % 20000));
        for (int i = 0; i < STORM_PROCESSES; i++) ok(prong_process_signal(storm[i], SIGKILL));
        for (int i = 0; i < STORM_PROCESSES; i++) {
            ok(prong_process_join(storm[i], PRONG_SECONDS(10)));
            ok(prong_process_destroy(storm[i]));
        }
        storm_is_right(t.queue, fd, t);
        storm_drain(t.queue);
        storm_is_right(t.queue, fd, t);
    }
    tell(t, 'q');
    equal(test_end(watcher), 0);
}

static void signal_all(prong_process *processes, int number) {
    for (int i = 0; i < STORM_PROCESSES; i++) {
        int pid = test_pid(processes[i]);
        check(kill(pid, number) == 0);
    }
}

/* A stopped process may be in the middle of a put: then what it put may be there without being seen. All that is put after that
 * is seen. */
LONG_METHOD_TEST(stopped_putters_and_takers_never_hide_what_others_put, 120) {
    struct told t = tell_make();
    struct storm s = {.queue = t.queue};
    prong_process storm[STORM_PROCESSES];
    unsigned seed = (unsigned)test_now();
    int fd, put = 0;
    ok(prong_queue_fileno(t.queue, &fd));
    prong_process watcher = start_with(method, do_as_told, t);
    check(tell(t, 'f'));
    for (int i = 0; i < STORM_PROCESSES; i++) storm[i] = storm_start(method, &s);
    for (int round = 0; round < STORM_ROUNDS * 4; round++) {
        usleep((useconds_t)(rand_r(&seed) % 5000));
        signal_all(storm, SIGSTOP);
        if (prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT) == PRONG_OK) { /* not if one is in the middle of a put */
            put++;
            check(readable(fd) && tell(t, 'r'));
        }
        signal_all(storm, SIGCONT);
    }
    check(put > 0);
    signal_all(storm, SIGKILL);
    for (int i = 0; i < STORM_PROCESSES; i++) ok(prong_process_join(storm[i], PRONG_SECONDS(10)));
    storm_is_right(t.queue, fd, t);
    storm_drain(t.queue);
    storm_is_right(t.queue, fd, t);
    tell(t, 'q');
    equal(test_end(watcher), 0);
}

static int take_what_the_descriptor_shows(void *argument, size_t size) {
    struct told *t = argument;
    int fd, got = 0;
    char byte;
    (void)size;
    ok(prong_queue_fileno(t->queue, &fd));
    for (;;) {
        check(becomes_readable(fd));
        prong_status status = prong_queue_get(t->queue, &byte, 1, NULL, PRONG_NOWAIT);
        if (status == PRONG_SHUTDOWN) break;
        got += status == PRONG_OK;
    }
    ok(prong_queue_put(t->replies, &got, sizeof got, PRONG_FOREVER));
    return 0;
}

LONG_METHOD_TEST(nobody_who_takes_by_descriptor_sleeps_while_there_is_something, 60) {
    enum { TAKERS = 4, MESSAGES = 20000 };
    struct told t = tell_make();
    prong_process takers[TAKERS];
    int sum = 0;
    for (int i = 0; i < TAKERS; i++) takers[i] = start_with(method, take_what_the_descriptor_shows, t);
    for (int i = 0; i < MESSAGES; i++) {
        ok(prong_queue_put(t.queue, "x", 1, PRONG_NOWAIT));
        for (int tries = 0; i % 100 == 0 && test_queue_size(t.queue) > 0; tries++) { /* by their descriptors alone */
            check(tries < 10000);
            usleep(1000);
        }
    }
    for (int tries = 0; test_queue_size(t.queue) > 0 && tries < 10000; tries++) usleep(1000);
    check(test_queue_size(t.queue) == 0);
    ok(prong_queue_shutdown(t.queue));
    for (int i = 0; i < TAKERS; i++) {
        int got;
        ok(prong_queue_get(t.replies, &got, sizeof got, NULL, PRONG_SECONDS(20)));
        sum += got;
    }
    equal(sum, MESSAGES);
    for (int i = 0; i < TAKERS; i++) equal(test_end(takers[i]), 0);
}
