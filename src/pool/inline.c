/* A pool without workers: its tasks run in the thread that submits them, for a debugger.
 *
 * A job is run before others can know it, so only what an iterator's job shares with who terminates the pool is changed under the
 * guard. */
#include "pool/inline.h"

#include "base/error.h"
#include "family/member.h"
#include "pool/notes.h"
#include "pool/owner.h"
#include "pool/running.h"
#include "pool/schedule.h"
#include "pool/worker.h"

prong_status inline_check_owner(const struct pool *pool) {
    char who[80];
    if (pool->owner == self_token()) return PRONG_OK;
    return fail(PRONG_NOT_CHILD, "pool '%s' runs its tasks in %s, which created it", pool->name,
                member_describe((uint32_t)pool->owner, who, sizeof who));
}

/* --- around tasks --- */

int inline_run_hook(struct pool *pool, const struct hook *hook) {
    struct running running;
    running_enter(&running, 0, &pool->inline_state);
    int code = hook_run(hook);
    running_leave(&running);
    return code;
}

void inline_begin(struct pool *pool) {
    int code = inline_run_hook(pool, &pool->initializer);
    if (code) worker_report_broken(pool, code);
}

void inline_end(struct pool *pool) {
    if (atomic_exchange(&pool->workers_ended, 1)) return;
    if (atomic_load(&pool->state) == POOL_CLOSED) inline_run_hook(pool, &pool->around.exit);
    if (pool->open_jobs) jobs_cancel_unfinished(pool);
    atomic_store(&pool->workers_gone, 1);
}

/* --- tasks --- */

/* The submitter's own function, or one by its name. */
static prong_status inline_find_function(struct job *job) {
    return job->pointer ? PRONG_OK : function_resolve(&job->function, &job->pointer);
}

static struct done inline_call(struct pool *pool, struct job *job, uint64_t place) {
    struct running running;
    if (atomic_load(&pool->state) >= POOL_TERMINATED) return (struct done){PRONG_CANCELLED, 0};
    running_enter(&running, 0, &pool->inline_state);
    struct done done = worker_run_task(inline_find_function(job), job->pointer, job, place);
    running_leave(&running);
    return done;
}

static unsigned inline_note(struct pool *pool, struct job *job, uint64_t place, struct done done) {
    struct guard *guard = &pool->guard;
    unsigned tries = done.status == PRONG_CANCELLED ? 0 : 1;
    guard_set(guard, job_word(job, place), task_word(TASK_ENDED, done.status, tries, done.code));
    guard_set(guard, &job->done, job->done + 1);
    guard_set(guard, &job->running, job->running - 1);
    if (done.status < 0) {
        guard_set(guard, &job->failed, job->failed + 1);
        if (!job->first_failure) guard_set(guard, &job->first_failure, place + 1);
    }
    return schedule_news(pool, job);
}

void inline_take(struct pool *pool, struct job *job, uint64_t place) {
    guard_set(&pool->guard, job_word(job, place), task_word(TASK_RUNNING, PRONG_OK, 1, 0));
    guard_set(&pool->guard, &job->next, job->next + 1);
    guard_set(&pool->guard, &job->running, job->running + 1);
}

unsigned inline_run_task(struct pool *pool, struct job *job, uint64_t place) {
    struct done done = inline_call(pool, job, place);
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return JOB_NEWS_NONE;
    unsigned news = inline_note(pool, job, place, done);
    guard_leave(&pool->guard);
    return news;
}

static void inline_tell(struct job *job) {
    struct note note;
    if (note_take_callback(job_handle(job), &note)) note_run_callback(&note);
}

static bool inline_note_open(struct pool *pool) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return false;
    guard_set(&pool->guard, &pool->open_jobs, pool->open_jobs + 1);
    guard_leave(&pool->guard);
    return true;
}

prong_status inline_run(struct pool *pool, struct job *job) {
    TRY(inline_check_owner(pool));
    bool tells = job->tell_owner;
    job->next = job->running = job->count;
    for (uint64_t place = 0; place < job->count; place++) inline_run_task(pool, job, place);
    if (job->sealed)
        atomic_store_explicit(&job->settled, 1, memory_order_release);
    else if (!inline_note_open(pool))
        return lock_refused(PRONG_TIMEOUT, "the pool");
    object_publish(job);
    if (tells) inline_tell(job);
    return PRONG_OK;
}
