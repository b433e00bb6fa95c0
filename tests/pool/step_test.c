/* Death at every instruction around tasks: of the worker that hands one in and claims the next, and of a process that submits,
 * waits for, cancels and closes jobs. Each is stepped by ptrace and killed after so many instructions; then nothing is lost, stuck
 * or left. In short runs not after each instruction but at a stride. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static prong_pool make(unsigned processes) {
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = processes, .method = PRONG_START_FORK}));
    return pool;
}

static long next_steps(long steps, int stride, long kills) {
    return getenv("PRONG_STEP_ALL") ? steps + 1 : steps + stride + kills % 5 - 2;
}

static uint64_t objects(void) {
    prong_family_state state;
    ok(prong_family_check(&state));
    return state.objects;
}

static prong_pool stage_pool;

/* A worker that was killed has no object until another comes in its place. */
static bool has_all_workers(void) {
    prong_worker workers[2];
    size_t count;
    if (!stage_pool.generation) return true;
    ok(prong_pool_workers(stage_pool, workers, 2, &count, NULL));
    for (size_t i = 0; i < 2 && i < count; i++)
        if (!workers[i].pid || kill(workers[i].pid, 0) != 0) return false;
    return true;
}

static uint64_t objects_with_all_workers(void) {
    int64_t end = test_now() + PRONG_SECONDS(15);
    while (!has_all_workers() && test_now() < end) test_sleep_ms(2);
    return objects();
}

/* Returns how many there are now: fewer where a worker was still within a job when they were counted before. */
static uint64_t expect_objects(uint64_t wanted) {
    int64_t end = test_now() + PRONG_SECONDS(15);
    while (objects() > wanted && test_now() < end) test_sleep_ms(2);
    uint64_t found = objects_with_all_workers();
    if (found > wanted)
        test_failed(__FILE__, __LINE__, "%llu objects are left, not %llu", (unsigned long long)found,
                    (unsigned long long)wanted);
    return found;
}

/* --- a worker --- */

static int stop_once(void *argument, size_t size, prong_result *result) {
    char byte;
    if (prong_queue_get(*(prong_queue *)argument, &byte, 1, NULL, PRONG_NOWAIT) == PRONG_OK) raise(SIGSTOP);
    return prong_result_set(result, argument, size);
}

static int worker_of(prong_pool pool, int before) {
    prong_worker worker = {0};
    size_t count;
    for (int i = 0; i < 3000 && (worker.pid == 0 || worker.pid == before); i++) {
        if (i) test_sleep_ms(2);
        ok(prong_pool_workers(pool, &worker, 1, &count, NULL));
    }
    check(worker.pid && worker.pid != before);
    return worker.pid;
}

static bool all_done(prong_job job) {
    prong_progress progress;
    ok(prong_job_progress(job, &progress));
    return progress.done == progress.total;
}

