/* Death at every instruction of queues, pipes, the allocator and the table. */
#define _GNU_SOURCE
#include "step.h"

/* --- what is in the queue: numbers from 0 on --- */

static char large[20000];

static void put_number(struct stage *stage, long number, size_t size) {
    memcpy(large, &number, sizeof number);
    ok(prong_queue_put(stage->queue, large, size, PRONG_SECONDS(5)));
}

static long drain(struct stage *stage, long first) {
    long number;
    size_t size;
    static char bytes[sizeof large];
    while (prong_queue_get(stage->queue, bytes, sizeof bytes, &size, PRONG_NOWAIT) >= 0) {
        memcpy(&number, bytes, sizeof number);
        equal(number, first);
        first++;
    }
    return first;
}

static void goes_on(struct stage *stage) {
    put_number(stage, 5, 8);
    put_number(stage, 6, sizeof large);
    equal(drain(stage, 5), 7);
}

static void verify_put(struct stage *stage) {
    long end = drain(stage, 0);
    check(end == stage->before || end == stage->before + 1);
    goes_on(stage);
}

static void verify_get(struct stage *stage) {
    long number = -1;
    static char bytes[sizeof large];
    ok(prong_queue_get(stage->queue, bytes, sizeof bytes, NULL, PRONG_SECONDS(5)));
    memcpy(&number, bytes, sizeof number);
    check(number == 0 || number == 1); /* taken by the dead, or not */
    equal(drain(stage, number + 1), stage->before);
    goes_on(stage);
}

/* --- puts --- */

static void prepare_three(struct stage *stage) {
    for (long i = 0; i < 3; i++) put_number(stage, i, 8);
    stage->before = 3;
}

/* Messages of 4,000 bytes fill the first segments that are linked for them: those of 8, 16 and 16 messages. */
enum { UP_TO_SEGMENT_END = 8 + 16 + 16 };

/* The next put, or get, goes over to another segment; and the one before has been used, for recycling. */
static void prepare_at_segment_end(struct stage *stage) {
    for (long i = 0; i < UP_TO_SEGMENT_END - 1; i++) put_number(stage, 0, 4000);
    static char bytes[sizeof large];
    for (long i = 0; i < UP_TO_SEGMENT_END - 1; i++)
        ok(prong_queue_get(stage->queue, bytes, sizeof bytes, NULL, PRONG_NOWAIT));
    for (long i = 0; i < 1; i++) put_number(stage, i, 4000);
    stage->before = 1;
}

static void put_8(struct stage *stage) {
    prong_queue_put(stage->queue, &stage->before, 8, PRONG_NOWAIT);
}

static void put_4000(struct stage *stage) {
    memcpy(large, &stage->before, 8);
    prong_queue_put(stage->queue, large, 4000, PRONG_NOWAIT);
}

static void put_block(struct stage *stage) {
    memcpy(large, &stage->before, 8);
    prong_queue_put(stage->queue, large, 5000, PRONG_NOWAIT);
}

static void reserve_and_commit(struct stage *stage) {
    prong_message message;
    if (prong_message_reserve(&message, 64) < 0) return;
    memcpy(message.data, &stage->before, 8);
    prong_queue_commit(stage->queue, &message, PRONG_NOWAIT);
}

/* So often that this process keeps the locks of both sides. The queue is empty, before and after. */
static void keep_both_sides(struct stage *stage) {
    char byte;
    for (int i = 0; i < 200; i++) {
        ok(prong_queue_put(stage->queue, "x", 1, PRONG_NOWAIT));
        ok(prong_queue_get(stage->queue, &byte, 1, NULL, PRONG_NOWAIT));
    }
}

static void keep_and_put_three(struct stage *stage) {
    join_family(stage);
    keep_both_sides(stage);
    for (long i = 0; i < 3; i++) put_number(stage, i, 8);
}

static void expect_three(struct stage *stage) {
    stage->before = 3;
}

static void prepare_kept_three(struct stage *stage) {
    keep_both_sides(stage);
    prepare_three(stage);
}

static void prepare_kept_none(struct stage *stage) {
    keep_both_sides(stage);
}

LONG_TEST(put_by_a_process_that_keeps_the_lock, 120) {
    kill_everywhere(&(struct operation){expect_three, keep_and_put_three, put_8, verify_put, 1});
}

/* A run begins, is filled, and the next one ends with a message of another size. */
enum { WORDS = 12 };

