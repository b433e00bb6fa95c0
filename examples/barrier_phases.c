/* A Barrier between phases: no process begins the second before all have finished the first. */
#include "example.h"

enum { PARTIES = 4, PHASES = 3 };

struct work {
    prong_barrier barrier;
    prong_shared_value done;
};

static int announce(void *context) {
    const struct work *work = context;
    long done;
    must(prong_shared_value_get(work->done, 0, 1, &done, PRONG_SECONDS(1)));
    printf("phase %ld: all %d are through\n", done / PARTIES, PARTIES);
    fflush(stdout);
    return 0;
}

static int take_part(void *argument, size_t size) {
    struct work *work = argument;
    (void)size;
    for (int phase = 0; phase < PHASES; phase++) {
        must(prong_shared_value_add(work->done, 0, 1, NULL)); /* the phase's work */
        must(prong_barrier_wait(work->barrier, NULL, &(prong_barrier_wait_options){.action = announce, .context = work},
                                PRONG_SECONDS(10)));
    }
    return 0;
}

int main(int argc, char **argv) {
    struct work work;
    prong_process parties[PARTIES];
    example_begin(argc, argv);
    must(prong_barrier_create(&work.barrier, PARTIES, NULL));
    must(prong_shared_value_create(&work.done, PRONG_TYPE_OF(long), 1, NULL, NULL));
    for (int i = 0; i < PARTIES; i++) parties[i] = example_start(take_part, &work, sizeof work);
    for (int i = 0; i < PARTIES; i++) must(prong_process_join(parties[i], PRONG_SECONDS(10)));
    must(prong_barrier_destroy(work.barrier));
    must(prong_shared_value_destroy(work.done));
}
