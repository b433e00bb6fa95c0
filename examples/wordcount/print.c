#include "print.h"

#include <stdio.h>

enum { TOP = 10, SHARES_SHOWN = 12 };

void print_beginning(const struct settings *settings, const struct tree *tree) {
    printf("%s: %zu files", settings->path, tree->count);
    if (tree->times > 1) printf(", counted %u times over, so that there is something to measure", tree->times);
    printf("\n");
    fflush(stdout);
}

/* Of one time through the tree. */
static unsigned long long once(const struct tree *tree, uint64_t sum) {
    return (unsigned long long)(sum / tree->times);
}

static void print_left_aside(const struct tree *tree, const struct sums *sums) {
    if (sums->binary || tree->others)
        printf("left aside: %llu binary files, %llu links and special files\n", once(tree, sums->binary),
               (unsigned long long)tree->others);
    if (sums->unread || tree->unread_folders)
        printf("could not be read: %llu files, %llu folders\n", once(tree, sums->unread),
               (unsigned long long)tree->unread_folders);
}

void print_words(const struct settings *settings, const struct tree *tree, struct parallel *parallel) {
    const struct sums *sums = &parallel->sums;
    printf("%s: %llu text files, %.1f MB (%llu bytes), %llu words, %zu different ones\n", settings->path,
           once(tree, sums->files), (double)once(tree, sums->bytes) / 1e6, once(tree, sums->bytes),
           once(tree, sums->words), parallel->words.count);
    size_t count = parallel->words.count;
    words_sort(&parallel->words);
    for (size_t i = 0; i < TOP && i < count; i++)
        printf("  %-12s %10llu\n", parallel->words.all[i].text, once(tree, parallel->words.all[i].count));
    print_left_aside(tree, sums);
}

static double ratio(double seconds, double others) {
    return others > 0 ? seconds / others : 0;
}

void print_speed(const struct settings *settings, const struct parallel *parallel, double apart) {
    double serial = parallel->serial->seconds;
    printf("serially %.2f s; a pool of %u: %.2f s, %.2f times as fast", serial, settings->processes, parallel->seconds,
           ratio(serial, parallel->seconds));
    if (apart > 0)
        printf(" (%u processes that share nothing: %.2f s, %.2f times)", settings->processes, apart,
               ratio(serial, apart));
    printf("\n");
    if (settings->kill)
        printf("workers killed meanwhile: %d, tasks begun again: %zu\n", parallel->killer->kills,
               parallel->begun_again);
}

void print_shares(const struct parallel *parallel) {
    const struct share *shares = parallel->shares;
    size_t count = 0;
    for (; count < SHARES && shares[count].pid; count++)
        if (count < SHARES_SHOWN)
            printf("  worker %lld: %llu tasks, %llu words%s\n", (long long)shares[count].pid,
                   (unsigned long long)shares[count].tasks, (unsigned long long)shares[count].words,
                   killer_killed(parallel->killer, (int)shares[count].pid) ? ", then killed" : "");
    if (count > SHARES_SHOWN) printf("  and %zu workers more\n", count - SHARES_SHOWN);
}

bool print_comparison(const struct parallel *parallel) {
    bool equal =
        !parallel->differing && (parallel->left_out || parallel->words.count == parallel->serial->different_words);
    printf("totals equal to the serial ones: %s", equal ? "yes" : "NO");
    if (parallel->left_out)
        printf(", leaving out %zu of %zu tasks whose files changed or vanished meanwhile", parallel->left_out,
               parallel->serial->count);
    putchar('\n');
    return equal;
}

void print_what_is_next(const struct settings *settings) {
    printf("\nWhat to try next:\n"
           "  ./run demo %-17s %s\n"
           "  ./run demo ~ --method spawn  your own files, by workers that begin as new programs\n"
           "  examples/pool_sleepers.c     a pool in a few lines; examples/ has one for each part of the library\n",
           settings->kill ? "" : "--kill",
           settings->kill ? "the same in peace" : "workers are killed all the while, and the totals stay right");
}
