/* Jobs: making and submitting them, waiting for them, what became of their tasks. */
#include "base/error.h"
#include "base/interrupt.h"
#include "base/local.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/await.h"
#include "pool/owner.h"
#include "process/process.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 400, MESSAGE_ROOM = 640 };

/* The pool is entered second, and left with the job. It may be gone; then its memory is nobody else's until then. */
prong_status job_enter(struct visit *inside, prong_job handle, struct job **job) {
    struct visit inside_pool;
    TRY(object_enter(inside, KIND_JOB, handle.offset, handle.generation, (void **)job));
    return visit_begin(&inside_pool, (*job)->pool);
}

/* --- making --- */

/* The last few functions, so that a small task need not search the loaded objects again. */
enum { REMEMBERED = 8 };
struct identified {
    unsigned next;
    struct {
        any_function *pointer;
        struct function function;
    } remembered[REMEMBERED];
};

static prong_status identify(any_function *pointer, bool forked, struct function *function) {
    struct identified *known = local_memory(LOCAL_IDENTIFIED, sizeof *known);
    for (unsigned i = 0; known && i < REMEMBERED; i++)
        if (known->remembered[i].pointer == pointer) {
            *function = known->remembered[i].function;
            return PRONG_OK;
        }
    prong_status status = function_identify(pointer, function);
    if (status < 0 && forked) { /* without a build-id, a forked worker still has the same addresses */
        *function = (struct function){0};
        return PRONG_OK;
    }
    if (status < 0) return status;
    if (!known) return PRONG_OK;
    known->remembered[known->next % REMEMBERED].pointer = pointer;
    known->remembered[known->next++ % REMEMBERED].function = *function;
    return PRONG_OK;
}

static prong_status allocate(struct job *job, const struct submission *s, uint64_t further, uint64_t *extra) {
    uint64_t words = s->capacity * sizeof(uint64_t), order = s->ring ? words : 0;
    bool called = s->form == PRONG_FORM_TASK || s->ring;
    uint64_t calls = called ? s->capacity * sizeof(struct call) : 0;
    if (s->capacity > (UINT64_MAX >> 16) / sizeof(struct call))
        return fail(PRONG_NO_MEMORY, "%zu tasks are more than the arena can hold", s->capacity);
    bool small = words + order + calls <= SMALL_JOB && further <= SMALL_JOB - (words + order + calls);
    prong_status status = small ? PRONG_OK : heap_alloc(words + order + calls + further, 0, &job->storage, NULL);
    if (status < 0) return fail_again(status, "a job of %zu tasks", s->capacity);
    uint64_t at = small ? arena_offset(job->small) : job->storage;
    if (!small) memset(arena_at(at), 0, words + order + calls);
    atomic_signal_fence(memory_order_seq_cst); /* if this process dies, dispose finds no calls, or empty ones */
    /* calls first: they want the alignment */
    job->calls = called ? at : 0;
    job->words = at + calls;
    job->order = order ? job->words + words : 0;
    *extra = job->words + words + order;
    return PRONG_OK;
}

/* The tables, and behind them the context of all its tasks; *extra is the place after that. */
static prong_status allocate_all(struct job *job, const struct submission *s, uint64_t *extra) {
    size_t size = (s->work->context_size + 7) & ~(size_t)7;
    prong_status status = allocate(job, s, s->extra + size, extra);
    if (status < 0 || !size) return status;
    memcpy(arena_at(*extra), s->work->context, s->work->context_size);
    job->context = *extra;
    job->context_size = s->work->context_size;
    *extra += size;
    return PRONG_OK;
}

