/* A death is known to all who wait within DEAD_KNOWN of it (src/base/periods.h): measured for each kind of object, by the median of
 * several kills, and in both stages of a sleep (src/family/lookout.h). TEST_TIME_FACTOR stretches it, where processors are shared or a sanitizer slows everything down.
 *
 * Linked with --wrap for os_futex_wake: a victim can be killed just as it is to wake another. */
#include "../support/sync.h"
#include "../support/test.h"

#include "base/periods.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

enum { KILLS = 5 };
/* When the victim dies: the waiter has gone to sleep by then; it is in stage 2. */
static const int asleep_ms[] = {60, 350};

struct scene {
    prong_lock lock;
    prong_semaphore semaphore;
    prong_condition condition;
    prong_event event, holds;
    prong_barrier barrier;
    prong_queue queue;
    prong_connection mine, its;
    prong_proxy proxy;
    prong_shared_value died_at;
    prong_process victim; /* for the parent */
    int asleep_ms;
};

/* --- dying --- */

static int64_t *death_note;
static bool dies_at_wake;

static void die_now(void) {
    *(volatile int64_t *)death_note = test_now();
    kill(getpid(), SIGKILL);
    pause();
}

int __real_os_futex_wake(_Atomic uint32_t *word, int count);
int __wrap_os_futex_wake(_Atomic uint32_t *word, int count);
int __wrap_os_futex_wake(_Atomic uint32_t *word, int count) {
    if (dies_at_wake) die_now();
    return __real_os_futex_wake(word, count);
}

static void note_death_in(const struct scene *scene) {
    ok(prong_shared_value_data(scene->died_at, (void **)&death_note, NULL));
}

static void *die_later(void *milliseconds) {
    test_sleep_ms((int)(intptr_t)milliseconds);
    die_now();
    return NULL;
}

/* From now on the parent waits, and this process dies when it is asleep. */
static void holds(const struct scene *scene) {
    pthread_t thread;
    note_death_in(scene);
    ok(prong_event_set(scene->holds));
    check(pthread_create(&thread, NULL, die_later, (void *)(intptr_t)scene->asleep_ms) == 0);
}

/* The parent is asleep: what this process does now ends as it is to wake it. */
static void dies_as_it_wakes(const struct scene *scene) {
    note_death_in(scene);
    ok(prong_event_set(scene->holds));
    test_sleep_ms(scene->asleep_ms);
    dies_at_wake = true;
}

/* --- measuring --- */

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t known_within(void) {
    const char *factor = getenv("TEST_TIME_FACTOR");
    return DEAD_KNOWN * (factor ? atoi(factor) : 1);
}

struct kind {
    void (*make)(struct scene *scene, int method);
    prong_target *victim;
    void (*wait)(struct scene *scene); /* returns when the death is known, and checks that it is told */
    void (*end)(struct scene *scene);
};

/* False when the victim did not die: its wake-up was not needed, as this process was awake for a look. */
static bool measure_try(const struct kind *kind, int method, int asleep, int64_t *took) {
    struct scene scene = {.asleep_ms = asleep};
    int64_t *died_at;
    ok(prong_shared_value_create(&scene.died_at, PRONG_TYPE_OF(int64_t), 1, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    ok(prong_shared_value_data(scene.died_at, (void **)&died_at, NULL));
    ok(prong_event_create(&scene.holds, NULL));
    kind->make(&scene, method);
    scene.victim = start_daemon(method, kind->victim, scene);
    ok(prong_event_wait(scene.holds, PRONG_SECONDS(20)));
    kind->wait(&scene);
    int64_t known_at = test_now();
    int end = test_end(scene.victim); /* it may be known before it dies: the wait has looked just then */
    check(end == 0 || (end == -SIGKILL && *died_at != 0));
    *took = known_at > *died_at ? known_at - *died_at : 0;
    kind->end(&scene);
    ok(prong_event_destroy(scene.holds));
    ok(prong_shared_value_destroy(scene.died_at));
    return end != 0;
}

static int64_t measure_one(const struct kind *kind, int method, int asleep) {
    int64_t took;
    for (int tries = 0; !measure_try(kind, method, asleep, &took); tries++) check(tries < 2);
    return took;
}

static void check_median(int64_t took[KILLS]) {
    qsort(took, KILLS, sizeof *took, compare);
    int64_t median = took[KILLS / 2];
    if (median < 0 || median > known_within())
        test_failed(__FILE__, __LINE__, "known after %.1f ms, at the median of %d deaths", (double)median / 1e6, KILLS);
}

static void is_known(const struct kind *kind, int method) {
    int64_t took[KILLS];
    for (size_t stage = 0; stage < sizeof asleep_ms / sizeof *asleep_ms; stage++) {
        for (int i = 0; i < KILLS; i++) took[i] = measure_one(kind, method, asleep_ms[stage]);
        check_median(took);
    }
}

/* --- Lock --- */

static void lock_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_lock_create(&scene->lock, NULL));
}
static int lock_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    ok(prong_lock_acquire(scene->lock, PRONG_FOREVER));
    holds(scene);
    pause();
    return 0;
}
static void lock_wait(struct scene *scene) {
    is(prong_lock_acquire(scene->lock, PRONG_SECONDS(20)), PRONG_OWNER_DIED);
}
static void lock_end(struct scene *scene) {
    ok(prong_lock_release(scene->lock));
    ok(prong_lock_destroy(scene->lock));
}
LONG_METHOD_TEST(a_death_is_known_by_a_lock, 40) {
    is_known(&(struct kind){lock_make, lock_victim, lock_wait, lock_end}, method);
    test_arena_is_clean(0);
}

