/* Functions that run once in each of a pool's workers. */
#include "pool/everywhere.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "family/heap.h"
#include "family/member.h"
#include "pool/await.h"
#include "pool/inline.h"
#include "pool/job.h"

#include <prong/everywhere.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* In the arena. The hook's argument is in the same block. */
struct everywhere {
    uint64_t next;
    struct hook hook;
    /* of the first worker in which it failed: place + 1, a prong_status, and what it returned */
    uint64_t failed, status, code;
};

/* --- in a worker --- */

/* The one after so many; they are never taken off the list. */
static struct everywhere *everywhere_after(const struct pool *pool, uint64_t count) {
    uint64_t at = pool->everywhere;
    while (count-- > 0) at = ((struct everywhere *)arena_at(at))->next;
    return arena_at(at);
}

static void everywhere_note(struct pool *pool, struct worker *worker, struct everywhere *e, prong_status status,
                            int code) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    guard_set(&pool->guard, &worker->everywhere, worker->everywhere + 1);
    if (status < 0 && !e->failed) {
        guard_set(&pool->guard, &e->failed, (uint64_t)(worker - pool_worker(pool, 0)) + 1);
        guard_set(&pool->guard, &e->status, (uint64_t)(int64_t)status);
        guard_set(&pool->guard, &e->code, (uint64_t)(int64_t)code);
    }
    guard_leave(&pool->guard);
    waitq_notify(&pool->ended, INT_MAX);
}

void everywhere_run_due(struct pool *pool, struct worker *worker) {
    while (everywhere_is_due(pool, worker)) {
        struct everywhere *e = everywhere_after(pool, worker->everywhere);
        any_function *function;
        uint64_t before = worker->everywhere;
        int code = 0;
        prong_status status = hook_find(&e->hook, &function);
        if (status >= 0) code = hook_call(&e->hook, function);
        everywhere_note(pool, worker, e, code ? PRONG_TASK_FAILED : status, code);
        if (worker->everywhere == before) return; /* the guard is not to be had any more */
    }
}

/* --- putting one on the list --- */

/* In a block that is freed with this process until it is on the list. */
static prong_status everywhere_allocate(const struct hook *hook, const prong_bytes *argument, uint64_t *block) {
    atomic_fetch_add(&self_row()->held, 1); /* until it is on the list, or freed: burial looks for such blocks then */
    prong_status status = heap_alloc(sizeof(struct everywhere) + argument->size, self_token(), NULL, block);
    if (status < 0) atomic_fetch_sub(&self_row()->held, 1);
    if (status < 0) return status;
    struct everywhere *e = arena_at(*block);
    *e = (struct everywhere){.hook = *hook};
    e->hook.size = argument->size;
    if (!argument->size) return PRONG_OK;
    e->hook.argument = *block + sizeof *e;
    memcpy(arena_at(e->hook.argument), argument->data, argument->size);
    return PRONG_OK;
}

/* Workers that were forked from the owner have its functions where they are, also if these cannot be identified. */
static prong_status everywhere_prepare(const struct pool *pool, const struct hook_wish *wish, prong_document *scratch,
                                       uint64_t *block) {
    struct hook hook = {0};
    prong_bytes argument = {0};
    prong_status status = hook_prepare(&hook, wish, false, scratch, &argument);
    if (status < 0 && wish->target && pool->method == PRONG_START_FORK && pool->owner == self_token()) {
        hook.function = (struct function){0};
        status = PRONG_OK;
    }
    return status < 0 ? status : everywhere_allocate(&hook, &argument, block);
}

static prong_status everywhere_make(const struct pool *pool, const struct hook_wish *wish, uint64_t *block) {
    prong_document *scratch = NULL;
    if (wish->name) TRY(prong_document_open(&scratch, NULL));
    prong_status status = everywhere_prepare(pool, wish, scratch, block);
    prong_document_close(scratch);
    return status;
}

/* *number: its place in the list, from 1 on. On failure the block is freed. */
static prong_status everywhere_append(struct pool *pool, uint64_t block, uint64_t *number) {
    struct guard *guard = &pool->guard;
    bool entered = guard_enter(guard, PRONG_FOREVER), running = atomic_load(&pool->state) == POOL_RUNNING;
    if (entered && running) {
        guard_set(guard,
                  pool->everywhere ? &((struct everywhere *)arena_at(pool->everywhere_last))->next : &pool->everywhere,
                  block);
        guard_set(guard, &pool->everywhere_last, block);
        guard_set(guard, &heap_header(block)->owner, 0);
        guard_set(guard, &pool->everywhere_count, pool->everywhere_count + 1);
        *number = pool->everywhere_count;
    }
    if (entered) guard_leave(guard);
    if (!entered || !running) heap_free(block, NULL);
    atomic_fetch_sub(&self_row()->held, 1);
    if (entered && running) return PRONG_OK;
    return entered ? job_fail_not_running(pool) : lock_refused(PRONG_TIMEOUT, "the pool");
}

