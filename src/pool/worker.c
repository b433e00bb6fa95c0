/* What a worker process does: claim, run, end, again. */
#define _GNU_SOURCE
#include "base/error.h"
#include "family/family.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/await.h"
#include "pool/everywhere.h"
#include "pool/memory.h"
#include "pool/running.h"
#include "pool/schedule.h"
#include "pool/worker.h"
#include "process/runtime.h"

#include <prong/runtime.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

struct prong_result {
    struct call *call;
};

/* What the worker knows of itself. */
struct work_loop {
    struct pool *pool;
    struct worker *worker;
    struct hand *hand;
    bool too_large; /* its memory: see memory.c */
    /* the function last run */
    struct function function;
    any_function *pointer;
    int exit_code;
};

/* --- the task's side --- */

prong_status prong_result_reserve(prong_result *result, size_t size, void **data) {
    struct call *call = result->call;
    job_free_result(call);
    if (size > SMALL_RESULT) {
        prong_status status = heap_alloc(size, 0, &call->result_block, NULL);
        if (status < 0) return status;
    }
    call->result_size = size;
    *data = call->result_block ? arena_at(call->result_block) : call->small;
    return PRONG_OK;
}

prong_status prong_result_set(prong_result *result, const void *data, size_t size) {
    void *place;
    TRY(check_bytes(data, size, "result: data"));
    prong_status status = prong_result_reserve(result, size, &place);
    if (status >= 0 && size) memcpy(place, data, size);
    return status;
}

/* --- running --- */

static prong_status worker_find_function(struct work_loop *w, const struct job *job) {
    const struct function *f = &job->function;
    if (f->place == FUNCTION_FORKED) {
        w->pointer = job->pointer;
        w->function = *f;
        return PRONG_OK;
    }
    if (w->pointer && memcmp(&w->function, f, sizeof *f) == 0) return PRONG_OK;
    prong_status status = function_resolve(f, &w->pointer);
    if (status < 0)
        w->pointer = NULL;
    else
        w->function = *f;
    return status;
}

static int worker_run_elements(any_function *pointer, const struct job *job, const char *in, char *out,
                               uint64_t count) {
    if (job->form == PRONG_FORM_RANGE) return ((prong_range *)(void *)pointer)(in, out, count);
    prong_element *element = (prong_element *)(void *)pointer;
    for (uint64_t i = 0; i < count; i++) {
        int code = element(in + i * job->in_size, out + i * job->out_size);
        if (code) return code;
        running_next();
    }
    return 0;
}

/* A chunk of the job's arrays. */
static int worker_run_chunk(any_function *pointer, const struct job *job, uint64_t chunk) {
    uint64_t first = chunk * job->chunk, count = job->elements - first;
    if (count > job->chunk) count = job->chunk;
    const char *in = (char *)arena_at(job->in) + first * job->in_size;
    char *out = job->out ? (char *)arena_at(job->out) + first * job->out_size : NULL;
    return worker_run_elements(pointer, job, in, out, count);
}

/* A chunk that is the task's argument; its result are those of its elements. */
static int worker_run_own_chunk(any_function *pointer, const struct job *job, struct call *call) {
    uint64_t count = call->argument_size / job->in_size;
    prong_result result = {call};
    void *out;
    prong_status status = prong_result_reserve(&result, count * job->out_size, &out);
    if (status < 0) return status;
    int code = count ? worker_run_elements(pointer, job, arena_at(call->argument), out, count) : 0;
    if (code) job_free_result(call); /* it would be taken for an error text */
    return code;
}

static int worker_run_call(any_function *pointer, const struct job *job, struct call *call) {
    prong_result result = {call};
    job_free_result(call); /* of a try that was killed */
    if (job->form != PRONG_FORM_TASK) return worker_run_own_chunk(pointer, job, call);
    void *argument = call->argument ? arena_at(call->argument) : NULL;
    return ((prong_task *)(void *)pointer)(argument, call->argument_size, &result);
}

static void worker_set_error_text(struct call *call, const char *text) {
    prong_result result = {call};
    prong_result_set(&result, text, strlen(text) + 1);
}

