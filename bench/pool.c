/* The pool: maps, single tasks, the memory of idle workers. */
#define _GNU_SOURCE
#include "bench.h"

#include <string.h>
#include <unistd.h>
#ifdef HAVE_OPENMP
#include <omp.h>
#endif

static int empty_element(const void *in, void *out) {
    *(char *)out = *(const char *)in;
    return 0;
}

static int empty_task(void *argument, size_t size, prong_result *unused) {
    (void)argument;
    (void)size;
    (void)unused;
    return 0;
}

static int scale(const void *in, void *out, size_t count) {
    const double *x = in;
    double *y = out;
    for (size_t i = 0; i < count; i++) y[i] = x[i] * 2.5 + 1;
    return 0;
}

enum { DOUBLES = 10000000, TASKS = 200000, APPLIES = 20000 };

static void map_doubles_ours(void) {
    prong_pool pool;
    double *in, *out;
    must(prong_pool_create(&pool, NULL));
    must(prong_memory_alloc(DOUBLES * sizeof *in, (void **)&in));
    must(prong_memory_alloc(DOUBLES * sizeof *out, (void **)&out));
    for (int i = 0; i < DOUBLES; i++) in[i] = i;
    double best = 1e9;
    for (int i = 0; i < 9; i++) {
        double start = bench_now();
        must(prong_pool_run(pool, PRONG_MAP_N(scale, in, out, DOUBLES), NULL, PRONG_FOREVER));
        double took = bench_now() - start;
        if (took < best) best = took;
    }
    if (out[1000] != 2501) bench_die("wrong result");
    bench_result(best * 1e3);
    must(prong_pool_destroy(pool));
}

static void map_doubles_openmp(void) {
#ifdef HAVE_OPENMP
    double *in = malloc(DOUBLES * sizeof *in), *out = malloc(DOUBLES * sizeof *out), best = 1e9;
    for (int i = 0; i < DOUBLES; i++) in[i] = i;
    for (int k = 0; k < 9; k++) {
        double start = bench_now();
#pragma omp parallel for schedule(static)
        for (int i = 0; i < DOUBLES; i++) out[i] = in[i] * 2.5 + 1;
        double took = bench_now() - start;
        if (took < best) best = took;
    }
    if (out[1000] != 2501) bench_die("wrong result");
    bench_result(best * 1e3);
#else
    puts("-");
#endif
}

static void map_chunk1(void) {
    prong_pool pool;
    static char in[TASKS], out[TASKS];
    must(prong_pool_create(&pool, NULL));
    prong_task_options one = {.chunk_size = 1};
    must(prong_pool_run(pool, PRONG_MAP(empty_element, in, out), &one, PRONG_FOREVER));
    double start = bench_now();
    must(prong_pool_run(pool, PRONG_MAP(empty_element, in, out), &one, PRONG_FOREVER));
    bench_result(TASKS / (bench_now() - start));
    must(prong_pool_destroy(pool));
}

static void apply(void) {
    prong_pool pool;
    must(prong_pool_create(&pool, NULL));
    for (int i = 0; i < 1000; i++)
        must(prong_pool_run(pool, &(prong_work){.task = empty_task, .count = 1}, NULL, PRONG_FOREVER));
    double start = bench_now();
    for (int i = 0; i < APPLIES; i++)
        must(prong_pool_run(pool, &(prong_work){.task = empty_task, .count = 1}, NULL, PRONG_FOREVER));
    bench_result((bench_now() - start) * 1e6 / APPLIES);
    must(prong_pool_destroy(pool));
}

/* --- what something costs a task beside the same without it --- */

enum { OVERHEAD_TASKS = 50000, OVERHEAD_ROUNDS = 5 };

/* The tasks of one run; `items` are what they are called with. */
struct run {
    prong_pool pool;
    prong_task *task;
    const void *items;
    size_t item_size;
    const char *journal; /* begins anew; NULL: none */
};

static void run_tasks(const struct run *run) {
    prong_work work = {.task = run->task, .in = run->items, .in_size = run->item_size, .count = OVERHEAD_TASKS};
    if (run->journal) unlink(run->journal);
    must(prong_pool_run(run->pool, &work, &(prong_task_options){.journal = run->journal}, PRONG_FOREVER));
}

static void run_calls(const struct run *run) {
    prong_task *volatile task = run->task;
    for (size_t i = 0; i < OVERHEAD_TASKS; i++)
        if (task((char *)(uintptr_t)run->items + i * run->item_size, run->item_size, NULL)) bench_die("a task fails");
}

