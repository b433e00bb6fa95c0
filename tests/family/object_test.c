/* A process that destroys an object dies at each point of it, from inside: another one finishes. */
#include "../support/sync.h"
#include "../support/test.h"

#include "family/object.h"
#include "family/retire.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a test destroys: something hangs on it, and something waits for it. */
struct victim {
    prong_condition condition; /* with a lock of its own */
    prong_semaphore semaphore; /* with a block of units */
    prong_queue queue;         /* with messages */
    prong_shared_value block;
    prong_share share;
};

static struct victim make_victim(void) {
    struct victim victim;
    char large[20000] = {0};
    ok(prong_condition_create(&victim.condition, NULL));
    ok(prong_semaphore_create(&victim.semaphore, 1, &(prong_semaphore_options){.recover = true}));
    ok(prong_queue_create(&victim.queue, NULL));
    ok(prong_queue_put(victim.queue, large, sizeof large, PRONG_NOWAIT));
    ok(prong_queue_put(victim.queue, large, 8, PRONG_NOWAIT));
    ok(prong_shared_value_create(&victim.block, PRONG_TYPE_UCHAR, 100000, NULL,
                                 &(prong_shared_value_options){.unlocked = true}));
    ok(prong_share_create(&victim.share, large, sizeof large, NULL));
    return victim;
}

enum { VICTIMS = 5 };

static void *victim_object(const struct victim *victim, int i) {
    const uint64_t offsets[VICTIMS] = {victim->condition.offset, victim->semaphore.offset, victim->queue.offset,
                                       victim->block.offset, victim->share.offset};
    return arena_at(offsets[i]);
}

static uint64_t mark_of_self(void) {
    return (uint64_t)self_token() << 1;
}

/* Runs step on each object in a forked child, which then is gone without a word. */
static void die_after(const struct victim *victim, void (*step)(struct object *)) {
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        for (int i = 0; i < VICTIMS; i++) step(victim_object(victim, i));
        kill(getpid(), SIGKILL);
    }
    int status;
    check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static void claim(struct object *object) {
    ok(prong_family_create(NULL)); /* a row of its own */
    object_touch(object);
    atomic_store(&object->generation, mark_of_self());
}

static void claim_and_end(struct object *object) {
    claim(object);
    if (object_types[object->kind]->end) object_types[object->kind]->end(object);
}

static void dispose_half(struct object *object) {
    claim_and_end(object);
    if (object_types[object->kind]->end) object_retire(object);
}

TEST(a_destroyer_that_dies_when_it_has_begun_is_followed_by_another) {
    struct victim victim = make_victim();
    die_after(&victim, claim);
    is(prong_queue_put(victim.queue, "x", 1, PRONG_NOWAIT), PRONG_STALE);
    test_arena_is_clean(0);
}

TEST(a_destroyer_that_dies_when_it_has_told_those_inside_is_followed_by_another) {
    struct victim victim = make_victim();
    die_after(&victim, claim_and_end);
    is(prong_semaphore_acquire(victim.semaphore, PRONG_NOWAIT), PRONG_STALE);
    test_arena_is_clean(0);
}

TEST(a_destroyer_that_dies_when_the_memory_is_retired_leaves_nothing) {
    struct victim victim = make_victim();
    die_after(&victim, dispose_half);
    is(prong_lock_acquire(condition_lock(victim.condition), PRONG_NOWAIT), PRONG_STALE);
    test_arena_is_clean(0);
}

/* --- a sweeper --- */

static int die_sweeping(void *argument, size_t size) {
    int point = *(int *)argument;
    (void)size;
    prong_event event;
    prong_shared_value block;
    if (prong_event_create(&event, NULL) < 0 ||
        prong_shared_value_create(&block, PRONG_TYPE_UCHAR, 100000, NULL,
                                  &(prong_shared_value_options){.unlocked = true}) < 0)
        return 1;
    struct object *first = arena_at(event.offset), *second = arena_at(block.offset);
    struct retired *retired = &arena()->retired;
    claim_and_end(first);
    object_retire(first);
    claim_and_end(second);
    object_retire(second);
    atomic_store(&retired->sweeping.word, self_token());
    if (point >= 1) { /* all are parked */
        second->next_free = first->next_free = 0;
        second->next_free = arena_offset(first);
        retired->parked = arena_offset(second);
        retired->first = retired->last = retired->count = retired->weight = 0;
    }
    if (point >= 2) { /* one has been taken off, and is being freed */
        retired->parked = second->next_free;
        atomic_store(&second->generation, mark_of_self());
    }
    if (point >= 3) object_types[second->kind]->dispose(second);
    kill(getpid(), SIGKILL);
    return 1;
}

METHOD_TEST(a_sweeper_that_dies_anywhere_is_followed_by_another) {
    ok(prong_family_check(NULL)); /* nothing else is retired */
    for (int point = 0; point <= 3; point++) {
        equal(test_end(start_with(method, die_sweeping, point)), -SIGKILL);
        test_arena_is_clean(0);
    }
}

/* --- kinds --- */