prong_status job_create(const struct submission *s, struct pool *pool, struct job **result, uint64_t *extra) {
    struct job *job;
    const prong_task_options *o = s->options;
    prong_status status = object_create(KIND_JOB, (void **)&job);
    if (status < 0) return status;
    job->pool = arena_offset(pool);
    job->pool_generation = s->pool.generation;
    atomic_store(&job->submitter, self_token());
    job->form = s->form;
    job->values = s->values;
    if (s->form != PRONG_FORM_TASK) {
        job->in_size = s->work->in_size;
        job->out_size = s->work->out_size;
    }
    job->pointer = s->function;
    job->capacity = s->capacity;
    job->count = s->count;
    job->sealed = !s->ring;
    job->retries = o->retries;
    job->time_limit = o->time_limit == PRONG_FOREVER ? 0 : (uint64_t)o->time_limit;
    job->tell_each = s->ring;
    job->tell_owner = o->callback || o->error_callback;
    job->began = clock_now();
    status = s->function ? identify(s->function, pool->method == PRONG_START_FORK, &job->function)
                         : function_by_name(s->name, &job->function);
    if (status >= 0) status = allocate_all(job, s, extra);
    if (status < 0)
        object_destroy(job, object_generation(job));
    else
        *result = job;
    return status;
}

void job_discard(struct job *job) {
    object_destroy(job, object_generation(job));
}

static bool pool_lives(const struct job *job) {
    return object_is_live(KIND_POOL, job->pool, job->pool_generation);
}

/* Why a pool is broken. Its owner may be told of another worker's end meanwhile, which changes no more than the code. */
static prong_status fail_broken(const struct pool *pool) {
    char otherwise[OBJECT_PATH_SIZE + 80] = "its workers cannot be started";
    if (__atomic_load_n(&pool->initializer_late, __ATOMIC_RELAXED))
        return fail(PRONG_POOL_BROKEN,
                    "pool '%s' is broken: its initializer ran longer than its limit of %.3g s, in "
                    "one worker after the other",
                    pool->name, (double)pool->initializer_limit / 1e9);
    if (pool->program)
        snprintf(otherwise, sizeof otherwise, "%s ended before it took up work", program_name(pool->program));
    return fail(PRONG_POOL_BROKEN, "pool '%s' is broken, with code %lld: its initializer failed, or %s", pool->name,
                (long long)__atomic_load_n(&pool->broken_code, __ATOMIC_RELAXED), otherwise);
}

static prong_status refuse(const struct pool *pool) {
    if (atomic_load(&pool->state) == POOL_BROKEN) return fail_broken(pool);
    if (!member_alive((uint32_t)pool->owner)) {
        family_bury_dead(); /* from then on the handle is stale */
        return fail(PRONG_NOT_RUNNING, "pool '%s' has ended with its owner", pool->name);
    }
    return fail(PRONG_NOT_RUNNING, "pool '%s' was shut down or terminated", pool->name);
}

/* On failure the job is gone. */
prong_status job_submit(struct pool *pool, struct job *job, prong_job *handle) {
    /* Once it is submitted it may be done and destroyed at any moment, by its callback, and its memory another job's. */
    uint64_t count = job->count, time_limit = job->time_limit, tell_owner = job->tell_owner;
    *handle = job_handle(job);
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) {
        job_discard(job);
        return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
    }
    bool running = atomic_load(&pool->state) == POOL_RUNNING;
    if (running) {
        object_publish(job);
        guard_set(&pool->guard, &pool->unfinished, pool->unfinished + job->count);
        if (job->time_limit && (!pool->least_limit || job->time_limit < pool->least_limit))
            guard_set(&pool->guard, &pool->least_limit, job->time_limit);
        if (job->count) schedule_job(pool, job);
    }
    guard_leave(&pool->guard);
    if (!running) {
        prong_status status = refuse(pool);
        job_discard(job);
        return status;
    }
    waitq_notify(&pool->work, (int)(count < pool->slot_count ? count : pool->slot_count));
    if (time_limit) waitq_notify(&pool->attention, 1);
    if (count == 0 && tell_owner) waitq_notify(&pool->callbacks, 1);
    return PRONG_OK;
}

