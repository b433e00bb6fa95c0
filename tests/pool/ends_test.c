/* What ends a wait, a job or an iterator other than its results, and what the status and its message then say. */
#include "pool_test.h"

#include <signal.h>
#include <unistd.h>

#define SOON PRONG_SECONDS(10)

static bool endless(prong_bytes *argument, void *context) {
    static long number;
    number = (*(long *)context)++;
    *argument = (prong_bytes){&number, sizeof number};
    return true;
}

static bool endless_naps(prong_bytes *argument, void *context) {
    static int nap = 60000;
    (void)context;
    *argument = (prong_bytes){&nap, sizeof nap};
    return true;
}

METHOD_TEST(an_iterator_ends_with_its_pool) {
    for (int unordered = 0; unordered < 2; unordered++)
        for (int waits = 0; waits < 2; waits++) {
            prong_pool pool = make(method, 1);
            long next = 0;
            prong_iterator *iterator;
            prong_outcome outcome;
            prong_work work = {.task = waits ? sleep_ms : square,
                               .generator = waits ? endless_naps : endless,
                               .generator_context = &next};
            ok(prong_pool_iterate(pool, &work, &iterator,
                                  &(prong_task_options){.buffer = 2, .unordered = unordered != 0}));
            if (waits)
                is(prong_iterator_next(iterator, &outcome, PRONG_MS(1)), PRONG_TIMEOUT);
            else
                ok(prong_iterator_next(iterator, &outcome, SOON));
            ok(prong_pool_terminate(pool));
            prong_status status = PRONG_OK;
            for (int i = 0; i < 10 && status >= 0; i++) status = prong_iterator_next(iterator, &outcome, SOON);
            check(status < 0 && status != PRONG_TIMEOUT);
            says("iterate: the pool was terminated, or is broken");
            ok(prong_pool_destroy(pool));
            check(prong_iterator_next(iterator, &outcome, SOON) < 0);
            says("iterate: the pool was destroyed");
            prong_iterator_close(iterator);
            test_arena_is_clean(0);
        }
}

