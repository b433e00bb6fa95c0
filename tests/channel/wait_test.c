/* Waiting on many things at once. */
#include "../support/test.h"

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
    ok(prong_process_kill(child));
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
    for (int i = 0; i < 500 && !prong_queue_empty(queue); i++) test_sleep_ms(10);
    check(prong_queue_empty(queue));
}
