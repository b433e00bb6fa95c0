/* Walls that users of multiprocessing run into, shown to be gone. docs/walls.md lists all of them, with the tests; here are
 * those that no other file shows on its way. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- a child need not wait for its messages to be read before it can end --- */

static int put_a_megabyte(void *argument, size_t size) {
    static char large[1 << 20];
    (void)size;
    for (int i = 0; i < 16; i++) ok(prong_queue_put(*(prong_queue *)argument, large, sizeof large, PRONG_FOREVER));
    return 0;
}

METHOD_TEST(joining_a_producer_before_reading_does_not_deadlock) {
    prong_queue queue;
    static char large[1 << 20];
    ok(prong_queue_create(&queue, NULL));
    equal(test_end(start_with(method, put_a_megabyte, queue)), 0);
    for (int i = 0; i < 16; i++) ok(prong_queue_get(queue, large, sizeof large, NULL, PRONG_NOWAIT));
}

/* --- Ctrl-C reaches every process of the terminal; workers leave it to their owner --- */

static int work_a_while(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    test_sleep_ms(200);
    return prong_result_set(result, "done", 5);
}

METHOD_TEST(ctrl_c_does_not_kill_workers_nor_print_from_them) {
    prong_pool pool;
    prong_job job;
    prong_worker workers[2];
    size_t count;
    uint64_t deaths;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2, .method = (prong_start_method)method}));
    ok(prong_pool_submit(pool, &(prong_work){.task = work_a_while, .count = 1}, &job, NULL));
    test_sleep_ms(60);
    ok(prong_pool_workers(pool, workers, 2, &count, NULL));
    for (int i = 0; i < 2; i++) kill(workers[i].pid, SIGINT);
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    equal(deaths, 0);
    ok(prong_pool_destroy(pool));
}

/* --- size and empty do not lie --- */

static int put_and_tell(void *argument, size_t size) {
    prong_queue *queues = argument;
    (void)size;
    for (long i = 0; i < 2000; i++) {
        char byte;
        ok(prong_queue_put(queues[0], &i, sizeof i, PRONG_FOREVER));
        ok(prong_queue_put(queues[1], "x", 1, PRONG_FOREVER));
        ok(prong_queue_get(queues[2], &byte, 1, NULL, PRONG_SECONDS(10)));
    }
    return 0;
}

METHOD_TEST(size_empty_and_get_nowait_are_right_just_after_a_put) {
    prong_queue queues[3];
    for (int i = 0; i < 3; i++) ok(prong_queue_create(&queues[i], NULL));
    prong_process child = start_with(method, put_and_tell, queues);
    for (long i = 0, got; i < 2000; i++) {
        char byte;
        size_t count;
        ok(prong_queue_get(queues[1], &byte, 1, NULL, PRONG_SECONDS(10)));
        check(test_queue_size(queues[0]) > 0);
        ok(prong_queue_size(queues[0], &count, NULL));
        equal(count, 1);
        ok(prong_queue_get(queues[0], &got, sizeof got, NULL, PRONG_NOWAIT));
        equal(got, i);
        ok(prong_queue_put(queues[2], "x", 1, PRONG_FOREVER));
    }
    equal(test_end(child), 0);
}

/* --- callbacks --- */

struct chain {
    prong_pool pool;
    _Atomic int left;
};

static int nothing(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    (void)result;
    return 0;
}

static void submit_the_next(prong_job job, void *context) {
    struct chain *chain = context;
    ok(prong_job_destroy(job));
    if (--chain->left > 0)
        ok(prong_pool_submit(chain->pool, &(prong_work){.task = nothing, .count = 1}, &job,
                             &(prong_task_options){.callback = submit_the_next, .context = chain}));
}

METHOD_TEST(a_callback_may_submit_to_the_pool_and_cannot_break_it) {
    static struct chain chain;
    prong_job job;
    chain.left = 50;
    ok(prong_pool_create(&chain.pool, &(prong_pool_options){.processes = 2, .method = (prong_start_method)method}));
    ok(prong_pool_submit(chain.pool, &(prong_work){.task = nothing, .count = 1}, &job,
                         &(prong_task_options){.callback = submit_the_next, .context = &chain}));
    for (int i = 0; i < 1000 && chain.left > 0; i++) test_sleep_ms(5);
    equal(chain.left, 0);
    ok(prong_pool_destroy(chain.pool));
}

/* --- the pool's end races with everything --- */

static void *keep_submitting(void *context) {
    prong_pool pool = *(prong_pool *)context;
    prong_status status;
    do status = prong_pool_run(pool, &(prong_work){.task = nothing, .count = 1}, NULL, PRONG_SECONDS(10));
    while (status >= 0);
    return (void *)(intptr_t)(status == PRONG_NOT_RUNNING || status == PRONG_CANCELLED || status == PRONG_STALE);
}

