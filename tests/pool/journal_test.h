/* Runs with a journal, in a directory of their own, where tasks leave a byte each time they are run. */
#ifndef TESTS_POOL_JOURNAL_TEST_H
#define TESTS_POOL_JOURNAL_TEST_H

#include "pool_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL "results.journal"

/* Before the pool is made: its workers begin there. */
static inline void enter_directory(void) {
    static char directory[] = "/tmp/prong-journal-XXXXXX";
    check(mkdtemp(directory) && chdir(directory) == 0);
}

static inline void leave_directory(void) {
    char path[200];
    check(getcwd(path, sizeof path));
    unlink(JOURNAL);
    unlink("ran");
    check(chdir("/") == 0 && rmdir(path) == 0);
}

static inline long file_size(const char *path) {
    struct stat status;
    return stat(path, &status) ? 0 : (long)status.st_size;
}

static inline void note_that_it_ran(void) {
    int fd = open("ran", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    check(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
}

/* How often tasks were run so far. */
static inline long ran(void) {
    return file_size("ran");
}

static inline int noted_square(void *argument, size_t size, prong_result *result) {
    note_that_it_ran();
    return square(argument, size, result);
}

enum { NUMBERS = 40 };

/* 0, 1, 2 … go in; what comes out is cleared before. */
struct numbers {
    long in[NUMBERS], out[NUMBERS];
    size_t sizes[NUMBERS], count;
};

static inline void numbers_set(struct numbers *n, size_t count) {
    memset(n, 0, sizeof *n);
    n->count = count;
    for (size_t i = 0; i < count; i++) n->in[i] = (long)i;
    memset(n->out, 0xff, sizeof n->out);
}

static inline prong_work numbers_work(struct numbers *n, prong_task *task) {
    return (prong_work){.task = task,
                        .in = n->in,
                        .in_size = sizeof *n->in,
                        .count = n->count,
                        .out = n->out,
                        .out_size = sizeof *n->out,
                        .sizes = n->sizes};
}

static inline prong_status numbers_run(struct numbers *n, prong_pool pool, const prong_task_options *options) {
    prong_work work = numbers_work(n, noted_square);
    static const prong_task_options with_journal = {.journal = JOURNAL};
    return prong_pool_run(pool, &work, options ? options : &with_journal, PRONG_SECONDS(20));
}

static inline void numbers_check(const struct numbers *n) {
    for (size_t i = 0; i < n->count; i++) {
        equal(n->out[i], n->in[i] * n->in[i]);
        equal(n->sizes[i], sizeof *n->out);
    }
}

#endif