METHOD_TEST(an_iterator_of_a_pool_that_was_shut_down_is_told_when_its_workers_have_ended) {
    prong_pool pool = make(method, 1);
    long next = 0;
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_work work = {.task = square, .generator = endless, .generator_context = &next};
    ok(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.buffer = 2}));
    ok(prong_iterator_next(iterator, &outcome, SOON));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(20)));
    prong_status status = PRONG_OK;
    for (int i = 0; i < 10 && status >= 0; i++) status = prong_iterator_next(iterator, &outcome, SOON);
    equal(status, PRONG_NOT_RUNNING);
    says("its workers have ended");
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(one_tasks_wait_times_out_and_so_does_a_pools) {
    prong_pool pool = make(method, 1);
    int naps[2] = {0, 60000};
    prong_job job;
    prong_outcome outcome;
    ok(prong_pool_submit(pool, &(prong_work){.task = sleep_ms, .in = naps, .in_size = sizeof(int), .count = 2}, &job,
                         NULL));
    ok(prong_job_outcome(job, 0, &outcome, SOON));
    is(prong_job_outcome(job, 1, &outcome, PRONG_MS(20)), PRONG_TIMEOUT);
    says("task 1 is not done");
    is(prong_job_outcome(job, 2, &outcome, SOON), PRONG_INVALID);
    says("task 2 of a job of 2");
    is(prong_pool_join(pool, PRONG_MS(20)), PRONG_STILL_RUNNING); /* it takes work still */
    ok(prong_pool_shutdown(pool));
    is(prong_pool_join(pool, PRONG_MS(20)), PRONG_TIMEOUT);
    says("still has workers");
    ok(prong_job_cancel(job, true));
    ok(prong_job_outcome(job, 1, &outcome, SOON));
    is(outcome.status, PRONG_CANCELLED);
    ok(prong_pool_join(pool, SOON));
    ok(prong_job_destroy(job));
    is(prong_job_outcome(job, 0, &outcome, SOON), PRONG_STALE);
    is(prong_job_progress(job, &(prong_progress){0}), PRONG_STALE);
    is(prong_job_cancel(job, false), PRONG_STALE);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int die_once(void *argument, size_t size, prong_result *result) {
    prong_event *event = argument;
    (void)size, (void)result;
    if (prong_event_is_set(*event)) return 0;
    return prong_event_set(*event) < 0 ? 1 : kill(getpid(), SIGKILL);
}

/* The last worker dies when no more work is taken: what was submitted before is run. */
METHOD_TEST(a_pool_that_was_shut_down_replaces_a_worker_while_tasks_are_left) {
    prong_pool pool = make(method, 1);
    prong_event event;
    prong_job job;
    ok(prong_event_create(&event, NULL));
    prong_event events[3] = {event, event, event};
    prong_work work = {.task = die_once, .in = events, .in_size = sizeof event, .count = 3};
    ok(prong_pool_submit(pool, &work, &job, &(prong_task_options){.retries = 1}));
    ok(prong_pool_shutdown(pool));
    ok(prong_job_wait(job, SOON));
    ok(prong_pool_join(pool, SOON));
    ok(prong_job_destroy(job));
    ok(prong_event_destroy(event));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- callbacks of failures alone --- */

static _Atomic int failures;

static void count_failure(prong_job job, prong_status status, const char *message, void *context) {
    check(status == PRONG_TASK_FAILED && strstr(message, "code 4"));
    *(_Atomic int *)context += 1;
    ok(prong_job_destroy(job));
}

METHOD_TEST(a_callback_for_failures_alone_is_called_for_these) {
    prong_pool pool = make(method, 1);
    prong_job job, empty, good;
    int four = 4, zero = 0;
    prong_task_options options = {.error_callback = count_failure, .context = &failures};
    failures = 0;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, zero), &good, &options));
    ok(prong_pool_submit(pool, PRONG_TASK(refuse, four), &job, &options));
    ok(prong_pool_submit(pool, &(prong_work){.task = square, .in_size = 8}, &empty, &options)); /* of no tasks */
    ok(prong_job_wait(good, SOON));
    ok(prong_job_wait(empty, SOON));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, SOON));
    equal(failures, 1);
    ok(prong_job_destroy(good));
    ok(prong_job_destroy(empty));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- results of every size, and time limits of each job --- */

static int so_long(void *argument, size_t size, prong_result *result) {
    void *place;
    size_t length = *(size_t *)argument;
    (void)size;
    if (prong_result_set(result, NULL, 4) != PRONG_INVALID) return 2;
    if (prong_result_set(result, "twice", 5) < 0 || prong_result_reserve(result, length, &place) < 0) return 3;
    memset(place, 'x', length);
    return 0;
}

