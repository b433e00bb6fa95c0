/* Faults on purpose: the library's calls of the system and of its allocators, one of which fails. The linker puts these in
 * between (--wrap), so nothing of this is in the library itself. */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What is made to fail. */
enum fault_kind { FAULT_NONE, FAULT_MALLOC, FAULT_ARENA, FAULT_SYSTEM };

enum fault_mode {
    FAULT_ONCE,        /* the n-th call alone */
    FAULT_TO_THE_END,  /* it, and all that follow within the same call of the API */
    FAULT_IN_CHILDREN, /* the n-th call of the processes that were forked */
};

/* In memory that forked children share. */
struct fault_plan {
    enum fault_kind kind;
    enum fault_mode mode;
    int nth;    /* from 1 on; 0: counts alone */
    int choice; /* of the errors that a call may end with */
    pid_t pid;  /* the process that is tried */
    bool on;    /* within a call of the API */
    int count, fired;
    bool spent;     /* the call of the API in which it failed has ended */
    char where[40]; /* what failed first, and how */
    int error;
    int held; /* blocks of malloc that the library has, in the process that is tried */
};
extern struct fault_plan *fault_plan;

/* Whether this call fails; then errno is one of the errors, which end with 0. */
bool fault_fails(enum fault_kind kind, const char *name, const int *errors);

#define ERRORS(...)                                                                                                    \
    (const int[]) {                                                                                                    \
        __VA_ARGS__, 0                                                                                                 \
    }

/* A function that returns `failure` and sets errno. */
#define WRAP(type, name, parameters, arguments, failure, ...)                                                          \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters {                                                                                    \
        return fault_fails(FAULT_SYSTEM, #name, ERRORS(__VA_ARGS__)) ? failure : __real_##name arguments;              \
    }

#endif