/* Microseconds a task, of the fastest of some rounds each. */
static void overhead(void with(const struct run *), const struct run *one, void without(const struct run *),
                     const struct run *other) {
    double best[2] = {1e9, 1e9};
    for (int i = 0; i < 2 * OVERHEAD_ROUNDS; i++) {
        double start = bench_now();
        i % 2 ? without(other) : with(one);
        double took = bench_now() - start;
        if (took < best[i % 2]) best[i % 2] = took;
    }
    bench_result((best[0] - best[1]) * 1e6 / OVERHEAD_TASKS);
}

static void inline_overhead(void) {
    static long items[OVERHEAD_TASKS];
    struct run run = {.task = empty_task, .items = items, .item_size = sizeof *items};
    must(prong_pool_create(&run.pool, &(prong_pool_options){.processes = PRONG_INLINE}));
    overhead(run_tasks, &run, run_calls, &run);
    must(prong_pool_destroy(run.pool));
}

static int task_of_share(void *argument, size_t size, prong_result *unused) {
    const void *data;
    (void)unused;
    if (prong_share_open(*(prong_share *)argument, &data, &size) < 0 || *(const char *)data != 's') return 1;
    return prong_share_close(*(prong_share *)argument) < 0;
}

static void share_overhead(void) {
    static long numbers[OVERHEAD_TASKS];
    static prong_share shares[OVERHEAD_TASKS];
    prong_pool pool;
    must(prong_pool_create(&pool, NULL));
    must(prong_share_create(&shares[0], "shared", 7, NULL));
    for (int i = 1; i < OVERHEAD_TASKS; i++) shares[i] = shares[0];
    overhead(run_tasks, &(struct run){pool, task_of_share, shares, sizeof *shares, NULL}, run_tasks,
             &(struct run){pool, empty_task, numbers, sizeof *numbers, NULL});
    must(prong_share_close(shares[0]));
    must(prong_pool_destroy(pool));
}

static void journal_overhead(void) {
    static long numbers[OVERHEAD_TASKS];
    char directory[] = "/tmp/prong-bench-XXXXXX", path[64];
    prong_pool pool;
    must(prong_pool_create(&pool, NULL));
    if (!mkdtemp(directory)) bench_die("no directory for a journal");
    snprintf(path, sizeof path, "%s/journal", directory);
    overhead(run_tasks, &(struct run){pool, empty_task, numbers, sizeof *numbers, path}, run_tasks,
             &(struct run){pool, empty_task, numbers, sizeof *numbers, NULL});
    unlink(path);
    rmdir(directory);
    must(prong_pool_destroy(pool));
}

/* --- memory --- */

static long private_kib(int pid) {
    char path[64], line[128];
    long sum = 0, kib;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Private_Clean: %ld", &kib) == 1 || sscanf(line, "Private_Dirty: %ld", &kib) == 1) sum += kib;
    if (file) fclose(file);
    return sum;
}

/* The largest private memory of any of a parent and its four idle workers. */
static void idle_private(void) {
    prong_pool pool;
    prong_worker workers[4];
    size_t count;
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 4}));
    for (int i = 0; i < 100; i++)
        must(prong_pool_run(pool, &(prong_work){.task = empty_task, .count = 1}, NULL, PRONG_FOREVER));
    usleep(200000);
    must(prong_pool_workers(pool, workers, 4, &count, NULL));
    long most = private_kib(getpid());
    for (size_t i = 0; i < count; i++) {
        long kib = private_kib(workers[i].pid);
        if (kib > most) most = kib;
    }
    bench_result((double)most);
    must(prong_pool_destroy(pool));
}

bool bench_pool(const char *name, const char *peer) {
    if (strcmp(name, "pool_map_doubles") == 0) {
        strcmp(peer, "openmp") == 0 ? map_doubles_openmp() : map_doubles_ours();
        return true;
    }
    if (strcmp(peer, "prong") != 0) return false;
    if (strcmp(name, "pool_map_chunk1") == 0) return map_chunk1(), true;
    if (strcmp(name, "pool_apply") == 0) return apply(), true;
    if (strcmp(name, "pool_inline") == 0) return inline_overhead(), true;
    if (strcmp(name, "pool_share") == 0) return share_overhead(), true;
    if (strcmp(name, "pool_journal") == 0) return journal_overhead(), true;
    if (strcmp(name, "idle_private_KiB") == 0) return idle_private(), true;
    return false;
}
