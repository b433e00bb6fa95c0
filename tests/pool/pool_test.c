/* The pool: forms of submission, results, callbacks, its life. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

static int square(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    check(size == sizeof number);
    number *= number;
    return prong_result_set(result, &number, sizeof number);
}

static int sleep_ms(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    test_sleep_ms(*(int *)argument);
    return 0;
}

static int refuse(void *argument, size_t size, prong_result *result) {
    (void)size;
    prong_result_set(result, "no such thing", 13);
    return *(int *)argument;
}

static int large(void *argument, size_t size, prong_result *result) {
    char *bytes;
    (void)argument;
    (void)size;
    if (prong_result_reserve(result, 1 << 20, (void **)&bytes) < 0) return 1;
    memset(bytes, 'x', 1 << 20);
    return 0;
}

METHOD_TEST(apply_gives_the_result) {
    prong_pool pool = make(method, 2);
    long number = 12, squared;
    size_t size;
    ok(prong_pool_run(pool,
                      &(prong_work){.task = square,
                                    .in = &number,
                                    .in_size = sizeof number,
                                    .count = 1,
                                    .out = &squared,
                                    .out_size = sizeof squared,
                                    .sizes = &size},
                      NULL, PRONG_SECONDS(10)));
    equal(squared, 144);
    equal(size, sizeof squared);
    static char bytes[1 << 20];
    ok(prong_pool_run(pool,
                      &(prong_work){.task = large, .count = 1, .out = bytes, .out_size = sizeof bytes, .sizes = &size},
                      NULL, PRONG_SECONDS(10)));
    check(size == sizeof bytes && bytes[0] == 'x' && bytes[sizeof bytes - 1] == 'x');
    is(prong_pool_run(pool, &(prong_work){.task = large, .count = 1, .out = bytes, .out_size = 10, .sizes = &size},
                      NULL, PRONG_SECONDS(10)),
       PRONG_TOO_LONG);
    equal(size, sizeof bytes);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_task_that_fails_says_so_and_so_does_one_out_of_time) {
    prong_pool pool = make(method, 2);
    int code = 33, nap = 2000;
    is(prong_pool_run(pool, PRONG_TASK(refuse, code), NULL, PRONG_SECONDS(10)), PRONG_TASK_FAILED);
    says("code 33");
    says("no such thing");
    is(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), NULL, PRONG_MS(50)), PRONG_TIMEOUT);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(starmap_keeps_results_apart_and_in_their_places) {
    enum { COUNT = 500 };
    prong_pool pool = make(method, 3);
    long numbers[COUNT];
    prong_bytes arguments[COUNT];
    prong_job job;
    prong_outcome outcome;
    for (long i = 0; i < COUNT; i++) {
        numbers[i] = i;
        arguments[i] = (prong_bytes){&numbers[i], sizeof numbers[i]};
    }
    ok(prong_pool_submit(pool, &(prong_work){.task = square, .arguments = arguments, .count = COUNT}, &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    check(prong_job_ready(job));
    ok(prong_job_wait(job, PRONG_NOWAIT));
    for (long i = 0; i < COUNT; i++) {
        ok(prong_job_outcome(job, (size_t)i, &outcome, PRONG_NOWAIT));
        equal(outcome.status, PRONG_OK);
        equal(*(long *)outcome.data, i * i);
    }
    is(prong_job_outcome(job, COUNT, &outcome, PRONG_NOWAIT), PRONG_INVALID);
    ok(prong_job_destroy(job));
    is(prong_job_destroy(job), PRONG_STALE);
    ok(prong_pool_submit(pool, &(prong_work){.task = square}, &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(async_jobs_can_be_waited_for_and_asked) {
    prong_pool pool = make(method, 2);
    int nap = 150;
    prong_job job;
    prong_progress progress;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    check(!prong_job_ready(job));
    is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TIMEOUT);
    is(prong_job_wait(job, PRONG_MS(10)), PRONG_TIMEOUT);
    ok(prong_job_progress(job, &progress));
    check(progress.done == 0 && progress.total == 1);
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    check(prong_job_ready(job));
    ok(prong_job_wait(job, PRONG_NOWAIT));
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

struct waiter {
    prong_job job;
    bool for_one;
    prong_status status;
};

static void *wait_for_job(void *context) {
    struct waiter *waiter = context;
    prong_outcome outcome;
    waiter->status = waiter->for_one ? prong_job_outcome(waiter->job, 0, &outcome, PRONG_FOREVER)
                                     : prong_job_wait(waiter->job, PRONG_FOREVER);
    return NULL;
}

METHOD_TEST(a_wait_for_a_job_that_is_closed_ends_and_no_other_job_has_its_memory_before) {
    prong_pool pool = make(method, 1);
    int nap = 60000;
    prong_job blocker, other;
    pthread_t thread;
    struct timespec end;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &blocker, NULL));
    for (int for_one = 0; for_one < 2; for_one++) {
        struct waiter waiter = {.for_one = for_one};
        ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &waiter.job, NULL));
        check(pthread_create(&thread, NULL, wait_for_job, &waiter) == 0);
        test_sleep_ms(50); /* for it to wait */
        ok(prong_job_destroy(waiter.job));
        ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &other, NULL));
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 10;
        check(pthread_timedjoin_np(thread, NULL, &end) == 0);
        check(waiter.status == PRONG_STALE || waiter.status == (for_one ? PRONG_OK : PRONG_CANCELLED));
        ok(prong_job_destroy(other));
    }
    ok(prong_job_cancel(blocker, true));
    ok(prong_job_destroy(blocker));
    ok(prong_pool_destroy(pool));
}

