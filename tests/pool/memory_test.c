/* Limits of a worker's memory: replaced after its task, refused, killed. */
#include "pool_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MIB = 1 << 20, HARD = 64 * MIB };

static prong_pool make_limited(int method, size_t soft, size_t hard) {
    prong_pool pool;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    test_skip("a sanitizer's own memory counts");
#endif
    ok(prong_pool_create(
        &pool, &(prong_pool_options){
                   .processes = 2, .method = (prong_start_method)method, .memory_soft = soft, .memory_hard = hard}));
    return pool;
}

/* Keeps so many bytes until its worker ends; its result is the worker's pid. */
static int keep(void *argument, size_t size, prong_result *result) {
    size_t wanted = *(size_t *)argument;
    char *bytes = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pid = getpid();
    (void)size;
    check(bytes != MAP_FAILED);
    memset(bytes, 1, wanted);
    return prong_result_set(result, &pid, sizeof pid);
}

static int keep_in(prong_pool pool, size_t bytes) {
    int pid;
    ok(prong_pool_run(
        pool,
        &(prong_work){
            .task = keep, .in = &bytes, .in_size = sizeof bytes, .count = 1, .out = &pid, .out_size = sizeof pid},
        NULL, PRONG_SECONDS(20)));
    return pid;
}

static bool has_worker(prong_pool pool, int pid) {
    prong_worker workers[2];
    ok(prong_pool_workers(pool, workers, 2, NULL, NULL));
    return workers[0].pid == pid || workers[1].pid == pid;
}

METHOD_TEST(a_worker_above_the_soft_limit_is_replaced_after_its_task) {
    prong_pool pool = make_limited(method, 48 * MIB, 0);
    int small = keep_in(pool, MIB);
    test_sleep_ms(20);
    check(has_worker(pool, small));
    int large = keep_in(pool, 80 * MIB);
    for (int i = 0; i < 1000 && has_worker(pool, large); i++) test_sleep_ms(5);
    check(!has_worker(pool, large));
    check(keep_in(pool, MIB) != large);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* Its code is 1 where the memory is refused. */
static int allocate(void *argument, size_t size, prong_result *result) {
    void *volatile bytes = malloc(*(size_t *)argument); /* volatile: a compiler leaves out what nobody looks at */
    int refused = bytes == NULL;
    (void)size;
    (void)result;
    free(bytes);
    return refused;
}

METHOD_TEST(memory_beyond_the_hard_limit_is_refused) {
    prong_pool pool = make_limited(method, 0, HARD);
    size_t less = HARD / 4, more = 2 * (size_t)HARD;
    ok(prong_pool_run(pool, PRONG_TASK(allocate, less), NULL, PRONG_SECONDS(20)));
    is(prong_pool_run(pool, PRONG_TASK(allocate, more), NULL, PRONG_SECONDS(20)), PRONG_TASK_FAILED);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

struct greed {
    prong_shared_value tries;
    int fails; /* so often it takes too much */
};

/* As one that the system did not refuse: a task that has raised its own limit. Its memory grows until it is killed. */
static int take_too_much(void *argument, size_t size, prong_result *result) {
    const struct greed *greed = argument;
    struct rlimit limit;
    int64_t before;
    (void)size;
    (void)result;
    ok(prong_shared_value_add(greed->tries, 0, 1, &before));
    if (before >= greed->fails) return 0;
    check(getrlimit(RLIMIT_DATA, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_DATA, &limit) == 0);
    char *bytes = mmap(NULL, 2 * HARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(bytes != MAP_FAILED);
    memset(bytes, 1, 2 * HARD);
    test_sleep_ms(20000);
    return 0;
}

METHOD_TEST(a_task_that_uses_more_than_the_hard_limit_is_killed) {
    prong_pool pool = make_limited(method, 0, HARD);
    struct greed greed = {.fails = 1};
    long number = 3;
    for (int i = 0; i < 2; i++) {
        ok(prong_shared_value_create(&greed.tries, PRONG_TYPE_OF(int), 1, NULL, NULL));
        is(prong_pool_run(pool, PRONG_TASK(take_too_much, greed), NULL, PRONG_SECONDS(15)), PRONG_TASK_MEMORY);
        says("memory_hard");
        ok(prong_shared_value_destroy(greed.tries));
        ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, PRONG_SECONDS(15)));
        test_sleep_ms(250); /* its owner has stopped looking */
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(such_a_task_is_run_again_where_that_is_asked_for) {
    prong_pool pool = make_limited(method, 0, HARD);
    struct greed greed = {.fails = 1};
    ok(prong_shared_value_create(&greed.tries, PRONG_TYPE_OF(int), 1, NULL, NULL));
    ok(prong_pool_run(pool, PRONG_TASK(take_too_much, greed), &(prong_task_options){.retries = 1}, PRONG_SECONDS(15)));
    ok(prong_shared_value_destroy(greed.tries));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* What a forked worker has from its parent does not count. */
TEST(the_parents_memory_is_not_the_workers) {
    char *bytes = malloc(4 * HARD);
    check(bytes != NULL);
    memset(bytes, 1, 4 * HARD);
    prong_pool pool = make_limited(PRONG_START_FORK, HARD / 2, HARD);
    int pid = keep_in(pool, MIB);
    test_sleep_ms(300);
    check(has_worker(pool, pid));
    ok(prong_pool_destroy(pool));
    free(bytes);
}

TEST(a_soft_limit_above_the_hard_one_is_refused) {
    prong_pool pool;
    is(prong_pool_create(&pool, &(prong_pool_options){.memory_soft = 2, .memory_hard = 1}), PRONG_INVALID);
    says("memory_soft (2) is more than memory_hard (1)");
}
