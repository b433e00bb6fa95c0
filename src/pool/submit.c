/* Submitting work, and running it: tasks with an argument each, and arrays in chunks. */
#include "base/error.h"
#include "family/member.h"
#include "pool/journal_run.h"
#include "pool/notes.h"
#include "pool/submit.h"
#include "pool/values.h"

#include <string.h>

enum { CHUNKS_A_WORKER = 4 };
/* Bytes that an open job has for the argument of a task that is added, unless the first ones are larger: then so many, up to a limit. */
enum { ROOM_LEAST = 32, ROOM_MOST = 512 };

static size_t submit_padded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

/* On failure the job is gone. */
static prong_status submit_noted(struct submission *s, struct pool *pool, struct job *job,
                                 const struct outputs *outputs, prong_job *handle) {
    *handle = job_handle(job);
    prong_status status = job_note(*handle, s, outputs);
    if (status < 0)
        job_discard(job);
    else if ((status = job_submit(s, pool, job, handle)))
        note_remove(*handle);
    return status;
}

/* --- an argument a task --- */

static prong_bytes submit_argument(const prong_work *work, size_t i) {
    if (work->arguments) return work->arguments[i];
    return (prong_bytes){work->in ? (const char *)work->in + i * work->in_size : NULL, work->in_size};
}

/* Bytes for the arguments of tasks that are added later: they are as large as those that it begins with. */
static size_t submit_room(const struct submission *s) {
    size_t each = s->count ? submit_padded(s->extra / s->count) : 0;
    return (s->capacity - s->count) * (each < ROOM_LEAST ? ROOM_LEAST : each > ROOM_MOST ? ROOM_MOST : each);
}

prong_status submit_tasks(struct submission *s, prong_bytes head, prong_job *handle, const struct outputs *outputs) {
    struct pool *pool;
    struct job *job;
    uint64_t at;
    INSIDE struct visit inside = {0};
    TRY(pool_enter(&inside, s->pool, &pool));
    TRY(job_check_count(s->capacity, sizeof(struct call))); /* before the loop over all of them */
    for (size_t i = 0; i < s->count; i++) s->extra += submit_padded(head.size + submit_argument(s->work, i).size);
    size_t room = submit_room(s);
    s->extra += room;
    TRY(job_create(s, pool, &job, &at));
    for (size_t i = 0; i < s->count; i++) {
        struct call *call = job_call(job, i);
        prong_bytes argument = submit_argument(s->work, i);
        call->argument = at;
        call->argument_size = head.size + argument.size;
        if (head.size) memcpy(arena_at(at), head.data, head.size);
        if (argument.size) memcpy(arena_at(at + head.size), argument.data, argument.size);
        at += submit_padded(call->argument_size);
    }
    if (s->options->capacity) {
        job->room_at = at;
        job->room_end = at + room;
    }
    return submit_noted(s, pool, job, outputs, handle);
}

/* --- arrays in, arrays out --- */

size_t submit_default_chunk(size_t workers, size_t count) {
    size_t chunks = workers * CHUNKS_A_WORKER;
    return count ? (count + chunks - 1) / chunks : 1;
}

static prong_status submit_elements(struct submission *s, prong_job *handle, const struct outputs *outputs) {
    const prong_work *work = s->work;
    struct pool *pool;
    struct job *job;
    uint64_t at;
    INSIDE struct visit inside = {0};
    TRY(pool_enter(&inside, s->pool, &pool));
    size_t chunk =
        s->options->chunk_size ? s->options->chunk_size : submit_default_chunk(pool_wanted(pool), work->count);
    size_t in_bytes = work->count * work->in_size, out_bytes = work->count * work->out_size;
    bool in_place = arena_contains(work->in, in_bytes), out_place = !out_bytes || arena_contains(work->out, out_bytes);
    s->count = s->capacity = work->count / chunk + (work->count % chunk != 0);
    s->extra = (in_place ? 0 : submit_padded(in_bytes)) + (out_place ? 0 : out_bytes);
    TRY(job_create(s, pool, &job, &at));
    job->in = in_place ? arena_offset(work->in) : at;
    if (!in_place && in_bytes) {
        memcpy(arena_at(at), work->in, in_bytes);
        at += submit_padded(in_bytes);
    }
    job->in_place = work->count && (in_place || (out_place && out_bytes));
    job->out = out_place ? (out_bytes ? arena_offset(work->out) : 0) : at;
    job->elements = work->count;
    job->chunk = chunk;
    return submit_noted(s, pool, job, out_place ? NULL : outputs, handle);
}

/* --- either --- */

static struct outputs submit_outputs(const prong_work *work) {
    return (struct outputs){work->out, work->out_size, work->count, work->sizes};
}

prong_status prong_pool_submit(prong_pool pool, const prong_work *work, prong_job *job,
                               const prong_task_options *options) {
    struct submission s;
    TRY(work_read(&s, pool, work, options, WORK_SUBMIT));
    struct outputs outputs = submit_outputs(work);
    if (s.values) return values_submit(&s, job);
    if (s.form != PRONG_FORM_TASK) return submit_elements(&s, job, &outputs);
    return submit_tasks(&s, (prong_bytes){0}, job, work->out || work->sizes ? &outputs : NULL);
}

/* Out of time, or waiting for itself: what has not begun will not be. */
prong_status job_wait_or_cancel(prong_job job, prong_time timeout, uint64_t *too_long) {
    prong_status status = job_wait_end(job, timeout, too_long);
    if (status == PRONG_TIMEOUT || status == PRONG_INTERRUPTED || status == PRONG_DEADLOCK)
        prong_job_cancel(job, false);
    return status == PRONG_TIMEOUT ? fail(PRONG_TIMEOUT, "the tasks were not done in the time given") : status;
}

/* Results go from the arena to where the work wants them without a note of that place: for one task, a note costs time. */
static prong_status submit_run_tasks(struct submission *s) {
    prong_job job;
    struct outputs outputs = submit_outputs(s->work);
    uint64_t too_long = 0, unused;
    TRY(submit_tasks(s, (prong_bytes){0}, &job, NULL));
    prong_status status = job_wait_or_cancel(job, s->timeout, &unused);
    if (outputs.out || outputs.sizes) too_long = job_deliver_to(job, &outputs);
    if (status >= 0) status = job_first_failure(job);
    if (status >= 0 && too_long) status = job_fail_too_long(job, too_long - 1);
    return job_destroy_after(job, status);
}

static prong_status submit_run_elements(struct submission *s) {
    prong_job job;
    struct outputs outputs = submit_outputs(s->work);
    uint64_t unused;
    TRY(submit_elements(s, &job, &outputs));
    prong_status status = job_wait_or_cancel(job, s->timeout, &unused);
    if (status < 0) job_deliver(job); /* what is done; else the wait has */
    if (status >= 0) status = job_first_failure(job);
    return job_destroy_after(job, status);
}

prong_status prong_pool_run(prong_pool pool, const prong_work *work, const prong_task_options *options,
                            prong_time timeout) {
    struct submission s;
    TRY(work_read(&s, pool, work, options, WORK_RUN));
    if (s.options->journal) return journal_run(&s, timeout);
    s.timeout = timeout;
    if (s.values) return values_run(&s);
    return s.form == PRONG_FORM_TASK ? submit_run_tasks(&s) : submit_run_elements(&s);
}
