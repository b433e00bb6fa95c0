/* How many CPUs this process may really use. */
#define _GNU_SOURCE
#include "os/os.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned affinity_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than CPU_SETSIZE of them */
    return online > 0 ? (unsigned)online : 1;
}

static bool read_line(const char *path, char *line, int size) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool got = fgets(line, size, file) != NULL;
    fclose(file);
    return got;
}

/* This process's path in the cgroup v2 tree, "" when there is none. */
static void cgroup_path(char *path, int size) {
    char line[512];
    path[0] = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file) return;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = 0;
            snprintf(path, (size_t)size, "%s", line + 3);
        }
    fclose(file);
}

static unsigned round_up(long long quota, long long period) {
    return quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

static unsigned quota_of(const char *path) {
    char file[640], line[128];
    long long quota, period;
    snprintf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", path);
    if (!read_line(file, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2) return 0;
    return round_up(quota, period);
}

/* The least quota from this cgroup up to the root; 0 is none. */
static unsigned cgroup_cpus(void) {
    char path[512], line[128];
    unsigned least = 0;
    cgroup_path(path, sizeof path);
    for (;;) {
        unsigned quota = quota_of(path);
        if (quota && (!least || quota < least)) least = quota;
        char *slash = strrchr(path, '/');
        if (!slash) break;
        *slash = 0;
    }
    long long v1_quota, v1_period;
    if (!least && read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line) &&
        sscanf(line, "%lld", &v1_quota) == 1 && read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof line) &&
        sscanf(line, "%lld", &v1_period) == 1)
        least = round_up(v1_quota, v1_period);
    return least;
}

unsigned os_usable_cpus(void) {
    unsigned cpus = affinity_cpus(), quota = cgroup_cpus();
    if (quota && quota < cpus) cpus = quota;
    return cpus ? cpus : 1;
}
