/* A burial that cannot have a lock, as the process that holds it is stopped: no start and no join waits for it for long, and what
 * it has left out is recovered later. */
#include "../pool/pool_test.h"

#include "pool/pool.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct scene {
    prong_pool pool;
    prong_queue told;
};

static void tell(const struct scene *scene) {
    int pid = getpid();
    ok(prong_queue_put(scene->told, &pid, sizeof pid, PRONG_FOREVER));
}

static void await(const struct scene *scene) {
    int pid;
    ok(prong_queue_get(scene->told, &pid, sizeof pid, NULL, PRONG_SECONDS(15)));
}

static int stop_inside_the_guard(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    struct pool *pool = arena_at(scene->pool.offset);
    tell(scene);
    check(guard_enter(&pool->guard, PRONG_FOREVER));
    raise(SIGSTOP);
    guard_leave(&pool->guard);
    return 0;
}

static int submit_and_wait(void *argument, size_t size) {
    struct scene *scene = argument;
    prong_job job;
    (void)size;
    int time = 100;
    prong_bytes arguments[600];
    for (int i = 0; i < 600; i++) arguments[i] = (prong_bytes){&time, sizeof time};
    ok(prong_pool_submit(scene->pool, &(prong_work){.task = sleep_ms, .arguments = arguments, .count = 600}, &job,
                         NULL));
    tell(scene);
    for (;;) pause();
    return 0;
}

static int end_at_once(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 3;
}

static void *start_and_join(void *method) {
    for (int i = 0; i < 3; i++) {
        int nothing = 0;
        prong_process process = start_with(*(int *)method, end_at_once, nothing);
        equal(test_end(process), 3);
    }
    return NULL;
}

static bool is_stopped(int pid) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
    if (file) fclose(file);
    return state == 'T';
}

static void stop_and_kill(const struct scene *scene, prong_process stopped, prong_process submitter) {
    await(scene);
    for (int i = 0; i < 2000 && !is_stopped(test_pid(stopped)); i++) test_sleep_ms(5);
    check(is_stopped(test_pid(stopped)));
    ok(prong_process_signal(submitter, SIGKILL));
}

METHOD_TEST(a_child_is_joined_and_others_start_though_a_process_is_stopped_in_the_middle_of_what_the_dead_one_used) {
    pthread_t other;
    struct scene scene = {.pool = make(method, 1)};
    ok(prong_queue_create(&scene.told, NULL));
    prong_process submitter = start_with(method, submit_and_wait, scene);
    await(&scene);
    prong_process stopped = start_with(method, stop_inside_the_guard, scene);
    stop_and_kill(&scene, stopped, submitter);
    check(pthread_create(&other, NULL, start_and_join, &method) == 0);
    equal(test_end(submitter), -SIGKILL);
    check(pthread_join(other, NULL) == 0);
    check(kill(test_pid(stopped), SIGCONT) == 0);
    equal(test_end(stopped), 0);
    /* What was left out is recovered: the rest of the job, which would take a minute, is cancelled. */
    ok(prong_pool_run(scene.pool, PRONG_MAP_N(twice, &(double){1}, &(double){0}, 1), NULL, PRONG_SECONDS(15)));
    ok(prong_pool_destroy(scene.pool));
    ok(prong_queue_destroy(scene.told));
    test_arena_is_clean(0);
}
