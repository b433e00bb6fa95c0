/* A run with a journal. The first one is given up in the middle. The second takes the results of the tasks that were done
 * from the file, and runs the others: as when a program was killed, and is started again. */
#include "example.h"

enum { TASKS = 20, TAKEN = 8 };

/* The context: counts how often a task was run. */
static int square(void *argument, size_t size, prong_result *result) {
    const prong_shared_value *runs = prong_task_context(NULL);
    long number = *(long *)argument;
    (void)size;
    if (prong_shared_value_add(*runs, 0, 1, NULL) < 0) return 1;
    number *= number;
    return prong_result_set(result, &number, sizeof number);
}

static void give_up(prong_pool pool, const prong_work *work, const prong_task_options *options) {
    prong_iterator *results;
    prong_outcome outcome;
    must(prong_pool_iterate(pool, work, &results, options));
    for (int i = 0; i < TAKEN; i++) must(prong_iterator_next(results, &outcome, PRONG_SECONDS(30)));
    prong_iterator_close(results);
}

static void print_runs(const char *what, prong_shared_value runs) {
    long count, none = 0;
    must(prong_shared_value_exchange(runs, 0, &none, &count));
    printf("%s: %ld tasks were run\n", what, count);
}

int main(int argc, char **argv) {
    prong_pool pool;
    prong_shared_value runs;
    long in[TASKS], out[TASKS], sum = 0;
    char path[] = "/tmp/prong-resume-XXXXXX";
    prong_task_options options = {.journal = path, .buffer = 1};
    example_begin(argc, argv);
    must(close(mkstemp(path))); /* an empty file is an empty journal */
    must(prong_shared_value_create(&runs, PRONG_TYPE_OF(long), 1, NULL, NULL));
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 2}));
    for (long i = 0; i < TASKS; i++) in[i] = i;
    prong_work work = {
        .task = square, .in = in, .in_size = sizeof *in, .count = TASKS, .context = &runs, .context_size = sizeof runs};
    give_up(pool, &work, &options);
    print_runs("given up", runs);
    work.out = out;
    work.out_size = sizeof *out;
    must(prong_pool_run(pool, &work, &options, PRONG_SECONDS(30)));
    print_runs("resumed", runs);
    for (int i = 0; i < TASKS; i++) sum += out[i];
    printf("the sum of %d squares is %ld\n", TASKS, sum);
    must(prong_pool_destroy(pool));
    must(prong_shared_value_destroy(runs));
    must(unlink(path));
}
