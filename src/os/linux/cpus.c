/* How many CPUs this process may really use, and which. */
#define _GNU_SOURCE
#include "os/linux/cgroup.h"
#include "os/os.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static unsigned affinity_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than CPU_SETSIZE of them */
    return online > 0 ? (unsigned)online : 1;
}

static unsigned round_up(long long quota, long long period) {
    return quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

/* The quota of one group; 0 is none. */
static unsigned quota_unified(const struct cgroup *group) {
    char text[128];
    long long quota, period;
    if (!cgroup_read(group, "cpu.max", text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2) return 0;
    return round_up(quota, period);
}

static unsigned quota_v1(const struct cgroup *group) {
    char quota_text[64], period_text[64];
    long long quota, period;
    if (!cgroup_read(group, "cpu.cfs_quota_us", quota_text, sizeof quota_text) ||
        !cgroup_read(group, "cpu.cfs_period_us", period_text, sizeof period_text) ||
        sscanf(quota_text, "%lld", &quota) != 1 || sscanf(period_text, "%lld", &period) != 1)
        return 0;
    return round_up(quota, period);
}

/* The least quota from this process's group up to the root; 0 is none. */
static unsigned least_quota(const char *controller, unsigned (*quota_of)(const struct cgroup *)) {
    struct cgroup group;
    unsigned least = 0;
    if (!cgroup_own(controller, &group)) return 0;
    do {
        unsigned quota = quota_of(&group);
        if (quota && (!least || quota < least)) least = quota;
    } while (cgroup_up(&group));
    return least;
}

unsigned os_usable_cpus(void) {
    unsigned cpus = affinity_cpus(), quota = least_quota(NULL, quota_unified);
    if (!quota) quota = least_quota("cpu", quota_v1);
    if (quota && quota < cpus) cpus = quota;
    return cpus ? cpus : 1;
}

int os_cpus_get(struct os_cpus *cpus) {
    *cpus = (struct os_cpus){{0}};
    return sched_getaffinity(0, sizeof cpus->words, (cpu_set_t *)(void *)cpus->words);
}

int os_cpus_set(const struct os_cpus *cpus) {
    return sched_setaffinity(0, sizeof cpus->words, (const cpu_set_t *)(const void *)cpus->words);
}
