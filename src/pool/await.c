/* Waits of workers that cannot end.
 *
 * A worker that waits for a job of its own pool has one worker fewer to run it; when all of them do, none is left. Pools may also wait
 * for one another in a circle. So a worker notes in its slot, under its pool's guard, what it waits for and until when, and then
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
    struct slot *slot;
    uint32_t token; /* a forked child is not the worker */
} worker;

void await_as(struct pool *pool, struct slot *slot) {
    worker.pool = pool;
    worker.slot = slot;
    worker.token = self_token();
}

/* --- what a worker waits for --- */

static void await_note(struct slot *slot, const struct awaited *awaited, int64_t until) {
    struct guard *guard = &worker.pool->guard;
    guard_set(guard, &slot->awaits, awaited->offset);
    guard_set(guard, &slot->awaits_generation, awaited->generation);
    guard_set(guard, (uint64_t *)&slot->awaits_place, (uint64_t)awaited->place);
    guard_set(guard, (uint64_t *)&slot->awaits_until, (uint64_t)until);
}

static struct awaited slot_awaited(const struct slot *slot) {
    return (struct awaited){slot->awaits, slot->awaits_generation, slot->awaits_place};
}

void await_begin(struct await *await, const struct awaited *awaited, deadline_t deadline) {
    *await = (struct await){0};
    if (!worker.slot || worker.token != self_token() || deadline == PRONG_NOWAIT) return;
    if (!guard_enter(&worker.pool->guard, PRONG_FOREVER)) return;
    *await = (struct await){worker.slot, slot_awaited(worker.slot), worker.slot->awaits_until};
    await_note(worker.slot, awaited, deadline);
    guard_leave(&worker.pool->guard);
}

void await_end(const struct await *await) {
    if (!await->slot || !guard_enter(&worker.pool->guard, PRONG_FOREVER)) return;
    await_note(await->slot, &await->outer, await->outer_until);
    guard_leave(&worker.pool->guard);
}

/* --- the pools that wait for one another --- */

