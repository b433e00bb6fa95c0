/* Many pools in one process: one thread looks after them all. */
#define _GNU_SOURCE
#include "pool_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_all(prong_pool *pools, int count, int method) {
    for (int i = 0; i < count; i++) pools[i] = make(method, 1);
}

static void destroy_all(prong_pool *pools, int count) {
    for (int i = 0; i < count; i++) ok(prong_pool_terminate(pools[i]));
    for (int i = 0; i < count; i++) ok(prong_pool_destroy(pools[i]));
}

static int own_pid(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    int pid = getpid();
    return prong_result_set(result, &pid, sizeof pid);
}

static int worker_of(prong_pool pool) {
    int pid = 0;
    ok(prong_pool_run(pool, &(prong_work){.task = own_pid, .count = 1, .out = &pid, .out_size = sizeof pid}, NULL,
                      PRONG_SECONDS(60)));
    return pid;
}

static int threads(void) {
    char line[128];
    int count = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) sscanf(line, "Threads: %d", &count);
    if (status) fclose(status);
    return count;
}

TEST(pools_need_one_thread_in_all_and_none_after_them) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    test_skip("a sanitizer has threads of its own");
#endif
    enum { POOLS = 30 };
    prong_pool pools[POOLS];
    int before = threads();
    make_all(pools, POOLS, PRONG_START_FORK);
    for (int i = 0; i < POOLS; i++) worker_of(pools[i]);
    equal(threads(), before + 1);
    destroy_all(pools, POOLS);
    for (int i = 0; i < 1000 && threads() > before; i++) test_sleep_ms(1); /* the kernel lists it a moment longer */
    equal(threads(), before);
    test_arena_is_clean(0);
}

LONG_TEST(of_a_hundred_pools_each_replaces_its_killed_worker, 120) {
    enum { POOLS = 100 };
    prong_pool pools[POOLS];
    int before[POOLS];
    make_all(pools, POOLS, PRONG_START_FORK);
    for (int i = 0; i < POOLS; i++) before[i] = worker_of(pools[i]);
    for (int i = 0; i < POOLS; i++) check(kill(before[i], SIGKILL) == 0);
    for (int i = 0; i < POOLS; i++) {
        uint64_t deaths = 0;
        check(worker_of(pools[i]) != before[i]);
        ok(prong_pool_workers(pools[i], NULL, 0, NULL, &deaths));
        check(deaths == 1);
    }
    destroy_all(pools, POOLS);
    test_arena_is_clean(0);
}

LONG_TEST(of_a_hundred_pools_each_enforces_its_own_limit, 120) {
    enum { POOLS = 100 };
    prong_pool pools[POOLS];
    prong_job jobs[POOLS];
    int nap = 60000;
    make_all(pools, POOLS, PRONG_START_FORK);
    for (int i = 0; i < POOLS; i++) /* the later ones first, some at the same time, some never */
        ok(prong_pool_submit(pools[i], PRONG_TASK(sleep_ms, nap), &jobs[i],
                             i % 10 ? &(prong_task_options){.time_limit = PRONG_MS(300 - 2 * i)} : NULL));
    for (int i = 0; i < POOLS; i++)
        is(prong_job_wait(jobs[i], i % 10 ? PRONG_SECONDS(60) : PRONG_NOWAIT),
           i % 10 ? PRONG_TASK_TIMEOUT : PRONG_TIMEOUT);
    for (int i = 0; i < POOLS; i++) ok(prong_job_destroy(jobs[i]));
    destroy_all(pools, POOLS);
    test_arena_is_clean(0);
}

/* --- an owner that is killed --- */

static int own_many(void *unused, size_t size) {
    enum { POOLS = 100 };
    prong_pool pools[POOLS];
    (void)unused;
    (void)size;
    make_all(pools, POOLS, PRONG_START_FORK);
    for (int i = 0; i < POOLS; i += 10) worker_of(pools[i]);
    raise(SIGKILL);
    return 0;
}

/* The kernel kills the workers with their owner, but not in the same instant. */
static void wait_for_objects(uint64_t most) {
    prong_family_state state;
    int64_t end = test_now() + PRONG_SECONDS(30);
    do {
        test_sleep_ms(5);
        ok(prong_family_check(&state));
    } while (state.objects > most && test_now() < end);
}

LONG_METHOD_TEST(nothing_is_left_of_a_hundred_pools_whose_owner_is_killed, 120) {
    prong_process owner;
    int code = 0;
    ok(prong_process_create(&owner,
                            &(prong_process_options){.target = own_many, .method = (prong_start_method)method}));
    ok(prong_process_start(owner));
    ok(prong_process_join(owner, PRONG_SECONDS(60)));
    ok(prong_process_exitcode(owner, &code));
    equal(code, -SIGKILL);
    ok(prong_process_destroy(owner));
    wait_for_objects(1);
    test_arena_is_clean(0);
}

