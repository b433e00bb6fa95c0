/* bench NAME PEER: measures one thing once, in a process of its own, and prints the figure; "-" when that peer cannot do
 * it here. The driver, bench.py, runs all of them interleaved, several rounds. */
#define _GNU_SOURCE
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_OPENMP
#include <omp.h>
#endif

extern char **environ;

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

void bench_pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

void bench_end_child(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0) bench_die("a child failed");
}

/* --- messages --- */

static const struct transport *const transports[] = {
    &prong_queue_transport, &pipe_transport, &poll_transport, &unix_transport, &mq_transport,
#ifdef HAVE_BOOST
    &boost_transport,
#endif
#ifdef HAVE_ZMQ
    &zmq_transport,
#endif
};

static const struct transport *transport_named(const char *name) {
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
        if (strcmp(transports[i]->name, name) == 0) return transports[i];
    return NULL;
}

static void child_side(const struct transport *t) {
    if (t->child) t->child();
}

static long count_for(size_t size) {
    return size <= 8 ? 2000000 : size <= 1024 ? 1000000 : size <= 65536 ? 60000 : 5000;
}

static double slowdown(const struct transport *t) { /* peers get fewer messages, to take as long */
    return strcmp(t->name, "prong") == 0 ? 1 : 5;
}

static void send_many(const struct transport *t, size_t size, long count, bool in_place) {
    char *data = calloc(1, size);
    for (long i = 0; i < count; i++)
        if (in_place && t->send_in_place)
            t->send_in_place(0, size, (uint64_t)i);
        else
            t->send(0, data, size);
}

static void receive_many(const struct transport *t, size_t size, long count, bool in_place) {
    char *data = calloc(1, size);
    for (long i = 0; i < count; i++)
        if (in_place && t->receive_in_place)
            t->receive_in_place(0);
        else
            t->receive(0, data, size);
}

/* Messages a second from one process to another; the first tenth warms up. */
static void oneway(const struct transport *t, size_t size, bool in_place) {
    long count = (long)((double)count_for(size) / slowdown(t)), warm = count / 10;
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        child_side(t);
        send_many(t, size, warm + count, in_place);
        char byte;
        t->receive(1, &byte, 1); /* do not leave before all is read */
        t->close();
        _exit(0);
    }
    receive_many(t, size, warm, in_place);
    double start = bench_now();
    receive_many(t, size, count, in_place);
    bench_result((double)count / (bench_now() - start));
    t->send(1, "x", 1);
    bench_end_child(pid);
    t->close();
}

/* Two producers and two consumers. */
static void mpmc(const struct transport *t, size_t size) {
    long each = (long)((double)count_for(size) / slowdown(t));
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    pid_t pids[4];
    double start = bench_now();
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0) {
            child_side(t);
            if (i < 2)
                send_many(t, size, each, false);
            else
                receive_many(t, size, each, false);
            _exit(0);
        }
    for (int i = 0; i < 4; i++) bench_end_child(pids[i]);
    bench_result((double)(2 * each) / (bench_now() - start));
    t->close();
}

/* Microseconds for a message there and one back. */
static void round_trip(const struct transport *t, size_t size, bool one_core) {
    long count = size > 65536 ? 1000 : strcmp(t->name, "prong") == 0 ? 200000 : 10000, warm = count / 10;
    char *data = calloc(1, size);
    if (t->open(size) != 0) {
        puts("-");
        return;
    }
    if (one_core) bench_pin(0);
    pid_t pid = fork();
    if (pid == 0) {
        child_side(t);
        for (long i = 0; i < warm + count; i++) {
            t->receive(0, data, size);
            t->send(1, data, size);
        }
        t->close();
        _exit(0);
    }
    double start = 0;
    for (long i = 0; i < warm + count; i++) {
        if (i == warm) start = bench_now();
        t->send(0, data, size);
        t->receive(1, data, size);
    }
    bench_result((bench_now() - start) * 1e6 / (double)count);
    bench_end_child(pid);
    t->close();
}