/* From within the first of the job's tasks on. True when it got to the end of them, and so many instructions further. */
static bool step_worker(int pid, prong_job job, long steps, int far) {
    int status, beyond = 0;
    check(waitpid(pid, &status, __WALL) == pid);
    check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    for (long i = 0; i < steps && beyond < far; i++) {
        check(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
        check(waitpid(pid, &status, __WALL) == pid);
        check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
        beyond += beyond > 0 || all_done(job);
    }
    return beyond == far;
}

LONG_TEST(a_worker_that_is_killed_at_any_instruction_loses_no_task, 300) {
    prong_pool pool = make(1);
    prong_queue queue;
    prong_bytes arguments[3] = {{&queue, sizeof queue}, {&queue, sizeof queue}, {&queue, sizeof queue}};
    prong_outcome outcome;
    long kills = 0;
    int pid = 0;
    bool through = false;
    ok(prong_queue_create(&queue, NULL));
    uint64_t before = objects_with_all_workers();
    for (long steps = 0; !through; steps = next_steps(steps, 37, kills++)) {
        prong_job job;
        pid = worker_of(pool, pid);
        check(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
        ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
        ok(prong_pool_submit(pool, &(prong_work){.task = stop_once, .arguments = arguments, .count = 3}, &job,
                             &(prong_task_options){.retries = 2}));
        through = step_worker(pid, job, steps, 400);
        check(kill(pid, SIGKILL) == 0);
        ok(prong_job_wait(job, PRONG_SECONDS(15)));
        for (size_t i = 0; i < 3; i++) {
            ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
            check(outcome.status == PRONG_OK && outcome.size == sizeof queue);
            check(outcome.tries >= 1 && outcome.tries <= 2);
        }
        ok(prong_job_destroy(job));
    }
    check(kills > 20);
    expect_objects(before);
    ok(prong_pool_destroy(pool));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

static void add_tasks(prong_job job, const void *argument, size_t size, size_t count) {
    size_t index;
    for (size_t i = 0; i < count; i++) ok(prong_job_add(job, argument, size, &index));
}

/* The first stops its worker; the second is taken out meanwhile, and the worker steps over it. */
LONG_TEST(a_worker_that_is_killed_at_any_instruction_loses_no_task_of_an_open_job, 300) {
    prong_pool pool = make(1);
    prong_queue queue;
    prong_outcome outcome;
    long kills = 0;
    int pid = 0;
    bool through = false;
    ok(prong_queue_create(&queue, NULL));
    uint64_t before = objects_with_all_workers();
    for (long steps = 0; !through; steps = next_steps(steps, 37, kills++)) {
        prong_job job;
        pid = worker_of(pool, pid);
        check(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
        ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
        ok(prong_pool_submit(pool, &(prong_work){.task = stop_once}, &job,
                             &(prong_task_options){.capacity = 4, .retries = 2}));
        add_tasks(job, &queue, sizeof queue, 4);
        ok(prong_job_cancel_task(job, 1, false));
        through = step_worker(pid, job, steps, 400);
        check(kill(pid, SIGKILL) == 0);
        is(prong_job_wait(job, PRONG_SECONDS(15)), PRONG_CANCELLED);
        for (size_t i = 0; i < 4; i++) {
            ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
            check(i == 1 ? outcome.status == PRONG_CANCELLED
                         : outcome.status == PRONG_OK && outcome.size == sizeof queue);
            check(i == 1 || (outcome.tries >= 1 && outcome.tries <= 2));
        }
        ok(prong_job_destroy(job));
    }
    check(kills > 20);
    expect_objects(before);
    ok(prong_pool_destroy(pool));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* Whoever buries it rings, where it has ended the last task and not yet rung; and silences, where it has rung too early. */
LONG_TEST(a_worker_that_is_killed_at_any_instruction_leaves_the_jobs_descriptor_right, 300) {
    prong_pool pool;
    prong_queue queue;
    long kills = 0;
    int pid = 0;
    bool through = false;
    /* not forked: a child that joins with a copy of the descriptor would ring */
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .method = PRONG_START_SPAWN}));
    ok(prong_queue_create(&queue, NULL));
    for (long steps = 0; !through; steps = next_steps(steps, 61, kills++)) {
        prong_job job;
        prong_status status;
        struct pollfd end = {.events = POLLIN};
        pid = worker_of(pool, pid);
        check(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0);
        ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
        ok(prong_pool_submit(pool, PRONG_TASK(stop_once, queue), &job, &(prong_task_options){.retries = 2}));
        ok(prong_job_fileno(job, &end.fd));
        through = step_worker(pid, job, steps, 4000);
        check(kill(pid, SIGKILL) == 0);
        do {
            equal(poll(&end, 1, 15000), 1);
            status = prong_job_wait(job, PRONG_NOWAIT);
        } while (status == PRONG_TIMEOUT);
        ok(status);
        equal(poll(&end, 1, 0), 1);
        ok(prong_job_destroy(job));
    }
    check(kills > 20);
    ok(prong_pool_destroy(pool));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

/* --- a submitter --- */

static int nothing(void *argument, size_t size, prong_result *result) {
    (void)argument;
    (void)size;
    (void)result;
    return 0;
}

static int write_for_a_while(const void *in, void *out) {
    for (int i = 0; i < 20; i++) {
        *(_Atomic int *)out = *(const int *)in;
        usleep(100);
    }
    return 0;
}

static int *stage_memory;

static void submit_and_close(void) {
    prong_job job;
    ok(prong_pool_submit(stage_pool, &(prong_work){.task = nothing, .in = "xyz", .in_size = 4, .count = 1}, &job,
                         NULL));
    ok(prong_job_destroy(job));
}

static void submit_and_wait(void) {
    ok(prong_pool_run(stage_pool, &(prong_work){.task = nothing, .in = "xyz", .in_size = 4, .count = 1}, NULL,
                      PRONG_FOREVER));
}

static void add_and_cancel_one(void) {
    prong_job job;
    size_t index;
    ok(prong_pool_submit(stage_pool, &(prong_work){.task = nothing}, &job, &(prong_task_options){.capacity = 4}));
    for (int i = 0; i < 4; i++) ok(prong_job_add(job, "x", 1, &index));
    ok(prong_job_cancel_task(job, 3, false));
    ok(prong_job_cancel_task(job, 2, true));
    ok(prong_job_destroy(job));
}

static void join_family(void) {
    size_t count;
    prong_member member;
    ok(prong_family_members(&member, 1, &count));
}

static void ignore_end(prong_job job, void *context) {
    (void)job;
    (void)context;
}

static void submit_with_callback_and_close(void) {
    prong_job job;
    ok(prong_pool_submit(stage_pool, &(prong_work){.task = nothing, .count = 1}, &job,
                         &(prong_task_options){.callback = ignore_end}));
    ok(prong_job_wait(job, PRONG_SECONDS(15)));
    ok(prong_job_destroy(job));
}

static void submit_and_cancel(void) {
    prong_job job;
    prong_bytes arguments[3] = {{"x", 1}, {"y", 1}, {"z", 1}};
    ok(prong_pool_submit(stage_pool, &(prong_work){.task = nothing, .arguments = arguments, .count = 3}, &job, NULL));
    ok(prong_job_cancel(job, true));
    ok(prong_job_destroy(job));
}

static void map_in_place_and_close(void) {
    prong_job job;
    ok(prong_pool_submit(stage_pool, PRONG_MAP_N(write_for_a_while, stage_memory, stage_memory + 4, 4), &job,
                         &(prong_task_options){.chunk_size = 1}));
    ok(prong_job_destroy(job));
}

/* Prepares, and is stepped as it acts. True when the child got through before the kill. */
static bool step_child(void (*prepare)(void), void (*act)(void), long steps) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        prepare();
        raise(SIGSTOP);
        act();
        raise(SIGUSR1);
        _exit(0);
    }
    check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    bool through = false;
    for (long i = 0; i < steps && !through; i++) {
        check(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
        check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
        through = WSTOPSIG(status) == SIGUSR1;
        check(through || WSTOPSIG(status) == SIGTRAP);
    }
    kill(pid, SIGKILL);
    check(waitpid(pid, &status, 0) == pid);
    return through;
}

static void count_end(prong_job job, void *count) {
    (void)job;
    atomic_fetch_add((_Atomic int *)count, 1);
}

/* What dead processes had submitted does not keep the owner's own callbacks from being run. */
static void expect_callback(void) {
    static _Atomic int ends;
    int before = atomic_load(&ends);
    prong_job job;
    ok(prong_pool_submit(stage_pool, &(prong_work){.task = nothing, .count = 1}, &job,
                         &(prong_task_options){.callback = count_end, .context = (void *)&ends}));
    for (int i = 0; i < 7500 && atomic_load(&ends) == before; i++) test_sleep_ms(2);
    equal(atomic_load(&ends), before + 1);
    ok(prong_job_destroy(job));
}

static void kill_submitters(void (*act)(void), int stride) {
    long kills = 0;
    bool through = false;
    stage_pool = make(2);
    ok(prong_memory_alloc(8 * sizeof(int), (void **)&stage_memory));
    ok(prong_pool_run(stage_pool, &(prong_work){.task = nothing, .count = 1}, NULL, PRONG_SECONDS(15)));
    uint64_t before = objects_with_all_workers();
    for (long steps = 0; !through; steps = next_steps(steps, stride, kills++)) {
        through = step_child(join_family, act, steps);
        ok(prong_pool_run(stage_pool, &(prong_work){.task = nothing, .count = 1}, NULL, PRONG_SECONDS(15)));
        before = expect_objects(before);
    }
    check(kills > 20);
    expect_callback();
    ok(prong_memory_free(stage_memory));
    ok(prong_pool_shutdown(stage_pool)); /* what it counts is right: else its workers do not end */
    ok(prong_pool_join(stage_pool, PRONG_SECONDS(15)));
    ok(prong_pool_destroy(stage_pool));
    test_arena_is_clean(0);
}

LONG_TEST(a_process_that_dies_as_it_submits_leaves_nothing, 300) {
    kill_submitters(submit_and_close, 29);
}

LONG_TEST(a_process_that_dies_as_it_waits_leaves_nothing, 300) {
    kill_submitters(submit_and_wait, 97);
}

LONG_TEST(a_process_that_dies_as_it_closes_a_job_with_a_callback_leaves_nothing, 300) {
    kill_submitters(submit_with_callback_and_close, 97);
}

LONG_TEST(a_process_that_dies_as_it_cancels_leaves_nothing, 300) {
    kill_submitters(submit_and_cancel, 97);
}

LONG_TEST(a_process_that_dies_as_it_adds_tasks_and_cancels_one_leaves_nothing, 300) {
    kill_submitters(add_and_cancel_one, 97);
}

LONG_TEST(a_process_that_dies_as_it_closes_a_map_in_place_leaves_nothing, 300) {
    kill_submitters(map_in_place_and_close, 61);
}

/* --- one that frees --- */

enum { RESULTS = 6 };

static int give_much(void *argument, size_t size, prong_result *result) {
    char text[100];
    (void)size;
    memset(text, *(const char *)argument, sizeof text);
    return prong_result_set(result, text, sizeof text);
}

static prong_job stage_job;

/* With results, and a table of its tasks, in blocks of their own. */
static void submit_for_much(void) {
    ok(prong_pool_submit(stage_pool, &(prong_work){.task = give_much, .in = "abcdef", .in_size = 1, .count = RESULTS},
                         &stage_job, NULL));
    ok(prong_job_wait(stage_job, PRONG_SECONDS(15)));
}

static void destroy_and_free(void) {
    ok(prong_job_destroy(stage_job));
    ok(prong_family_trim());
}

static void expect_much(prong_job job) {
    prong_outcome outcome;
    for (size_t i = 0; i < RESULTS; i++) {
        ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
        check(outcome.status == PRONG_OK && outcome.size == 100);
        for (size_t j = 0; j < outcome.size; j++) check(((const char *)outcome.data)[j] == "abcdef"[i]);
    }
}

/* A job like the dead one's is made where that one was, and then the dead one is buried. */
LONG_TEST(a_process_that_dies_as_it_frees_a_job_frees_nobody_elses, 300) {
    long kills = 0;
    bool through = false;
    stage_pool = make(2);
    submit_for_much();
    ok(prong_job_destroy(stage_job));
    uint64_t before = objects_with_all_workers();
    for (long steps = 0; !through; steps = next_steps(steps, 23, kills++)) {
        through = step_child(submit_for_much, destroy_and_free, steps);
        submit_for_much();
        expect_objects(UINT64_MAX); /* buries it */
        expect_much(stage_job);
        ok(prong_job_destroy(stage_job));
        before = expect_objects(before);
    }
    check(kills > 20);
    ok(prong_pool_destroy(stage_pool));
    test_arena_is_clean(0);
}