static void put_words_and_another(struct stage *stage) {
    for (long i = 0; i < WORDS; i++) prong_queue_put(stage->queue, &(long){stage->before + i}, 8, PRONG_NOWAIT);
    prong_queue_put(stage->queue, (long[2]){stage->before + WORDS}, 16, PRONG_NOWAIT);
}

static void verify_puts(struct stage *stage) {
    long end = drain(stage, 0);
    check(end >= stage->before && end <= stage->before + WORDS + 1);
    goes_on(stage);
}

LONG_TEST(puts_that_begin_and_end_runs, 240) {
    kill_everywhere(&(struct operation){expect_three, keep_and_put_three, put_words_and_another, verify_puts, 1});
}

LONG_TEST(put_that_revokes_a_kept_lock, 120) {
    kill_everywhere(&(struct operation){prepare_kept_three, join_family, put_8, verify_put, 1});
}

LONG_TEST(put_of_a_small_message, 120) {
    kill_everywhere(&(struct operation){prepare_three, join_family, put_8, verify_put, 1});
}

LONG_TEST(put_that_begins_a_new_segment, 120) {
    kill_everywhere(&(struct operation){prepare_at_segment_end, join_family, put_4000, verify_put, 37});
}

LONG_TEST(put_of_a_large_message, 120) {
    kill_everywhere(&(struct operation){prepare_three, join_family, put_block, verify_put, 127});
}

LONG_TEST(reserve_and_commit_of_a_message, 120) {
    kill_everywhere(&(struct operation){prepare_three, join_family, reserve_and_commit, verify_put, 13});
}

/* --- gets --- */

static void prepare_three_large(struct stage *stage) {
    for (long i = 0; i < 3; i++) put_number(stage, i, 5000);
    stage->before = 3;
}

static void prepare_get_at_segment_end(struct stage *stage) {
    for (long i = 0; i < UP_TO_SEGMENT_END; i++) put_number(stage, i, 4000);
    drain(stage, 0);
    for (long i = 0; i < 3; i++) put_number(stage, i, 4000);
    stage->before = 3;
}

static void get_one(struct stage *stage) {
    static char bytes[sizeof large];
    prong_queue_get(stage->queue, bytes, sizeof bytes, NULL, PRONG_NOWAIT);
}

static void receive_and_release(struct stage *stage) {
    prong_message message;
    if (prong_queue_receive(stage->queue, &message, PRONG_NOWAIT) >= 0) prong_message_release(&message);
}

static void look_for_a_while(struct stage *stage) {
    char byte;
    prong_queue_get(stage->queue, &byte, 1, NULL, PRONG_MS(1));
}

LONG_TEST(get_by_a_process_that_keeps_the_lock, 120) {
    kill_everywhere(&(struct operation){expect_three, keep_and_put_three, get_one, verify_get, 1});
}

static void keep_and_put_words_and_another(struct stage *stage) {
    join_family(stage);
    keep_both_sides(stage);
    long before = stage->before;
    stage->before = 0;
    put_words_and_another(stage);
    stage->before = before;
    put_number(stage, WORDS + 1, 8);
}

static void expect_words_and_another(struct stage *stage) {
    stage->before = WORDS + 2;
}

static void get_words_and_another(struct stage *stage) {
    for (long i = 0; i < WORDS + 1; i++) get_one(stage);
}

static void verify_gets(struct stage *stage) {
    long number = -1;
    static char bytes[sizeof large];
    ok(prong_queue_get(stage->queue, bytes, sizeof bytes, NULL, PRONG_SECONDS(5)));
    memcpy(&number, bytes, sizeof number);
    check(number >= 0 && number <= WORDS + 1);
    equal(drain(stage, number + 1), stage->before);
    goes_on(stage);
}

LONG_TEST(gets_that_begin_and_end_runs, 240) {
    kill_everywhere(&(struct operation){expect_words_and_another, keep_and_put_words_and_another, get_words_and_another,
                                        verify_gets, 1});
}

LONG_TEST(get_that_revokes_a_kept_lock, 120) {
    kill_everywhere(&(struct operation){prepare_kept_three, join_family, get_one, verify_get, 1});
}

LONG_TEST(get_that_sleeps_where_another_keeps_the_putters_lock, 120) {
    kill_everywhere(&(struct operation){prepare_kept_none, join_family, look_for_a_while, verify_put, 37});
}

LONG_TEST(get_of_a_small_message, 120) {
    kill_everywhere(&(struct operation){prepare_three, join_family, get_one, verify_get, 1});
}

LONG_TEST(get_that_goes_over_to_a_new_segment, 120) {
    kill_everywhere(&(struct operation){prepare_get_at_segment_end, join_family, get_one, verify_get, 37});
}

