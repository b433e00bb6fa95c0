/* A job's callbacks: one that is set after the job was submitted, and how they are run. */
#include "base/error.h"
#include "pool/notes.h"
#include "pool/owner.h"
#include "pool/schedule.h"

void note_run_callback(const struct note *note) {
    if (note->each) {
        note->callback(note->job, note->context);
        return;
    }
    prong_status status = prong_job_wait(note->job, PRONG_NOWAIT);
    if (status < 0 && note->error_callback)
        note->error_callback(note->job, status, prong_error_message(), note->context);
    if (status >= 0 && note->callback) note->callback(note->job, note->context);
}

/* Whether the pool's thread will run the callback. A job that has ended is not put on the pool's list any more: another thread may
 * free it without entering the guard. */
static prong_status job_tell_owner(prong_job handle, struct job *job, bool each, bool *will) {
    bool inside;
    TRY(job_enter_guard(handle, job, &inside));
    if (!inside) return job_pool_lives(job) ? object_stale(KIND_JOB, handle.offset, handle.generation) : PRONG_OK;
    struct pool *pool = arena_at(job->pool);
    *will = !job_ended(job);
    if (*will) guard_set(&pool->guard, &job->tell_owner, each ? JOB_TELL_EACH : JOB_TELL_END);
    guard_leave(&pool->guard);
    return PRONG_OK;
}

static prong_status job_note_callback(struct note *note, bool *will) {
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, note->job, &job));
    prong_pool pool = {job->pool, job->pool_generation};
    note->each = job->room_end != 0;
    if (note->each && (note->error_callback || !note->callback))
        return fail(PRONG_INVALID, "job: a job with a capacity takes callback, and no error_callback");
    if (job_pool_lives(job) && !owner_is_self(pool))
        return fail(PRONG_INVALID, "job: a callback is set by the process that has the pool");
    TRY(owner_prepare_callbacks(pool));
    TRY(note_set_callback(note));
    prong_status status = job_tell_owner(note->job, job, note->each, will);
    if (status < 0) note_drop_callback(note->job);
    if (status == PRONG_STALE) note_remove(note->job);
    return status;
}

prong_status prong_job_set_callback(prong_job job, void (*callback)(prong_job, void *),
                                    void (*error_callback)(prong_job, prong_status, const char *, void *),
                                    void *context) {
    struct note note = {.job = job, .callback = callback, .error_callback = error_callback, .context = context};
    bool will = false;
    if (!callback && !error_callback) return fail(PRONG_INVALID, "job: no callback (NULL)");
    prong_status status = job_note_callback(&note, &will);
    if (status >= 0 && (!will || note.each) && note_take_callback(job, &note)) note_run_callback(&note);
    return status;
}
