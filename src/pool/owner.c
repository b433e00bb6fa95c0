/* Looking after workers: one thread a pool, asleep in poll on the workers' sentinels and a doorbell.
 *
 * A thread, because somebody has to notice a death and run callbacks while the program computes or waits elsewhere. It
 * blocks every signal, so that none of the host's handlers ever runs on it. */
#define _GNU_SOURCE
#include "pool/owner.h"

#include "base/error.h"
#include "base/fork_mutex.h"
#include "family/member.h"
#include "os/os.h"
#include "process/process.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STACK_SIZE = 256 << 10, EARLY_DEATHS_MOST = 3, STARTS_MOST = 50 };
static const prong_time TRY_START_AGAIN = PRONG_MS(100), END_WITHIN = PRONG_SECONDS(2);

struct owner {
    struct pool *pool;
    prong_pool handle;
    pthread_t thread;
    struct owner *next;
    struct pollfd *polls; /* the doorbell, then a sentinel a slot */
    int doorbell, watch;
    unsigned failed_starts;
    bool start_later;
    _Atomic int64_t kill_at; /* 0, or when those told to end are killed */
};

static struct owner *owners;

/* --- the list of pools of this process --- */

/* The thread is not in the child, nor are the pools the child's. */
static void forget_in_child(void) {
    for (struct owner *owner; (owner = owners);) {
        owners = owner->next;
        close(owner->doorbell);
        free(owner->polls);
        free(owner);
    }
}

FORK_MUTEX(mutex, forget_in_child)

static struct owner *find(const struct pool *pool) {
    pthread_mutex_lock(&mutex);
    struct owner *owner = owners;
    while (owner && owner->pool != pool) owner = owner->next;
    pthread_mutex_unlock(&mutex);
    return owner;
}

bool owner_is_self(const struct pool *pool) {
    return find(pool) != NULL;
}

static void terminate_all(void) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        prong_pool handle = owners ? owners->handle : (prong_pool){0};
        pthread_mutex_unlock(&mutex);
        if (!handle.generation || prong_pool_destroy(handle)) return;
    }
}

/* --- workers --- */

static prong_process process_of(const struct slot *slot) {
    return (prong_process){slot->process_offset, slot->process_generation};
}

static prong_status start_worker(struct owner *o, uint64_t i) {
    struct slot *slot = pool_slot(o->pool, i);
    struct worker_argument argument = {o->handle, i};
    char name[48];
    prong_process process;
    int pid, sentinel;
    char **program = program_arguments(o->pool->program);
    if (o->pool->program && !program) return fail_text(PRONG_NO_MEMORY, "no memory for the program's arguments");
    snprintf(name, sizeof name, "%.31s-%llu", o->pool->name, (unsigned long long)i + 1);
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
    if (status) return status;
    status = prong_process_start(process);
    if (!status) status = prong_process_pid(process, &pid);
    if (!status) status = prong_process_sentinel(process, &sentinel);
    if (status) {
        prong_process_close(process);
        return status;
    }
    o->polls[i + 1] = (struct pollfd){.fd = sentinel, .events = POLLIN};
    if (guard_enter(&o->pool->guard, PRONG_FOREVER)) {
        guard_set(&o->pool->guard, &slot->process_offset, process.offset);
        guard_set(&o->pool->guard, &slot->process_generation, process.generation);
        guard_set(&o->pool->guard, &slot->pid, (uint64_t)pid);
        guard_leave(&o->pool->guard);
    }
    return PRONG_OK;
}

/* A job that is not abandoned, seen under the guard, stays while the guard is held: see prong_job_close. */
static void cancel_one(void *object, void *context) {
    struct job *job = object;
    struct pool *pool = context;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    bool ours = atomic_load(&job->object.state) == OBJECT_LIVE && job->pool == arena_offset(pool) && !job->abandoned;
    if (ours && !job_ended(job))
        schedule_cancel(pool, job, atomic_load(&pool->state) == POOL_BROKEN ? PRONG_POOL_BROKEN : PRONG_CANCELLED);
    guard_leave(&pool->guard);
    if (ours) schedule_tell(pool, arena_offset(job), false);
}

void cancel_jobs(struct pool *pool) {
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        uint64_t job = slot->job;
        if (job) guard_set(&pool->guard, &slot->doom, DOOM_CANCEL);
        bool free_it = job && schedule_death(pool, slot, 0);
        guard_leave(&pool->guard);
        if (job) schedule_tell(pool, job, free_it);
    }
    object_each(KIND_JOB, cancel_one, pool);
}

