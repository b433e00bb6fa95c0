/* How much memory this process may still use by its control groups. */
#define _GNU_SOURCE
#include "os/linux/cgroup.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The names of the same things in the two versions. */
struct version {
    const char *controller, *limits[2], *used, *reclaimable[2], *least_limit;
};
static const struct version versions[] = {
    {NULL, {"memory.max", "memory.high"}, "memory.current", {"\ninactive_file ", "\nactive_file "}, NULL},
    {"memory",
     {"memory.limit_in_bytes", NULL},
     "memory.usage_in_bytes",
     {"\ntotal_inactive_file ", "\ntotal_active_file "},
     "\nhierarchical_memory_limit "},
};

/* "max", and what version 1 has for it, the largest number of whole pages, are no limit. */
static bool parse_number(const char *text, uint64_t *number) {
    return sscanf(text, "%" SCNu64, number) == 1 && *number < (uint64_t)1 << 60;
}

static bool read_number(const struct cgroup *group, const char *file, uint64_t *number) {
    char text[64];
    return cgroup_read(group, file, text, sizeof text) && parse_number(text, number);
}

/* A line of memory.stat. */
static bool find_number(const char *stat, const char *line, uint64_t *number) {
    const char *at = line ? strstr(stat, line) : NULL;
    return at && parse_number(at + strlen(line), number);
}

/* What the group uses, less the pages of files, which the system reclaims before it kills a process. Shared memory is
 * not part of these. */
static bool read_used(const struct cgroup *group, const struct version *version, const char *stat, uint64_t *used) {
    uint64_t pages;
    if (!read_number(group, version->used, used)) return false;
    for (int i = 0; i < 2; i++)
        if (find_number(stat, version->reclaimable[i], &pages)) *used -= pages < *used ? pages : *used;
    return true;
}

static void note_limit(struct os_memory_room *room, const struct cgroup *group, const char *file, uint64_t limit,
                       uint64_t used) {
    uint64_t left = used < limit ? limit - used : 0;
    if (left >= room->left) return;
    room->left = left;
    room->limit = limit;
    snprintf(room->file, sizeof room->file, "%.220s/%.60s", group->path, file);
}

static void look_at_group(const struct cgroup *group, const struct version *version, struct os_memory_room *room) {
    char stat[8192] = "\n";
    uint64_t limit, used;
    if (!cgroup_read(group, "memory.stat", stat + 1, sizeof stat - 1)) return;
    if (!read_used(group, version, stat, &used)) return;
    for (int i = 0; i < 2; i++)
        if (version->limits[i] && read_number(group, version->limits[i], &limit))
            note_limit(room, group, version->limits[i], limit, used);
    /* Of groups out of sight, too. */
    if (find_number(stat, version->least_limit, &limit)) note_limit(room, group, "memory.stat", limit, used);
}

void os_memory_room(struct os_memory_room *room) {
    struct cgroup group;
    *room = (struct os_memory_room){.left = UINT64_MAX, .limit = UINT64_MAX};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        if (!cgroup_own(versions[i].controller, &group)) continue;
        do look_at_group(&group, &versions[i], room);
        while (cgroup_up(&group));
    }
}
