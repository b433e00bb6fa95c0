/* scale_*: what one operation costs beside so many objects, members, jobs. The peer is that number. Each figure is the
 * median of many single operations, in microseconds. */
#define _GNU_SOURCE
#include "bench.h"

#include <string.h>
#include <unistd.h>

enum { SAMPLES_MAX = 200 };

static double samples[SAMPLES_MAX];
static int sample_count;

static void sample(double began) {
    if (sample_count < SAMPLES_MAX) samples[sample_count++] = (bench_now() - began) * 1e6;
}

static void *array_of(long count, size_t size) {
    void *made = calloc((size_t)count, size);
    if (!made) bench_die("no memory");
    return made;
}

/* --- processes --- */

static int ends_at_once(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

static prong_process child_of(prong_target *target, const void *argument, size_t size) {
    prong_process process;
    must(prong_process_create(
        &process, &(prong_process_options){
                      .target = target, .argument = argument, .argument_size = size, .method = PRONG_START_FORK}));
    must(prong_process_start(process));
    return process;
}

/* Starts and joins processes that end at once. */
static void starts_and_joins(void) {
    for (int i = 0; i < 41; i++) {
        double began = bench_now();
        prong_process process = child_of(ends_at_once, NULL, 0);
        must(prong_process_join(process, PRONG_FOREVER));
        if (i > 0) sample(began);
        must(prong_process_destroy(process));
    }
}

static void start_among_locks(long count) {
    prong_lock lock;
    for (long i = 0; i < count; i++) must(prong_lock_create(&lock, NULL));
    starts_and_joins();
}

static void start_after_destroyed(long count) {
    prong_lock *locks = array_of(count, sizeof *locks);
    for (long i = 0; i < count; i++) must(prong_lock_create(&locks[i], NULL));
    for (long i = 0; i < count; i++) must(prong_lock_destroy(locks[i]));
    free(locks); /* a copy of the list is no part of the start */
    starts_and_joins();
}

static void start_among_queues(long count) {
    prong_queue queue;
    for (long i = 0; i < count; i++) must(prong_queue_create(&queue, NULL));
    starts_and_joins();
}

static int waits_for_event(void *argument, size_t size) {
    (void)size;
    prong_event event;
    memcpy(&event, argument, sizeof event);
    return prong_event_wait(event, PRONG_FOREVER) < 0;
}

/* Members that sleep until the event is set. */
static prong_process *sleeping_members(prong_event *event, long count) {
    prong_process *members = array_of(count, sizeof *members);
    must(prong_event_create(event, NULL));
    for (long i = 0; i < count; i++) members[i] = child_of(waits_for_event, event, sizeof *event);
    return members;
}

static void end_members(prong_event event, const prong_process *members, long count) {
    must(prong_event_set(event));
    for (long i = 0; i < count; i++) must(prong_process_join(members[i], PRONG_FOREVER));
}

static void start_among_members(long count) {
    prong_event event;
    prong_process *members = sleeping_members(&event, count);
    starts_and_joins();
    end_members(event, members, count);
}

static void join_among_finished(long count) {
    for (long i = 0; i < count; i++) child_of(ends_at_once, NULL, 0);
    usleep(200000); /* all have ended; none was joined */
    starts_and_joins();
}

/* One level of a nesting that took so long. */
static void sample_level(double began, long depth) {
    sample(bench_now() - (bench_now() - began) / (double)depth);
}

static void fork_nested(long depth) {
    pid_t pid = fork();
    if (pid < 0) bench_die("fork");
    if (pid > 0) {
        bench_end_child(pid);
        return;
    }
    if (depth > 1) fork_nested(depth - 1);
    _exit(0);
}

/* By fork alone, in a process that is as large as one that has started another. */
static void nest_by_fork(long depth) {
    must(prong_process_join(child_of(ends_at_once, NULL, 0), PRONG_FOREVER));
    for (int i = 0; i < 9; i++) {
        double began = bench_now();
        fork_nested(depth);
        sample_level(began, depth);
    }
}

static int nests(void *argument, size_t size) {
    long deeper;
    memcpy(&deeper, argument, sizeof deeper);
    if (--deeper <= 0) return 0;
    return prong_process_join(child_of(nests, &deeper, size), PRONG_FOREVER) < 0;
}

static void nest(long depth) {
    for (int i = 0; i < 9; i++) {
        double began = bench_now();
        prong_process process = child_of(nests, &depth, sizeof depth);
        must(prong_process_join(process, PRONG_FOREVER));
        sample_level(began, depth);
        must(prong_process_destroy(process));
    }
}

/* --- pools --- */

static void create_among_pools(long count) {
    prong_pool_options one = {.processes = 1};
    prong_pool *pools = array_of(count, sizeof *pools), another;
    for (long i = 0; i < count; i++) must(prong_pool_create(&pools[i], &one));
    for (int i = 0; i < 11; i++) {
        double began = bench_now();
        must(prong_pool_create(&another, &one));
        sample(began);
        must(prong_pool_destroy(another));
    }
    for (long i = 0; i < count; i++) must(prong_pool_terminate(pools[i]));
}

static int takes_token(void *argument, size_t size, prong_result *unused) {
    (void)size;
    (void)unused;
    prong_semaphore tokens;
    memcpy(&tokens, argument, sizeof tokens);
    return prong_semaphore_acquire(tokens, PRONG_FOREVER) < 0;
}

/* From letting the first job of many end to its end being known. */
static void wait_among_outstanding(long count) {
    prong_pool pool;
    prong_semaphore tokens;
    prong_job *jobs = array_of(count, sizeof *jobs);
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 1}));
    must(prong_semaphore_create(&tokens, 0, NULL));
    for (long i = 0; i < count; i++) must(prong_pool_submit(pool, PRONG_TASK(takes_token, tokens), &jobs[i], NULL));
    for (long i = 0; i < count && i < SAMPLES_MAX; i++) {
        double began = bench_now();
        must(prong_semaphore_release(tokens));
        must(prong_job_wait(jobs[i], PRONG_FOREVER));
        sample(began);
        must(prong_job_destroy(jobs[i]));
    }
    must(prong_pool_terminate(pool));
}

