/* Starting a process, by each method and by the system's own calls. */
#define _GNU_SOURCE
#include "bench.h"

#include <spawn.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static int nothing(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

static void start_ours(prong_start_method method) {
    prong_process process;
    must(prong_process_create(&process, &(prong_process_options){.target = nothing, .method = method}));
    must(prong_process_start(process));
    must(prong_process_join(process, PRONG_FOREVER));
    must(prong_process_destroy(process));
}

static void start_raw(const char *how) {
    static char true_program[] = "/bin/true", own[] = "/proc/self/exe", nothing_to_do[] = "nothing";
    bool same = strcmp(how, "posix_spawn_same") == 0;
    char *program = same ? own : true_program, *arguments[] = {program, same ? nothing_to_do : NULL, NULL};
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
bool bench_start(const char *name, const char *peer) {
    if (strncmp(name, "start_", 6) != 0) return false;
    bool ours = strcmp(peer, "prong") == 0, large = strstr(name, "1GiB") && strcmp(peer, "raw_fork_small") != 0;
    prong_start_method method = strstr(name, "forkserver") ? PRONG_START_FORKSERVER
                                : strstr(name, "spawn")    ? PRONG_START_SPAWN
                                                           : PRONG_START_FORK;
    int count = large && !(ours && method == PRONG_START_FORKSERVER) ? 10 : 100;
    if (large) bench_touch_1GiB();
    if (ours) start_ours(method); /* the server, and first touches */
    double start = bench_now();
    for (int i = 0; i < count; i++) ours ? start_ours(method) : start_raw(peer);
    bench_result((bench_now() - start) * 1e6 / count);
    return true;
}
