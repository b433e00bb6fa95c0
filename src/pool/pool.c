/* The pool: its life, and what can be asked of it. */
#include "base/error.h"
#include "base/periods.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/await.h"
#include "pool/everywhere.h"
#include "pool/inline.h"
#include "pool/owner.h"
#include "process/process.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS_MOST = MEMBER_LIMIT / 2, PLACES_LEAST = 64 };

prong_status pool_enter(struct visit *inside, prong_pool handle, struct pool **pool) {
    prong_status status = object_enter(inside, KIND_POOL, handle.offset, handle.generation, (void **)pool);
    pid_t owner = status == PRONG_STALE ? owner_left_behind(handle) : 0;
    if (owner)
        return fail(PRONG_STALE,
                    "the pool has ended with process %d, which had created it, and from which this one was forked: a "
                    "program that becomes a daemon creates its pools after that",
                    (int)owner);
    return status;
}

static struct hook_wish pool_initializer(const prong_pool_options *o) {
    return (struct hook_wish){o->initializer, o->initializer_argument, o->initializer_size, o->initializer_name,
                              o->initializer_arguments};
}

static prong_status pool_check_options(const prong_pool_options *o) {
    const struct hook_wish initializer = pool_initializer(o);
    CHECK_RESERVED(o, "pool: options");
    if (o->processes == PRONG_INLINE && o->program)
        return fail_text(PRONG_INVALID, "pool: a program of its own, and no workers (PRONG_INLINE) to run it");
    if (o->processes > WORKERS_MOST && o->processes != PRONG_INLINE)
        return fail(PRONG_INVALID, "pool: %u processes are more than %d", o->processes, WORKERS_MOST);
    if (o->name && strlen(o->name) > 31) return fail(PRONG_INVALID, "pool: the name has more than 31 bytes");
    if ((unsigned)o->method > PRONG_START_FORKSERVER)
        return fail(PRONG_INVALID, "pool: start method %d is none of prong_start_method", (int)o->method);
    if (o->program && o->method && o->method != PRONG_START_SPAWN)
        return fail(PRONG_INVALID, "pool: a program of its own is started by spawn, not by %s",
                    prong_start_method_name(o->method));
    if (o->processes_most > WORKERS_MOST)
        return fail(PRONG_INVALID, "pool: processes_most (%zu) is more than %d", o->processes_most, WORKERS_MOST);
    if (o->processes_most && o->processes_most < o->processes)
        return fail(PRONG_INVALID, "pool: processes_most (%zu) is less than processes (%u)", o->processes_most,
                    o->processes);
    if (o->memory_hard && o->memory_soft > o->memory_hard)
        return fail(PRONG_INVALID, "pool: memory_soft (%zu) is more than memory_hard (%zu)", o->memory_soft,
                    o->memory_hard);
    if (o->idle_time < 0) return fail(PRONG_INVALID, "pool: a negative idle_time");
    if (o->initializer_time_limit < 0) return fail(PRONG_INVALID, "pool: a negative initializer_time_limit");
    TRY(around_check(o->worker));
    return hook_check(&initializer, "initializer");
}

static prong_status pool_make_table(size_t size, uint64_t *table) {
    prong_status status = heap_alloc(size, 0, table, NULL);
    if (status >= 0) memset(arena_at(*table), 0, size);
    return status;
}

static void pool_fill_size(struct pool *pool, const prong_pool_options *o) {
    size_t processes = pool->inlined ? 1 : o->processes ? o->processes : os_usable_cpus(), most = o->processes_most;
    if (most && processes > most) processes = most; /* as many as there are CPUs */
    pool->wanted = pool->least = processes;
    pool->most = most;
    pool->adapts = most > processes;
    pool->worker_count = most ? most : processes > PLACES_LEAST ? processes : PLACES_LEAST;
    pool->idle_time = o->idle_time ? o->idle_time : PRONG_SECONDS(10);
}

static prong_status pool_fill(struct pool *pool, const prong_pool_options *o) {
    pool->owner = self_token();
    pool->inlined = o->processes == PRONG_INLINE;
    pool_fill_size(pool, o);
    pool->maxtasks = o->maxtasksperchild;
    pool->maxbytes = pool->inlined ? 0 : o->maxbytes;
    pool->memory_soft = o->memory_soft;
    pool->memory_hard = o->memory_hard;
    pool->initializer_limit = o->initializer_time_limit == PRONG_FOREVER ? 0 : (uint64_t)o->initializer_time_limit;
    pool->method = pool->inlined ? PRONG_START_FORK
                   : o->program  ? PRONG_START_SPAWN
                   : o->method   ? o->method
                                 : prong_get_start_method();
    pthread_sigmask(SIG_SETMASK, NULL, &pool->mask);
    snprintf(pool->name, sizeof pool->name, "%s", o->name ? o->name : "PoolWorker");
    pool->limits_looked_until = PRONG_FOREVER;
    TRY(pool_make_table(pool->worker_count * sizeof(struct worker), &pool->workers));
    TRY(pool_make_table(pool->worker_count * sizeof(struct hand), &pool->hands));
    TRY(pool_make_table(pool->worker_count * sizeof(uint64_t), &pool->limits));
    prong_status status = PRONG_OK;
    if (o->program) status = program_keep(o->program, &pool->program);
    bool forked = pool->method == PRONG_START_FORK;
    const struct hook_wish initializer = pool_initializer(o);
    if (status >= 0) status = around_keep(&pool->around, o->worker, forked);
    return status < 0 ? status : hook_keep(&pool->initializer, &initializer, forked);
}

