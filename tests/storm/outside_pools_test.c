/* A storm from outside over pools: every task ends, well or with its worker's death; with retries all end well; no task is run
 * more often than it may be, and no result is another's. */
#include "outside.h"

#include <unistd.h>

enum { WORKERS = 6, POOL_WORKERS = 4, MOST = 300 };

struct stage {
    prong_pool pool;
    int number, method;
};

static prong_pool_options options_of(const struct stage *stage, unsigned processes) {
    return (prong_pool_options){.processes = processes,
                                .maxtasksperchild = storm_random(2) ? 0 : 20,
                                .method = (prong_start_method)stage->method};
}

/* --- tasks: each notes that it ran, in the byte of its number --- */

struct order {
    uint32_t number, fill[20];
};

static void note_run(uint32_t number) {
    if (!storm_self) storm_begin();
    storm->messages[number]++;
}

static int task(void *argument, size_t size, prong_result *result) {
    struct order *order = argument;
    note_run(order->number);
    if (order->number % 8 == 0) usleep(order->number / 8 % 3000); /* time to die in */
    return prong_result_set(result, order, size) != PRONG_OK;
}

static int element(const void *in, void *out) {
    note_run(*(const uint32_t *)in);
    *(uint32_t *)out = ~*(const uint32_t *)in;
    return 0;
}

static uint32_t new_numbers(uint32_t count) {
    uint32_t first = atomic_fetch_add(&storm->next_message, count);
    storm_check(first + count < STORM_MESSAGES);
    return first;
}

/* Whether an outcome is one of a task that may be struck, which is run once. */
static void check_outcome(const prong_outcome *outcome, uint32_t number, unsigned retries) {
    unsigned ran = storm->messages[number];
    storm_check(ran <= 1 + retries);
    if (outcome->status == PRONG_OK) {
        const struct order *order = outcome->data;
        storm_check(ran >= 1 && order->number == number && outcome->size >= sizeof order->number);
    } else
        storm_check(outcome->status == PRONG_WORKER_DIED &&
                    (outcome->code == -9 || outcome->code == -11 || outcome->code == 255));
}

static void some_starmap(prong_pool pool, uint32_t count, unsigned retries) {
    static struct order orders[MOST];
    static prong_bytes arguments[MOST];
    uint32_t first = new_numbers(count);
    prong_outcome outcome;
    prong_job job;
    for (uint32_t i = 0; i < count; i++) {
        orders[i].number = first + i;
        arguments[i] = (prong_bytes){&orders[i], sizeof(uint32_t) * (1 + i % 20)};
    }
    storm_ok(prong_pool_submit(pool, &(prong_work){.task = task, .arguments = arguments, .count = count}, &job,
                               &(prong_task_options){.retries = retries}));
    storm_is(prong_job_wait(job, storm_patience()),
             status == PRONG_OK || (status == PRONG_WORKER_DIED && retries == 0));
    for (uint32_t i = 0; i < count; i++) {
        storm_ok(prong_job_outcome(job, i, &outcome, PRONG_NOWAIT));
        check_outcome(&outcome, first + i, retries);
        storm_check(outcome.status == PRONG_OK ? outcome.size == arguments[i].size : retries == 0);
    }
    storm_ok(prong_job_destroy(job));
}

static void some_apply(prong_pool pool, unsigned retries) {
    struct order order = {.number = new_numbers(1)}, result = {0};
    size_t size = 0;
    prong_status done = prong_pool_run(pool,
                                       &(prong_work){.task = task,
                                                     .in = &order,
                                                     .in_size = sizeof order,
                                                     .count = 1,
                                                     .out = &result,
                                                     .out_size = sizeof result,
                                                     .sizes = &size},
                                       &(prong_task_options){.retries = retries}, storm_patience());
    storm_is(done, status == PRONG_OK || (status == PRONG_WORKER_DIED && retries == 0));
    storm_check(done || (size == sizeof result && result.number == order.number));
}

static void some_map(prong_pool pool, uint32_t count) {
    static uint32_t in[MOST], out[MOST];
    uint32_t first = new_numbers(count);
    for (uint32_t i = 0; i < count; i++) in[i] = first + i;
    memset(out, 0, sizeof out);
    storm_ok(prong_pool_run(pool, PRONG_MAP_N(element, in, out, count),
                            &(prong_task_options){.chunk_size = 1 + storm_random(10), .retries = 255},
                            storm_patience()));
    for (uint32_t i = 0; i < count; i++) storm_check(out[i] == ~in[i] && storm->messages[in[i]] >= 1);
}