METHOD_TEST(lengths_of_results_are_told_though_nobody_wants_them) {
    prong_pool pool = make(method, 1);
    size_t in[3] = {0, 1, 100000}, sizes[3] = {7, 7, 7};
    prong_work work = {.task = so_long, .in = in, .in_size = sizeof *in, .count = 3, .sizes = sizes};
    ok(prong_pool_run(pool, &work, NULL, SOON));
    for (int i = 0; i < 3; i++) equal(sizes[i], in[i]);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(each_job_has_its_own_time_limit) {
    prong_pool pool = make(method, 1);
    int nap = 60000, short_nap = 1;
    prong_task_options generous = {.time_limit = PRONG_SECONDS(60)}, strict = {.time_limit = PRONG_MS(100)};
    for (int i = 0; i < 2; i++) {
        ok(prong_pool_run(pool, PRONG_TASK(sleep_ms, short_nap), &generous, SOON));
        is(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), &strict, SOON), PRONG_TASK_TIMEOUT);
        says("ran longer than its limit");
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- what is said of a task that was not run --- */

TEST(a_name_that_no_worker_finds_is_told_in_each_form) {
    static const double in[2] = {1, 2};
    static double out[2];
    prong_pool pool = make(PRONG_START_FORK, 1);
    prong_work work = {
        .name = ":no_such", .in = in, .in_size = sizeof *in, .count = 2, .out = out, .out_size = sizeof *out};
    const prong_form forms[] = {PRONG_FORM_TASK, PRONG_FORM_ELEMENT, PRONG_FORM_RANGE};
    for (int i = 0; i < 3; i++) {
        work.form = forms[i];
        is(prong_pool_run(pool, &work, NULL, SOON), PRONG_NO_FUNCTION);
        says(":no_such");
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static prong_status echo(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    (void)document, (void)keywords;
    return prong_list_get(arguments, 0, result);
}

METHOD_TEST(the_value_of_an_outcome_that_has_none_is_its_failure) {
    prong_pool pool = make(method, 1);
    prong_document *document;
    prong_value one, none, value;
    prong_job job;
    prong_outcome outcome;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &one, "(i)", 7));
    ok(prong_build(document, &none, "()"));
    ok(prong_pool_submit(pool, &(prong_work){.value_task = echo, .values = one}, &job, NULL));
    ok(prong_job_outcome(job, 0, &outcome, SOON));
    ok(prong_outcome_value(&outcome, document, &value));
    check(prong_value_equal(value, prong_make_int(7)));
    ok(prong_job_destroy(job));
    ok(prong_pool_submit(pool, &(prong_work){.value_task = echo, .values = none}, &job, NULL));
    ok(prong_job_outcome(job, 0, &outcome, SOON));
    is(prong_outcome_value(&outcome, document, &value), PRONG_TASK_FAILED);
    ok(prong_job_destroy(job));
    outcome = (prong_outcome){.status = PRONG_CANCELLED, .index = 3};
    is(prong_outcome_value(&outcome, document, &value), PRONG_CANCELLED);
    says("task 3 was cancelled");
    prong_document_close(document);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

TEST(outside_of_a_task_there_is_no_context) {
    size_t size = 7;
    check(!prong_task_context(&size) && size == 0);
    check(!prong_task_context(NULL));
    is(prong_pool_serve(), PRONG_INVALID);
    says("is not the initializer of a pool's worker");
}

/* --- a pool whose owner has died --- */

struct given {
    prong_queue pools;
    prong_start_method method;
};

static int own_a_pool(void *argument, size_t size) {
    struct given *given = argument;
    (void)size;
    prong_pool pool = make((int)given->method, 1);
    ok(prong_queue_put(given->pools, &pool, sizeof pool, SOON));
    for (;;) pause();
}

METHOD_TEST(a_pool_whose_owner_was_killed_takes_no_work) {
    struct given given = {.method = (prong_start_method)method};
    prong_pool pool;
    long three = 3, got;
    ok(prong_queue_create(&given.pools, NULL));
    prong_process owner = start_with(method, own_a_pool, given);
    ok(prong_queue_get(given.pools, &pool, sizeof pool, NULL, SOON));
    prong_work work = {
        .task = square, .in = &three, .in_size = sizeof three, .count = 1, .out = &got, .out_size = sizeof got};
    ok(prong_pool_run(pool, &work, NULL, SOON)); /* any member may */
    equal(got, 9);
    ok(prong_process_signal(owner, SIGKILL));
    equal(test_end(owner), -SIGKILL);
    for (int i = 0; i < 20; i++) { /* at once, and when the pool has gone */
        prong_status status = prong_pool_run(pool, &work, NULL, SOON);
        check(status == PRONG_NOT_RUNNING || status == PRONG_CANCELLED || status == PRONG_STALE);
        if (status == PRONG_STALE) break;
    }
    ok(prong_queue_destroy(given.pools));
}
