/* A pool's workers as their owner sees them: started, ended, over their limits. */
#include "base/error.h"
#include "base/periods.h"
#include "pool/owner_entry.h"
#include "pool/schedule.h"
#include "pool/worker.h"
#include "os/os.h"
#include "process/process.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { EARLY_DEATHS_MOST = 3, STARTS_MOST = 50 };

/* Of a worker whose start failed: what it noted is not the next one's. */
static void slot_forget_initializing(struct pool *pool, struct slot *slot) {
    if (!slot->initializing || !guard_enter(&pool->guard, PRONG_FOREVER)) return;
    guard_set(&pool->guard, &slot->initializing, 0);
    guard_leave(&pool->guard);
}

prong_status owner_start_worker(struct owner *o, uint64_t i) {
    struct slot *slot = pool_slot(o->pool, i);
    struct worker_argument argument = {o->handle, i};
    char name[48];
    prong_process process;
    prong_process_state state;
    int sentinel;
    char **program = strings_list(o->pool->program);
    if (o->pool->program && !program) return fail_text(PRONG_NO_MEMORY, "no memory for the program's arguments");
    snprintf(name, sizeof name, "%.31s-%u", o->pool->name, (unsigned)i + 1);
    prong_process_options options = {.target = worker_main,
                                     .argument = &argument,
                                     .argument_size = sizeof argument,
                                     .name = name,
                                     .daemon = PRONG_DAEMON_YES,
                                     .method = (prong_start_method)o->pool->method,
                                     .program = program,
                                     .no_wait = program != NULL};
    prong_status status = prong_process_create(&process, &options);
    free(program);
    if (status < 0) return status;
    slot_forget_initializing(o->pool, slot);
    process_concerns(process, o->pool); /* the end of the last worker frees a pool without an owner */
    status = prong_process_start(process);
    if (status >= 0) status = prong_process_get_state(process, &state);
    if (status >= 0) status = prong_process_sentinel(process, &sentinel);
    if (status < 0) {
        prong_process_destroy(process);
        return status;
    }
    o->polls[i + 1] = (struct pollfd){.fd = sentinel, .events = POLLIN};
    if (guard_enter(&o->pool->guard, PRONG_FOREVER)) {
        guard_set(&o->pool->guard, &slot->process_offset, process.offset);
        guard_set(&o->pool->guard, &slot->process_generation, process.generation);
        guard_set(&o->pool->guard, &slot->pid, (uint64_t)state.pid);
        guard_leave(&o->pool->guard);
    }
    waitq_notify(&o->pool->work, INT_MAX); /* it may wait to be known */
    return PRONG_OK;
}

static void pool_break(struct pool *pool, int code) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    if (atomic_load(&pool->state) <= POOL_CLOSED) {
        guard_set(&pool->guard, (uint64_t *)&pool->state, POOL_BROKEN);
        guard_set(&pool->guard, (uint64_t *)&pool->broken_code, (uint64_t)(int64_t)code);
    }
    guard_leave(&pool->guard);
}

static void owner_worker_ended(struct owner *o, uint64_t i) {
    struct pool *pool = o->pool;
    struct slot *slot = pool_slot(pool, i);
    prong_process process = slot_process(slot);
    int code = 0;
    if (prong_process_join(process, STOPPED_AT_MOST) < 0 || prong_process_exitcode(process, &code) < 0) return;
    prong_process_destroy(process);
    o->polls[i + 1].fd = -1;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    uint64_t job = slot->job;
    bool early = !slot->token, died = code != 0 || slot->job;
    unsigned news = schedule_death(pool, slot, code);
    guard_commit(&pool->guard);
    if (died) guard_set(&pool->guard, &pool->deaths, pool->deaths + 1);
    if (early) guard_set(&pool->guard, &pool->early_deaths, pool->early_deaths + 1);
    bool hopeless = pool->early_deaths >= EARLY_DEATHS_MOST + pool->slot_count;
    INSIDE struct visit inside = {0};
    if (job) object_enter_known(&inside, job);
    guard_leave(&pool->guard);
    if (hopeless) pool_break(pool, code);
    if (job) schedule_tell(pool, job, news);
    waitq_notify(&pool->work, 1); /* the task may be there to be run again */
}

