/* The longest step of each guard fits its journal, from inside: guard_set is wrapped by the linker, and counted. */
#include "../support/sync.h"
#include "../support/test.h"

#include "family/guard.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *longest; /* of all processes of the test */

void __real_guard_set(struct guard *guard, uint64_t *word, uint64_t value);
void __wrap_guard_set(struct guard *guard, uint64_t *word, uint64_t value);

void __wrap_guard_set(struct guard *guard, uint64_t *word, uint64_t value) {
    __real_guard_set(guard, word, value);
    uint64_t count = guard->journal.count, seen = longest ? atomic_load(longest) : UINT64_MAX;
    while (count > seen && !atomic_compare_exchange_weak(longest, &seen, count)) {}
}

static void begin_counting(void) {
    longest = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check((void *)longest != MAP_FAILED);
}

/* A sixth of the journal is kept for what is still to be written. */
static void end_counting(void) {
    ok(prong_family_check(NULL));
    check(atomic_load(longest) > 0);
    if (atomic_load(longest) > JOURNAL_CAPACITY * 5 / 6)
        test_failed(__FILE__, __LINE__, "a step sets %d words of %d", (int)atomic_load(longest), JOURNAL_CAPACITY);
}

TEST(every_step_of_the_allocator_fits_its_journal) {
    enum { BLOCKS = 400, TURNS = 40000 };
    static void *blocks[BLOCKS];
    unsigned seed = 7;
    begin_counting();
    for (int i = 0; i < TURNS; i++) {
        void **block = &blocks[rand_r(&seed) % BLOCKS];
        if (*block) ok(prong_memory_free(*block));
        *block = NULL;
        if (rand_r(&seed) % 3) ok(prong_memory_alloc(1 + rand_r(&seed) % (1u << rand_r(&seed) % 16), block));
    }
    end_counting();
}

static int answer(void *argument, size_t size, prong_result *result) {
    if (size == 1) raise(SIGKILL);
    if (size == 2) usleep(300000);
    return prong_result_set(result, argument, size) || size == 3;
}

static int twice(const void *in, void *out) {
    *(int *)out = *(const int *)in * 2;
    return 0;
}

static bool next_argument(prong_bytes *argument, void *left) {
    if (--*(int *)left < 0) return false;
    *argument = (prong_bytes){"abcdefgh", 4 + (size_t) * (int *)left % 4};
    return 1;
}

static void use_pool(prong_start_method method) {
    enum { ELEMENTS = 100, JOBS = 24 };
    static int in[ELEMENTS], out[ELEMENTS];
    prong_pool pool;
    prong_job jobs[JOBS];
    prong_iterator *iterator;
    prong_outcome outcome;
    int left = 50;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 3, .method = method, .maxtasksperchild = 20}));
    for (int i = 0; i < JOBS; i++)
        ok(prong_pool_submit(pool, &(prong_work){.task = answer, .in = "abcd", .in_size = 1 + i % 4, .count = 1},
                             &jobs[i],
                             &(prong_task_options){.retries = i % 3, .time_limit = i % 5 ? 0 : PRONG_MS(50)}));
    for (int i = JOBS; i-- > 0;) {
        if (i % 3 == 0) ok(prong_job_cancel(jobs[i], i % 2));
        if (i % 2) check(prong_job_wait(jobs[i], PRONG_SECONDS(20)) != PRONG_TIMEOUT && test_job_has_ended(jobs[i]));
        ok(prong_job_destroy(jobs[i]));
    }
    ok(prong_pool_run(pool, PRONG_MAP(twice, in, out), NULL, PRONG_SECONDS(20)));
    ok(prong_pool_iterate(pool, &(prong_work){.task = answer, .generator = next_argument, .generator_context = &left},
                          &iterator, &(prong_task_options){.buffer = 8}));
    while (prong_iterator_next(iterator, &outcome, PRONG_SECONDS(20)) >= 0) {}
    prong_iterator_close(iterator);
    ok(prong_pool_submit(pool, &(prong_work){.task = answer, .in = "ab", .in_size = 2, .count = 1}, &jobs[0], NULL));
    ok(prong_pool_destroy(pool));
    ok(prong_job_destroy(jobs[0]));
}

LONG_METHOD_TEST(every_step_of_a_pool_fits_its_journal, 120) {
    begin_counting();
    use_pool((prong_start_method)method);
    end_counting();
}

struct party {
    prong_barrier barrier;
    prong_semaphore semaphore;
    prong_condition condition;
    prong_queue queue;
};

static int take_part(void *argument, size_t size) {
    const struct party *party = argument;
    char message[8];
    (void)size;
    for (int i = 0; i < 10; i++) {
        prong_barrier_wait(party->barrier, NULL, NULL, PRONG_SECONDS(5));
        if (prong_semaphore_acquire(party->semaphore, PRONG_SECONDS(5)) >= 0 && i % 2)
            prong_semaphore_release(party->semaphore);
        if (prong_queue_get(party->queue, message, sizeof message, NULL, PRONG_NOWAIT) >= 0 && i % 3)
            prong_queue_task_done(party->queue);
        if (prong_lock_acquire(condition_lock(party->condition), PRONG_SECONDS(5)) < 0) continue;
        prong_condition_notify(party->condition, 1);
        prong_condition_wait(party->condition, PRONG_MS(2));
        prong_lock_release(condition_lock(party->condition));
    }
    kill(getpid(), SIGKILL);
    return 0;
}

LONG_METHOD_TEST(every_step_of_what_processes_share_fits_its_journal, 120) {
    enum { PARTIES = 6 };
    struct party party;
    prong_process processes[PARTIES];
    begin_counting();
    ok(prong_barrier_create(&party.barrier, PARTIES, NULL));
    ok(prong_semaphore_create(&party.semaphore, 40, &(prong_semaphore_options){.recover = true}));
    ok(prong_condition_create(&party.condition, NULL));
    ok(prong_queue_create(&party.queue, &(prong_queue_options){.joinable = true}));
    for (int i = 0; i < 60; i++) ok(prong_queue_put(party.queue, "message", 8, PRONG_NOWAIT));
    for (int i = 0; i < PARTIES; i++) processes[i] = start_with(method, take_part, party);
    for (int i = 0; i < PARTIES; i++) equal(test_end(processes[i]), -SIGKILL);
    ok(prong_barrier_destroy(party.barrier));
    ok(prong_semaphore_destroy(party.semaphore));
    ok(prong_condition_destroy(party.condition));
    ok(prong_queue_destroy(party.queue));
    end_counting();
    test_arena_is_clean(0);
}
