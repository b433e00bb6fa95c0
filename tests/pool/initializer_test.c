/* Initializers of workers: what they prepare, and those that hang, fail, or have the tasks run within them. */
#include "pool_test.h"

#include <unistd.h>

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
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
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
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
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
    ok(prong_queue_size(tries, &count, NULL));
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
