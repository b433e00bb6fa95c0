/* Waits of workers that cannot end.
 *
 * A worker that waits for a job of its own pool has one worker fewer to run it; when all of them do, none is left. Pools may also wait
 * for one another in a circle. So a worker notes in its entry, under its pool's guard, what it waits for and until when, and then
 * looks: what can go on is (1) a worker that does not wait, or waits for less long than the caller; (2) one that waits for a job
 * whose tasks can all end: those that run, because their workers can go on, and those that do not, because a worker of that pool
 * can. If that does not reach the caller, nothing will.
 *
 * The last one of a circle to wait finds it, since it sees the notes of all others. The look is made with the guards of all pools
 * concerned, in the order of their places, so that it is of one moment, and of several callers only one is told. */
#include "pool/await.h"

#include "base/error.h"
#include "base/local.h"
#include "base/periods.h"
#include "family/member.h"
#include "pool/schedule.h"

#include <stdlib.h>

enum { POOLS_MOST = 64 };

static QUICK_LOCAL struct {
    struct pool *pool;
    struct worker *worker;
    uint32_t token; /* a forked child is not the worker */
} own;

void await_as(struct pool *pool, struct worker *worker) {
    own.pool = pool;
    own.worker = worker;
    own.token = self_token();
}

bool await_is_worker_of(const struct pool *pool) {
    return own.worker && own.token == self_token() && own.pool == pool;
}

/* --- what a worker waits for --- */

static void await_note(struct worker *worker, const struct awaited *awaited, int64_t until) {
    struct guard *guard = &own.pool->guard;
    guard_set(guard, &worker->awaits, awaited->offset);
    guard_set(guard, &worker->awaits_generation, awaited->generation);
    guard_set(guard, (uint64_t *)&worker->awaits_place, (uint64_t)awaited->place);
    guard_set(guard, (uint64_t *)&worker->awaits_until, (uint64_t)until);
}

static struct awaited worker_awaited(const struct worker *worker) {
    return (struct awaited){worker->awaits, worker->awaits_generation, worker->awaits_place};
}

void await_begin(struct await *await, const struct awaited *awaited, deadline_t deadline) {
    *await = (struct await){0};
    if (!own.worker || own.token != self_token() || deadline == PRONG_NOWAIT) return;
    if (!guard_enter(&own.pool->guard, PRONG_FOREVER)) return;
    *await = (struct await){own.worker, worker_awaited(own.worker), own.worker->awaits_until};
    await_note(own.worker, awaited, deadline);
    guard_leave(&own.pool->guard);
}

void await_end(const struct await *await) {
    if (!await->worker || !guard_enter(&own.pool->guard, PRONG_FOREVER)) return;
    await_note(await->worker, &await->outer, await->outer_until);
    guard_leave(&own.pool->guard);
}

/* --- the pools that wait for one another --- */

struct view {
    struct pool *pools[POOLS_MOST];
    uint64_t generations[POOLS_MOST];
    bool *can_go_on[POOLS_MOST]; /* by worker */
    bool *all;                   /* the block of these */
    size_t count;
    int64_t until; /* the caller's */
};

static bool view_pool_lives(const struct pool *pool, uint64_t generation) {
    return object_is_live(KIND_POOL, arena_offset(pool), generation);
}

/* The pool whose workers can end such a wait; NULL when there is nothing left to wait for. */
static struct pool *pool_awaited(const struct awaited *awaited, uint64_t *generation) {
    uint64_t offset = awaited->offset;
    *generation = awaited->generation;
    if (!await_is_for_pool(awaited->place)) {
        struct job *job;
        INSIDE struct visit inside = {0};
        if (object_enter(&inside, KIND_JOB, awaited->offset, awaited->generation, (void **)&job)) return NULL;
        offset = job->pool;
        *generation = job->pool_generation;
    }
    return object_is_live(KIND_POOL, offset, *generation) ? arena_at(offset) : NULL;
}

static size_t view_find(const struct view *view, const struct pool *pool) {
    size_t i = 0;
    while (i < view->count && view->pools[i] != pool) i++;
    return i;
}

/* Kept in the order of their places. False when there are too many. One that was destroyed meanwhile is left out, as there is nothing
 * left to wait for. */
static bool view_add(struct view *view, struct pool *pool, uint64_t generation) {
    if (!pool || view_find(view, pool) < view->count) return true;
    if (view->count == POOLS_MOST) return false;
    void *entered;
    struct visit inside; /* until await_check leaves its own */
    prong_status status = object_enter(&inside, KIND_POOL, arena_offset(pool), generation, &entered);
    if (status < 0) return status == PRONG_STALE;
    size_t i = view->count++;
    for (; i > 0 && view->pools[i - 1] > pool; i--) {
        view->pools[i] = view->pools[i - 1];
        view->generations[i] = view->generations[i - 1];
    }
    view->pools[i] = pool;
    view->generations[i] = generation;
    return true;
}