prong_status job_note(prong_job handle, const struct submission *s, const struct outputs *outputs) {
    const prong_task_options *o = s->options;
    if (!o->callback && !o->error_callback && !o->progress && !outputs) return PRONG_OK;
    struct note note = {.job = handle,
                        .pool = s->pool,
                        .callback = o->callback,
                        .error_callback = o->error_callback,
                        .context = o->context,
                        .progress = o->progress,
                        .progress_context = o->progress_context,
                        .delivers = outputs != NULL};
    if (outputs) note.outputs = *outputs;
    prong_status status = PRONG_OK;
    if (o->callback || o->error_callback) status = owner_prepare_callbacks(s->pool);
    return status < 0 ? status : note_add(&note);
}

/* --- waiting --- */

static bool ended(void *job) {
    return job_ended(job);
}

/* A waiter that spins looks at this one, for which no guard has to be entered after: as long as a worker is under the pool's guard,
 * it is not disturbed. */
static bool settled(void *job) {
    return atomic_load_explicit(&((struct job *)job)->settled, memory_order_relaxed) != 0;
}

static bool wait_for_news(struct job *job, deadline_t deadline) {
    if (deadline == PRONG_NOWAIT) return false;
    return spin_until(settled, job) || waitq_sleep(&job->progress, ended, job, deadline);
}

static void fill_progress(const struct job *job, prong_progress *p) {
    *p = (prong_progress){.done = __atomic_load_n(&job->done, __ATOMIC_RELAXED),
                          .total = __atomic_load_n(&job->sealed, __ATOMIC_RELAXED) ? job->count : 0,
                          .elapsed = clock_now() - job->began};
    p->rate = p->elapsed > 0 ? (double)p->done * 1e9 / (double)p->elapsed : 0;
    p->remaining = p->rate > 0 && p->total ? (prong_time)((double)(p->total - p->done) / p->rate * 1e9) : PRONG_FOREVER;
}

static void report(const struct job *job, const struct note *note) {
    prong_progress progress;
    if (!note || !note->progress) return;
    fill_progress(job, &progress);
    note->progress(&progress, note->progress_context);
}

static prong_status out_of_time(const struct job *job) {
    return fail(PRONG_TIMEOUT, "%llu of %llu tasks are done", (unsigned long long)job->done,
                (unsigned long long)job->count);
}

/* The job may be destroyed by another thread or process meanwhile. */
static prong_status job_is_there(prong_job handle) {
    if (object_is_live(KIND_JOB, handle.offset, handle.generation)) return PRONG_OK;
    return object_stale(KIND_JOB, handle.offset, handle.generation);
}

static prong_status wait_as(const struct await *await, prong_job handle, struct job *job, const struct note *note,
                            deadline_t deadline) {
    prong_time step = note && note->progress ? PROGRESS_EVERY : PRONG_FOREVER;
    for (;;) {
        prong_status status = job_is_there(handle);
        if (status < 0 || job_has_ended(job)) return status;
        if ((status = await_check(await))) return status;
        bool more = wait_for_news(job, deadline_within(deadline, step));
        if (job_ended(job)) continue;
        report(job, note);
        if (!more && deadline_passed(deadline)) return out_of_time(job);
    }
}

static prong_status wait_for_end(prong_job handle, struct job *job, const struct note *note, deadline_t deadline) {
    struct await await;
    if (job_has_ended(job)) return PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){handle.offset, handle.generation, AWAIT_EVERY_TASK}, deadline);
    prong_status status = wait_as(&await, handle, job, note, deadline);
    await_end(&await);
    return status;
}

static uint64_t word_for_certain(struct job *job, uint64_t place) {
    struct pool *pool = arena_at(job->pool);
    if (job_is_settled(job)) return schedule_word(job, place);
    if (!pool_lives(job) || !guard_enter(&pool->guard, PRONG_FOREVER)) return schedule_word(job, place);
    uint64_t word = schedule_word(job, place);
    guard_leave(&pool->guard);
    return word;
}

