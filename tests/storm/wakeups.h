/* What sleeping costs: how often threads give up their processor by themselves, which is once for each wake-up. */
#ifndef STORM_WAKEUPS_H
#define STORM_WAKEUPS_H

#include "../support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static inline int64_t time_factor(void) {
    const char *text = getenv("TEST_TIME_FACTOR");
    return text ? atoi(text) : 1;
}

static inline long switches_of_thread(const char *path) {
    char line[200];
    long count = 0;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) break;
    if (file) fclose(file);
    return count;
}

static inline long switches_of_pid(int pid) {
    char path[400];
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    check(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (*entry->d_name == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, entry->d_name);
        sum += switches_of_thread(path);
    }
    closedir(directory);
    return sum;
}

static inline long switches_of_all(prong_process *processes, int count) {
    long sum = 0;
    for (int i = 0; i < count; i++) sum += switches_of_pid(test_pid(processes[i]));
    return sum;
}

static inline void check_within(int64_t took, int64_t limit) {
    if (took < 0 || took > limit * time_factor())
        test_failed(__FILE__, __LINE__, "known after %.1f ms, not %.1f", (double)took / 1e6, (double)limit / 1e6);
}

#endif
