/* Callbacks and progress: that they are called, how often, and what they may call. */
#include "pool_test.h"

#include <stdatomic.h>

struct seen {
    _Atomic int good, bad;
    _Atomic long sum;
    char message[200];
};

static void on_success(prong_job job, void *context) {
    struct seen *seen = context;
    prong_outcome outcome;
    ok(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    seen->sum += *(long *)outcome.data;
    ok(prong_job_destroy(job)); /* its own job, from within */
    seen->good++;
}

static void on_failure(prong_job job, prong_status status, const char *message, void *context) {
    struct seen *seen = context;
    check(status == PRONG_TASK_FAILED);
    snprintf(seen->message, sizeof seen->message, "%s", message);
    ok(prong_job_destroy(job));
    seen->bad++;
}

METHOD_TEST(callbacks_are_called_once_for_each_job) {
    enum { COUNT = 200 };
    prong_pool pool = make(method, 2);
    static struct seen seen;
    prong_task_options options = {.callback = on_success, .error_callback = on_failure, .context = &seen};
    prong_job job;
    for (long i = 0; i < COUNT; i++) ok(prong_pool_submit(pool, PRONG_TASK(square, i), &job, &options));
    int code = 4;
    ok(prong_pool_submit(pool, PRONG_TASK(refuse, code), &job, &options));
    for (int i = 0; i < 1000 && (seen.good < COUNT || !seen.bad); i++) test_sleep_ms(5);
    equal(seen.good, COUNT);
    equal(seen.bad, 1);
    equal(seen.sum, (long)COUNT * (COUNT - 1) * (2 * COUNT - 1) / 6);
    check(strstr(seen.message, "code 4"));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static void note_progress(const prong_progress *progress, void *context) {
    prong_progress *last = context;
    check(progress->done >= last->done && progress->done <= progress->total);
    *last = *progress;
}

METHOD_TEST(progress_is_reported_while_a_job_is_waited_for) {
    prong_pool pool = make(method, 2);
    prong_progress last = {0};
    prong_bytes arguments[10];
    int nap = 60;
    for (int i = 0; i < 10; i++) arguments[i] = (prong_bytes){&nap, sizeof nap};
    prong_task_options options = {.progress = note_progress, .progress_context = &last};
    ok(prong_pool_run(pool, &(prong_work){.task = sleep_ms, .arguments = arguments, .count = 10}, &options,
                      PRONG_SECONDS(10)));
    check(last.done == 10 && last.total == 10 && last.rate > 0 && last.elapsed > 0);
    prong_progress_bar(&last, NULL); /* silent: standard error is no terminal here */
    ok(prong_pool_destroy(pool));
}

/* What a progress callback may call: a task of the same pool, and the cancelling of its own job. */
struct asking {
    prong_pool pool;
    prong_job job;
    long squared;
    int calls;
};

static void ask_in_progress(const prong_progress *progress, void *context) {
    struct asking *asking = context;
    long number = 12;
    (void)progress;
    if (asking->calls++) return;
    ok(prong_pool_run(asking->pool, PRONG_APPLY(square, number, asking->squared), NULL, PRONG_SECONDS(10)));
    ok(prong_job_cancel(asking->job, true));
}

METHOD_TEST(a_progress_callback_may_use_the_pool_and_cancel_its_job) {
    int forever = 1000000;
    struct asking asking = {.pool = make(method, 2)};
    prong_task_options options = {.progress = ask_in_progress, .progress_context = &asking};
    ok(prong_pool_submit(asking.pool, PRONG_TASK(sleep_ms, forever), &asking.job, &options));
    is(prong_job_wait(asking.job, PRONG_SECONDS(15)), PRONG_CANCELLED);
    equal(asking.squared, 144);
    check(asking.calls >= 1);
    ok(prong_job_destroy(asking.job));
    ok(prong_pool_destroy(asking.pool));
}

static bool ask_in_generator(prong_bytes *argument, void *context) {
    struct asking *asking = context;
    static long number;
    number = ++asking->calls;
    ok(prong_pool_run(asking->pool, PRONG_APPLY(square, number, asking->squared), NULL, PRONG_SECONDS(10)));
    *argument = (prong_bytes){&asking->squared, sizeof asking->squared};
    return asking->calls <= 5;
}

METHOD_TEST(a_generator_may_use_the_pool) {
    struct asking asking = {.pool = make(method, 2)};
    prong_outcome outcome;
    prong_iterator *iterator;
    long result;
    ok(prong_pool_iterate(asking.pool,
                          &(prong_work){.task = square, .generator = ask_in_generator, .generator_context = &asking},
                          &iterator, NULL));
    for (long i = 1; i <= 5; i++) {
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
        memcpy(&result, outcome.data, sizeof result);
        equal(result, i * i * i * i);
    }
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_EOF);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(asking.pool));
}
