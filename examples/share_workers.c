/* Four workers read one table where it is: it is in memory once. */
#include "example.h"

enum { COUNT = 1000000, WORKERS = 4 };

struct part {
    prong_share table;
    prong_shared_value sum;
    int number;
};

static int add_up(void *argument, size_t size) {
    const struct part *part = argument;
    const void *data;
    long long sum = 0;
    (void)size;
    must(prong_share_open(part->table, &data, NULL));
    const int *table = data;
    for (int i = part->number; i < COUNT; i += WORKERS) sum += table[i];
    must(prong_share_close(part->table));
    must(prong_shared_value_add(part->sum, 0, sum, NULL));
    return 0;
}

/* Written where it is to be read: no copy is made. */
static void make_table(prong_share *table) {
    prong_message message;
    must(prong_message_reserve(&message, COUNT * sizeof(int)));
    int *numbers = message.data;
    for (int i = 0; i < COUNT; i++) numbers[i] = i;
    must(prong_share_commit(table, &message, NULL));
}

int main(int argc, char **argv) {
    struct part part;
    prong_process workers[WORKERS];
    long long sum;
    example_begin(argc, argv);
    make_table(&part.table);
    must(prong_shared_value_create(&part.sum, PRONG_TYPE_OF(long long), 1, NULL, NULL));
    for (part.number = 0; part.number < WORKERS; part.number++)
        workers[part.number] = example_start(add_up, &part, sizeof part);
    for (int i = 0; i < WORKERS; i++) must(prong_process_join(workers[i], PRONG_SECONDS(10)));
    must(prong_shared_value_get(part.sum, 0, 1, &sum, PRONG_NOWAIT));
    printf("the sum is %lld\n", sum);
    must(prong_shared_value_destroy(part.sum));
    must(prong_share_close(part.table));
}
