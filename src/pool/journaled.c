/* What the places of an iterator have to do with a journal. */
#include "base/error.h"
#include "pool/journal.h"
#include "pool/journal_run.h"

#include <prong/job.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum place_state { PLACE_TASK, PLACE_WRITTEN, PLACE_RECORDED };

struct journaled_place {
    struct journal_entry entry; /* without `at` */
    uint64_t number;            /* of the input, from 0 on */
    const struct journal_entry *recorded;
    enum place_state state;
};

struct journaled {
    struct run_journal *journal;
    uint64_t seed;        /* of the digests: the context is part of every input */
    uint64_t number;      /* of the next input */
    uint64_t next, count; /* its first item, and how many it has */
    prong_status news;
    char message[MESSAGE_SIZE]; /* of the news */
    struct journaled_place places[];
};

/* --- the function, as text --- */

static void journaled_describe_image(const struct function *f, char *text, size_t size) {
    int used = snprintf(text, size, "the function at 0x%llx of build ", (unsigned long long)f->offset);
    for (uint64_t i = 0; i < f->build_id_size && used > 0 && (size_t)used < size; i++)
        used += snprintf(text + used, size - (size_t)used, "%02x", f->build_id[i]);
}

static prong_status journaled_describe_function(const struct submission *s, char *text, size_t size) {
    struct function function;
    const prong_work *w = s->work;
    const char *name = s->options->journal_identity ? s->options->journal_identity : w->name;
    if (name) {
        snprintf(text, size, "'%s'", name);
        return PRONG_OK;
    }
    TRY(function_identify(w->value_task ? (any_function *)(void *)w->value_task : s->function, &function));
    if (!function.build_id_size)
        return fail(PRONG_NO_FUNCTION,
                    "journal '%s': the program has no build-id, by which another build of its function "
                    "is told from this one; link it with -Wl,--build-id, or give a journal_identity",
                    s->options->journal);
    journaled_describe_image(&function, text, size);
    return PRONG_OK;
}

static prong_status journaled_describe(const struct submission *s, char *text, size_t size) {
    char function[JOURNAL_IDENTITY_SIZE - 100];
    TRY(journaled_describe_function(s, function, sizeof function));
    if (s->form == PRONG_FORM_TASK)
        snprintf(text, size, "%s, called with %s", function, s->values ? "values" : "bytes");
    else
        snprintf(text, size, "%s, of %s of %zu bytes in and %zu out", function,
                 s->form == PRONG_FORM_RANGE ? "ranges" : "elements", s->work->in_size, s->work->out_size);
    return PRONG_OK;
}

/* --- opening and closing --- */

prong_status journaled_open(struct journaled **journaled, const struct submission *s, size_t places) {
    char identity[JOURNAL_IDENTITY_SIZE];
    TRY(journaled_describe(s, identity, sizeof identity));
    struct journaled *j = calloc(1, sizeof *j + places * sizeof *j->places);
    if (!j) return fail(PRONG_NO_MEMORY, "journal '%s': no memory for %zu places", s->options->journal, places);
    j->seed = journal_digest(0, s->work->context, s->work->context_size);
    prong_status status = journal_open(&j->journal, s->options->journal, identity);
    if (status < 0)
        free(j);
    else
        *journaled = j;
    return status;
}

prong_status journaled_close(struct journaled *j) {
    if (!j) return PRONG_OK;
    prong_status status = journal_close(j->journal);
    free(j);
    return status;
}

/* --- inputs --- */

size_t journaled_step(const struct journaled *j, uint64_t at, size_t chunk) {
    const struct journal_entry *entry = journal_from(j->journal, at);
    if (entry && entry->first == at) return entry->count;
    return entry && entry->first - at < chunk ? entry->first - at : chunk;
}

/* Of another number of items, it is of no use: they are run again. */
static const struct journal_entry *journaled_find(const struct journaled *j) {
    const struct journal_entry *entry = journal_from(j->journal, j->next);
    return entry && entry->first == j->next && entry->count == j->count ? entry : NULL;
}

prong_status journaled_look_up(struct journaled *j, uint64_t place, prong_bytes input, uint64_t count, bool *recorded) {
    struct journaled_place *p = &j->places[place];
    j->count = count;
    *p = (struct journaled_place){.entry = {j->next, count, journal_digest(j->seed, input.data, input.size), 0, 0},
                                  .number = j->number,
                                  .recorded = journaled_find(j)};
    *recorded = p->recorded != NULL;
    if (!*recorded) return PRONG_OK;
    p->state = PLACE_RECORDED;
    return journal_check_input(j->journal, p->recorded, p->entry.input);
}

void journaled_advance(struct journaled *j) {
    j->next += j->count;
    j->number++;
}

/* --- results --- */

bool journaled_is_recorded(const struct journaled *j, uint64_t place) {
    return j->places[place].state == PLACE_RECORDED;
}

bool journaled_is_unwritten(const struct journaled *j, uint64_t place) {
    return j->places[place].state == PLACE_TASK;
}

prong_status journaled_read(struct journaled *j, uint64_t place, prong_outcome *outcome) {
    const struct journaled_place *p = &j->places[place];
    prong_bytes result;
    TRY(journal_read(j->journal, p->recorded, &result));
    *outcome = (prong_outcome){.index = p->number, .data = (void *)(uintptr_t)result.data, .size = result.size};
    return PRONG_OK;
}

static void journaled_note_news(struct journaled *j, prong_status status) {
    if (status == PRONG_OK) return;
    j->news = status;
    snprintf(j->message, sizeof j->message, "%s", prong_error_message());
}

void journaled_write(struct journaled *j, uint64_t place, const prong_outcome *outcome) {
    struct journaled_place *p = &j->places[place];
    if (p->state != PLACE_TASK) return;
    p->state = PLACE_WRITTEN;
    p->entry.size = outcome->size;
    if (outcome->status != PRONG_OK) return;
    journaled_note_news(j, journal_append(j->journal, &p->entry, outcome->data));
    if (journal_is_sync_due(j->journal)) journaled_note_news(j, journal_sync(j->journal));
}

prong_status journaled_news(struct journaled *j) {
    prong_status news = j->news;
    j->news = PRONG_OK;
    return news ? fail(news, "%s", j->message) : PRONG_OK;
}

void journaled_items(const struct journaled *j, uint64_t place, uint64_t *first, uint64_t *count) {
    *first = j->places[place].entry.first;
    *count = j->places[place].entry.count;
}
