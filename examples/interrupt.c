/* Ctrl-C ends a wait that has no time limit, and the program exits normally. Here the worker itself sends the
 * signal. */
#include "example.h"

#include <signal.h>

struct shared {
    prong_queue results;
    prong_event taken;
};

static void on_interrupt(int number) {
    (void)number;
    prong_interrupt();
}

static int work(void *argument, size_t size) {
    const struct shared *shared = argument;
    prong_process parent;
    (void)size;
    for (int i = 1; i <= 3; i++) must(prong_queue_put(shared->results, &i, sizeof i, PRONG_FOREVER));
    must(prong_event_wait(shared->taken, PRONG_FOREVER));
    must(prong_parent_process(&parent));
    must(prong_process_signal(parent, SIGINT)); /* as Ctrl-C would */
    for (;;) sleep(1);
    return 0;
}

int main(int argc, char **argv) {
    struct shared shared;
    int result, code;
    size_t size;
    prong_status status;
    example_begin(argc, argv);
    must(prong_queue_create(&shared.results, NULL));
    must(prong_event_create(&shared.taken, NULL));
    prong_process worker = example_start(work, &shared, sizeof shared);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt}, NULL);
    while ((status = prong_queue_get(shared.results, &result, sizeof result, &size, PRONG_FOREVER)) >= 0) {
        printf("result %d\n", result);
        if (result == 3) must(prong_event_set(shared.taken));
    }
    if (status == PRONG_INTERRUPTED) printf("interrupted\n");
    must(prong_process_signal(worker, SIGTERM));
    must(prong_process_join(worker, PRONG_SECONDS(10))); /* waits as ever */
    must(prong_process_exitcode(worker, &code));
    printf("the worker has ended: %d\n", code);
}
