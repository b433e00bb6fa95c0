/* Pools without workers: PRONG_INLINE. */
#include "pool_test.h"

#include <unistd.h>

static prong_pool make_inline(void) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = PRONG_INLINE}));
    return pool;
}

static int pid_of(void *argument, size_t size, prong_result *result) {
    pid_t pid = getpid();
    (void)argument, (void)size;
    return prong_result_set(result, &pid, sizeof pid);
}

TEST(tasks_run_in_the_thread_that_submits_them) {
    prong_pool pool = make_inline();
    enum { COUNT = 100 };
    double numbers[COUNT], doubled[COUNT];
    long number = 7, squared = 0;
    pid_t pid = 0;
    prong_job job;
    ok(prong_pool_run(pool, &(prong_work){.task = pid_of, .count = 1, .out = &pid, .out_size = sizeof pid}, NULL, 0));
    equal(pid, getpid());
    ok(prong_pool_run(pool, PRONG_APPLY(square, number, squared), NULL, PRONG_SECONDS(5)));
    equal(squared, 49);
    for (int i = 0; i < COUNT; i++) numbers[i] = i;
    ok(prong_pool_run(pool, PRONG_MAP(twice, numbers, doubled), NULL, PRONG_SECONDS(5)));
    for (int i = 0; i < COUNT; i++) equal(doubled[i], 2 * i);
    ok(prong_pool_submit(pool, PRONG_TASK(square, number), &job, NULL));
    ok(prong_job_wait(job, PRONG_NOWAIT)); /* it is done */
    ok(prong_job_destroy(job));
    ok(prong_pool_run(pool, &(prong_work){.task = square}, NULL, PRONG_SECONDS(5))); /* none */
    size_t count = 5;
    uint64_t deaths = 5;
    ok(prong_pool_workers(pool, NULL, 0, &count, &deaths));
    check(count == 0 && deaths == 0);
    ok(prong_pool_destroy(pool));
    is(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(5)), PRONG_STALE);
}

TEST(inline_failures_are_those_of_workers) {
    prong_pool pool = make_inline();
    int codes[3] = {0, 4, 5};
    prong_work work = {.task = refuse, .in = codes, .in_size = sizeof codes[0], .count = 3};
    prong_job job;
    prong_outcome outcome;
    ok(prong_pool_submit(pool, &work, &job, NULL));
    is(prong_job_wait(job, PRONG_SECONDS(5)), PRONG_TASK_FAILED);
    says("task 1 failed with code 4: no such thing (and others failed)");
    ok(prong_job_outcome(job, 2, &outcome, PRONG_NOWAIT));
    check(outcome.status == PRONG_TASK_FAILED && outcome.code == 5 && outcome.tries == 1);
    ok(prong_job_destroy(job));
    work = (prong_work){.name = "no_such_library.so:f", .form = PRONG_FORM_TASK, .count = 1};
    is(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(5)), PRONG_NO_FUNCTION);
    ok(prong_pool_shutdown(pool));
    is(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(5)), PRONG_NOT_RUNNING);
    ok(prong_pool_join(pool, PRONG_SECONDS(5)));
    ok(prong_pool_destroy(pool));
}

/* --- in the middle of tasks --- */

static prong_pool nested_pool;

static int nest(void *argument, size_t size, prong_result *result) {
    long depth = *(long *)argument, below = 0;
    (void)size;
    if (prong_worker_place() != 0 || prong_task_seed(0) != prong_seed((uint64_t)depth, 0)) return 1;
    if (depth) {
        long next = depth - 1;
        prong_task_options options = {.seed = (uint64_t)next};
        ok(prong_pool_run(nested_pool, PRONG_APPLY(nest, next, below), &options, PRONG_SECONDS(5)));
    }
    if (prong_task_seed(0) != prong_seed((uint64_t)depth, 0)) return 1;
    below++;
    return prong_result_set(result, &below, sizeof below);
}

TEST(an_inline_task_may_submit_to_its_pool) {
    nested_pool = make_inline();
    long depth = 10, deep = 0;
    ok(prong_pool_run(nested_pool, PRONG_APPLY(nest, depth, deep), &(prong_task_options){.seed = 10},
                      PRONG_SECONDS(5)));
    equal(deep, 11);
    equal(prong_worker_place(), -1);
    ok(prong_pool_destroy(nested_pool));
}

static int terminate_at_three(void *argument, size_t size, prong_result *result) {
    (void)size, (void)result;
    return *(int *)argument == 3 ? prong_pool_terminate(nested_pool) : 0;
}

TEST(a_task_that_terminates_its_inline_pool_is_the_last) {
    int numbers[] = {1, 2, 3, 4, 5};
    prong_work work = {.task = terminate_at_three, .in = numbers, .in_size = sizeof(int), .count = 5};
    prong_outcome outcome;
    prong_job job;
    nested_pool = make_inline();
    ok(prong_pool_submit(nested_pool, &work, &job, NULL));
    ok(prong_job_outcome(job, 2, &outcome, PRONG_NOWAIT));
    equal(outcome.status, PRONG_OK);
    ok(prong_job_outcome(job, 3, &outcome, PRONG_NOWAIT));
    equal(outcome.status, PRONG_CANCELLED);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(nested_pool));
}

/* --- iterators, callbacks, what goes around --- */

static int ran;

static int note_run(void *argument, size_t size, prong_result *result) {
    ran++;
    return square(argument, size, result);
}

