/* Shares: read in place, counted by member. */
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { LARGE = 1 << 20 };

static uint64_t arena_used(void) {
    prong_family_state state;
    ok(prong_family_check(&state));
    return state.used_bytes;
}

/* Of LARGE bytes that count up. */
static prong_share make_table(void) {
    prong_share table;
    prong_message message;
    ok(prong_message_reserve(&message, LARGE));
    for (size_t i = 0; i < LARGE; i++) ((unsigned char *)message.data)[i] = (unsigned char)i;
    ok(prong_share_commit(&table, &message, &(prong_share_options){.name = "table"}));
    check(!message.data);
    return table;
}

static bool table_is_whole(const unsigned char *data, size_t size) {
    size_t i = 0;
    while (i < size && data[i] == (unsigned char)i) i++;
    return size == LARGE && i == size;
}

TEST(bytes_are_read_where_they_are) {
    prong_share share;
    const void *data = NULL, *again = NULL;
    size_t size = 0;
    uint64_t before = arena_used();
    ok(prong_share_create(&share, "table", 6, NULL));
    ok(prong_share_open(share, &data, &size));
    ok(prong_share_open(share, &again, NULL));
    check(size == 6 && memcmp(data, "table", 6) == 0);
    check(data == again && (uintptr_t)data % 64 == 0);
    for (int i = 0; i < 3; i++) ok(prong_share_close(share));
    is(prong_share_close(share), PRONG_STALE);
    is(prong_share_open(share, &data, &size), PRONG_STALE);
    ok(prong_share_create(&share, NULL, 0, NULL));
    ok(prong_share_open(share, &data, &size));
    equal(size, 0);
    for (int i = 0; i < 2; i++) ok(prong_share_close(share));
    test_arena_is_clean(0);
    check(arena_used() <= before + (64 << 10)); /* a slab of shares */
}

TEST(a_reserved_message_becomes_a_share_without_a_copy) {
    prong_share share;
    prong_message message;
    const void *data;
    size_t size;
    ok(prong_message_reserve(&message, 100));
    void *written = message.data;
    message.size = 200;
    is(prong_share_commit(&share, &message, NULL), PRONG_INVALID);
    says("200 bytes where 100");
    message.size = 10; /* fewer than reserved */
    is(prong_share_commit(&share, &message, &(prong_share_options){.name = "a name of far too many letters"}),
       PRONG_INVALID);
    check(message.data == written);
    ok(prong_share_commit(&share, &message, NULL));
    is(prong_share_commit(&share, &message, NULL), PRONG_STALE);
    ok(prong_share_open(share, &data, &size));
    check(data == written && size == 10);
    for (int i = 0; i < 2; i++) ok(prong_share_close(share));
    test_arena_is_clean(0);
}

TEST(the_last_close_frees_the_memory_at_once) {
    prong_share table = make_table();
    uint64_t before = arena_used();
    ok(prong_share_close(table));
    check(arena_used() + LARGE <= before);
}

/* --- other processes --- */

struct job {
    prong_share table;
    prong_queue ready, go;
};

static struct job make_job(void) {
    struct job job = {.table = make_table()};
    ok(prong_queue_create(&job.ready, NULL));
    ok(prong_queue_create(&job.go, NULL));
    return job;
}

static void end_job(struct job *job) {
    ok(prong_queue_destroy(job->ready));
    ok(prong_queue_destroy(job->go));
    test_arena_is_clean(0);
}

/* Opens it, tells so, waits for the word, and reads. */
static int read_it(void *argument, size_t unused) {
    const struct job *job = argument;
    const void *data;
    size_t size;
    char word;
    (void)unused;
    is(prong_share_close(job->table), PRONG_INVALID);
    says("does not have the share open");
    ok(prong_share_open(job->table, &data, &size));
    ok(prong_queue_put(job->ready, "r", 1, PRONG_FOREVER));
    ok(prong_queue_get(job->go, &word, 1, NULL, PRONG_SECONDS(60)));
    bool whole = table_is_whole(data, size);
    ok(prong_share_close(job->table));
    return whole ? 0 : 1;
}

static void await_ready(const struct job *job, int count) {
    char word;
    for (int i = 0; i < count; i++) ok(prong_queue_get(job->ready, &word, 1, NULL, PRONG_SECONDS(10)));
}

METHOD_TEST(readers_keep_it_when_its_creator_has_closed_it) {
    struct job job = make_job();
    prong_process readers[2] = {start_with(method, read_it, job), start_with(method, read_it, job)};
    await_ready(&job, 2);
    ok(prong_share_close(job.table));
    for (int i = 0; i < 2; i++) ok(prong_queue_put(job.go, "g", 1, PRONG_NOWAIT));
    for (int i = 0; i < 2; i++) equal(test_end(readers[i]), 0);
    is(prong_share_open(job.table, NULL, NULL), PRONG_STALE);
    end_job(&job);
}