static bool has_succeeded(struct job *job, uint64_t place) {
    uint64_t word = word_for_certain(job, place);
    return task_state(word) == TASK_ENDED && !task_status(word);
}

static void copy_succeeded_chunks(struct job *job, void *out, size_t out_bytes) {
    size_t step = job->chunk * job->out_size;
    for (uint64_t i = 0; i < job->count; i++) {
        if (!has_succeeded(job, i)) continue;
        size_t at = i * step, left = out_bytes - at;
        memcpy((char *)out + at, (char *)arena_at(job->out) + at, left < step ? left : step);
    }
}

static void *result_of(struct call *call) {
    return call->result_block ? arena_at(call->result_block) : call->small;
}

/* The first that does not fit, + 1; 0: they all do. */
static uint64_t copy_results(struct job *job, const struct outputs *o) {
    uint64_t too_long = 0;
    for (uint64_t i = 0; i < job->count; i++) {
        if (!has_succeeded(job, i)) continue;
        struct call *call = job_call(job, i);
        if (o->sizes) o->sizes[i] = call->result_size;
        if (!o->out) continue;
        if (call->result_size <= o->out_size)
            memcpy((char *)o->out + i * o->out_size, result_of(call), call->result_size);
        else if (!too_long)
            too_long = i + 1;
    }
    return too_long;
}

static uint64_t copy_outputs(struct job *job, const struct outputs *o) {
    size_t out_bytes = o->count * o->out_size;
    if (job->calls) return copy_results(job, o);
    if (job_ended(job) && !job->failed)
        memcpy(o->out, arena_at(job->out), out_bytes);
    else
        copy_succeeded_chunks(job, o->out, out_bytes);
    return 0;
}

uint64_t job_deliver(prong_job handle) {
    struct job *job;
    INSIDE struct visit inside = {0};
    return job_enter(&inside, handle, &job) ? 0 : note_deliver(handle, job, copy_outputs);
}

uint64_t job_deliver_to(prong_job handle, const struct outputs *outputs) {
    struct job *job;
    INSIDE struct visit inside = {0};
    return job_enter(&inside, handle, &job) ? 0 : copy_outputs(job, outputs);
}

prong_status job_wait_end(prong_job handle, prong_time timeout, uint64_t *too_long) {
    struct job *job;
    struct note note;
    INSIDE struct visit inside = {0};
    *too_long = 0;
    prong_status status = job_enter(&inside, handle, &job);
    if (status < 0) return status;
    bool noted = note_find(handle, &note);
    status = wait_for_end(handle, job, noted ? &note : NULL, deadline_after(timeout));
    if (status < 0) return status;
    if (noted) {
        report(job, &note);
        *too_long = job_deliver(handle);
    }
    return PRONG_OK;
}

prong_status job_first_failure(prong_job handle) {
    struct job *job;
    prong_outcome outcome;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    if (!job->first_failure) return PRONG_OK;
    job_read_outcome(job, job->first_failure - 1, &outcome);
    return job_fail(job, &outcome, job->failed > 1 ? " (and others failed)" : "");
}

prong_status job_fail_too_long(prong_job handle, uint64_t place) {
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    return fail(PRONG_TOO_LONG, "task %llu: its result has %llu bytes, more than the work's out_size",
                (unsigned long long)place, (unsigned long long)job_call(job, place)->result_size);
}

prong_status prong_job_wait(prong_job handle, prong_time timeout) {
    uint64_t too_long;
    TRY(job_wait_end(handle, timeout, &too_long));
    TRY(job_first_failure(handle));
    return too_long ? job_fail_too_long(handle, too_long - 1) : PRONG_OK;
}

bool prong_job_ready(prong_job handle) {
    struct job *job;
    INSIDE struct visit inside = {0};
    return !job_enter(&inside, handle, &job) && job_has_ended(job);
}

