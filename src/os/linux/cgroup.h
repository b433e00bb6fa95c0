/* The control groups that this process is in, from its own up to the last that can be seen from here. */
#ifndef OS_LINUX_CGROUP_H
#define OS_LINUX_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

enum { CGROUP_PATH_MAX = 1024 };

/* A directory, and how much of its name is the place where the tree is mounted. */
struct cgroup {
    char path[CGROUP_PATH_MAX];
    size_t mount;
};

/* The group of this process in the tree of a controller (version 1), or in the unified tree (NULL). Each call reads it
 * again, as a process may be moved. False if there is no such tree. */
bool cgroup_own(const char *controller, struct cgroup *group);
/* Moves on to the parent group; false at the last one. */
bool cgroup_up(struct cgroup *group);
/* Reads the beginning of a file of the group, as text; false if there is none. */
bool cgroup_read(const struct cgroup *group, const char *file, char *text, size_t size);

#endif
