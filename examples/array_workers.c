/* Four workers fill an Array, each its quarter with squares. */
#include "example.h"

enum { COUNT = 20, WORKERS = 4 };

struct part {
    prong_shared_value array;
    int first;
};

static int fill(void *argument, size_t size) {
    const struct part *part = argument;
    (void)size;
    for (int i = part->first; i < part->first + COUNT / WORKERS; i++)
        must(prong_shared_value_set(part->array, (size_t)i, 1, &(int){i * i}, PRONG_SECONDS(10)));
    return 0;
}

int main(int argc, char **argv) {
    struct part part;
    prong_process workers[WORKERS];
    int squares[COUNT];
    example_begin(argc, argv);
    must(prong_shared_value_create(&part.array, PRONG_TYPE_OF(int), COUNT, NULL, NULL));
    for (int i = 0; i < WORKERS; i++) {
        part.first = i * COUNT / WORKERS;
        workers[i] = example_start(fill, &part, sizeof part);
    }
    for (int i = 0; i < WORKERS; i++) must(prong_process_join(workers[i], PRONG_SECONDS(10)));
    must(prong_shared_value_get(part.array, 0, COUNT, squares, PRONG_NOWAIT));
    for (int i = 0; i < COUNT; i++) printf("%d%s", squares[i], i + 1 < COUNT ? " " : "\n");
    must(prong_shared_value_destroy(part.array));
}
