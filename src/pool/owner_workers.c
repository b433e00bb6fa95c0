/* A pool's workers as their owner sees them: started, ended, over their limits. */
#include "base/error.h"
#include "base/periods.h"
#include "pool/limits.h"
#include "pool/owner_entry.h"
#include "pool/schedule.h"
#include "pool/threads.h"
#include "pool/worker.h"
#include "process/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { EARLY_DEATHS_MOST = 3, STARTS_MOST = 50 };
static const prong_time PATIENCE = PRONG_MS(5), /* of the caretaker, with the guard of one pool */
    TRY_AGAIN = PRONG_MS(100), KILL_AGAIN = PRONG_MS(100);

/* Of a worker whose start failed, perhaps at its end: what it noted is not the next one's. */
static void worker_forget_failed(struct pool *pool, struct worker *worker) {
    uint64_t *const noted[] = {&worker->initializing, &worker->token, &worker->everywhere, &worker->tasks};
    enum { NOTED = sizeof noted / sizeof *noted };
    if (!(*noted[0] | *noted[1] | *noted[2] | *noted[3]) || !guard_enter(&pool->guard, PRONG_FOREVER)) return;
    for (int i = 0; i < NOTED; i++) guard_set(&pool->guard, noted[i], 0);
    guard_leave(&pool->guard);
}

/* From here on the worker claims tasks. */
static void worker_make_known(struct pool *pool, struct worker *worker, prong_process process, pid_t pid,
                              uint64_t renewal) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    guard_set(&pool->guard, &worker->renewal, renewal);
    guard_set(&pool->guard, &worker->process_offset, process.offset);
    guard_set(&pool->guard, &worker->process_generation, process.generation);
    guard_set(&pool->guard, &worker->pid, (uint64_t)pid);
    guard_leave(&pool->guard);
}

static void process_end_now(prong_process process) {
    KEEP_MESSAGE;
    prong_process_signal(process, SIGKILL);
    prong_process_join(process, PRONG_FOREVER);
    prong_process_destroy(process);
}

/* The caretaker may learn of its end as soon as it watches. If it cannot, the worker is one that has ended. */
static prong_status owner_watch_worker(struct owner *o, uint64_t i) {
    if (caretaker_watch_worker(o, i) == 0) return PRONG_OK;
    prong_status status = fail_errno("no memory to watch a worker");
    prong_process_signal(worker_process(pool_worker(o->pool, i)), SIGKILL);
    atomic_store(&o->sentinels[i].ended, true);
    atomic_fetch_add(&o->ended_workers, 1);
    return status;
}

static prong_status owner_take_worker(struct owner *o, uint64_t i, prong_process process, uint64_t renewal) {
    prong_process_state state;
    int descriptor;
    prong_status status = prong_process_get_state(process, &state);
    if (status >= 0) status = prong_process_sentinel(process, &descriptor);
    if (status < 0) {
        process_end_now(process);
        return status;
    }
    atomic_store(&o->sentinels[i].descriptor, descriptor);
    atomic_fetch_add(&o->alive, 1);
    worker_make_known(o->pool, pool_worker(o->pool, i), process, state.pid, renewal);
    waitq_notify(&o->pool->work, INT_MAX); /* it may wait to be known */
    waitq_notify(&o->pool->ended, INT_MAX);
    return owner_watch_worker(o, i);
}

/* program and environment: as the pool has them, or NULL. */
static prong_status owner_create_process(const struct owner *o, uint64_t i, char **program, char *const *environment,
                                         prong_process *process) {
    struct worker_argument argument = {o->handle, i};
    char name[48];
    snprintf(name, sizeof name, "%.31s-%u", o->pool->name, (unsigned)i + 1);
    prong_process_options options = {.target = worker_main,
                                     .argument = &argument,
                                     .argument_size = sizeof argument,
                                     .name = name,
                                     .daemon = PRONG_DAEMON_YES,
                                     .method = (prong_start_method)o->pool->method,
                                     .program = program,
                                     .environment = (const char *const *)environment,
                                     .no_wait = program != NULL};
    return prong_process_create(process, &options);
}

