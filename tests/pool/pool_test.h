/* Pools and tasks that several tests use. */
#ifndef TESTS_POOL_POOL_TEST_H
#define TESTS_POOL_POOL_TEST_H

#include "../support/test.h"

static inline prong_pool make(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method}));
    return pool;
}

static inline int square(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    check(size == sizeof number);
    number *= number;
    return prong_result_set(result, &number, sizeof number);
}

static inline int sleep_ms(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    test_sleep_ms(*(int *)argument);
    return 0;
}

static inline int refuse(void *argument, size_t size, prong_result *result) {
    (void)size;
    prong_result_set(result, "no such thing", 13);
    return *(int *)argument;
}

static inline int twice(const void *in, void *out) {
    *(double *)out = *(const double *)in * 2;
    return 0;
}

#endif
