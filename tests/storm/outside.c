/* The killer, the crew that it strikes, and the count at the end. */
#define _GNU_SOURCE
#include "outside.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#endif

enum { PROCESSES = 4096, CREW = 64, STOPPED = 64 };

struct storm *storm;
struct storm_slot *storm_self;

static _Thread_local unsigned seed;

unsigned storm_random(unsigned below) {
    if (!seed) seed = (unsigned)test_now() ^ (unsigned)syscall(SYS_gettid) << 8;
    return (unsigned)rand_r(&seed) % below;
}

static int time_factor(void) {
    const char *factor = getenv("TEST_TIME_FACTOR");
    return factor ? atoi(factor) : 1;
}

prong_time storm_patience(void) {
    return PRONG_SECONDS(40) * time_factor();
}

static prong_time storm_length(int subjects) {
    const char *seconds = getenv("PRONG_STORM_SECONDS");
    return PRONG_SECONDS(seconds ? atof(seconds) : 60) / subjects;
}

void storm_wrong(const char *file, int line, const char *format, ...) {
    va_list arguments;
    char text[1024];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: process %d: %s\n", file, line, getpid(), text);
    if (storm) storm->failed = true;
    while (getenv("PRONG_STORM_KEEP")) pause();
    _exit(98);
}

/* --- the shared memory --- */

static void storm_map(int descriptor) {
    storm = mmap(NULL, sizeof *storm, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    if (storm == MAP_FAILED) abort();
}

/* A spawned member finds it by the environment, as the descriptor of the killer. */
static void storm_make(void) {
    char path[64];
    int descriptor = memfd_create("storm", MFD_CLOEXEC);
    check(descriptor >= 0 && ftruncate(descriptor, sizeof *storm) == 0);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), descriptor);
    setenv("PRONG_STORM_MEMORY", path, 1);
    storm_map(descriptor);
}

void storm_begin(void) {
    if (!storm) {
        int descriptor = open(getenv("PRONG_STORM_MEMORY"), O_RDWR | O_CLOEXEC);
        if (descriptor < 0) _exit(97); /* the killer is gone */
        storm_map(descriptor);
        close(descriptor);
    }
    uint32_t slot = atomic_fetch_add(&storm->next_slot, 1);
    if (slot >= STORM_SLOTS) _exit(96);
    storm_self = &storm->slots[slot];
    storm_self->pid = getpid();
    seed = 0;
}

/* --- /proc --- */

struct process {
    int pid, parent;
    unsigned long long born;
    char state, name[20];
};

static bool process_read(int pid, struct process *process) {
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    ssize_t length = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (length <= 0) return false;
    text[length] = 0;
    const char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (!name || !end) return false;
    process->pid = pid;
    snprintf(process->name, sizeof process->name, "%.*s", (int)(end - name - 1), name + 1);
    return sscanf(end + 2, "%c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu",
                  &process->state, &process->parent, &process->born) == 3;
}

bool storm_slot_died(const struct storm_slot *slot) {
    struct process process;
    if (storm->killed[(unsigned)slot->pid % STORM_PIDS]) return true;
    return !process_read(slot->pid, &process) || process.state == 'Z' || process.state == 'X';
}

static struct process processes[PROCESSES];
static int process_count;

static void processes_read(void) {
    DIR *directory = opendir("/proc");
    check(directory);
    process_count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) && process_count < PROCESSES;)
        if (isdigit((unsigned char)entry->d_name[0]))
            process_count += process_read(atoi(entry->d_name), &processes[process_count]);
    closedir(directory);
}

static int process_parent(int pid) {
    for (int i = 0; i < process_count; i++)
        if (processes[i].pid == pid) return processes[i].parent;
    return 0;
}

static bool process_descends(int pid, int from) {
    for (int depth = 0; pid > 1 && depth < 64; depth++) {
        pid = process_parent(pid);
        if (pid == from) return true;
    }
    return false;
}

/* --- the killer --- */

static int root;

static struct stopped {
    struct process process;
    int64_t until;
} stopped[STOPPED];

/* By a descriptor, and only if it is still the process that was seen: pids are used again. */
static bool process_signal(const struct process *process, int signal, unsigned char note) {
    struct process now;
    int pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (pidfd < 0) return false;
    bool same = process_read(process->pid, &now) && now.born == process->born && now.state != 'Z';
    if (same && note) storm->killed[process->pid % STORM_PIDS] |= note;
    bool done = same && syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0;
    close(pidfd);
    return done;
}

static void killer_continue(bool all) {
    for (int i = 0; i < STOPPED; i++)
        if (stopped[i].until && (all || test_now() > stopped[i].until)) {
            process_signal(&stopped[i].process, SIGCONT, 0);
            stopped[i].until = 0;
        }
}

static void killer_stop(const struct process *process) {
    for (int i = 0; i < STOPPED; i++)
        if (!stopped[i].until) {
            if (!process_signal(process, SIGSTOP, 0)) return;
            stopped[i] = (struct stopped){*process, test_now() + PRONG_MS(50 + storm_random(450))};
            storm->stops++;
            return;
        }
}