static bool bench_messages(const char *name, const char *peer) {
    static const struct {
        const char *name;
        size_t size;
    } sizes[] = {{"8B", 8}, {"1KiB", 1 << 10}, {"64KiB", 1 << 16}, {"1MiB", 1 << 20}};
    const struct transport *t = transport_named(peer);
    if (!t) return false;
    bool over_pipe = strncmp(name, "pipe_", 5) == 0;
    if (over_pipe && strcmp(peer, "prong") == 0) t = &prong_pipe_transport;
    if (strcmp(name, "wait_rtt_8B") == 0)
        return round_trip(strcmp(peer, "prong") == 0 ? &prong_wait_transport : t, 8, false), true;
    for (size_t i = 0; i < 4; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s_oneway_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return oneway(t, sizes[i].size, sizes[i].size >= 1 << 20 && !over_pipe), true;
        snprintf(wanted, sizeof wanted, "%s_oneway_copied_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return oneway(t, sizes[i].size, false), true;
        snprintf(wanted, sizeof wanted, "%s_rtt_%s", over_pipe ? "pipe" : "queue", sizes[i].name);
        if (strcmp(name, wanted) == 0) return round_trip(t, sizes[i].size, false), true;
    }
    if (strcmp(name, "queue_mpmc_8B") == 0) return mpmc(t, 8), true;
    if (strcmp(name, "pipe_rtt_8B_one_core") == 0) return round_trip(t, 8, true), true;
    return false;
}

/* --- starting processes --- */

static int nothing(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

void bench_touch_1GiB(void) {
    size_t size = (size_t)1 << 30;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) bench_die("no gibibyte");
    memset(memory, 1, size);
}

static void start_ours(prong_start_method method) {
    prong_process process;
    must(prong_process_create(&process, &(prong_process_options){.target = nothing, .method = method}));
    must(prong_process_start(process));
    must(prong_process_join(process, PRONG_FOREVER));
    must(prong_process_destroy(process));
}

static void start_raw(const char *how) {
    static char program[] = "/bin/true";
    char *arguments[] = {program, NULL};
    pid_t pid = 0;
    if (strncmp(how, "raw_fork", 8) == 0) {
        if ((pid = fork()) == 0) _exit(0);
    } else if (strcmp(how, "vfork_exec") == 0) {
        if ((pid = vfork()) == 0) {
            execve(program, arguments, environ);
            _exit(1);
        }
    } else if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0) {
        bench_die("posix_spawn");
    }
    bench_end_child(pid);
}

/* Microseconds to start a process that does nothing and to see its end. */
static bool bench_start(const char *name, const char *peer) {
    if (strncmp(name, "start_", 6) != 0) return false;
    bool ours = strcmp(peer, "prong") == 0, large = strstr(name, "1GiB") && strcmp(peer, "raw_fork_small") != 0;
    prong_start_method method = strstr(name, "forkserver") ? PRONG_START_FORKSERVER
                                : strstr(name, "spawn")    ? PRONG_START_SPAWN
                                                           : PRONG_START_FORK;
    int count = large && !(ours && method == PRONG_START_FORKSERVER) ? 60 : 300;
    if (large) bench_touch_1GiB();
    if (ours) start_ours(method); /* the server, and first touches */
    double start = bench_now();
    for (int i = 0; i < count; i++) ours ? start_ours(method) : start_raw(peer);
    bench_result((bench_now() - start) * 1e6 / count);
    return true;
}

/* --- the pool --- */

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

enum { DOUBLES = 10000000, TASKS = 200000, APPLIES = 50000 };

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

static bool bench_pool(const char *name, const char *peer) {
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

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    if (argc != 3) bench_die("usage: bench NAME PEER");
    if (bench_start(argv[1], argv[2]) || bench_pool(argv[1], argv[2]) || bench_sync(argv[1], argv[2]) ||
        bench_subprocess(argv[1], argv[2]) || bench_value(argv[1], argv[2]) || bench_manager(argv[1], argv[2]) ||
        bench_messages(argv[1], argv[2]))
        return 0;
    puts("-");
    return 0;
}
