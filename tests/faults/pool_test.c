/* Faults while a pool starts its workers, and while tasks are given to it. */
#include "faults.h"

static const prong_time SOON = PRONG_SECONDS(20);

static int twice(void *argument, size_t size, prong_result *result) {
    int number = *(int *)argument * 2;
    return size != sizeof(int) || prong_result_set(result, &number, sizeof(number));
}

static int squared(const void *in, void *out) {
    *(int *)out = *(const int *)in * *(const int *)in;
    return 0;
}

static prong_status joined(prong_document *document, prong_value arguments, prong_value keywords, prong_value *result) {
    const char *text;
    (void)keywords;
    prong_status status = prong_scan(arguments, "(s)", &text);
    return status < 0 ? status : prong_build(document, result, "(ss)", text, text);
}

static prong_pool started_by(prong_start_method method) {
    prong_pool pool;
    sure(prong_pool_create(&pool, &(prong_pool_options){.processes = 2, .method = method}));
    return pool;
}

static prong_pool started(void) {
    return started_by(PRONG_START_FORK);
}

static void ended(prong_pool pool) {
    sure(prong_pool_shutdown(pool));
    sure(prong_pool_join(pool, SOON));
    sure(prong_pool_destroy(pool));
}

static void apply_tasks(prong_start_method method) {
    prong_pool pool = started_by(method);
    int seven = 7, got = 0;
    size_t size = 0;
    prong_job job;
    prong_outcome outcome;
    sure(prong_pool_run(pool,
                        &(prong_work){.task = twice,
                                      .in = &seven,
                                      .in_size = sizeof(seven),
                                      .count = 1,
                                      .out = &got,
                                      .out_size = sizeof(got),
                                      .sizes = &size},
                        NULL, SOON));
    must_hold(got == 14 && size == sizeof(got));
    sure(prong_pool_submit(pool, PRONG_TASK(twice, seven), &job, NULL));
    sure(prong_job_wait(job, SOON));
    sure(prong_job_outcome(job, 0, &outcome, SOON));
    must_hold(outcome.status == PRONG_OK && *(int *)outcome.data == 14);
    sure(prong_job_destroy(job));
    ended(pool);
}

FAMILY_SCENARIO(pools_apply_tasks) {
    apply_tasks(PRONG_START_FORK);
}

FAMILY_SCENARIO(pools_apply_tasks_by_spawn) {
    apply_tasks(PRONG_START_SPAWN);
}

FAMILY_SCENARIO(pools_apply_tasks_by_a_fork_server) {
    apply_tasks(PRONG_START_FORKSERVER);
}

FAMILY_SCENARIO(pools_map_arrays) {
    prong_pool pool = started();
    int in[100], out[100];
    prong_job job;
    for (int i = 0; i < 100; i++) in[i] = i;
    sure(prong_pool_run(pool, PRONG_MAP(squared, in, out), NULL, SOON));
    for (int i = 0; i < 100; i++) must_hold(out[i] == i * i);
    prong_bytes arguments[3] = {{&in[1], sizeof(int)}, {&in[2], sizeof(int)}, {&in[3], sizeof(int)}};
    prong_outcome outcome;
    sure(prong_pool_submit(pool, &(prong_work){.task = twice, .arguments = arguments, .count = 3}, &job, NULL));
    sure(prong_job_wait(job, SOON));
    sure(prong_job_outcome(job, 2, &outcome, SOON));
    must_hold(outcome.status == PRONG_OK && *(int *)outcome.data == 6);
    sure(prong_job_destroy(job));
    ended(pool);
}

static bool next_number(prong_bytes *argument, void *context) {
    static int number;
    int *next = context;
    number = (*next)++;
    *argument = (prong_bytes){&number, sizeof(number)};
    return number < 10;
}

FAMILY_SCENARIO(pools_give_results_one_by_one) {
    prong_pool pool = started();
    int next = 0;
    prong_iterator *iterator;
    prong_outcome outcome;
    sure(prong_pool_iterate(pool, &(prong_work){.task = twice, .generator = next_number, .generator_context = &next},
                            &iterator, &(prong_task_options){.buffer = 3}));
    for (int i = 0; i < 10; i++) {
        sure(prong_iterator_next(iterator, &outcome, SOON));
        must_hold(outcome.status == PRONG_OK && *(int *)outcome.data == 2 * i);
    }
    gives(prong_iterator_next(iterator, &outcome, SOON), PRONG_EOF);
    plain(prong_iterator_close(iterator));
    ended(pool);
}

FAMILY_SCENARIO(pools_take_values) {
    prong_pool pool = started();
    prong_document *document;
    prong_value arguments, items, result, item;
    sure(prong_document_open(&document, NULL));
    sure(prong_build(document, &arguments, "(s)", "text"));
    sure(prong_build(document, &items, "[sss]", "a", "b", "c"));
    sure(prong_pool_run(
        pool, &(prong_work){.value_task = joined, .values = arguments, .document = document, .result = &result}, NULL,
        SOON));
    must_hold(prong_value_size(result) == 2);
    sure(prong_pool_run(
        pool,
        &(prong_work){
            .value_task = joined, .values = items, .each = PRONG_EACH, .document = document, .result = &result},
        NULL, SOON));
    must_hold(prong_value_size(result) == 3);
    sure(prong_list_get(result, 2, &item));
    must_hold(prong_value_size(item) == 2);
    prong_document_close(document);
    ended(pool);
}

FAMILY_SCENARIO(pools_are_terminated) {
    prong_pool pool = started();
    prong_worker workers[2];
    size_t count;
    int seven = 7;
    prong_job job;
    prong_progress progress;
    sure(prong_pool_workers(pool, workers, 2, &count, NULL));
    must_hold(count == 2);
    sure(prong_pool_submit(pool, PRONG_TASK(twice, seven), &job, NULL));
    sure(prong_pool_terminate(pool));
    sure(prong_pool_join(pool, SOON));
    prong_status waited = prong_job_wait(job, SOON);
    sure(prong_job_progress(job, &progress));
    must_hold(waited != PRONG_TIMEOUT && progress.ended);
    sure(prong_job_destroy(job));
    sure(prong_pool_destroy(pool));
}
