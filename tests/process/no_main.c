/* A program that forgot prong_main: spawn must fail, not run it again. */
#include <prong/prong.h>
#include <string.h>

static int target(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

int main(void) {
    prong_process process;
    for (int method = PRONG_START_SPAWN; method <= PRONG_START_FORKSERVER; method++) {
        if (prong_process_create(&process,
                                 &(prong_process_options){.target = target, .method = (prong_start_method)method}) < 0)
            return 1;
        if (prong_process_start(process) != PRONG_NO_MAIN) return 2;
        if (!strstr(prong_error_message(), "prong_main")) return 3;
    }
    return 0;
}
