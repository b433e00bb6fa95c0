/* Finds the control groups of this process. There are version 1, where each controller has a tree of its own, version 2
 * with one tree, and both at once; and cgroup namespaces, which show a part of the tree under other names. */
#define _GNU_SOURCE
#include "os/linux/cgroup.h"

#include "os/os.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 4096, SEARCHED_MAX = 5000 };

static FILE *open_text(const char *path) {
    int fd = os_off_stdio(open(path, O_RDONLY | O_CLOEXEC));
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file && fd >= 0) close(fd);
    return file;
}

/* Whether a name is in a list separated by commas. */
static bool cgroup_is_listed(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length])) return true;
    return false;
}

/* --- what /proc tells this process about itself --- */

/* A line is number:controllers:path; of the unified tree 0::path. */
static bool line_of_group(char *line, const char *controller, const char **path) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':'), *at = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!at) return false;
    *at = 0;
    *path = at + 1;
    return controller ? cgroup_is_listed(controllers + 1, controller) : strcmp(line, "0:") == 0;
}

static bool group_path(const char *controller, char *path, size_t size) {
    char line[LINE];
    const char *found;
    FILE *file = open_text("/proc/self/cgroup");
    bool known = false;
    while (file && !known && fgets(line, sizeof line, file)) {
        known = line_of_group(line, controller, &found);
        if (known) snprintf(path, size, "%s", found);
    }
    if (file) fclose(file);
    return known;
}

/* --- where its tree is mounted --- */

/* Blanks and the like are written as \040. */
static void mount_unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool escaped = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3];
        *to = escaped ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
        from += escaped ? 4 : 1;
    }
    *to = 0;
}

struct mount {
    char root[CGROUP_PATH_MAX]; /* the group at the mount's top, by the names that this process sees */
    char place[CGROUP_PATH_MAX];
};

/* A line is: id parent device root place options … - type source options. */
static bool line_of_mount(const char *line, const char *controller, struct mount *mount) {
    char type[32], options[LINE];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(rest, " - %31s %*s %4095s", type, options) != 2) return false;
    if (strcmp(type, controller ? "cgroup" : "cgroup2") != 0) return false;
    if (controller && !cgroup_is_listed(options, controller)) return false;
    if (sscanf(line, "%*s %*s %*s %1023s %1023s", mount->root, mount->place) != 2) return false;
    mount_unescape(mount->root);
    mount_unescape(mount->place);
    return true;
}

/* The part of the path below the root; NULL when the path is not below it. */
static const char *cgroup_below(const char *path, const char *root) {
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, length) != 0 || (path[length] && path[length] != '/')) return NULL;
    return path[length] && path[length + 1] ? path + length : "";
}

/* The mount that shows this process's own group; else any other mount of that tree, which shows groups higher up. */
static bool find_mount(const char *controller, const char *path, struct mount *mount) {
    char line[LINE];
    struct mount seen;
    bool found = false, own = false;
    FILE *file = open_text("/proc/self/mountinfo");
    while (file && !own && fgets(line, sizeof line, file)) {
        if (!line_of_mount(line, controller, &seen)) continue;
        own = cgroup_below(path, seen.root) != NULL;
        if (own || !found) *mount = seen;
        found = true;
    }
    if (file) fclose(file);
    return found;
}

/* --- a tree that was mounted outside of the namespace: its names do not tell where this process is --- */

static bool holds_this_process(const char *directory) {
    char path[CGROUP_PATH_MAX + 20], line[32];
    snprintf(path, sizeof path, "%s/cgroup.procs", directory);
    FILE *file = open_text(path);
    bool holds = false;
    while (file && !holds && fgets(line, sizeof line, file)) holds = atoi(line) == getpid();
    if (file) fclose(file);
    return holds;
}

/* Depth first through the tree, with a limit on the number of steps. */
static bool cgroup_search(struct cgroup *group, int *searched) {
    if (++*searched > SEARCHED_MAX) return false;
    if (holds_this_process(group->path)) return true;
    size_t length = strlen(group->path);
    int fd = os_off_stdio(open(group->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory && fd >= 0) close(fd);
    bool found = false;
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        if (length + strlen(entry->d_name) + 2 > sizeof group->path) continue;
        sprintf(group->path + length, "/%s", entry->d_name);
        found = cgroup_search(group, searched);
        if (!found) group->path[length] = 0;
    }
    if (directory) closedir(directory);
    return found;
}

/* --- the interface --- */

/* A path outside of the cgroup namespace, whose own top is "/". */
static bool leads_up(const char *path) {
    return strncmp(path, "/..", 3) == 0 && (path[3] == '/' || !path[3]);
}

bool cgroup_own(const char *controller, struct cgroup *group) {
    char path[CGROUP_PATH_MAX];
    struct mount mount;
    int searched = 0;
    if (!group_path(controller, path, sizeof path) || !find_mount(controller, path, &mount)) return false;
    group->mount = strlen(mount.place);
    const char *rest = cgroup_below(path, mount.root);
    if (rest && leads_up(rest)) rest = ""; /* higher than all that is seen here */
    if (group->mount + strlen(rest ? rest : "") >= sizeof group->path) return false;
    snprintf(group->path, sizeof group->path, "%s", mount.place);
    if (rest)
        strcat(group->path, rest);
    else if (leads_up(mount.root))
        cgroup_search(group, &searched); /* where it is not found, the path is the mount's, as it was */
    return true;
}

bool cgroup_up(struct cgroup *group) {
    char *slash = strrchr(group->path + group->mount, '/');
    if (!slash) return false;
    *slash = 0;
    return true;
}

bool cgroup_read(const struct cgroup *group, const char *file, char *text, size_t size) {
    char path[CGROUP_PATH_MAX + 60];
    snprintf(path, sizeof path, "%s/%s", group->path, file);
    int fd = os_off_stdio(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0) return false;
    ssize_t length = read(fd, text, size - 1);
    close(fd);
    if (length < 0) return false;
    text[length] = 0;
    return true;
}
