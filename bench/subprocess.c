/* Starting programs, and talking to them. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_UV
#include <uv.h>
#endif

extern char **environ;

/* A small static program of the benchmark that exits at once; it is in the same directory as this program. */
static char program[4096];

static void find_program(void) {
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 32);
    if (n <= 0) bench_die("readlink");
    program[n] = 0;
    strcpy(strrchr(program, '/'), "/nothing");
}

static void start_ours(void) {
    prong_popen *popen;
    const char *const argv[] = {program, NULL};
    must(prong_popen_open(&popen, argv, NULL));
    must(prong_popen_wait(popen, NULL, PRONG_FOREVER));
    must(prong_popen_close(popen));
}

static void start_vfork(void) {
    char *argv[] = {program, NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        execve(program, argv, environ);
        _exit(127);
    }
    bench_end_child(pid);
}

static void start_posix_spawn(void) {
    char *argv[] = {program, NULL};
    pid_t pid;
    if (posix_spawn(&pid, program, NULL, NULL, argv, environ) != 0) bench_die("posix_spawn");
    bench_end_child(pid);
}

#ifdef HAVE_UV
static void uv_ended(uv_process_t *process, int64_t code, int signal) {
    (void)code;
    (void)signal;
    uv_close((uv_handle_t *)process, NULL);
}

static void start_uv(void) {
    char *argv[] = {program, NULL};
    uv_process_t process;
    uv_process_options_t options = {.exit_cb = uv_ended, .file = program, .args = argv};
    if (uv_spawn(uv_default_loop(), &process, &options) != 0) bench_die("uv_spawn");
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
#endif

/* Microseconds to start a program that does nothing and to see its end. */
static bool start(const char *name, const char *peer) {
    void (*one)(void) = strcmp(peer, "prong") == 0         ? start_ours
                        : strcmp(peer, "vfork_exec") == 0  ? start_vfork
                        : strcmp(peer, "posix_spawn") == 0 ? start_posix_spawn
                                                           : NULL;
#ifdef HAVE_UV
    if (strcmp(peer, "libuv") == 0) one = start_uv;
#endif
    if (!one) return false;
    int count = strstr(name, "1GiB") && strcmp(peer, "libuv") == 0 ? 7 : 100;
    find_program();
    if (strstr(name, "1GiB")) bench_touch_1GiB();
    for (int i = 0; i < 5; i++) one();
    double begin = bench_now();
    for (int i = 0; i < count; i++) one();
    bench_result((bench_now() - begin) * 1e6 / count);
    return true;
}

/* MiB a second through cat and back; or the most memory used, in MiB, the input's own included. */
static void communicate(bool memory) {
    const size_t size = (size_t)256 << 20;
    char *input = malloc(size);
    const char *const argv[] = {"cat", NULL};
    prong_completed completed;
    memset(input, 'x', size);
    double begin = bench_now();
    must(prong_subprocess_run(argv, &completed,
                              &(prong_subprocess_options){.input = input, .input_size = size, .capture = true},
                              PRONG_FOREVER));
    double took = bench_now() - begin;
    if (completed.out.size != size) bench_die("not all came back");
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    bench_result(memory ? (double)usage.ru_maxrss / 1024 : 256 / took);
    prong_completed_clear(&completed);
}

bool bench_subprocess(const char *name, const char *peer) {
    if (strncmp(name, "subprocess_start", 16) == 0) return start(name, peer);
    if (strncmp(name, "communicate_", 12) == 0 && strcmp(peer, "prong") == 0)
        return communicate(strstr(name, "memory")), true;
    return false;
}
