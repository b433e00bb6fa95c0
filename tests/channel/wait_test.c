/* Waiting on many things at once. */
#include "../support/test.h"

#include <sys/resource.h>
#include <unistd.h>

static int put_after(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(80);
    return prong_queue_put(*(prong_queue *)argument, "x", 1, PRONG_FOREVER);
}

static int end_after(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(*(int *)argument);
    return 0;
}

struct mixed {
    prong_queue queue;
    prong_connection ours, theirs;
    int pipe[2];
};

static struct mixed make(prong_waitable *items) {
    struct mixed m;
    ok(prong_queue_create(&m.queue, NULL));
    ok(prong_pipe_create(&m.ours, &m.theirs, NULL));
    check(pipe(m.pipe) == 0);
    items[0] = (prong_waitable){.kind = PRONG_WAIT_QUEUE, .queue = m.queue};
    items[1] = (prong_waitable){.kind = PRONG_WAIT_CONNECTION, .connection = m.ours};
    items[2] = (prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = m.pipe[0]};
    return m;
}

METHOD_TEST(wait_returns_what_is_ready_of_a_queue_a_connection_a_descriptor_and_a_process) {
    prong_waitable items[4];
    struct mixed m = make(items);
    size_t count;
    int soon = 80;
    is(prong_wait(items, 3, &count, PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_wait(items, 3, &count, PRONG_MS(50)), PRONG_TIMEOUT);
    equal(count, 0);

    prong_process child = start_with(method, put_after, m.queue);
    ok(prong_wait(items, 3, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[0].ready && !items[1].ready && !items[2].ready);
    char byte;
    ok(prong_queue_get(m.queue, &byte, 1, NULL, PRONG_NOWAIT));
    equal(test_end(child), 0);

    child = start_with(method, end_after, soon);
    items[3] = (prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR};
    ok(prong_process_sentinel(child, &items[3].descriptor));
    ok(prong_wait(items, 4, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[3].ready);
    equal(test_end(child), 0);

    check(write(m.pipe[1], "x", 1) == 1);
    ok(prong_connection_send_bytes(m.theirs, "y", 1, PRONG_NOWAIT));
    ok(prong_wait(items, 3, &count, PRONG_SECONDS(10)));
    check(count == 2 && !items[0].ready && items[1].ready && items[2].ready);
}

static int sleep_with_a_connection(void *argument, size_t size) {
    prong_connection connection = *(prong_connection *)argument;
    (void)size;
    ok(prong_connection_send_bytes(connection, "x", 1, PRONG_FOREVER));
    pause();
    return 0;
}

METHOD_TEST(wait_sees_the_end_of_a_killed_peer) {
    prong_connection ours, theirs;
    char byte;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(method, sleep_with_a_connection, theirs);
    ok(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_SECONDS(10)));
    prong_waitable item = {.kind = PRONG_WAIT_CONNECTION, .connection = ours};
    is(prong_wait(&item, 1, NULL, PRONG_MS(20)), PRONG_TIMEOUT);
    ok(prong_process_signal(child, SIGKILL));
    ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(5)));
    check(item.ready);
    is(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_NOWAIT), PRONG_EOF);
    ok(prong_process_join(child, PRONG_SECONDS(5)));
}

TEST(bad_items_are_named) {
    prong_waitable items[2] = {{.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = 0}, {.kind = PRONG_WAIT_QUEUE}};
    is(prong_wait(items, 2, NULL, PRONG_NOWAIT), PRONG_STALE);
    says("item 1");
    items[1] = (prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = 987};
    is(prong_wait(items, 2, NULL, PRONG_NOWAIT), PRONG_INVALID);
    says("987");
    items[1] = (prong_waitable){.kind = 9};
    is(prong_wait(items, 2, NULL, PRONG_NOWAIT), PRONG_INVALID);
}

TEST(twenty_processes_may_wait_on_one_queue) {
    enum { WAITERS = 20 };
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    pid_t pids[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        if ((pids[i] = fork()) == 0) {
            prong_waitable item = {.kind = PRONG_WAIT_QUEUE, .queue = queue};
            char byte;
            do ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(10)));
            while (prong_queue_get(queue, &byte, 1, NULL, PRONG_NOWAIT) != PRONG_OK);
            _exit(0);
        }
    test_sleep_ms(100);
    for (int i = 0; i < WAITERS; i++) ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    for (int i = 0; i < 500 && test_queue_size(queue) > 0; i++) test_sleep_ms(10);
    check(test_queue_size(queue) == 0);
}

static int put_into(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(80);
    return prong_queue_put(*(prong_queue *)argument, "x", 1, PRONG_FOREVER);
}

