/* fork(2) itself: a process that the program forks without prong is a member of the family, too. */
#include "example.h"

#include <sys/wait.h>

int main(int argc, char **argv) {
    prong_queue queue;
    char text[64];
    size_t size;
    int status;
    example_begin(argc, argv);
    must(prong_queue_create(&queue, NULL));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        must(prong_queue_put(queue, "from the forked child", 21, PRONG_FOREVER));
        _exit(3);
    }
    must(prong_queue_get(queue, text, sizeof text, &size, PRONG_SECONDS(10)));
    waitpid(pid, &status, 0);
    printf("%.*s, which exited with %d\n", (int)size, text, WEXITSTATUS(status));
}
