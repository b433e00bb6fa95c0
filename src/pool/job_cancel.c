/* Cancelling a job, and destroying one whose tasks may still run. */
#include "base/error.h"
#include "base/interrupt.h"
#include "base/periods.h"
#include "family/member.h"
#include "pool/job.h"
#include "pool/load.h"
#include "pool/notes.h"
#include "pool/schedule.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>

prong_status job_enter_guard(prong_job handle, struct job *job, bool *inside) {
    struct pool *pool = arena_at(job->pool);
    *inside = false;
    if (!job_pool_lives(job)) return PRONG_OK;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    *inside = object_is_live(KIND_JOB, handle.offset, handle.generation) && job_pool_lives(job) && !job->abandoned;
    if (!*inside) guard_leave(&pool->guard);
    return PRONG_OK;
}

/* A hand that runs a task of a job, as it was seen under the guard. */
struct runner {
    struct hand *hand;
    struct claim claim;
    prong_process process;
    uint32_t token;
};

/* Whether a hand of the pool runs a task of the job: else the job may be freed, and its place another's. */
static bool job_runs(prong_job job) {
    return object_is_live(KIND_JOB, job.offset, job.generation) && ((struct job *)arena_at(job.offset))->running;
}

static struct runner runner_of(struct pool *pool, struct hand *hand) {
    const struct worker *worker = hand_worker(pool, hand);
    return (struct runner){hand, hand_claim(hand), worker_process(worker), (uint32_t)worker->token};
}

/* Dooms those that run tasks of the job, which was cancelled, so that no others will; *count of them, to be freed by the caller. NULL:
 * there are none, or no memory. It looks for them among all hands: a list would cost each claim a cache line of a neighbour's. */
static struct runner *job_doom_runners(struct pool *pool, prong_job handle, size_t *count) {
    struct job *job = arena_at(handle.offset);
    size_t most = __atomic_load_n(&job->running, __ATOMIC_RELAXED);
    struct runner *runners = most ? calloc(most, sizeof *runners) : NULL;
    *count = 0;
    if (!runners || !guard_enter(&pool->guard, PRONG_FOREVER)) return runners;
    uint64_t hands = job_runs(handle) ? pool->worker_count : 0;
    for (uint64_t i = 0; i < hands && *count < most; i++) {
        struct hand *hand = pool_hand(pool, i);
        if (hand->job != handle.offset || hand->generation != handle.generation) continue;
        if (!hand->doom) guard_set(&pool->guard, &hand->doom, DOOM_CANCEL);
        guard_commit(&pool->guard);
        runners[(*count)++] = runner_of(pool, hand);
    }
    guard_leave(&pool->guard);
    return runners;
}

static void job_kill_runners(struct pool *pool, prong_job job) {
    size_t count;
    struct runner *runners = job_doom_runners(pool, job, &count);
    for (size_t i = 0; i < count; i++) prong_process_signal(runners[i].process, SIGKILL);
    free(runners);
}

/* Ends the task of a doomed hand whose worker is dead. */
static void runner_bury(struct pool *pool, const struct runner *runner) {
    if (member_alive(runner->token) || !guard_enter(&pool->guard, PRONG_FOREVER)) return;
    unsigned news = JOB_NEWS_NONE;
    if (schedule_holds(runner->hand, &runner->claim) && hand_worker(pool, runner->hand)->token == runner->token)
        news = schedule_loss(pool, runner->hand, -SIGKILL);
    guard_leave(&pool->guard);
    schedule_tell(pool, runner->claim.job, news);
}

/* Ends the tasks whose killed workers are dead, as their owner does sooner or later: it may be a stopped process. */
static void job_end_killed(struct pool *pool, prong_job job) {
    size_t count;
    struct runner *runners = job_doom_runners(pool, job, &count);
    for (size_t i = 0; i < count; i++) runner_bury(pool, &runners[i]);
    free(runners);
}

/* Returns when no worker reads or writes the caller's memory any more, in which this job's tasks work in place. Whatever it takes: a
 * worker that is stopped dies of it as well. What interrupted the wait before does not interrupt this. */
static void job_take_memory_back(prong_job handle, struct job *job) {
    struct pool *pool = arena_at(job->pool);
    bool cancelled = wait_cancelled;
    INTERRUPTS_HELD;
    wait_cancelled = false;
    prong_job_cancel(handle, true);
    while (object_is_live(KIND_JOB, handle.offset, handle.generation) && job_pool_lives(job) && !job_has_ended(job)) {
        waitq_wait(&job->progress, job_seems_ended, job, deadline_after(DEAD_KILLED));
        wait_cancelled = false;
        job_end_killed(pool, handle);
    }
    wait_cancelled = cancelled;
}

prong_status prong_job_cancel(prong_job handle, bool force) {
    struct job *job;
    bool guarded = false;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status >= 0) status = job_enter_guard(handle, job, &guarded);
    if (status < 0 || !guarded) return status;
    struct pool *pool = arena_at(job->pool);
    schedule_cancel(pool, job, PRONG_CANCELLED);
    guard_leave(&pool->guard);
    if (force) job_kill_runners(pool, handle);
    schedule_tell(pool, handle.offset, JOB_NEWS_NONE);
    return PRONG_OK;
}

