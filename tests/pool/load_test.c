/* The limit in bytes on what waits and runs in a pool. */
#include "pool_test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

enum { LIMIT = 10000, MOST = 6000 }; /* there is room for one of these arguments, and not for two */

static prong_pool make_limited(int method, unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(
        &pool, &(prong_pool_options){.processes = processes, .method = (prong_start_method)method, .maxbytes = LIMIT}));
    return pool;
}

/* What a task is called with: bytes, the first of which are these. */
struct large {
    prong_event go;
    prong_pool other;
    bool dies;
    char bytes[MOST];
};

static int wait_to_go(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    return prong_event_wait(((struct large *)argument)->go, PRONG_SECONDS(30)) < 0;
}

static prong_status submit(prong_pool pool, prong_task *task, const struct large *large, prong_job *job,
                           prong_time room_timeout) {
    return prong_pool_submit(pool, &(prong_work){.task = task, .in = large, .in_size = sizeof *large, .count = 1}, job,
                             &(prong_task_options){.room_timeout = room_timeout});
}

static void end_job(prong_job job) {
    ok(prong_job_wait(job, PRONG_SECONDS(30)));
    ok(prong_job_destroy(job));
}

METHOD_TEST(a_submit_waits_for_room) {
    prong_pool pool = make_limited(method, 2);
    struct large large = {0};
    prong_job first, second;
    ok(prong_event_create(&large.go, NULL));
    ok(submit(pool, wait_to_go, &large, &first, 0));
    is(submit(pool, wait_to_go, &large, &second, -1), PRONG_FULL);
    is(submit(pool, wait_to_go, &large, &second, PRONG_MS(50)), PRONG_FULL);
    says("had no room in the time given");
    is(prong_pool_run(pool, &(prong_work){.task = wait_to_go, .in = &large, .in_size = sizeof large, .count = 1}, NULL,
                      PRONG_MS(50)),
       PRONG_TIMEOUT);
    ok(prong_event_set(large.go));
    ok(submit(pool, wait_to_go, &large, &second, 0));
    end_job(first);
    end_job(second);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

/* Results that nobody has taken are no reason to wait. */
METHOD_TEST(all_is_submitted_and_then_collected) {
    enum { JOBS = 50 };
    prong_pool pool = make_limited(method, 2);
    struct large large = {0};
    prong_job jobs[JOBS];
    ok(prong_event_create(&large.go, NULL));
    ok(prong_event_set(large.go));
    for (int i = 0; i < JOBS; i++) ok(submit(pool, wait_to_go, &large, &jobs[i], 0));
    for (int i = 0; i < JOBS; i++) end_job(jobs[i]);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

TEST(what_is_larger_than_the_limit_is_refused) {
    static char bytes[LIMIT + 1];
    prong_pool pool = make_limited(PRONG_START_FORK, 1);
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_job job;
    prong_work work = {.task = sleep_ms, .in = bytes, .in_size = sizeof bytes, .count = 1};
    is(prong_pool_submit(pool, &work, &job, NULL), PRONG_INVALID);
    says("are more than pool 'PoolWorker' may hold (maxbytes is 10000)");
    is(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(5)), PRONG_INVALID);
    ok(prong_pool_iterate(pool, &work, &iterator, NULL));
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(5)), PRONG_INVALID);
    prong_iterator_close(iterator);
    work.in_size = sizeof(int);
    is(prong_pool_submit(pool, &work, &job, &(prong_task_options){.beside = LIMIT}), PRONG_INVALID);
    is(prong_pool_submit(pool, &work, &job, &(prong_task_options){.capacity = 10}), PRONG_INVALID);
    says("takes no open jobs");
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(5)));
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- those that die --- */

static int submit_and_stay(void *argument, size_t size) {
    struct large *large = argument;
    prong_job job;
    (void)size;
    ok(submit(large->other, wait_to_go, large, &job, -1));
    test_sleep_ms(60000);
    return 0;
}

static void kill_process(prong_process process) {
    ok(prong_process_signal(process, SIGKILL));
    ok(prong_process_join(process, PRONG_SECONDS(30)));
    ok(prong_process_destroy(process));
}

static void wait_until_full(prong_pool pool, const struct large *large) {
    prong_job job;
    for (int i = 0; i < 2000; i++) {
        prong_status status = submit(pool, wait_to_go, large, &job, -1);
        if (status == PRONG_FULL) return;
        ok(status);
        ok(prong_job_destroy(job));
        test_sleep_ms(10);
    }
    check(false);
}

