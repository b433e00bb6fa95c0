/* A writer and a reader over a Queue; the reader never ends by itself, so it is terminated. */
#include "example.h"

struct desk {
    prong_queue letters, answers;
};

static int write_letters(void *argument, size_t size) {
    struct desk *desk = argument;
    (void)size;
    for (char letter = 'A'; letter <= 'C'; letter++) {
        printf("put %c\n", letter);
        fflush(stdout);
        must(prong_queue_put(desk->letters, &letter, 1, PRONG_SECONDS(10)));
        must(prong_queue_get(desk->answers, &letter, 1, NULL, PRONG_SECONDS(10))); /* take turns, for a steady output */
    }
    return 0;
}

static int read_letters(void *argument, size_t size) {
    struct desk *desk = argument;
    char letter;
    (void)size;
    for (;;) {
        must(prong_queue_get(desk->letters, &letter, 1, NULL, PRONG_FOREVER));
        printf("got %c\n", letter);
        fflush(stdout);
        must(prong_queue_put(desk->answers, &letter, 1, PRONG_FOREVER));
    }
}

int main(int argc, char **argv) {
    struct desk desk;
    int code;
    example_begin(argc, argv);
    must(prong_queue_create(&desk.letters, NULL));
    must(prong_queue_create(&desk.answers, NULL));
    prong_process writer = example_start(write_letters, &desk, sizeof desk);
    prong_process reader = example_start(read_letters, &desk, sizeof desk);
    must(prong_process_join(writer, PRONG_SECONDS(10)));
    must(prong_process_signal(reader, SIGTERM));
    must(prong_process_join(reader, PRONG_SECONDS(10)));
    must(prong_process_exitcode(reader, &code));
    printf("reader ended with %d\n", code);
}
