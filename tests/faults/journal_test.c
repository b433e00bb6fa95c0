/* Faults while runs with a journal read and write its file: a result is never wrong or lost, and the next run resumes. */
#include "faults.h"
#include "pool/journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const prong_time SOON = PRONG_SECONDS(20);

enum { COUNT = 6, HEADER = 512, RECORD = 56 };

/* The pool is made before all fails, and its workers are not tried. */
#define JOURNAL_SCENARIO(title) SCENARIO_(title, TRY_ONCE | TRY_TO_THE_END | EACH_ERROR)

static char path[64];
static unsigned stopped; /* so many runs went on without their journal */

static void journal_begin(void) {
    snprintf(path, sizeof path, "/tmp/prong-faults-%ld", (long)getpid());
    unlink(path);
    stopped = 0;
}

/* A fault is of one run: the other has recorded what that one has not. */
static void journal_end(void) {
    struct stat status = {0};
    must_hold(stopped <= 1);
    must_hold(stat(path, &status) == 0 && status.st_size == HEADER + COUNT * RECORD);
    unlink(path);
}

static prong_status journal_noted(prong_status status) {
    if (status != PRONG_JOURNAL_STOPPED) return status;
    stopped++;
    return PRONG_OK;
}

static int journal_square(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    number *= number;
    return size != sizeof number || prong_result_set(result, &number, sizeof number);
}

static prong_pool journal_pool(void) {
    prong_pool pool;
    sure(prong_pool_create(&pool, &(prong_pool_options){.processes = 2}));
    return pool;
}

static prong_work journal_work(const long *in, long *out) {
    return (prong_work){.task = journal_square,
                        .in = in,
                        .in_size = sizeof *in,
                        .count = COUNT,
                        .out = out,
                        .out_size = out ? sizeof *out : 0};
}

JOURNAL_SCENARIO(runs_are_recorded_and_resumed) {
    prong_pool pool = journal_pool();
    journal_begin();
    for (int run = 0; run < 2; run++) {
        long in[COUNT] = {0, 1, 2, 3, 4, 5}, out[COUNT] = {-1, -1, -1, -1, -1, -1};
        prong_work work = journal_work(in, out);
        sure(journal_noted(prong_pool_run(pool, &work, &(prong_task_options){.journal = path}, SOON)));
        for (long i = 0; i < COUNT; i++) must_hold(out[i] == i * i);
    }
    journal_end();
    sure(prong_pool_destroy(pool));
}

JOURNAL_SCENARIO(iterators_are_recorded_and_resumed) {
    prong_pool pool = journal_pool();
    journal_begin();
    for (int run = 0; run < 2; run++) {
        long in[COUNT] = {0, 1, 2, 3, 4, 5};
        prong_work work = journal_work(in, NULL);
        prong_iterator *iterator;
        prong_outcome outcome;
        sure(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.journal = path}));
        for (long i = 0; i < COUNT; i++) {
            sure(journal_noted(prong_iterator_next(iterator, &outcome, SOON)));
            must_hold(outcome.status == PRONG_OK && *(long *)outcome.data == i * i);
        }
        gives(journal_noted(prong_iterator_next(iterator, &outcome, SOON)), PRONG_EOF);
        plain(prong_iterator_close(iterator));
    }
    journal_end();
    sure(prong_pool_destroy(pool));
}

/* Where the write of all fails, each is written by itself. */
JOURNAL_SCENARIO(batches_are_recorded_as_far_as_can_be) {
    struct journal_entry entries[COUNT];
    long results[COUNT] = {0, 1, 4, 9, 16, 25};
    struct run_journal *journal;
    prong_bytes result;
    journal_begin();
    for (uint64_t i = 0; i < COUNT; i++) entries[i] = (struct journal_entry){i, 1, i, 0, sizeof *results};
    sure(journal_open(&journal, path, "squares"));
    sure(journal_noted(journal_append_all(journal, entries, COUNT, results)));
    sure(journal_noted(journal_close(journal)));
    sure(journal_open(&journal, path, "squares"));
    uint64_t found = 0;
    for (const struct journal_entry *entry; (entry = journal_from(journal, found)); found++) {
        sure(journal_read(journal, entry, &result));
        must_hold(entry->first == found && memcmp(result.data, &results[found], sizeof *results) == 0);
    }
    must_hold(found == COUNT || stopped == 1);
    sure(journal_close(journal));
    unlink(path);
}
