/* prong-worker: a program that is just prong, for the workers of a pool whose tasks are functions of shared libraries. */
#include <prong/process.h>
#include <stdio.h>

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    fprintf(stderr, "prong-worker: started by hand. It is a program for prong_pool_options and prong_process_options: "
                    "{\"prong-worker\", NULL}\n");
    return 2;
}
