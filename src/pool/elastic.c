/* How many workers a pool has: told by a caller, or adapted to what there is to do; and new workers in place of old ones.
 *
 * The places before `wanted` have workers. One in another place, or of an earlier renewal, ends between two tasks, and its owner
 * starts what is missing: no task is lost. An adapting pool grows when tasks have waited for a while, to as many workers as there
 * are tasks, and shrinks to as many as were busy at the same time in a period of idle_time. */
#include "base/error.h"
#include "pool/await.h"
#include "pool/job.h"
#include "pool/owner_entry.h"
#include "pool/schedule.h"

#include <limits.h>

static const prong_time GROW_AFTER = PRONG_MS(10);

/* --- the workers are to be others, or of another number --- */

static void job_tell_fewer(void *object, void *pool) {
    struct job *job = object;
    object_touch(job);
    if (job->pool == arena_offset(pool)) waitq_notify(&job->progress, INT_MAX);
}

/* A worker that waits for a job has to look whether somebody is left to run it. */
static void pool_tell_fewer(struct pool *pool) {
    object_each(KIND_JOB, job_tell_fewer, pool);
}

/* --- by the owner, from time to time --- */

static bool pool_has_backlog(const struct pool *pool) {
    return atomic_load(&pool->state) <= POOL_CLOSED && pool_lacks_workers(pool) && schedule_first_job(pool);
}

/* Under the guard. */
static void pool_set_wanted(struct pool *pool, uint64_t wanted) {
    if (wanted > pool->most) wanted = pool->most;
    if (wanted < pool->least) wanted = pool->least;
    if (wanted != pool->wanted) guard_set(&pool->guard, &pool->wanted, wanted);
}

/* Returns when to look again. */
static deadline_t owner_grow(struct owner *o, int64_t now) {
    struct pool *pool = o->pool;
    if (!pool_has_backlog(pool)) {
        o->backlog_since = 0;
        return PRONG_FOREVER;
    }
    if (!o->backlog_since) o->backlog_since = now;
    if (now < o->backlog_since + GROW_AFTER) return o->backlog_since + GROW_AFTER;
    pool_set_wanted(pool, pool->unfinished);
    o->backlog_since = 0;
    o->period_since = now;
    return PRONG_FOREVER;
}

static deadline_t owner_shrink(struct owner *o, int64_t now) {
    struct pool *pool = o->pool;
    if (pool->wanted <= pool->least) return PRONG_FOREVER;
    if (now < o->period_since + pool->idle_time) return o->period_since + pool->idle_time;
    /* nor fewer than there are tasks: workers that were asked for may not have begun yet */
    uint64_t tasks = pool->unfinished < pool->wanted ? pool->unfinished : pool->wanted;
    pool_set_wanted(pool, pool->busy_most > tasks ? pool->busy_most : tasks);
    guard_set(&pool->guard, &pool->busy_most, pool->busy);
    o->period_since = now;
    return pool->wanted > pool->least ? now + pool->idle_time : PRONG_FOREVER;
}

bool owner_adapt(struct owner *o, prong_time patience, deadline_t *due) {
    struct pool *pool = o->pool;
    if (!pool->adapts) return true;
    if (!guard_enter(&pool->guard, deadline_after(patience))) return false;
    uint64_t before = pool->wanted;
    int64_t now = clock_now();
    deadline_t grow = owner_grow(o, now);
    *due = deadline_earlier(*due, deadline_earlier(grow, owner_shrink(o, now)));
    bool fewer = pool->wanted < before;
    guard_leave(&pool->guard);
    if (fewer) pool_tell_change(pool);
    return true;
}

void owner_grow_no_more(struct owner *o) {
    struct pool *pool = o->pool;
    if (!pool->adapts || !guard_enter(&pool->guard, PRONG_FOREVER)) return;
    pool_set_wanted(pool, atomic_load(&o->alive));
    guard_leave(&pool->guard);
    pool_tell_change(pool);
}

/* --- by any member --- */

static prong_status pool_check_runs(const struct pool *pool) {
    if (pool->inlined) return fail(PRONG_INVALID, "pool '%s' runs its tasks inline, and has no workers", pool->name);
    return atomic_load(&pool->state) == POOL_RUNNING ? PRONG_OK : job_fail_not_running(pool);
}

/* Under the guard: whether there will be fewer. */
static bool pool_take_size(struct pool *pool, size_t processes) {
    uint64_t before = pool->wanted;
    guard_set(&pool->guard, &pool->least, processes);
    if (!pool->adapts || pool->wanted < processes) guard_set(&pool->guard, &pool->wanted, processes);
    return pool->wanted < before;
}

prong_status prong_pool_resize(prong_pool handle, size_t processes) {
    struct pool *pool;
    INSIDE struct visit inside = {0};
    TRY(pool_enter(&inside, handle, &pool));
    if (!processes) return fail(PRONG_INVALID, "pool: resize to 0 processes");
    TRY(pool_check_runs(pool));
    if (processes > pool->worker_count)
        return fail(PRONG_INVALID, "pool: resize to %zu processes: it has places for %llu (processes_most)", processes,
                    (unsigned long long)pool->worker_count);
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    bool runs = atomic_load(&pool->state) == POOL_RUNNING, fewer = runs && pool_take_size(pool, processes);
    guard_leave(&pool->guard);
    if (!runs) return job_fail_not_running(pool);
    pool_tell_change(pool);
    if (fewer) pool_tell_fewer(pool);
    return PRONG_OK;
}

struct replacing {
    struct pool *pool;
    uint64_t renewal;
};

/* Without the guard: each word changes once, to what is waited for. */
static bool pool_is_renewed(void *context) {
    const struct replacing *replacing = context;
    const struct pool *pool = replacing->pool;
    if (atomic_load(&pool->state) != POOL_RUNNING) return true;
    for (uint64_t i = 0; i < pool_wanted(pool); i++) {
        const struct worker *worker = pool_worker(pool, i);
        if (!__atomic_load_n(&worker->token, __ATOMIC_ACQUIRE) ||
            (int64_t)(__atomic_load_n(&worker->renewal, __ATOMIC_RELAXED) - replacing->renewal) < 0)
            return false;
    }
    return true;
}

static prong_status pool_renew(struct pool *pool, uint64_t *renewal) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    bool runs = atomic_load(&pool->state) == POOL_RUNNING;
    if (runs) guard_set(&pool->guard, &pool->renewal, pool->renewal + 1);
    *renewal = pool->renewal;
    guard_leave(&pool->guard);
    return runs ? PRONG_OK : job_fail_not_running(pool);
}

prong_status prong_pool_replace_workers(prong_pool handle, prong_time timeout) {
    struct replacing replacing;
    deadline_t deadline = deadline_after(timeout);
    INSIDE struct visit inside = {0};
    TRY(pool_enter(&inside, handle, &replacing.pool));
    if (await_is_worker_of(replacing.pool))
        return fail(PRONG_DEADLOCK, "a worker of pool '%s' would wait for its own end", replacing.pool->name);
    TRY(pool_check_runs(replacing.pool));
    TRY(pool_renew(replacing.pool, &replacing.renewal));
    pool_tell_change(replacing.pool);
    INTERRUPTIBLE;
    while (!pool_is_renewed(&replacing))
        if (!waitq_sleep(&replacing.pool->ended, pool_is_renewed, &replacing, deadline) && !pool_is_renewed(&replacing))
            return fail(PRONG_TIMEOUT, "pool '%s' still has workers that are to be replaced", replacing.pool->name);
    return pool_check_runs(replacing.pool);
}
