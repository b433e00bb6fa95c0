/* Jobs: making and submitting them, waiting for them, what became of their tasks. */
#include "base/error.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/types.h"
#include "process/process.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 400 };
static const prong_time PROGRESS_EVERY = PRONG_MS(100);

prong_status job_find(prong_job handle, struct job **job) {
    return object_find(KIND_JOB, handle.offset, handle.generation, (void **)job);
}

static prong_job handle_of(struct job *job) {
    return (prong_job){arena_offset(job), atomic_load(&job->object.generation)};
}

/* --- making --- */

/* The last few functions, so that a small task need not search the loaded objects again. */
enum { REMEMBERED = 8 };
static prong_status identify(any_function *pointer, bool forked, struct function *function) {
    static _Thread_local struct {
        any_function *pointer;
        struct function function;
    } remembered[REMEMBERED];
    static _Thread_local unsigned next;
    for (unsigned i = 0; i < REMEMBERED; i++)
        if (remembered[i].pointer == pointer) {
            *function = remembered[i].function;
            return PRONG_OK;
        }
    prong_status status = function_identify(pointer, function);
    if (status && forked) { /* without a build-id, a forked worker still has the same addresses */
        *function = (struct function){0};
        return PRONG_OK;
    }
    if (status) return status;
    remembered[next % REMEMBERED].pointer = pointer;
    remembered[next++ % REMEMBERED].function = *function;
    return PRONG_OK;
}

static prong_status allocate(struct job *job, const struct submission *s, uint64_t *extra) {
    uint64_t words = s->capacity * sizeof(uint64_t), order = s->ring ? words : 0;
    uint64_t calls = s->form == FORM_TASK ? s->capacity * sizeof(struct call) : 0;
    if (s->capacity > (UINT64_MAX >> 16) / sizeof(struct call))
        return fail(PRONG_NO_MEMORY, "%zu tasks are more than the arena can hold", s->capacity);
    prong_status status = heap_alloc(words + order + calls + s->extra, 0, &job->storage, NULL);
    if (status) return fail_again(status, "a job of %zu tasks", s->capacity);
    /* calls first: they want the alignment */
    job->calls = job->storage;
    job->words = job->calls + calls;
    job->order = order ? job->words + words : 0;
    *extra = job->words + words + order;
    memset(arena_at(job->storage), 0, words + order + calls);
    return PRONG_OK;
}

static const prong_task_options no_options;