/* One of its threads. The signal harms nobody, should the numbers have gone to others. */
static void killer_hold_back(const struct process *process) {
    char path[40];
    int threads[64], count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", process->pid);
    DIR *directory = opendir(path);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory)) && count < 64;)
        if (isdigit((unsigned char)entry->d_name[0])) threads[count++] = atoi(entry->d_name);
    closedir(directory);
    if (count) syscall(SYS_tgkill, process->pid, threads[storm_random((unsigned)count)], SIGURG);
}

static void killer_strike(const struct process *process) {
    unsigned what = storm_random(20);
    bool mortal = process->pid != storm->spared && !storm->gentle;
    if (what < 7 && mortal)
        storm->kills += process_signal(process, SIGKILL, 1);
    else if (what < 10 && mortal)
        storm->kills += process_signal(process, SIGSEGV, 2);
    else if (what < 14)
        killer_stop(process);
    else if (what < 15)
        process_signal(process, SIGCONT, 0);
    else
        killer_hold_back(process);
}

static void killer_strike_some(void) {
    int victims[PROCESSES], count = 0;
    processes_read();
    for (int i = 0; i < process_count; i++)
        if (processes[i].state != 'Z' && processes[i].pid != root && processes[i].pid != storm->stranger &&
            process_descends(processes[i].pid, getpid()))
            victims[count++] = i;
    if (storm->gentle && storm_random(10) == 0) syscall(SYS_tgkill, root, root, SIGURG);
    for (int strikes = 1 + (int)storm_random(3); count && strikes > 0; strikes--)
        killer_strike(&processes[victims[storm_random((unsigned)count)]]);
}

static void killer_turn(void) {
    killer_continue(storm->phase != STORM_ON);
    if (storm->phase == STORM_ENDING) storm->phase = STORM_OVER;
    if (storm->phase == STORM_ON) killer_strike_some();
    usleep(1000 + storm_random(storm->phase == STORM_ON && !storm->gentle ? 40000 : 4000));
}

/* Whoever is left below. Returns how many. */
static int killer_end_all(bool kill_them) {
    int count = 0;
    processes_read();
    for (int i = 0; i < process_count; i++)
        if (process_descends(processes[i].pid, getpid()) && processes[i].pid != storm->stranger) {
            count++;
            if (!kill_them) continue;
            fprintf(stderr, "left: process %d (%s), %c, child of %d\n", processes[i].pid, processes[i].name,
                    processes[i].state, processes[i].parent);
            kill(processes[i].pid, SIGKILL);
        }
    return count;
}

static void killer_fail(const char *what) {
    fprintf(stderr, "the storm has failed: %s (%ld kills)\n", what, storm->kills);
    killer_continue(true);
    while (getenv("PRONG_STORM_KEEP")) pause();
    killer_end_all(true);
    test_failed(__FILE__, __LINE__, "%s", what);
}

static void killer_run(void) {
    int64_t last = test_now() + storm_length(1) + 4 * storm_patience();
    int status = 0, pid;
    for (bool runs = true; runs;) {
        killer_turn();
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0 && pid != root) {}
        runs = pid != root;
        if (storm->failed) killer_fail("a check failed");
        if (runs && test_now() > last) killer_fail("it does not end");
    }
    if (status) {
        fprintf(stderr, "the first process ended with %s %d\n", WIFSIGNALED(status) ? "signal" : "code",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        killer_fail("the first process failed");
    }
    killer_continue(true);
    for (int64_t until = test_now() + PRONG_SECONDS(10) * time_factor(); killer_end_all(false);) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        if (test_now() > until) killer_fail("it left a process behind");
        test_sleep_ms(10);
    }
    if (storm->stranger) kill(storm->stranger, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) {}
}

/* A thread that is held back, at any instruction: for up to 5 ms, or 100 to 300. */
static void hold_back(int signal) {
    int error = errno;
    long now = (long)(test_now() / 64);
    struct timespec time = {0, now % 4 ? now % 5000000 : 100000000 + now % 200000000};
    (void)signal;
    nanosleep(&time, NULL);
    errno = error;
}

void storm_be_held_back(void) {
    sigaction(SIGURG, &(struct sigaction){.sa_handler = hold_back, .sa_flags = SA_RESTART}, NULL);
}

static void no_core_dumps(void) {
    struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_CORE, &limit);
}

