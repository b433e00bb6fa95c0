/* A program that is started in odd ways, and says what it finds: see image_test.c.
 *
 *   image_program look [DESCRIPTOR]   "main ran as REAL/EFFECTIVE", and whether PRONG_CHILD is left or the descriptor closed
 *   image_program spawn               loses its children's entries, and starts one */
#include <prong/prong.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As a library might that clears the environment before main begins. */
__attribute__((constructor)) static void lose_entry(void) {
    if (getenv("LOSE_ENTRIES")) unsetenv("PRONG_CHILD");
}

static int look(const char *descriptor) {
    printf("main ran as %d/%d", (int)getuid(), (int)geteuid());
    if (getenv("PRONG_CHILD")) printf(", PRONG_CHILD is left");
    if (descriptor && fcntl(atoi(descriptor), F_GETFD) < 0) printf(", descriptor %s is closed", descriptor);
    puts("");
    fflush(stdout); /* a sanitizer may end this process before exit does */
    return 0;
}

static int target(void *argument, size_t size) {
    (void)argument;
    (void)size;
    return 0;
}

static int spawn(void) {
    prong_process child;
    if (getenv("LOSE_ENTRIES")) {
        puts("main ran again");
        return 1;
    }
    setenv("LOSE_ENTRIES", "1", 1);
    prong_process_options options = {.target = target, .method = PRONG_START_SPAWN};
    if (prong_process_create(&child, &options) < 0) return 2;
    printf("%s\n", prong_status_name(prong_process_start(child)));
    return 0;
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    return argc > 1 && strcmp(argv[1], "spawn") == 0 ? spawn() : look(argc > 2 ? argv[2] : NULL);
}
