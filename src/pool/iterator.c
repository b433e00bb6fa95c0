/* An iterator: a job whose tasks are added as their results are taken, so that it reads ahead only so far. */
#include "base/error.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/await.h"
#include "pool/inline.h"
#include "pool/iterator.h"
#include "pool/journal_run.h"
#include "pool/load.h"
#include "pool/notes.h"
#include "pool/schedule.h"
#include "pool/submit.h"
#include "pool/values.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD_A_WORKER = 4 };

struct prong_iterator {
    prong_job handle;
    struct job *job;
    prong_work work;           /* its inputs are read as they are needed */
    struct call_header header; /* of values: what each call begins with */
    prong_document *scratch;   /* of values: for the next call; NULL: they are bytes already */
    size_t chunk, at;          /* elements a task; how far the inputs have been read */
    bool ordered, exhausted;
    uint64_t capacity;    /* places */
    uint64_t fed, given;  /* tasks and recorded results; outcomes handed out */
    uint64_t skipped;     /* of these, those that were recorded */
    uint64_t busy;        /* places in use */
    prong_bytes argument; /* read, but there was no memory for it yet; still the work's, the generator's or scratch's */
    bool waits;           /* there is such a one */
    uint64_t lent;        /* place + 1 of the outcome that the caller has now */
    bool *used;           /* a place: holds a task, or a recorded result, not yet taken */
    uint64_t *order;      /* a ring: the places in the order of their inputs */
    struct journaled *journaled; /* NULL: no journal */
    prong_progress_callback *progress;
    void *progress_context;
    int64_t next_report; /* of progress, not before that time */
};

/* --- opening --- */

static void iterator_free(prong_iterator *it) {
    prong_document_close(it->scratch);
    ignore_status(journaled_close(it->journaled));
    free(it->used);
    free(it->order);
    free(it);
}

static prong_status iterator_allocate(const struct submission *s, size_t capacity, prong_iterator **result) {
    const prong_task_options *o = s->options;
    prong_iterator *it = calloc(1, sizeof *it);
    bool *used = calloc(capacity, sizeof *used);
    uint64_t *order = calloc(capacity, sizeof *order);
    if (!it || !used || !order) {
        free(it);
        free(used);
        free(order);
        return fail(PRONG_NO_MEMORY, "no memory for an iterator that reads %zu ahead", capacity);
    }
    *it = (prong_iterator){.work = *s->work,
                           .chunk = o->chunk_size ? o->chunk_size : 1,
                           .ordered = !o->unordered,
                           .capacity = capacity,
                           .used = used,
                           .order = order,
                           .progress = o->progress,
                           .progress_context = o->progress_context};
    *result = it;
    return PRONG_OK;
}

static prong_status iterator_prepare_values(prong_iterator *it, const struct submission *s) {
    TRY(values_identify(s, &it->header));
    return it->work.arguments || it->work.generator ? PRONG_OK : prong_document_open(&it->scratch, NULL);
}

static prong_status iterator_open_job(prong_iterator *it, const struct submission *s, struct pool *pool) {
    uint64_t unused;
    struct submission ring = *s;
    prong_task_options without_callbacks = *s->options;
    without_callbacks.callback = NULL;
    without_callbacks.error_callback = NULL;
    ring.options = &without_callbacks;
    ring.count = 0;
    ring.capacity = it->capacity;
    ring.ring = true;
    if (s->values) TRY(iterator_prepare_values(it, s));
    TRY(job_create(&ring, pool, &it->job, &unused));
    it->job->chunk = it->chunk;
    return job_submit(&ring, pool, it->job, &it->handle);
}

prong_status prong_pool_iterate(prong_pool handle, const prong_work *work, prong_iterator **result,
                                const prong_task_options *options) {
    struct submission s;
    struct pool *pool;
    prong_iterator *it = NULL;
    INSIDE struct visit inside = {0};
    TRY(work_read(&s, handle, work, options, WORK_ITERATE));
    TRY(pool_enter(&inside, handle, &pool));
    size_t ahead = s.options->buffer ? s.options->buffer : pool_wanted(pool) * AHEAD_A_WORKER;
    TRY(iterator_allocate(&s, pool->inlined ? 1 : ahead, &it));
    prong_status status = s.options->journal ? journaled_open(&it->journaled, &s, it->capacity) : PRONG_OK;
    if (status >= 0) status = iterator_open_job(it, &s, pool);
    if (status < 0)
        iterator_free(it);
    else
        *result = it;
    return status;
}

