/* Journals: a run that was ended goes on where it was, and nothing else than the same run does. */
#include "journal_test.h"

#include <signal.h>
#include <sys/wait.h>

METHOD_TEST(a_second_run_runs_what_the_first_has_not) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(method, 2);
    numbers_set(&n, 20);
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), 20);
    numbers_set(&n, 20);
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), 20);
    ok(prong_pool_destroy(pool));
    pool = make(method, 3);
    numbers_set(&n, NUMBERS); /* more inputs than before; then fewer */
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), NUMBERS);
    numbers_set(&n, 7);
    ok(numbers_run(&n, pool, NULL));
    numbers_check(&n);
    equal(ran(), NUMBERS);
    ok(prong_pool_destroy(pool));
    leave_directory();
    test_arena_is_clean(0);
}

/* --- iterators --- */

static void iterate(prong_pool pool, struct numbers *n, bool unordered, size_t take, prong_task_options options) {
    prong_iterator *iterator;
    prong_outcome outcome;
    bool seen[NUMBERS] = {0};
    options.journal = JOURNAL;
    options.unordered = unordered;
    prong_work work = {.task = noted_square, .in = n->in, .in_size = sizeof *n->in, .count = n->count};
    ok(prong_pool_iterate(pool, &work, &iterator, &options));
    for (size_t i = 0; i < take; i++) {
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
        check(unordered ? !seen[outcome.index] : outcome.index == i);
        seen[outcome.index] = true;
        equal(*(long *)outcome.data, outcome.index * outcome.index);
        equal(outcome.size, sizeof(long));
        equal((uintptr_t)outcome.data % 8, 0);
    }
    if (take == n->count) is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_iterator_close(iterator);
}

METHOD_TEST(an_iterator_gives_recorded_results_in_their_order) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(method, 2);
    numbers_set(&n, NUMBERS);
    iterate(pool, &n, true, 10, (prong_task_options){.buffer = 3});
    check(ran() >= 10 && ran() <= 13);
    iterate(pool, &n, false, 20, (prong_task_options){.buffer = 3});
    iterate(pool, &n, false, NUMBERS, (prong_task_options){0});
    check(ran() <= NUMBERS + 6);
    long before = ran();
    iterate(pool, &n, false, NUMBERS, (prong_task_options){0});
    iterate(pool, &n, true, NUMBERS, (prong_task_options){.buffer = 1});
    numbers_set(&n, NUMBERS);
    ok(numbers_run(&n, pool, NULL)); /* it is one journal to all calls */
    numbers_check(&n);
    equal(ran(), before);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

static int slow_first(void *argument, size_t size, prong_result *result) {
    if (*(long *)argument == 0) test_sleep_ms(60000);
    return noted_square(argument, size, result);
}

/* They do not wait for the first, which has not ended. */
TEST(results_are_recorded_before_it_is_their_turn) {
    struct numbers n;
    prong_iterator *iterator;
    prong_outcome outcome;
    enter_directory();
    prong_pool pool = make(PRONG_START_FORK, 2);
    numbers_set(&n, NUMBERS);
    prong_task_options options = {.journal = JOURNAL, .buffer = NUMBERS};
    prong_work work = {.task = slow_first, .in = n.in, .in_size = sizeof *n.in, .count = NUMBERS};
    ok(prong_pool_iterate(pool, &work, &iterator, &options));
    while (ran() < NUMBERS - 1 || file_size(JOURNAL) < 512 + (NUMBERS - 1) * 56)
        is(prong_iterator_next(iterator, &outcome, PRONG_MS(20)), PRONG_TIMEOUT);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

/* --- arrays --- */

static int noted_twice(const void *in, void *out) {
    note_that_it_ran();
    return twice(in, out);
}

static int noted_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (noted_twice((const double *)in + i, (double *)out + i)) return 1;
    return 0;
}

static void check_doubled(double *out, int count) {
    for (int i = 0; i < count; i++) {
        check(out[i] == 2.0 * i);
        out[i] = -1;
    }
}

