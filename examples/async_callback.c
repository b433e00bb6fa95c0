/* Tasks submitted without waiting; a callback gathers the results as they come, another one the failures. */
#include "example.h"

#include <stdatomic.h>

struct tally {
    atomic_int good, bad;
    atomic_long sum;
};

static int cube(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    (void)size;
    if (number == 7) abort(); /* one of them crashes: its worker dies, the pool does not */
    number = number * number * number;
    return prong_result_set(result, &number, sizeof number);
}

static void done(prong_job job, void *context) {
    struct tally *tally = context;
    prong_outcome outcome;
    must(prong_job_outcome(job, 0, &outcome, PRONG_NOWAIT));
    tally->sum += *(long *)outcome.data;
    tally->good++;
    must(prong_job_destroy(job));
}

static void failed(prong_job job, prong_status status, const char *message, void *context) {
    struct tally *tally = context;
    printf("%s: %s\n", prong_status_name(status), message);
    must(prong_job_destroy(job));
    tally->bad++;
}

int main(int argc, char **argv) {
    prong_pool pool;
    prong_job job;
    static struct tally tally;
    example_begin(argc, argv);
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 2}));
    prong_task_options options = {.callback = done, .error_callback = failed, .context = &tally};
    for (long i = 0; i < 10; i++) must(prong_pool_submit(pool, PRONG_TASK(cube, i), &job, &options));
    must(prong_pool_shutdown(pool));
    must(prong_pool_join(pool, PRONG_SECONDS(10))); /* callbacks included */
    printf("%d good, %d bad, sum %ld\n", tally.good, tally.bad, tally.sum);
    must(prong_pool_destroy(pool));
}