/* --- reading inputs --- */

/* Of an array: a chunk of elements, or one that is a task's argument. */
static bool iterator_next_of_array(prong_iterator *it, prong_bytes *argument) {
    const prong_work *w = &it->work;
    size_t step = it->job->form == PRONG_FORM_TASK ? 1 : it->chunk, left = w->count - it->at;
    if (!left) return false;
    if (it->journaled) step = journaled_step(it->journaled, it->at, step);
    if (step > left) step = left;
    *argument = (prong_bytes){w->in ? (const char *)w->in + it->at * w->in_size : NULL, step * w->in_size};
    it->at += step;
    return true;
}

static prong_status iterator_next_of_generator(prong_iterator *it, prong_bytes *argument, bool *more) {
    *more = it->work.generator(argument, it->work.generator_context);
    if (!*more || it->job->form == PRONG_FORM_TASK || argument->size % it->work.in_size == 0) return PRONG_OK;
    return fail(PRONG_INVALID, "iterate: the generator gave %zu bytes, for elements of %zu", argument->size,
                it->work.in_size);
}

static prong_status iterator_next_argument(prong_iterator *it, prong_bytes *argument, bool *more) {
    *argument = (prong_bytes){0};
    if (it->scratch) return values_next(it->scratch, &it->header, &it->work, &it->at, argument, more);
    if (it->work.generator) return iterator_next_of_generator(it, argument, more);
    *more = it->work.arguments ? it->at < it->work.count : iterator_next_of_array(it, argument);
    if (it->work.arguments && *more) *argument = it->work.arguments[it->at++];
    return PRONG_OK;
}

/* --- feeding --- */

static uint64_t iterator_free_place(const prong_iterator *it) {
    uint64_t place = 0;
    while (it->used[place]) place++;
    return place;
}

/* What is pickled already goes behind a header. */
static prong_bytes iterator_head(const prong_iterator *it) {
    bool headed = it->job->values && !it->scratch;
    return headed ? (prong_bytes){&it->header, sizeof it->header} : (prong_bytes){0};
}

/* Under the guard: the task at place is the next to be claimed. */
static void iterator_append(struct pool *pool, struct job *job, uint64_t place) {
    uint64_t *order = (uint64_t *)arena_at(job->order) + job->count % job->capacity;
    guard_set(&pool->guard, order, place);
    guard_set(&pool->guard, job_word(job, place), task_word(TASK_PENDING, PRONG_OK, 0, 0));
    load_add(pool, job, job_call(job, place)->argument_size);
    job_add_task(pool, job, place);
}

static prong_status iterator_fail_stopped(const struct job *job) {
    return fail((prong_status)job->cancel_status, "iterate: the pool was terminated, or is broken");
}

static void iterator_use(prong_iterator *it, uint64_t place) {
    it->used[place] = true;
    it->order[it->fed++ % it->capacity] = place;
    it->busy++;
}

/* Under the guard. Workers of a pool that was shut down end when no task is left. */
static bool iterator_has_no_workers(const struct pool *pool) {
    return atomic_load(&pool->state) == POOL_CLOSED && !pool->unfinished && !pool->inlined;
}

/* One that has a task in the pool reads ahead no further where that is full: it never waits, since it may be what holds the room. */
static prong_status iterator_check_room(const prong_iterator *it, const struct pool *pool, size_t size) {
    TRY(load_check(pool, size));
    return it->busy && !load_fits(pool, size) ? PRONG_FULL : PRONG_OK;
}

static prong_status iterator_add_task(prong_iterator *it, const prong_bytes *argument) {
    struct job *job = it->job;
    struct pool *pool = arena_at(job->pool);
    TRY(iterator_check_room(it, pool, iterator_head(it).size + argument->size));
    uint64_t place = iterator_free_place(it);
    struct call *call = job_call(job, place);
    call->number = it->fed;
    prong_status status = call_store_argument(call, iterator_head(it), argument);
    if (status < 0) return status;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    if (job->cancel_status)
        status = iterator_fail_stopped(job);
    else if (iterator_has_no_workers(pool))
        status = fail(PRONG_NOT_RUNNING, "iterate: pool '%s' was shut down, and its workers have ended", pool->name);
    else if (!(status = iterator_check_room(it, pool, call->argument_size)))
        iterator_append(pool, job, place);
    bool backlog = pool_lacks_workers(pool);
    guard_leave(&pool->guard);
    if (status < 0) return status;
    if (backlog) waitq_notify(&pool->attention, 1);
    iterator_use(it, place);
    if (pool->inlined)
        schedule_tell(pool, arena_offset(job), inline_run_task(pool, job, place));
    else
        waitq_notify(&pool->work, 1);
    return PRONG_OK;
}

