/* What a family costs that does nothing: wake-ups of sleeping members, memory of empty objects. */
#define _GNU_SOURCE
#include "bench.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMBERS = 100, OBJECTS = 100 };

/* What the members sleep in, a quarter each; none of it happens before the end. */
static struct {
    prong_queue queue;
    prong_event event;
    prong_lock lock;
    prong_semaphore semaphore;
} idle_on;

static int idle_member(void *argument, size_t size) {
    (void)size;
    int me;
    memcpy(&me, argument, sizeof me);
    if (me % 4 == 0) return prong_queue_get(idle_on.queue, &me, sizeof me, NULL, PRONG_FOREVER) < 0;
    if (me % 4 == 1) return prong_event_wait(idle_on.event, PRONG_FOREVER) < 0;
    if (me % 4 == 2) return prong_lock_acquire(idle_on.lock, PRONG_FOREVER) < 0;
    return prong_semaphore_acquire(idle_on.semaphore, PRONG_FOREVER) < 0;
}

/* One that also waits for a descriptor: in poll. */
static int idle_member_in_poll(void *argument, size_t size) {
    int ends[2];
    (void)argument, (void)size;
    if (pipe(ends) != 0) bench_die("pipe");
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = idle_on.queue},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = ends[0]}};
    return prong_wait(items, 2, NULL, PRONG_FOREVER) < 0;
}

/* How often a thread has given up its core by itself: it slept, and was woken. */
static long switches_of_thread(const char *path) {
    char line[200];
    long count = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) break;
    if (file) fclose(file);
    return count;
}

static long switches_of_process(int pid) {
    char path[400];
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    if (!directory) bench_die(path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (*entry->d_name == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, entry->d_name);
        sum += switches_of_thread(path);
    }
    closedir(directory);
    return sum;
}

static long switches_of_family(void) {
    prong_member members[MEMBERS + 16];
    size_t count;
    long sum = 0;
    must(prong_family_members(members, MEMBERS + 16, &count));
    for (size_t i = 0; i < count && i < MEMBERS + 16; i++)
        if (members[i].pid != getpid()) sum += switches_of_process(members[i].pid);
    return sum;
}

static unsigned idle_seconds(void) {
    const char *text = getenv("BENCH_IDLE_SECONDS");
    return text ? (unsigned)atoi(text) : 6;
}

/* Wake-ups a second of 100 members that all wait for what does not come. */
static void idle_wakeups(prong_target *target) {
    prong_process processes[MEMBERS];
    must(prong_queue_create(&idle_on.queue, NULL));
    must(prong_event_create(&idle_on.event, NULL));
    must(prong_lock_create(&idle_on.lock, NULL));
    must(prong_semaphore_create(&idle_on.semaphore, 0, NULL));
    must(prong_lock_acquire(idle_on.lock, PRONG_FOREVER));
    for (int i = 0; i < MEMBERS; i++) {
        must(prong_process_create(&processes[i], &(prong_process_options){.target = target,
                                                                          .argument = &i,
                                                                          .argument_size = sizeof i,
                                                                          .method = PRONG_START_FORK}));
        must(prong_process_start(processes[i]));
    }
    sleep(2);
    double began = bench_now();
    long before = switches_of_family();
    sleep(idle_seconds());
    bench_result((double)(switches_of_family() - before) / (bench_now() - began));
    for (int i = 0; i < MEMBERS; i++) must(prong_process_signal(processes[i], 9));
}

static uint64_t used_bytes(void) {
    prong_family_state state;
    must(prong_family_check(&state));
    return state.used_bytes;
}

/* KiB of the arena that an empty queue or pipe takes. */
static void empty_memory(bool pipe) {
    prong_queue queue;
    prong_connection one, other;
    uint64_t before = used_bytes();
    for (int i = 0; i < OBJECTS; i++)
        if (pipe)
            must(prong_pipe_create(&one, &other, NULL));
        else
            must(prong_queue_create(&queue, NULL));
    bench_result((double)(used_bytes() - before) / 1024 / OBJECTS);
}

bool bench_idle(const char *name, const char *peer) {
    if (strcmp(peer, "prong") != 0) return false;
    if (strcmp(name, "idle_wakeups_100") == 0) return idle_wakeups(idle_member), true;
    if (strcmp(name, "idle_wakeups_poll_100") == 0) return idle_wakeups(idle_member_in_poll), true;
    if (strcmp(name, "queue_empty_KiB") == 0) return empty_memory(false), true;
    if (strcmp(name, "pipe_empty_KiB") == 0) return empty_memory(true), true;
    return false;
}