/* --- typed maps --- */

static int twice(const void *in, void *out) {
    *(double *)out = *(const double *)in * 2;
    return 0;
}

static int twice_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++) ((double *)out)[i] = ((const double *)in)[i] * 2;
    return 0;
}

static int narrow(const void *in, void *out) {
    double value = *(const double *)in;
    *(int *)out = (int)value;
    return value == 77 ? 5 : 0;
}

METHOD_TEST(map_fills_arrays_wherever_they_are) {
    enum { COUNT = 10000 };
    prong_pool pool = make(method, 2);
    double *in[2], *out[2];
    in[0] = malloc(COUNT * sizeof(double));
    out[0] = malloc(COUNT * sizeof(double));
    ok(prong_memory_alloc(COUNT * sizeof(double), (void **)&in[1]));
    ok(prong_memory_alloc(COUNT * sizeof(double), (void **)&out[1]));
    for (int i = 0; i < COUNT; i++) in[0][i] = in[1][i] = i;
    for (int from = 0; from < 2; from++)
        for (int to = 0; to < 2; to++)
            for (size_t chunk = 0; chunk <= 7; chunk += 7) {
                prong_task_options options = {.chunk_size = chunk};
                memset(out[to], 0, COUNT * sizeof(double));
                ok(prong_pool_run(pool, PRONG_MAP_N(twice, in[from], out[to], COUNT), &options, PRONG_SECONDS(10)));
                for (int i = 0; i < COUNT; i++) check(out[to][i] == 2 * i);
                memset(out[to], 0, COUNT * sizeof(double));
                ok(prong_pool_run(pool, PRONG_MAP_N(twice_range, in[from], out[to], COUNT), &options,
                                  PRONG_SECONDS(10)));
                for (int i = 0; i < COUNT; i++) check(out[to][i] == 2 * i);
            }
    ok(prong_pool_run(pool, PRONG_MAP_N(twice, in[0], out[0], 0), NULL, PRONG_SECONDS(10)));
    is(prong_pool_run(pool,
                      &(prong_work){.element = twice,
                                    .in = NULL,
                                    .in_size = sizeof(double),
                                    .count = 5,
                                    .out = out[0],
                                    .out_size = sizeof(double)},
                      NULL, PRONG_SECONDS(10)),
       PRONG_INVALID);
    int ints[100];
    is(prong_pool_run(pool, PRONG_MAP_N(narrow, in[0], ints, 100), &(prong_task_options){.chunk_size = 10},
                      PRONG_SECONDS(10)),
       PRONG_TASK_FAILED);
    says("task 7");
    says("code 5");
    ok(prong_memory_free(in[1]));
    ok(prong_memory_free(out[1]));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(map_async_delivers_with_the_wait) {
    enum { COUNT = 1000 };
    prong_pool pool = make(method, 2);
    double in[COUNT], out[COUNT];
    prong_job job;
    for (int i = 0; i < COUNT; i++) in[i] = i;
    ok(prong_pool_submit(pool, PRONG_MAP(twice, in, out), &job, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    for (int i = 0; i < COUNT; i++) check(out[i] == 2 * i);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
}

/* --- callbacks and progress --- */

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

/* --- imap --- */

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

/* --- many at once --- */

static void *submit_many(void *context) {
    prong_pool pool = *(prong_pool *)context;
    for (long i = 0; i < 300; i++) {
        long squared;
        ok(prong_pool_run(pool, PRONG_APPLY(square, i, squared), NULL, PRONG_SECONDS(10)));
        equal(squared, i * i);
        double in[50], out[50];
        for (int k = 0; k < 50; k++) in[k] = (double)i + k;
        ok(prong_pool_run(pool, PRONG_MAP(twice, in, out), &(prong_task_options){.chunk_size = 9}, PRONG_SECONDS(10)));
        for (int k = 0; k < 50; k++) check(out[k] == 2 * ((double)i + k));
    }
    return NULL;
}

METHOD_TEST(several_threads_submit_at_once_and_get_their_own_results) {
    enum { THREADS = 4 };
    prong_pool pool = make(method, 2);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, submit_many, &pool) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int submit_from_a_child(void *argument, size_t size) {
    (void)size;
    submit_many(argument);
    is(prong_pool_destroy(*(prong_pool *)argument), PRONG_NOT_CHILD);
    return 0;
}

METHOD_TEST(any_member_may_submit_to_a_pool) {
    prong_pool pool = make(method, 2);
    equal(test_end(start_with(method, submit_from_a_child, pool)), 0);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int use_a_pool_of_its_own(void *argument, size_t size, prong_result *result) {
    prong_pool pool = make(0, 2);
    double in[20], out[20], sum = 0;
    (void)argument;
    (void)size;
    for (int i = 0; i < 20; i++) in[i] = i;
    ok(prong_pool_run(pool, PRONG_MAP(twice, in, out), NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) sum += out[i];
    ok(prong_pool_destroy(pool));
    return prong_result_set(result, &sum, sizeof sum);
}

METHOD_TEST(a_worker_may_have_a_pool_of_its_own) {
    ok(prong_set_start_method((prong_start_method)method));
    prong_pool pool = make(method, 2);
    double sum;
    ok(prong_pool_run(pool,
                      &(prong_work){.task = use_a_pool_of_its_own, .count = 1, .out = &sum, .out_size = sizeof sum},
                      NULL, PRONG_SECONDS(15)));
    check(sum == 380);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- its life --- */

static int worker_pid(void *argument, size_t size, prong_result *result) {
    int pid = getpid();
    (void)argument;
    (void)size;
    return prong_result_set(result, &pid, sizeof pid);
}

/* --- the context of a job's tasks --- */

struct scaling {
    long factor, offset;
};

static int scale(const void *in, void *out) {
    size_t size;
    const struct scaling *scaling = prong_task_context(&size);
    if (!scaling || size != sizeof *scaling) return 1;
    *(long *)out = *(const long *)in * scaling->factor + scaling->offset;
    return 0;
}

static int scale_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (scale((const long *)in + i, (long *)out + i)) return 1;
    return 0;
}

static int scale_task(void *argument, size_t size, prong_result *result) {
    long number;
    (void)size;
    return scale(argument, &number) || prong_result_set(result, &number, sizeof number);
}

static int has_no_context(const void *in, void *out) {
    size_t size = 1;
    *(long *)out = *(const long *)in;
    return prong_task_context(&size) != NULL || size != 0;
}

static bool next_left(prong_bytes *argument, void *left) {
    static long number;
    number = *(int *)left;
    *argument = (prong_bytes){&number, sizeof number};
    return (*(int *)left)-- > 0;
}

METHOD_TEST(all_tasks_of_a_job_share_its_context) {
    enum { COUNT = 1000 };
    static long in[COUNT], out[COUNT];
    long number = 5, scaled;
    int left = 3;
    prong_pool pool = make(method, 2);
    struct scaling scaling = {3, 7};
    prong_work elements = *PRONG_MAP(scale, in, out), range = *PRONG_MAP(scale_range, in, out);
    prong_work task = *PRONG_TASK(scale_task, number),
               read = {.task = scale_task, .generator = next_left, .generator_context = &left};
    prong_work *const works[] = {&elements, &range, &task, &read};
    prong_job job, other;
    for (long i = 0; i < COUNT; i++) in[i] = i;
    for (int i = 0; i < 4; i++) {
        works[i]->context = &scaling;
        works[i]->context_size = sizeof scaling;
    }
    ok(prong_pool_run(pool, &elements, NULL, PRONG_SECONDS(10)));
    for (long i = 0; i < COUNT; i++) equal(out[i], 3 * i + 7);
    ok(prong_pool_run(pool, &range, NULL, PRONG_SECONDS(10)));
    equal(out[COUNT - 1], 3 * (COUNT - 1) + 7);
    ok(prong_pool_submit(pool, &elements, &job, NULL));
    scaling = (struct scaling){100, 0}; /* the first job has a copy */
    ok(prong_pool_submit(pool, &task, &other, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    equal(out[COUNT - 1], 3 * (COUNT - 1) + 7);
    ok(prong_job_destroy(job));
    prong_outcome outcome;
    ok(prong_job_outcome(other, 0, &outcome, PRONG_SECONDS(10)));
    memcpy(&scaled, outcome.data, sizeof scaled);
    equal(scaled, 500);
    ok(prong_job_destroy(other));
    prong_iterator *iterator;
    ok(prong_pool_iterate(pool, &read, &iterator, NULL));
    for (long i = 3; i > 0; i--) {
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
        ok(outcome.status);
        memcpy(&scaled, outcome.data, sizeof scaled);
        equal(scaled, 100 * i);
    }
    prong_iterator_close(iterator);
    ok(prong_pool_run(pool, PRONG_MAP_N(has_no_context, in, out, 10), NULL, PRONG_SECONDS(10)));
    check(prong_task_context(NULL) == NULL);
    elements.context = NULL;
    is(prong_pool_run(pool, &elements, NULL, PRONG_SECONDS(10)), PRONG_INVALID);
    says("work: context is NULL");
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int asks_its_parents_context(void *argument, size_t size) {
    (void)argument, (void)size;
    return prong_task_context(NULL) ? 1 : 0;
}

static int forks_in_a_task(const void *in, void *out) {
    prong_process child;
    int code;
    prong_process_options options = {.target = asks_its_parents_context, .method = PRONG_START_FORK};
    if (!prong_task_context(NULL) || prong_process_create(&child, &options) < 0 || prong_process_start(child) < 0)
        return 9;
    if (prong_process_join(child, PRONG_SECONDS(10)) < 0 || prong_process_exitcode(child, &code) < 0) return 8;
    *(long *)out = *(const long *)in;
    return code;
}

METHOD_TEST(a_tasks_context_is_not_its_childrens) {
    long number = 1;
    prong_pool pool = make(method, 1);
    prong_work work = *PRONG_MAP_N(forks_in_a_task, &number, &number, 1);
    work.context = "x";
    work.context_size = 1;
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
}

static int set_level(void *argument, size_t size) {
    check(size == sizeof(int));
    setenv("LEVEL", *(int *)argument == 7 ? "seven" : "other", 1);
    return 0;
}

static int tell_level(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    const char *level = getenv("LEVEL");
    return level && strcmp(level, "seven") == 0 ? prong_result_set(result, level, 6) : 1;
}

METHOD_TEST(workers_are_initialized) {
    prong_pool pool;
    int level = 7;
    char text[8];
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .initializer = set_level,
                                                      .method = method,
                                                      .initializer_argument = &level,
                                                      .initializer_size = sizeof level}));
    ok(prong_pool_run(pool, &(prong_work){.task = tell_level, .count = 1, .out = text, .out_size = sizeof text}, NULL,
                      PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
}

/* --- an initializer with a limit of time --- */

/* The first `hanging` workers do not get through it. */
struct hanging {
    prong_shared_value begun;
    long hanging;
};

static int hang_at_first(void *argument, size_t size) {
    const struct hanging *hanging = argument;
    long begun;
    (void)size;
    if (prong_shared_value_add(hanging->begun, 0, 1, &begun) < 0) return 1;
    while (begun <= hanging->hanging) pause();
    return 0;
}

static prong_pool make_hanging(int method, struct hanging *hanging, prong_time limit) {
    prong_pool pool;
    ok(prong_shared_value_create(&hanging->begun, PRONG_TYPE_OF(long), 1, NULL, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .method = (prong_start_method)method,
                                                      .initializer = hang_at_first,
                                                      .initializer_argument = hanging,
                                                      .initializer_size = sizeof *hanging,
                                                      .initializer_time_limit = limit}));
    return pool;
}

METHOD_TEST(a_worker_that_hangs_in_its_initializer_is_replaced) {
    struct hanging hanging = {.hanging = 3};
    uint64_t deaths;
    double numbers[100] = {2}, doubled[100];
    prong_pool pool = make_hanging(method, &hanging, PRONG_MS(300));
    ok(prong_pool_run(pool, PRONG_MAP(twice, numbers, doubled), NULL, PRONG_SECONDS(15)));
    equal(doubled[0], 4);
    ok(prong_pool_deaths(pool, &deaths));
    check(deaths >= 2);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(an_initializer_that_always_hangs_breaks_the_pool) {
    struct hanging hanging = {.hanging = 1000};
    long number = 3, begun;
    prong_pool pool = make_hanging(method, &hanging, PRONG_MS(50));
    is(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)), PRONG_POOL_BROKEN);
    says("its initializer ran longer than its limit of 0.05 s");
    test_sleep_ms(200);
    ok(prong_shared_value_get(hanging.begun, 0, 1, &begun, PRONG_SECONDS(1)));
    check(begun >= 2 && begun <= 7); /* two workers, three tries more, and those that were under way */
    ok(prong_pool_destroy(pool));
}

static int initialize_slowly(void *argument, size_t size) {
    (void)argument, (void)size;
    test_sleep_ms(400);
    return 0;
}

METHOD_TEST(a_tasks_time_limit_begins_after_the_initializer) {
    prong_pool pool;
    long number = 3, squared;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .method = (prong_start_method)method,
                                                      .initializer = initialize_slowly,
                                                      .initializer_time_limit = PRONG_SECONDS(15)}));
    ok(prong_pool_run(pool, PRONG_APPLY(square, number, squared), &(prong_task_options){.time_limit = PRONG_MS(200)},
                      PRONG_SECONDS(15)));
    uint64_t deaths;
    ok(prong_pool_deaths(pool, &deaths));
    equal(deaths, 0);
    ok(prong_pool_destroy(pool));
    is(prong_pool_create(&pool, &(prong_pool_options){.initializer_time_limit = -1}), PRONG_INVALID);
    says("initializer_time_limit");
}

static int fail_to_start(void *argument, size_t size) {
    (void)size;
    return prong_queue_put(*(prong_queue *)argument, "x", 1, PRONG_FOREVER) + 3;
}

METHOD_TEST(an_initializer_that_fails_breaks_the_pool_after_a_try_a_worker) {
    prong_pool pool;
    prong_queue tries;
    prong_job job;
    long number = 1;
    ok(prong_queue_create(&tries, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .initializer = fail_to_start,
                                                      .method = method,
                                                      .initializer_argument = &tries,
                                                      .initializer_size = sizeof tries}));
    prong_status status = prong_pool_submit(pool, PRONG_TASK(square, number), &job, NULL);
    if (status >= 0)
        is(prong_job_wait(job, PRONG_SECONDS(10)), PRONG_POOL_BROKEN);
    else
        check(status == PRONG_POOL_BROKEN);
    is(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(10)), PRONG_POOL_BROKEN);
    says("code 3");
    test_sleep_ms(100);
    size_t count;
    ok(prong_queue_size(tries, &count));
    check(count <= 2);
    ok(prong_pool_destroy(pool));
}

