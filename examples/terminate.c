/* Start a process, end it, look at its exit code. */
#include "example.h"

static int sleep_long(void *argument, size_t size) {
    (void)argument;
    (void)size;
    sleep(1000);
    return 0;
}

static bool is_alive(prong_process process) {
    prong_process_state state;
    must(prong_process_get_state(process, &state));
    return state.alive;
}

int main(int argc, char **argv) {
    int code;
    prong_process process;
    example_begin(argc, argv);
    must(prong_process_create(&process, &(prong_process_options){.target = sleep_long}));
    printf("created: alive %d\n", is_alive(process));
    must(prong_process_start(process));
    printf("started: alive %d\n", is_alive(process));
    must(prong_process_signal(process, SIGTERM));
    must(prong_process_join(process, PRONG_SECONDS(10)));
    must(prong_process_exitcode(process, &code));
    printf("ended: alive %d, exit code %d\n", is_alive(process), code);
    must(prong_process_destroy(process));
}
