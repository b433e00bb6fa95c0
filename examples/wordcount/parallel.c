#define _GNU_SOURCE
#include "parallel.h"
#include "../example.h"

#include <stddef.h>

/* Results are taken in order, and no more than AHEAD tasks are submitted and not yet taken: so no more than AHEAD others are
 * taken while a task waits or runs. The killer kills once at the most for each of those (see killer.h), and cannot use up a
 * task's RETRIES. */
enum { RETRIES = 255, AHEAD = 250, AHEAD_A_WORKER = 4 };

/* --- a task: it runs in a worker --- */

struct counted {
    int64_t pid;
    struct sums sums;
    size_t count;
    struct word words[];
};

static int count_task(void *pieces, size_t size, prong_result *result) {
    struct words words = {0};
    struct sums sums = {0};
    void *memory;
    count_pieces(&words, &sums, pieces, size);
    size_t bytes = words.count * sizeof *words.all;
    prong_status status = prong_result_reserve(result, sizeof(struct counted) + bytes, &memory);
    if (status >= 0) {
        struct counted *counted = memory;
        *counted = (struct counted){getpid(), sums, words.count};
        if (bytes) memcpy(counted->words, words.all, bytes);
    }
    words_free(&words);
    return status < 0;
}

/* --- results: in the process that has the pool --- */

static void add_share(struct parallel *parallel, const struct counted *counted) {
    size_t i = 0;
    while (i < SHARES && parallel->shares[i].pid && parallel->shares[i].pid != counted->pid) i++;
    if (i == SHARES) return;
    parallel->shares[i].pid = counted->pid;
    parallel->shares[i].tasks++;
    parallel->shares[i].words += counted->sums.words;
}

static void compare(struct parallel *parallel, const struct sums *sums, const struct sums *serial) {
    if (memcmp(sums, serial, offsetof(struct sums, unsteady)) == 0) return;
    if (sums->unsteady || serial->unsteady)
        parallel->left_out++;
    else
        parallel->differing++;
}

static void add_outcome(struct parallel *parallel, const prong_outcome *outcome) {
    char text[256];
    if (outcome->status < 0) {
        prong_outcome_text(outcome, text, sizeof text);
        fprintf(stderr, "wordcount: %s\n", text);
        exit(1);
    }
    const struct counted *counted = outcome->data;
    for (size_t i = 0; i < counted->count; i++) words_add(&parallel->words, &counted->words[i]);
    sums_add(&parallel->sums, &counted->sums);
    add_share(parallel, counted);
    compare(parallel, &counted->sums, &parallel->serial->tasks[outcome->index]);
    parallel->begun_again += outcome->tries > 1;
}

/* --- all tasks, a few submitted ahead of the one whose result is taken --- */

static bool generate(prong_bytes *argument, void *tasks) {
    *argument = (prong_bytes){((struct tasks *)tasks)->pieces, tasks_next(tasks)};
    return argument->size > 0;
}

static void show_progress(const prong_progress *progress, void *parallel) {
    const struct parallel *p = parallel;
    prong_progress known = *progress;
    char label[64] = "counting";
    known.total = p->serial->count;
    if (p->killer->kills) snprintf(label, sizeof label, "counting, %d workers killed", p->killer->kills);
    prong_progress_bar(&known, label);
}

size_t worker_count(prong_pool pool) {
    size_t count;
    must(prong_pool_workers(pool, NULL, 0, &count, NULL));
    return count;
}

void count_in_parallel(struct parallel *parallel, const struct tree *tree, prong_pool pool) {
    struct tasks tasks = {.tree = tree};
    size_t ahead = worker_count(pool) * AHEAD_A_WORKER;
    prong_task_options options = {.retries = RETRIES,
                                  .buffer = ahead < AHEAD ? ahead : AHEAD,
                                  .progress = show_progress,
                                  .progress_context = parallel};
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_status status;
    double start = now();
    must(prong_pool_iterate(pool, &(prong_work){.task = count_task, .generator = generate, .generator_context = &tasks},
                            &iterator, &options));
    while ((status = prong_iterator_next(iterator, &outcome, PRONG_FOREVER)) >= 0) {
        add_outcome(parallel, &outcome);
        parallel->killer->ended++;
    }
    if (status != PRONG_EOF) must(status);
    prong_iterator_close(iterator);
    parallel->seconds = now() - start;
}
