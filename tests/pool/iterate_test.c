/* Iterators over results: their order, how far ahead they read, and what they report. */
#include "pool_test.h"

struct source {
    long next, end;
};

static bool next_number(prong_bytes *argument, void *context) {
    struct source *source = context;
    if (source->next == source->end) return false;
    static long number;
    number = source->next++;
    *argument = (prong_bytes){&number, sizeof number};
    return true;
}

METHOD_TEST(imap_gives_results_in_order_and_reads_ahead_only_so_far) {
    prong_pool pool = make(method, 2);
    struct source source = {0, 2000};
    prong_iterator *iterator;
    prong_outcome outcome;
    ok(prong_pool_iterate(pool, &(prong_work){.task = square, .generator = next_number, .generator_context = &source},
                          &iterator, &(prong_task_options){.buffer = 16}));
    for (long i = 0; i < 2000; i++) {
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
        equal(outcome.index, i);
        equal(*(long *)outcome.data, i * i);
        check(source.next <= i + 16);
    }
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_iterator_close(iterator);
    prong_iterator_close(NULL);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

struct reports {
    size_t count;
    prong_progress last;
};

static void note_report(const prong_progress *progress, void *context) {
    struct reports *reports = context;
    check(!reports->count || progress->elapsed >= reports->last.elapsed + PRONG_MS(100) || progress->total);
    reports->count++;
    reports->last = *progress;
}

/* Never more often than ten times a second, and once at the end. */
METHOD_TEST(imap_reports_progress_now_and_then) {
    prong_pool pool = make(method, 2);
    struct source source = {0, 2000};
    struct reports reports = {0};
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_task_options options = {.progress = note_report, .progress_context = &reports};
    ok(prong_pool_iterate(pool, &(prong_work){.task = square, .generator = next_number, .generator_context = &source},
                          &iterator, &options));
    for (long i = 0; i < 2000; i++) ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    check(reports.last.done == 2000 && reports.last.total == 2000);
    check((prong_time)reports.count <= reports.last.elapsed / PRONG_MS(100) + 2);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
}

static bool one_nap(prong_bytes *argument, void *context) {
    static int nap = 500;
    bool *given = context;
    *argument = (prong_bytes){&nap, sizeof nap};
    return !*given && (*given = true);
}

METHOD_TEST(imap_reports_progress_while_it_waits) {
    prong_pool pool = make(method, 1);
    bool given = false;
    struct reports reports = {0};
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_task_options options = {.progress = note_report, .progress_context = &reports};
    ok(prong_pool_iterate(pool, &(prong_work){.task = sleep_ms, .generator = one_nap, .generator_context = &given},
                          &iterator, &options));
    is(prong_iterator_next(iterator, &outcome, PRONG_MS(1)), PRONG_TIMEOUT);
    size_t before = reports.count;
    ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(60)));
    check(reports.count > before + 1);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(imap_unordered_gives_each_result_once) {
    prong_pool pool = make(method, 3);
    struct source source = {0, 1000};
    prong_iterator *iterator;
    prong_outcome outcome;
    static bool seen[1000];
    ok(prong_pool_iterate(pool, &(prong_work){.task = square, .generator = next_number, .generator_context = &source},
                          &iterator, &(prong_task_options){.unordered = true}));
    for (int i = 0; i < 1000; i++) {
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
        check(!seen[outcome.index]);
        seen[outcome.index] = true;
        equal(*(long *)outcome.data, outcome.index * outcome.index);
    }
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(an_imap_may_be_closed_half_way_and_wait_in_vain) {
    prong_pool pool = make(method, 2);
    struct source source = {0, 1000};
    prong_iterator *iterator;
    prong_outcome outcome;
    ok(prong_pool_iterate(pool, &(prong_work){.task = square, .generator = next_number, .generator_context = &source},
                          &iterator, NULL));
    ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
    prong_iterator_close(iterator);
    source = (struct source){3000, 3001};
    ok(prong_pool_iterate(pool, &(prong_work){.task = sleep_ms, .generator = next_number, .generator_context = &source},
                          &iterator, NULL));
    is(prong_iterator_next(iterator, &outcome, PRONG_MS(20)), PRONG_TIMEOUT);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