LONG_TEST(get_of_a_large_message, 120) {
    kill_everywhere(&(struct operation){prepare_three_large, join_family, get_one, verify_get, 127});
}

LONG_TEST(receive_and_release_of_a_message, 120) {
    kill_everywhere(&(struct operation){prepare_three, join_family, receive_and_release, verify_get, 13});
}

/* --- the allocator --- */

static void prepare_holes(struct stage *stage) {
    prong_message messages[6];
    (void)stage;
    for (int i = 0; i < 6; i++) ok(prong_message_reserve(&messages[i], 1000));
    for (int i = 0; i < 6; i += 2) ok(prong_message_release(&messages[i]));
    for (int i = 1; i < 6; i += 2) ok(prong_message_release(&messages[i]));
}

static void alloc_and_free(__attribute__((unused)) struct stage *stage) {
    prong_message a, b, c;
    if (prong_message_reserve(&a, 500) < 0 || prong_message_reserve(&b, 3000) < 0 ||
        prong_message_reserve(&c, 100000) < 0)
        return;
    prong_message_release(&b);
    prong_message_release(&a);
    prong_message_release(&c);
}

LONG_TEST(alloc_and_free_of_blocks, 240) {
    kill_everywhere(&(struct operation){prepare_holes, join_family, alloc_and_free, goes_on, 29});
}

static void alloc_and_free_much(__attribute__((unused)) struct stage *stage) {
    prong_message much;
    if (prong_message_reserve(&much, 1 << 20) >= 0) prong_message_release(&much);
}

/* The memory is there already: to ask the control groups about more takes so many instructions that there would be no end. */
static void prepare_much(struct stage *stage) {
    prepare_holes(stage);
    alloc_and_free_much(stage);
}

LONG_TEST(alloc_and_free_of_a_large_block, 240) {
    kill_everywhere(&(struct operation){prepare_much, join_family, alloc_and_free_much, goes_on, 29});
}

/* --- the table --- */

static void prepare_nothing(struct stage *stage) {
    (void)stage;
}

static void use_once(struct stage *stage) {
    size_t count;
    prong_queue_size(stage->queue, &count, NULL);
}

LONG_TEST(joining_the_family, 240) {
    kill_everywhere(&(struct operation){prepare_nothing, NULL, use_once, goes_on, 29});
}

/* A process that died with things in its hands, to be buried by the one that is stepped. */
static void prepare_a_dead_member(struct stage *stage) {
    put_number(stage, 0, 5000);
    put_number(stage, 1, 5000);
    pid_t pid = fork();
    if (pid == 0) {
        prong_message message;
        ok(prong_queue_receive(stage->queue, &message, PRONG_NOWAIT));
        ok(prong_message_reserve(&message, 10000));
        _exit(0);
    }
    check(waitpid(pid, NULL, 0) == pid);
    stage->before = 2;
}

static void join_only(struct stage *stage) {
    size_t count;
    ok(prong_queue_size(stage->queue, &count, NULL));
}

static void bury(struct stage *stage) {
    prong_member member;
    size_t count;
    (void)stage;
    prong_family_members(&member, 1, &count);
}

static void verify_burial(struct stage *stage) {
    equal(drain(stage, 1), 2);
    goes_on(stage);
}

LONG_TEST(burying_a_dead_member, 400) {
    kill_everywhere(&(struct operation){prepare_a_dead_member, join_only, bury, verify_burial, 1999});
}

/* --- pipes: made, used and dropped by the one that is stepped --- */

static void prepare_pipe(struct stage *stage) {
    ok(prong_pipe_create(&stage->ours, &stage->theirs, NULL));
    ok(prong_connection_send_bytes(stage->ours, "one", 3, PRONG_NOWAIT));
}

static void answer_and_close(struct stage *stage) {
    char text[8];
    prong_connection_recv_bytes_into(stage->theirs, text, sizeof text, NULL, PRONG_NOWAIT);
    prong_connection_send_bytes(stage->theirs, "two", 3, PRONG_NOWAIT);
    prong_connection_close(stage->theirs);
}

static void verify_pipe(struct stage *stage) {
    char text[8];
    size_t size;
    prong_status status = prong_connection_recv_bytes_into(stage->ours, text, sizeof text, &size, PRONG_MS(1));
    if (status >= 0) {
        check(size == 3 && memcmp(text, "two", 3) == 0);
        is(prong_connection_recv_bytes_into(stage->ours, text, sizeof text, &size, PRONG_SECONDS(5)), PRONG_EOF);
    }
    ok(prong_connection_close(stage->ours));
    if (status != PRONG_OK && status != PRONG_EOF) ok(prong_connection_close(stage->theirs)); /* never taken over */
    goes_on(stage);
}