prong_status prong_pool_create(prong_pool *handle, const prong_pool_options *options) {
    static const prong_pool_options none;
    struct pool *pool;
    INTERRUPTS_HELD;
    if (!options) options = &none;
    if (!handle) return fail(PRONG_INVALID, "pool: no place for the handle");
    prong_status status = pool_check_options(options);
    if (status >= 0) status = family_enter();
    if (status >= 0) status = object_create(KIND_POOL, (void **)&pool);
    if (status < 0) return status;
    prong_pool made = {arena_offset(pool), atomic_load(&pool->object.generation)};
    status = pool_fill(pool, options);
    if (status >= 0) {
        object_publish(pool);
        if (pool->inlined)
            inline_begin(pool);
        else
            status = owner_start(pool, made);
    }
    if (status < 0) {
        status = fail_again(status, "pool of %llu workers", (unsigned long long)pool->wanted);
        KEEP_MESSAGE;
        object_destroy(pool, made.generation);
        return status;
    }
    __atomic_store_n(&pool->created, clock_now(), __ATOMIC_RELEASE);
    *handle = made;
    return PRONG_OK;
}

/* --- ending --- */

void pool_tell_change(struct pool *pool) {
    waitq_notify(&pool->work, INT_MAX);
    waitq_notify(&pool->attention, 1);
    waitq_notify(&pool->room, INT_MAX);
    waitq_notify(&pool->ended, INT_MAX);
}

static void pool_leave_state(struct pool *pool, enum pool_state most, enum pool_state state) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    if (atomic_load(&pool->state) <= (uint64_t)most) guard_set(&pool->guard, (uint64_t *)&pool->state, state);
    guard_leave(&pool->guard);
    pool_tell_change(pool);
}

prong_status prong_pool_shutdown(prong_pool handle) {
    struct pool *pool;
    INSIDE struct visit inside = {0};
    prong_status status = pool_enter(&inside, handle, &pool);
    if (status >= 0 && pool->inlined) status = inline_check_owner(pool);
    if (status >= 0) pool_leave_state(pool, POOL_RUNNING, POOL_CLOSED);
    if (status >= 0 && pool->inlined) inline_end(pool);
    return status;
}

static prong_status pool_enter_own(struct visit *inside, prong_pool handle, struct pool **pool) {
    char who[80];
    prong_status status = pool_enter(inside, handle, pool);
    if (status >= 0 && (*pool)->inlined) return inline_check_owner(*pool);
    if (status >= 0 && !owner_is_self(handle))
        return fail(PRONG_NOT_CHILD, "pool '%s' belongs to %s, which created it", (*pool)->name,
                    member_describe((uint32_t)(*pool)->owner, who, sizeof who));
    return status;
}

prong_status prong_pool_terminate(prong_pool handle) {
    struct pool *pool;
    INSIDE struct visit inside = {0};
    prong_status status = pool_enter_own(&inside, handle, &pool);
    if (status < 0) return status;
    pool_leave_state(pool, POOL_CLOSED, POOL_TERMINATED);
    owner_end_workers(pool, handle);
    if (pool->inlined) inline_end(pool);
    return PRONG_OK;
}

static bool pool_workers_gone(void *pool) {
    return atomic_load(&((struct pool *)pool)->workers_gone);
}

static prong_status pool_wait_for_end(prong_pool handle, struct pool *pool, deadline_t deadline) {
    struct await await;
    prong_status status = PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){handle.offset, handle.generation, AWAIT_WORKERS}, deadline);
    /* one that another thread has destroyed meanwhile has ended */
    while (status >= 0 && object_is_live(KIND_POOL, handle.offset, handle.generation) && !pool_workers_gone(pool)) {
        status = await_check(&await);
        if (status >= 0 && !waitq_sleep(&pool->ended, pool_workers_gone, pool, deadline) && !pool_workers_gone(pool))
            status = fail(PRONG_TIMEOUT, "pool '%s' still has workers, or runs callbacks", pool->name);
    }
    await_end(&await);
    return status;
}

