/* A signal handler that calls what it has interrupted: pools have locks that one thread must not take twice. */
#include "pool_test.h"

#include "pool/job.h"
#include "pool/pool.h"

static const prong_time SOON = PRONG_SECONDS(10);

static bool count_up(prong_bytes *argument, void *context) {
    static long number;
    number = (*(long *)context)++;
    *argument = (prong_bytes){&number, sizeof number};
    return number < 100;
}

#define refused(call)                                                                                                  \
    do {                                                                                                               \
        is(call, PRONG_DEADLOCK);                                                                                      \
        says("this thread was interrupted inside of the pool by the signal handler that calls");                       \
    } while (0)

METHOD_TEST(calls_of_a_handler_that_interrupted_the_pools_guard_end_at_once) {
    prong_pool pool = make(method, 1);
    long number = 3, next = 0;
    int nap = 60000;
    prong_job job, other;
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_worker workers[2];
    size_t count;
    prong_work numbers = {.task = square, .generator = count_up, .generator_context = &next};
    ok(prong_pool_iterate(pool, &numbers, &iterator, &(prong_task_options){.buffer = 2}));
    ok(prong_iterator_next(iterator, &outcome, SOON));
    ok(prong_pool_submit(pool, PRONG_TASK(sleep_ms, nap), &job, NULL));
    ok(prong_pool_workers(pool, workers, 2, &count, NULL));
    struct guard *guard = &((struct pool *)arena_at(pool.offset))->guard;
    check(guard_enter(guard, PRONG_FOREVER)); /* here the signal comes */
    refused(prong_pool_submit(pool, PRONG_TASK(square, number), &other, NULL));
    refused(prong_pool_run(pool, PRONG_TASK(square, number), NULL, SOON));
    refused(prong_pool_workers(pool, workers, 2, &count, NULL));
    refused(prong_job_cancel(job, false));
    guard_leave(guard);
    ok(prong_pool_workers(pool, workers, 2, &count, NULL)); /* what was refused can be done now, and nothing was lost */
    equal(count, 1);
    ok(prong_job_cancel(job, true));
    is(prong_job_wait(job, SOON), PRONG_CANCELLED);
    for (long i = 1; i < 100; i++) {
        ok(prong_iterator_next(iterator, &outcome, SOON));
        equal(*(long *)outcome.data, i * i);
    }
    is(prong_iterator_next(iterator, &outcome, SOON), PRONG_EOF);
    prong_iterator_close(iterator);
    ok(prong_job_destroy(job));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