/* Adds the pools that this one's workers wait for. */
static bool view_add_awaited(struct view *view, struct pool *pool, uint64_t generation) {
    bool good = true;
    if (!guard_enter(&pool->guard, deadline_after(STOPPED_AT_LEAST))) return false;
    for (uint64_t i = 0; good && view_pool_lives(pool, generation) && i < pool->worker_count; i++) {
        struct awaited awaited = worker_awaited(pool_worker(pool, i));
        uint64_t of_awaited = 0;
        struct pool *next = awaited.offset ? pool_awaited(&awaited, &of_awaited) : NULL;
        good = view_add(view, next, of_awaited);
    }
    guard_leave(&pool->guard);
    return good;
}

/* The caller's pool, and all that its workers wait for, by way of others', too. */
static bool view_collect(struct view *view) {
    struct pool *done[POOLS_MOST];
    size_t done_count = 0;
    if (!view_add(view, own.pool, object_generation(own.pool))) return false;
    for (size_t i = 0; i < view->count; i++) {
        struct pool *pool = view->pools[i];
        size_t k = 0;
        while (k < done_count && done[k] != pool) k++;
        if (k < done_count) continue;
        if (!view_add_awaited(view, pool, view->generations[i])) return false;
        done[done_count++] = pool;
        i = (size_t)-1; /* the order has changed */
    }
    return true;
}

static void view_leave(struct view *view, size_t entered) {
    while (entered > 0) guard_leave(&view->pools[--entered]->guard);
}

static bool view_enter(struct view *view) {
    for (size_t i = 0; i < view->count; i++) {
        bool inside = guard_enter(&view->pools[i]->guard, deadline_after(STOPPED_AT_LEAST));
        if (inside && view_pool_lives(view->pools[i], view->generations[i])) continue;
        view_leave(view, inside ? i + 1 : i);
        return false;
    }
    return true;
}

static bool view_allocate(struct view *view) {
    size_t workers = 0;
    for (size_t i = 0; i < view->count; i++) workers += view->pools[i]->worker_count;
    view->all = calloc(workers + 1, sizeof *view->all);
    for (size_t i = 0, at = 0; view->all && i < view->count; at += view->pools[i++]->worker_count)
        view->can_go_on[i] = view->all + at;
    return view->all != NULL;
}

/* --- the look, under the guards of all of them --- */

/* Until when the worker waits: its task's time limit ends that too. */
static int64_t worker_waits_until(const struct pool *pool, const struct worker *worker) {
    const struct hand *hand = worker_hand(pool, worker);
    int64_t until = worker->awaits_until;
    return hand->job && hand->ends_at && hand->ends_at < until ? hand->ends_at : until;
}

static bool view_goes_on_anyway(const struct view *view, const struct pool *pool, const struct worker *worker) {
    uint64_t state = atomic_load(&pool->state);
    return !worker->awaits || worker_doom(pool, worker) || state == POOL_TERMINATED || state == POOL_BROKEN ||
           worker_waits_until(pool, worker) < view->until;
}

/* Whether a worker takes what nobody has taken yet: one that is not to end, or one that the pool grows by. */
static bool view_any_can_go_on(const struct view *view, size_t i) {
    const struct pool *pool = view->pools[i];
    for (uint64_t k = 0; k < pool->wanted; k++)
        if (view->can_go_on[i][k]) return true;
    return pool_lacks_workers(pool);
}

static bool view_all_can_go_on(const struct view *view, size_t i) {
    for (uint64_t k = 0; k < view->pools[i]->worker_count; k++)
        if (pool_worker(view->pools[i], k)->pid && !view->can_go_on[i][k]) return false;
    return true;
}

/* Whether the running tasks of a job (all of them, one of them, or the one at that place) can end. */
static bool view_running_can_end(const struct view *view, size_t i, const struct awaited *awaited) {
    bool every = awaited->place > AWAIT_MORE;
    for (uint64_t k = 0; k < view->pools[i]->worker_count; k++) {
        const struct hand *hand = worker_hand(view->pools[i], pool_worker(view->pools[i], k));
        if (hand->job != awaited->offset) continue;
        if (awaited->place >= 0 && hand->place != (uint64_t)awaited->place) continue;
        if (view->can_go_on[i][k] != every) return !every;
    }
    return every;
}

static bool view_task_can_end(const struct view *view, size_t i, const struct awaited *awaited) {
    switch (task_state(schedule_word(arena_at(awaited->offset), (uint64_t)awaited->place))) {
    case TASK_ENDED: return true;
    case TASK_RUNNING: return view_running_can_end(view, i, awaited);
    default: return view_any_can_go_on(view, i);
    }
}