prong_status prong_job_progress(prong_job handle, prong_progress *progress) {
    struct job *job;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status >= 0) fill_progress(job, progress);
    return status;
}

/* --- outcomes --- */

void job_read_outcome(struct job *job, uint64_t place, prong_outcome *outcome) {
    uint64_t word = word_for_certain(job, place);
    *outcome = (prong_outcome){
        .status = task_status(word), .code = task_code(word), .tries = task_tries(word), .index = place};
    if (!job->calls) return;
    struct call *call = job_call(job, place);
    if (job->order) outcome->index = call->number;
    outcome->size = call->result_size;
    outcome->data = result_of(call);
}

struct one_task {
    struct job *job;
    uint64_t place;
};

static bool task_has_ended(void *context) {
    struct one_task *task = context;
    uint64_t word = __atomic_load_n(job_word(task->job, task->place), __ATOMIC_ACQUIRE);
    return task_state(word) == TASK_ENDED || job_ended(task->job);
}

static prong_status wait_for_task(prong_job handle, struct one_task *task, deadline_t deadline) {
    struct await await;
    prong_status status = PRONG_OK;
    struct job *job = task->job;
    __atomic_store_n(&job->tell_each, 1, __ATOMIC_RELAXED);
    if (task_state(word_for_certain(job, task->place)) == TASK_ENDED) return PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &(struct awaited){handle.offset, handle.generation, (int64_t)task->place}, deadline);
    while (status >= 0 && !(status = job_is_there(handle)) &&
           task_state(word_for_certain(job, task->place)) != TASK_ENDED) {
        status = await_check(&await);
        if (status >= 0 && !waitq_wait(&job->progress, task_has_ended, task, deadline) && !task_has_ended(task))
            status = fail(PRONG_TIMEOUT, "task %llu is not done", (unsigned long long)task->place);
    }
    await_end(&await);
    return status;
}

prong_status prong_job_outcome(prong_job handle, size_t index, prong_outcome *outcome, prong_time timeout) {
    struct job *job;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status < 0) return status;
    if (index >= job->count)
        return fail(PRONG_INVALID, "task %zu of a job of %llu", index, (unsigned long long)job->count);
    struct one_task task = {job, index};
    status = wait_for_task(handle, &task, deadline_after(timeout));
    if (status >= 0) job_read_outcome(job, index, outcome);
    return status;
}

static void text_of_death(const prong_outcome *o, char *text, size_t size) {
    if (o->code < 0)
        snprintf(text, size, "task %zu: its worker was killed by signal %d (%s)", o->index, -o->code,
                 strsignal(-o->code));
    else
        snprintf(text, size, "task %zu: its worker exited with code %d while running it", o->index, o->code);
}

void prong_outcome_text(const prong_outcome *o, char *text, size_t size) {
    switch (o->status) {
    case PRONG_WORKER_DIED: text_of_death(o, text, size); break;
    case PRONG_TASK_FAILED:
        snprintf(text, size, "task %zu failed with code %d%s%.*s", o->index, o->code, o->size ? ": " : "",
                 (int)(o->size < SUMMARY_SIZE ? o->size : SUMMARY_SIZE), o->size ? (const char *)o->data : "");
        break;
    case PRONG_TASK_TIMEOUT: snprintf(text, size, "task %zu ran longer than its limit and was killed", o->index); break;
    case PRONG_CANCELLED: snprintf(text, size, "task %zu was cancelled", o->index); break;
    case PRONG_NO_FUNCTION:
        if (o->size) { /* the worker has said more */
            snprintf(text, size, "task %zu: %.*s", o->index, (int)o->size, (const char *)o->data);
            break;
        } /* fall through */
    default: snprintf(text, size, "task %zu: %s", o->index, prong_status_text(o->status));
    }
}

static bool pool_has_ended(const struct job *job) {
    return !pool_lives(job) || !member_alive((uint32_t)((struct pool *)arena_at(job->pool))->owner);
}

