/* What the files of the benchmark program share. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "transport.h"

#include <prong/prong.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define must(call)                                                                                                     \
    do {                                                                                                               \
        if (call) bench_die(prong_error_message());                                                                    \
    } while (0)

/* The figure of this run. */
void bench_result(double value);
/* The middle one of these; they are sorted. */
double bench_median(double *values, int count);
/* A second: how many, where a batch is count of them. The median of short spans. */
double bench_rate(void (*batch)(void *what), void *what, long count, double seconds);
/* Where the two processes of a measurement run: each on a core of its own, or both on one. */
enum placement { TWO_CORES, ONE_CORE, PLACEMENTS };
/* This process is side 0 or side 1. */
void bench_place(enum placement where, int side);
/* Waits for it; it must have succeeded. */
void bench_end_child(pid_t pid);
/* A child that is killed when its parent ends. */
pid_t bench_fork(void);
/* Zeroed memory that children share. */
void *bench_shared(size_t size);
/* Written once: of memory that nobody has written to, the kernel shows one page of zeros again and again, which stays in
 * the nearest cache. */
void *bench_buffer(size_t size);
/* Makes this process use a gibibyte from now on. */
void bench_touch_1GiB(void);

/* Each runs the benchmark of that name; false when it has none. */
bool bench_start(const char *name, const char *peer);
bool bench_pool(const char *name, const char *peer);
bool bench_messages(const char *name, const char *peer);
bool bench_sync(const char *name, const char *peer);
bool bench_subprocess(const char *name, const char *peer);
bool bench_value(const char *name, const char *peer);
bool bench_manager(const char *name, const char *peer);
bool bench_idle(const char *name, const char *peer);
/* The machine's limits are peers of any row: limit_… */
bool bench_limit(const char *name, const char *peer);
bool bench_limit_ring(const char *peer);
/* How a cost grows: the peer is the number of objects, members, …, that there are. */
bool bench_scale(const char *name, const char *peer);

#endif