/* Its job waits behind one that runs; so nothing of it is left. */
METHOD_TEST(the_bytes_of_a_killed_submitter_come_back) {
    prong_pool pool = make_limited(method, 1);
    struct large large = {.other = pool};
    prong_job first, second;
    prong_event held = {0};
    ok(prong_event_create(&large.go, NULL));
    ok(prong_event_create(&held, NULL));
    ok(prong_pool_submit(pool, PRONG_TASK(wait_to_go, held), &first, NULL));
    prong_process process = start_with(method, submit_and_stay, large);
    wait_until_full(pool, &large);
    kill_process(process);
    ok(submit(pool, wait_to_go, &large, &second, PRONG_SECONDS(30)));
    ok(prong_event_set(held));
    ok(prong_event_set(large.go));
    end_job(first);
    end_job(second);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    ok(prong_event_destroy(held));
    test_arena_is_clean(0);
}

static int submit_in_vain(void *argument, size_t size) {
    struct large *large = argument;
    prong_job job;
    (void)size;
    submit(large->other, wait_to_go, large, &job, 0);
    return 1;
}

METHOD_TEST(a_submitter_is_killed_that_waits) {
    prong_pool pool = make_limited(method, 1);
    struct large large = {.other = pool};
    prong_job job;
    ok(prong_event_create(&large.go, NULL));
    ok(submit(pool, wait_to_go, &large, &job, 0));
    for (int i = 0; i < 3; i++) {
        prong_process process = start_with(method, submit_in_vain, large);
        test_sleep_ms(100);
        kill_process(process);
    }
    ok(prong_event_set(large.go));
    end_job(job);
    ok(submit(pool, wait_to_go, &large, &job, -1));
    end_job(job);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

static int die(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    (void)result;
    raise(SIGKILL);
    return 0;
}

METHOD_TEST(the_bytes_of_a_killed_workers_task_come_back) {
    prong_pool pool = make_limited(method, 1);
    struct large large = {0};
    prong_job first, second;
    for (int i = 0; i < 3; i++) {
        ok(submit(pool, die, &large, &first, 0));
        ok(submit(pool, die, &large, &second, PRONG_SECONDS(30)));
        is(prong_job_wait(first, PRONG_SECONDS(30)), PRONG_WORKER_DIED);
        is(prong_job_wait(second, PRONG_SECONDS(30)), PRONG_WORKER_DIED);
        ok(prong_job_destroy(first));
        ok(prong_job_destroy(second));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- several that wait, and an end --- */

static int submit_many(void *argument, size_t size) {
    struct large *large = argument;
    prong_job job;
    (void)size;
    for (int i = 0; i < 200; i++) {
        ok(submit(large->other, wait_to_go, large, &job, PRONG_SECONDS(30)));
        if (i % 2) ok(prong_job_wait(job, PRONG_SECONDS(30)));
        ok(prong_job_destroy(job)); /* one that has begun goes on */
    }
    return 0;
}

METHOD_TEST(several_submitters_take_turns) {
    prong_pool pool = make_limited(method, 2);
    struct large large = {.other = pool};
    prong_process all[3];
    ok(prong_event_create(&large.go, NULL));
    ok(prong_event_set(large.go));
    for (int i = 0; i < 3; i++) all[i] = start_with(method, submit_many, large);
    for (int i = 0; i < 3; i++) {
        ok(prong_process_join(all[i], PRONG_SECONDS(60)));
        ok(prong_process_destroy(all[i]));
    }
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

static void *terminate_soon(void *pool) {
    test_sleep_ms(100);
    ok(prong_pool_terminate(*(prong_pool *)pool));
    return NULL;
}

METHOD_TEST(a_submit_that_waits_is_told_of_the_pools_end) {
    prong_pool pool = make_limited(method, 1);
    struct large large = {0};
    prong_job first, second;
    pthread_t thread;
    ok(prong_event_create(&large.go, NULL));
    ok(submit(pool, wait_to_go, &large, &first, 0));
    equal(pthread_create(&thread, NULL, terminate_soon, &pool), 0);
    is(submit(pool, wait_to_go, &large, &second, 0), PRONG_NOT_RUNNING);
    pthread_join(thread, NULL);
    ok(prong_job_destroy(first));
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

/* --- iterators --- */

static bool next_large(prong_bytes *bytes, void *left) {
    static struct large large;
    *bytes = (prong_bytes){&large, sizeof large};
    return (*(int *)left)-- > 0;
}

static int end_at_once(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    (void)result;
    return 0;
}

METHOD_TEST(an_iterator_reads_ahead_as_far_as_there_is_room) {
    prong_pool pool = make_limited(method, 1);
    struct large large = {0};
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_job job;
    int left = 20, count = 0;
    ok(prong_event_create(&large.go, NULL));
    ok(submit(pool, wait_to_go, &large, &job, 0)); /* the pool is full: it has one task in it all the same */
    ok(prong_pool_iterate(pool, &(prong_work){.task = end_at_once, .generator = next_large, .generator_context = &left},
                          &iterator, &(prong_task_options){.buffer = 8}));
    is(prong_iterator_next(iterator, &outcome, PRONG_MS(50)), PRONG_TIMEOUT);
    equal(left, 18); /* one is submitted, and one was read that waits */
    ok(prong_event_set(large.go));
    prong_status status;
    while ((status = prong_iterator_next(iterator, &outcome, PRONG_SECONDS(30))) == PRONG_OK) count++;
    is(status, PRONG_EOF);
    equal(count, 20);
    prong_iterator_close(iterator);
    end_job(job);
    ok(submit(pool, wait_to_go, &large, &job, -1)); /* it holds nothing any more */
    end_job(job);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

METHOD_TEST(what_a_closed_iterator_held_comes_back) {
    prong_pool pool = make_limited(method, 1);
    struct large large = {0};
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_job job;
    int left = 20;
    for (int i = 0; i < 5; i++) {
        ok(prong_pool_iterate(pool,
                              &(prong_work){.task = end_at_once, .generator = next_large, .generator_context = &left},
                              &iterator, NULL));
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(30)));
        prong_iterator_close(iterator);
    }
    ok(submit(pool, end_at_once, &large, &job, PRONG_SECONDS(30)));
    end_job(job);
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

/* --- workers that submit --- */

static int submit_here(void *argument, size_t size, prong_result *result) {
    struct large *large = argument;
    prong_job job;
    (void)size;
    (void)result;
    ok(submit(large->other, wait_to_go, large, &job, 0));
    end_job(job);
    return 0;
}

METHOD_TEST(a_task_that_submits_to_its_own_pool_does_not_wait) {
    prong_pool pool = make_limited(method, 2);
    struct large large = {.other = pool};
    prong_job job;
    ok(prong_event_create(&large.go, NULL));
    ok(prong_event_set(large.go));
    ok(submit(pool, submit_here, &large, &job, 0));
    end_job(job);
    ok(prong_pool_destroy(pool));
    ok(prong_event_destroy(large.go));
    test_arena_is_clean(0);
}

static int submit_elsewhere(void *argument, size_t size, prong_result *result) {
    struct large *large = argument;
    prong_status status;
    prong_job job;
    (void)size;
    prong_event both;
    memcpy(&both, large->bytes, sizeof both);
    ok(prong_event_set(large->go));
    ok(prong_event_wait(both, PRONG_SECONDS(30)));
    status = submit(large->other, end_at_once, large, &job, 0);
    if (status >= 0) end_job(job);
    return prong_result_set(result, &status, sizeof status);
}

static prong_status status_of(prong_job job) {
    prong_outcome outcome;
    prong_status status;
    ok(prong_job_outcome(job, 0, &outcome, PRONG_SECONDS(30)));
    ok(outcome.status);
    equal(outcome.size, sizeof status);
    memcpy(&status, outcome.data, sizeof status);
    ok(prong_job_destroy(job));
    return status;
}

/* A task of each waits for room in the other, which only its own end would make. */
METHOD_TEST(pools_that_wait_for_each_others_room_are_told) {
    prong_pool one = make_limited(method, 1), other = make_limited(method, 1);
    struct large to_other = {.other = other}, to_one = {.other = one};
    prong_event both;
    prong_job first, second;
    ok(prong_event_create(&both, NULL));
    ok(prong_event_create(&to_other.go, NULL));
    ok(prong_event_create(&to_one.go, NULL));
    memcpy(to_other.bytes, &both, sizeof both);
    memcpy(to_one.bytes, &both, sizeof both);
    ok(submit(one, submit_elsewhere, &to_other, &first, 0));
    ok(submit(other, submit_elsewhere, &to_one, &second, 0));
    ok(prong_event_wait(to_other.go, PRONG_SECONDS(30)));
    ok(prong_event_wait(to_one.go, PRONG_SECONDS(30)));
    ok(prong_event_set(both));
    prong_status statuses[] = {status_of(first), status_of(second)};
    check(statuses[0] == PRONG_DEADLOCK || statuses[1] == PRONG_DEADLOCK);
    check(statuses[0] == PRONG_OK || statuses[1] == PRONG_OK);
    ok(prong_pool_destroy(one));
    ok(prong_pool_destroy(other));
    ok(prong_event_destroy(both));
    ok(prong_event_destroy(to_other.go));
    ok(prong_event_destroy(to_one.go));
    test_arena_is_clean(0);
}