METHOD_TEST(a_pool_can_end_at_any_moment_of_its_use) {
    for (int round = 0; round < 15; round++) {
        prong_pool pool;
        pthread_t threads[2];
        void *good;
        ok(prong_pool_create(&pool, &(prong_pool_options){
                                        .processes = 2, .maxtasksperchild = 50, .method = (prong_start_method)method}));
        for (int i = 0; i < 2; i++) check(pthread_create(&threads[i], NULL, keep_submitting, &pool) == 0);
        usleep((useconds_t)(round * 700));
        if (round % 2) {
            ok(prong_pool_shutdown(pool));
            ok(prong_pool_join(pool, PRONG_SECONDS(10)));
        } else {
            ok(prong_pool_terminate(pool));
        }
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], &good);
            check(good != NULL);
        }
        ok(prong_pool_destroy(pool));
    }
    test_arena_is_clean(0);
}

/* --- workers that never get going --- */

static int die_at_once(void *argument, size_t size) {
    (void)size;
    prong_queue_put(*(prong_queue *)argument, "x", 1, PRONG_FOREVER);
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(workers_that_die_as_they_begin_break_the_pool_and_are_not_started_for_ever) {
    prong_pool pool;
    prong_queue starts;
    prong_job job;
    size_t count, later;
    ok(prong_queue_create(&starts, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2,
                                                      .initializer = die_at_once,
                                                      .method = (prong_start_method)method,
                                                      .initializer_argument = &starts,
                                                      .initializer_size = sizeof starts}));
    prong_status status = prong_pool_submit(pool, &(prong_work){.task = nothing, .count = 1}, &job, NULL);
    if (status >= 0) status = prong_job_wait(job, PRONG_SECONDS(15));
    check(status == PRONG_POOL_BROKEN);
    test_sleep_ms(100);
    ok(prong_queue_size(starts, &count, NULL));
    test_sleep_ms(200);
    ok(prong_queue_size(starts, &later, NULL));
    check(count == later && count < 20);
    ok(prong_pool_destroy(pool));
}

/* --- descriptors --- */

TEST(a_thousand_queues_and_pipes_need_no_descriptor) {
    enum { COUNT = 1000 };
    static prong_queue queues[COUNT];
    prong_connection a, b;
    ok(prong_queue_create(&queues[0], NULL));
    struct rlimit limits = {.rlim_cur = 20, .rlim_max = 20};
    check(setrlimit(RLIMIT_NOFILE, &limits) == 0);
    int before = test_open_descriptors();
    for (long i = 0; i < COUNT; i++) {
        if (i) ok(prong_queue_create(&queues[i], NULL));
        ok(prong_queue_put(queues[i], &i, sizeof i, PRONG_NOWAIT));
        ok(prong_pipe_create(&a, &b, NULL));
        ok(prong_connection_send_bytes(a, &i, sizeof i, PRONG_NOWAIT));
        ok(prong_connection_recv_bytes_into(b, &i, sizeof i, NULL, PRONG_NOWAIT));
    }
    equal(test_open_descriptors(), before);
}

/* --- a consumer learns of its producers' deaths --- */

static int die_without_a_word(void *argument, size_t size) {
    (void)argument;
    (void)size;
    test_sleep_ms(50);
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(a_consumer_can_wait_for_messages_and_for_the_producers_end_at_once) {
    prong_queue queue;
    prong_waitable items[2] = {{.kind = PRONG_WAIT_QUEUE}, {.kind = PRONG_WAIT_DESCRIPTOR}};
    ok(prong_queue_create(&queue, NULL));
    items[0].queue = queue;
    prong_process producer = start_with(method, die_without_a_word, queue);
    ok(prong_process_sentinel(producer, &items[1].descriptor));
    ok(prong_wait(items, 2, NULL, PRONG_SECONDS(10)));
    check(!items[0].ready && items[1].ready);
    equal(test_end(producer), -SIGKILL);
}

/* --- waits do not poll --- */

static long times_asleep(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

TEST(a_wait_with_a_timeout_does_not_poll) {
    prong_popen *popen;
    prong_event event;
    ok(prong_event_create(&event, NULL));
    ok(prong_popen_open(&popen, (const char *const[]){"sleep", "30", NULL}, NULL));
    long before = times_asleep();
    is(prong_popen_wait(popen, NULL, PRONG_MS(500)), PRONG_TIMEOUT);
    check(times_asleep() - before < 5);
    before = times_asleep();
    is(prong_event_wait(event, PRONG_MS(500)), PRONG_TIMEOUT);
    check(times_asleep() - before < 40); /* it looks around every 50 ms; and yields for a moment at first */
    ok(prong_popen_stop(popen, NULL, &(prong_stop_plan){.kill = PRONG_SECONDS(5)}));
    ok(prong_popen_close(popen));
    ok(prong_event_destroy(event));
}
