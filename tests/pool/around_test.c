/* What goes around the tasks of workers: prong_worker_options. */
#include "pool_test.h"

#include <unistd.h>

static int tell_variable(void *argument, size_t size, prong_result *result) {
    (void)size;
    const char *value = getenv(argument);
    if (!value) value = "none";
    return prong_result_set(result, value, strlen(value) + 1);
}

static void variable_is(prong_pool pool, const char *name, const char *wanted) {
    char value[32];
    prong_work work = {
        .task = tell_variable, .in = name, .in_size = strlen(name) + 1, .count = 1, .out = value, .out_size = 32};
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(15)));
    equal(strcmp(value, wanted), 0);
}

static int check_variable(void *argument, size_t size) {
    (void)argument, (void)size;
    const char *value = getenv("OMP_NUM_THREADS");
    return !value || strcmp(value, "3") != 0;
}

METHOD_TEST(libraries_of_workers_start_so_many_threads) {
    prong_pool pool;
    prong_worker_options worker = {.threads = 3};
    setenv("OMP_NUM_THREADS", "17", 1);
    setenv("AROUND_TEST", "kept", 1);
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1,
                                                      .method = (prong_start_method)method,
                                                      .initializer = check_variable,
                                                      .worker = &worker}));
    variable_is(pool, "OMP_NUM_THREADS", "3");
    variable_is(pool, "OPENBLAS_NUM_THREADS", "3");
    variable_is(pool, "MKL_NUM_THREADS", "3");
    variable_is(pool, "NUMEXPR_NUM_THREADS", "3");
    if (method != PRONG_START_FORKSERVER) variable_is(pool, "AROUND_TEST", "kept"); /* its server may be older */
    equal(strcmp(getenv("OMP_NUM_THREADS"), "17"), 0);
    ok(prong_pool_destroy(pool));
    unsetenv("OMP_NUM_THREADS");
}

METHOD_TEST(without_that_option_the_environment_stays) {
    prong_pool pool;
    prong_worker_options worker = {0};
    unsetenv("OMP_NUM_THREADS");
    prong_stop_forkserver();
    ok(prong_pool_create(
        &pool, &(prong_pool_options){.processes = 1, .method = (prong_start_method)method, .worker = &worker}));
    variable_is(pool, "OMP_NUM_THREADS", "none");
    ok(prong_pool_destroy(pool));
}

/* --- exit --- */

struct exits {
    prong_queue queue;
    int code, sleep;
};

static int note_exit(void *argument, size_t size) {
    const struct exits *exits = argument;
    int pid = (int)getpid();
    check(size == sizeof *exits);
    if (prong_queue_put(exits->queue, &pid, sizeof pid, PRONG_FOREVER) < 0) return 99;
    test_sleep_ms(exits->sleep);
    return exits->code;
}

static prong_pool make_exiting(int method, struct exits *exits, size_t maxtasks, prong_time limit) {
    prong_pool pool;
    prong_worker_options worker = {
        .exit = note_exit, .exit_argument = exits, .exit_size = sizeof *exits, .exit_time_limit = limit};
    ok(prong_queue_create(&exits->queue, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .method = (prong_start_method)method,
                                                      .maxtasksperchild = maxtasks,
                                                      .worker = &worker}));
    return pool;
}

static void exits_are(const struct exits *exits, size_t least, size_t most) {
    size_t count;
    ok(prong_queue_size(exits->queue, &count, NULL));
    check(count >= least && count <= most);
}

static uint64_t deaths_of(prong_pool pool) {
    uint64_t deaths;
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    return deaths;
}

METHOD_TEST(exit_runs_in_each_worker_of_a_pool_that_is_shut_down) {
    struct exits exits = {0};
    prong_pool pool = make_exiting(method, &exits, 0, 0);
    long number = 3;
    ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
    exits_are(&exits, 0, 0);
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    exits_are(&exits, 2, 2);
    equal(deaths_of(pool), 0);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(exit_runs_in_a_worker_that_has_done_its_tasks) {
    struct exits exits = {0};
    prong_pool pool = make_exiting(method, &exits, 1, 0);
    long number = 3;
    for (int i = 0; i < 4; i++) ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    exits_are(&exits, 4, 6);
    equal(deaths_of(pool), 0);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(exit_does_not_run_in_a_worker_that_is_killed_or_of_a_pool_that_is_terminated) {
    struct exits exits = {0};
    prong_pool pool = make_exiting(method, &exits, 0, 0);
    prong_worker workers[2];
    long number = 3;
    ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
    ok(prong_pool_workers(pool, workers, 2, NULL, NULL));
    ok(kill(workers[0].pid, SIGKILL));
    while (!deaths_of(pool)) test_sleep_ms(5);
    ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
    ok(prong_pool_terminate(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    exits_are(&exits, 0, 0);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(an_exit_that_fails_counts_as_a_death) {
    struct exits exits = {.code = 3};
    prong_pool pool = make_exiting(method, &exits, 0, 0);
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    size_t ran;
    ok(prong_queue_size(exits.queue, &ran, NULL));
    equal(deaths_of(pool), ran);
    ok(prong_pool_destroy(pool));
}

METHOD_TEST(an_exit_that_runs_over_its_limit_is_killed) {
    struct exits exits = {.sleep = 60000};
    prong_pool pool = make_exiting(method, &exits, 0, PRONG_MS(100));
    long number = 3;
    ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    check(deaths_of(pool) >= 1);
    ok(prong_pool_destroy(pool));
}

TEST(an_exit_that_makes_no_sense_is_refused) {
    prong_pool pool;
    prong_worker_options worker = {.exit = note_exit, .exit_name = "lib.so:f"};
    prong_pool_options options = {.processes = 1, .worker = &worker};
    is(prong_pool_create(&pool, &options), PRONG_INVALID);
    says("both an exit and a name ('lib.so:f')");
    worker = (prong_worker_options){.exit = note_exit, .exit_time_limit = -1};
    is(prong_pool_create(&pool, &options), PRONG_INVALID);
    says("exit_time_limit");
    worker = (prong_worker_options){.exit = note_exit, .exit_size = 5};
    is(prong_pool_create(&pool, &options), PRONG_INVALID);
    says("exit_argument");
    worker = (prong_worker_options){.reserved = {&pool}};
    is(prong_pool_create(&pool, &options), PRONG_INVALID);
}
