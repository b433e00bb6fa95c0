/* Pools by name. */
#include "pool_test.h"

#include <signal.h>

static prong_pool make_named(int method, const char *name) {
    prong_pool pool;
    ok(prong_pool_create(&pool,
                         &(prong_pool_options){.processes = 1, .method = (prong_start_method)method, .name = name}));
    return pool;
}

static bool same(prong_pool one, prong_pool other) {
    return one.offset == other.offset && one.generation == other.generation;
}

/* A task of one pool finds another, and runs a task there. */
static int square_elsewhere(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    prong_pool pool;
    (void)size;
    ok(prong_pool_find("numbers", &pool));
    ok(prong_pool_run(pool,
                      &(prong_work){.task = square,
                                    .in = &number,
                                    .in_size = sizeof number,
                                    .count = 1,
                                    .out = &number,
                                    .out_size = sizeof number},
                      NULL, PRONG_SECONDS(20)));
    return prong_result_set(result, &number, sizeof number);
}

METHOD_TEST(any_member_finds_a_pool_by_its_name) {
    prong_pool numbers = make_named(method, "numbers"), others = make_named(method, "others"), found;
    long number = 7;
    ok(prong_pool_find("numbers", &found));
    check(same(found, numbers));
    ok(prong_pool_run(others,
                      &(prong_work){.task = square_elsewhere,
                                    .in = &number,
                                    .in_size = sizeof number,
                                    .count = 1,
                                    .out = &number,
                                    .out_size = sizeof number},
                      NULL, PRONG_SECONDS(20)));
    equal(number, 49);
    ok(prong_pool_destroy(numbers));
    ok(prong_pool_destroy(others));
    test_arena_is_clean(0);
}

METHOD_TEST(of_several_the_last_that_runs_is_found) {
    prong_pool first = make_named(method, "work"), second = make_named(method, "work"), found;
    ok(prong_pool_find("work", &found));
    check(same(found, second));
    ok(prong_pool_shutdown(second));
    ok(prong_pool_find("work", &found));
    check(same(found, first));
    ok(prong_pool_destroy(first));
    is(prong_pool_find("work", &found), PRONG_NOT_FOUND);
    says("no pool named 'work' runs");
    ok(prong_pool_destroy(second));
}

static int own_a_pool(void *argument, size_t size) {
    (void)size;
    make_named(PRONG_START_FORK, "work");
    ok(prong_event_set(*(prong_event *)argument));
    test_sleep_ms(60000);
    return 0;
}

METHOD_TEST(a_pool_whose_owner_was_killed_is_not_found) {
    prong_event ready;
    prong_process process;
    prong_pool found;
    ok(prong_event_create(&ready, NULL));
    process = start_with(method, own_a_pool, ready);
    ok(prong_event_wait(ready, PRONG_SECONDS(20)));
    prong_pool mine = make_named(method, "mine");
    ok(prong_pool_find("work", &found));
    ok(prong_process_signal(process, SIGKILL));
    ok(prong_process_join(process, PRONG_SECONDS(20)));
    is(prong_pool_find("work", &found), PRONG_NOT_FOUND);
    ok(prong_pool_find("mine", &found));
    check(same(found, mine));
    ok(prong_pool_destroy(mine));
    ok(prong_process_destroy(process));
    ok(prong_event_destroy(ready));
}

TEST(what_is_no_name_is_refused) {
    prong_pool found;
    is(prong_pool_find(NULL, &found), PRONG_INVALID);
    is(prong_pool_find("work", NULL), PRONG_INVALID);
}
