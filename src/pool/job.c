/* Jobs: how they are made and submitted, and what they are to the family. */
#include "pool/job.h"

#include "base/error.h"
#include "base/local.h"
#include "family/heap.h"
#include "family/member.h"
#include "pool/inline.h"
#include "pool/load.h"
#include "pool/notes.h"
#include "pool/owner.h"
#include "pool/schedule.h"
#include "pool/work.h"

#include <limits.h>
#include <string.h>

/* The pool is entered second, and left with the job. It may be gone; then its memory is nobody else's until then. */
prong_status job_enter(struct visit *inside, prong_job handle, struct job **job) {
    struct visit inside_pool;
    TRY(object_enter(inside, KIND_JOB, handle.offset, handle.generation, (void **)job));
    return object_enter_known(&inside_pool, (*job)->pool);
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

static prong_status job_identify(any_function *pointer, bool forked, struct function *function) {
    static struct local_slot slot;
    struct identified *known = local_memory(&slot, sizeof *known);
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

prong_status job_check_count(size_t tasks, size_t bytes_each) {
    if (tasks <= arena_mapped / bytes_each && tasks <= UINT32_MAX) return PRONG_OK;
    return fail(PRONG_NO_MEMORY, "%zu tasks are more than the arena can hold", tasks);
}

static uint64_t job_bytes(uint64_t own, uint64_t beside) {
    return beside > UINT64_MAX - own ? UINT64_MAX : own + beside;
}

static prong_status job_allocate(struct job *job, const struct submission *s, uint64_t further, uint64_t *extra) {
    TRY(job_check_count(s->capacity, sizeof(uint64_t)));
    uint64_t words = s->capacity * sizeof(uint64_t), order = s->ring ? words : 0;
    bool called = s->form == PRONG_FORM_TASK || s->ring;
    uint64_t calls = called ? s->capacity * sizeof(struct call) : 0;
    bool small = words + order + calls <= SMALL_JOB && further <= SMALL_JOB - (words + order + calls);
    prong_status status = small ? PRONG_OK : heap_alloc(words + order + calls + further, 0, &job->storage, NULL);
    if (status < 0) return fail_again(status, "a job of %zu tasks", s->capacity);
    if (!s->ring && s->count) job->load = job_bytes(words + calls + further, s->options->beside);
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
static prong_status job_allocate_all(struct job *job, const struct submission *s, uint64_t *extra) {
    size_t size = (s->work->context_size + 7) & ~(size_t)7;
    prong_status status = job_allocate(job, s, s->extra + size, extra);
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
    schedule_expect(pool); /* while the job is made */
    prong_status status = object_create(KIND_JOB, (void **)&job);
    if (status < 0) return status;
    object_bell_init(&job->bell, job);
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
    job->sealed = !s->ring && s->capacity == s->count;
    job->retries = o->retries;
    job->priority = (uint32_t)o->priority;
    job->seed = o->seed;
    job->time_limit = o->time_limit == PRONG_FOREVER ? 0 : (uint64_t)o->time_limit;
    job->tell_each = s->ring;
    job->tell_owner = !o->callback && !o->error_callback ? JOB_TELL_NOBODY : o->capacity ? JOB_TELL_EACH : JOB_TELL_END;
    job->began = s->capacity > 1 ? clock_now() : clock_last_tick(); /* nobody asks for the rate of a single task */
    status = s->function ? job_identify(s->function, pool->method == PRONG_START_FORK, &job->function)
                         : function_by_name(s->name, &job->function);
    if (status >= 0) status = job_allocate_all(job, s, extra);
    if (status < 0)
        object_destroy(job, object_generation(job));
    else
        *result = job;
    return status;
}

void job_discard(struct job *job) {
    object_destroy(job, object_generation(job));
}

/* --- submitting --- */

prong_status job_fail_not_running(const struct pool *pool) {
    if (atomic_load(&pool->state) == POOL_BROKEN) return job_fail_broken(pool);
    if (!member_alive((uint32_t)pool->owner)) {
        family_bury_dead(); /* from then on the handle is stale */
        return fail(PRONG_NOT_RUNNING, "pool '%s' has ended with its owner", pool->name);
    }
    return fail(PRONG_NOT_RUNNING, "pool '%s' was shut down or terminated", pool->name);
}

static prong_status job_run_inline(struct pool *pool, struct job *job) {
    prong_status status =
        atomic_load(&pool->state) == POOL_RUNNING ? inline_run(pool, job) : job_fail_not_running(pool);
    if (status < 0) job_discard(job);
    return status;
}

/* Under the guard. PRONG_NOT_RUNNING, PRONG_FULL. */
static prong_status job_enlist(struct pool *pool, struct job *job) {
    if (atomic_load(&pool->state) != POOL_RUNNING) return PRONG_NOT_RUNNING;
    if (!load_fits(pool, job->load)) return PRONG_FULL;
    guard_set(&pool->guard, (uint64_t *)&job->object.state, OBJECT_LIVE); /* object_publish, as part of this step */
    load_enlist(pool, job);
    guard_set(&pool->guard, &pool->unfinished, pool->unfinished + job->count);
    if (!job->sealed && !job->order) guard_set(&pool->guard, &pool->open_jobs, pool->open_jobs + 1);
    if (job->count)
        schedule_job(pool, job);
    else
        schedule_tell_owner(pool, job);
    return PRONG_OK;
}

/* The same when there is room for it. */
static prong_status job_enlist_in_time(struct submission *s, struct pool *pool, struct job *job, bool *backlog) {
    TRY(load_check(pool, job->load));
    if (pool->maxbytes && s->options->capacity)
        return fail(PRONG_INVALID, "pool '%s' has a limit in bytes (maxbytes): it takes no open jobs (capacity)",
                    pool->name);
    for (;;) {
        if (!guard_enter(&pool->guard, PRONG_FOREVER)) return lock_refused(PRONG_TIMEOUT, "the pool");
        prong_status status = job_enlist(pool, job);
        *backlog = pool_lacks_workers(pool);
        guard_leave(&pool->guard);
        if (status == PRONG_NOT_RUNNING) return job_fail_not_running(pool);
        if (status >= 0) return PRONG_OK;
        TRY(load_wait(pool, s, job->load));
    }
}

prong_status job_submit(struct submission *s, struct pool *pool, struct job *job, prong_job *handle) {
    /* Once it is submitted it may be done and destroyed at any moment, by its callback, and its memory another job's. */
    uint64_t count = job->count, tell_owner = job->tell_owner;
    bool backlog = false;
    *handle = job_handle(job);
    if (pool->inlined) return job_run_inline(pool, job);
    prong_status status = job_enlist_in_time(s, pool, job, &backlog);
    if (status < 0) {
        job_discard(job);
        return status;
    }
    waitq_notify(&pool->work, (int)(count < pool_wanted(pool) ? count : pool_wanted(pool)));
    if (backlog) waitq_notify(&pool->attention, 1);
    if (count == 0 && tell_owner) waitq_notify(&pool->callbacks, 1);
    return PRONG_OK;
}

prong_status job_note(prong_job handle, const struct submission *s, const struct outputs *outputs) {
    const prong_task_options *o = s->options;
    if (!o->callback && !o->error_callback && !o->progress && !outputs) return PRONG_OK;
    struct note note = {.job = handle,
                        .callback = o->callback,
                        .error_callback = o->error_callback,
                        .context = o->context,
                        .each = o->capacity != 0,
                        .progress = o->progress,
                        .progress_context = o->progress_context,
                        .delivers = outputs != NULL};
    if (outputs) note.outputs = *outputs;
    prong_status status = PRONG_OK;
    if (o->callback || o->error_callback) status = owner_prepare_callbacks(s->pool);
    return status < 0 ? status : note_add(&note);
}

/* --- as an object --- */

/* A job whose submitter died is nobody's; and one to whose freeing somebody had come, who died before. What stands in it is certain:
 * pools are recovered before jobs, and with them their guards. */
static void job_recover(void *object, uint32_t dead) {
    struct job *job = object;
    uint64_t generation = object_generation(job);
    object_bell_recover(&job->bell, dead); /* it may have ended the last task, before the bell knew */
    if (atomic_load(&job->object.state) != OBJECT_LIVE) return;
    INSIDE struct visit inside_pool = {0};
    object_enter_known(&inside_pool, job->pool);
    bool to_free = __atomic_load_n(&job->abandoned, __ATOMIC_ACQUIRE) &&
                   (uint32_t)__atomic_load_n(&job->freed_by, __ATOMIC_RELAXED) == dead;
    if (to_free) /* by its submitter, too: it has destroyed it then */
        object_destroy(job, generation);
    else if (atomic_load(&job->submitter) == dead)
        job_abandon((prong_job){arena_offset(job), generation}, job);
}

static void job_wake(void *object) {
    struct job *job = object;
    object_bell_wake(&job->bell);
    waitq_wake_all(&job->progress);
}

void job_free_result(struct call *call) {
    if (call->result_block) heap_free(call->result_block, &call->result_block);
    call->result_size = 0;
}

void call_free(struct call *call) {
    job_free_result(call);
    if (call->argument_block) heap_free(call->argument_block, &call->argument_block);
}

prong_status call_store_argument(struct call *call, prong_bytes head, const prong_bytes *argument) {
    size_t size = head.size + argument->size;
    if (call->argument_block) heap_free(call->argument_block, &call->argument_block); /* of a try that failed */
    if (size) TRY(heap_alloc(size, 0, &call->argument_block, NULL));
    char *at = size ? arena_at(call->argument_block) : NULL;
    if (head.size) memcpy(at, head.data, head.size);
    if (argument->size) memcpy(at + head.size, argument->data, argument->size);
    call->argument = call->argument_block;
    call->argument_size = size;
    return PRONG_OK;
}

static void job_end(void *object) {
    struct job *job = object;
    waitq_notify(&job->progress, INT_MAX);
    object_bell_end(&job->bell); /* its descriptors are readable from now on */
}

static uint64_t job_weigh(void *object) {
    const struct job *job = object;
    return job->storage ? heap_header(job->storage)->size : 0;
}

/* If this process dies in here, another goes on: it must not look for calls in memory that is somebody else's by then. */
static bool job_dispose(void *object) {
    struct job *job = object;
    if (!object_bell_dispose(&job->bell)) return false;
    for (uint64_t i = 0; job->calls && i < job->capacity; i++) call_free(job_call(job, i));
    __atomic_store_n(&job->calls, 0, __ATOMIC_RELEASE);
    if (job->storage) heap_free(job->storage, &job->storage);
    return true;
}

/* Under no guard: a worker that dies before it leaves the guard takes the end back, and its burial settles the bell. */
static bool job_is_to_ring(void *object) {
    return job_ended(object);
}

const struct object_type job_type = {
    .name = "job",
    .size = sizeof(struct job),
    .recover = job_recover,
    .wake = job_wake,
    .end = job_end,
    .dispose = job_dispose,
    .weigh = job_weigh,
    .ready = job_is_to_ring,
};