METHOD_TEST(elements_and_ranges_are_resumed_in_any_chunks) {
    enum { COUNT = 100 };
    double in[COUNT], out[COUNT];
    enter_directory();
    prong_pool pool = make(method, 2);
    prong_task_options options = {.journal = JOURNAL, .chunk_size = 7};
    prong_work work = {
        .element = noted_twice, .in = in, .in_size = sizeof *in, .count = 50, .out = out, .out_size = sizeof *out};
    for (int i = 0; i < COUNT; i++) in[i] = i;
    ok(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)));
    check_doubled(out, 50);
    work.count = COUNT;
    options.chunk_size = 11;
    ok(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)));
    check_doubled(out, COUNT);
    options.chunk_size = 0;
    ok(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)));
    check_doubled(out, COUNT);
    equal(ran(), COUNT);
    work.element = NULL;
    work.range = noted_range;
    is(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("of another function");
    unlink(JOURNAL);
    ok(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)));
    check_doubled(out, COUNT);
    ok(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)));
    check_doubled(out, COUNT);
    equal(ran(), 2 * COUNT);
    work.out_size = 4;
    is(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

/* --- values --- */

static prong_status noted_sum(prong_document *document, prong_value arguments, prong_value keywords,
                              prong_value *result) {
    int64_t a, b;
    (void)document, (void)keywords;
    note_that_it_ran();
    prong_status status = prong_scan(arguments, "(II)", &a, &b);
    *result = prong_make_int(a + b);
    return status;
}

METHOD_TEST(tasks_of_values_are_resumed) {
    prong_document *document;
    prong_value result = prong_make_null();
    enter_directory();
    prong_pool pool = make(method, 2);
    ok(prong_document_open(&document, NULL));
    prong_work work = {.value_task = noted_sum, .each = PRONG_EACH_SPREAD, .document = document, .result = &result};
    ok(prong_build(document, &work.values, "[(ii)(ii)(ii)]", 1, 2, 30, 40, 500, 600));
    for (int run = 0; run < 2; run++) {
        int64_t sums[3];
        ok(prong_pool_run(pool, &work, &(prong_task_options){.journal = JOURNAL}, PRONG_SECONDS(10)));
        ok(prong_scan(result, "[III]", &sums[0], &sums[1], &sums[2]));
        check(sums[0] == 3 && sums[1] == 70 && sums[2] == 1100);
        equal(ran(), 3);
    }
    ok(prong_build(document, &work.values, "[(ii)(ii)(ii)]", 1, 2, 30, 41, 500, 600));
    is(prong_pool_run(pool, &work, &(prong_task_options){.journal = JOURNAL}, PRONG_SECONDS(10)), PRONG_INVALID);
    says("that of item 1 is not what it was");
    prong_document_close(document);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

/* --- what is not the same run --- */

static int other_square(void *argument, size_t size, prong_result *result) {
    return noted_square(argument, size, result) + 0 * (int)size;
}

METHOD_TEST(another_function_input_or_context_is_an_error) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(method, 2);
    prong_task_options options = {.journal = JOURNAL};
    numbers_set(&n, 20);
    ok(numbers_run(&n, pool, NULL));
    n.in[13] = 99;
    is(numbers_run(&n, pool, NULL), PRONG_INVALID);
    says("that of item 13 is not what it was");
    numbers_set(&n, 20);
    prong_work work = {.task = other_square, .in = n.in, .in_size = sizeof *n.in, .count = 20};
    is(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("of another function");
    work.task = noted_square;
    work.context = "c";
    work.context_size = 1;
    is(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)), PRONG_INVALID);
    says("of other inputs");
    equal(ran(), 20);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

TEST(a_name_of_ones_own_stands_for_the_function) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(PRONG_START_FORK, 2);
    prong_task_options options = {.journal = JOURNAL, .journal_identity = "square, version 1"};
    numbers_set(&n, 20);
    ok(numbers_run(&n, pool, &options));
    prong_work work = {.task = other_square, .in = n.in, .in_size = sizeof *n.in, .count = 20};
    ok(prong_pool_run(pool, &work, &options, PRONG_SECONDS(10)));
    equal(ran(), 20);
    options.journal_identity = "square, version 2";
    is(numbers_run(&n, pool, &options), PRONG_INVALID);
    says("'square, version 1'");
    says("'square, version 2'");
    ok(prong_pool_destroy(pool));
    leave_directory();
}

