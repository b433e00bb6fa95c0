/* What every example begins with: prong_main, and a start method by name as the first argument (default: fork). */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <prong/prong.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ends the program with the library's message when a call fails. */
#define must(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) < 0) {                                                                                              \
            fprintf(stderr, "%s: %s\n", #call, prong_error_message());                                                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Ends the program when an allocation has failed. */
static inline void *must_have(void *memory) {
    if (memory) return memory;
    fprintf(stderr, "no memory\n");
    exit(1);
}

static inline void example_begin(int argc, char **argv) {
    prong_main(&argc, &argv);
    for (int method = PRONG_START_FORK; argc > 1 && method <= PRONG_START_FORKSERVER; method++)
        if (strcmp(argv[1], prong_start_method_name((prong_start_method)method)) == 0)
            must(prong_set_start_method((prong_start_method)method));
}

/* Creates and starts a process that gets a copy of the argument. */
static inline prong_process example_start(prong_target *target, const void *argument, size_t size) {
    prong_process process;
    must(prong_process_create(&process,
                              &(prong_process_options){.target = target, .argument = argument, .argument_size = size}));
    must(prong_process_start(process));
    return process;
}

#endif