/* --- managers --- */

static void manager_create(long count) {
    prong_manager manager;
    prong_proxy proxy;
    prong_manager_options options = {.server.max_objects = (size_t)count + SAMPLES_MAX};
    must(prong_manager_start(&manager, &options));
    for (long i = 0; i < count; i++) must(prong_proxy_create(&proxy, manager, "dict", PRONG_SECONDS(60), "()"));
    for (int i = 0; i < SAMPLES_MAX; i++) {
        double began = bench_now();
        must(prong_proxy_create(&proxy, manager, "dict", PRONG_SECONDS(60), "()"));
        sample(began);
    }
    must(prong_manager_shutdown(manager, PRONG_SECONDS(10)));
}

static void get_key(prong_proxy dict) {
    prong_document *document;
    prong_value result;
    must(prong_document_open(&document, NULL));
    must(prong_proxy_call(dict, "__getitem__", document, &result, PRONG_SECONDS(60), "(s)", "key"));
    prong_document_close(document);
}

struct client {
    prong_event end;
    prong_semaphore ready;
    prong_proxy dict;
};

static int has_session(void *argument, size_t size) {
    (void)size;
    struct client client;
    memcpy(&client, argument, sizeof client);
    get_key(client.dict);
    must(prong_semaphore_release(client.ready));
    return prong_event_wait(client.end, PRONG_FOREVER) < 0;
}

/* A call of the family, while so many other members have a session. */
static void call_among_sessions(long count) {
    prong_manager manager;
    struct client client;
    prong_process *members = array_of(count, sizeof *members);
    must(prong_manager_start(&manager, NULL));
    must(prong_proxy_create(&client.dict, manager, "dict", PRONG_SECONDS(60), "()"));
    must(prong_proxy_call(client.dict, "__setitem__", NULL, NULL, PRONG_SECONDS(60), "(sl)", "key", 1L));
    must(prong_event_create(&client.end, NULL));
    must(prong_semaphore_create(&client.ready, 0, NULL));
    for (long i = 0; i < count; i++) members[i] = child_of(has_session, &client, sizeof client);
    for (long i = 0; i < count; i++) must(prong_semaphore_acquire(client.ready, PRONG_SECONDS(120)));
    for (int i = 0; i < SAMPLES_MAX; i++) {
        double began = bench_now();
        get_key(client.dict);
        sample(began);
    }
    end_members(client.end, members, count);
    must(prong_manager_shutdown(manager, PRONG_SECONDS(10)));
}

bool bench_scale(const char *name, const char *peer) {
    static const struct {
        const char *name;
        void (*measure)(long count);
    } scales[] = {{"scale_start_locks", start_among_locks},       {"scale_start_destroyed", start_after_destroyed},
                  {"scale_start_queues", start_among_queues},     {"scale_start_members", start_among_members},
                  {"scale_join_finished", join_among_finished},   {"scale_nesting", nest},
                  {"scale_nesting_fork", nest_by_fork},           {"scale_pool_create", create_among_pools},
                  {"scale_job_wait", wait_among_outstanding},     {"scale_manager_create", manager_create},
                  {"scale_manager_sessions", call_among_sessions}};
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        if (strcmp(name, scales[i].name) == 0) {
            scales[i].measure(atol(peer));
            bench_result(bench_median(samples, sample_count));
            return true;
        }
    return false;
}
