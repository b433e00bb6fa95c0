/* Looking after a pool: one thread, asleep in poll on the workers' sentinels and a doorbell; and another, from the first job with a
 * callback on, that runs callbacks.
 *
 * Threads, because somebody has to notice a death and run callbacks while the program computes or waits elsewhere; two, because
 * a callback may wait for what needs a worker replaced. They block every signal, so that none of the host's handlers ever runs
 * on them. */
#define _GNU_SOURCE
#include "base/error.h"
#include "os/os.h"
#include "pool/owner_entry.h"
#include "pool/schedule.h"
#include "process/process.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 256 << 10 };
static const prong_time TRY_START_AGAIN = PRONG_MS(100), END_WITHIN = PRONG_SECONDS(2),
                        CALLBACKS_END_WITHIN = PRONG_SECONDS(2);

void owner_tell_end(struct pool *pool) {
    atomic_store(&pool->workers_gone, 1);
    waitq_notify(&pool->ended, INT_MAX);
}

/* No callback's thread starts after this. */
static void owner_workers_ended(struct owner *o) {
    owners_lock();
    o->ended = true;
    bool last = !o->has_callbacks;
    owners_unlock();
    atomic_store(&o->pool->workers_ended, 1);
    waitq_notify(&o->pool->callbacks, INT_MAX);
    waitq_notify(&o->pool->ended, INT_MAX);
    if (last) owner_tell_end(o->pool);
}

static void owner_fail_jobs_of_broken(struct owner *o) {
    if (atomic_load(&o->pool->state) == POOL_BROKEN) jobs_cancel_unfinished(o->pool);
}

static void *owner_look_after(void *context) {
    struct owner *o = context;
    do {
        watch_renew(&o->watch);
        watch_add(&o->watch, &o->pool->attention); /* look at everything after this */
        owner_gather_ended(o);
        owner_replace_missing(o);
        owner_fail_jobs_of_broken(o);
        deadline_t next = deadline_earlier(owner_enforce_limits(o), owner_enforce_initializer_limit(o));
        owner_kill_stubborn(o);
        if (o->start_later) next = deadline_earlier(next, deadline_after(TRY_START_AGAIN));
        if (atomic_load(&o->kill_at)) next = deadline_earlier(next, deadline_after(PRONG_MS(100)));
        if (owner_all_gone(o)) break;
        poll(o->polls, o->pool->slot_count + 1, deadline_poll_ms(watch_within(&o->watch, next)));
    } while (true);
    /* It may have been terminated so lately that its jobs are not all cancelled yet: they end before the workers are said to have
     * ended, or a callback would be left out. */
    if (atomic_load(&o->pool->state) >= POOL_TERMINATED) jobs_cancel_unfinished(o->pool);
    owner_workers_ended(o);
    return NULL;
}

/* --- starting and ending --- */

int owner_start_thread(pthread_t *thread, size_t stack, void *(*run)(void *), struct owner *o) {
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(thread, &attributes, run, o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return number;
}

static void owner_discard(struct owner *o) {
    watch_close(&o->watch);
    free(o->polls);
    free(o);
}

static void owner_abandon_workers(struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++) {
        if (o->polls[i + 1].fd < 0) continue;
        prong_process process = slot_process(pool_slot(o->pool, i));
        prong_process_signal(process, SIGKILL);
        prong_process_join(process, PRONG_FOREVER);
        prong_process_destroy(process);
    }
}

static prong_status owner_prepare(struct pool *pool, prong_pool handle, struct owner **made) {
    struct owner *o = calloc(1, sizeof *o);
    if (!o) return fail(PRONG_NO_MEMORY, "no memory for a pool");
    *o = (struct owner){.pool = pool, .handle = handle, .pid = getpid(), .watch.doorbell = -1};
    o->polls = calloc(pool->slot_count + 1, sizeof *o->polls);
    prong_status status = o->polls ? PRONG_OK : fail(PRONG_NO_MEMORY, "no memory for a pool");
    if (status >= 0 && !watch_open(&o->watch, true))
        status = fail_errno("no socket by which others wake the pool's thread (AF_UNIX, datagrams)");
    if (status < 0) {
        owner_discard(o);
        return status;
    }
    o->polls[0] = (struct pollfd){.fd = o->watch.doorbell, .events = POLLIN};
    for (uint64_t i = 0; i < pool->slot_count; i++) o->polls[i + 1].fd = -1;
    *made = o;
    return PRONG_OK;
}

void owner_end_workers(struct pool *pool, prong_pool handle) {
    jobs_cancel_unfinished(pool);
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        if (!slot->doom) guard_set(&pool->guard, &slot->doom, DOOM_CANCEL);
        prong_process process = slot_process(slot);
        bool there = slot->pid != 0;
        guard_leave(&pool->guard);
        if (there) prong_process_signal(process, SIGTERM);
    }
    owners_lock();
    struct owner *o = owner_find(handle);
    if (o) atomic_store(&o->kill_at, clock_now() + END_WITHIN);
    owners_unlock();
    waitq_notify(&pool->attention, 1);
}

bool owner_finish(prong_pool handle) {
    struct owner *o = owner_remove(handle);
    if (!o) return false;
    pthread_join(o->thread, NULL);
    if (o->has_callbacks) pthread_join(o->callbacks, NULL);
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

/* Its threads still use the entry, which stays. */
static void owner_leave(struct owner *o) {
    if (!o) return;
    pthread_detach(o->thread);
    if (o->has_callbacks) pthread_detach(o->callbacks);
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
        if (!pool) return;
        owner_end_at_exit(handle, pool);
    }
}

prong_status owner_start(struct pool *pool, prong_pool handle) {
    struct owner *o = NULL;
    prong_status status = owner_prepare(pool, handle, &o);
    if (status < 0) return status;
    fork_gate(&pool->all_forked);
    for (uint64_t i = 0; i < pool->slot_count && status >= 0; i++) status = owner_start_worker(o, i);
    fork_gate_open(&pool->all_forked);
    int number = status ? 0 : owner_start_thread(&o->thread, STACK_SIZE, owner_look_after, o);
    if (number == EINVAL) /* unshare(CLONE_NEWPID) has been called, or the like */
        status =
            fail(PRONG_NO_PROCESSES, "no thread to look after the workers: a process whose children live in another "
                                     "namespace of pids cannot make threads");
    else if (number)
        status = fail(PRONG_NO_PROCESSES, "no thread to look after the workers: %s", strerror(number));
    if (status < 0) {
        owner_abandon_workers(o);
        owner_discard(o);
        return status;
    }
    owners_lock();
    owners_unlock();
    owner_add(o);
    return PRONG_OK;
}
