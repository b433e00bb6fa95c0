/* Pipe and Connection. */
#include "../support/test.h"

#include <poll.h>
#include <prong/runtime.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static int echo(void *argument, size_t size) {
    prong_connection connection = *(prong_connection *)argument;
    prong_message message;
    prong_status status;
    (void)size;
    while (!(status = prong_connection_recv_bytes(connection, 0, &message, PRONG_SECONDS(15))))
        ok(prong_connection_commit(connection, &message, PRONG_SECONDS(10)));
    return status == PRONG_EOF ? 0 : 1;
}

METHOD_TEST(a_duplex_pipe_carries_messages_both_ways) {
    prong_connection ours, theirs;
    static char in[100000], out[100000];
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(method, echo, theirs);
    for (size_t size = 0; size < sizeof in; size = size * 2 + 1) {
        size_t got;
        memset(in, (int)size, size);
        ok(prong_connection_send_bytes(ours, in, size, PRONG_SECONDS(5)));
        ok(prong_connection_recv_bytes_into(ours, out, sizeof out, &got, PRONG_SECONDS(5)));
        equal(got, size);
        check(memcmp(in, out, size) == 0);
    }
    ok(prong_connection_close(ours));
    equal(test_end(child), 0);
    test_arena_is_clean(0);
}

METHOD_TEST(eof_comes_when_the_parent_closes_though_the_child_closed_nothing) {
    prong_connection ours, theirs;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(method, echo, theirs);
    ok(prong_connection_close(ours));
    equal(test_end(child), 0);
}

static int hang(void *argument, size_t size) {
    prong_connection connection = *(prong_connection *)argument;
    char text[8];
    (void)size;
    prong_connection_send_bytes(connection, "hello", 5, PRONG_FOREVER);
    prong_connection_recv_bytes_into(connection, text, sizeof text, NULL, PRONG_FOREVER);
    return 1;
}

METHOD_TEST(eof_comes_when_the_child_is_killed_after_what_it_sent) {
    prong_connection ours, theirs;
    char text[8];
    size_t size;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(method, hang, theirs);
    ok(prong_connection_poll(ours, PRONG_SECONDS(10)));
    ok(prong_process_signal(child, SIGKILL));
    ok(prong_connection_recv_bytes_into(ours, text, sizeof text, &size, PRONG_SECONDS(5)));
    equal(size, 5);
    is(prong_connection_recv_bytes_into(ours, text, sizeof text, &size, PRONG_SECONDS(5)), PRONG_EOF);
    ok(prong_connection_poll(ours, PRONG_NOWAIT)); /* the end is something to receive */
    is(prong_connection_send_bytes(ours, "x", 1, PRONG_SECONDS(5)), PRONG_BROKEN_PIPE);
    equal(test_end(child), -SIGKILL);
    ok(prong_connection_close(ours));
    test_arena_is_clean(0);
}

TEST(eof_comes_though_a_forked_bystander_lives) {
    prong_connection ours, theirs;
    char text[8];
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(PRONG_START_FORK, hang, theirs);
    prong_queue nothing;
    ok(prong_queue_create(&nothing, NULL));
    pid_t bystander = fork(); /* has copies of both handles, and uses neither */
    if (bystander == 0) {
        pause();
        _exit(0);
    }
    ok(prong_connection_poll(ours, PRONG_SECONDS(10)));
    ok(prong_process_signal(child, SIGKILL));
    ok(prong_connection_recv_bytes_into(ours, text, sizeof text, NULL, PRONG_SECONDS(5)));
    is(prong_connection_recv_bytes_into(ours, text, sizeof text, NULL, PRONG_SECONDS(5)), PRONG_EOF);
    kill(bystander, SIGKILL);
}

static int send_after_a_while(void *argument, size_t size) {
    prong_connection connection = *(prong_connection *)argument;
    (void)size;
    test_sleep_ms(100);
    ok(prong_connection_send_bytes(connection, "late", 4, PRONG_FOREVER));
    return 0;
}

METHOD_TEST(an_end_handed_over_is_held_from_the_start) {
    prong_connection ours, theirs;
    char text[8];
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(method, send_after_a_while, theirs);
    ok(prong_connection_close(theirs)); /* our own copy, as one does in Python */
    ok(prong_connection_recv_bytes_into(ours, text, sizeof text, NULL, PRONG_SECONDS(10)));
    is(prong_connection_recv_bytes_into(ours, text, sizeof text, NULL, PRONG_SECONDS(10)), PRONG_EOF);
    equal(test_end(child), 0);
}

