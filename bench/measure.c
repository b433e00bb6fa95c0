/* What all benchmarks measure with: the clock, the figure, children and where they run. */
#define _GNU_SOURCE
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void bench_die(const char *what) {
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void bench_result(double value) {
    printf("%.6g\n", value);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

double bench_rate(void (*batch)(void *what), void *what, long count, double seconds) {
    enum { SPANS = 200 };
    const double SPAN = 0.004; /* most spans pass without another process on either core, also on a busy machine */
    double rates[SPANS], end = bench_now() + seconds;
    int measured = 0;
    do {
        double start = bench_now(), took;
        long done = 0;
        do {
            batch(what);
            done += count;
        } while ((took = bench_now() - start) < SPAN);
        rates[measured++] = (double)done / took;
    } while (measured < SPANS && bench_now() < end);
    return bench_median(rates, measured);
}

/* What the system allowed this process before its first bench_place; a forked child has it from its parent. */
static cpu_set_t allowed;

/* The which-th of the allowed cores. */
static int allowed_core(int which) {
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && which-- == 0) return cpu;
    return 0;
}

void bench_place(enum placement where, int side) {
    cpu_set_t one;
    if (CPU_COUNT(&allowed) == 0) sched_getaffinity(0, sizeof allowed, &allowed);
    bool apart = where == TWO_CORES && CPU_COUNT(&allowed) > 1;
    CPU_ZERO(&one);
    CPU_SET(allowed_core(apart ? side : 0), &one);
    sched_setaffinity(0, sizeof one, &one);
}

void bench_end_child(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0) bench_die("a child failed");
}

pid_t bench_fork(void) {
    pid_t pid = fork();
    if (pid < 0) bench_die("fork");
    if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

void *bench_shared(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) bench_die("mmap");
    memset(memory, 0, size);
    return memory;
}

void *bench_buffer(size_t size) {
    void *memory = malloc(size);
    if (!memory) bench_die("no memory");
    return memset(memory, 1, size);
}

void bench_touch_1GiB(void) {
    size_t size = (size_t)1 << 30;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) bench_die("no gibibyte");
    memset(memory, 1, size);
}
