/* Channels with handles, messages and descriptors that are wrong, stale, or pulled away from under a call. */
#include "../support/test.h"
#include <prong/runtime.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

TEST(a_place_for_the_handle_is_asked_for) {
    prong_connection end;
    is(prong_queue_create(NULL, NULL), PRONG_INVALID);
    says("no place for the handle");
    is(prong_pipe_create(NULL, &end, NULL), PRONG_INVALID);
    says("no place for both handles");
    is(prong_pipe_create(&end, NULL, NULL), PRONG_INVALID);
    test_arena_is_clean(0);
}

TEST(only_what_is_lent_to_this_process_is_committed_and_once) {
    prong_queue queue;
    prong_message message, copy;
    char text[8];
    ok(prong_queue_create(&queue, NULL));
    ok(prong_message_reserve(&message, 8));
    memcpy(message.data, "lent", 5);
    copy = message;
    copy.block += 64; /* in the middle of it */
    is(prong_queue_commit(queue, &copy, PRONG_NOWAIT), PRONG_STALE);
    copy = message;
    copy.size = 9;
    is(prong_queue_commit(queue, &copy, PRONG_NOWAIT), PRONG_INVALID);
    says("commit of 9 bytes where 8 were reserved");
    copy = message;
    ok(prong_queue_commit(queue, &message, PRONG_NOWAIT));
    is(prong_queue_commit(queue, &copy, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_queue_get(queue, text, sizeof text, NULL, PRONG_NOWAIT));
    check(!strcmp(text, "lent"));
    ok(prong_message_reserve(&message, 8));
    ok(prong_queue_destroy(queue));
    is(prong_queue_commit(queue, &message, PRONG_NOWAIT), PRONG_STALE); /* and it is still the caller's */
    ok(prong_message_release(&message));
    test_arena_is_clean(0);
}

TEST(a_wait_names_the_item_that_is_wrong_and_none_is_ready) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    prong_waitable items[100] = {{.kind = PRONG_WAIT_QUEUE, .queue = queue}};
    for (size_t i = 1; i < 100; i++) items[i] = items[0];
    const prong_waitable wrong[] = {{.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = -1},
                                    {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = 987},
                                    {.kind = PRONG_WAIT_LINK},
                                    {.kind = 99},
                                    {.kind = -1}};
    for (size_t many = 0; many < 2; many++)
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            size_t ready = 7, count = many ? 100 : 2;
            items[count - 1] = wrong[i];
            is(prong_wait(items, count, &ready, PRONG_SECONDS(10)), PRONG_INVALID);
            says(many ? "item 99" : "item 1");
            check(ready == 0 && !items[0].ready && !items[count - 1].ready);
            items[count - 1] = items[0];
        }
    size_t ready;
    ok(prong_wait(items, 100, &ready, PRONG_NOWAIT));
    equal(ready, 100);
    ok(prong_queue_destroy(queue));
}

static void *destroy_queue(void *queue) {
    test_sleep_ms(30);
    ok(prong_queue_destroy(*(prong_queue *)queue));
    return NULL;
}

TEST(a_join_ends_when_its_queue_is_destroyed) {
    prong_queue queue;
    pthread_t thread;
    ok(prong_queue_create(&queue, &(prong_queue_options){.joinable = true}));
    ok(prong_queue_put(queue, "never done", 10, PRONG_NOWAIT));
    check(pthread_create(&thread, NULL, destroy_queue, &queue) == 0);
    is(prong_queue_join(queue, PRONG_SECONDS(10)), PRONG_STALE);
    pthread_join(thread, NULL);
    is(prong_queue_join(queue, PRONG_SECONDS(10)), PRONG_STALE);
    test_arena_is_clean(0);
}

static void *close_end(void *end) {
    test_sleep_ms(30);
    ok(prong_connection_close(*(prong_connection *)end));
    return NULL;
}

TEST(a_receiver_whose_own_end_is_closed_meanwhile_is_told) {
    prong_connection ours, theirs;
    pthread_t thread;
    char byte;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    ok(prong_connection_send_bytes(theirs, "x", 1, PRONG_NOWAIT)); /* both ends are used, and held */
    ok(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_NOWAIT));
    check(pthread_create(&thread, NULL, close_end, &theirs) == 0);
    is(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_SECONDS(10)), PRONG_EOF);
    pthread_join(thread, NULL);
    is(prong_connection_send_bytes(theirs, "x", 1, PRONG_NOWAIT), PRONG_CLOSED);
    ok(prong_connection_close(ours));
    test_arena_is_clean(0);
}

TEST(an_end_on_its_way_is_open_until_it_is_accepted_and_closed) {
    prong_connection ours, theirs;
    char byte;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    ok(prong_connection_hold(ours));
    ok(prong_connection_post(theirs));
    ok(prong_connection_close(theirs));
    is(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_MS(1)), PRONG_TIMEOUT);
    is(prong_connection_post(theirs), PRONG_CLOSED); /* no longer this process's */
    ok(prong_connection_accept(theirs));
    ok(prong_connection_send_bytes(theirs, "x", 1, PRONG_NOWAIT));
    ok(prong_connection_close(theirs));
    ok(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_NOWAIT));
    is(prong_connection_recv_bytes_into(ours, &byte, 1, NULL, PRONG_SECONDS(10)), PRONG_EOF);
    is(prong_connection_accept(theirs), PRONG_CLOSED); /* nobody's for good */
    says("every holder of this end has closed it or died");
    ok(prong_connection_close(ours));
    is(prong_connection_accept(theirs), PRONG_STALE);
    is(prong_connection_post(theirs), PRONG_STALE);
    is(prong_connection_hold(ours), PRONG_STALE);
    test_arena_is_clean(0);
}
