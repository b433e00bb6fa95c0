/* An environment in which numeric libraries start so many threads. */
#define _GNU_SOURCE
#include "pool/threads.h"

#include "base/error.h"
#include "os/os.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const thread_variables[THREAD_VARIABLES] = {
    "OMP_NUM_THREADS",     "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",       "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",    "VECLIB_MAXIMUM_THREADS"};
enum { ENTRY_SIZE = 40 };

struct threads_environment {
    struct os_environment copied;
    char own[THREAD_VARIABLES][ENTRY_SIZE];
    char *entries[];
};

static bool threads_sets(const char *entry) {
    for (size_t i = 0; i < THREAD_VARIABLES; i++) {
        size_t length = strlen(thread_variables[i]);
        if (strncmp(entry, thread_variables[i], length) == 0 && entry[length] == '=') return true;
    }
    return false;
}

static struct threads_environment *threads_allocate(const struct os_environment *copied) {
    size_t count = 0;
    while (copied->entries[count]) count++;
    struct threads_environment *made = calloc(1, sizeof *made + (THREAD_VARIABLES + count + 1) * sizeof *made->entries);
    if (made) made->copied = *copied;
    return made;
}

prong_status threads_environment_make(unsigned threads, struct threads_environment **environment) {
    struct os_environment copied;
    size_t count = 0;
    if (os_environment_copy(&copied, NULL) != 0) return fail_errno("the environment cannot be copied");
    struct threads_environment *made = threads_allocate(&copied);
    if (!made) {
        os_environment_free(&copied);
        return fail_text(PRONG_NO_MEMORY, "no memory for a worker's environment");
    }
    for (; count < THREAD_VARIABLES; count++) {
        snprintf(made->own[count], ENTRY_SIZE, "%s=%u", thread_variables[count], threads);
        made->entries[count] = made->own[count];
    }
    for (char **entry = copied.entries; *entry; entry++)
        if (!threads_sets(*entry)) made->entries[count++] = *entry;
    *environment = made;
    return PRONG_OK;
}

char *const *threads_environment_entries(const struct threads_environment *environment) {
    return environment->entries;
}

void threads_environment_free(struct threads_environment *environment) {
    if (!environment) return;
    os_environment_free(&environment->copied);
    free(environment);
}

/* Not by setenv: another thread of the parent may have been in it when this process was forked, with its lock. The memory is the
 * environment's for good. */
prong_status threads_adopt(unsigned threads) {
    struct threads_environment *environment;
    TRY(threads_environment_make(threads, &environment));
    environ = environment->entries;
    return PRONG_OK;
}
