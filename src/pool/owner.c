/* A pool's life as its owner sees it: started, told to end, ended at the process's exit. */
#define _GNU_SOURCE
#include "base/error.h"
#include "pool/job.h"
#include "pool/owner_entry.h"
#include "process/process.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const prong_time END_WITHIN = PRONG_SECONDS(2), CALLBACKS_END_WITHIN = PRONG_SECONDS(2);

void owner_tell_end(struct pool *pool) {
    atomic_store(&pool->workers_gone, 1);
    waitq_notify(&pool->ended, INT_MAX);
}

/* --- starting and ending --- */

int owner_start_thread(pthread_t *thread, size_t stack, void *(*run)(void *), void *context) {
    pthread_attr_t attributes;
    pthread_t unused;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    if (!thread) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(thread ? thread : &unused, &attributes, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return number;
}

static void owner_discard(struct owner *o) {
    free(o->sentinels);
    free(o);
}

static void owner_abandon_workers(struct owner *o) {
    for (uint64_t i = 0; i < o->pool->worker_count; i++) {
        if (atomic_load(&o->sentinels[i].descriptor) < 0) continue;
        prong_process process = worker_process(pool_worker(o->pool, i));
        prong_process_signal(process, SIGKILL);
        prong_process_join(process, PRONG_FOREVER);
        prong_process_destroy(process);
    }
}

static prong_status owner_make(struct pool *pool, prong_pool handle, struct owner **made) {
    struct owner *o = calloc(1, sizeof *o);
    if (o) o->sentinels = calloc(pool->worker_count, sizeof *o->sentinels);
    if (!o || !o->sentinels) {
        free(o);
        return fail(PRONG_NO_MEMORY, "no memory for a pool");
    }
    o->pool = pool;
    o->handle = handle;
    o->pid = getpid();
    for (uint64_t i = 0; i < pool->worker_count; i++) atomic_store(&o->sentinels[i].descriptor, -1);
    *made = o;
    return PRONG_OK;
}

/* Those that do not end in time are killed. */
static void owner_note_end(prong_pool handle, bool jobs_are_failed) {
    owners_lock();
    struct owner *o = owner_find(handle);
    if (o) {
        if (jobs_are_failed) atomic_store(&o->jobs_are_failed, true);
        atomic_store(&o->kill_at, clock_now() + END_WITHIN);
        if (!o->ended) caretaker_wake(o);
    }
    owners_unlock();
}

void owner_end_workers(struct pool *pool, prong_pool handle) {
    owner_note_end(handle, jobs_cancel_unfinished(pool));
    for (uint64_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = pool_worker(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        if (!worker->doom) guard_set(&pool->guard, &worker->doom, DOOM_CANCEL);
        prong_process process = worker_process(worker);
        bool there = worker->pid != 0;
        guard_leave(&pool->guard);
        if (there) prong_process_signal(process, SIGTERM);
    }
}

bool owner_finish(prong_pool handle) {
    struct owner *o = owner_remove(handle);
    if (!o) return false;
    if (o->has_callbacks) pthread_join(o->callbacks, NULL);
    caretakers_join_ended();
    owner_discard(o);
    return true;
}

/* --- at exit --- */

static bool pool_workers_have_ended(void *pool) {
    return atomic_load(&((struct pool *)pool)->workers_ended);
}

static bool pool_threads_have_ended(void *pool) {
    return atomic_load(&((struct pool *)pool)->workers_gone);
}

static bool pool_wait_until(struct pool *pool, bool (*ready)(void *), prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    while (!ready(pool))
        if (!waitq_sleep(&pool->ended, ready, pool, deadline)) return ready(pool);
    return true;
}

/* Threads still use the entry, which stays. */
static void owner_leave(struct owner *o) {
    if (o && o->has_callbacks) pthread_detach(o->callbacks);
}

/* A callback may wait for what never comes, or be what called exit: it is not waited for for long, and left where it is. */
static void owner_end_at_exit(prong_pool handle, struct pool *pool) {
    if (prong_pool_terminate(handle) >= 0) pool_wait_until(pool, pool_workers_have_ended, PRONG_FOREVER);
    if (!owner_runs_callbacks(handle) && pool_wait_until(pool, pool_threads_have_ended, CALLBACKS_END_WITHIN))
        prong_pool_destroy(handle);
    else
        owner_leave(owner_remove(handle));
}

void owner_end_all(void) {
    for (;;) {
        owners_lock();
        const struct owner *first = owner_first();
        prong_pool handle = first ? first->handle : (prong_pool){0};
        struct pool *pool = first ? first->pool : NULL;
        owners_unlock();
        if (!pool) break;
        owner_end_at_exit(handle, pool);
    }
    caretakers_join_ended();
}

static prong_status owner_start_workers(struct owner *o) {
    struct pool *pool = o->pool;
    prong_status status = PRONG_OK;
    fork_gate(&pool->all_forked);
    for (uint64_t i = 0; i < pool->wanted && status >= 0; i++) status = owner_start_worker(o, i);
    fork_gate_open(&pool->all_forked);
    return status;
}

prong_status owner_start(struct pool *pool, prong_pool handle) {
    struct owner *o = NULL;
    TRY(owner_make(pool, handle, &o));
    prong_status status = caretaker_admit(o);
    if (status < 0) {
        owner_discard(o);
        return status;
    }
    status = owner_start_workers(o);
    if (status >= 0) status = caretaker_begin(o);
    if (status >= 0) {
        owner_add(o);
        return PRONG_OK;
    }
    KEEP_MESSAGE;
    caretaker_dismiss(o);
    owner_abandon_workers(o);
    owner_discard(o);
    return status;
}
