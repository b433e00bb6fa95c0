/* The regular files of a directory tree, as they were when it was read, and the tasks that they are cut into.
 *
 * It is read once; every count of the tree then has the same tasks, even if files change meanwhile. A file takes about
 * a hundred bytes of memory; the tasks are made one at a time. */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file {
    uint64_t size;
    int64_t changed;
    bool whole; /* never cut: a binary file of any size costs one look */
    char *path;
};

struct tree {
    struct file *files;
    size_t count, capacity;
    uint64_t others;         /* links, devices, FIFOs, sockets: left aside */
    uint64_t unread_folders; /* and what vanished while its folder was read */
    uint64_t bytes;          /* of the files that may be text */
    uint64_t task_bytes;     /* of text in a task, about */
    unsigned times;          /* how many times each count reads the files */
};

/* path may be a single file, too; a link is followed. Returns false, with errno, where there is nothing of that name. */
bool tree_read(struct tree *tree, const char *path);
/* Chooses how the tree is cut into tasks, and how often it is counted. Large tasks give fewer results to add up; small
 * ones keep every worker busy to the end. */
void tree_plan(struct tree *tree, size_t workers, unsigned times);
void tree_free(struct tree *tree);

enum { TASK_SIZE = 1 << 16 };

/* Goes through a tree, a task at a time; begin with {.tree = &tree}. */
struct tasks {
    const struct tree *tree;
    unsigned time;  /* it is gone through for the first time, the second, … */
    size_t file;    /* the next piece begins in this file, */
    uint64_t start; /* here */
    _Alignas(8) char pieces[TASK_SIZE];
};

/* Makes the next task: pieces (see count.h) of some text, one of a large file or many small files. They lie
 * in tasks->pieces. Returns their size in memory; 0 at the end. */
size_t tasks_next(struct tasks *tasks);

#endif
