/* Descriptors of events: readable exactly while the event is set, in every process that has one. */
#define _GNU_SOURCE
#define TOLD_FOLLOW follow
#define TOLD_MEMBERS prong_event event
#include "../support/told.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static prong_event make_event(void) {
    prong_event event;
    ok(prong_event_create(&event, NULL));
    return event;
}

static struct told tell_make(void) {
    struct told t = {.event = make_event()};
    ok(prong_queue_create(&t.orders, NULL));
    ok(prong_queue_create(&t.replies, NULL));
    return t;
}

static char follow(const struct told *t, int *fd, char order) {
    switch (order) {
    case 'f': ok(prong_event_fileno(t->event, fd)); return 'y';
    case 'r': return readable(*fd) ? 'y' : 'n';
    case 'w': return becomes_readable(*fd) ? 'y' : 'n';
    case 's': return prong_event_set(t->event) ? 'n' : 'y';
    case 'c': return prong_event_clear(t->event) ? 'n' : 'y';
    case 'd': return prong_event_destroy(t->event) ? 'n' : 'y';
    default: return '?';
    }
}

METHOD_TEST(an_events_descriptor_is_readable_in_all_processes_while_it_is_set) {
    struct told t = tell_make();
    int fd;
    ok(prong_event_fileno(t.event, &fd));
    prong_process child = start_with(method, do_as_told, t);
    check(tell(t, 'f'));
    for (int i = 0; i < 20; i++) {
        check(!readable(fd) && !tell(t, 'r'));
        ok(prong_event_set(t.event));
        check(readable(fd) && tell(t, 'r'));
        ok(prong_event_set(t.event));
        check(readable(fd) && tell(t, 'r'));
        check(tell(t, 'c'));
        check(!readable(fd) && !tell(t, 'r'));
        check(tell(t, 's'));
        check(readable(fd) && tell(t, 'r'));
        ok(prong_event_clear(t.event));
    }
    tell(t, 'q');
    equal(test_end(child), 0);
}

METHOD_TEST(a_process_without_a_descriptor_rings_and_silences) {
    struct told t = tell_make();
    int fd;
    prong_process child = start_with(method, do_as_told, t);
    check(tell(t, 's')); /* it is set before the bell is there */
    ok(prong_event_fileno(t.event, &fd));
    for (int i = 0; i < 20; i++) {
        check(readable(fd));
        check(tell(t, 'c'));
        check(!readable(fd));
        check(tell(t, 's'));
    }
    tell(t, 'q');
    equal(test_end(child), 0);
}

METHOD_TEST(a_destroyed_event_is_readable_forever_whatever_becomes_of_its_memory) {
    struct told t = tell_make();
    prong_process child = start_with(method, do_as_told, t);
    check(tell(t, 'f') && !tell(t, 'r'));
    ok(prong_event_destroy(t.event));
    check(tell(t, 'r'));
    for (int i = 0; i < 300; i++) { /* some in the same memory */
        prong_event next = make_event();
        int fd;
        ok(prong_event_fileno(next, &fd));
        check(!readable(fd));
        ok(prong_event_set(next));
        check(readable(fd));
        ok(prong_event_clear(next));
        check(!readable(fd));
        ok(prong_event_destroy(next));
    }
    check(tell(t, 'r'));
    check(!tell(t, 's') && tell(t, 'r')); /* stale */
    check(!tell(t, 'd'));                 /* stale: its descriptor is closed all the same */
    check(!tell(t, 'r'));
    tell(t, 'q');
    equal(test_end(child), 0);
}

TEST(an_events_descriptor_fires_in_epoll_by_level_and_by_edge) {
    prong_event event = make_event();
    struct epoll_event seen;
    int fd, level = epoll_create1(0), edge = epoll_create1(0);
    ok(prong_event_fileno(event, &fd));
    check(epoll_ctl(level, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN}) == 0);
    check(epoll_ctl(edge, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN | EPOLLET}) == 0);
    for (int i = 0; i < 10; i++) {
        equal(epoll_wait(level, &seen, 1, 0), 0);
        equal(epoll_wait(edge, &seen, 1, 0), 0);
        ok(prong_event_set(event));
        equal(epoll_wait(level, &seen, 1, 0), 1);
        equal(epoll_wait(level, &seen, 1, 0), 1);
        equal(epoll_wait(edge, &seen, 1, 0), 1);
        equal(epoll_wait(edge, &seen, 1, 0), 0);
        ok(prong_event_clear(event));
    }
    close(level);
    close(edge);
}