void everywhere_free(struct pool *pool) {
    while (pool->everywhere) {
        uint64_t block = pool->everywhere, next = ((struct everywhere *)arena_at(block))->next;
        __atomic_store_n(&pool->everywhere, next,
                         __ATOMIC_RELEASE); /* if this process dies here, the block is lost, no more */
        heap_free(block, NULL);
    }
}

/* --- waiting --- */

struct everywhere_wait {
    struct pool *pool;
    uint64_t number;
};

static bool everywhere_all_have(const struct everywhere_wait *wait) {
    for (uint64_t i = 0; i < pool_wanted(wait->pool); i++)
        if (__atomic_load_n(&pool_worker(wait->pool, i)->everywhere, __ATOMIC_ACQUIRE) < wait->number) return false;
    return true;
}

static bool everywhere_is_over(void *context) {
    const struct everywhere_wait *wait = context;
    return atomic_load(&wait->pool->state) != POOL_RUNNING || everywhere_all_have(wait);
}

/* What is seen without the guard may be taken back, if the worker that set it dies before it leaves. */
static prong_status everywhere_ask(const struct everywhere_wait *wait) {
    struct pool *pool = wait->pool;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
    bool all = everywhere_all_have(wait);
    guard_leave(&pool->guard);
    if (all) return PRONG_OK;
    if (atomic_load(&pool->state) != POOL_RUNNING) return job_fail_not_running(pool);
    return fail(PRONG_TIMEOUT, "not all workers of pool '%s' have run the function yet", pool->name);
}

static prong_status everywhere_result(const struct pool *pool, uint64_t number) {
    const struct everywhere *e = everywhere_after(pool, number - 1);
    if (!e->failed) return PRONG_OK;
    prong_status status = (prong_status)(int64_t)e->status;
    unsigned long long place = e->failed - 1;
    if (status != PRONG_TASK_FAILED) return fail(status, "worker %llu does not find the function", place);
    return fail(status, "the function returned %lld in worker %llu", (long long)e->code, place);
}

static prong_status everywhere_wait(struct pool *pool, uint64_t number, deadline_t deadline) {
    struct everywhere_wait wait = {pool, number};
    prong_status status = everywhere_ask(&wait);
    INTERRUPTIBLE;
    while (status == PRONG_TIMEOUT && !deadline_passed(deadline)) {
        waitq_sleep(&pool->ended, everywhere_is_over, &wait, deadline);
        status = everywhere_ask(&wait);
    }
    return status < 0 ? status : everywhere_result(pool, number);
}

/* --- the call --- */

static prong_status everywhere_run_inline(struct pool *pool, const struct hook_wish *wish) {
    struct hook hook = {0};
    TRY(inline_check_owner(pool));
    if (atomic_load(&pool->state) != POOL_RUNNING) return job_fail_not_running(pool);
    prong_status status = hook_keep(&hook, wish, true);
    int code = status < 0 ? 0 : inline_run_hook(pool, &hook);
    hook_free(&hook);
    return code ? fail(PRONG_TASK_FAILED, "the function returned %d", code) : status;
}

static prong_status everywhere_check(const prong_everywhere *what, struct hook_wish *wish) {
    if (!what) return fail_text(PRONG_INVALID, "everywhere: no function (NULL)");
    CHECK_RESERVED(what, "everywhere");
    *wish = (struct hook_wish){what->target, what->argument, what->argument_size, what->name, what->values};
    if (!what->target && !what->name) return fail_text(PRONG_INVALID, "everywhere: neither a target nor a name");
    return hook_check(wish, "everywhere");
}

prong_status prong_pool_everywhere(prong_pool handle, const prong_everywhere *what, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    struct hook_wish wish;
    struct pool *pool;
    uint64_t block = 0, number = 0;
    INSIDE struct visit inside = {0};
    TRY(everywhere_check(what, &wish));
    TRY(pool_enter(&inside, handle, &pool));
    if (pool->inlined) return everywhere_run_inline(pool, &wish);
    if (await_is_worker_of(pool))
        return fail(PRONG_DEADLOCK, "everywhere: a worker of pool '%s' would wait for itself", pool->name);
    TRY(everywhere_make(pool, &wish, &block));
    TRY(everywhere_append(pool, block, &number));
    waitq_notify(&pool->work, INT_MAX);
    return everywhere_wait(pool, number, deadline);
}
