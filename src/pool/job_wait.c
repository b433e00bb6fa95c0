/* Waiting for a job, or for one of its tasks. */
#include "base/error.h"
#include "base/interrupt.h"
#include "family/member.h"
#include "pool/await.h"
#include "pool/job.h"
#include "pool/job_wait.h"
#include "pool/notes.h"
#include "pool/schedule.h"

bool job_seems_ended(void *job) {
    return job_ended(job);
}

/* A waiter that spins looks at this one, for which no guard has to be entered after: as long as a worker is under the pool's guard,
 * it is not disturbed. */
static bool job_is_seen_settled(void *job) {
    return atomic_load_explicit(&((struct job *)job)->settled, memory_order_relaxed) != 0;
}

static bool job_wait_for_news(struct job *job, deadline_t deadline) {
    if (deadline == PRONG_NOWAIT) return false;
    return spin_until(job_is_seen_settled, job) || waitq_sleep(&job->progress, job_seems_ended, job, deadline);
}

static void job_fill_progress(const struct job *job, bool ended, prong_progress *p) {
    *p = (prong_progress){.done = __atomic_load_n(&job->done, __ATOMIC_RELAXED),
                          .total = __atomic_load_n(&job->sealed, __ATOMIC_RELAXED) ? job_count(job) : 0,
                          .elapsed = clock_now() - job->began,
                          .ended = ended};
    p->rate = p->elapsed > 0 ? (double)p->done * 1e9 / (double)p->elapsed : 0;
    p->remaining = p->rate > 0 && p->total ? (prong_time)((double)(p->total - p->done) / p->rate * 1e9) : PRONG_FOREVER;
}

static void job_report(const struct job *job, bool ended, const struct note *note) {
    prong_progress progress;
    if (!note || !note->progress) return;
    job_fill_progress(job, ended, &progress);
    note->progress(&progress, note->progress_context);
}

static prong_status job_out_of_time(struct job *job) {
    object_bell_after_nothing(&job->bell);
    return fail(PRONG_TIMEOUT, "%llu of %llu tasks are done",
                (unsigned long long)__atomic_load_n(&job->done, __ATOMIC_RELAXED), (unsigned long long)job_count(job));
}

/* The job may be destroyed by another thread or process meanwhile. */
static prong_status job_is_there(prong_job handle) {
    if (object_is_live(KIND_JOB, handle.offset, handle.generation)) return PRONG_OK;
    return object_stale(KIND_JOB, handle.offset, handle.generation);
}

static prong_status job_wait_as(const struct await *await, prong_job handle, struct job *job, const struct note *note,
                                deadline_t deadline) {
    prong_time step = note && note->progress ? PROGRESS_EVERY : PRONG_FOREVER;
    for (;;) {
        prong_status status = job_is_there(handle);
        if (status < 0 || job_has_ended(job)) return status;
        if ((status = await_check(await))) return status;
        bool more = job_wait_for_news(job, deadline_within(deadline, step));
        if (job_ended(job)) continue;
        job_report(job, false, note);
        if (!more && deadline_passed(deadline)) return job_out_of_time(job);
    }
}

static prong_status job_wait_for_end(prong_job handle, struct job *job, const struct note *note, deadline_t deadline) {
    struct await await;
    if (job_has_ended(job)) return PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){handle.offset, handle.generation, AWAIT_EVERY_TASK}, deadline);
    prong_status status = job_wait_as(&await, handle, job, note, deadline);
    await_end(&await);
    return status;
}

prong_status job_wait_end(prong_job handle, prong_time timeout, uint64_t *too_long) {
    struct job *job;
    struct note note;
    INSIDE struct visit inside = {0};
    *too_long = 0;
    prong_status status = job_enter(&inside, handle, &job);
    if (status < 0) return status;
    bool noted = note_find(handle, &note);
    status = job_wait_for_end(handle, job, noted ? &note : NULL, deadline_after(timeout));
    if (status < 0) return status;
    object_bell_after_ready(&job->bell); /* the worker that ended it may be stopped before it has rung */
    if (noted) {
        job_report(job, true, &note);
        *too_long = job_deliver(handle);
    }
    return PRONG_OK;
}

prong_status prong_job_wait(prong_job handle, prong_time timeout) {
    uint64_t too_long;
    TRY(job_wait_end(handle, timeout, &too_long));
    TRY(job_first_failure(handle));
    return too_long ? job_fail_too_long(handle, too_long - 1) : PRONG_OK;
}

prong_status prong_job_progress(prong_job handle, prong_progress *progress) {
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    bool ended = job_has_ended(job);
    job_fill_progress(job, ended, progress);
    if (ended)
        object_bell_after_ready(&job->bell);
    else
        object_bell_after_nothing(&job->bell);
    return PRONG_OK;
}

/* --- any tasks --- */

struct more_tasks {
    struct job *job;
    uint64_t done; /* are known */
};

static bool job_has_more(void *context) {
    struct more_tasks *more = context;
    return __atomic_load_n(&more->job->done, __ATOMIC_ACQUIRE) > more->done || job_ended(more->job);
}

prong_status job_wait_more(prong_job handle, uint64_t done, prong_time timeout) {
    struct await await;
    struct more_tasks more = {.done = done};
    deadline_t deadline = deadline_after(timeout);
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &more.job);
    if (status < 0) return status;
    __atomic_store_n(&more.job->tell_each, 1, __ATOMIC_RELAXED);
    if (job_has_more(&more)) return PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){handle.offset, handle.generation, await_more_than(done)}, deadline);
    while (status >= 0 && !(status = job_is_there(handle)) && !job_has_more(&more)) {
        status = await_check(&await);
        if (status >= 0 && !waitq_wait(&more.job->progress, job_has_more, &more, deadline) && !job_has_more(&more))
            status = job_out_of_time(more.job);
    }
    await_end(&await);
    return status;
}

/* --- one task --- */

struct one_task {
    struct job *job;
    uint64_t place;
};

static bool task_has_ended(void *context) {
    struct one_task *task = context;
    uint64_t word = __atomic_load_n(job_word(task->job, task->place), __ATOMIC_ACQUIRE);
    return task_state(word) == TASK_ENDED || job_ended(task->job);
}

static prong_status task_wait(prong_job handle, struct one_task *task, deadline_t deadline) {
    struct await await;
    prong_status status = PRONG_OK;
    struct job *job = task->job;
    __atomic_store_n(&job->tell_each, 1, __ATOMIC_RELAXED);
    if (task_state(job_word_for_certain(job, task->place)) == TASK_ENDED) return PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){handle.offset, handle.generation, (int64_t)task->place}, deadline);
    while (status >= 0 && !(status = job_is_there(handle)) &&
           task_state(job_word_for_certain(job, task->place)) != TASK_ENDED) {
        status = await_check(&await);
        if (status >= 0 && !waitq_wait(&job->progress, task_has_ended, task, deadline) && !task_has_ended(task))
            status = fail(PRONG_TIMEOUT, "task %llu is not done", (unsigned long long)task->place);
    }
    await_end(&await);
    return status;
}

prong_status prong_job_outcome(prong_job handle, size_t index, prong_outcome *outcome, prong_time timeout) {
    struct job *job;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status < 0) return status;
    if (index >= job_count(job))
        return fail(PRONG_INVALID, "task %zu of a job of %llu", index, (unsigned long long)job_count(job));
    struct one_task task = {job, index};
    status = task_wait(handle, &task, deadline_after(timeout));
    if (status >= 0) job_read_outcome(job, index, outcome);
    return status;
}