METHOD_TEST(a_reader_that_is_killed_gives_its_opens_back) {
    struct job job = make_job();
    prong_process reader = start_with(method, read_it, job);
    await_ready(&job, 1);
    ok(prong_share_close(job.table));
    ok(prong_share_open(job.table, NULL, NULL)); /* the reader has it open */
    ok(prong_share_close(job.table));
    ok(prong_process_signal(reader, SIGKILL));
    equal(test_end(reader), -SIGKILL);
    is(prong_share_open(job.table, NULL, NULL), PRONG_STALE);
    end_job(&job);
}

static int make_and_die(void *argument, size_t unused) {
    const struct job *job = argument;
    (void)unused;
    prong_share share = make_table();
    ok(prong_queue_put(job->ready, &share, sizeof share, PRONG_NOWAIT));
    char word;
    ok(prong_queue_get(job->go, &word, 1, NULL, PRONG_SECONDS(60)));
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(what_a_killed_creator_made_goes_with_its_last_reader) {
    struct job job = make_job();
    prong_share opened, other;
    const void *data;
    size_t size;
    ok(prong_share_close(job.table));
    prong_process makers[2] = {start_with(method, make_and_die, job), start_with(method, make_and_die, job)};
    ok(prong_queue_get(job.ready, &opened, sizeof opened, NULL, PRONG_SECONDS(10)));
    ok(prong_queue_get(job.ready, &other, sizeof other, NULL, PRONG_SECONDS(10)));
    ok(prong_share_open(opened, &data, &size));
    for (int i = 0; i < 2; i++) ok(prong_queue_put(job.go, "g", 1, PRONG_NOWAIT));
    for (int i = 0; i < 2; i++) equal(test_end(makers[i]), -SIGKILL);
    is(prong_share_open(other, &data, &size), PRONG_STALE);
    check(table_is_whole(data, size));
    ok(prong_share_close(opened));
    end_job(&job);
}

static int open_and_stay(void *argument, size_t unused) {
    const struct job *job = argument;
    (void)unused;
    for (int i = 0; i < 3; i++) ok(prong_share_open(job->table, NULL, NULL));
    ok(prong_queue_put(job->ready, "r", 1, PRONG_FOREVER));
    for (;;) pause();
}

/* More members than a share has ledgers for by itself, twice over. */
LONG_METHOD_TEST(a_hundred_killed_readers_give_their_opens_back, 120) {
    enum { MANY = 50 };
    struct job job = make_job();
    prong_process readers[MANY];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) readers[i] = start_with(method, open_and_stay, job);
        await_ready(&job, MANY);
        if (round == 1) ok(prong_share_close(job.table));
        for (int i = 0; i < MANY; i++) ok(prong_process_signal(readers[i], SIGKILL));
        for (int i = 0; i < MANY; i++) equal(test_end(readers[i]), -SIGKILL);
        is(prong_share_open(job.table, NULL, NULL), round == 1 ? PRONG_STALE : PRONG_OK);
        if (round == 0) ok(prong_share_close(job.table));
    }
    end_job(&job);
}

static int die_opening_and_closing(void *argument, size_t unused) {
    const struct job *job = argument;
    (void)unused;
    ok(prong_queue_put(job->ready, "r", 1, PRONG_FOREVER));
    for (;;) {
        ok(prong_share_open(job->table, NULL, NULL));
        ok(prong_share_close(job->table));
    }
}

METHOD_TEST(readers_killed_at_any_moment_leave_the_count_right) {
    struct job job = make_job();
    for (int round = 0; round < 20; round++) {
        prong_process readers[2] = {start_with(method, die_opening_and_closing, job),
                                    start_with(method, die_opening_and_closing, job)};
        await_ready(&job, 2);
        for (int i = 0; i < 2; i++) ok(prong_process_signal(readers[i], SIGKILL));
        for (int i = 0; i < 2; i++) equal(test_end(readers[i]), -SIGKILL);
    }
    const void *data;
    size_t size;
    ok(prong_share_open(job.table, &data, &size));
    check(table_is_whole(data, size));
    ok(prong_share_close(job.table));
    ok(prong_share_close(job.table));
    is(prong_share_open(job.table, NULL, NULL), PRONG_STALE);
    end_job(&job);
}

/* --- threads, and a fork --- */

static void *open_and_close(void *argument) {
    prong_share table = *(prong_share *)argument;
    for (int i = 0; i < 2000; i++) {
        const void *data;
        size_t size;
        ok(prong_share_open(table, &data, &size));
        check(((const unsigned char *)data)[LARGE - 1] == 255);
        ok(prong_share_close(table));
    }
    return NULL;
}

TEST(threads_open_and_close_it_at_the_same_time) {
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    prong_share table = make_table();
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, open_and_close, &table) == 0);
    for (int i = 0; i < THREADS; i++) check(pthread_join(threads[i], NULL) == 0);
    ok(prong_share_close(table));
    test_arena_is_clean(0);
}

TEST(a_handle_that_is_none_is_stale) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    is(prong_share_open((prong_share){0}, NULL, NULL), PRONG_STALE);
    says("never created");
    is(prong_share_open((prong_share){queue.offset, queue.generation}, NULL, NULL), PRONG_STALE);
    is(prong_share_close((prong_share){queue.offset + 64, 3}), PRONG_STALE);
    ok(prong_queue_destroy(queue));
}
