/* The demo: counts the words of a whole directory tree with a pool of processes, beside the same work done serially.
 *
 *     wordcount [--kill] [--processes N] [--method fork|spawn|forkserver] [PATH]
 *
 * With --kill, workers are killed at random all the while; the totals still come out equal, because a task whose worker
 * died is run again.
 *
 * parallel.c has what is done with the pool; tree.c makes the tasks, count.c counts the words in one, words.c is a
 * table of words, killer.c kills, serial.c does without a pool; print.c prints the results. */
#define _GNU_SOURCE
#include "../example.h"
#include "print.h"

#include <errno.h>

static struct settings read_arguments(int argc, char **argv) {
    struct settings s = {.path = NULL};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--kill") == 0)
            s.kill = true;
        else if (strcmp(argv[i], "--processes") == 0 && i + 1 < argc)
            s.processes = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--method") == 0 && i + 1 < argc)
            example_begin(2, &argv[i++]);
        else if (argv[i][0] != '-')
            s.path = argv[i];
        else {
            fprintf(stderr, "usage: wordcount [--kill] [--processes N] [--method fork|spawn|forkserver] [PATH]\n");
            exit(2);
        }
    }
    s.chosen = s.path != NULL;
    if (!s.chosen) s.path = "/usr/share";
    if (!s.processes) s.processes = prong_cpu_count();
    return s;
}

/* The default tree may be small: it is counted several times, so that there is something to measure. */
static unsigned times_of(const struct settings *settings, double seconds) {
    enum { SECONDS = 2, TIMES_MOST = 2000 };
    if (settings->chosen || seconds >= SECONDS) return 1;
    double times = SECONDS / (seconds > 0.001 ? seconds : 0.001) + 1;
    return times < TIMES_MOST ? (unsigned)times : TIMES_MOST;
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    struct settings settings = read_arguments(argc, argv);
    static struct tree tree;
    static struct serial serial;
    static struct killer killer;
    static struct parallel parallel = {.serial = &serial, .killer = &killer};
    prong_pool pool;
    if (!tree_read(&tree, settings.path)) {
        fprintf(stderr, "wordcount: %s cannot be read: %s\n", settings.path, strerror(errno));
        return 2;
    }
    tree_plan(&tree, settings.processes, 1);
    count_serially(&serial, &tree); /* warms the cache */
    tree_plan(&tree, settings.processes, times_of(&settings, serial.seconds));
    serial_free(&serial);
    print_beginning(&settings, &tree);
    count_serially(&serial, &tree);
    double apart = count_apart(&tree, settings.processes);

    must(prong_pool_create(&pool, &(prong_pool_options){.processes = settings.processes}));
    if (settings.kill && killer_start(&killer, pool)) return 1;
    count_in_parallel(&parallel, &tree, pool);
    if (settings.kill) killer_stop(&killer);

    print_words(&settings, &tree, &parallel);
    print_speed(&settings, &parallel, apart);
    print_shares(&parallel);
    bool equal = print_comparison(&parallel);
    print_what_is_next(&settings);
    must(prong_pool_destroy(pool));
    words_free(&parallel.words);
    serial_free(&serial);
    tree_free(&tree);
    return equal ? 0 : 1;
}
