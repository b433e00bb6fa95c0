/* Two iterators side by side, over sources that are read only as far as needed. */
#include "example.h"

static int square(void *argument, size_t size, prong_result *result) {
    int number = *(int *)argument;
    (void)size;
    number *= number;
    return prong_result_set(result, &number, sizeof number);
}

static int negate(void *argument, size_t size, prong_result *result) {
    int number = -*(int *)argument;
    (void)size;
    return prong_result_set(result, &number, sizeof number);
}

static bool count(prong_bytes *argument, void *context) {
    int *next = context; /* never ends */
    ++*next;
    *argument = (prong_bytes){next, sizeof *next};
    return true;
}

int main(int argc, char **argv) {
    prong_pool pool;
    prong_iterator *squares, *negatives;
    prong_outcome a, b;
    int for_squares = 0, for_negatives = 0;
    example_begin(argc, argv);
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 2}));
    must(prong_pool_iterate(pool, &(prong_work){.task = square, .generator = count, .generator_context = &for_squares},
                            &squares, NULL));
    must(prong_pool_iterate(pool,
                            &(prong_work){.task = negate, .generator = count, .generator_context = &for_negatives},
                            &negatives, NULL));
    for (int i = 0; i < 5; i++) {
        must(prong_iterator_next(squares, &a, PRONG_SECONDS(10)));
        must(prong_iterator_next(negatives, &b, PRONG_SECONDS(10)));
        printf("%d %d\n", *(int *)a.data, *(int *)b.data);
    }
    printf("read ahead at most 20: %s\n", for_squares <= 20 ? "yes" : "no");
    prong_iterator_close(squares);
    prong_iterator_close(negatives);
    must(prong_pool_destroy(pool));
}
