/* Looking after workers: one thread a pool, asleep in poll on the workers' sentinels and a doorbell; and another, from the first
 * job with a callback on, that runs callbacks.
 *
 * Threads, because somebody has to notice a death and run callbacks while the program computes or waits elsewhere; two, because
 * a callback may wait for what needs a worker replaced. They block every signal, so that none of the host's handlers ever runs
 * on them. */
#define _GNU_SOURCE
#include "pool/owner.h"

#include "base/error.h"
#include "base/fork.h"
#include "base/local.h"
#include "family/member.h"
#include "family/watch.h"
#include "os/os.h"
#include "process/process.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_SIZE = 256 << 10, CALLBACK_STACK_SIZE = 4 << 20, EARLY_DEATHS_MOST = 3, STARTS_MOST = 50 };
static const prong_time TRY_START_AGAIN = PRONG_MS(100), END_WITHIN = PRONG_SECONDS(2),
                        CALLBACKS_END_WITHIN = PRONG_SECONDS(2);

struct owner {
    struct pool *pool;
    prong_pool handle;
    pthread_t thread;
    pthread_t callbacks; /* the thread that runs them, from the first job that has any on */
    bool has_callbacks;
    pid_t pid;        /* of the process that has it */
    bool ended;       /* thread is about to end: all workers have */
    prong_pool joins; /* the pool for whose end one of this pool's callbacks waits */
    struct owner *next;
    struct pollfd *polls; /* the doorbell, then a sentinel a slot */
    struct watch watch;
    unsigned failed_starts;
    bool start_later;
    _Atomic int64_t kill_at; /* 0, or when those told to end are killed */
};

static struct owner *owners;
/* In a thread that runs callbacks: of which pool. */
static QUICK_LOCAL prong_pool callbacks_of;

/* --- the list of pools of this process --- */

static void forget_in_child(void);
FORK_MUTEX(FORK_POOLS, mutex, forget_in_child)

static bool is_same(prong_pool a, prong_pool b) {
    return a.offset == b.offset && a.generation == b.generation;
}

/* Pools of the process that this one was forked from, the last ones. A program that becomes a daemon leaves them behind. */
enum { LEFT_BEHIND = 16 };
static struct {
    prong_pool handle;
    pid_t pid;
} left_behind[LEFT_BEHIND];
static unsigned left_behind_count;

pid_t owner_left_behind(prong_pool handle) {
    pid_t pid = 0;
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < LEFT_BEHIND && handle.generation; i++)
        if (is_same(left_behind[i].handle, handle)) pid = left_behind[i].pid;
    pthread_mutex_unlock(&mutex);
    return pid;
}

/* The thread is not in the child, nor are the pools the child's. */
static void forget_in_child(void) {
    for (struct owner *owner; (owner = owners);) {
        owners = owner->next;
        unsigned place = left_behind_count++ % LEFT_BEHIND;
        left_behind[place].handle = owner->handle;
        left_behind[place].pid = owner->pid;
        close(owner->watch.doorbell);
        free(owner->polls);
        free(owner);
    }
}

/* With the mutex held, as long as the entry is used: another thread may destroy the pool. */
static struct owner *owner_find(prong_pool handle) {
    struct owner *owner = owners;
    while (owner && !is_same(owner->handle, handle)) owner = owner->next;
    return owner;
}

bool owner_is_self(prong_pool handle) {
    pthread_mutex_lock(&mutex);
    bool found = owner_find(handle) != NULL;
    pthread_mutex_unlock(&mutex);
    return found;
}

/* --- callbacks that wait for the end of a pool --- */

/* Whether the end of a pool waits, by way of its callbacks, for the end of the other. */
static bool end_waits_for(prong_pool handle, prong_pool other) {
    while (!is_same(handle, other)) {
        struct owner *o = owner_find(handle);
        if (!o || !o->joins.generation) return false;
        handle = o->joins;
    }
    return true;
}

prong_status owner_begin_join(prong_pool handle) {
    prong_status status = PRONG_OK;
    pthread_mutex_lock(&mutex);
    struct owner *o = callbacks_of.generation ? owner_find(callbacks_of) : NULL;
    if (o && end_waits_for(handle, o->handle))
        status =
            fail(PRONG_DEADLOCK, "pool '%s' ends when its callbacks have returned: one of them cannot wait for that",
                 o->pool->name);
    else if (o)
        o->joins = handle;
    pthread_mutex_unlock(&mutex);
    return status;
}