TEST(descriptors_and_memory_of_events_are_given_back) {
    ok(prong_family_check(NULL));
    int before = test_open_descriptors(), fd, again;
    for (int i = 0; i < 100; i++) {
        prong_event event = make_event();
        ok(prong_event_fileno(event, &fd));
        ok(prong_event_fileno(event, &again));
        equal(fd, again);
        ok(prong_event_destroy(event));
        is(prong_event_fileno(event, &fd), PRONG_STALE);
    }
    equal(test_open_descriptors(), before);
    test_arena_is_clean(0);
}

TEST(a_waiter_for_an_event_needs_no_descriptor) {
    prong_event event = make_event();
    prong_waitable item = {.kind = PRONG_WAIT_EVENT, .event = event};
    struct rlimit none = {0, 0};
    check(setrlimit(RLIMIT_NOFILE, &none) == 0);
    is(prong_event_wait(event, PRONG_MS(20)), PRONG_TIMEOUT);
    is(prong_wait(&item, 1, NULL, PRONG_MS(20)), PRONG_TIMEOUT);
    int fd;
    is(prong_event_fileno(event, &fd), PRONG_NO_DESCRIPTORS);
    ok(prong_event_set(event));
    ok(prong_wait(&item, 1, NULL, PRONG_NOWAIT));
    check(item.ready);
}

/* --- forks, threads, signals --- */

TEST(a_forked_child_has_its_parents_descriptor_of_an_event) {
    struct told t = tell_make();
    int fd, again;
    ok(prong_event_fileno(t.event, &fd));
    pid_t child = fork();
    if (child == 0) {
        check(becomes_readable(fd));
        ok(prong_queue_put(t.replies, "1", 1, PRONG_FOREVER)); /* it joins the family */
        ok(prong_event_fileno(t.event, &again));
        equal(again, fd);
        while (readable(fd)) test_sleep_ms(1);
        ok(prong_event_set(t.event));
        _exit(0);
    }
    ok(prong_event_set(t.event));
    ok(prong_queue_get(t.replies, &(char){0}, 1, NULL, PRONG_SECONDS(10)));
    ok(prong_event_clear(t.event));
    int status;
    check(waitpid(child, &status, 0) == child && status == 0);
    check(readable(fd));
}

static void *set_and_clear_often(void *argument) {
    prong_event event = *(prong_event *)argument;
    for (int i = 0; i < 3000; i++) {
        ok(prong_event_set(event));
        ok(prong_event_clear(event));
    }
    return NULL;
}

static int set_and_clear(void *argument, size_t size) {
    (void)size;
    set_and_clear_often(argument);
    return 0;
}

METHOD_TEST(descriptor_and_event_agree_after_threads_and_processes_have_set_and_cleared) {
    prong_event event = make_event();
    pthread_t threads[2];
    prong_process children[2];
    int fd;
    ok(prong_event_fileno(event, &fd));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) children[i] = start_with(method, set_and_clear, event);
        for (int i = 0; i < 2; i++) check(pthread_create(&threads[i], NULL, set_and_clear_often, &event) == 0);
        for (int i = 0; i < 2; i++) check(pthread_join(threads[i], NULL) == 0);
        for (int i = 0; i < 2; i++) equal(test_end(children[i]), 0);
        check(!prong_event_is_set(event) && !readable(fd));
        ok(prong_event_set(event));
        check(readable(fd));
        ok(prong_event_clear(event));
        check(!readable(fd));
    }
}

static prong_event handled;
static volatile sig_atomic_t handler_sets, handler_errors;

static void set_in_handler(int number) {
    int before = errno;
    (void)number;
    errno = E2BIG;
    handler_sets += prong_event_set(handled) == PRONG_OK;
    handler_errors += errno != E2BIG;
    errno = before;
}