LONG_TEST(receiving_sending_and_closing, 240) {
    kill_everywhere(&(struct operation){prepare_pipe, join_family, answer_and_close, verify_pipe, 61});
}

/* --- a joinable queue --- */

static void prepare_joinable(struct stage *stage) {
    ok(prong_queue_destroy(stage->queue));
    ok(prong_queue_create(&stage->queue, &(prong_queue_options){.joinable = true}));
    prepare_three(stage);
}

static void get_and_finish(struct stage *stage) {
    long number;
    prong_queue_get(stage->queue, &number, sizeof number, NULL, PRONG_NOWAIT);
    prong_queue_task_done(stage->queue);
}

static void verify_joinable(struct stage *stage) {
    long number;
    while (prong_queue_get(stage->queue, &number, sizeof number, NULL, PRONG_NOWAIT) >= 0)
        ok(prong_queue_task_done(stage->queue));
    prong_status status = prong_queue_join(stage->queue, PRONG_SECONDS(5));
    check(status == PRONG_OK || status == PRONG_OWNER_DIED);
    ok(prong_queue_join(stage->queue, PRONG_SECONDS(5)));
    is(prong_queue_task_done(stage->queue), PRONG_INVALID);
}

LONG_TEST(get_and_task_done, 240) {
    kill_everywhere(&(struct operation){prepare_joinable, join_family, get_and_finish, verify_joinable, 13});
}

/* --- what is freed is freed once: the next of its kind is there before the dead one is buried --- */

static void fill_queue(prong_queue *queue) {
    long number = 0;
    ok(prong_queue_create(queue, &(prong_queue_options){.joinable = true}));
    for (; number < 40; number++) {
        memcpy(large, &number, sizeof number);
        ok(prong_queue_put(*queue, large, number % 4 ? 4000 : sizeof large, PRONG_NOWAIT));
    }
}

static void prepare_doomed_queue(struct stage *stage) {
    fill_queue(&stage->doomed);
}

static void destroy_and_free(struct stage *stage) {
    prong_queue_destroy(stage->doomed);
    prong_family_trim();
}

static void fill_the_next(struct stage *stage) {
    ok(prong_queue_destroy(stage->queue));
    fill_queue(&stage->queue);
}

static void verify_the_next(struct stage *stage) {
    equal(drain(stage, 0), 40);
    prong_queue_destroy(stage->doomed); /* unless the dead one has */
    goes_on(stage);
}

LONG_TEST(destroying_and_freeing_a_queue, 400) {
    kill_everywhere(
        &(struct operation){prepare_doomed_queue, join_family, destroy_and_free, verify_the_next, 211, fill_the_next});
}

/* --- shares --- */

static void prepare_share(struct stage *stage) {
    ok(prong_share_create(&stage->share, "table", 6, NULL));
}

static void open_and_close_share(struct stage *stage) {
    const void *data;
    if (prong_share_open(stage->share, &data, NULL) >= 0) prong_share_close(stage->share);
}

static void verify_share(struct stage *stage) {
    const void *data;
    ok(prong_share_open(stage->share, &data, NULL));
    check(memcmp(data, "table", 6) == 0);
    for (int i = 0; i < 2; i++) ok(prong_share_close(stage->share));
    is(prong_share_open(stage->share, &data, NULL), PRONG_STALE);
    goes_on(stage);
}

LONG_TEST(share_that_is_opened_and_closed, 240) {
    kill_everywhere(&(struct operation){prepare_share, join_family, open_and_close_share, verify_share, 3});
}

/* There is memory for them. */
static void prepare_no_share(struct stage *stage) {
    prepare_share(stage);
    ok(prong_share_close(stage->share));
}

/* It is alone in having them open, so each close frees one. */
static void make_and_close_shares(struct stage *stage) {
    prong_share copied, committed;
    prong_message message;
    (void)stage;
    if (prong_share_create(&copied, "table", 6, NULL) < 0 || prong_message_reserve(&message, 100) < 0) return;
    if (prong_share_commit(&committed, &message, NULL) >= 0) prong_share_close(committed);
    prong_share_close(copied);
}

LONG_TEST(shares_that_are_made_and_freed, 240) {
    kill_everywhere(&(struct operation){prepare_no_share, join_family, make_and_close_shares, goes_on, 7});
}
