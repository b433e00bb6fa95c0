/* A Lock keeps what ten processes print apart: each prints its three lines without another's in between. */
#include "example.h"

static int print_three(void *argument, size_t size) {
    prong_lock lock = *(prong_lock *)argument;
    (void)size;
    must(prong_lock_acquire(lock, PRONG_SECONDS(10)));
    for (int i = 0; i < 3; i++) {
        printf("line %d of 3\n", i + 1);
        fflush(stdout); /* one write each: without the lock they would mix */
    }
    must(prong_lock_release(lock));
    return 0;
}

int main(int argc, char **argv) {
    prong_lock lock;
    prong_process processes[10];
    example_begin(argc, argv);
    must(prong_lock_create(&lock, NULL));
    for (int i = 0; i < 10; i++) processes[i] = example_start(print_three, &lock, sizeof lock);
    for (int i = 0; i < 10; i++) must(prong_process_join(processes[i], PRONG_SECONDS(10)));
    must(prong_lock_destroy(lock));
}