TEST(each_kind_is_described_whole_and_has_a_name_of_its_own) {
    unsigned found = 0;
    for (uint32_t kind = 0; kind < KIND_LIMIT; kind++) {
        const struct object_type *type = object_types[kind];
        if (!type) continue;
        found++;
        check(kind != KIND_NONE && type->name && type->recover && type->dispose);
        check(type->size > sizeof(struct object));
        for (uint32_t other = 0; other < kind; other++)
            if (object_types[other]) check(strcmp(object_types[other]->name, type->name) != 0);
    }
    equal(found, 14);
}

/* --- a creator --- */

static int die_building(void *argument, size_t size) {
    void *object;
    (void)size;
    for (uint32_t kind = 0; kind < KIND_LIMIT; kind++)
        if (object_types[kind] && object_create(kind, &object)) return 1;
    kill(getpid(), SIGKILL);
    return *(int *)argument;
}

METHOD_TEST(what_a_process_died_making_of_any_kind_is_freed) {
    int none = 0;
    equal(test_end(start_with(method, die_building, none)), -SIGKILL);
    test_arena_is_clean(0);
}

/* Only its builder knows it. */
static void build(uint32_t kind, void **object) {
    ok(object_create(kind, object));
    memset((struct object *)*object + 1, 0xa5, object_types[kind]->size - sizeof(struct object));
}

static void expect_untouched(const void *object, size_t size) {
    const unsigned char *content = object;
    for (size_t i = sizeof(struct object); i < size; i++) equal(content[i], 0xa5);
}

METHOD_TEST(a_death_changes_nothing_that_others_are_building) {
    void *built[KIND_LIMIT] = {0};
    int none = 0;
    ok(prong_family_create(NULL));
    for (uint32_t kind = 0; kind < KIND_LIMIT; kind++)
        if (object_types[kind]) build(kind, &built[kind]);
    equal(test_end(start_with(method, die_building, none)), -SIGKILL);
    ok(prong_family_check(NULL)); /* it is buried by now */
    for (uint32_t kind = 0; kind < KIND_LIMIT; kind++) {
        if (!built[kind]) continue;
        size_t size = object_types[kind]->size;
        expect_untouched(built[kind], size);
        memset((struct object *)built[kind] + 1, 0, size - sizeof(struct object));
        object_destroy(built[kind], object_generation(built[kind]));
    }
    test_arena_is_clean(0);
}

/* --- memory that is used again --- */

static void make_connections(prong_pool pool) {
    prong_connection ends[2];
    (void)pool;
    ok(prong_pipe_create(&ends[0], &ends[1], NULL));
    ok(prong_connection_close(ends[0]));
    ok(prong_connection_close(ends[1]));
}

static void make_queue(prong_pool pool) {
    prong_queue queue;
    (void)pool;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    ok(prong_queue_destroy(queue));
}

static void make_condition(prong_pool pool) {
    prong_condition condition;
    (void)pool;
    ok(prong_condition_create(&condition, NULL));
    ok(prong_condition_destroy(condition));
}

static void make_value(prong_pool pool) {
    prong_shared_value value;
    (void)pool;
    ok(prong_shared_value_create(&value, PRONG_TYPE_OF(int64_t), 1, NULL, NULL));
    ok(prong_shared_value_destroy(value));
}

static int no_task(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size, (void)result;
    return 0;
}

static void make_job(prong_pool pool) {
    ok(prong_pool_run(pool, &(prong_work){.task = no_task, .count = 1}, NULL, PRONG_FOREVER));
}

static void make_large_job(prong_pool pool) {
    char argument[2000] = {0};
    ok(prong_pool_run(pool, &(prong_work){.task = no_task, .in = argument, .in_size = sizeof argument, .count = 1},
                      NULL, PRONG_FOREVER));
}

/* Nothing is asked of the arena by hand in between: neither a check nor a trim. */
TEST(memory_of_destroyed_objects_is_used_again) {
    static void (*const makers[])(prong_pool pool) = {make_connections, make_queue, make_condition,
                                                      make_value,       make_job,   make_large_job};
    enum { OFTEN = 20000, ENOUGH = 12 << 20 };
    prong_pool pool;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1}));
    uint64_t before = arena()->heap.top;
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        for (int n = 0; n < OFTEN; n++) makers[i](pool);
        if (arena()->heap.top - before > ENOUGH)
            test_failed(__FILE__, __LINE__, "kind %zu of object takes %llu bytes more", i,
                        (unsigned long long)(arena()->heap.top - before));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static void *make_queues(void *unused) {
    for (int i = 0; i < 20000; i++) make_queue((prong_pool){0});
    return unused;
}

/* The one that frees for all has no processor at times, while the others go on. */
LONG_TEST(memory_stays_bounded_however_many_threads_destroy, 120) {
    enum { THREADS = 8, ENOUGH = 64 << 20 };
    pthread_t threads[THREADS];
    ok(prong_family_create(NULL));
    uint64_t before = arena()->heap.top;
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, make_queues, NULL) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    check(arena()->heap.top - before < ENOUGH);
    test_arena_is_clean(0);
}