static bool view_job_can_end(const struct view *view, size_t i, const struct awaited *awaited) {
    const struct job *job = arena_at(awaited->offset);
    if (job->order && job->cancel_status) return true; /* an iterator's, which is told */
    if (awaited->place >= 0) return view_task_can_end(view, i, awaited);
    bool pending = job->next + job->withdrawn < job->count || job->again, running = job->running > 0;
    bool pending_can = view_any_can_go_on(view, i), running_can = view_running_can_end(view, i, awaited);
    if (awaited->place == AWAIT_EVERY_TASK) return (!pending || pending_can) && (!running || running_can);
    return (pending && pending_can) || (running && running_can) || await_more_than(job->done) < awaited->place;
}

/* What holds the room ends with its tasks. */
static bool view_room_can_come(const struct view *view, size_t i) {
    const struct pool *pool = view->pools[i];
    for (uint64_t k = 0; k < pool->worker_count; k++)
        if (view->can_go_on[i][k] && worker_hand(pool, pool_worker(pool, k))->job) return true;
    return !pool->load || (schedule_first_job(pool) && view_any_can_go_on(view, i));
}

static bool view_wait_can_end(const struct view *view, const struct worker *worker) {
    struct awaited awaited = worker_awaited(worker);
    uint64_t generation;
    struct pool *pool = pool_awaited(&awaited, &generation);
    size_t i = view_find(view, pool);
    if (!pool || i == view->count || view->generations[i] != generation) return true;
    if (awaited.place == AWAIT_ROOM) return view_room_can_come(view, i);
    return awaited.place == AWAIT_WORKERS ? view_all_can_go_on(view, i) : view_job_can_end(view, i, &awaited);
}

/* One round: true when somebody more can go on. */
static bool view_spread(struct view *view,
                        bool (*can)(const struct view *, const struct pool *, const struct worker *)) {
    bool more = false;
    for (size_t i = 0; i < view->count; i++)
        for (uint64_t k = 0; k < view->pools[i]->worker_count; k++) {
            if (view->can_go_on[i][k]) continue;
            view->can_go_on[i][k] = can(view, view->pools[i], pool_worker(view->pools[i], k));
            more |= view->can_go_on[i][k];
        }
    return more;
}

static bool view_goes_on_then(const struct view *view, const struct pool *pool, const struct worker *worker) {
    (void)pool;
    return view_wait_can_end(view, worker);
}

static bool view_caller_can_go_on(struct view *view) {
    size_t mine = view_find(view, own.pool);
    uint64_t index = (uint64_t)(own.worker - pool_worker(own.pool, 0));
    view->until = worker_waits_until(own.pool, own.worker);
    view_spread(view, view_goes_on_anyway);
    while (!view->can_go_on[mine][index])
        if (!view_spread(view, view_goes_on_then)) return false;
    return true;
}

/* Whether a worker of the awaited pool does not wait, and so will see to it, and those that run the job's tasks do not wait either:
 * mostly so. Seen without the guard: if it was wrong, the next look tells. */
static bool await_worker_is_free(const struct awaited *awaited) {
    uint64_t generation;
    struct pool *pool = pool_awaited(awaited, &generation);
    if (!pool || await_is_for_pool(awaited->place)) return false;
    bool somebody = false;
    for (uint64_t i = 0, wanted = pool_wanted(pool); i < pool->worker_count; i++) {
        struct worker *worker = pool_worker(pool, i);
        bool waits =
            __atomic_load_n(&worker->awaits, __ATOMIC_SEQ_CST); /* pairs with the release of the guard in await_begin */
        if (waits && __atomic_load_n(&worker_hand(pool, worker)->job, __ATOMIC_RELAXED) == awaited->offset)
            return false;
        somebody |= !waits && i < wanted;
    }
    return somebody;
}

prong_status await_check(const struct await *await) {
    struct view view = {0};
    INSIDE struct visit inside = {0}; /* of the caller's pool; and of all in the view, which are entered after it */
    if (!await->worker || object_enter_known(&inside, arena_offset(own.pool))) return PRONG_OK;
    struct awaited awaited = worker_awaited(await->worker);
    if (await_worker_is_free(&awaited) || !view_collect(&view) || !view_allocate(&view)) return PRONG_OK;
    bool entered = view_enter(&view), stuck = entered && !view_caller_can_go_on(&view);
    if (stuck) await_note(await->worker, &await->outer, await->outer_until);
    if (entered) view_leave(&view, view.count);
    free(view.all);
    return stuck ? fail(PRONG_DEADLOCK,
                        "a worker of pool '%s' would wait for what only workers can do that wait themselves: there is "
                        "none left",
                        own.pool->name)
                 : PRONG_OK;
}