/* --- Semaphore --- */

static void semaphore_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_semaphore_create(&scene->semaphore, 1, &(prong_semaphore_options){.recover = true}));
}
static int semaphore_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    ok(prong_semaphore_acquire(scene->semaphore, PRONG_FOREVER));
    holds(scene);
    pause();
    return 0;
}
static void semaphore_wait(struct scene *scene) {
    ok(prong_semaphore_acquire(scene->semaphore, PRONG_SECONDS(20)));
}
static void semaphore_end(struct scene *scene) {
    ok(prong_semaphore_release(scene->semaphore));
    ok(prong_semaphore_destroy(scene->semaphore));
}
LONG_METHOD_TEST(a_death_is_known_by_a_semaphore, 40) {
    is_known(&(struct kind){semaphore_make, semaphore_victim, semaphore_wait, semaphore_end}, method);
    test_arena_is_clean(0);
}

/* --- Condition: the notifier dies holding its lock, before it can wake --- */

static void condition_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_condition_create(&scene->condition, NULL));
}
static int condition_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    note_death_in(scene);
    ok(prong_event_set(scene->holds));
    test_sleep_ms(scene->asleep_ms);
    ok(prong_lock_acquire(condition_lock(scene->condition), PRONG_FOREVER)); /* the parent waits by now */
    dies_at_wake = true;
    return prong_condition_notify(scene->condition, 1);
}
static void condition_wait(struct scene *scene) {
    ok(prong_lock_acquire(condition_lock(scene->condition), PRONG_SECONDS(20)));
    is(prong_condition_wait(scene->condition, PRONG_SECONDS(20)), PRONG_OWNER_DIED);
}
static void condition_end(struct scene *scene) {
    ok(prong_lock_release(condition_lock(scene->condition)));
    ok(prong_condition_destroy(scene->condition));
}
LONG_METHOD_TEST(a_death_is_known_by_a_condition, 40) {
    is_known(&(struct kind){condition_make, condition_victim, condition_wait, condition_end}, method);
    test_arena_is_clean(0);
}

/* --- Event: it has no holder; the process that sets it dies before it can wake the waiter --- */

static void event_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_event_create(&scene->event, NULL));
}
static int event_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    dies_as_it_wakes(scene);
    return prong_event_set(scene->event);
}
static void event_wait(struct scene *scene) {
    ok(prong_event_wait(scene->event, PRONG_SECONDS(20)));
}
static void event_end(struct scene *scene) {
    ok(prong_event_destroy(scene->event));
}
LONG_METHOD_TEST(a_death_is_known_by_an_event, 40) {
    is_known(&(struct kind){event_make, event_victim, event_wait, event_end}, method);
    test_arena_is_clean(0);
}

/* --- Barrier --- */

static void barrier_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_barrier_create(&scene->barrier, 3, NULL));
}
static int barrier_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    holds(scene);
    return prong_barrier_wait(scene->barrier, NULL, NULL, PRONG_FOREVER) != PRONG_OK;
}
static void barrier_wait(struct scene *scene) {
    is(prong_barrier_wait(scene->barrier, NULL, NULL, PRONG_SECONDS(20)), PRONG_BROKEN);
}
static void barrier_end(struct scene *scene) {
    ok(prong_barrier_destroy(scene->barrier));
}
LONG_METHOD_TEST(a_death_is_known_by_a_barrier, 40) {
    is_known(&(struct kind){barrier_make, barrier_victim, barrier_wait, barrier_end}, method);
    test_arena_is_clean(0);
}

/* --- Queue: the process that puts dies before it can wake the waiter --- */

static void queue_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_queue_create(&scene->queue, NULL));
}
static int queue_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    dies_as_it_wakes(scene);
    return prong_queue_put(scene->queue, "x", 1, PRONG_FOREVER);
}
static void queue_wait(struct scene *scene) {
    char got;
    ok(prong_queue_get(scene->queue, &got, 1, NULL, PRONG_SECONDS(20)));
    equal(got, 'x');
}
static void queue_end(struct scene *scene) {
    ok(prong_queue_destroy(scene->queue));
}
LONG_METHOD_TEST(a_death_is_known_by_a_queue, 40) {
    is_known(&(struct kind){queue_make, queue_victim, queue_wait, queue_end}, method);
    test_arena_is_clean(0);
}