static prong_status iterator_seal(prong_iterator *it) {
    struct pool *pool = arena_at(it->job->pool);
    it->exhausted = true;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    guard_set(&pool->guard, &it->job->sealed, 1);
    guard_leave(&pool->guard);
    return PRONG_OK;
}

/* What the journal has of the input takes a place, and is no task. */
static prong_status iterator_look_up(prong_iterator *it, bool *recorded) {
    uint64_t place = iterator_free_place(it);
    size_t head = it->scratch ? sizeof it->header : 0,
           in_size = it->job->form == PRONG_FORM_TASK ? 0 : it->work.in_size;
    prong_bytes input = {it->argument.data ? (const char *)it->argument.data + head : NULL, it->argument.size - head};
    TRY(journaled_look_up(it->journaled, place, input, in_size ? input.size / in_size : 1, recorded));
    if (!*recorded) return PRONG_OK;
    iterator_use(it, place);
    it->skipped++;
    return PRONG_OK;
}

/* An argument that a failure leaves behind goes first the next time. */
static prong_status iterator_feed_one(prong_iterator *it) {
    bool more = true, recorded = false;
    if (!it->waits) TRY(iterator_next_argument(it, &it->argument, &more));
    if (!more) return iterator_seal(it);
    it->waits = true;
    if (it->journaled) TRY(iterator_look_up(it, &recorded));
    if (!recorded) TRY(iterator_add_task(it, &it->argument));
    if (it->journaled) journaled_advance(it->journaled);
    it->waits = false;
    return PRONG_OK;
}

static prong_status iterator_feed(prong_iterator *it) {
    prong_status status = PRONG_OK;
    while (status >= 0 && !it->exhausted && it->busy < it->capacity) status = iterator_feed_one(it);
    return status == PRONG_FULL ? PRONG_OK : status;
}

/* --- taking --- */

static bool iterator_is_recorded(const prong_iterator *it, uint64_t place) {
    return it->journaled && journaled_is_recorded(it->journaled, place);
}

static void iterator_return_lent(prong_iterator *it) {
    if (!it->lent) return;
    if (!iterator_is_recorded(it, it->lent - 1)) call_free(job_call(it->job, it->lent - 1));
    it->used[it->lent - 1] = false;
    it->busy--;
    it->lent = 0;
}

static bool iterator_has_ended(const prong_iterator *it, uint64_t place) {
    if (!it->used[place] || iterator_is_recorded(it, place)) return it->used[place];
    return task_state(__atomic_load_n(job_word(it->job, place), __ATOMIC_ACQUIRE)) == TASK_ENDED;
}

static bool iterator_find_ended(const prong_iterator *it, uint64_t *place) {
    if (it->ordered) {
        *place = it->order[it->given % it->capacity];
        return iterator_has_ended(it, *place);
    }
    for (*place = 0; *place < it->capacity; ++*place)
        if (iterator_has_ended(it, *place)) return true;
    return false;
}

static bool iterator_find_unwritten(const prong_iterator *it, uint64_t *place) {
    for (*place = 0; it->ordered && it->journaled && *place < it->capacity; ++*place)
        if (journaled_is_unwritten(it->journaled, *place) && iterator_has_ended(it, *place)) return true;
    return false;
}

static bool iterator_has_something(void *context) {
    prong_iterator *it = context;
    uint64_t place;
    return iterator_find_ended(it, &place) || iterator_find_unwritten(it, &place) ||
           __atomic_load_n(&it->job->cancel_status, __ATOMIC_RELAXED);
}