TEST(a_one_way_pipe_refuses_the_wrong_direction) {
    prong_connection reader, writer;
    char text[8];
    size_t size;
    ok(prong_pipe_create(&reader, &writer, &(prong_pipe_options){.one_way = true}));
    is(prong_connection_send_bytes(reader, "x", 1, PRONG_NOWAIT), PRONG_INVALID);
    says("only receives");
    is(prong_connection_recv_bytes_into(writer, text, sizeof text, &size, PRONG_NOWAIT), PRONG_INVALID);
    says("only sends");
    is(prong_connection_poll(writer, PRONG_NOWAIT), PRONG_INVALID);
    ok(prong_connection_send_bytes(writer, "yes", 3, PRONG_NOWAIT));
    ok(prong_connection_recv_bytes_into(reader, text, sizeof text, &size, PRONG_NOWAIT));
    equal(size, 3);
    ok(prong_connection_close(writer));
    is(prong_connection_recv_bytes_into(reader, text, sizeof text, &size, PRONG_FOREVER), PRONG_EOF);
    ok(prong_connection_close(reader));
    test_arena_is_clean(0);
}

TEST(lengths_and_limits_are_checked) {
    prong_connection a, b;
    prong_message message;
    char buffer[4];
    size_t size;
    ok(prong_pipe_create(&a, &b, NULL));
    ok(prong_connection_send_bytes(a, "ello", 4, PRONG_NOWAIT));
    is(prong_connection_recv_bytes(b, 3, &message, PRONG_NOWAIT), PRONG_TOO_LONG);
    equal(message.size, 4);
    says("maxlength 3");
    is(prong_connection_recv_bytes_into(b, buffer, 3, &size, PRONG_NOWAIT), PRONG_TOO_LONG);
    equal(size, 4);
    ok(prong_connection_recv_bytes_into(b, buffer, 4, &size, PRONG_NOWAIT));
    check(memcmp(buffer, "ello", 4) == 0);
    is(prong_connection_recv_bytes_into(b, buffer, 4, &size, PRONG_MS(20)), PRONG_TIMEOUT);
    is(prong_connection_poll(b, PRONG_MS(20)), PRONG_TIMEOUT);
}

TEST(a_closed_connection_is_an_error) {
    prong_connection a, b;
    ok(prong_pipe_create(&a, &b, NULL));
    ok(prong_connection_close(a));
    is(prong_connection_close(a), PRONG_CLOSED);
    is(prong_connection_send_bytes(a, "x", 1, PRONG_NOWAIT), PRONG_CLOSED);
    is(prong_connection_send_bytes(b, "x", 1, PRONG_NOWAIT), PRONG_BROKEN_PIPE);
    ok(prong_connection_close(b));
    is(prong_connection_close(b), PRONG_STALE);
    test_arena_is_clean(0);
}

TEST(a_full_connection_waits_and_one_message_of_any_size_goes) {
    prong_connection a, b;
    static char large[3 << 20];
    ok(prong_pipe_create(&a, &b, &(prong_pipe_options){.buffer_bytes = 1 << 20}));
    ok(prong_connection_send_bytes(a, large, sizeof large, PRONG_NOWAIT));
    is(prong_connection_send_bytes(a, large, 10, PRONG_MS(50)), PRONG_TIMEOUT);
    ok(prong_connection_recv_bytes_into(b, large, sizeof large, NULL, PRONG_NOWAIT));
    for (int i = 0; i < 10; i++) ok(prong_connection_send_bytes(a, large, 100000, PRONG_NOWAIT));
    is(prong_connection_send_bytes(a, large, 100000, PRONG_MS(50)), PRONG_TIMEOUT);
}

/* With more than half of the room free, but not enough for this message. */
TEST(a_message_that_wants_most_of_the_room_waits_until_its_time_is_up) {
    prong_connection a, b;
    static char large[90000];
    prong_message message;
    clock_t before = clock();
    ok(prong_pipe_create(&a, &b, &(prong_pipe_options){.buffer_bytes = 100000}));
    ok(prong_connection_send_bytes(a, large, 30000, PRONG_NOWAIT));
    is(prong_connection_send_bytes(a, large, sizeof large, PRONG_MS(500)), PRONG_TIMEOUT);
    ok(prong_message_reserve(&message, sizeof large));
    is(prong_connection_commit(a, &message, PRONG_MS(500)), PRONG_TIMEOUT);
    check(clock() - before < CLOCKS_PER_SEC / 2); /* it slept */
    ok(prong_connection_recv_bytes_into(b, large, sizeof large, NULL, PRONG_NOWAIT));
    ok(prong_connection_commit(a, &message, PRONG_NOWAIT));
    is(prong_connection_send_bytes(a, large, 30000, PRONG_MS(20)), PRONG_TIMEOUT);
    ok(prong_connection_recv_bytes_into(b, large, sizeof large, NULL, PRONG_NOWAIT));
    ok(prong_connection_close(a));
    ok(prong_connection_close(b));
    test_arena_is_clean(0);
}

