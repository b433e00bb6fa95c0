/* The demo: counts the words of a whole directory tree with a pool of processes, beside the same work done serially.
 *
 *     wordcount [--kill] [--processes N] [--method fork|spawn|forkserver] [PATH]
 *
 * With --kill, workers are killed at random all the while; the totals still come out equal, because a task whose worker
 * died is run again.
 *
 * parallel.c has what is done with the pool; tree.c makes the tasks, count.c counts the words in one, words.c is a table of
 * words, killer.c kills. */
#define _GNU_SOURCE
#include "../example.h"
#include "parallel.h"

#include <errno.h>

enum { TOP = 10 };

/* --- what is printed --- */

static void print_words(const char *path, struct parallel *parallel) {
    printf("%s: %llu text files, %.1f MB (%llu bytes), %llu words, %zu different ones\n", path,
           (unsigned long long)parallel->sums.files, (double)parallel->sums.bytes / 1e6,
           (unsigned long long)parallel->sums.bytes, (unsigned long long)parallel->sums.words, parallel->words.count);
    size_t count = parallel->words.count;
    words_sort(&parallel->words);
    for (size_t i = 0; i < TOP && i < count; i++)
        printf("  %-12s %10llu\n", parallel->words.all[i].text, (unsigned long long)parallel->words.all[i].count);
}

static void print_left_aside(const struct tree *tree, const struct sums *sums) {
    if (sums->binary || tree->others)
        printf("left aside: %llu binary files, %llu links and special files\n", (unsigned long long)sums->binary,
               (unsigned long long)tree->others);
    if (sums->unread || tree->unread_folders)
        printf("could not be read: %llu files, %llu folders\n", (unsigned long long)sums->unread,
               (unsigned long long)tree->unread_folders);
}

static void print_shares(const struct parallel *parallel) {
    for (const struct share *share = parallel->shares; share < parallel->shares + SHARES && share->pid; share++)
        printf("  worker %lld: %llu tasks, %llu words\n", (long long)share->pid, (unsigned long long)share->tasks,
               (unsigned long long)share->words);
}

static bool print_comparison(const struct parallel *parallel) {
    bool equal =
        !parallel->differing && (parallel->left_out || parallel->words.count == parallel->serial->different_words);
    printf("totals equal to the serial ones: %s", equal ? "yes" : "NO");
    if (parallel->left_out)
        printf(", leaving out %zu of %zu tasks whose files changed or vanished meanwhile", parallel->left_out,
               parallel->serial->count);
    putchar('\n');
    return equal;
}

/* --- the program --- */

struct settings {
    const char *path;
    bool kill;
    unsigned processes;
};

static struct settings read_arguments(int argc, char **argv) {
    struct settings s = {.path = "/usr/share"};
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
    return s;
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    struct settings settings = read_arguments(argc, argv);
    struct tree tree = {0};
    struct serial serial = {0};
    struct parallel parallel = {.serial = &serial};
    struct killer killer = {0};
    prong_pool pool;
    if (!tree_read(&tree, settings.path)) {
        fprintf(stderr, "wordcount: %s cannot be read: %s\n", settings.path, strerror(errno));
        return 2;
    }
    count_serially(&serial, &tree); /* warms the cache */
    serial_free(&serial);
    count_serially(&serial, &tree);

    must(prong_pool_create(&pool, &(prong_pool_options){.processes = settings.processes}));
    if (settings.kill && killer_start(&killer, pool)) return 1;
    count_in_parallel(&parallel, &tree, pool, &killer);
    if (settings.kill) killer_stop(&killer);

    print_words(settings.path, &parallel);
    print_left_aside(&tree, &parallel.sums);
    printf("serial %.2f s, pool of %zu %.2f s: %.2f times as fast\n", serial.seconds, worker_count(pool),
           parallel.seconds, parallel.seconds > 0 ? serial.seconds / parallel.seconds : 0);
    if (settings.kill)
        printf("workers killed meanwhile: %d, tasks begun again: %zu\n", killer.kills, parallel.begun_again);
    else
        print_shares(&parallel);
    bool equal = print_comparison(&parallel);
    must(prong_pool_destroy(pool));
    words_free(&parallel.words);
    serial_free(&serial);
    tree_free(&tree);
    return equal ? 0 : 1;
}
