/* Objects of every kind are made and destroyed in turn, in the same memory, while other processes and threads use their handles,
 * held back at any instruction for up to 300 ms. Each call gives what is right for its own object, or says that it is gone; it
 * never touches the object that follows. Objects have numbers: what may change one is done to even ones alone, so that an odd one
 * shows what was meant for another. */
#include "reuse.h"

#include <pthread.h>
#include <unistd.h>

enum { USERS = 3, THREADS = 2, KINDS = 15 };

struct stage *stage;

static const struct kind *const kinds[KINDS] = {
    &queue_kind, &pipe_kind,      &process_kind, &pool_kind,  &job_kind,   &lock_kind,  &rlock_kind,   &semaphore_kind,
    &event_kind, &condition_kind, &barrier_kind, &value_kind, &array_kind, &block_kind, &manager_kind,
};
enum {
    QUEUE,
    PIPE,
    PROCESS,
    POOL,
    JOB,
    LOCK,
    RLOCK,
    SEMAPHORE,
    EVENT,
    CONDITION,
    BARRIER,
    VALUE,
    ARRAY,
    BLOCK,
    MANAGER
};

static bool present(struct handle *handle) {
    handle->number = storm->shared[NUMBER];
    for (int i = 0; i < WORDS; i++) handle->words[i] = (uint64_t)storm->shared[HANDLE + i];
    if (storm->shared[NUMBER] != handle->number) handle->number = 0;
    return handle->number != 0;
}

static void publish(const struct handle *handle) {
    storm->shared[NUMBER] = 0;
    for (int i = 0; i < WORDS; i++) storm->shared[HANDLE + i] = (long)handle->words[i];
    storm->shared[NUMBER] = handle->number;
}

/* The same handle several times, so that it becomes a stale one. */
static void *use_each(void *unused) {
    (void)unused;
    for (long last = 0; !storm->stop;) {
        struct handle handle;
        bool is_new = present(&handle) && handle.number != last;
        if (!is_new && (stage->kind == PROCESS || stage->kind == POOL))
            usleep(storm_random(500)); /* they take long to make */
        if (!handle.number) continue;
        last = handle.number;
        for (unsigned turns = 1 + storm_random(6); turns > 0 && !storm->stop; turns--) kinds[stage->kind]->use(&handle);
        if (stage->kind == PIPE) pipe_kind.end(&handle); /* this process has its own ends */
        storm->shared[USED]++;
    }
    return NULL;
}

static int be_user(void *argument, size_t size) {
    pthread_t threads[THREADS];
    (void)size;
    stage = argument;
    storm_begin();
    storm_be_held_back();
    for (int i = 0; i < THREADS; i++) storm_check(pthread_create(&threads[i], NULL, use_each, NULL) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    return 0;
}

/* A turn of the first process. */
static void succeed(void *argument) {
    struct handle handle = {.number = ++storm->shared[FOR_GOOD]};
    (void)argument;
    kinds[stage->kind]->make(&handle);
    publish(&handle);
    for (unsigned turns = storm_random(8); turns > 0; turns--) kinds[stage->kind]->use(&handle);
    if (storm_random(4)) usleep(storm_random(300));
    kinds[stage->kind]->end(&handle);
}

static void reuse(int kind, int method) {
    static struct stage the_stage;
    stage = &the_stage;
    *stage = (struct stage){.kind = kind, .method = method};
    storm_begin();
    storm_be_held_back();
    if (kind == JOB) ok(prong_pool_create((prong_pool *)stage->handle.words, &(prong_pool_options){.processes = 2}));
    storm_crew(&(struct storm_crew){method, USERS, be_user, stage, sizeof *stage, &stage->number, succeed, 20});
    printf("     %s: %ld made, used %ld times, gone already %ld times\n", kinds[kind]->name, storm->shared[FOR_GOOD],
           storm->shared[USED], storm->shared[STALE]);
    fflush(stdout);
    storm_check(storm->shared[FOR_GOOD] > 3 && storm->shared[USED] > 0);
    if (kind == JOB) ok(prong_pool_destroy(THE(pool, &stage->handle)));
    storm_orphans_end(method);
    storm_check_remains(-1, 0);
}

static void be_gentle(void) {
    storm->gentle = true;
}

static void serve_strangers(void) {
    storm->gentle = true;
    storm_serve_stranger();
}

#define REUSED(plural, KIND)                                                                                           \
    static void reuse_##plural(int method) {                                                                           \
        reuse(KIND, method);                                                                                           \
    }                                                                                                                  \
    LONG_METHOD_TEST(plural##_follow_each_other, 900) {                                                                \
        storm_outside(method, reuse_##plural, KIND == MANAGER ? serve_strangers : be_gentle);                          \
    }
REUSED(queues, QUEUE)
REUSED(pipes, PIPE)
REUSED(processes, PROCESS)
REUSED(pools, POOL)
REUSED(jobs, JOB)
REUSED(locks, LOCK)
REUSED(rlocks, RLOCK)
REUSED(semaphores, SEMAPHORE)
REUSED(events, EVENT)
REUSED(conditions, CONDITION)
REUSED(barriers, BARRIER)
REUSED(values, VALUE)
REUSED(arrays, ARRAY)
REUSED(blocks, BLOCK)
REUSED(managers, MANAGER)