prong_status job_fail(const struct job *job, const prong_outcome *outcome, const char *remark) {
    char text[TEXT_SIZE];
    if (outcome->status == PRONG_POOL_BROKEN && pool_lives(job)) return fail_broken(arena_at(job->pool));
    if (outcome->status == PRONG_NO_FUNCTION && !job->calls && job->function.place == FUNCTION_BY_NAME)
        return fail(PRONG_NO_FUNCTION, "the workers do not find '%s'", job->function.path);
    prong_outcome_text(outcome, text, sizeof text);
    if (outcome->status == PRONG_CANCELLED && pool_has_ended(job)) remark = ": its pool has ended, with its owner";
    return fail(outcome->status, "%s%s", text, remark);
}

/* --- cancelling and closing --- */

/* Enters the guard of the job's pool. Not inside when the pool is gone, or the job is being freed, or its memory is another's: a job
 * that is neither, seen under the guard, stays while the guard is held. */
static prong_status job_enter_guard(prong_job handle, struct job *job, bool *inside) {
    struct pool *pool = arena_at(job->pool);
    *inside = false;
    if (!pool_lives(job)) return PRONG_OK;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
    *inside = object_is_live(KIND_JOB, handle.offset, handle.generation) && pool_lives(job) && !job->abandoned;
    if (!*inside) guard_leave(&pool->guard);
    return PRONG_OK;
}

/* Whether the slot's worker runs a task of the job. A job of which a task runs is not freed, so its place is not another's. */
static bool slot_runs(const struct slot *slot, prong_job job) {
    return slot->job == job.offset && object_is_live(KIND_JOB, job.offset, job.generation);
}

static void kill_runners(struct pool *pool, prong_job job) {
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        bool runs = slot_runs(slot, job);
        if (runs && slot->doom == DOOM_NONE) guard_set(&pool->guard, &slot->doom, DOOM_CANCEL);
        prong_process process = {slot->process_offset, slot->process_generation};
        guard_leave(&pool->guard);
        if (runs) prong_process_kill(process);
    }
}

/* Ends the tasks whose killed workers are dead, as their owner does sooner or later: it may be a stopped process. */
static void end_killed(struct pool *pool, prong_job job) {
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        bool runs = slot_runs(slot, job) && slot->doom != DOOM_NONE;
        uint32_t token = (uint32_t)slot->token;
        guard_leave(&pool->guard);
        if (!runs || member_alive(token) || !guard_enter(&pool->guard, PRONG_FOREVER)) continue;
        unsigned news = JOB_NEWS_NONE;
        if (slot_runs(slot, job) && slot->token == token) news = schedule_loss(pool, slot, -SIGKILL);
        guard_leave(&pool->guard);
        schedule_tell(pool, job.offset, news);
    }
}

/* Returns when no worker reads or writes the caller's memory any more, in which this job's tasks work in place. Whatever it takes: a
 * worker that is stopped dies of it as well. What interrupted the wait before does not interrupt this. */
static void job_take_memory_back(prong_job handle, struct job *job) {
    struct pool *pool = arena_at(job->pool);
    bool cancelled = wait_cancelled;
    INTERRUPTS_HELD;
    wait_cancelled = false;
    prong_job_cancel(handle, true);
    while (object_is_live(KIND_JOB, handle.offset, handle.generation) && pool_lives(job) && !job_has_ended(job)) {
        waitq_wait(&job->progress, ended, job, deadline_after(PRONG_MS(5)));
        wait_cancelled = false;
        end_killed(pool, handle);
    }
    wait_cancelled = cancelled;
}

prong_status prong_job_cancel(prong_job handle, bool force) {
    struct job *job;
    bool guarded = false;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status >= 0) status = job_enter_guard(handle, job, &guarded);
    if (status < 0 || !guarded) return status;
    struct pool *pool = arena_at(job->pool);
    schedule_cancel(pool, job, PRONG_CANCELLED);
    guard_leave(&pool->guard);
    if (force) kill_runners(pool, handle);
    schedule_tell(pool, handle.offset, JOB_NEWS_NONE);
    return PRONG_OK;
}

