/* What goes around the tasks of workers: prong_worker_options. */
#define _GNU_SOURCE
#include "pool_test.h"

#include <sched.h>
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

/* --- a worker's own --- */

static int make_state(void *argument, size_t size) {
    (void)argument, (void)size;
    void **state = prong_worker_state();
    if (!state || *state) return 1;
    *state = calloc(1, sizeof(long));
    return !*state;
}

/* How many tasks this worker has run, and its place. */
static int count_tasks(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size;
    long *count = *prong_worker_state(), answer[2] = {++*count, prong_worker_place()};
    return prong_result_set(result, answer, sizeof answer);
}

static int leave_state(void *argument, size_t size) {
    (void)size;
    long count = *(long *)*prong_worker_state();
    free(*prong_worker_state());
    return prong_shared_value_add(*(prong_shared_value *)argument, 0, count, NULL) < 0;
}

METHOD_TEST(a_worker_has_a_state_of_its_own_from_its_initializer_to_its_exit) {
    prong_pool pool;
    prong_shared_value sum;
    long all = 0, answers[20][2];
    ok(prong_shared_value_create(&sum, PRONG_TYPE_OF(long), 1, NULL, NULL));
    prong_worker_options worker = {.exit = leave_state, .exit_argument = &sum, .exit_size = sizeof sum};
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .method = (prong_start_method)method,
                                                      .initializer = make_state,
                                                      .worker = &worker}));
    prong_work work = {.task = count_tasks, .count = 20, .out = answers, .out_size = sizeof answers[0]};
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(15)));
    for (int i = 0; i < 20; i++) check(answers[i][0] >= 1 && answers[i][1] >= 0 && answers[i][1] < 2);
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    ok(prong_shared_value_get(sum, 0, 1, &all, PRONG_SECONDS(1)));
    equal(all, 20);
    ok(prong_pool_destroy(pool));
}

static int is_worker(void *argument, size_t size) {
    (void)argument, (void)size;
    return prong_worker_state() != NULL || prong_worker_place() != -1;
}

static int start_child(void *argument, size_t size, prong_result *result) {
    prong_process child;
    int code = -1;
    (void)argument, (void)size;
    if (prong_worker_place() != 0 || !prong_worker_state()) return 1;
    ok(prong_process_create(&child, &(prong_process_options){.target = is_worker, .method = PRONG_START_FORK}));
    ok(prong_process_start(child));
    ok(prong_process_join(child, PRONG_SECONDS(10)));
    ok(prong_process_exitcode(child, &code));
    ok(prong_process_destroy(child));
    return prong_result_set(result, &code, sizeof code);
}

METHOD_TEST(neither_the_owner_nor_a_child_of_a_worker_is_a_worker) {
    prong_pool pool = make(method, 1);
    int code = -1;
    check(prong_worker_state() == NULL);
    equal(prong_worker_place(), -1);
    ok(prong_pool_run(pool, &(prong_work){.task = start_child, .count = 1, .out = &code, .out_size = sizeof code}, NULL,
                      PRONG_SECONDS(15)));
    equal(code, 0);
    ok(prong_pool_destroy(pool));
}

/* --- CPUs --- */

static int tell_cpus(void *argument, size_t size, prong_result *result) {
    int answer[2] = {prong_worker_place(), -1};
    cpu_set_t set;
    (void)argument, (void)size;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set)) answer[1] = answer[1] < 0 ? cpu : 1000; /* more than one */
    test_sleep_ms(5);
    return prong_result_set(result, answer, sizeof answer);
}

/* The first and the last that this process may use. */
static void usable_cpus(int cpus[2]) {
    cpu_set_t set;
    ok(sched_getaffinity(0, sizeof set, &set));
    cpus[0] = cpus[1] = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        if (cpus[0] < 0) cpus[0] = cpu;
        cpus[1] = cpu;
    }
}

METHOD_TEST(workers_are_bound_to_cpus_in_turn) {
    int cpus[2], answers[30][2];
    char first[16], last[32];
    prong_pool pool;
    usable_cpus(cpus);
    snprintf(first, sizeof first, "%d", cpus[0]);
    snprintf(last, sizeof last, "%d-%d,%d", cpus[1], cpus[1], cpus[1]);
    const char *const lists[] = {first, last, NULL};
    prong_worker_options worker = {.cpus = lists};
    ok(prong_pool_create(
        &pool, &(prong_pool_options){.processes = 3, .method = (prong_start_method)method, .worker = &worker}));
    prong_work work = {.task = tell_cpus, .count = 30, .out = answers, .out_size = sizeof answers[0]};
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(15)));
    for (int i = 0; i < 30; i++) equal(answers[i][1], cpus[answers[i][0] % 2]);
    ok(prong_pool_destroy(pool));
    int after[2];
    usable_cpus(after);
    check(after[0] == cpus[0] && after[1] == cpus[1]);
}

TEST(cpus_that_cannot_be_are_refused) {
    prong_pool pool;
    static const char *const wrong[] = {"", "x", "1-", "-1", "3-1", "0,", "0 1", "99999999999", "8192"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const lists[] = {wrong[i], NULL};
        prong_worker_options worker = {.cpus = lists};
        is(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .worker = &worker}), PRONG_INVALID);
        says("is no list like");
    }
    const char *const none[] = {NULL}, *const absent[] = {"8191", NULL};
    is(prong_pool_create(&pool, &(prong_pool_options){.worker = &(prong_worker_options){.cpus = none}}), PRONG_INVALID);
    is(prong_pool_create(&pool, &(prong_pool_options){.worker = &(prong_worker_options){.cpus = absent}}),
       PRONG_INVALID);
    says("CPU 8191, which this process may not use");
}