static void no_callback(prong_job job, void *context) {
    (void)job, (void)context;
}

TEST(options_that_do_not_go_with_a_journal_are_refused) {
    struct numbers n;
    prong_job job;
    char identity[400] = {0};
    enter_directory();
    prong_pool pool = make(PRONG_START_FORK, 1);
    numbers_set(&n, 3);
    prong_work work = {.task = square, .in = n.in, .in_size = sizeof *n.in, .count = 3};
    is(prong_pool_submit(pool, &work, &job, &(prong_task_options){.journal = JOURNAL}), PRONG_INVALID);
    says("for prong_pool_run and prong_pool_iterate");
    is(numbers_run(&n, pool, &(prong_task_options){.journal = JOURNAL, .callback = no_callback}), PRONG_INVALID);
    is(numbers_run(&n, pool, &(prong_task_options){.journal_identity = "x"}), PRONG_INVALID);
    memset(identity, 'x', sizeof identity - 1);
    is(numbers_run(&n, pool, &(prong_task_options){.journal = JOURNAL, .journal_identity = identity}), PRONG_INVALID);
    equal(file_size(JOURNAL), 0);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

/* --- two runs --- */

static int run_on_it(void *argument, size_t size) {
    struct numbers n;
    (void)argument, (void)size;
    prong_pool pool = make(PRONG_START_DEFAULT, 1);
    numbers_set(&n, 3);
    prong_status status = numbers_run(&n, pool, NULL);
    ok(prong_pool_destroy(pool));
    return status == PRONG_STILL_RUNNING ? 3 : status != PRONG_OK;
}

METHOD_TEST(two_runs_cannot_share_a_journal) {
#ifdef __SANITIZE_THREAD__
    if (method == PRONG_START_FORK)
        test_skip("a sanitizer's own threads do not survive a fork of a process with threads");
#endif
    struct numbers n;
    prong_iterator *iterator;
    enter_directory();
    prong_pool pool = make(method, 1);
    numbers_set(&n, 3);
    prong_work work = {.task = noted_square, .in = n.in, .in_size = sizeof *n.in, .count = 3};
    ok(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.journal = JOURNAL}));
    is(numbers_run(&n, pool, NULL), PRONG_STILL_RUNNING);
    says("journal '" JOURNAL "': another run has it open");
    int unused = 0;
    equal(test_end(start_with(method, run_on_it, unused)), 3);
    prong_iterator_close(iterator);
    equal(test_end(start_with(method, run_on_it, unused)), 0);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

static int wait_for_kill(void *argument, size_t size) {
    (void)argument, (void)size;
    test_sleep_ms(60000);
    return 0;
}

/* One that was forked while the journal was open does not keep its lock. */
METHOD_TEST(a_child_has_no_part_in_the_journal) {
    struct numbers n;
    prong_iterator *iterator;
    int unused = 0;
    enter_directory();
    prong_pool pool = make(method, 1);
    numbers_set(&n, 3);
    prong_work work = {.task = noted_square, .in = n.in, .in_size = sizeof *n.in, .count = 3};
    ok(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.journal = JOURNAL}));
    prong_process child = start_daemon(method, wait_for_kill, unused);
    prong_iterator_close(iterator);
    ok(numbers_run(&n, pool, NULL));
    ok(prong_process_signal(child, SIGKILL));
    test_end(child);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

/* --- failures --- */

static int fails_the_first_time(void *argument, size_t size, prong_result *result) {
    if (*(long *)argument == 3 && ran() < 10) return refuse(&(int){7}, size, result);
    if (*(long *)argument == 5 && ran() < 10) raise(SIGKILL);
    return noted_square(argument, size, result);
}

