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
    if (strcmp(name, "idle_private_KiB") == 0) return idle_private(), true;
    return false;
}
