/* bench NAME PEER: measures one thing once, in a process of its own, and prints the figure; "-" when that peer cannot do
 * it here. The driver, bench.py, runs all of them interleaved, several rounds. */
#include "bench.h"

#include <string.h>

static bool (*const benchmarks[])(const char *name, const char *peer) = {
    bench_scale, bench_limit,      bench_idle,  bench_start,   bench_pool,
    bench_sync,  bench_subprocess, bench_value, bench_manager, bench_messages};

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "nothing") == 0) return 0; /* the image itself, as a peer of starts */
    prong_main(&argc, &argv);
    if (argc != 3) bench_die("usage: bench NAME PEER");
    for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++)
        if (benchmarks[i](argv[1], argv[2])) return 0;
    puts("-");
    return 0;
}