/* Under the guard: dooms the hand that runs the task. False: none does. */
static bool job_doom_runner(struct pool *pool, prong_job handle, uint64_t place, struct runner *runner) {
    for (uint64_t i = 0; i < pool->worker_count; i++) {
        struct hand *hand = pool_hand(pool, i);
        if (hand->job != handle.offset || hand->generation != handle.generation || hand->place != place) continue;
        if (!hand->doom) guard_set(&pool->guard, &hand->doom, DOOM_CANCEL);
        *runner = runner_of(pool, hand);
        return true;
    }
    return false;
}

prong_status prong_job_cancel_task(prong_job handle, size_t index, bool force) {
    struct job *job;
    struct runner runner;
    unsigned news = JOB_NEWS_NONE;
    bool guarded = false;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    if (index >= job_count(job) || job->order)
        return fail(PRONG_INVALID, "task %zu of a job of %llu", index, (unsigned long long)job_count(job));
    prong_status status = job_enter_guard(handle, job, &guarded);
    if (status < 0 || !guarded) return status;
    struct pool *pool = arena_at(job->pool);
    bool kill = !schedule_withdraw(pool, job, index, &news) && force && job_doom_runner(pool, handle, index, &runner);
    guard_leave(&pool->guard);
    if (kill) prong_process_signal(runner.process, SIGKILL);
    schedule_tell(pool, handle.offset, news);
    return PRONG_OK;
}

/* Running tasks of it are left to end. */
prong_status job_abandon(prong_job handle, struct job *job) {
    struct pool *pool = arena_at(job->pool);
    bool inside, idle = true;
    if (job_is_settled(job) && !job->tell_owner) {
        object_destroy(job, handle.generation);
        return PRONG_OK;
    }
    prong_status status = job_enter_guard(handle, job, &inside);
    if (status < 0) return status;
    if (inside) {
        if (!job_ended(job)) schedule_cancel(pool, job, PRONG_CANCELLED);
        guard_set(&pool->guard, &job->abandoned, 1);
        schedule_untell_owner(pool, job);
        idle = job->running == 0;
        if (idle) guard_set(&pool->guard, &job->freed_by, self_token());
        guard_leave(&pool->guard);
        load_tell(pool);
    } else if (job_pool_lives(job)) {
        return PRONG_OK; /* somebody was faster */
    }
    waitq_notify(&job->progress, INT_MAX);
    if (idle) object_destroy(job, handle.generation);
    return PRONG_OK;
}

/* This process's, even where another process has destroyed the job. */
static void job_close_descriptor(prong_job handle) {
    if (object_is_place(handle.offset))
        object_bell_close(&((struct job *)arena_at(handle.offset))->bell, handle.generation);
}

prong_status prong_job_destroy(prong_job handle) {
    struct job *job;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status < 0) {
        job_close_descriptor(handle);
        return status;
    }
    bool has_bell = atomic_load(&job->bell.generation) == handle.generation;
    if (job->in_place && !job_has_ended(job)) job_take_memory_back(handle, job);
    note_remove(handle);
    status = job_abandon(handle, job);
    if (has_bell) job_close_descriptor(handle);
    return status;
}

prong_status job_destroy_after(prong_job handle, prong_status status) {
    if (status >= 0) {
        prong_job_destroy(handle);
        return PRONG_OK;
    }
    KEEP_MESSAGE;
    prong_job_destroy(handle);
    return status;
}

/* --- all jobs of a pool --- */

struct cancelling {
    struct pool *pool;
    bool all;
};

/* A job that is not abandoned, seen under the guard, stays while the guard is held: see prong_job_destroy. */
static void job_cancel_of_pool(void *object, void *context) {
    struct job *job = object;
    struct cancelling *cancelling = context;
    struct pool *pool = cancelling->pool;
    object_touch(job);
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) {
        cancelling->all = false;
        return;
    }
    bool ours = atomic_load(&job->object.state) == OBJECT_LIVE && job->pool == arena_offset(pool) &&
                job->pool_generation == object_generation(pool) && !job->abandoned;
    if (ours && !job_ended(job))
        schedule_cancel(pool, job, atomic_load(&pool->state) == POOL_BROKEN ? PRONG_POOL_BROKEN : PRONG_CANCELLED);
    guard_leave(&pool->guard);
    if (ours) schedule_tell(pool, arena_offset(job), JOB_NEWS_NONE);
}

bool jobs_cancel_unfinished(struct pool *pool) {
    struct cancelling cancelling = {pool, true};
    object_each(KIND_JOB, job_cancel_of_pool, &cancelling);
    return cancelling.all;
}

bool jobs_cancel_all(struct pool *pool) {
    for (uint64_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = pool_worker(pool, i);
        struct hand *hand = worker_hand(pool, worker);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return false;
        uint64_t job = hand->job;
        if (job) guard_set(&pool->guard, &hand->doom, DOOM_CANCEL);
        unsigned news = job ? schedule_death(pool, worker, 0) : JOB_NEWS_NONE;
        INSIDE struct visit inside = {0};
        if (job) object_enter_known(&inside, job);
        guard_leave(&pool->guard);
        if (job) schedule_tell(pool, job, news);
    }
    return jobs_cancel_unfinished(pool);
}