static void break_pool(struct pool *pool, int code) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    if (atomic_load(&pool->state) <= POOL_CLOSED) {
        guard_set(&pool->guard, (uint64_t *)&pool->state, POOL_BROKEN);
        guard_set(&pool->guard, (uint64_t *)&pool->broken_code, (uint64_t)(int64_t)code);
    }
    guard_leave(&pool->guard);
}

static void worker_ended(struct owner *o, uint64_t i) {
    struct pool *pool = o->pool;
    struct slot *slot = pool_slot(pool, i);
    prong_process process = process_of(slot);
    int code = 0;
    if (prong_process_join(process, PRONG_SECONDS(1)) || prong_process_exitcode(process, &code)) return;
    prong_process_close(process);
    o->polls[i + 1].fd = -1;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    uint64_t job = slot->job;
    bool early = !slot->token, died = code != 0 || slot->job;
    bool free_it = schedule_death(pool, slot, code);
    guard_commit(&pool->guard);
    if (died) guard_set(&pool->guard, &pool->deaths, pool->deaths + 1);
    if (early) guard_set(&pool->guard, &pool->early_deaths, pool->early_deaths + 1);
    bool hopeless = pool->early_deaths >= EARLY_DEATHS_MOST + pool->slot_count;
    guard_leave(&pool->guard);
    if (hopeless) break_pool(pool, code);
    if (job) schedule_tell(pool, job, free_it);
    waitq_notify(&pool->work, 1); /* the task may be there to be run again */
}

/* --- what the thread does when it wakes --- */

static void gather_ended(struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++)
        if (o->polls[i + 1].fd >= 0 && os_pidfd_ended(o->polls[i + 1].fd)) worker_ended(o, i);
}

static bool wants_workers(const struct pool *pool) {
    uint64_t state = atomic_load(&pool->state);
    return state == POOL_RUNNING || (state == POOL_CLOSED && __atomic_load_n(&pool->unfinished, __ATOMIC_RELAXED) > 0);
}

static void replace_missing(struct owner *o) {
    o->start_later = false;
    unsigned alive = 0;
    for (uint64_t i = 0; i < o->pool->slot_count; i++) {
        if (o->polls[i + 1].fd < 0 && wants_workers(o->pool) && !o->start_later) {
            o->start_later = start_worker(o, i) != PRONG_OK;
            o->failed_starts = o->start_later ? o->failed_starts + 1 : 0;
        }
        alive += o->polls[i + 1].fd >= 0;
    }
    /* no processes to be had just now: try again, but do not let those who wait wait for ever */
    if (!alive && o->failed_starts > STARTS_MOST) break_pool(o->pool, 0);
}

static void run_callbacks(struct owner *o) {
    struct note note;
    while (note_take_ended(arena_offset(o->pool), &note)) {
        prong_status status = prong_job_get(note.job, PRONG_NOWAIT);
        if (status && note.error_callback) note.error_callback(note.job, status, prong_error_message(), note.context);
        if (!status && note.callback) note.callback(note.job, note.context);
    }
    if (runtime.after_callbacks) runtime.after_callbacks();
}

/* Kills whoever is over its limit; returns when the next one may be. */
static deadline_t enforce_limits(struct owner *o) {
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
        prong_process_kill(process_of(slot));
    }
    guard_leave(&pool->guard);
    return next;
}

static void kill_stubborn(struct owner *o) {
    int64_t at = atomic_load(&o->kill_at);
    if (!at || clock_now() < at) return;
    for (uint64_t i = 0; i < o->pool->slot_count; i++)
        if (o->polls[i + 1].fd >= 0) prong_process_kill(process_of(pool_slot(o->pool, i)));
}

static bool all_gone(const struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++)
        if (o->polls[i + 1].fd >= 0) return false;
    return !wants_workers(o->pool);
}

static deadline_t earlier(deadline_t a, deadline_t b) {
    return a < b ? a : b;
}

static void fail_jobs_of_broken(struct owner *o) {
    if (atomic_load(&o->pool->state) == POOL_BROKEN) object_each(KIND_JOB, cancel_one, o->pool);
}