static prong_status owner_make_worker(const struct owner *o, uint64_t i, prong_process *process) {
    const struct pool *pool = o->pool;
    struct threads_environment *environment = NULL;
    char **program = strings_list(pool->program);
    if (pool->program && !program) return fail_text(PRONG_NO_MEMORY, "no memory for the program's arguments");
    prong_status status = PRONG_OK;
    if (pool->around.threads && pool->method == PRONG_START_SPAWN)
        status = threads_environment_make((unsigned)pool->around.threads, &environment);
    if (status >= 0)
        status =
            owner_create_process(o, i, program, environment ? threads_environment_entries(environment) : NULL, process);
    threads_environment_free(environment);
    free(program);
    return status;
}

prong_status owner_start_worker(struct owner *o, uint64_t i) {
    prong_process process;
    TRY(owner_make_worker(o, i, &process));
    worker_forget_failed(o->pool, pool_worker(o->pool, i));
    process_concerns(process, o->pool); /* the end of the last worker frees a pool without an owner */
    uint64_t renewal = __atomic_load_n(&o->pool->renewal, __ATOMIC_ACQUIRE); /* before it can have loaded anything */
    prong_status status = prong_process_start(process);
    if (status >= 0) return owner_take_worker(o, i, process, renewal);
    prong_process_destroy(process);
    return status;
}

static void pool_break(struct pool *pool, int code) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    if (atomic_load(&pool->state) <= POOL_CLOSED) {
        guard_set(&pool->guard, (uint64_t *)&pool->state, POOL_BROKEN);
        guard_set(&pool->guard, (uint64_t *)&pool->broken_code, (uint64_t)(int64_t)code);
    }
    guard_leave(&pool->guard);
    pool_tell_change(pool);
}

/* Under the guard. */
static unsigned owner_note_death(struct pool *pool, struct worker *worker, int code) {
    bool early = !worker->token, died = code != 0 || worker_hand(pool, worker)->job;
    unsigned news = schedule_death(pool, worker, code);
    guard_commit(&pool->guard);
    if (died) guard_set(&pool->guard, &pool->deaths, pool->deaths + 1);
    if (early) guard_set(&pool->guard, &pool->early_deaths, pool->early_deaths + 1);
    return news;
}

static void owner_forget_worker(struct owner *o, uint64_t i, prong_process process) {
    atomic_store(&o->sentinels[i].descriptor, -1);
    atomic_fetch_sub(&o->alive, 1);
    prong_process_destroy(process);
}

/* False: that would take longer. The end of a fork server's child may have to be asked for. */
static bool owner_worker_ended(struct owner *o, uint64_t i, prong_time patience) {
    struct pool *pool = o->pool;
    struct worker *worker = pool_worker(pool, i);
    prong_process process = worker_process(worker);
    int code = 0;
    if (prong_process_join(process, patience == PRONG_FOREVER ? STOPPED_AT_MOST : PRONG_NOWAIT) < 0) return false;
    if (prong_process_exitcode(process, &code) < 0 || !guard_enter(&pool->guard, deadline_after(patience)))
        return false;
    uint64_t job = worker_hand(pool, worker)->job;
    unsigned news = owner_note_death(pool, worker, code);
    bool hopeless = pool->early_deaths >= EARLY_DEATHS_MOST + pool->wanted;
    INSIDE struct visit inside = {0};
    if (job) object_enter_known(&inside, job);
    guard_leave(&pool->guard);
    owner_forget_worker(o, i, process);
    if (hopeless) pool_break(pool, code);
    if (job) schedule_tell(pool, job, news);
    waitq_notify(&pool->work, 1); /* the task may be there to be run again */
    return true;
}

/* --- what a look does --- */

/* The caretaker and a helper may come at once. */
static bool owner_gather_one(struct owner *o, uint64_t i, prong_time patience) {
    _Atomic bool *ended = &o->sentinels[i].ended;
    if (!atomic_load(ended) || !atomic_exchange(ended, false)) return true;
    atomic_fetch_sub(&o->ended_workers, 1);
    if (owner_worker_ended(o, i, patience)) return true;
    atomic_store(ended, true);
    atomic_fetch_add(&o->ended_workers, 1);
    return false;
}