/* What is said before the tasks, after them, and to a second call. */
static int serve_within(void *argument, size_t size) {
    prong_queue *steps = argument;
    (void)size;
    ok(prong_queue_put(*steps, "begun", 6, PRONG_FOREVER));
    ok(prong_pool_serve());
    is(prong_pool_serve(), PRONG_INVALID);
    return prong_queue_put(*steps, "ended", 6, PRONG_FOREVER) + 3;
}

METHOD_TEST(an_initializer_may_have_the_tasks_run_within_it) {
    prong_pool pool;
    prong_queue steps;
    char step[6];
    is(prong_pool_serve(), PRONG_INVALID);
    ok(prong_queue_create(&steps, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .maxtasksperchild = 3,
                                                      .initializer = serve_within,
                                                      .method = method,
                                                      .initializer_argument = &steps,
                                                      .initializer_size = sizeof steps}));
    for (long i = 0; i < 7; i++) {
        long result = 0;
        ok(prong_pool_run(pool, PRONG_APPLY(square, i, result), NULL, PRONG_SECONDS(10)));
        equal(result, i * i);
    }
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    for (int i = 0; i < 6; i++) {
        ok(prong_queue_get(steps, step, sizeof step, NULL, PRONG_SECONDS(10)));
        check(strcmp(step, i % 2 ? "ended" : "begun") == 0);
    }
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(workers_are_replaced_after_maxtasksperchild) {
    prong_pool pool;
    int pids[10], pid;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .maxtasksperchild = 3, .method = method}));
    for (int i = 0; i < 10; i++)
        ok(prong_pool_run(pool, &(prong_work){.task = worker_pid, .count = 1, .out = &pids[i], .out_size = sizeof pid},
                          NULL, PRONG_SECONDS(10)));
    for (int i = 0; i < 10; i++) check((pids[i] == pids[0]) == (i < 3));
    uint64_t deaths;
    ok(prong_pool_deaths(pool, &deaths));
    equal(deaths, 0);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_closed_pool_finishes_what_it_has_and_takes_no_more) {
    prong_pool pool = make(method, 2);
    prong_job jobs[20];
    int nap = 20;
    for (int i = 0; i < 20; i++) ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &jobs[i], NULL));
    is(prong_pool_join(pool, PRONG_NOWAIT), PRONG_STILL_RUNNING);
    ok(prong_pool_shutdown(pool));
    is(prong_pool_run(pool, PRONG_TASK(sleep_ms, nap), NULL, PRONG_NOWAIT), PRONG_NOT_RUNNING);
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    for (int i = 0; i < 20; i++) {
        ok(prong_job_wait(jobs[i], PRONG_NOWAIT));
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_pool_destroy(pool));
    is(prong_pool_shutdown(pool), PRONG_STALE);
    test_arena_is_clean(0);
}