/* --- what the thread does when it wakes --- */

void owner_gather_ended(struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++)
        if (o->polls[i + 1].fd >= 0 && os_pidfd_ended(o->polls[i + 1].fd)) owner_worker_ended(o, i);
}

static bool pool_wants_workers(const struct pool *pool) {
    uint64_t state = atomic_load(&pool->state);
    return state == POOL_RUNNING || (state == POOL_CLOSED && __atomic_load_n(&pool->unfinished, __ATOMIC_RELAXED) > 0);
}

void owner_replace_missing(struct owner *o) {
    o->start_later = false;
    unsigned alive = 0;
    for (uint64_t i = 0; i < o->pool->slot_count; i++) {
        if (o->polls[i + 1].fd < 0 && pool_wants_workers(o->pool) && !o->start_later) {
            o->start_later = owner_start_worker(o, i) != PRONG_OK;
            o->failed_starts = o->start_later ? o->failed_starts + 1 : 0;
        }
        alive += o->polls[i + 1].fd >= 0;
    }
    /* no processes to be had just now: try again, but callers that wait must not wait forever */
    if (!alive && o->failed_starts > STARTS_MOST) pool_break(o->pool, 0);
}

/* When the slot's worker is over the initializer's limit, at the earliest; one that has not begun with it may begin now. */
static deadline_t slot_initializer_end(const struct pool *pool, const struct slot *slot, int64_t now) {
    if (!slot->pid || slot->token || slot->doom) return PRONG_FOREVER;
    return (int64_t)((slot->initializing ? slot->initializing : (uint64_t)now) + pool->initializer_limit);
}

/* The same for workers that do not get through their initializer. Their deaths are early ones: see worker_ended. */
deadline_t owner_enforce_initializer_limit(struct owner *o) {
    struct pool *pool = o->pool;
    deadline_t next = PRONG_FOREVER;
    if (!pool->initializer_limit || !guard_enter(&pool->guard, PRONG_FOREVER)) return PRONG_FOREVER;
    int64_t now = clock_now();
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        deadline_t end = slot_initializer_end(pool, slot, now);
        if (end > now) {
            next = deadline_earlier(next, end);
            continue;
        }
        guard_set(&pool->guard, &slot->doom, DOOM_TIMEOUT);
        guard_set(&pool->guard, &pool->initializer_late, 1);
        guard_commit(&pool->guard);
        prong_process_signal(slot_process(slot), SIGKILL);
    }
    guard_leave(&pool->guard);
    return next;
}

deadline_t owner_enforce_limits(struct owner *o) {
    struct pool *pool = o->pool;
    if (!__atomic_load_n(&pool->least_limit, __ATOMIC_RELAXED)) return PRONG_FOREVER;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return PRONG_FOREVER;
    int64_t now = clock_now(), next = now + (int64_t)pool->least_limit;
    if (pool->unfinished == 0) {
        guard_set(&pool->guard, &pool->least_limit, 0);
        next = PRONG_FOREVER;
    }
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!slot->job || !slot->started_at || slot->doom) continue;
        int64_t end = (int64_t)(slot->started_at + ((struct job *)arena_at(slot->job))->time_limit);
        if (end > now) {
            if (end < next) next = end;
            continue;
        }
        guard_set(&pool->guard, &slot->doom, DOOM_TIMEOUT);
        guard_commit(&pool->guard);
        prong_process_signal(slot_process(slot), SIGKILL);
    }
    guard_leave(&pool->guard);
    return next;
}

void owner_kill_stubborn(struct owner *o) {
    int64_t at = atomic_load(&o->kill_at);
    if (!at || clock_now() < at) return;
    for (uint64_t i = 0; i < o->pool->slot_count; i++)
        if (o->polls[i + 1].fd >= 0) prong_process_signal(slot_process(pool_slot(o->pool, i)), SIGKILL);
}

bool owner_all_gone(const struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++)
        if (o->polls[i + 1].fd >= 0) return false;
    return !pool_wants_workers(o->pool);
}