static bool owner_gather_ended(struct owner *o, prong_time patience) {
    bool all = true;
    for (uint64_t i = 0; atomic_load(&o->ended_workers) && i < o->pool->worker_count; i++)
        all &= owner_gather_one(o, i, patience);
    return all;
}

static bool pool_wants_workers(const struct pool *pool) {
    uint64_t state = atomic_load(&pool->state);
    return state == POOL_RUNNING || (state == POOL_CLOSED && __atomic_load_n(&pool->unfinished, __ATOMIC_RELAXED) > 0);
}

static bool owner_lacks_workers(const struct owner *o) {
    if (!pool_wants_workers(o->pool)) return false;
    for (uint64_t i = 0, wanted = pool_wanted(o->pool); i < wanted; i++)
        if (atomic_load(&o->sentinels[i].descriptor) < 0) return true;
    return false;
}

static bool owner_replace_missing(struct owner *o) {
    bool good = true;
    for (uint64_t i = 0; good && owner_lacks_workers(o) && i < pool_wanted(o->pool); i++) {
        if (atomic_load(&o->sentinels[i].descriptor) >= 0) continue;
        good = owner_start_worker(o, i) == PRONG_OK;
        o->failed_starts = good ? 0 : o->failed_starts + 1;
    }
    if (!good) owner_grow_no_more(o);
    /* no processes to be had just now: try again, but callers that wait must not wait forever */
    if (!atomic_load(&o->alive) && o->failed_starts > STARTS_MOST) pool_break(o->pool, 0);
    return good;
}

/* When the worker is over the initializer's limit, at the earliest; one that has not begun with it may begin now. */
static deadline_t worker_initializer_end(const struct pool *pool, const struct worker *worker, int64_t now) {
    if (!pool->initializer_limit || !worker->pid || worker->token || worker->doom) return PRONG_FOREVER;
    return (int64_t)((worker->initializing ? worker->initializing : (uint64_t)now) + pool->initializer_limit);
}

/* The same for its exit: see prong_worker_options. */
static deadline_t worker_exit_end(const struct pool *pool, const struct worker *worker) {
    if (!pool->around.exit_limit || !worker->token || !worker->initializing || worker->doom) return PRONG_FOREVER;
    return (int64_t)(worker->initializing + pool->around.exit_limit);
}

/* Dooms a worker whose initializer or exit is over its limit, if there is one; *next: when the next may be over. A death in the
 * initializer is an early one: see owner_note_death. */
static bool owner_doom_hook(struct pool *pool, int64_t now, deadline_t *next, prong_process *late) {
    bool limited = pool->initializer_limit || pool->around.exit_limit;
    for (uint64_t i = 0; limited && i < pool->worker_count; i++) {
        struct worker *worker = pool_worker(pool, i);
        deadline_t initializer = worker_initializer_end(pool, worker, now);
        deadline_t end = deadline_earlier(initializer, worker_exit_end(pool, worker));
        if (end > now) {
            *next = deadline_earlier(*next, end);
            continue;
        }
        guard_set(&pool->guard, &worker->doom, DOOM_TIMEOUT);
        if (initializer <= now) guard_set(&pool->guard, &pool->initializer_late, 1);
        *late = worker_process(worker);
        return true;
    }
    return false;
}

/* The same for a task. */
static bool owner_doom_task(struct pool *pool, int64_t now, deadline_t *next, prong_process *late) {
    struct hand *hand = limits_first(pool);
    if (hand && hand->ends_at <= now) {
        if (!hand->doom) guard_set(&pool->guard, &hand->doom, DOOM_TIMEOUT);
        limits_remove(pool, hand);
        *late = worker_process(hand_worker(pool, hand));
        return true;
    }
    deadline_t until = hand ? hand->ends_at : PRONG_FOREVER;
    __atomic_store_n(&pool->limits_looked_until, until, __ATOMIC_RELAXED);
    *next = deadline_earlier(*next, until);
    return false;
}

static bool pool_has_limits(const struct pool *pool) {
    return pool->initializer_limit || pool->around.exit_limit ||
           __atomic_load_n(&pool->limit_count, __ATOMIC_RELAXED) ||
           __atomic_load_n(&pool->limits_looked_until, __ATOMIC_RELAXED) != PRONG_FOREVER;
}