static void *look_after(void *context) {
    struct owner *o = context;
    do {
        os_doorbell_silence(o->doorbell);
        waitq_arm(&o->pool->attention, o->watch); /* look at everything after this */
        gather_ended(o);
        replace_missing(o);
        fail_jobs_of_broken(o);
        run_callbacks(o);
        deadline_t next = enforce_limits(o);
        kill_stubborn(o);
        if (o->start_later) next = earlier(next, deadline_after(TRY_START_AGAIN));
        if (atomic_load(&o->kill_at)) next = earlier(next, deadline_after(PRONG_MS(100)));
        if (all_gone(o)) break;
        poll(o->polls, o->pool->slot_count + 1, deadline_poll_ms(next));
    } while (true);
    run_callbacks(o);
    atomic_store(&o->pool->workers_gone, 1);
    waitq_notify(&o->pool->ended, INT_MAX);
    return NULL;
}

/* --- starting and ending --- */

static prong_status start_thread(struct owner *o) {
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&o->thread, &attributes, look_after, o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return number ? fail(PRONG_NO_PROCESSES, "no thread to look after the workers") : PRONG_OK;
}

static void discard(struct owner *o) {
    if (o->watch >= 0) waitq_unwatch(&o->pool->attention, o->watch);
    if (o->doorbell >= 0) close(o->doorbell);
    free(o->polls);
    free(o);
}

static void abandon_workers(struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++) {
        if (o->polls[i + 1].fd < 0) continue;
        prong_process process = process_of(pool_slot(o->pool, i));
        prong_process_kill(process);
        prong_process_join(process, PRONG_FOREVER);
        prong_process_close(process);
    }
}

static prong_status prepare_owner(struct pool *pool, prong_pool handle, struct owner **made) {
    struct owner *o = calloc(1, sizeof *o);
    if (!o) return fail(PRONG_NO_MEMORY, "no memory for a pool");
    *o = (struct owner){.pool = pool, .handle = handle, .doorbell = -1, .watch = -1};
    o->polls = calloc(pool->slot_count + 1, sizeof *o->polls);
    prong_status status = o->polls ? PRONG_OK : fail(PRONG_NO_MEMORY, "no memory for a pool");
    uint32_t address = 0;
    if (!status && (o->doorbell = os_doorbell_create(&address)) < 0) status = fail_errno("no descriptor for a pool");
    if (status) {
        discard(o);
        return status;
    }
    o->polls[0] = (struct pollfd){.fd = o->doorbell, .events = POLLIN};
    for (uint64_t i = 0; i < pool->slot_count; i++) o->polls[i + 1].fd = -1;
    o->watch = waitq_watch(&pool->attention, address);
    *made = o;
    return PRONG_OK;
}

prong_status owner_start(struct pool *pool, prong_pool handle) {
    struct owner *o = NULL;
    mutex_prepare();
    prong_status status = prepare_owner(pool, handle, &o);
    if (status) return status;
    fork_gate(&pool->all_forked);
    for (uint64_t i = 0; i < pool->slot_count && !status; i++) status = start_worker(o, i);
    fork_gate_open(&pool->all_forked);
    if (!status) status = start_thread(o);
    if (status) {
        abandon_workers(o);
        discard(o);
        return status;
    }
    pthread_mutex_lock(&mutex);
    exit_hook = terminate_all;
    o->next = owners;
    owners = o;
    pthread_mutex_unlock(&mutex);
    return PRONG_OK;
}

void owner_end_workers(struct pool *pool) {
    struct owner *o = find(pool);
    object_each(KIND_JOB, cancel_one, pool);
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        if (!slot->doom) guard_set(&pool->guard, &slot->doom, DOOM_CANCEL);
        prong_process process = process_of(slot);
        bool there = slot->pid != 0;
        guard_leave(&pool->guard);
        if (there) prong_process_terminate(process);
    }
    if (o) atomic_store(&o->kill_at, clock_now() + END_WITHIN);
    waitq_notify(&pool->attention, 1);
}

void owner_finish(struct pool *pool) {
    pthread_mutex_lock(&mutex);
    struct owner **at = &owners;
    while (*at && (*at)->pool != pool) at = &(*at)->next;
    struct owner *o = *at;
    if (o) *at = o->next;
    pthread_mutex_unlock(&mutex);
    if (!o) return;
    pthread_join(o->thread, NULL);
    discard(o);
}
