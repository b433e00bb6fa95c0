#define _GNU_SOURCE
#include "tree.h"
#include "../example.h"
#include "count.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

enum { LARGEST_TASK = 4 << 20, SMALLEST_TASK = 256 << 10, TASKS_A_WORKER = 16 };

/* --- reading the tree: a folder at a time, with a stack of those still to be read --- */

struct folders {
    char **paths;
    size_t count, capacity;
};

/* Makes room for one more element of an array. */
static void *one_more(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    return must_have(realloc(array, *capacity * size));
}

static void folders_push(struct folders *folders, char *path) {
    folders->paths = one_more(folders->paths, folders->count, &folders->capacity, sizeof *folders->paths);
    folders->paths[folders->count++] = path;
}

static void tree_add_file(struct tree *tree, char *path, const struct stat *about) {
    uint64_t size = (uint64_t)about->st_size;
    bool whole = size <= SMALLEST_TASK || is_binary_file(path);
    tree->files = one_more(tree->files, tree->count, &tree->capacity, sizeof *tree->files);
    tree->files[tree->count++] =
        (struct file){.size = size, .changed = change_time(about), .whole = whole, .path = path};
    if (!whole || size <= SMALLEST_TASK) tree->bytes += size;
}

/* Takes the path. */
static void tree_add(struct tree *tree, struct folders *folders, char *path, const struct stat *about) {
    if (S_ISREG(about->st_mode)) {
        tree_add_file(tree, path, about);
    } else if (S_ISDIR(about->st_mode)) {
        folders_push(folders, path);
    } else {
        tree->others++;
        free(path);
    }
}

static char *path_of(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = must_have(malloc(size));
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static bool is_entry(const char *name) {
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Returns whether all of it could be read. */
static bool tree_read_folder(struct tree *tree, struct folders *folders, const char *path) {
    struct dirent *entry;
    struct stat about;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) return false;
    while (errno = 0, (entry = readdir(folder))) {
        if (!is_entry(entry->d_name)) continue;
        if (fstatat(fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0)
            tree_add(tree, folders, path_of(path, entry->d_name), &about);
    }
    bool whole = errno == 0;
    closedir(folder);
    return whole;
}

bool tree_read(struct tree *tree, const char *path) {
    struct folders folders = {0};
    struct stat about;
    char *root = realpath(path, NULL);
    if (!root || lstat(root, &about)) return false;
    tree_add(tree, &folders, root, &about);
    while (folders.count) {
        char *folder = folders.paths[--folders.count];
        if (!tree_read_folder(tree, &folders, folder)) tree->unread_folders++;
        free(folder);
    }
    free(folders.paths);
    return true;
}

void tree_plan(struct tree *tree, size_t workers, unsigned times) {
    uint64_t most = tree->bytes * times / (workers * TASKS_A_WORKER);
    tree->times = times;
    for (tree->task_bytes = LARGEST_TASK; tree->task_bytes > most && tree->task_bytes > SMALLEST_TASK;)
        tree->task_bytes /= 2;
}

void tree_free(struct tree *tree) {
    for (size_t i = 0; i < tree->count; i++) free(tree->files[i].path);
    free(tree->files);
    *tree = (struct tree){0};
}

/* --- cutting it into tasks --- */

static size_t padded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

static void put_piece(char *at, const struct file *file, uint64_t start, uint64_t end) {
    struct piece *piece = (void *)at;
    *piece = (struct piece){start, end, file->size, file->changed, padded(strlen(file->path) + 1)};
    memset(piece->path, 0, piece->path_size);
    strcpy(piece->path, file->path);
}

/* False at the end of the last time. A task ends with the files. */
static bool tasks_go_on(struct tasks *tasks) {
    if (tasks->file < tasks->tree->count) return true;
    if (tasks->time + 1 >= tasks->tree->times || tasks->tree->count == 0) return false;
    tasks->time++;
    tasks->file = 0;
    return true;
}

size_t tasks_next(struct tasks *tasks) {
    size_t used = 0;
    uint64_t bytes = 0, most = tasks->tree->task_bytes;
    if (!tasks_go_on(tasks)) return 0;
    while (tasks->file < tasks->tree->count && bytes < most) {
        const struct file *file = &tasks->tree->files[tasks->file];
        size_t size = sizeof(struct piece) + padded(strlen(file->path) + 1);
        bool last = file->whole || file->size - tasks->start <= most;
        uint64_t end = last ? file->size : tasks->start + most;
        if (used + size > TASK_SIZE) break;
        put_piece(tasks->pieces + used, file, tasks->start, end);
        used += size;
        bytes += end - tasks->start;
        tasks->start = last ? 0 : end;
        tasks->file += last;
    }
    return used;
}
