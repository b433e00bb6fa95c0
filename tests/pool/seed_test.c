/* The seeds of tasks. */
#include "pool_test.h"

static int seed_of_element(const void *in, void *out) {
    (void)in;
    *(uint64_t *)out = prong_task_seed(0);
    return 0;
}

static int seeds_of_range(const void *in, void *out, size_t count) {
    (void)in;
    for (size_t i = 0; i < count; i++) ((uint64_t *)out)[i] = prong_task_seed(i);
    return 0;
}

static int seed_of_task(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size;
    uint64_t seed = prong_task_seed(0);
    return prong_result_set(result, &seed, sizeof seed);
}

enum { COUNT = 100 };
static const long in[COUNT];

static void seeds_are(const uint64_t *seeds, uint64_t seed) {
    for (uint64_t i = 0; i < COUNT; i++) check(seeds[i] == prong_seed(seed, i));
}

static void seeds_of(prong_pool pool, prong_work work, size_t chunk, uint64_t seed) {
    static uint64_t out[COUNT];
    memset(out, 0, sizeof out);
    work.in = in;
    work.in_size = sizeof in[0];
    work.count = COUNT;
    work.out = out;
    work.out_size = sizeof out[0];
    ok(prong_pool_run(pool, &work, &(prong_task_options){.chunk_size = chunk, .seed = seed}, PRONG_SECONDS(15)));
    seeds_are(out, seed);
}

METHOD_TEST(seeds_do_not_depend_on_workers_or_chunks) {
    for (unsigned workers = 1; workers <= 2; workers++) {
        prong_pool pool = make(method, workers);
        for (size_t chunk = 0; chunk < 8; chunk += 7) {
            seeds_of(pool, (prong_work){.element = seed_of_element}, chunk, 42);
            seeds_of(pool, (prong_work){.range = seeds_of_range}, chunk, 42);
            seeds_of(pool, (prong_work){.task = seed_of_task}, chunk, 0);
        }
        ok(prong_pool_destroy(pool));
    }
}

static void iterated_seeds(prong_pool pool, prong_work work, bool unordered) {
    uint64_t seeds[COUNT];
    prong_outcome outcome;
    prong_iterator *iterator;
    size_t step = work.task ? 1 : 7;
    prong_task_options options = {.chunk_size = 7, .seed = 5, .buffer = 3, .unordered = unordered};
    work.in = in;
    work.in_size = sizeof in[0];
    work.count = COUNT;
    if (!work.task) work.out_size = sizeof seeds[0];
    ok(prong_pool_iterate(pool, &work, &iterator, &options));
    while (prong_iterator_next(iterator, &outcome, PRONG_SECONDS(15)) >= 0) {
        equal(outcome.status, PRONG_OK);
        memcpy(seeds + outcome.index * step, outcome.data, outcome.size);
    }
    prong_iterator_close(iterator);
    seeds_are(seeds, 5);
}

METHOD_TEST(seeds_are_the_same_from_an_iterator) {
    prong_pool pool = make(method, 2);
    iterated_seeds(pool, (prong_work){.element = seed_of_element}, false);
    iterated_seeds(pool, (prong_work){.range = seeds_of_range}, true);
    iterated_seeds(pool, (prong_work){.task = seed_of_task}, true);
    ok(prong_pool_destroy(pool));
}

static int die_at_first(void *argument, size_t size, prong_result *result) {
    long before = 0;
    (void)size;
    ok(prong_shared_value_add(*(prong_shared_value *)argument, 0, 1, &before));
    if (before <= 1) raise(SIGKILL);
    uint64_t seed = prong_task_seed(0);
    return prong_result_set(result, &seed, sizeof seed);
}

METHOD_TEST(a_task_that_is_run_again_has_the_same_seed) {
    prong_pool pool = make(method, 1);
    prong_shared_value tries;
    uint64_t seed;
    ok(prong_shared_value_create(&tries, PRONG_TYPE_OF(long), 1, NULL, NULL));
    prong_work work = {
        .task = die_at_first, .in = &tries, .in_size = sizeof tries, .count = 1, .out = &seed, .out_size = 8};
    ok(prong_pool_run(pool, &work, &(prong_task_options){.retries = 3, .seed = 9}, PRONG_SECONDS(15)));
    check(seed == prong_seed(9, 0));
    ok(prong_pool_destroy(pool));
}

/* What the header says, for 1 and 2 by hand; it is the same in later versions. */
TEST(seeds_are_what_is_documented) {
    const uint64_t step = 0x9e3779b97f4a7c15u;
    uint64_t z[2] = {1 + step, 0};
    for (int i = 0; i < 2; i++) {
        z[i] = (z[i] ^ z[i] >> 30) * 0xbf58476d1ce4e5b9u;
        z[i] = (z[i] ^ z[i] >> 27) * 0x94d049bb133111ebu;
        z[i] ^= z[i] >> 31;
        if (i == 0) z[1] = z[0] + 3 * step;
    }
    check(prong_seed(1, 2) == z[1]);
    equal(prong_task_seed(0), 0);
    for (uint64_t seed = 0; seed < 50; seed++)
        for (uint64_t i = 0; i < 50; i++) check(prong_seed(seed, i) != prong_seed(seed + 1, i));
}