void owner_end_join(void) {
    if (!callbacks_of.generation) return;
    pthread_mutex_lock(&mutex);
    struct owner *o = owner_find(callbacks_of);
    if (o) o->joins = (prong_pool){0};
    pthread_mutex_unlock(&mutex);
}

/* --- workers --- */

static prong_process process_of(const struct slot *slot) {
    return (prong_process){slot->process_offset, slot->process_generation};
}

/* Of a worker whose start failed: what it noted is not the next one's. */
static void forget_initializing(struct pool *pool, struct slot *slot) {
    if (!slot->initializing || !guard_enter(&pool->guard, PRONG_FOREVER)) return;
    guard_set(&pool->guard, &slot->initializing, 0);
    guard_leave(&pool->guard);
}

static prong_status start_worker(struct owner *o, uint64_t i) {
    struct slot *slot = pool_slot(o->pool, i);
    struct worker_argument argument = {o->handle, i};
    char name[48];
    prong_process process;
    int pid, sentinel;
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
    forget_initializing(o->pool, slot);
    status = prong_process_start(process);
    if (status >= 0) status = prong_process_pid(process, &pid);
    if (status >= 0) status = prong_process_sentinel(process, &sentinel);
    if (status < 0) {
        prong_process_destroy(process);
        return status;
    }
    o->polls[i + 1] = (struct pollfd){.fd = sentinel, .events = POLLIN};
    if (guard_enter(&o->pool->guard, PRONG_FOREVER)) {
        guard_set(&o->pool->guard, &slot->process_offset, process.offset);
        guard_set(&o->pool->guard, &slot->process_generation, process.generation);
        guard_set(&o->pool->guard, &slot->pid, (uint64_t)pid);
        guard_leave(&o->pool->guard);
    }
    waitq_notify(&o->pool->work, INT_MAX); /* it may wait to be known */
    return PRONG_OK;
}

/* A job that is not abandoned, seen under the guard, stays while the guard is held: see prong_job_destroy. */
static void cancel_one(void *object, void *context) {
    struct job *job = object;
    struct pool *pool = context;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    bool ours = atomic_load(&job->object.state) == OBJECT_LIVE && job->pool == arena_offset(pool) &&
                job->pool_generation == object_generation(pool) && !job->abandoned;
    if (ours && !job_ended(job))
        schedule_cancel(pool, job, atomic_load(&pool->state) == POOL_BROKEN ? PRONG_POOL_BROKEN : PRONG_CANCELLED);
    guard_leave(&pool->guard);
    if (ours) schedule_tell(pool, arena_offset(job), JOB_NEWS_NONE);
}