void storm_serve_stranger(void) {
    prong_server *server;
    snprintf(storm->text, sizeof storm->text, "@prong-storm-%d", getpid());
    int pid = fork();
    if (pid) {
        storm->stranger = pid;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (prong_server_open(&server, &(prong_server_options){.address = storm->text, .open = true}) < 0) _exit(1);
    prong_server_run(server, PRONG_FOREVER);
    _exit(0);
}

void storm_outside(int method, void (*family)(int method), void (*before)(void)) {
    const char *methods = getenv("PRONG_STORM_METHODS");
    if (methods && !strchr(methods, '0' + method)) exit(0);
    no_core_dumps();
    storm_make();
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans are reaped here */
    if (before) before();
    fflush(NULL);
    root = fork();
    check(root >= 0);
    if (root == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        seed = 0;
        family(method);
        exit(0);
    }
    killer_run();
    exit(0);
}

/* --- the crew --- */

/* Daemons end with the fork server that forked them, by SIGKILL. */
bool storm_code_is_right(int code, int pid, int method) {
    unsigned char killed = storm->killed[(unsigned)pid % STORM_PIDS];
    bool server_may_have_ended = method == PRONG_START_FORKSERVER && storm->kills > 0;
    if (code == -SIGKILL) return (killed & 1) || server_may_have_ended;
    if (code == -SIGSEGV) return killed & 2;
    return code == 0 || (code == 255 && server_may_have_ended);
}

static void code_must_be_right(int code, int pid, int method) {
    if (!storm_code_is_right(code, pid, method))
        storm_wrong(__FILE__, __LINE__, "process %d ended with %d (signals sent: %d)", pid, code,
                    storm->killed[(unsigned)pid % STORM_PIDS]);
}

prong_status storm_start(prong_process *process, const prong_process_options *options) {
    storm_ok(prong_process_create(process, options));
    prong_status started = prong_process_start(*process);
    if (started == PRONG_START_FAILED) storm_ok(prong_process_destroy(*process));
    storm_is(started, status == PRONG_OK || (status == PRONG_START_FAILED && storm->kills > 0));
    return started;
}

int storm_end(prong_process process, int method) {
    int code;
    prong_process_state state;
    storm_ok(prong_process_join(process, storm_patience()));
    storm_ok(prong_process_exitcode(process, &code));
    storm_ok(prong_process_get_state(process, &state));
    storm_ok(prong_process_destroy(process));
    code_must_be_right(code, state.pid, method);
    return code;
}

struct place {
    prong_process process;
    bool started;
};

static void place_fill(const struct storm_crew *crew, struct place *place, int number) {
    *crew->number = number;
    place->started =
        !storm_start(&place->process, &(prong_process_options){.target = crew->target,
                                                               .argument = crew->argument,
                                                               .argument_size = crew->size,
                                                               .daemon = PRONG_DAEMON_NO,
                                                               .method = (prong_start_method)crew->method});
}

/* Returns how it ended; 1 when it goes on. */
static int place_tend(const struct storm_crew *crew, struct place *place, int number) {
    int code;
    if (place->started) {
        prong_status ended = prong_process_exitcode(place->process, &code);
        if (ended == PRONG_STILL_RUNNING) return 1;
        storm_ok(ended);
        storm_end(place->process, crew->method);
    }
    place_fill(crew, place, number);
    return 0;
}

void storm_crew(const struct storm_crew *crew) {
    struct place places[CREW];
    long starts = 0;
    check(crew->count <= CREW);
    for (int i = 0; i < crew->count; i++) place_fill(crew, &places[i], i);
    storm->phase = STORM_ON;
    for (int64_t until = test_now() + storm_length(crew->subjects ? crew->subjects : STORM_SUBJECTS);
         test_now() < until;) {
        for (int i = 0; i < crew->count; i++) starts += !place_tend(crew, &places[i], i);
        if (crew->work)
            crew->work(crew->argument);
        else
            test_sleep_ms(2);
    }
    storm->phase = STORM_ENDING;
    while (storm->phase != STORM_OVER) test_sleep_ms(1);
    storm->stop = true;
    for (int i = 0; i < crew->count; i++)
        if (places[i].started) storm_end(places[i].process, crew->method);
    printf("     %ld kills, %ld stops, %u processes at work, %ld started again\n", storm->kills, storm->stops,
           storm->next_slot, starts);
    fflush(stdout);
    check(storm->kills > 0 || storm->gentle);
}

/* Those whose parent was struck end by themselves. */
void storm_orphans_end(int method) {
    for (int64_t until = test_now() + storm_patience(); prong_family_count() > 1;) {
        if (method == PRONG_START_FORKSERVER) prong_stop_forkserver();
        if (test_now() > until) storm_wrong(__FILE__, __LINE__, "%u members are left", prong_family_count() - 1);
        test_sleep_ms(5);
    }
}

static void descriptors_show(void) {
    char path[64], target[256];
    for (int i = 0; i < 1024; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        ssize_t length = readlink(path, target, sizeof target);
        if (length > 0) fprintf(stderr, "open: %d, %.*s\n", i, (int)length, target);
    }
}

static void must_be(const char *what, long is, long wanted) {
    if (is != wanted) storm_wrong(__FILE__, __LINE__, "%s: %ld, not %ld", what, is, wanted);
}

void storm_check_remains(int descriptors, long objects) {
    prong_family_state state;
    prong_process own;
    storm_ok(prong_current_process(&own));
    prong_stop_forkserver();
    must_be("members", prong_family_count(), 1);
    storm_ok(prong_family_check(&state));
    must_be("blocks in hand", (long)state.blocks_in_hand, 0);
    if ((long)state.objects > 1 + objects) must_be("objects", (long)state.objects, 1);
    if (descriptors < 0) return;
    if (test_open_descriptors() != descriptors) descriptors_show();
    must_be("descriptors", test_open_descriptors(), descriptors);
}