/* --- several threads --- */

static void *make_use_and_destroy(void *method) {
    for (int i = 0; i < 8; i++) {
        prong_pool pool = make(*(int *)method, 1);
        int worker = worker_of(pool);
        if (i % 2) check(kill(worker, SIGKILL) == 0);
        if (i % 4 < 2) worker_of(pool);
        ok(prong_pool_destroy(pool));
    }
    return NULL;
}

LONG_METHOD_TEST(several_threads_make_and_destroy_pools_at_once, 120) {
    enum { THREADS = 4 };
    pthread_t all[THREADS];
    equal(prong_family_count(), 1); /* it is entered before */
    for (int i = 0; i < THREADS; i++) check(pthread_create(&all[i], NULL, make_use_and_destroy, &method) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(all[i], NULL);
    test_arena_is_clean(0);
}

/* --- one whose worker cannot be replaced just now, as the fork server is stopped --- */

static int own_parent(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    int pid = getppid();
    return prong_result_set(result, &pid, sizeof pid);
}

LONG_TEST(a_start_that_hangs_delays_no_other_pools_limit, 60) {
    enum { LIMITS = 3 };
    int server = 0, nap = 60000;
    prong_pool slow = make(PRONG_START_FORKSERVER, 1), other = make(PRONG_START_FORK, LIMITS);
    ok(prong_pool_run(slow, &(prong_work){.task = own_parent, .count = 1, .out = &server, .out_size = sizeof server},
                      NULL, PRONG_SECONDS(30)));
    int worker = worker_of(slow);
    check(kill(server, SIGSTOP) == 0);
    check(kill(worker, SIGKILL) == 0);
    test_sleep_ms(50);                 /* so that the start has begun, mostly */
    for (int i = 0; i < LIMITS; i++) { /* one a worker: no fork is possible while a fork server is asked */
        prong_task_options limit = {.time_limit = PRONG_MS(20)};
        is(prong_pool_run(other, PRONG_TASK(sleep_ms, nap), &limit, PRONG_SECONDS(30)), PRONG_TASK_TIMEOUT);
    }
    is(prong_pool_run(slow, &(prong_work){.task = own_pid, .count = 1}, NULL, PRONG_MS(20)), PRONG_TIMEOUT);
    check(kill(server, SIGCONT) == 0);
    check(worker_of(slow) != worker);
    ok(prong_pool_destroy(other));
    ok(prong_pool_destroy(slow));
    test_arena_is_clean(0);
}

/* --- forks --- */

TEST(a_forked_child_has_pools_of_its_own_beside_its_parents) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    test_skip("a sanitizer's own locks and threads do not survive a fork of a process with threads");
#endif
    enum { POOLS = 10 };
    prong_pool pools[POOLS];
    int status;
    make_all(pools, POOLS, PRONG_START_FORK);
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0) {
            prong_pool own = make(PRONG_START_FORK, 1);
            int worker = worker_of(own);
            is(prong_pool_destroy(pools[i]), PRONG_NOT_CHILD);
            check(kill(worker, SIGKILL) == 0);
            check(worker_of(own) != worker);
            ok(prong_pool_destroy(own));
            _exit(0);
        }
        int worker = worker_of(pools[i]); /* while the child has copies of the descriptors */
        check(kill(worker, SIGKILL) == 0);
        check(worker_of(pools[i]) != worker);
        check(waitpid(child, &status, 0) == child && status == 0);
    }
    destroy_all(pools, POOLS);
    test_arena_is_clean(0);
}

/* --- what a worker that replaces another one runs on --- */

static int use_stack(void *argument, size_t size, prong_result *result) {
    volatile char large[2 << 20];
    (void)argument;
    (void)size;
    (void)result;
    for (size_t i = 0; i < sizeof large; i += 1024) large[i] = 1;
    return large[1024] - 1;
}

METHOD_TEST(a_worker_in_place_of_another_has_as_much_stack) {
    prong_pool pool = make(method, 1);
    for (int i = 0; i < 3; i++) {
        ok(prong_pool_run(pool, &(prong_work){.task = use_stack, .count = 1}, NULL, PRONG_SECONDS(10)));
        int worker = worker_of(pool);
        check(kill(worker, SIGKILL) == 0);
        while (kill(worker, 0) == 0) test_sleep_ms(1);
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