TEST(an_inline_iterator_runs_a_task_when_its_result_is_asked_for) {
    prong_pool pool = make_inline();
    prong_iterator *iterator;
    prong_outcome outcome;
    long numbers[5] = {0, 1, 2, 3, 4};
    prong_work work = {.task = note_run, .in = numbers, .in_size = sizeof(long), .count = 5};
    ran = 0;
    for (int unordered = 0; unordered < 2; unordered++, ran = 0) {
        ok(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.buffer = 3, .unordered = unordered}));
        equal(ran, 0);
        for (int i = 0; i < 5; i++) {
            ok(prong_iterator_next(iterator, &outcome, PRONG_NOWAIT));
            check(ran == i + 1 && *(long *)outcome.data == i * i && outcome.index == (size_t)i);
        }
        is(prong_iterator_next(iterator, &outcome, PRONG_NOWAIT), PRONG_EOF);
        prong_iterator_close(iterator);
    }
    ok(prong_pool_iterate(pool, &work, &iterator, NULL));
    ok(prong_iterator_next(iterator, &outcome, PRONG_NOWAIT));
    ok(prong_pool_terminate(pool));
    check(prong_iterator_next(iterator, &outcome, PRONG_NOWAIT) < 0);
    equal(ran, 1);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
}

static void count_call(prong_job job, void *context) {
    ok(prong_job_wait(job, PRONG_NOWAIT));
    ok(prong_job_destroy(job));
    ++*(int *)context;
}

static void count_failure(prong_job job, prong_status status, const char *message, void *context) {
    check(status == PRONG_TASK_FAILED && strstr(message, "no such thing"));
    ok(prong_job_destroy(job));
    *(int *)context += 10;
}

TEST(callbacks_of_an_inline_pool_are_called_before_submit_returns) {
    prong_pool pool = make_inline();
    prong_job job;
    long number = 3;
    int calls = 0, code = 1;
    prong_task_options options = {.callback = count_call, .error_callback = count_failure, .context = &calls};
    ok(prong_pool_submit(pool, PRONG_TASK(square, number), &job, &options));
    equal(calls, 1);
    ok(prong_pool_submit(pool, PRONG_TASK(refuse, code), &job, &options));
    equal(calls, 11);
    ok(prong_pool_destroy(pool));
}

static int begin_inline(void *argument, size_t size) {
    (void)size;
    void **state = prong_worker_state();
    if (!state || *state) return 1;
    *state = *(int **)argument;
    return 0;
}

static int add_to_state(void *argument, size_t size, prong_result *result) {
    (void)size, (void)result;
    *(int *)*prong_worker_state() += *(int *)argument;
    return 0;
}

static int end_inline(void *argument, size_t size) {
    (void)argument, (void)size;
    *(int *)*prong_worker_state() += 1000;
    return 0;
}

TEST(an_inline_pool_has_an_initializer_a_state_and_an_exit) {
    int sum = 0, *place = &sum, numbers[] = {1, 2, 3};
    prong_worker_options worker = {.threads = 2, .exit = end_inline};
    prong_pool_options options = {.processes = PRONG_INLINE,
                                  .initializer = begin_inline,
                                  .initializer_argument = &place,
                                  .initializer_size = sizeof place,
                                  .worker = &worker};
    prong_work work = {.task = add_to_state, .in = numbers, .in_size = sizeof(int), .count = 3};
    prong_pool pool;
    ok(prong_pool_create(&pool, &options));
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(5)));
    equal(sum, 6);
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_shutdown(pool));
    equal(sum, 1006);
    ok(prong_pool_destroy(pool));
    ok(prong_pool_create(&pool, &options));
    ok(prong_pool_destroy(pool)); /* terminated: no exit */
    equal(sum, 1006);
}

static int fail_with_seven(void *argument, size_t size) {
    (void)argument, (void)size;
    return 7;
}

TEST(an_inline_pool_whose_initializer_fails_is_broken) {
    prong_pool pool;
    long number = 1;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = PRONG_INLINE, .initializer = fail_with_seven}));
    is(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(5)), PRONG_POOL_BROKEN);
    says("code 7");
    ok(prong_pool_destroy(pool));
    char *const program[] = {(char *)(uintptr_t) "prong-worker", NULL};
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = PRONG_INLINE, .program = program}), PRONG_INVALID);
    says("no workers (PRONG_INLINE)");
}

static int use_parents(void *argument, size_t size) {
    prong_pool pool = *(prong_pool *)argument;
    long number = 1;
    (void)size;
    is(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(5)), PRONG_NOT_CHILD);
    is(prong_pool_shutdown(pool), PRONG_NOT_CHILD);
    is(prong_pool_destroy(pool), PRONG_NOT_CHILD);
    return 0;
}

METHOD_TEST(an_inline_pool_is_its_own_processs) {
    prong_pool pool = make_inline();
    prong_process child;
    int code = -1;
    ok(prong_process_create(&child, &(prong_process_options){.target = use_parents,
                                                             .argument = &pool,
                                                             .argument_size = sizeof pool,
                                                             .method = (prong_start_method)method}));
    ok(prong_process_start(child));
    ok(prong_process_join(child, PRONG_SECONDS(15)));
    ok(prong_process_exitcode(child, &code));
    equal(code, 0);
    ok(prong_process_destroy(child));
    ok(prong_pool_destroy(pool));
}
