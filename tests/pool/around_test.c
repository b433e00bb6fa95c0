/* What goes around the tasks of workers: prong_worker_options. */
#include "pool_test.h"

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
