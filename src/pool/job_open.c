/* An open job: tasks are added to it while others run. */
#include "base/error.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/inline.h"
#include "pool/notes.h"
#include "pool/schedule.h"

#include <limits.h>
#include <string.h>

/* In the storage of the job, where there is room: else in a block of its own. */
static prong_status open_store_argument(struct job *job, struct call *call, const void *argument, size_t size) {
    size_t padded = (size + 7) & ~(size_t)7;
    if (padded < size || padded > job->room_end - job->room_at)
        return call_store_argument(call, (prong_bytes){0}, &(prong_bytes){argument, size});
    call->argument = job->room_at;
    call->argument_size = size;
    if (size) memcpy(arena_at(job->room_at), argument, size);
    job->room_at += padded;
    return PRONG_OK;
}

static prong_status open_check(const struct job *job) {
    if (!job->room_end)
        return fail(PRONG_INVALID, "job: nothing is added to one that was submitted without a capacity");
    if (atomic_load(&job->submitter) != self_token())
        return fail(PRONG_NOT_OWNER, "job: tasks are added by the process that submitted it");
    if (job_count(job) < job->capacity) return PRONG_OK;
    return fail(PRONG_FULL, "job: its capacity of %llu tasks is used up", (unsigned long long)job->capacity);
}

void job_add_task(struct pool *pool, struct job *job, uint64_t place) {
    guard_set(&pool->guard, &job->count, job->count + 1);
    if (pool->inlined) {
        inline_take(pool, job, place);
        return;
    }
    guard_set(&pool->guard, &pool->unfinished, pool->unfinished + 1);
    schedule_job(pool, job);
}

/* Under the guard. */
static prong_status open_append(struct pool *pool, struct job *job) {
    if (job->cancel_status)
        return fail((prong_status)job->cancel_status, "job: it was cancelled, or its pool has ended");
    if (job->sealed) return fail(PRONG_SHUTDOWN, "job: it was shut down");
    if (atomic_load(&pool->state) != POOL_RUNNING) return PRONG_NOT_RUNNING;
    job_add_task(pool, job, job->count);
    if (job->count == job->capacity) schedule_seal(pool, job);
    return PRONG_OK;
}

static prong_status open_add(prong_job handle, struct job *job, bool *backlog) {
    struct pool *pool = arena_at(job->pool);
    bool inside;
    TRY(job_enter_guard(handle, job, &inside));
    if (!inside && job_pool_lives(job)) return object_stale(KIND_JOB, handle.offset, handle.generation);
    if (!inside) return fail(PRONG_NOT_RUNNING, "job: its pool has ended");
    prong_status status = open_append(pool, job);
    *backlog = pool_lacks_workers(pool);
    guard_leave(&pool->guard);
    return status == PRONG_NOT_RUNNING ? job_fail_not_running(pool) : status;
}

static void open_run_inline(struct pool *pool, struct job *job, prong_job handle, uint64_t place) {
    struct note note;
    bool tells = job->tell_owner;
    schedule_tell(pool, handle.offset, inline_run_task(pool, job, place));
    if (tells && note_take_callback(handle, &note)) note_run_callback(&note);
}

prong_status prong_job_add(prong_job handle, const void *argument, size_t size, size_t *index) {
    struct job *job;
    bool backlog = false;
    INSIDE struct visit inside = {0};
    TRY(check_bytes(argument, size, "job: argument"));
    if (!index) return fail(PRONG_INVALID, "job: no place for the task's number (NULL)");
    TRY(job_enter(&inside, handle, &job));
    TRY(open_check(job));
    struct pool *pool = arena_at(job->pool);
    uint64_t place = job->count; /* nobody else adds any */
    schedule_expect(pool);
    TRY(open_store_argument(job, job_call(job, place), argument, size));
    TRY(open_add(handle, job, &backlog));
    *index = place;
    if (pool->inlined) open_run_inline(pool, job, handle, place);
    waitq_notify(&pool->work, 1);
    if (backlog) waitq_notify(&pool->attention, 1);
    return PRONG_OK;
}

prong_status prong_job_shutdown(prong_job handle) {
    struct job *job;
    bool guarded;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    if (job_is_settled(job) || __atomic_load_n(&job->sealed, __ATOMIC_RELAXED)) return PRONG_OK;
    TRY(job_enter_guard(handle, job, &guarded));
    if (!guarded) return PRONG_OK;
    struct pool *pool = arena_at(job->pool);
    schedule_seal(pool, job);
    schedule_tell_owner(pool, job);
    bool ended = job_ended(job);
    guard_leave(&pool->guard);
    schedule_tell(pool, handle.offset, ended ? JOB_NEWS_ENDED : JOB_NEWS_NONE);
    return PRONG_OK;
}

prong_status prong_job_release(prong_job handle, size_t index) {
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    if (index >= job_count(job) || !job->calls || job->order)
        return fail(PRONG_INVALID, "job: no task %zu to release", index);
    if (task_state(job_word_for_certain(job, index)) != TASK_ENDED)
        return fail(PRONG_STILL_RUNNING, "task %zu has not ended", index);
    call_free(job_call(job, index));
    return PRONG_OK;
}