struct view {
    struct pool *pools[POOLS_MOST];
    uint64_t generations[POOLS_MOST];
    bool *can_go_on[POOLS_MOST]; /* by slot */
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
    if (awaited->place != AWAIT_WORKERS) {
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

/* Kept in the order of their places. False when there are too many. */
static bool view_add(struct view *view, struct pool *pool, uint64_t generation) {
    if (!pool || view_find(view, pool) < view->count) return true;
    if (view->count == POOLS_MOST) return false;
    size_t i = view->count++;
    for (; i > 0 && view->pools[i - 1] > pool; i--) {
        view->pools[i] = view->pools[i - 1];
        view->generations[i] = view->generations[i - 1];
    }
    view->pools[i] = pool;
    view->generations[i] = generation;
    struct visit inside; /* until await_check leaves its own */
    return object_enter_known(&inside, arena_offset(pool)) == PRONG_OK;
}

/* Adds the pools that this one's workers wait for. */
static bool view_add_awaited(struct view *view, struct pool *pool, uint64_t generation) {
    bool good = true;
    if (!guard_enter(&pool->guard, deadline_after(STOPPED_AT_LEAST))) return false;
    for (uint64_t i = 0; good && view_pool_lives(pool, generation) && i < pool->slot_count; i++) {
        struct awaited awaited = slot_awaited(pool_slot(pool, i));
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
    if (!view_add(view, worker.pool, object_generation(worker.pool))) return false;
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
    size_t slots = 0;
    for (size_t i = 0; i < view->count; i++) slots += view->pools[i]->slot_count;
    view->all = calloc(slots + 1, sizeof *view->all);
    for (size_t i = 0, at = 0; view->all && i < view->count; at += view->pools[i++]->slot_count)
        view->can_go_on[i] = view->all + at;
    return view->all != NULL;
}

/* --- the look, under the guards of all of them --- */

/* Until when the slot's worker waits: its task's time limit ends that too. */
static int64_t slot_waits_until(const struct slot *slot) {
    int64_t until = slot->awaits_until;
    if (!slot->job || !slot->started_at) return until;
    int64_t limit = (int64_t)(slot->started_at + ((struct job *)arena_at(slot->job))->time_limit);
    return limit < until ? limit : until;
}

static bool view_goes_on_anyway(const struct view *view, const struct pool *pool, const struct slot *slot) {
    uint64_t state = atomic_load(&pool->state);
    return !slot->awaits || slot->doom || state == POOL_TERMINATED || state == POOL_BROKEN ||
           slot_waits_until(slot) < view->until;
}

static bool view_any_can_go_on(const struct view *view, size_t i) {
    for (uint64_t k = 0; k < view->pools[i]->slot_count; k++)
        if (view->can_go_on[i][k]) return true;
    return false;
}

static bool view_all_can_go_on(const struct view *view, size_t i) {
    for (uint64_t k = 0; k < view->pools[i]->slot_count; k++)
        if (!view->can_go_on[i][k]) return false;
    return true;
}

/* Whether the running tasks of a job (all of them, one of them, or the one at that place) can end. */
static bool view_running_can_end(const struct view *view, size_t i, const struct awaited *awaited) {
    bool every = awaited->place > AWAIT_MORE;
    for (uint64_t k = 0; k < view->pools[i]->slot_count; k++) {
        const struct slot *slot = pool_slot(view->pools[i], k);
        if (slot->job != awaited->offset) continue;
        if (awaited->place >= 0 && slot->place != (uint64_t)awaited->place) continue;
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
    bool pending = job->next < job->count || job->again, running = job->running > 0;
    bool pending_can = view_any_can_go_on(view, i), running_can = view_running_can_end(view, i, awaited);
    if (awaited->place == AWAIT_EVERY_TASK) return (!pending || pending_can) && (!running || running_can);
    return (pending && pending_can) || (running && running_can) || await_more_than(job->done) < awaited->place;
}

static bool view_wait_can_end(const struct view *view, const struct slot *slot) {
    struct awaited awaited = slot_awaited(slot);
    uint64_t generation;
    struct pool *pool = pool_awaited(&awaited, &generation);
    size_t i = view_find(view, pool);
    if (!pool || i == view->count || view->generations[i] != generation) return true;
    return awaited.place == AWAIT_WORKERS ? view_all_can_go_on(view, i) : view_job_can_end(view, i, &awaited);
}

/* One round: true when somebody more can go on. */
static bool view_spread(struct view *view, bool (*can)(const struct view *, const struct pool *, const struct slot *)) {
    bool more = false;
    for (size_t i = 0; i < view->count; i++)
        for (uint64_t k = 0; k < view->pools[i]->slot_count; k++) {
            if (view->can_go_on[i][k]) continue;
            view->can_go_on[i][k] = can(view, view->pools[i], pool_slot(view->pools[i], k));
            more |= view->can_go_on[i][k];
        }
    return more;
}

static bool view_goes_on_then(const struct view *view, const struct pool *pool, const struct slot *slot) {
    (void)pool;
    return view_wait_can_end(view, slot);
}

static bool view_caller_can_go_on(struct view *view) {
    size_t own = view_find(view, worker.pool);
    uint64_t index = (uint64_t)(worker.slot - pool_slot(worker.pool, 0));
    view->until = slot_waits_until(worker.slot);
    view_spread(view, view_goes_on_anyway);
    while (!view->can_go_on[own][index])
        if (!view_spread(view, view_goes_on_then)) return false;
    return true;
}

/* Whether a worker of the awaited pool does not wait, and so will see to it, and those that run the job's tasks do not wait either:
 * mostly so. Seen without the guard: if it was wrong, the next look tells. */
static bool await_worker_is_free(const struct awaited *awaited) {
    uint64_t generation;
    struct pool *pool = pool_awaited(awaited, &generation);
    if (!pool || awaited->place == AWAIT_WORKERS) return false;
    bool somebody = false;
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        bool waits =
            __atomic_load_n(&slot->awaits, __ATOMIC_SEQ_CST); /* pairs with the release of the guard in await_begin */
        if (waits && __atomic_load_n(&slot->job, __ATOMIC_RELAXED) == awaited->offset) return false;
        somebody |= !waits;
    }
    return somebody;
}

prong_status await_check(const struct await *await) {
    struct view view = {0};
    INSIDE struct visit inside = {0}; /* of the caller's pool; and of all in the view, which are entered after it */
    if (!await->slot || object_enter_known(&inside, arena_offset(worker.pool))) return PRONG_OK;
    struct awaited awaited = slot_awaited(await->slot);
    if (await_worker_is_free(&awaited) || !view_collect(&view) || !view_allocate(&view)) return PRONG_OK;
    bool entered = view_enter(&view), stuck = entered && !view_caller_can_go_on(&view);
    if (stuck) await_note(await->slot, &await->outer, await->outer_until);
    if (entered) view_leave(&view, view.count);
    free(view.all);
    return stuck ? fail(PRONG_DEADLOCK,
                        "a worker of pool '%s' would wait for what only workers can do that wait themselves: there is "
                        "none left",
                        worker.pool->name)
                 : PRONG_OK;
}