TEST(a_set_in_a_signal_handler_rings_and_leaves_errno_alone) {
    prong_event other = make_event();
    int fd, fd_other;
    handled = make_event();
    ok(prong_event_fileno(handled, &fd));
    ok(prong_event_fileno(other, &fd_other));
    signal(SIGALRM, set_in_handler);
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    check(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (handler_sets < 300) {
        ok(prong_event_set(other)); /* interrupted in the middle of ringing this */
        ok(prong_event_clear(other));
        ok(prong_event_clear(handled));
    }
    check(setitimer(ITIMER_REAL, &never, NULL) == 0);
    ok(prong_event_set(handled));
    check(readable(fd) && !readable(fd_other));
    ok(prong_event_clear(handled));
    check(!readable(fd));
    equal(handler_errors, 0);
}

/* --- death, and standing still --- */

static int set_and_clear_forever(void *argument, size_t size) {
    prong_event event = *(prong_event *)argument;
    (void)size;
    while (!prong_event_set(event) && !prong_event_clear(event)) {}
    return 1;
}

static void agrees(prong_event event, int fd) {
    bool set = prong_event_is_set(event);
    for (int i = 0; i < 2000 && readable(fd) != set; i++) {
        test_sleep_ms(1);
        check(prong_event_is_set(event) == set);
    }
    equal(readable(fd), set);
}

LONG_METHOD_TEST(descriptor_and_event_agree_when_one_that_sets_and_clears_is_killed, 120) {
    prong_event event = make_event();
    int fd;
    ok(prong_event_fileno(event, &fd));
    for (int i = 0; i < 60; i++) {
        prong_process child = start_with(method, set_and_clear_forever, event);
        check(becomes_readable(fd));
        test_sleep_ms(rand() % 4);
        ok(prong_process_signal(child, SIGKILL));
        ok(prong_process_join(child, PRONG_SECONDS(10)));
        ok(prong_process_destroy(child));
        equal(readable(fd), prong_event_is_set(event));
        ok(prong_event_set(event));
        check(readable(fd));
        ok(prong_event_clear(event));
        check(!readable(fd));
    }
    ok(prong_event_destroy(event));
    test_arena_is_clean(0);
}

LONG_METHOD_TEST(a_stopped_setter_does_not_hide_what_others_set, 120) {
    prong_event event = make_event();
    int fd, pid;
    ok(prong_event_fileno(event, &fd));
    prong_process child = start_with(method, set_and_clear_forever, event);
    pid = test_pid(child);
    check(becomes_readable(fd));
    for (int i = 0; i < 200; i++) {
        test_sleep_ms(rand() % 3);
        check(kill(pid, SIGSTOP) == 0);
        while (true) { /* it stands still */
            char path[40], state = 0;
            snprintf(path, sizeof path, "/proc/%d/stat", pid);
            FILE *file = fopen(path, "r");
            check(file && fscanf(file, "%*d %*s %c", &state) == 1);
            fclose(file);
            if (state == 'T') break;
        }
        ok(prong_event_set(event));
        check(readable(fd));
        ok(prong_event_clear(event));
        agrees(event, fd);
        check(kill(pid, SIGCONT) == 0);
    }
    ok(prong_process_signal(child, SIGKILL));
    test_end(child);
}

static int hold_and_pause(void *argument, size_t size) {
    struct told *t = argument;
    int fd;
    (void)size;
    ok(prong_event_fileno(t->event, &fd));
    ok(prong_queue_put(t->replies, "1", 1, PRONG_FOREVER));
    pause();
    return 0;
}

METHOD_TEST(killed_holders_of_an_events_descriptor_are_forgotten) {
    struct told t = tell_make();
    prong_family_state before, after;
    int fd;
    for (int i = 0; i < 10; i++) {
        prong_process child = start_with(method, hold_and_pause, t);
        ok(prong_queue_get(t.replies, &(char){0}, 1, NULL, PRONG_SECONDS(10)));
        ok(prong_process_signal(child, SIGKILL));
        ok(prong_process_join(child, PRONG_SECONDS(10)));
        ok(prong_process_destroy(child));
        ok(prong_family_check(i == 2 ? &before : &after));
        ok(prong_event_set(t.event));
        ok(prong_event_clear(t.event));
    }
    check(after.used_blocks <= before.used_blocks);
    ok(prong_event_fileno(t.event, &fd));
    check(!readable(fd));
    ok(prong_event_set(t.event));
    check(readable(fd));
}