METHOD_TEST(tasks_that_failed_are_run_again) {
    struct numbers n;
    enter_directory();
    prong_pool pool = make(method, 2);
    numbers_set(&n, 10);
    prong_work work = {.task = fails_the_first_time,
                       .in = n.in,
                       .in_size = sizeof *n.in,
                       .count = 10,
                       .out = n.out,
                       .out_size = sizeof *n.out,
                       .sizes = n.sizes};
    prong_status status = prong_pool_run(pool, &work, &(prong_task_options){.journal = JOURNAL}, PRONG_SECONDS(10));
    check(status == PRONG_TASK_FAILED || status == PRONG_WORKER_DIED);
    says("(and others failed)");
    equal(ran(), 8);
    equal(n.out[4], 16);
    equal(n.out[5], -1);
    note_that_it_ran();
    note_that_it_ran();
    ok(prong_pool_run(pool, &work, &(prong_task_options){.journal = JOURNAL}, PRONG_SECONDS(10)));
    equal(ran(), 12);
    numbers_check(&n);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

TEST(a_result_that_does_not_fit_is_recorded) {
    long in[2] = {5, 6};
    char out[2][4] = {{0}};
    enter_directory();
    prong_pool pool = make(PRONG_START_FORK, 1);
    prong_work work = {.task = noted_square, .in = in, .in_size = sizeof *in, .count = 2, .out = out, .out_size = 4};
    for (int run = 0; run < 2; run++) {
        is(prong_pool_run(pool, &work, &(prong_task_options){.journal = JOURNAL}, PRONG_SECONDS(10)), PRONG_TOO_LONG);
        says("task 0: its result has 8 bytes");
    }
    equal(ran(), 2);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

static int nap_and_square(void *argument, size_t size, prong_result *result) {
    test_sleep_ms(2);
    return noted_square(argument, size, result);
}

static prong_status napping_run(struct numbers *n, prong_pool pool, prong_time timeout) {
    prong_work work = numbers_work(n, nap_and_square);
    return prong_pool_run(pool, &work, &(prong_task_options){.journal = JOURNAL}, timeout);
}

TEST(a_run_out_of_time_is_resumed) {
    struct numbers n;
    int runs = 0;
    enter_directory();
    prong_pool pool = make(PRONG_START_FORK, 2);
    numbers_set(&n, NUMBERS);
    while (napping_run(&n, pool, PRONG_MS(10)) != PRONG_OK) {
        says("not done in the time given");
        check(++runs < 10000);
    }
    numbers_check(&n);
    ok(prong_pool_destroy(pool));
    leave_directory();
}

/* --- the death of the one that runs --- */

static int run_until_killed(void *argument, size_t size) {
    struct numbers n;
    (void)argument, (void)size;
    prong_pool pool = make(PRONG_START_FORK, 2);
    numbers_set(&n, NUMBERS);
    ok(napping_run(&n, pool, PRONG_FOREVER));
    test_sleep_ms(60000);
    return 0;
}

LONG_METHOD_TEST(a_killed_run_is_resumed, 60) {
    enum { RECORDS = 512 + NUMBERS * 56, AHEAD = 8 };
    struct numbers n;
    int unused = 0, kills = 0;
    enter_directory();
    while (file_size(JOURNAL) < RECORDS) {
        prong_process runner = start_with(method, run_until_killed, unused);
        long begun = file_size(JOURNAL);
        for (int i = 0; file_size(JOURNAL) == begun || i < kills % 7; i++) test_sleep_ms(1);
        ok(prong_process_signal(runner, SIGKILL));
        equal(test_end(runner), -SIGKILL);
        kills++;
    }
    check(kills > 1);
    check(ran() <= NUMBERS + kills * AHEAD);
    long before = ran();
    prong_pool pool = make(method, 2);
    numbers_set(&n, NUMBERS);
    ok(napping_run(&n, pool, PRONG_SECONDS(10)));
    numbers_check(&n);
    equal(ran(), before);
    ok(prong_pool_destroy(pool));
    leave_directory();
}