void cancel_jobs(struct pool *pool) {
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        uint64_t job = slot->job;
        if (job) guard_set(&pool->guard, &slot->doom, DOOM_CANCEL);
        unsigned news = job ? schedule_death(pool, slot, 0) : JOB_NEWS_NONE;
        INSIDE struct visit inside = {0};
        if (job) visit_begin(&inside, job);
        guard_leave(&pool->guard);
        if (job) schedule_tell(pool, job, news);
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
    if (prong_process_join(process, PRONG_SECONDS(1)) < 0 || prong_process_exitcode(process, &code) < 0) return;
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
    if (job) visit_begin(&inside, job);
    guard_leave(&pool->guard);
    if (hopeless) break_pool(pool, code);
    if (job) schedule_tell(pool, job, news);
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

static deadline_t earlier(deadline_t a, deadline_t b) {
    return a < b ? a : b;
}

/* When the slot's worker is over the initializer's limit, at the earliest; one that has not begun with it may begin now. */
static deadline_t initializer_end(const struct pool *pool, const struct slot *slot, int64_t now) {
    if (!slot->pid || slot->token || slot->doom) return PRONG_FOREVER;
    return (int64_t)((slot->initializing ? slot->initializing : (uint64_t)now) + pool->initializer_limit);
}

/* The same for workers that do not get through their initializer. Their deaths are early ones: see worker_ended. */
static deadline_t enforce_initializer_limit(struct owner *o) {
    struct pool *pool = o->pool;
    deadline_t next = PRONG_FOREVER;
    if (!pool->initializer_limit || !guard_enter(&pool->guard, PRONG_FOREVER)) return PRONG_FOREVER;
    int64_t now = clock_now();
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        deadline_t end = initializer_end(pool, slot, now);
        if (end > now) {
            next = earlier(next, end);
            continue;
        }
        guard_set(&pool->guard, &slot->doom, DOOM_TIMEOUT);
        guard_set(&pool->guard, &pool->initializer_late, 1);
        guard_commit(&pool->guard);
        prong_process_kill(process_of(slot));
    }
    guard_leave(&pool->guard);
    return next;
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

static void fail_jobs_of_broken(struct owner *o) {
    if (atomic_load(&o->pool->state) == POOL_BROKEN) object_each(KIND_JOB, cancel_one, o->pool);
}

/* The last of the pool's threads to end tells those who join it. */
static void owner_tell_end(struct pool *pool) {
    atomic_store(&pool->workers_gone, 1);
    waitq_notify(&pool->ended, INT_MAX);
}

/* No callback's thread starts after this. */
static void owner_workers_ended(struct owner *o) {
    pthread_mutex_lock(&mutex);
    o->ended = true;
    bool last = !o->has_callbacks;
    pthread_mutex_unlock(&mutex);
    atomic_store(&o->pool->workers_ended, 1);
    waitq_notify(&o->pool->callbacks, INT_MAX);
    waitq_notify(&o->pool->ended, INT_MAX);
    if (last) owner_tell_end(o->pool);
}

static void *look_after(void *context) {
    struct owner *o = context;
    do {
        watch_renew(&o->watch);
        watch_add(&o->watch, &o->pool->attention); /* look at everything after this */
        gather_ended(o);
        replace_missing(o);
        fail_jobs_of_broken(o);
        deadline_t next = earlier(enforce_limits(o), enforce_initializer_limit(o));
        kill_stubborn(o);
        if (o->start_later) next = earlier(next, deadline_after(TRY_START_AGAIN));
        if (atomic_load(&o->kill_at)) next = earlier(next, deadline_after(PRONG_MS(100)));
        if (all_gone(o)) break;
        poll(o->polls, o->pool->slot_count + 1, deadline_poll_ms(watch_within(&o->watch, next)));
    } while (true);
    /* It may have been terminated so lately that its jobs are not all cancelled yet: they end before the workers are said to have
     * ended, or a callback would be left out. */
    if (atomic_load(&o->pool->state) >= POOL_TERMINATED) object_each(KIND_JOB, cancel_one, o->pool);
    owner_workers_ended(o);
    return NULL;
}

/* --- what runs callbacks --- */

/* The next job that has ended and has a callback. */
struct due {
    struct pool *pool;
    prong_pool handle;
    struct note note;
    bool found, over; /* over: none will come any more */
};

static bool callback_is_due(void *context) {
    struct due *due = context;
    if (due->found || due->over) return true;
    bool ended = atomic_load(&due->pool->workers_ended); /* before the look: all jobs have ended then */
    due->found = note_take_ended(due->handle, &due->note);
    due->over = ended && !due->found;
    return due->found || due->over;
}

static void run_callback(const struct note *note) {
    prong_status status = prong_job_wait(note->job, PRONG_NOWAIT);
    if (status < 0 && note->error_callback)
        note->error_callback(note->job, status, prong_error_message(), note->context);
    if (status >= 0 && note->callback) note->callback(note->job, note->context);
}

/* One at a time, in the order in which their jobs are found ended. They may wait, for jobs of this very pool, too: whatever needs
 * looking after meanwhile is the other thread's. */
static void *run_callbacks(void *context) {
    struct owner *o = context;
    struct due due = {.pool = o->pool, .handle = o->handle};
    callbacks_of = o->handle;
    while (!due.over) {
        if (!callback_is_due(&due)) {
            if (runtime.after_callbacks) runtime.after_callbacks();
            while (!callback_is_due(&due)) waitq_sleep(&due.pool->callbacks, callback_is_due, &due, PRONG_FOREVER);
        }
        if (due.found) run_callback(&due.note);
        due.found = false;
    }
    if (runtime.after_callbacks) runtime.after_callbacks();
    owner_tell_end(due.pool);
    return NULL;
}

/* --- starting and ending --- */

/* A thread that none of the host's signal handlers ever runs on. */
static int start_thread(pthread_t *thread, size_t stack, void *(*run)(void *), struct owner *o) {
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

prong_status owner_prepare_callbacks(prong_pool handle) {
    prong_status status = PRONG_OK;
    pthread_mutex_lock(&mutex);
    struct owner *o = owner_find(handle);
    if (o && !o->has_callbacks && !o->ended) {
        int number = start_thread(&o->callbacks, CALLBACK_STACK_SIZE, run_callbacks, o);
        o->has_callbacks = number == 0;
        if (number) status = fail(PRONG_NO_PROCESSES, "pool: no thread to run callbacks: %s", strerror(number));
    }
    pthread_mutex_unlock(&mutex);
    return status;
}

static void discard(struct owner *o) {
    watch_close(&o->watch);
    free(o->polls);
    free(o);
}

static void abandon_workers(struct owner *o) {
    for (uint64_t i = 0; i < o->pool->slot_count; i++) {
        if (o->polls[i + 1].fd < 0) continue;
        prong_process process = process_of(pool_slot(o->pool, i));
        prong_process_kill(process);
        prong_process_join(process, PRONG_FOREVER);
        prong_process_destroy(process);
    }
}

static prong_status prepare_owner(struct pool *pool, prong_pool handle, struct owner **made) {
    struct owner *o = calloc(1, sizeof *o);
    if (!o) return fail(PRONG_NO_MEMORY, "no memory for a pool");
    *o = (struct owner){.pool = pool, .handle = handle, .pid = getpid(), .watch.doorbell = -1};
    o->polls = calloc(pool->slot_count + 1, sizeof *o->polls);
    prong_status status = o->polls ? PRONG_OK : fail(PRONG_NO_MEMORY, "no memory for a pool");
    if (status >= 0 && !watch_open(&o->watch, true))
        status = fail_errno("no socket by which others wake the pool's thread (AF_UNIX, datagrams)");
    if (status < 0) {
        discard(o);
        return status;
    }
    o->polls[0] = (struct pollfd){.fd = o->watch.doorbell, .events = POLLIN};
    for (uint64_t i = 0; i < pool->slot_count; i++) o->polls[i + 1].fd = -1;
    *made = o;
    return PRONG_OK;
}

void owner_end_workers(struct pool *pool, prong_pool handle) {
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
    pthread_mutex_lock(&mutex);
    struct owner *o = owner_find(handle);
    if (o) atomic_store(&o->kill_at, clock_now() + END_WITHIN);
    pthread_mutex_unlock(&mutex);
    waitq_notify(&pool->attention, 1);
}

static struct owner *owner_remove(prong_pool handle) {
    pthread_mutex_lock(&mutex);
    struct owner **at = &owners;
    while (*at && !is_same((*at)->handle, handle)) at = &(*at)->next;
    struct owner *o = *at;
    if (o) *at = o->next;
    pthread_mutex_unlock(&mutex);
    return o;
}

bool owner_finish(prong_pool handle) {
    struct owner *o = owner_remove(handle);
    if (!o) return false;
    pthread_join(o->thread, NULL);
    if (o->has_callbacks) pthread_join(o->callbacks, NULL);
    discard(o);
    return true;
}

/* --- at exit --- */

static bool workers_ended(void *pool) {
    return atomic_load(&((struct pool *)pool)->workers_ended);
}

static bool threads_ended(void *pool) {
    return atomic_load(&((struct pool *)pool)->workers_gone);
}

static bool wait_until(struct pool *pool, bool (*ready)(void *), prong_time timeout) {
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
static void end_at_exit(prong_pool handle, struct pool *pool) {
    if (prong_pool_terminate(handle) >= 0) wait_until(pool, workers_ended, PRONG_FOREVER);
    if (!is_same(handle, callbacks_of) && wait_until(pool, threads_ended, CALLBACKS_END_WITHIN))
        prong_pool_destroy(handle);
    else
        owner_leave(owner_remove(handle));
}

static void terminate_all(void) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        prong_pool handle = owners ? owners->handle : (prong_pool){0};
        struct pool *pool = owners ? owners->pool : NULL;
        pthread_mutex_unlock(&mutex);
        if (!pool) return;
        end_at_exit(handle, pool);
    }
}

prong_status owner_start(struct pool *pool, prong_pool handle) {
    struct owner *o = NULL;
    prong_status status = prepare_owner(pool, handle, &o);
    if (status < 0) return status;
    fork_gate(&pool->all_forked);
    for (uint64_t i = 0; i < pool->slot_count && status >= 0; i++) status = start_worker(o, i);
    fork_gate_open(&pool->all_forked);
    int number = status ? 0 : start_thread(&o->thread, STACK_SIZE, look_after, o);
    if (number == EINVAL) /* unshare(CLONE_NEWPID) has been called, or the like */
        status =
            fail(PRONG_NO_PROCESSES, "no thread to look after the workers: a process whose children live in another "
                                     "namespace of pids cannot make threads");
    else if (number)
        status = fail(PRONG_NO_PROCESSES, "no thread to look after the workers: %s", strerror(number));
    if (status < 0) {
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