TEST(workers_with_nothing_to_do_sleep_while_a_closed_pool_finishes) {
    prong_pool pool = make(PRONG_START_FORK, 3);
    prong_job job;
    struct rusage before, after;
    int nap = 2000;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    getrusage(RUSAGE_CHILDREN, &before);
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    getrusage(RUSAGE_CHILDREN, &after);
    long us =
        (after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec - before.ru_stime.tv_sec) * 1000000L +
        after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec - before.ru_stime.tv_usec;
    check(us < 100000);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(terminate_ends_it_at_once) {
    prong_pool pool = make(method, 2);
    prong_job jobs[10];
    int nap = 20000;
    for (int i = 0; i < 10; i++) ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &jobs[i], NULL));
    test_sleep_ms(30);
    int64_t before = test_now();
    ok(prong_pool_terminate(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(10)));
    check(test_now() - before < PRONG_SECONDS(5));
    for (int i = 0; i < 10; i++) {
        is(prong_job_wait(jobs[i], PRONG_NOWAIT), PRONG_CANCELLED);
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_pool_left_running_ends_with_its_owner) {
    prong_pool pool = make(method, 2);
    int nap = 20000;
    prong_job job;
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
}

METHOD_TEST(wrong_options_are_named) {
    prong_pool pool;
    prong_job job;
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = 1000000}), PRONG_INVALID);
    says("1000000");
    is(prong_pool_create(&pool, &(prong_pool_options){.initializer_size = 4}), PRONG_INVALID);
    is(prong_pool_create(NULL, NULL), PRONG_INVALID);
    pool = make(method, 1);
    is(prong_pool_submit(pool, &(prong_work){.count = 1}, &job, NULL), PRONG_INVALID);
    is(prong_pool_submit(pool, &(prong_work){.task = square, .in = NULL, .in_size = 8, .count = 1}, &job, NULL),
       PRONG_INVALID);
    is(prong_pool_submit(pool, &(prong_work){.task = square, .count = 1}, &job, &(prong_task_options){.retries = 300}),
       PRONG_INVALID);
    is(prong_pool_submit((prong_pool){64, 5}, &(prong_work){.task = square, .count = 1}, &job, NULL), PRONG_STALE);
    ok(prong_pool_destroy(pool));
}

TEST(the_default_size_is_what_the_process_may_use) {
    prong_pool pool;
    size_t count;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    check(sched_setaffinity(0, sizeof one, &one) == 0);
    ok(prong_pool_create(&pool, NULL));
    ok(prong_pool_workers(pool, NULL, 0, &count));
    equal(count, 1);
    ok(prong_pool_destroy(pool));
}