static int send_too_much(void *argument, size_t size) {
    static char large[90000];
    (void)size;
    ok(prong_connection_send_bytes(*(prong_connection *)argument, large, 30000, PRONG_NOWAIT));
    return prong_connection_send_bytes(*(prong_connection *)argument, large, sizeof large, PRONG_SECONDS(15)) & 0xff;
}

static int kill_soon(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(100);
    return prong_process_signal(*(prong_process *)argument, SIGKILL) < 0;
}

static int receive_late(void *argument, size_t size) {
    prong_connection receiver = *(prong_connection *)argument;
    (void)size;
    test_sleep_ms(20000);
    return prong_connection_close(receiver);
}

METHOD_TEST(who_waits_for_most_of_the_room_goes_on_when_there_is_room_or_nobody) {
    static char large[90000];
    prong_connection ours, theirs;
    ok(prong_pipe_create(&ours, &theirs, &(prong_pipe_options){.buffer_bytes = 100000}));
    prong_process child = start_with(method, send_too_much, theirs);
    test_sleep_ms(100);
    for (int i = 0; i < 2; i++)
        ok(prong_connection_recv_bytes_into(ours, large, sizeof large, NULL, PRONG_SECONDS(10)));
    equal(test_end(child), 0);
    ok(prong_connection_close(ours));
    ok(prong_pipe_create(&ours, &theirs, &(prong_pipe_options){.buffer_bytes = 100000}));
    prong_process reader = start_with(method, receive_late, theirs);
    ok(prong_connection_send_bytes(ours, large, 30000, PRONG_NOWAIT));
    prong_process killer = start_with(method, kill_soon, reader);
    is(prong_connection_send_bytes(ours, large, sizeof large, PRONG_SECONDS(15)), PRONG_BROKEN_PIPE);
    equal(test_end(reader), -SIGKILL);
    equal(test_end(killer), 0);
    ok(prong_connection_close(ours));
    test_arena_is_clean(0);
}

static int fill_until_the_end(void *argument, size_t size) {
    static char large[1 << 20];
    prong_status status;
    (void)size;
    do status = prong_connection_send_bytes(*(prong_connection *)argument, large, sizeof large, PRONG_SECONDS(15));
    while (status >= 0);
    return status == PRONG_BROKEN_PIPE ? 0 : 1;
}

METHOD_TEST(a_sender_blocked_on_a_full_connection_learns_that_the_receiver_is_gone) {
    prong_connection ours, theirs;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    prong_process child = start_with(method, fill_until_the_end, theirs);
    test_sleep_ms(100);
    ok(prong_connection_close(ours));
    equal(test_end(child), 0);
    test_arena_is_clean(0);
}

static int send_soon(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(60);
    return prong_connection_send_bytes(*(prong_connection *)argument, "soon", 4, PRONG_FOREVER);
}

METHOD_TEST(fileno_is_readable_just_while_there_is_something_to_receive) {
    prong_connection ours, theirs;
    char text[8];
    int fd, again;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    ok(prong_connection_fileno(ours, &fd));
    ok(prong_connection_fileno(ours, &again));
    equal(fd, again);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    equal(poll(&readable, 1, 0), 0);
    prong_process child = start_with(method, send_soon, theirs);
    equal(poll(&readable, 1, 10000), 1);
    ok(prong_connection_recv_bytes_into(ours, text, sizeof text, NULL, PRONG_NOWAIT));
    equal(test_end(child), 0);
    equal(poll(&readable, 1, 10000), 1); /* the end */
    is(prong_connection_recv_bytes_into(ours, text, sizeof text, NULL, PRONG_NOWAIT), PRONG_EOF);
    ok(prong_connection_close(ours));
}