METHOD_TEST(a_thousand_queues_and_connections_are_waited_for_without_a_descriptor_each) {
    enum { EACH = 500, LUCKY = 377 };
    static prong_waitable items[2 * EACH];
    static prong_connection theirs[EACH];
    size_t count;
    for (int i = 0; i < EACH; i++) {
        prong_waitable *queue = &items[2 * i], *connection = &items[2 * i + 1];
        queue->kind = PRONG_WAIT_QUEUE;
        ok(prong_queue_create(&queue->queue, NULL));
        connection->kind = PRONG_WAIT_CONNECTION;
        ok(prong_pipe_create(&connection->connection, &theirs[i], NULL));
    }
    prong_process child = start_with(method, put_into, items[2 * LUCKY].queue);
    int before = test_open_descriptors();
    struct rlimit few = {.rlim_cur = (rlim_t)before + 8, .rlim_max = (rlim_t)before + 8};
    check(setrlimit(RLIMIT_NOFILE, &few) == 0);
    ok(prong_wait(items, 2 * EACH, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[2 * LUCKY].ready);
    equal(test_open_descriptors(), before);
    equal(test_end(child), 0);
    for (int i = 0; i < EACH; i++) ok(prong_connection_send_bytes(theirs[i], "y", 1, PRONG_NOWAIT));
    ok(prong_wait(items, 2 * EACH, &count, PRONG_SECONDS(10)));
    equal(count, EACH + 1);
}

struct crowd {
    prong_queue queue, replies;
    prong_event go;
};

/* Every second one waits for a descriptor, too, which never becomes ready. */
static int wait_in_a_crowd(void *argument, size_t size) {
    struct crowd *crowd = argument;
    struct rusage before, after;
    int pipes[2], number;
    char byte;
    (void)size;
    check(pipe(pipes) == 0);
    prong_waitable items[2] = {{.kind = PRONG_WAIT_QUEUE, .queue = crowd->queue},
                               {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = pipes[0]}};
    ok(prong_queue_get(crowd->queue, &number, sizeof number, NULL, PRONG_SECONDS(20)));
    ok(prong_event_wait(crowd->go, PRONG_SECONDS(30)));
    getrusage(RUSAGE_SELF, &before);
    is(prong_wait(items, 1 + (size_t)number % 2, NULL, PRONG_MS(500)), PRONG_TIMEOUT);
    getrusage(RUSAGE_SELF, &after);
    check(after.ru_nvcsw - before.ru_nvcsw < 60); /* it sleeps, and does not look all the time */
    ok(prong_queue_put(crowd->replies, "x", 1, PRONG_FOREVER));
    do ok(prong_wait(items, 1 + (size_t)number % 2, NULL, PRONG_SECONDS(30)));
    while (prong_queue_get(crowd->queue, &byte, 1, NULL, PRONG_NOWAIT) != PRONG_OK);
    return 0;
}

LONG_METHOD_TEST(a_hundred_processes_wait_on_one_queue_asleep, 90) {
    enum { WAITERS = 100 };
    struct crowd crowd;
    static prong_process waiters[WAITERS];
    char byte;
    ok(prong_queue_create(&crowd.queue, NULL));
    ok(prong_queue_create(&crowd.replies, NULL));
    ok(prong_event_create(&crowd.go, NULL));
    for (int i = 0; i < WAITERS; i++) {
        ok(prong_queue_put(crowd.queue, &i, sizeof i, PRONG_NOWAIT));
        waiters[i] = start_with(method, wait_in_a_crowd, crowd);
    }
    for (int i = 0; i < 3000 && test_queue_size(crowd.queue) > 0; i++) test_sleep_ms(10);
    ok(prong_event_set(crowd.go));
    for (int i = 0; i < WAITERS; i++) ok(prong_queue_get(crowd.replies, &byte, 1, NULL, PRONG_SECONDS(30)));
    for (int i = 0; i < WAITERS; i++) ok(prong_queue_put(crowd.queue, "x", 1, PRONG_NOWAIT));
    for (int i = 0; i < WAITERS; i++) equal(test_end(waiters[i]), 0);
    check(test_queue_size(crowd.queue) == 0);
}

static int wait_for_two(void *argument, size_t size) {
    struct crowd *crowd = argument;
    int pipes[2];
    (void)size;
    check(pipe(pipes) == 0);
    prong_waitable items[2] = {{.kind = PRONG_WAIT_QUEUE, .queue = crowd->queue},
                               {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = pipes[0]}};
    ok(prong_queue_put(crowd->replies, "x", 1, PRONG_FOREVER));
    return prong_wait(items, 2, NULL, PRONG_SECONDS(60));
}

LONG_METHOD_TEST(killed_waiters_leave_nothing_behind, 60) {
    struct crowd crowd = {0};
    prong_family_state before, after;
    char byte;
    ok(prong_queue_create(&crowd.queue, NULL));
    ok(prong_queue_create(&crowd.replies, NULL));
    for (int i = 0; i < 40; i++) {
        prong_process waiter = start_with(method, wait_for_two, crowd);
        ok(prong_queue_get(crowd.replies, &byte, 1, NULL, PRONG_SECONDS(20)));
        test_sleep_ms(i % 5);
        ok(prong_process_signal(waiter, SIGKILL));
        ok(prong_process_join(waiter, PRONG_SECONDS(10)));
        ok(prong_process_destroy(waiter));
        ok(prong_family_check(i == 20 ? &before : &after));
    }
    check(after.used_blocks <= before.used_blocks);
    /* whoever comes next is woken, by one put, however many have died there */
    prong_process waiter = start_with(method, wait_for_two, crowd);
    ok(prong_queue_get(crowd.replies, &byte, 1, NULL, PRONG_SECONDS(20)));
    test_sleep_ms(30);
    ok(prong_queue_put(crowd.queue, "x", 1, PRONG_NOWAIT));
    equal(test_end(waiter), 0);
}

/* --- events, processes, other programs --- */

static int set_and_clear_after(void *argument, size_t size) {
    prong_event event = *(prong_event *)argument;
    (void)size;
    test_sleep_ms(80);
    ok(prong_event_set(event));
    return prong_event_clear(event);
}

METHOD_TEST(wait_sees_an_event_that_is_cleared_at_once) {
    prong_event event, other;
    size_t count;
    ok(prong_event_create(&event, NULL));
    ok(prong_event_create(&other, NULL));
    prong_waitable items[] = {{.kind = PRONG_WAIT_EVENT, .event = event}, {.kind = PRONG_WAIT_EVENT, .event = other}};
    is(prong_wait(items, 2, &count, PRONG_NOWAIT), PRONG_TIMEOUT);
    prong_process child = start_with(method, set_and_clear_after, event);
    ok(prong_wait(items, 2, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[0].ready && !items[1].ready);
    equal(test_end(child), 0);
    is(prong_wait(items, 2, &count, PRONG_MS(20)), PRONG_TIMEOUT);
    ok(prong_event_set(other));
    ok(prong_wait(items, 2, &count, PRONG_NOWAIT));
    check(count == 1 && items[1].ready);
    ok(prong_event_destroy(event)); /* of no use to wait for */
    ok(prong_wait(items, 2, &count, PRONG_NOWAIT));
    check(count == 2 && items[0].ready);
}

static int destroy_after(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(80);
    return prong_event_destroy(*(prong_event *)argument);
}

METHOD_TEST(an_event_that_is_destroyed_meanwhile_ends_a_wait) {
    prong_event event;
    ok(prong_event_create(&event, NULL));
    prong_waitable item = {.kind = PRONG_WAIT_EVENT, .event = event};
    prong_process child = start_with(method, destroy_after, event);
    ok(prong_wait(&item, 1, NULL, PRONG_SECONDS(10)));
    check(item.ready);
    is(prong_event_wait(event, PRONG_NOWAIT), PRONG_STALE);
    equal(test_end(child), 0);
}

METHOD_TEST(wait_returns_what_has_ended_of_processes_and_programs) {
    const char *const sleeps[] = {"sleep", "30", NULL}, *const ends[] = {"true", NULL};
    int soon = 80, late = 30000;
    size_t count;
    prong_process first = start_with(method, end_after, soon), second = start_with(method, end_after, late);
    prong_popen *program;
    ok(prong_popen_open(&program, sleeps, NULL));
    prong_waitable items[] = {{.kind = PRONG_WAIT_PROCESS, .process = first},
                              {.kind = PRONG_WAIT_PROCESS, .process = second},
                              {.kind = PRONG_WAIT_POPEN, .popen = program}};
    ok(prong_wait(items, 3, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[0].ready);
    ok(prong_process_join(first, PRONG_NOWAIT));
    is(prong_wait(items + 1, 2, &count, PRONG_MS(30)), PRONG_TIMEOUT);
    ok(prong_process_signal(second, SIGKILL));
    ok(prong_wait(items + 1, 2, &count, PRONG_SECONDS(10)));
    check(count == 1 && items[1].ready);
    ok(prong_process_join(second, PRONG_SECONDS(10)));
    ok(prong_process_destroy(second));
    ok(prong_wait(items + 1, 1, &count, PRONG_NOWAIT)); /* closed: its calls do not wait */
    check(items[1].ready);
    int sentinel;
    ok(prong_popen_sentinel(program, &sentinel));
    prong_waitable descriptor = {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = sentinel};
    is(prong_wait(&descriptor, 1, NULL, PRONG_NOWAIT), PRONG_TIMEOUT);
    ok(prong_popen_signal(program, SIGKILL));
    ok(prong_wait(items + 2, 1, &count, PRONG_SECONDS(10)));
    check(items[2].ready);
    ok(prong_wait(&descriptor, 1, NULL, PRONG_NOWAIT));
    ok(prong_popen_wait(program, NULL, PRONG_NOWAIT));
    ok(prong_wait(items + 2, 1, &count, PRONG_NOWAIT));
    ok(prong_popen_close(program));
    ok(prong_popen_open(&program, ends, NULL));
    items[2].popen = program;
    ok(prong_wait(items + 2, 1, &count, PRONG_SECONDS(10)));
    ok(prong_popen_close(program));
    items[2].popen = NULL;
    is(prong_wait(items + 2, 1, &count, PRONG_NOWAIT), PRONG_INVALID);
    says("item 0");
    is(prong_wait(&(prong_waitable){.kind = (enum prong_waitable_kind)77}, 1, NULL, PRONG_NOWAIT), PRONG_INVALID);
    ok(prong_process_destroy(first));
}