/* --- Pipe: the other end's holder dies --- */

static void pipe_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_pipe_create(&scene->mine, &scene->its, NULL));
    ok(prong_connection_hold(scene->mine)); /* else it passes on with the handle */
}
static int pipe_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    ok(prong_connection_close(scene->mine));
    holds(scene);
    pause();
    return 0;
}
static void pipe_wait(struct scene *scene) {
    char got;
    is(prong_connection_recv_bytes_into(scene->mine, &got, 1, NULL, PRONG_SECONDS(20)), PRONG_EOF);
}
static void pipe_end(struct scene *scene) {
    ok(prong_connection_close(scene->mine));
}
LONG_METHOD_TEST(a_death_is_known_by_a_pipe, 40) {
    is_known(&(struct kind){pipe_make, pipe_victim, pipe_wait, pipe_end}, method);
    test_arena_is_clean(0);
}

static void pipe_wait_on_many(struct scene *scene) {
    prong_waitable items[] = {{.kind = PRONG_WAIT_CONNECTION, .connection = scene->mine}};
    char got;
    ok(prong_wait(items, 1, NULL, PRONG_SECONDS(20)));
    is(prong_connection_recv_bytes_into(scene->mine, &got, 1, NULL, PRONG_NOWAIT), PRONG_EOF);
}
LONG_METHOD_TEST(a_death_is_known_by_a_wait_on_many, 40) {
    is_known(&(struct kind){pipe_make, pipe_victim, pipe_wait_on_many, pipe_end}, method);
    test_arena_is_clean(0);
}

/* --- Process --- */

static void nothing(struct scene *scene) {
    (void)scene;
}
static void process_make(struct scene *scene, int method) {
    (void)method;
    nothing(scene);
}
static int process_victim(void *argument, size_t size) {
    (void)size;
    holds(argument);
    pause();
    return 0;
}
static void process_wait(struct scene *scene) {
    ok(prong_process_join(scene->victim, PRONG_SECONDS(20)));
}
LONG_METHOD_TEST(a_death_is_known_by_a_join, 40) {
    is_known(&(struct kind){process_make, process_victim, process_wait, nothing}, method);
    test_arena_is_clean(0);
}

/* --- Pool: a task's worker dies --- */

static int task_dies(void *argument, size_t size, prong_result *result) {
    (void)size;
    (void)result;
    note_death_in(argument);
    test_sleep_ms(((struct scene *)argument)->asleep_ms);
    die_now();
    return 0;
}
LONG_METHOD_TEST(a_death_is_known_by_a_pool, 40) {
    int64_t took[KILLS], *died_at;
    struct scene scene = {.asleep_ms = asleep_ms[1]};
    prong_pool pool;
    prong_bytes argument = {&scene, sizeof scene};
    ok(prong_shared_value_create(&scene.died_at, PRONG_TYPE_OF(int64_t), 1, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    ok(prong_shared_value_data(scene.died_at, (void **)&died_at, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .method = (prong_start_method)method}));
    for (int i = 0; i < KILLS; i++) {
        prong_job job;
        ok(prong_pool_submit(pool, &(prong_work){.task = task_dies, .arguments = &argument, .count = 1}, &job, NULL));
        is(prong_job_wait(job, PRONG_SECONDS(20)), PRONG_WORKER_DIED);
        took[i] = test_now() - *(volatile int64_t *)died_at;
        ok(prong_job_destroy(job));
    }
    check_median(took);
    ok(prong_pool_destroy(pool));
    ok(prong_shared_value_destroy(scene.died_at));
    test_arena_is_clean(0);
}

/* --- a manager's Lock --- */

static prong_manager manager;

static void proxy_make(struct scene *scene, int method) {
    (void)method;
    ok(prong_proxy_create(&scene->proxy, manager, "Lock", PRONG_SECONDS(20), "()"));
}
static int proxy_victim(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    ok(prong_proxy_acquire(scene->proxy, PRONG_SECONDS(20)));
    holds(scene);
    pause();
    return 0;
}
static void proxy_wait(struct scene *scene) {
    ok(prong_proxy_acquire(scene->proxy, PRONG_SECONDS(20)));
}
static void proxy_end(struct scene *scene) {
    ok(prong_proxy_release(scene->proxy));
}
LONG_METHOD_TEST(a_death_is_known_by_a_managers_lock, 40) {
    ok(prong_manager_start(&manager, &(prong_manager_options){.method = (prong_start_method)method}));
    is_known(&(struct kind){proxy_make, proxy_victim, proxy_wait, proxy_end}, method);
    ok(prong_manager_shutdown(manager, PRONG_SECONDS(20)));
    test_arena_is_clean(0);
}