struct done worker_run_task(prong_status found, any_function *pointer, struct job *job, uint64_t place) {
    if (found < 0 && job->calls) worker_set_error_text(job_call(job, place), prong_error_message());
    if (found < 0) return (struct done){found, 0};
    running_begin(job, job_element(job, place));
    int code = job->calls ? worker_run_call(pointer, job, job_call(job, place)) : worker_run_chunk(pointer, job, place);
    running_end();
    count_event(&self_row()->tasks);
    return (struct done){code ? PRONG_TASK_FAILED : PRONG_OK, code};
}

static struct done worker_run(struct work_loop *w, const struct claim *claim) {
    struct job *job = arena_at(claim->job);
    prong_status found = worker_find_function(w, job);
    return worker_run_task(found, w->pointer, job, claim->place);
}

/* --- claiming --- */

static bool worker_must_end(const struct work_loop *w) {
    uint64_t state = atomic_load(&w->pool->state);
    return worker_doom(w->pool, w->worker) || state == POOL_TERMINATED || state == POOL_BROKEN ||
           (w->pool->maxtasks && w->worker->tasks >= w->pool->maxtasks) || worker_is_surplus(w->pool, w->worker) ||
           w->too_large || (state == POOL_CLOSED && __atomic_load_n(&w->pool->unfinished, __ATOMIC_RELAXED) == 0);
}

/* A start may fail when its child has come this far: it is killed then, and nobody will miss a task that it has claimed. So none is
 * claimed until the owner knows this worker. */
static bool worker_is_known(const struct work_loop *w) {
    return __atomic_load_n(&w->worker->pid, __ATOMIC_ACQUIRE) != 0;
}

static bool worker_has_work(void *context) {
    const struct work_loop *w = context;
    return worker_must_end(w) || everywhere_is_due(w->pool, w->worker) ||
           (worker_is_known(w) && schedule_first_job(w->pool));
}

enum step { STEP_RUN, STEP_WAIT, STEP_EVERYWHERE, STEP_END };

/* Under the guard. Returns the news of the task's job. */
static unsigned worker_hand_in(struct work_loop *w, const struct done *done) {
    unsigned news = schedule_end(w->pool, w->hand, done->status, done->code);
    guard_commit(&w->pool->guard);
    return news;
}

static enum step worker_take(struct work_loop *w, struct claim *claim) {
    if (worker_must_end(w)) return STEP_END;
    if (everywhere_is_due(w->pool, w->worker)) return STEP_EVERYWHERE;
    return worker_is_known(w) && schedule_claim(w->pool, w->hand, claim) ? STEP_RUN : STEP_WAIT;
}

/* One stay under the guard: hand in what is done, take what comes next. Where the owner died, others may have ended the task. */
static enum step worker_step(struct work_loop *w, struct claim *claim, const struct done *done) {
    struct pool *pool = w->pool;
    if (!done) schedule_expect_claim(pool);
    if (done && pool->memory_soft) w->too_large = memory_is_over(w->worker, pool->memory_soft, 0);
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return STEP_END;
    uint64_t ended = done && schedule_holds(w->hand, claim) ? claim->job : 0;
    unsigned news = ended ? worker_hand_in(w, done) : JOB_NEWS_NONE;
    enum step next = worker_take(w, claim);
    INSIDE struct visit inside = {0};
    if (ended) object_enter_known(&inside, ended); /* a job may be destroyed and freed once the guard is free */
    guard_leave(&pool->guard);
    if (ended) schedule_tell(pool, ended, news);
    if (next == STEP_RUN && schedule_first_job(pool)) waitq_notify(&pool->work, 1);
    if (next == STEP_RUN && claim->tells_owner) waitq_notify(&pool->attention, 1);
    return next;
}

/* A pool that gets no tasks must not hold the memory of those before. */
static void worker_wait(struct work_loop *w) {
    const prong_time a_while = PRONG_MS(50);
    if (runtime.idle && runtime.idle(false) && !waitq_wait(&w->pool->work, worker_has_work, w, deadline_after(a_while)))
        runtime.idle(true);
    waitq_wait(&w->pool->work, worker_has_work, w, PRONG_FOREVER);
}