/* Running tasks of it are left to end. */
static prong_status job_abandon(prong_job handle, struct job *job) {
    struct pool *pool = arena_at(job->pool);
    bool inside, idle = true;
    if (job_is_settled(job)) {
        object_destroy(job, handle.generation);
        return PRONG_OK;
    }
    prong_status status = job_enter_guard(handle, job, &inside);
    if (status < 0) return status;
    if (inside) {
        if (!job_ended(job)) schedule_cancel(pool, job, PRONG_CANCELLED);
        guard_set(&pool->guard, &job->abandoned, 1);
        idle = job->running == 0;
        if (idle) guard_set(&pool->guard, &job->freed_by, self_token());
        guard_leave(&pool->guard);
    } else if (pool_lives(job)) {
        return PRONG_OK; /* somebody was faster */
    }
    waitq_notify(&job->progress, INT_MAX);
    if (idle) object_destroy(job, handle.generation);
    return PRONG_OK;
}

prong_status prong_job_destroy(prong_job handle) {
    struct job *job;
    INSIDE struct visit inside = {0};
    prong_status status = job_enter(&inside, handle, &job);
    if (status < 0) return status;
    if (job->in_place && !job_has_ended(job)) job_take_memory_back(handle, job);
    note_remove(handle);
    return job_abandon(handle, job);
}

prong_status job_destroy_after(prong_job handle, prong_status status) {
    char message[MESSAGE_ROOM];
    if (status < 0) snprintf(message, sizeof message, "%s", prong_error_message());
    prong_job_destroy(handle);
    return status < 0 ? fail(status, "%s", message) : PRONG_OK;
}

/* --- as an object --- */

/* A job whose submitter died is nobody's; and one to whose freeing somebody had come, who died before. What stands in it is certain:
 * pools are recovered before jobs, and with them their guards. */
static void recover(void *object, uint32_t dead) {
    struct job *job = object;
    uint64_t generation = object_generation(job);
    waitq_notify(&job->progress, INT_MAX);
    if (atomic_load(&job->object.state) != OBJECT_LIVE) return;
    INSIDE struct visit inside_pool = {0};
    visit_begin(&inside_pool, job->pool);
    bool to_free = __atomic_load_n(&job->abandoned, __ATOMIC_ACQUIRE) &&
                   (uint32_t)__atomic_load_n(&job->freed_by, __ATOMIC_RELAXED) == dead;
    if (to_free) /* by its submitter, too: it has destroyed it then */
        object_destroy(job, generation);
    else if (atomic_load(&job->submitter) == dead)
        job_abandon((prong_job){arena_offset(job), generation}, job);
}

void job_free_result(struct call *call) {
    if (call->result_block) heap_free(call->result_block, &call->result_block);
    call->result_size = 0;
}

static void job_end(void *object) {
    waitq_notify(&((struct job *)object)->progress, INT_MAX);
}

static uint64_t job_weigh(void *object) {
    const struct job *job = object;
    return job->storage ? heap_header(job->storage)->size : 0;
}

/* If this process dies in here, another goes on: it must not look for calls in memory that is somebody else's by then. */
static bool dispose(void *object) {
    struct job *job = object;
    for (uint64_t i = 0; job->calls && i < job->capacity; i++) {
        struct call *call = job_call(job, i);
        job_free_result(call);
        if (call->argument_block) heap_free(call->argument_block, &call->argument_block);
    }
    __atomic_store_n(&job->calls, 0, __ATOMIC_RELEASE);
    if (job->storage) heap_free(job->storage, &job->storage);
    return true;
}

const struct object_type job_type = {
    .name = "job",
    .size = sizeof(struct job),
    .recover = recover,
    .end = job_end,
    .dispose = dispose,
    .weigh = job_weigh,
};