prong_status prong_pool_join(prong_pool handle, prong_time timeout) {
    struct pool *pool;
    INSIDE struct visit inside = {0};
    prong_status status = pool_enter_own(&inside, handle, &pool);
    if (status < 0) return status;
    if (atomic_load(&pool->state) == POOL_RUNNING)
        return fail(PRONG_STILL_RUNNING, "join of pool '%s': shut it down or terminate it first", pool->name);
    if ((status = owner_begin_join(handle))) return status;
    status = pool_wait_for_end(handle, pool, deadline_after(timeout));
    owner_end_join();
    return status;
}

prong_status prong_pool_destroy(prong_pool handle) {
    struct pool *pool;
    INSIDE struct visit inside = {0};
    prong_status status = pool_enter_own(&inside, handle, &pool);
    if (status >= 0) status = owner_begin_join(handle);
    if (status < 0) return status;
    if (!pool_workers_gone(pool)) {
        status = prong_pool_terminate(handle);
        if (status >= 0) status = pool_wait_for_end(handle, pool, PRONG_FOREVER);
    }
    owner_end_join();
    if (status >= 0 && (pool->inlined || owner_finish(handle))) object_destroy(pool, handle.generation);
    return status;
}

/* --- asking --- */

/* Those beyond the places that are wanted have not ended yet. */
static size_t pool_list_workers(struct pool *pool, prong_worker *workers, size_t capacity) {
    size_t count = 0;
    for (uint64_t i = 0; i < pool->worker_count; i++) {
        const struct worker *worker = pool_worker(pool, i);
        if (i >= pool->wanted && !worker->pid) continue;
        if (count++ >= capacity) continue;
        workers[count - 1] = (prong_worker){
            .pid = (int)worker->pid, .busy = worker_hand(pool, worker)->job != 0, .tasks = worker->tasks};
    }
    return count;
}

prong_status prong_pool_workers(prong_pool handle, prong_worker *workers, size_t capacity, size_t *count,
                                uint64_t *deaths) {
    struct pool *pool;
    INSIDE struct visit inside = {0};
    TRY(check_bytes(workers, capacity, "pool: workers"));
    TRY(pool_enter(&inside, handle, &pool));
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    size_t listed = pool->inlined ? 0 : pool_list_workers(pool, workers, capacity);
    guard_leave(&pool->guard);
    if (count) *count = listed;
    if (deaths) *deaths = __atomic_load_n(&pool->deaths, __ATOMIC_RELAXED);
    return PRONG_OK;
}

/* --- as an object --- */

/* The token is the process's only if that is still there after it was read. */
static bool worker_lives(const struct worker *worker) {
    uint32_t token = process_token(worker_process(worker));
    return token && member_alive(token);
}

static bool no_worker_lives(const struct pool *pool) {
    for (uint64_t i = 0; i < pool->worker_count; i++)
        if (worker_lives(pool_worker(pool, i))) return false;
    return true;
}

static void pool_wake(void *object) {
    struct pool *pool = object;
    struct waitq *const all[] = {&pool->work, &pool->attention, &pool->callbacks, &pool->room, &pool->ended};
    lock_wake(&pool->guard.lock);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) waitq_wake_all(all[i]);
}

static void pool_recover(void *object, uint32_t dead) {
    struct pool *pool = object;
    uint64_t generation = object_generation(pool); /* first: what is read below may be of the next to live here */
    if (lock_held_by(&pool->guard.lock, dead) && guard_enter(&pool->guard, deadline_after(STOPPED_AT_MOST)))
        guard_leave(&pool->guard);
    if (atomic_load(&pool->object.state) != OBJECT_LIVE) return;
    if (pool->owner == dead) {
        pool_leave_state(pool, POOL_CLOSED, POOL_TERMINATED);
        pool->orphaned = 1;
        pool_wake(pool); /* its owner's threads were not inside */
    }
    /* The kernel kills the workers with their owner, but not in the same instant. */
    if (pool->orphaned && no_worker_lives(pool) && jobs_cancel_all(pool)) object_destroy(pool, generation);
}

static void pool_end(void *object) {
    struct pool *pool = object;
    waitq_notify(&pool->work, INT_MAX);
    waitq_notify(&pool->room, INT_MAX);
    waitq_notify(&pool->ended, INT_MAX);
}

static bool pool_dispose(void *object) {
    struct pool *pool = object;
    uint64_t *const tables[] = {&pool->workers, &pool->hands, &pool->limits};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (*tables[i]) heap_free(*tables[i], tables[i]);
    hook_free(&pool->initializer);
    around_free(&pool->around);
    everywhere_free(pool);
    if (pool->program) heap_free(pool->program, &pool->program);
    return true;
}

const struct object_type pool_type = {
    .name = "pool",
    .size = sizeof(struct pool),
    .recover = pool_recover,
    .wake = pool_wake,
    .end = pool_end,
    .dispose = pool_dispose,
};