static void worker_work(struct work_loop *w) {
    struct claim claim = {0};
    struct done done;
    bool have_done = false;
    for (;;) {
        switch (worker_step(w, &claim, have_done ? &done : NULL)) {
        case STEP_END: return;
        case STEP_WAIT:
            have_done = false;
            worker_wait(w);
            break;
        case STEP_EVERYWHERE:
            have_done = false;
            everywhere_run_due(w->pool, w->worker);
            break;
        case STEP_RUN: done = worker_run(w, &claim); have_done = true;
        }
    }
}

/* --- beginning --- */

/* A failed initializer would fail in the next worker too: the pool is broken, after this one try. */
void worker_report_broken(struct pool *pool, int code) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
    guard_set(&pool->guard, (uint64_t *)&pool->broken_code, (uint64_t)(int64_t)code);
    if (atomic_load(&pool->state) <= POOL_CLOSED) guard_set(&pool->guard, (uint64_t *)&pool->state, POOL_BROKEN);
    guard_leave(&pool->guard);
    pool_tell_change(pool);
}

static void worker_report_initializing(struct work_loop *w) {
    if (!w->pool->initializer_limit || !guard_enter(&w->pool->guard, PRONG_FOREVER)) return;
    guard_set(&w->pool->guard, &w->worker->initializing, (uint64_t)clock_now());
    guard_leave(&w->pool->guard);
}

static void worker_report_ready(struct work_loop *w) {
    if (!guard_enter(&w->pool->guard, PRONG_FOREVER)) return;
    guard_set(&w->pool->guard, &w->worker->initializing, 0);
    guard_set(&w->pool->guard, &w->pool->initializer_late, 0);
    guard_set(&w->pool->guard, &w->worker->token, self_token());
    guard_set(&w->pool->guard, &w->pool->early_deaths, 0);
    guard_leave(&w->pool->guard);
    waitq_notify(&w->pool->ended, INT_MAX);
}

/* Whose initializer runs, until it serves. */
static struct work_loop *initializing;

static bool worker_ends_in_order(const struct work_loop *w) {
    return !worker_doom(w->pool, w->worker) && atomic_load(&w->pool->state) <= POOL_CLOSED;
}

static void worker_report_exiting(struct work_loop *w) {
    if (!w->pool->around.exit_limit || !guard_enter(&w->pool->guard, PRONG_FOREVER)) return;
    guard_set(&w->pool->guard, &w->worker->initializing, (uint64_t)clock_now());
    guard_leave(&w->pool->guard);
    waitq_notify(&w->pool->attention, 1);
}

static void worker_serve(struct work_loop *w) {
    initializing = NULL;
    prong_family_fit(0);                    /* the initializer may have limited the address space */
    everywhere_run_due(w->pool, w->worker); /* if that kills it, it is an early death */
    worker_report_ready(w);
    worker_work(w);
    if (!w->pool->around.exit.pointer || !worker_ends_in_order(w)) return;
    worker_report_exiting(w);
    w->exit_code = hook_run(&w->pool->around.exit);
}

prong_status prong_pool_serve(void) {
    if (!initializing) return fail(PRONG_INVALID, "pool serve: this is not the initializer of a pool's worker");
    worker_serve(initializing);
    return PRONG_OK;
}

int worker_main(void *bytes, size_t size) {
    struct worker_argument *argument = bytes;
    struct work_loop w = {0};
    (void)size;
    INSIDE struct visit inside = {0}; /* for as long as it works */
    if (pool_enter(&inside, argument->pool, &w.pool)) return 0;
    if (w.pool->method == PRONG_START_FORK) sigprocmask(SIG_SETMASK, &w.pool->mask, NULL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole terminal group; what it means is the owner's to decide */
    w.worker = pool_worker(w.pool, argument->place);
    w.hand = worker_hand(w.pool, w.worker);
    running_as_worker(argument->place);
    await_as(w.pool, w.worker);
    memory_begin(w.pool, w.worker);
    initializing = &w;
    worker_report_initializing(&w);
    int code = around_begin(&w.pool->around, argument->place, w.pool->method == PRONG_START_SPAWN);
    if (!code) code = hook_run(&w.pool->initializer);
    bool served = !initializing;
    initializing = NULL;
    if (!served && code)
        worker_report_broken(w.pool, code);
    else if (!served)
        worker_serve(&w);
    return w.exit_code;
}