/* Seen without the guard, an end may be taken back; look once more within. */
static bool iterator_ended_for_certain(const prong_iterator *it, uint64_t place) {
    struct pool *pool = arena_at(it->job->pool);
    if (iterator_is_recorded(it, place)) return true;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return false;
    bool certain = iterator_has_ended(it, place);
    guard_leave(&pool->guard);
    return certain;
}

/* Results that were made before it is their turn: the journal has them now. */
static void iterator_write_early(prong_iterator *it) {
    prong_outcome outcome;
    uint64_t place;
    while (iterator_find_unwritten(it, &place) && iterator_ended_for_certain(it, place)) {
        job_read_outcome(it->job, place, &outcome);
        journaled_write(it->journaled, place, &outcome);
    }
}

static prong_status iterator_take(prong_iterator *it, prong_outcome *outcome, bool *taken) {
    uint64_t place;
    *taken = iterator_find_ended(it, &place) && iterator_ended_for_certain(it, place);
    if (!*taken) return PRONG_OK;
    if (iterator_is_recorded(it, place))
        TRY(journaled_read(it->journaled, place, outcome));
    else
        job_read_outcome(it->job, place, outcome);
    if (it->journaled) journaled_write(it->journaled, place, outcome);
    it->lent = place + 1;
    it->given++;
    return it->journaled ? journaled_news(it->journaled) : PRONG_OK;
}

static void iterator_report(prong_iterator *it) {
    prong_progress progress;
    if (!it->progress || clock_now() < it->next_report) return;
    if (prong_job_progress(it->handle, &progress) >= 0) {
        progress.done += it->skipped;
        if (progress.total) progress.total += it->skipped;
        it->progress(&progress, it->progress_context);
    }
    it->next_report = clock_now() + PROGRESS_EVERY;
}

static void iterator_report_end(prong_iterator *it) {
    it->next_report = 0;
    iterator_report(it);
    it->progress = NULL; /* once */
}

static struct awaited iterator_next_awaited(const prong_iterator *it) {
    int64_t place =
        it->ordered ? (int64_t)it->order[it->given % it->capacity] : await_more_than(it->given - it->skipped);
    return (struct awaited){it->handle.offset, it->handle.generation, place};
}

static prong_status iterator_wait_as(prong_iterator *it, const struct await *await, prong_outcome *outcome,
                                     deadline_t deadline) {
    bool taken;
    for (;;) {
        prong_status status = iterator_take(it, outcome, &taken);
        if (status < 0 || taken) return status;
        iterator_write_early(it);
        TRY(it->job->cancel_status ? iterator_fail_stopped(it->job) : await_check(await));
        if (!waitq_wait(&it->job->progress, iterator_has_something, it, deadline) && !iterator_has_something(it))
            return fail_text(PRONG_TIMEOUT, "iterate: no result in the time given");
        iterator_report(it);
    }
}

static prong_status iterator_wait_for_next(prong_iterator *it, prong_outcome *outcome, deadline_t deadline) {
    struct await await;
    bool taken;
    struct awaited awaited = iterator_next_awaited(it);
    prong_status status = iterator_take(it, outcome, &taken);
    if (status < 0 || taken) return status;
    INTERRUPTIBLE;
    await_begin(&await, &awaited, deadline);
    status = iterator_wait_as(it, &await, outcome, deadline);
    await_end(&await);
    return status;
}

prong_status prong_iterator_next(prong_iterator *it, prong_outcome *outcome, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, it->handle, &job));
    iterator_return_lent(it);
    iterator_report(it);
    if (!object_is_live(KIND_POOL, it->job->pool, it->job->pool_generation))
        return fail(PRONG_NOT_RUNNING, "iterate: the pool was destroyed");
    iterator_write_early(it);
    TRY(iterator_feed(it));
    if (it->busy == 0) {
        iterator_report_end(it);
        return fail_text(PRONG_EOF, "iterate: all results have been taken");
    }
    return iterator_wait_for_next(it, outcome, deadline);
}

struct journaled *iterator_journaled(const prong_iterator *it, uint64_t *place) {
    *place = it->lent - 1;
    return it->journaled;
}

prong_status iterator_end_journal(prong_iterator *it) {
    struct journaled *journaled = it->journaled;
    it->journaled = NULL;
    return journaled_close(journaled);
}

void prong_iterator_close(prong_iterator *it) {
    if (!it) return;
    prong_job_destroy(it->handle);
    iterator_free(it);
}
