/* An environment in which numeric libraries start so many threads. */
#ifndef POOL_THREADS_H
#define POOL_THREADS_H

#include <prong/status.h>

enum { THREAD_VARIABLES = 7 };
extern const char *const thread_variables[THREAD_VARIABLES];

struct threads_environment;

/* A copy of this process's, but for those variables. Pair with threads_environment_free. Errors: as os_environment_copy. */
prong_status threads_environment_make(unsigned threads, struct threads_environment **environment);
char *const *threads_environment_entries(const struct threads_environment *environment);
void threads_environment_free(struct threads_environment *environment);
/* This process, which has one thread, has it from now on. */
prong_status threads_adopt(unsigned threads);

#endif