/* --- imap --- */

struct numbers {
    uint32_t next, end;
    struct order order;
};

static bool generate(prong_bytes *argument, void *context) {
    struct numbers *numbers = context;
    if (numbers->next == numbers->end) return false;
    numbers->order.number = numbers->next++;
    *argument = (prong_bytes){&numbers->order, sizeof numbers->order};
    return true;
}

static void some_imap(prong_pool pool, uint32_t count, unsigned retries, bool ordered) {
    uint32_t first = new_numbers(count), seen = 0;
    struct numbers numbers = {first, first + count, {0}};
    prong_task_options options = {.retries = retries, .unordered = !ordered};
    static bool was_seen[MOST];
    prong_outcome outcome;
    prong_status next;
    prong_iterator *iterator;
    memset(was_seen, 0, sizeof was_seen);
    prong_work work = {.task = task, .generator = generate, .generator_context = &numbers};
    storm_ok(prong_pool_iterate(pool, &work, &iterator, &options));
    while (!(next = prong_iterator_next(iterator, &outcome, storm_patience()))) {
        storm_check(outcome.index < count && !was_seen[outcome.index] && (!ordered || outcome.index == seen));
        was_seen[outcome.index] = true;
        check_outcome(&outcome, first + (uint32_t)outcome.index, retries);
        storm_check(outcome.status == PRONG_OK || retries == 0);
        seen++;
    }
    storm_is(next, status == PRONG_EOF);
    storm_check(seen == count);
    prong_iterator_close(iterator);
}

static void use_pool(prong_pool pool, uint32_t count) {
    unsigned retries = storm_random(2) ? 255 : 0;
    switch (storm_random(5)) {
    case 0: some_starmap(pool, count, retries); break;
    case 1: some_apply(pool, retries); break;
    case 2: some_map(pool, count); break;
    case 3: some_imap(pool, count, retries, true); break;
    default: some_imap(pool, count, retries, false);
    }
}

/* --- members: some submit to the first process's pool, some have one of their own --- */

static void use_own_pool(struct stage *stage) {
    prong_pool pool;
    prong_pool_options options = options_of(stage, 2);
    prong_status created = prong_pool_create(&pool, &options);
    if (created == PRONG_START_FAILED) return;
    storm_ok(created);
    for (int i = 0; i < 5 && !storm->stop; i++) use_pool(pool, 20);
    if (storm_random(2)) {
        storm_ok(prong_pool_shutdown(pool));
        storm_ok(prong_pool_join(pool, storm_patience()));
    }
    storm_ok(prong_pool_destroy(pool));
}

static int work(void *argument, size_t size) {
    struct stage *stage = argument;
    (void)size;
    storm_begin();
    while (!storm->stop)
        if (stage->number < 4)
            use_pool(stage->pool, 50);
        else
            use_own_pool(stage);
    return 0;
}

static void work_here(void *argument) {
    struct stage *stage = argument;
    use_pool(stage->pool, MOST);
}

static void pools(int method) {
    struct stage stage = {.method = method};
    prong_pool_options options = options_of(&stage, POOL_WORKERS);
    ok(prong_pool_create(&stage.pool, &options)); /* this process's doorbell stays */
    ok(prong_pool_destroy(stage.pool));
    prong_stop_forkserver();
    int descriptors = test_open_descriptors();
    ok(prong_pool_create(&stage.pool, &options));
    storm_begin();
    storm_crew(&(struct storm_crew){method, WORKERS, work, &stage, sizeof stage, &stage.number, work_here});
    work_here(&stage);
    ok(prong_pool_shutdown(stage.pool));
    ok(prong_pool_join(stage.pool, storm_patience()));
    ok(prong_pool_destroy(stage.pool));
    storm_orphans_end(method);
    printf("     %u tasks\n", storm->next_message);
    fflush(stdout);
    storm_check_remains(descriptors, 0);
}

LONG_METHOD_TEST(pools_survive_a_killer_from_outside, 900) {
    storm_outside(method, pools, NULL);
}
