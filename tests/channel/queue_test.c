/* Queue and SimpleQueue. */
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static prong_queue make(size_t maxsize) {
    prong_queue queue;
    ok(prong_queue_create(&queue, &(prong_queue_options){.maxsize = maxsize}));
    return queue;
}

TEST(messages_come_out_in_the_order_of_the_puts) {
    prong_queue queue = make(0);
    for (long i = 0; i < 100000; i++) ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    size_t count, size;
    ok(prong_queue_size(queue, NULL, &count));
    equal(count, 0); /* no limit */
    ok(prong_queue_size(queue, &count, NULL));
    equal(count, 100000);
    for (long i = 0, got; i < 100000; i++) {
        ok(prong_queue_get(queue, &got, sizeof got, &size, PRONG_NOWAIT));
        equal(got, i);
        equal(size, sizeof got);
    }
    check(test_queue_size(queue) == 0);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(every_size_from_0_to_beyond_a_segment_comes_out_whole) {
    static char in[200000], out[200000];
    prong_queue queue = make(0);
    for (size_t i = 0; i < sizeof in; i++) in[i] = (char)(i * 7 + i / 251);
    for (size_t size = 0; size < sizeof in; size = size < 70 ? size + 1 : size * 3 / 2) {
        size_t got;
        ok(prong_queue_put(queue, in, size, PRONG_NOWAIT));
        ok(prong_queue_get(queue, out, sizeof out, &got, PRONG_NOWAIT));
        equal(got, size);
        check(memcmp(in, out, size) == 0);
    }
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* Once this thread keeps both locks, words go into runs: here beside other sizes, and with few or many in the queue. */
TEST(words_and_other_sizes_come_out_in_order) {
    static const size_t sizes[] = {8, 8, 8, 1, 8, 0, 8, 8, 5000, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 16, 8, 700};
    enum { SIZES = sizeof sizes / sizeof *sizes, MESSAGES = 40000 };
    static char in[5000], out[5000];
    prong_queue queue = make(0);
    long put = 0, got = 0;
    while (got < MESSAGES) {
        for (long some = 1 + put % 61; some > 0 && put < MESSAGES; some--, put++) {
            size_t size = put < MESSAGES / 2 ? 8 : sizes[put % SIZES];
            memcpy(in, &put, sizeof put);
            ok(prong_queue_put(queue, in, size, PRONG_NOWAIT));
        }
        equal((long)test_queue_size(queue), put - got);
        for (long some = 1 + got % 59; some > 0 && got < put; some--, got++) {
            size_t size, wanted = got < MESSAGES / 2 ? 8 : sizes[got % SIZES];
            ok(prong_queue_get(queue, out, got % 3 ? sizeof out : wanted, &size, PRONG_NOWAIT));
            equal(size, wanted);
            check(memcmp(out, &got, size < sizeof got ? size : sizeof got) == 0);
        }
    }
    size_t size;
    is(prong_queue_get(queue, out, sizeof out, &size, PRONG_NOWAIT), PRONG_EMPTY);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(words_of_a_closed_queue_are_drained_and_no_more_are_put) {
    prong_queue queue = make(0);
    long word = 0;
    for (int i = 0; i < 301; i++) ok(prong_queue_put(queue, &word, sizeof word, PRONG_NOWAIT));
    ok(prong_queue_shutdown(queue));
    is(prong_queue_put(queue, &word, sizeof word, PRONG_NOWAIT), PRONG_SHUTDOWN);
    for (int i = 0; i < 301; i++) ok(prong_queue_get(queue, &word, sizeof word, NULL, PRONG_NOWAIT));
    for (int i = 0; i < 3; i++) is(prong_queue_get(queue, &word, sizeof word, NULL, PRONG_NOWAIT), PRONG_SHUTDOWN);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(a_message_of_1_GiB_goes_through) {
    prong_queue queue = make(0);
    prong_message message;
    size_t size = (size_t)1 << 30;
    ok(prong_message_reserve(&message, size));
    ((char *)message.data)[0] = 1;
    ((char *)message.data)[size - 1] = 2;
    ok(prong_queue_commit(queue, &message, PRONG_NOWAIT));
    check(message.data == NULL);
    ok(prong_queue_receive(queue, &message, PRONG_NOWAIT));
    equal(message.size, size);
    equal(((char *)message.data)[0], 1);
    equal(((char *)message.data)[size - 1], 2);
    ok(prong_message_release(&message));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(get_returns_empty_after_timeout) {
    prong_queue queue = make(0);
    long got;
    is(prong_queue_get(queue, &got, sizeof got, NULL, PRONG_NOWAIT), PRONG_EMPTY);
    int64_t before = test_now();
    is(prong_queue_get(queue, &got, sizeof got, NULL, PRONG_MS(150)), PRONG_EMPTY);
    check(test_now() - before >= PRONG_MS(150));
    is(prong_queue_get(queue, &got, sizeof got, NULL, -5), PRONG_EMPTY);
    ok(prong_queue_destroy(queue));
}

TEST(put_returns_full_after_timeout) {
    prong_queue queue = make(2);
    long i = 1;
    size_t size, maxsize;
    ok(prong_queue_size(queue, &size, &maxsize));
    equal(size, 0);
    equal(maxsize, 2);
    ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    ok(prong_queue_size(queue, &size, NULL));
    equal(size, 2);
    is(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT), PRONG_FULL);
    int64_t before = test_now();
    is(prong_queue_put(queue, &i, sizeof i, PRONG_MS(150)), PRONG_FULL);
    check(test_now() - before >= PRONG_MS(150));
    ok(prong_queue_get(queue, &i, sizeof i, NULL, PRONG_NOWAIT));
    ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    ok(prong_queue_destroy(queue));
}

TEST(a_queue_may_have_a_limit_in_bytes) {
    static char large[5000];
    prong_queue queue;
    clock_t before = clock();
    ok(prong_queue_create(&queue, &(prong_queue_options){.maxbytes = 1000}));
    for (int i = 0; i < 10; i++) ok(prong_queue_put(queue, large, 100, PRONG_NOWAIT));
    is(prong_queue_put(queue, large, 1, PRONG_NOWAIT), PRONG_FULL);
    is(prong_queue_put(queue, large, 8, PRONG_MS(20)), PRONG_FULL);
    for (int i = 0; i < 6; i++) ok(prong_queue_get(queue, large, sizeof large, NULL, PRONG_NOWAIT));
    is(prong_queue_put(queue, large, 700, PRONG_MS(300)), PRONG_FULL);
    check(clock() - before < CLOCKS_PER_SEC / 5); /* it slept */
    ok(prong_queue_put(queue, large, 600, PRONG_NOWAIT));
    is(prong_queue_put(queue, large, sizeof large, PRONG_MS(20)), PRONG_FULL);
    for (int i = 0; i < 5; i++) ok(prong_queue_get(queue, large, sizeof large, NULL, PRONG_NOWAIT));
    ok(prong_queue_put(queue, large, sizeof large, PRONG_NOWAIT)); /* longer alone, into an empty queue */
    is(prong_queue_put(queue, large, 1, PRONG_NOWAIT), PRONG_FULL);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

struct sizes {
    prong_queue queue;
    size_t size;
    int count;
};

static int put_sizes(void *argument, size_t size) {
    static char bytes[900];
    const struct sizes *s = argument;
    (void)size;
    for (int i = 0; i < s->count; i++) ok(prong_queue_put(s->queue, bytes, s->size, PRONG_SECONDS(20)));
    return 0;
}

/* A putter of much is woken, and has no room yet: the others must not sleep on. */
METHOD_TEST(putters_of_much_and_of_little_share_a_limit_in_bytes) {
    static const size_t sizes[] = {900, 10, 600, 8};
    enum { PUTTERS = sizeof sizes / sizeof *sizes, EACH = 300 };
    char bytes[900];
    prong_queue queue;
    prong_process putters[PUTTERS];
    ok(prong_queue_create(&queue, &(prong_queue_options){.maxbytes = 1000}));
    for (int i = 0; i < PUTTERS; i++)
        putters[i] = start_with(method, put_sizes, ((struct sizes){queue, sizes[i], EACH}));
    for (int i = 0; i < PUTTERS * EACH; i++) ok(prong_queue_get(queue, bytes, sizeof bytes, NULL, PRONG_SECONDS(20)));
    for (int i = 0; i < PUTTERS; i++) equal(test_end(putters[i]), 0);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(a_too_small_buffer_loses_nothing) {
    prong_queue queue = make(0);
    char small[4], large[5000];
    size_t size = 0;
    ok(prong_queue_put(queue, "five!", 5, PRONG_NOWAIT));
    is(prong_queue_get(queue, small, sizeof small, &size, PRONG_NOWAIT), PRONG_TOO_LONG);
    says("5 bytes");
    equal(size, 5);
    ok(prong_queue_get(queue, large, sizeof large, &size, PRONG_NOWAIT));
    check(memcmp(large, "five!", 5) == 0);
    ok(prong_queue_put(queue, large, 5000, PRONG_NOWAIT));
    is(prong_queue_get(queue, small, sizeof small, &size, PRONG_NOWAIT), PRONG_TOO_LONG);
    equal(size, 5000);
    ok(prong_queue_get(queue, large, sizeof large, &size, PRONG_NOWAIT));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(a_closed_queue_is_drained_then_says_closed) {
    prong_queue queue = make(0);
    long i = 5;
    ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
    ok(prong_queue_shutdown(queue));
    ok(prong_queue_shutdown(queue));
    is(prong_queue_put(queue, &i, sizeof i, PRONG_FOREVER), PRONG_SHUTDOWN);
    ok(prong_queue_get(queue, &i, sizeof i, NULL, PRONG_FOREVER));
    is(prong_queue_get(queue, &i, sizeof i, NULL, PRONG_FOREVER), PRONG_SHUTDOWN);
    ok(prong_queue_destroy(queue));
}

TEST(a_stale_a_foreign_and_a_made_up_handle_are_errors) {
    prong_queue queue = make(0), none = {0}, foreign = {4096 * 300, 12345}, wild = {~0ull - 63, 1};
    prong_connection first, second;
    size_t count;
    long i = 1;
    ok(prong_queue_destroy(queue));
    is(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT), PRONG_STALE);
    says("destroyed");
    is(prong_queue_destroy(queue), PRONG_STALE);
    is(prong_queue_size(none, &count, NULL), PRONG_STALE);
    says("never created");
    is(prong_queue_get(foreign, &i, sizeof i, NULL, PRONG_FOREVER), PRONG_STALE);
    is(prong_queue_shutdown(wild), PRONG_STALE);
    ok(prong_pipe_create(&first, &second, NULL));
    is(prong_queue_put((prong_queue){first.offset, first.generation}, &i, sizeof i, PRONG_NOWAIT), PRONG_STALE);
    prong_queue again = make(0); /* most likely in the same place */
    is(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_queue_put(again, &i, sizeof i, PRONG_NOWAIT));
}

TEST(a_lent_message_is_the_callers_until_committed_or_released) {
    prong_queue queue = make(1);
    prong_message message, other;
    prong_family_state state;
    ok(prong_message_reserve(&message, 100));
    ok(prong_family_check(&state));
    equal(state.blocks_in_hand, 1);
    other = message;
    message.size = 101;
    is(prong_queue_commit(queue, &message, PRONG_NOWAIT), PRONG_INVALID);
    message.size = 10;
    memcpy(message.data, "0123456789", 10);
    ok(prong_queue_commit(queue, &message, PRONG_NOWAIT));
    is(prong_message_release(&other), PRONG_STALE);
    is(prong_queue_commit(queue, &other, PRONG_NOWAIT), PRONG_STALE);
    ok(prong_message_reserve(&message, 0));
    is(prong_queue_commit(queue, &message, PRONG_NOWAIT), PRONG_FULL);
    ok(prong_message_release(&message));
    ok(prong_queue_receive(queue, &message, PRONG_NOWAIT));
    equal(message.size, 10);
    check(memcmp(message.data, "0123456789", 10) == 0);
    ok(prong_queue_commit(queue, &message, PRONG_NOWAIT)); /* a received message may be sent on */
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* --- with other processes --- */

struct counting {
    prong_queue queue, results;
    long count, first;
};

static int put_numbers(void *argument, size_t size) {
    struct counting *c = argument;
    check(size == sizeof *c);
    for (long i = 0; i < c->count; i++) {
        long number = c->first + i;
        ok(prong_queue_put(c->queue, &number, sizeof number, PRONG_SECONDS(10)));
    }
    return 0;
}

METHOD_TEST(what_a_child_puts_outlives_it) {
    struct counting c = {.queue = make(0), .count = 50000};
    equal(test_end(start_with(method, put_numbers, c)), 0);
    for (long i = 0, got; i < c.count; i++) {
        ok(prong_queue_get(c.queue, &got, sizeof got, NULL, PRONG_NOWAIT));
        equal(got, i);
    }
    ok(prong_queue_destroy(c.queue));
    test_arena_is_clean(0);
}

static int sum_numbers(void *argument, size_t size) {
    struct counting *c = argument;
    long sums[2] = {0, 0}, got;
    (void)size;
    while (prong_queue_get(c->queue, &got, sizeof got, NULL, PRONG_SECONDS(10)) == PRONG_OK) {
        sums[0]++;
        sums[1] += got;
    }
    ok(prong_queue_put(c->results, sums, sizeof sums, PRONG_FOREVER));
    return 0;
}

METHOD_TEST(four_producers_and_four_consumers_lose_and_double_nothing) {
    enum { SIDES = 4, EACH = 20000 };
    struct counting c = {.queue = make(1000), .results = make(0), .count = EACH};
    prong_process producers[SIDES], consumers[SIDES];
    for (int i = 0; i < SIDES; i++) {
        consumers[i] = start_with(method, sum_numbers, c);
        c.first = i * EACH;
        producers[i] = start_with(method, put_numbers, c);
    }
    for (int i = 0; i < SIDES; i++) equal(test_end(producers[i]), 0);
    ok(prong_queue_shutdown(c.queue));
    long count = 0, sum = 0;
    for (int i = 0; i < SIDES; i++) {
        long sums[2];
        ok(prong_queue_get(c.results, sums, sizeof sums, NULL, PRONG_SECONDS(10)));
        equal(test_end(consumers[i]), 0);
        count += sums[0];
        sum += sums[1];
    }
    equal(count, SIDES * EACH);
    equal(sum, (long)SIDES * EACH * (SIDES * EACH - 1) / 2);
    ok(prong_queue_destroy(c.queue));
    ok(prong_queue_destroy(c.results));
    test_arena_is_clean(0);
}

static int answer_on_the_queue_that_comes(void *argument, size_t size) {
    prong_queue answers;
    (void)size;
    ok(prong_queue_get(*(prong_queue *)argument, &answers, sizeof answers, NULL, PRONG_SECONDS(10)));
    return prong_queue_put(answers, "here", 4, PRONG_FOREVER);
}

METHOD_TEST(a_queue_can_be_sent_through_a_queue) {
    prong_queue queue = make(0), answers = make(0);
    char text[4];
    prong_process child = start_with(method, answer_on_the_queue_that_comes, queue);
    ok(prong_queue_put(queue, &answers, sizeof answers, PRONG_NOWAIT));
    ok(prong_queue_get(answers, text, sizeof text, NULL, PRONG_SECONDS(10)));
    check(memcmp(text, "here", 4) == 0);
    equal(test_end(child), 0);
}

static int wait_in_get(void *argument, size_t size) {
    long got;
    (void)size;
    prong_queue_get(*(prong_queue *)argument, &got, sizeof got, NULL, PRONG_FOREVER);
    return 1;
}

METHOD_TEST(a_consumer_killed_while_it_waits_holds_up_nobody) {
    prong_queue queue = make(0);
    for (int round = 0; round < 3; round++) {
        prong_process child = start_with(method, wait_in_get, queue);
        test_sleep_ms(30);
        ok(prong_process_signal(child, SIGKILL));
        equal(test_end(child), -SIGKILL);
        long i = round, got;
        ok(prong_queue_put(queue, &i, sizeof i, PRONG_SECONDS(1)));
        ok(prong_queue_get(queue, &got, sizeof got, NULL, PRONG_SECONDS(1)));
        equal(got, i);
    }
    test_arena_is_clean(1);
}

static int reserve_and_receive_then_die(void *argument, size_t size) {
    prong_queue queue = *(prong_queue *)argument;
    prong_message reserved, received;
    (void)size;
    ok(prong_message_reserve(&reserved, 100000));
    ok(prong_queue_receive(queue, &received, PRONG_SECONDS(10)));
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(what_a_dead_process_had_in_its_hands_is_freed) {
    prong_queue queue = make(0);
    static char large[50000];
    ok(prong_queue_put(queue, large, sizeof large, PRONG_NOWAIT));
    equal(test_end(start_with(method, reserve_and_receive_then_die, queue)), -SIGKILL);
    check(test_queue_size(queue) == 0);
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

static int destroy_soon(void *argument, size_t size) {
    (void)size;
    test_sleep_ms(50);
    return prong_queue_destroy(*(prong_queue *)argument);
}

METHOD_TEST(who_waits_on_a_queue_that_is_destroyed_is_told) {
    prong_queue queue = make(0);
    long got;
    prong_process child = start_with(method, destroy_soon, queue);
    prong_status status = prong_queue_get(queue, &got, sizeof got, NULL, PRONG_SECONDS(10));
    check(status == PRONG_SHUTDOWN || status == PRONG_STALE);
    equal(test_end(child), 0);
}

/* Where a queue was there is soon another, in the same memory, while some are on their way in or out of the one before. */
struct succession {
    _Atomic uint64_t offset, generation; /* 0: it is over */
    _Atomic uint64_t wrong, right;
};

static bool present_queue(struct succession *s, prong_queue *queue) {
    do {
        queue->generation = atomic_load(&s->generation);
        queue->offset = atomic_load(&s->offset);
    } while (atomic_load(&s->generation) != queue->generation);
    return queue->generation != 0;
}

static int use_each_queue(void *argument, size_t size) {
    struct succession *s = prong_memory_at(*(uint64_t *)argument);
    prong_queue queue;
    uint64_t got = 0;
    (void)size;
    for (int i = 0; present_queue(s, &queue); i++) {
        prong_status status = i % 8 == 0
                                  ? prong_queue_put(queue, &queue.generation, sizeof queue.generation, PRONG_NOWAIT)
                                  : prong_queue_get(queue, &got, sizeof got, NULL, PRONG_SECONDS(9));
        if (status >= 0 && i % 8 != 0) atomic_fetch_add(got == queue.generation ? &s->right : &s->wrong, 1);
        if (status < 0 && status != PRONG_STALE && status != PRONG_SHUTDOWN && status != PRONG_FULL) return (int)status;
    }
    return 0;
}

LONG_METHOD_TEST(what_follows_a_destroyed_queue_in_its_place_is_not_disturbed_by_those_late_for_it, 60) {
    enum { USERS = 4, QUEUES = 20000 };
    struct succession *s;
    prong_process users[USERS];
    prong_queue queue = make(0);
    ok(prong_memory_alloc(sizeof *s, (void **)&s));
    *s = (struct succession){.offset = queue.offset, .generation = queue.generation};
    uint64_t place = prong_memory_offset(s);
    for (int i = 0; i < USERS; i++) users[i] = start_with(method, use_each_queue, place);
    for (int i = 0; i < QUEUES; i++) {
        for (int j = 0; j < i % 4; j++)
            ok(prong_queue_put(queue, &queue.generation, sizeof queue.generation, PRONG_SECONDS(9)));
        ok(prong_queue_destroy(queue));
        queue = make(i % 3);
        atomic_store(&s->generation, 1); /* none */
        atomic_store(&s->offset, queue.offset);
        atomic_store(&s->generation, queue.generation);
    }
    atomic_store(&s->generation, 0);
    ok(prong_queue_destroy(queue));
    for (int i = 0; i < USERS; i++) equal(test_end(users[i]), 0);
    equal(atomic_load(&s->wrong), 0);
    check(atomic_load(&s->right) > 0);
    ok(prong_memory_free(s));
    test_arena_is_clean(0);
}

TEST(an_exhausted_arena_is_an_error_and_goes_on_when_there_is_room) {
    ok(prong_family_create(&(prong_family_options){.arena_size = 64 << 20}));
    prong_queue queue = make(0);
    static char large[1 << 20];
    prong_status status;
    int count = 0;
    while (!(status = prong_queue_put(queue, large, sizeof large, PRONG_NOWAIT))) count++;
    equal(status, PRONG_NO_MEMORY);
    says("64 MiB");
    check(count > 50);
    prong_message message;
    is(prong_message_reserve(&message, (size_t)1 << 40), PRONG_NO_MEMORY);
    ok(prong_queue_get(queue, large, sizeof large, NULL, PRONG_NOWAIT));
    ok(prong_queue_put(queue, large, sizeof large, PRONG_NOWAIT));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(a_waiting_process_uses_no_processor) {
    prong_queue queue = make(0);
    long got;
    clock_t before = clock();
    is(prong_queue_get(queue, &got, sizeof got, NULL, PRONG_SECONDS(1)), PRONG_EMPTY);
    check(clock() - before < CLOCKS_PER_SEC / 50); /* 2 %, of which most is this machine's noise */
}

TEST(memory_is_used_again_before_fresh_pages_are_touched) {
    prong_queue queue = make(0);
    static char large[300000];
    prong_family_state before, after;
    for (int i = 0; i < 20; i++) {
        ok(prong_queue_put(queue, large, sizeof large, PRONG_NOWAIT));
        ok(prong_queue_get(queue, large, sizeof large, NULL, PRONG_NOWAIT));
    }
    ok(prong_family_check(&before));
    for (int i = 0; i < 2000; i++) {
        ok(prong_queue_put(queue, large, sizeof large - (size_t)i * 13, PRONG_NOWAIT));
        ok(prong_queue_get(queue, large, sizeof large, NULL, PRONG_NOWAIT));
    }
    ok(prong_family_check(&after));
    equal(after.touched_bytes, before.touched_bytes);
}

/* --- a caller that is held back --- */

static _Atomic bool counting;

static void stand_still(int signal) {
    (void)signal;
    nanosleep(&(struct timespec){0, 2000000}, NULL);
}

static void *put_and_take(void *queue) {
    char byte = 0;
    while (counting) {
        ok(prong_queue_put(*(prong_queue *)queue, &byte, 1, PRONG_SECONDS(5)));
        ok(prong_queue_get(*(prong_queue *)queue, &byte, 1, NULL, PRONG_SECONDS(5)));
    }
    return NULL;
}

static void *hold_back(void *thread) {
    while (counting) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        usleep(300);
    }
    return NULL;
}

TEST(a_queues_size_is_exact_though_its_caller_is_held_back) {
    prong_queue queue;
    pthread_t self = pthread_self(), others[2];
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = stand_still, .sa_flags = SA_RESTART}, NULL);
    ok(prong_queue_create(&queue, &(prong_queue_options){.maxsize = 3}));
    counting = true;
    check(pthread_create(&others[0], NULL, put_and_take, &queue) == 0);
    check(pthread_create(&others[1], NULL, hold_back, &self) == 0);
    for (int64_t until = test_now() + PRONG_SECONDS(2); test_now() < until;)
        for (int i = 0; i < 1000; i++) {
            size_t count;
            ok(prong_queue_size(queue, &count, NULL));
            check(count <= 1);
        }
    counting = false;
    for (int i = 0; i < 2; i++) pthread_join(others[i], NULL);
    ok(prong_queue_destroy(queue));
}

/* --- a thread that puts, or takes, often keeps the lock of its side: see src/channel/bias.h --- */

static void put_and_get_often(prong_queue queue) {
    for (long i = 0; i < 300; i++) {
        long number;
        ok(prong_queue_put(queue, &i, sizeof i, PRONG_NOWAIT));
        ok(prong_queue_get(queue, &number, sizeof number, NULL, PRONG_NOWAIT));
        equal(number, i);
    }
}

/* It is stopped outside: others do not wait for it. */
TEST(stopped_process_that_keeps_both_locks_stops_nobody) {
    prong_queue queue = make(0);
    pid_t pid = fork();
    if (pid == 0) {
        put_and_get_often(queue);
        raise(SIGSTOP);
        put_and_get_often(queue);
        _exit(0);
    }
    int status;
    check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    int64_t before = test_now();
    put_and_get_often(queue);
    check(test_now() - before < PRONG_SECONDS(5));
    kill(pid, SIGCONT);
    check(waitpid(pid, &status, 0) == pid && status == 0);
    ok(prong_queue_destroy(queue));
}

enum { KEEPERS = 3, ROUNDS = 40, BURST = 200 };

static void *put_in_bursts(void *argument) {
    prong_queue queue = *(prong_queue *)argument;
    for (long i = 0; i < ROUNDS * BURST; i++) {
        ok(prong_queue_put(queue, &i, sizeof i, PRONG_FOREVER));
        if (i % BURST == 0) test_sleep_ms(1);
    }
    return NULL;
}

/* The putters take the lock from each other, and the taker sleeps in between. */
TEST(lock_that_is_kept_passes_from_thread_to_thread) {
    prong_queue queue = make(0);
    pthread_t threads[KEEPERS];
    long sum = 0, number, each = (long)ROUNDS * BURST;
    for (int i = 0; i < KEEPERS; i++) check(pthread_create(&threads[i], NULL, put_in_bursts, &queue) == 0);
    for (long i = 0; i < KEEPERS * each; i++) {
        ok(prong_queue_get(queue, &number, sizeof number, NULL, PRONG_SECONDS(20)));
        sum += number;
    }
    for (int i = 0; i < KEEPERS; i++) pthread_join(threads[i], NULL);
    equal(sum, KEEPERS * (each * (each - 1) / 2));
    is(prong_queue_get(queue, &number, sizeof number, NULL, PRONG_NOWAIT), PRONG_EMPTY);
    ok(prong_queue_destroy(queue));
}
