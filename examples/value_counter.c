/* A counter that four processes raise: by the atomic call, and under the value's lock. */
#include "example.h"

struct counters {
    prong_shared_value atomic, locked;
};

static int count(void *argument, size_t size) {
    const struct counters *counters = argument;
    prong_lock lock;
    long number;
    (void)size;
    must(prong_shared_value_get_lock(counters->locked, &lock));
    for (int i = 0; i < 1000; i++) {
        must(prong_shared_value_add(counters->atomic, 0, 1, NULL));
        must(prong_lock_acquire(lock, PRONG_SECONDS(10)));
        must(prong_shared_value_get(counters->locked, 0, 1, &number, PRONG_NOWAIT));
        number++;
        must(prong_shared_value_set(counters->locked, 0, 1, &number, PRONG_NOWAIT));
        must(prong_lock_release(lock));
    }
    return 0;
}

int main(int argc, char **argv) {
    struct counters counters;
    prong_process processes[4];
    long number;
    example_begin(argc, argv);
    must(prong_shared_value_create(&counters.atomic, PRONG_TYPE_OF(long), 1, NULL, NULL));
    must(prong_shared_value_create(&counters.locked, PRONG_TYPE_OF(long), 1, NULL, NULL));
    for (int i = 0; i < 4; i++) processes[i] = example_start(count, &counters, sizeof counters);
    for (int i = 0; i < 4; i++) must(prong_process_join(processes[i], PRONG_SECONDS(10)));
    must(prong_shared_value_get(counters.atomic, 0, 1, &number, PRONG_NOWAIT));
    printf("atomic: %ld\n", number);
    must(prong_shared_value_get(counters.locked, 0, 1, &number, PRONG_NOWAIT));
    printf("locked: %ld\n", number);
    must(prong_shared_value_destroy(counters.atomic));
    must(prong_shared_value_destroy(counters.locked));
}