/* Kills those that are over a limit; *due: when the next may be. False: the guard was not to be had in time. Nobody is killed under
 * the guard: that takes the lock of this process's children, and who has that may want the guard, for a job of one that died. */
static bool owner_enforce_limits(struct owner *o, prong_time patience, deadline_t *due) {
    struct pool *pool = o->pool;
    prong_process late;
    deadline_t next = PRONG_FOREVER;
    if (!pool_has_limits(pool)) return true;
    for (bool found = true; found; next = found ? PRONG_FOREVER : next) {
        if (!guard_enter(&pool->guard, deadline_after(patience))) return false;
        int64_t now = clock_now();
        found = owner_doom_hook(pool, now, &next, &late) || owner_doom_task(pool, now, &next, &late);
        guard_leave(&pool->guard);
        if (found) prong_process_signal(late, SIGKILL);
    }
    *due = deadline_earlier(*due, next);
    return true;
}

static void owner_kill_stubborn(struct owner *o, deadline_t *due) {
    int64_t at = atomic_load(&o->kill_at), now = at ? clock_now() : 0;
    if (!at) return;
    *due = deadline_earlier(*due, at > now ? at : now + KILL_AGAIN);
    for (uint64_t i = 0; at <= now && i < o->pool->worker_count; i++)
        if (atomic_load(&o->sentinels[i].descriptor) >= 0)
            prong_process_signal(worker_process(pool_worker(o->pool, i)), SIGKILL);
}

/* A pool that was shut down, and has done all: to the jobs that are still open, nothing will be added. */
static bool owner_has_open_jobs(const struct owner *o) {
    const struct pool *pool = o->pool;
    return atomic_load(&pool->state) == POOL_CLOSED && !atomic_load(&o->alive) &&
           !__atomic_load_n(&pool->unfinished, __ATOMIC_RELAXED) && __atomic_load_n(&pool->open_jobs, __ATOMIC_RELAXED);
}

/* Of a pool that has ended, or is broken: since then none was submitted. Before the workers are said to have ended, or a callback
 * would be left out. */
static bool owner_has_jobs_to_fail(struct owner *o) {
    if (atomic_load(&o->jobs_are_failed)) return false;
    return atomic_load(&o->pool->state) >= POOL_TERMINATED || owner_has_open_jobs(o);
}

/* The thread that terminates the pool fails its jobs, too: the caretaker waits for that until the workers have ended. */
static bool owner_has_slow_work(struct owner *o) {
    if (owner_lacks_workers(o)) return true;
    return owner_has_jobs_to_fail(o) && (atomic_load(&o->pool->state) == POOL_BROKEN || !atomic_load(&o->alive));
}

bool owner_look_beside(struct owner *o, deadline_t *due) {
    *due = PRONG_FOREVER;
    bool good = owner_gather_ended(o, PATIENCE);
    owner_kill_stubborn(o, due);
    good &= owner_enforce_limits(o, PATIENCE, due);
    good &= owner_adapt(o, PATIENCE, due);
    good &= owner_limit_memory(o, PATIENCE, due);
    if (!good) *due = deadline_earlier(*due, deadline_after(TRY_AGAIN));
    return good;
}

enum look owner_look(struct owner *o, deadline_t *due) {
    bool slow = !owner_look_beside(o, due) || owner_has_slow_work(o);
    if (!slow) return atomic_load(&o->alive) || pool_wants_workers(o->pool) ? LOOK_DONE : LOOK_GONE;
    if (clock_now() >= o->try_again_at) return LOOK_SLOW;
    *due = deadline_earlier(*due, o->try_again_at);
    return LOOK_DONE;
}

void owner_look_slowly(struct owner *o) {
    deadline_t unused = PRONG_FOREVER;
    bool good = owner_gather_ended(o, PRONG_FOREVER) && owner_replace_missing(o);
    o->try_again_at = good ? 0 : deadline_after(TRY_AGAIN);
    if (owner_has_jobs_to_fail(o)) atomic_store(&o->jobs_are_failed, jobs_cancel_unfinished(o->pool));
    owner_enforce_limits(o, PRONG_FOREVER, &unused);
}
