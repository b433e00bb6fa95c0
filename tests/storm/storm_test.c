/* Death at random moments: members of a busy family are killed over and over; nothing may hang, be lost or be
 * delivered twice, and nothing may be left. PRONG_STORM_KILLS sets how often (0: until interrupted). */
#define _GNU_SOURCE
#include "../support/test.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

enum { PRODUCERS = 3, CONSUMERS = 3, MOST = 20000000, SIZES = 5 };

/* In the arena. Each producer numbers its messages; `begun` is raised before a put, `done` after. */
struct ledger {
    _Atomic long begun[PRODUCERS], done[PRODUCERS];
    _Atomic bool stop;
    _Atomic long broken; /* messages that came out other than they went in */
    _Atomic unsigned char taken[PRODUCERS][MOST];
};

struct role {
    prong_queue queue;
    uint64_t ledger;
    int number;
};

static const size_t sizes[SIZES] = {16, 100, 1000, 5000, 70000};

static int produce(void *argument, size_t unused) {
    struct role *role = argument;
    struct ledger *ledger = prong_memory_at(role->ledger);
    static long message[70000 / sizeof(long)];
    (void)unused;
    while (!ledger->stop && ledger->begun[role->number] < MOST - 1) {
        long number = ++ledger->begun[role->number];
        size_t size = sizes[number % SIZES], last = size / sizeof(long) - 1;
        message[0] = role->number;
        message[1] = number;
        message[last] = last > 1 ? number : message[last];
        if (prong_queue_put(role->queue, message, size, PRONG_SECONDS(20)) < 0) return 1;
        ledger->done[role->number] = number;
    }
    return 0;
}

static int consume(void *argument, size_t unused) {
    struct role *role = argument;
    struct ledger *ledger = prong_memory_at(role->ledger);
    prong_message message;
    (void)unused;
    while (prong_queue_receive(role->queue, &message, PRONG_SECONDS(20)) >= 0) {
        const long *words = message.data;
        size_t last = message.size / sizeof(long) - 1;
        if (message.size != sizes[words[1] % SIZES] || (last > 1 && words[last] != words[1])) ledger->broken++;
        ledger->taken[words[0]][words[1]]++;
        if (prong_message_release(&message) < 0) return 2;
    }
    return 0;
}

static long kills_wanted(void) {
    const char *text = getenv("PRONG_STORM_KILLS");
    long kills = text ? atol(text) : 2000;
    return kills ? kills : 1L << 60;
}

static void storm_on_a_queue(long kills) {
    struct role role;
    struct ledger *ledger;
    prong_process members[PRODUCERS + CONSUMERS];
    ok(prong_queue_create(&role.queue, &(prong_queue_options){.maxsize = 200}));
    ok(prong_memory_alloc(sizeof *ledger, (void **)&ledger));
    memset(ledger, 0, offsetof(struct ledger, taken)); /* the rest is fresh, or was cleared below */
    role.ledger = prong_memory_offset(ledger);
    unsigned seed = (unsigned)test_now();
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++) {
        role.number = i % PRODUCERS;
        members[i] = start_with(1 + i % 3, i < PRODUCERS ? produce : consume, role);
    }
    for (long kill = 0; kill < kills; kill++) {
        int i = rand_r(&seed) % (PRODUCERS + CONSUMERS);
        usleep((useconds_t)(rand_r(&seed) % 1500));
        ok(prong_process_signal(members[i], SIGKILL));
        int code = test_end(members[i]);
        if (code != -SIGKILL) test_failed(__FILE__, __LINE__, "member %d ended with %d by itself", i, code);
        role.number = i % PRODUCERS;
        /* mostly by fork, which is soonest at work again */
        int by = rand_r(&seed) % 10 == 0 ? PRONG_START_SPAWN : 1 + 2 * (rand_r(&seed) % 2);
        members[i] = start_with(by, i < PRODUCERS ? produce : consume, role);
        if (kill % 100 == 0) ok(prong_family_check(NULL));
    }
    ledger->stop = true;
    for (int i = 0; i < PRODUCERS; i++) equal(test_end(members[i]), 0);
    ok(prong_queue_shutdown(role.queue));
    for (int i = PRODUCERS; i < PRODUCERS + CONSUMERS; i++) equal(test_end(members[i]), 0);
    long lost = 0, total = 0;
    for (int p = 0; p < PRODUCERS; p++)
        for (long n = 1; n <= ledger->begun[p]; n++) {
            check(ledger->taken[p][n] <= 1);
            lost += !ledger->taken[p][n];
            ledger->taken[p][n] = 0;
            total++;
        }
    equal(ledger->broken, 0);
    /* a producer dies before its put, a consumer after its take: one message each at the most */
    check(lost <= kills);
    printf("     %ld kills, %ld messages, %ld taken by or not yet put by a dead process\n", kills, total, lost);
    check(total > kills);
    ok(prong_queue_destroy(role.queue));
    ok(prong_memory_free(ledger));
    test_arena_is_clean(0);
}

LONG_TEST(queues_survive_random_kills, 400) {
    for (long left = kills_wanted(); left > 0; left -= 2000) storm_on_a_queue(left < 2000 ? left : 2000);
}

/* --- pools --- */

static int slow_square(const void *in, void *out) {
    long number = *(const long *)in;
    for (volatile int i = 0; i < 2000; i++) {}
    *(long *)out = number * number;
    return 0;
}

static int echo_task(void *argument, size_t size, prong_result *result) {
    return prong_result_set(result, argument, size);
}

LONG_METHOD_TEST(pools_survive_random_kills, 400) {
    enum { COUNT = 3000, WORKERS = 4 };
    prong_pool pool;
    static long in[COUNT], out[COUNT];
    long kills = kills_wanted() / 20, kill_count = 0;
    unsigned seed = (unsigned)test_now();
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = WORKERS, .method = (prong_start_method)method}));
    prong_task_options options = {.chunk_size = 1, .retries = 200};
    while (kill_count < kills) {
        prong_job job, other;
        prong_bytes arguments[50];
        prong_worker workers[WORKERS];
        size_t count;
        for (long i = 0; i < COUNT; i++) in[i] = i + kill_count;
        for (int i = 0; i < 50; i++) arguments[i] = (prong_bytes){&in[i], sizeof(long) * (size_t)(i + 1)};
        ok(prong_pool_submit(pool, PRONG_MAP(slow_square, in, out), &job, &options));
        ok(prong_pool_submit(pool, &(prong_work){.task = echo_task, .arguments = arguments, .count = 50}, &other,
                             &options));
        while (!test_job_has_ended(job) && kill_count < kills) {
            ok(prong_pool_workers(pool, workers, WORKERS, &count, NULL));
            int i = rand_r(&seed) % WORKERS;
            if (workers[i].pid && kill(workers[i].pid, SIGKILL) == 0) kill_count++;
            usleep((useconds_t)(rand_r(&seed) % 4000));
        }
        ok(prong_job_wait(job, PRONG_SECONDS(60)));
        for (long i = 0; i < COUNT; i++) equal(out[i], in[i] * in[i]);
        ok(prong_job_wait(other, PRONG_SECONDS(60)));
        for (size_t i = 0; i < 50; i++) {
            prong_outcome outcome;
            ok(prong_job_outcome(other, i, &outcome, PRONG_NOWAIT));
            check(outcome.size == sizeof(long) * (i + 1) && memcmp(outcome.data, &in[i], outcome.size) == 0);
        }
        ok(prong_job_destroy(job));
        ok(prong_job_destroy(other));
        ok(prong_family_check(NULL));
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}