TEST(fileno_stays_readable_until_the_last_message_is_taken) {
    prong_queue queue;
    int fd;
    long i = 0;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    int before = test_open_descriptors();
    ok(prong_queue_fileno(queue, &fd));
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    equal(poll(&readable, 1, 0), 1);
    for (int round = 0; round < 3; round++) {
        ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
        ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
        equal(poll(&readable, 1, 0), 1);
        while (prong_queue_get(queue, &i, sizeof i, NULL, PRONG_NOWAIT) >= 0) {}
        equal(poll(&readable, 1, 0), 0);
    }
    ok(prong_queue_destroy(queue));
    equal(test_open_descriptors(), before);
}

/* An argument is searched for connections to hand over: bytes that only look like one must stay as they are. */
static int leave_at_once(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

METHOD_TEST(memory_that_looks_like_a_connection_is_not_touched) {
    uint64_t *memory, before[64], argument[2];
    ok(prong_memory_alloc(sizeof before, (void **)&memory));
    for (uint64_t generation = 1; generation < 10; generation++)
        for (uint64_t kind = 0; kind < 5; kind++) {
            memset(memory, 0, sizeof before);
            memory[0] = generation;
            memory[1] = 2;
            memory[2] = kind;
            memcpy(before, memory, sizeof before);
            argument[0] = prong_memory_offset(memory);
            argument[1] = generation;
            if (method != PRONG_START_FORK && kind != 2) continue;
            equal(test_end(start_with(method, leave_at_once, argument)), 0);
            check(memcmp(before, memory, sizeof before) == 0);
        }
    ok(prong_memory_free(memory));
    test_arena_is_clean(0);
}

/* The end is posted, closed here, and accepted there at the same moment: at none of them it is nobody's. */
enum { PASSED_ON = 20000 };

static int accept_and_answer(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    (void)size;
    for (int i = 0; i < PASSED_ON; i++) {
        prong_connection end;
        if (prong_queue_get(queue, &end, sizeof end, NULL, PRONG_SECONDS(20)) < 0) return 1;
        if (prong_connection_accept(end) < 0) return 2;
        if (prong_connection_send_bytes(end, &i, sizeof i, PRONG_SECONDS(20)) < 0) return 3;
        if (prong_connection_close(end) < 0) return 4;
    }
    return 0;
}

METHOD_TEST(an_end_that_is_passed_on_is_never_nobodys) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    prong_process child = start_with(method, accept_and_answer, queue);
    for (int i = 0; i < PASSED_ON; i++) {
        prong_connection ours, theirs;
        int answer = -1;
        ok(prong_pipe_create(&ours, &theirs, NULL));
        ok(prong_connection_post(theirs));
        ok(prong_queue_put(queue, &theirs, sizeof theirs, PRONG_SECONDS(20)));
        for (volatile int pause = 0; pause < i % 400; pause++) {} /* so that the two meet */
        ok(prong_connection_close(theirs));
        ok(prong_connection_recv_bytes_into(ours, &answer, sizeof answer, NULL, PRONG_SECONDS(20)));
        equal(answer, i);
        ok(prong_connection_close(ours));
    }
    equal(test_end(child), 0);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* --- an end in the argument of a start that fails --- */

static int answer_once(void *argument, size_t size) {
    prong_connection end = *(prong_connection *)argument;
    char text[8];
    if (prong_connection_recv_bytes_into(end, text, sizeof text, &size, PRONG_SECONDS(20)) < 0) return 1;
    return prong_connection_send_bytes(end, text, size, PRONG_SECONDS(20)) ? 2 : 0;
}

METHOD_TEST(an_end_stays_open_when_the_start_that_was_to_hand_it_over_fails) {
    prong_connection ours, theirs;
    prong_process process;
    char text[8], *nowhere[] = {"/nonexistent/program", NULL};
    size_t size;
    ok(prong_pipe_create(&ours, &theirs, NULL));
    ok(prong_process_create(&process, &(prong_process_options){.target = answer_once,
                                                               .argument = &theirs,
                                                               .argument_size = sizeof theirs,
                                                               .method = PRONG_START_SPAWN,
                                                               .program = nowhere}));
    check(prong_process_start(process) != PRONG_OK);
    ok(prong_process_destroy(process));
    ok(prong_connection_send_bytes(ours, "ask", 3, PRONG_SECONDS(5)));
    process = start_with(method, answer_once, theirs);
    ok(prong_connection_recv_bytes_into(ours, text, sizeof text, &size, PRONG_SECONDS(20)));
    check(size == 3 && memcmp(text, "ask", 3) == 0);
    is(prong_connection_recv_bytes_into(ours, text, sizeof text, &size, PRONG_SECONDS(20)), PRONG_EOF);
    equal(test_end(process), 0);
    ok(prong_connection_close(ours));
    test_arena_is_clean(0);
}