prong_status job_create(const struct submission *s, struct pool **pool, struct job **result, uint64_t *extra) {
    struct job *job;
    const prong_task_options *o = s->options ? s->options : &no_options;
    prong_status status = pool_find(s->pool, pool);
    if (status) return status;
    if (!s->function && !o->task_name) return fail(PRONG_INVALID, "pool: no function to run");
    if (s->function && o->task_name)
        return fail(PRONG_INVALID, "pool: both a function and a name ('%s')", o->task_name);
    if (o->retries > 255) return fail(PRONG_INVALID, "pool: %u retries are more than 255", o->retries);
    if (o->time_limit < 0) return fail(PRONG_INVALID, "pool: a negative time limit");
    if ((status = object_create(KIND_JOB, (void **)&job))) return status;
    job->pool = arena_offset(*pool);
    job->pool_generation = s->pool.generation;
    atomic_store(&job->submitter, self_token());
    job->form = s->form;
    job->pointer = s->function;
    job->capacity = s->capacity;
    job->count = s->count;
    job->sealed = !s->ring;
    job->retries = o->retries;
    job->time_limit = o->time_limit == PRONG_FOREVER ? 0 : (uint64_t)o->time_limit;
    /* Atomically: a worker that ended a job before this one in the same memory may be about to tell (schedule_tell). */
    __atomic_store_n(&job->tell_each, s->ring, __ATOMIC_RELAXED);
    __atomic_store_n(&job->tell_owner, o->callback || o->error_callback, __ATOMIC_RELAXED);
    job->began = clock_now();
    status = s->function ? identify(s->function, (*pool)->method == PRONG_START_FORK, &job->function)
                         : function_by_name(o->task_name, &job->function);
    if (!status) status = allocate(job, s, extra);
    if (status)
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

/* Why a pool is broken. */
static prong_status fail_broken(const struct pool *pool) {
    char otherwise[OBJECT_PATH_SIZE + 80] = "its workers cannot be started";
    if (pool->program)
        snprintf(otherwise, sizeof otherwise, "%s ended before it took up work", program_name(pool->program));
    return fail(PRONG_POOL_BROKEN, "pool '%s' is broken, with code %lld: its initializer failed, or %s", pool->name,
                (long long)pool->broken_code, otherwise);
}

static prong_status refuse(const struct pool *pool) {
    if (atomic_load(&pool->state) == POOL_BROKEN) return fail_broken(pool);
    return fail(PRONG_NOT_RUNNING, "pool '%s' was closed or terminated", pool->name);
}

/* On failure the job is gone. */
prong_status job_submit(struct pool *pool, struct job *job, prong_job *handle) {
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
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
    *handle = handle_of(job);
    uint64_t wanted = job->count < pool->slot_count ? job->count : pool->slot_count;
    waitq_notify(&pool->work, (int)wanted);
    if (job->time_limit || (job->count == 0 && job->tell_owner)) waitq_notify(&pool->attention, 1);
    return PRONG_OK;
}

prong_status job_note(prong_job handle, const struct submission *s, void *out, size_t out_bytes) {
    const prong_task_options *o = s->options ? s->options : &no_options;
    if (!o->callback && !o->error_callback && !o->progress && !out) return PRONG_OK;
    struct note note = {.job = handle,
                        .pool = s->pool.offset,
                        .callback = o->callback,
                        .error_callback = o->error_callback,
                        .context = o->context,
                        .progress = o->progress,
                        .progress_context = o->progress_context,
                        .out = out,
                        .out_bytes = out_bytes};
    return note_add(&note);
}

/* --- waiting --- */

static bool ended(void *job) {
    return job_ended(job);
}

static void fill_progress(const struct job *job, prong_progress *p) {
    p->done = __atomic_load_n(&job->done, __ATOMIC_RELAXED);
    p->total = __atomic_load_n(&job->sealed, __ATOMIC_RELAXED) ? job->count : 0;
    p->elapsed = clock_now() - job->began;
    p->rate = p->elapsed > 0 ? (double)p->done * 1e9 / (double)p->elapsed : 0;
    p->remaining = p->rate > 0 && p->total ? (prong_time)((double)(p->total - p->done) / p->rate * 1e9) : PRONG_FOREVER;
}

static void report(const struct job *job, const struct note *note) {
    prong_progress progress;
    if (!note || !note->progress) return;
    fill_progress(job, &progress);
    note->progress(&progress, note->progress_context);
}

static bool wait_for_end(struct job *job, const struct note *note, deadline_t deadline) {
    prong_time step = note && note->progress ? PROGRESS_EVERY : PRONG_FOREVER;
    while (!job_has_ended(job)) {
        bool more = waitq_wait(&job->progress, ended, job, deadline_within(deadline, step));
        if (job_has_ended(job)) break;
        report(job, note);
        if (!more && deadline_passed(deadline)) return false;
    }
    return true;
}

static void deliver(struct job *job, const struct note *note) {
    if (note->out && job->out && !job->failed) memcpy(note->out, arena_at(job->out), note->out_bytes);
}

prong_status prong_job_wait(prong_job handle, prong_time timeout) {
    struct job *job;
    struct note note;
    prong_status status = job_find(handle, &job);
    if (status) return status;
    bool noted = note_find(handle, &note);
    if (!wait_for_end(job, noted ? &note : NULL, deadline_after(timeout)))
        return fail(PRONG_TIMEOUT, "%llu of %llu tasks are done", (unsigned long long)job->done,
                    (unsigned long long)job->count);
    if (noted) {
        report(job, &note);
        deliver(job, &note);
    }
    return PRONG_OK;
}

prong_status prong_job_get(prong_job handle, prong_time timeout) {
    struct job *job = NULL;
    prong_outcome outcome;
    prong_status status = prong_job_wait(handle, timeout);
    if (!status) status = job_find(handle, &job);
    if (status || !job->first_failure) return status;
    job_read_outcome(job, job->first_failure - 1, &outcome);
    return job_fail(job, &outcome, job->failed > 1 ? " (and others failed)" : "");
}

bool prong_job_ready(prong_job handle) {
    struct job *job;
    return !job_find(handle, &job) && job_has_ended(job);
}

bool prong_job_successful(prong_job handle) {
    struct job *job;
    return !job_find(handle, &job) && job_has_ended(job) && !job->first_failure;
}

prong_status prong_job_progress(prong_job handle, prong_progress *progress) {
    struct job *job;
    prong_status status = job_find(handle, &job);
    if (!status) fill_progress(job, progress);
    return status;
}

/* --- outcomes --- */

static uint64_t word_for_certain(struct job *job, uint64_t place) {
    struct pool *pool = arena_at(job->pool);
    if (!pool_lives(job) || !guard_enter(&pool->guard, PRONG_FOREVER)) return schedule_word(job, place);
    uint64_t word = schedule_word(job, place);
    guard_leave(&pool->guard);
    return word;
}

void job_read_outcome(struct job *job, uint64_t place, prong_outcome *outcome) {
    uint64_t word = word_for_certain(job, place);
    *outcome = (prong_outcome){
        .status = task_status(word), .code = task_code(word), .tries = task_tries(word), .index = place};
    if (job->form != FORM_TASK) return;
    struct call *call = job_call(job, place);
    if (job->order) outcome->index = call->number;
    outcome->size = call->result_size;
    outcome->data = call->result_block ? arena_at(call->result_block) : call->small;
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

prong_status prong_job_outcome(prong_job handle, size_t index, prong_outcome *outcome, prong_time timeout) {
    struct job *job;
    prong_status status = job_find(handle, &job);
    if (status) return status;
    if (index >= job->count)
        return fail(PRONG_INVALID, "task %zu of a job of %llu", index, (unsigned long long)job->count);
    struct one_task task = {job, index};
    deadline_t deadline = deadline_after(timeout);
    __atomic_store_n(&job->tell_each, 1, __ATOMIC_RELAXED);
    while (task_state(word_for_certain(job, index)) != TASK_ENDED)
        if (!waitq_wait(&job->progress, task_has_ended, &task, deadline) && !task_has_ended(&task))
            return fail(PRONG_TIMEOUT, "task %zu is not done", index);
    job_read_outcome(job, index, outcome);
    return PRONG_OK;
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

prong_status job_fail(const struct job *job, const prong_outcome *outcome, const char *remark) {
    char text[TEXT_SIZE];
    if (outcome->status == PRONG_POOL_BROKEN && pool_lives(job)) return fail_broken(arena_at(job->pool));
    if (outcome->status == PRONG_NO_FUNCTION && job->form != FORM_TASK && job->function.place == FUNCTION_BY_NAME)
        return fail(PRONG_NO_FUNCTION, "the workers do not find '%s'", job->function.path);
    prong_outcome_text(outcome, text, sizeof text);
    return fail(outcome->status, "%s%s", text, remark);
}

/* --- cancelling and closing --- */

static void kill_runners(struct pool *pool, uint64_t job) {
    for (uint64_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = pool_slot(pool, i);
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return;
        bool runs = slot->job == job && slot->doom == DOOM_NONE;
        if (runs) guard_set(&pool->guard, &slot->doom, DOOM_CANCEL);
        prong_process process = {slot->process_offset, slot->process_generation};
        guard_leave(&pool->guard);
        if (runs) prong_process_kill(process);
    }
}

prong_status prong_job_cancel(prong_job handle, bool force) {
    struct job *job;
    prong_status status = job_find(handle, &job);
    if (status || !pool_lives(job)) return status;
    struct pool *pool = arena_at(job->pool);
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
    schedule_cancel(pool, job, PRONG_CANCELLED);
    guard_leave(&pool->guard);
    if (force) kill_runners(pool, handle.offset);
    schedule_tell(pool, handle.offset, false);
    return PRONG_OK;
}

prong_status prong_job_close(prong_job handle) {
    struct job *job;
    prong_status status = job_find(handle, &job);
    if (status) return status;
    note_remove(handle);
    struct pool *pool = arena_at(job->pool);
    bool idle = true;
    if (pool_lives(job)) {
        if (!guard_enter(&pool->guard, PRONG_FOREVER))
            return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
        if (job->abandoned || atomic_load(&job->object.generation) != handle.generation) { /* somebody was faster */
            guard_leave(&pool->guard);
            return PRONG_OK;
        }
        if (!job_ended(job)) schedule_cancel(pool, job, PRONG_CANCELLED);
        guard_set(&pool->guard, &job->abandoned, 1);
        idle = job->running == 0;
        if (idle) guard_set(&pool->guard, &job->freed_by, self_token());
        guard_leave(&pool->guard);
    }
    if (idle) object_destroy(job, handle.generation);
    return PRONG_OK;
}

/* --- as an object --- */

/* A job whose submitter died is nobody's; and one whose last worker died before it could free it. */
static void recover(void *object, uint32_t dead) {
    struct job *job = object;
    uint64_t generation = object_generation(job); /* first: what is read below may be of the next to live here */
    waitq_forget(&job->progress, dead);
    waitq_notify(&job->progress, INT_MAX);
    if (atomic_load(&job->object.state) != OBJECT_LIVE) return;
    if (atomic_load(&job->submitter) == dead)
        prong_job_close((prong_job){arena_offset(job), generation});
    else if (__atomic_load_n(&job->abandoned, __ATOMIC_ACQUIRE) &&
             (uint32_t)__atomic_load_n(&job->freed_by, __ATOMIC_RELAXED) == dead)
        object_destroy(job, generation);
}

void job_free_result(struct call *call) {
    if (call->result_block) heap_free(call->result_block, &call->result_block);
    call->result_size = 0;
}

static bool dispose(void *object) {
    struct job *job = object;
    for (uint64_t i = 0; job->storage && job->form == FORM_TASK && i < job->capacity; i++) {
        struct call *call = job_call(job, i);
        job_free_result(call);
        if (call->argument_block) heap_free(call->argument_block, &call->argument_block);
    }
    if (job->storage) heap_free(job->storage, &job->storage);
    return true;
}

const struct object_type job_type = {"job", sizeof(struct job), recover, dispose};
