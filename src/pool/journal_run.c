/* prong_pool_run with a journal: an iterator over the results, which go to the work's outputs as they come. */
#include "pool/journal_run.h"

#include "base/error.h"
#include "pool/iterator.h"
#include "pool/submit.h"
#include "value/document.h"

#include <prong/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The outputs, and what is to be told at the end. */
struct journal_outputs {
    const prong_work *work;
    const struct submission *submission;
    prong_value *values; /* a result each, in the work's document; NULL: not wanted */
    size_t failed;
    prong_status first_failure;
    char failure[MESSAGE_SIZE];
    size_t too_long, too_long_size; /* the first such task + 1 */
    prong_status news;
    char message[MESSAGE_SIZE]; /* of the news */
};

/* --- one result --- */

static void journal_note_failure(struct journal_outputs *o, const prong_outcome *outcome) {
    if (o->failed++) return;
    o->first_failure = outcome->status;
    if (o->submission->values && outcome->status == PRONG_TASK_FAILED && outcome->size)
        snprintf(o->failure, sizeof o->failure, "task %zu: %.*s", outcome->index, (int)outcome->size,
                 (const char *)outcome->data);
    else
        prong_outcome_text(outcome, o->failure, sizeof o->failure);
}

static void journal_note_too_long(struct journal_outputs *o, const prong_outcome *outcome) {
    if (o->too_long && o->too_long <= outcome->index + 1) return;
    o->too_long = outcome->index + 1;
    o->too_long_size = outcome->size;
}

static void journal_put_task(struct journal_outputs *o, const prong_outcome *outcome) {
    const prong_work *w = o->work;
    if (w->sizes) w->sizes[outcome->index] = outcome->size;
    if (w->out && outcome->size > w->out_size)
        journal_note_too_long(o, outcome);
    else if (w->out && outcome->size)
        memcpy((char *)w->out + outcome->index * w->out_size, outcome->data, outcome->size);
}

static prong_status journal_put_elements(struct journal_outputs *o, const prong_iterator *it,
                                         const prong_outcome *outcome) {
    uint64_t place, first, count;
    const struct journaled *journaled = iterator_journaled(it, &place);
    journaled_items(journaled, place, &first, &count);
    if (!o->work->out) return PRONG_OK;
    if (outcome->size != count * o->work->out_size)
        return fail(PRONG_INVALID, "journal: %zu bytes are no result of %llu elements", outcome->size,
                    (unsigned long long)count);
    memcpy((char *)o->work->out + first * o->work->out_size, outcome->data, outcome->size);
    return PRONG_OK;
}

static prong_status journal_put(struct journal_outputs *o, const prong_iterator *it, const prong_outcome *outcome) {
    if (outcome->status != PRONG_OK)
        journal_note_failure(o, outcome);
    else if (o->values)
        return prong_outcome_value(outcome, o->work->document, &o->values[outcome->index]);
    else if (o->submission->form != PRONG_FORM_TASK)
        return journal_put_elements(o, it, outcome);
    else if (!o->submission->values)
        journal_put_task(o, outcome);
    return PRONG_OK;
}

/* --- all of them --- */

static void journal_note_news(struct journal_outputs *o, prong_status status) {
    if (status <= 0) return;
    o->news = status;
    snprintf(o->message, sizeof o->message, "%s", prong_error_message());
}

static prong_status journal_collect(struct journal_outputs *o, prong_iterator *it, deadline_t deadline) {
    prong_outcome outcome;
    for (;;) {
        prong_status status = prong_iterator_next(it, &outcome, deadline_left(deadline));
        if (status == PRONG_EOF) return PRONG_OK;
        if (status == PRONG_TIMEOUT) return fail(PRONG_TIMEOUT, "the tasks were not done in the time given");
        TRY(status);
        journal_note_news(o, status);
        TRY(journal_put(o, it, &outcome));
    }
}

/* What a run that has taken all results comes to. */
static prong_status journal_sum_up(const struct journal_outputs *o, size_t count) {
    const prong_work *w = o->work;
    if (o->failed) return fail(o->first_failure, "%s%s", o->failure, o->failed > 1 ? " (and others failed)" : "");
    if (o->too_long)
        return fail(PRONG_TOO_LONG, "task %zu: its result has %zu bytes, more than the work's out_size",
                    o->too_long - 1, o->too_long_size);
    if (o->values && o->submission->values == VALUES_LIST)
        TRY(prong_make_list(w->document, o->values, count, w->result));
    else if (o->values)
        *w->result = o->values[0];
    return o->news ? fail(o->news, "%s", o->message) : PRONG_OK;
}

static size_t journal_count_tasks(const prong_work *w) {
    return w->arguments ? w->count : w->each ? prong_value_size(w->values) : 1;
}

/* The work and options as an iterator takes them. */
static prong_status journal_open_iterator(const struct submission *s, prong_iterator **it) {
    prong_work work = *s->work;
    prong_task_options options = *s->options;
    size_t workers;
    TRY(prong_pool_workers(s->pool, NULL, 0, &workers, NULL));
    work.out = NULL;
    work.sizes = NULL;
    work.document = NULL;
    work.result = NULL;
    options.unordered = true;
    if (!options.chunk_size) options.chunk_size = submit_default_chunk(workers, work.count);
    return prong_pool_iterate(s->pool, &work, it, &options);
}

static prong_status journal_run_all(struct journal_outputs *o, prong_time timeout) {
    prong_iterator *it;
    deadline_t deadline = deadline_after(timeout);
    TRY(journal_open_iterator(o->submission, &it));
    prong_status status = journal_collect(o, it, deadline);
    {
        KEEP_MESSAGE;
        journal_note_news(o, iterator_end_journal(it));
        prong_iterator_close(it);
    }
    return status;
}

prong_status journal_run(const struct submission *s, prong_time timeout) {
    size_t count = s->values ? journal_count_tasks(s->work) : 0;
    struct journal_outputs *o = calloc(1, sizeof *o);
    if (o) *o = (struct journal_outputs){.work = s->work, .submission = s};
    if (o && s->work->result) o->values = calloc(count + 1, sizeof *o->values);
    prong_status status = PRONG_OK;
    if (!o || (s->work->result && !o->values)) status = fail(PRONG_NO_MEMORY, "pool: no memory for %zu results", count);
    if (status >= 0) status = journal_run_all(o, timeout);
    if (status >= 0) status = journal_sum_up(o, count);
    if (o) free(o->values);
    free(o);
    return status;
}
