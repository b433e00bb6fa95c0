/* A Pool of 4 that runs 5 sleeping tasks: four at once, then the fifth. */
#include "example.h"

#include <time.h>

static int nap(void *argument, size_t size, prong_result *result) {
    int number = *(int *)argument, doubled = number * 2;
    (void)size;
    usleep(200000);
    return prong_result_set(result, &doubled, sizeof doubled);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    prong_pool pool;
    int numbers[5] = {1, 2, 3, 4, 5}, doubled[5];
    example_begin(argc, argv);
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 4}));
    prong_work work = {.task = nap,
                       .in = numbers,
                       .in_size = sizeof *numbers,
                       .count = 5,
                       .out = doubled,
                       .out_size = sizeof *doubled};
    double before = now();
    must(prong_pool_run(pool, &work, &(prong_task_options){.progress = prong_progress_bar}, PRONG_SECONDS(10)));
    double took = now() - before;
    for (int i = 0; i < 5; i++) printf("%d -> %d\n", numbers[i], doubled[i]);
    printf("two rounds, not five: %s\n", took >= 0.39 && took < 0.95 ? "yes" : "no");
    must(prong_pool_shutdown(pool));
    must(prong_pool_join(pool, PRONG_SECONDS(10)));
    must(prong_pool_destroy(pool));
}
