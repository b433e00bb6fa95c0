/* imap: a job whose tasks are added as their results are taken, so that it reads ahead only so far. */
#include "base/error.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/await.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD_A_WORKER = 4 };

struct prong_imap {
    prong_job handle;
    struct job *job;
    prong_generator *generator;
    void *context;
    bool ordered, exhausted;
    uint64_t capacity, given; /* places; outcomes handed out */
    uint64_t busy;            /* places in use */
    prong_bytes argument;     /* from the generator, for which there was no memory yet; still the generator's */
    bool waits;               /* there is such a one */
    uint64_t lent;            /* place + 1 of the outcome that the caller has now */
    bool *used;               /* a place: holds a task not yet taken */
    prong_progress_callback *progress;
    void *progress_context;
    int64_t next_report; /* of progress, not before that time */
};

static prong_status open(prong_pool pool_handle, prong_imap **result, prong_task *task, prong_generator *generator,
                         void *context, const prong_task_options *options, bool ordered) {
    struct pool *pool;
    uint64_t unused;
    INSIDE struct visit inside = {0};
    if (!generator) return fail(PRONG_INVALID, "imap: no generator");
    TRY(pool_enter(&inside, pool_handle, &pool));
    prong_status status;
    prong_task_options without_callbacks = options ? *options : (prong_task_options){0};
    size_t capacity = without_callbacks.buffer ? without_callbacks.buffer : pool->slot_count * AHEAD_A_WORKER;
    prong_imap *imap = calloc(1, sizeof *imap);
    bool *used = calloc(capacity, sizeof *used);
    if (!imap || !used) {
        free(imap);
        free(used);
        return fail(PRONG_NO_MEMORY, "no memory for an imap that reads %zu ahead", capacity);
    }
    *imap = (prong_imap){.generator = generator,
                         .context = context,
                         .ordered = ordered,
                         .capacity = capacity,
                         .used = used,
                         .progress = without_callbacks.progress,
                         .progress_context = without_callbacks.progress_context};
    without_callbacks.callback = NULL;
    without_callbacks.error_callback = NULL;
    struct submission s = {.pool = pool_handle,
                           .form = FORM_TASK,
                           .function = (any_function *)(void *)task,
                           .capacity = capacity,
                           .ring = true,
                           .options = &without_callbacks};
    status = job_create(&s, pool, &imap->job, &unused);
    if (status >= 0) status = job_submit(pool, imap->job, &imap->handle);
    if (status < 0) {
        free(used);
        free(imap);
        return status;
    }
    *result = imap;
    return PRONG_OK;
}

prong_status prong_pool_imap(prong_pool pool, prong_imap **imap, prong_task *task, prong_generator *generator,
                             void *context, const prong_task_options *options) {
    return open(pool, imap, task, generator, context, options, true);
}

prong_status prong_pool_imap_unordered(prong_pool pool, prong_imap **imap, prong_task *task, prong_generator *generator,
                                       void *context, const prong_task_options *options) {
    return open(pool, imap, task, generator, context, options, false);
}

/* --- feeding --- */

static uint64_t free_place(const prong_imap *imap) {
    uint64_t place = 0;
    while (imap->used[place]) place++;
    return place;
}

static prong_status store_argument(struct call *call, const prong_bytes *argument) {
    if (call->argument_block) heap_free(call->argument_block, &call->argument_block); /* of a try that failed */
    if (argument->size) {
        prong_status status = heap_alloc(argument->size, 0, &call->argument_block, NULL);
        if (status < 0) return status;
        memcpy(arena_at(call->argument_block), argument->data, argument->size);
    }
    call->argument = call->argument_block;
    call->argument_size = argument->size;
    return PRONG_OK;
}

/* Under the guard: the task at place is the next to be claimed. */
static void append(struct pool *pool, struct job *job, uint64_t place) {
    uint64_t *order = (uint64_t *)arena_at(job->order) + job->count % job->capacity;
    guard_set(&pool->guard, order, place);
    guard_set(&pool->guard, job_word(job, place), task_word(TASK_PENDING, PRONG_OK, 0, 0));
    guard_set(&pool->guard, &job->count, job->count + 1);
    guard_set(&pool->guard, &pool->unfinished, pool->unfinished + 1);
    schedule_job(pool, job);
}

static prong_status stopped(const struct job *job) {
    return fail((prong_status)job->cancel_status, "imap: the pool was terminated, or is broken");
}

static prong_status add_task(prong_imap *imap, const prong_bytes *argument) {
    struct job *job = imap->job;
    struct pool *pool = arena_at(job->pool);
    uint64_t place = free_place(imap);
    struct call *call = job_call(job, place);
    call->number = job->count;
    prong_status status = store_argument(call, argument);
    if (status < 0) return status;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
    if (job->cancel_status)
        status = stopped(job);
    else
        append(pool, job, place);
    guard_leave(&pool->guard);
    if (status < 0) return status;
    imap->used[place] = true;
    imap->busy++;
    waitq_notify(&pool->work, 1);
    return PRONG_OK;
}

static prong_status seal(prong_imap *imap) {
    struct pool *pool = arena_at(imap->job->pool);
    imap->exhausted = true;
    if (!guard_enter(&pool->guard, PRONG_FOREVER)) return fail(PRONG_TIMEOUT, "the pool is held by a stopped process");
    guard_set(&pool->guard, &imap->job->sealed, 1);
    guard_leave(&pool->guard);
    return PRONG_OK;
}

/* An argument that a failure leaves behind goes first the next time. */
static prong_status feed_one(prong_imap *imap) {
    if (!imap->waits) {
        imap->argument = (prong_bytes){0};
        if (!imap->generator(&imap->argument, imap->context)) return seal(imap);
    }
    prong_status status = add_task(imap, &imap->argument);
    imap->waits = status != PRONG_OK;
    return status;
}

static prong_status feed(prong_imap *imap) {
    prong_status status = PRONG_OK;
    while (status >= 0 && !imap->exhausted && imap->busy < imap->capacity) status = feed_one(imap);
    return status;
}

/* --- taking --- */

static void return_lent(prong_imap *imap) {
    if (!imap->lent) return;
    struct call *call = job_call(imap->job, imap->lent - 1);
    job_free_result(call);
    if (call->argument_block) heap_free(call->argument_block, &call->argument_block);
    imap->used[imap->lent - 1] = false;
    imap->busy--;
    imap->lent = 0;
}

static bool has_ended(const prong_imap *imap, uint64_t place) {
    return imap->used[place] && task_state(__atomic_load_n(job_word(imap->job, place), __ATOMIC_ACQUIRE)) == TASK_ENDED;
}

static bool find_ended(const prong_imap *imap, uint64_t *place) {
    if (imap->ordered) {
        *place = ((uint64_t *)arena_at(imap->job->order))[imap->given % imap->capacity];
        return has_ended(imap, *place);
    }
    for (*place = 0; *place < imap->capacity; ++*place)
        if (has_ended(imap, *place)) return true;
    return false;
}

static bool something_to_give(void *context) {
    prong_imap *imap = context;
    uint64_t place;
    return find_ended(imap, &place) || __atomic_load_n(&imap->job->cancel_status, __ATOMIC_RELAXED);
}

/* Seen without the guard, an end may be taken back; look once more within. */
static bool take(prong_imap *imap, prong_outcome *outcome) {
    struct pool *pool = arena_at(imap->job->pool);
    uint64_t place;
    if (!find_ended(imap, &place) || !guard_enter(&pool->guard, PRONG_FOREVER)) return false;
    bool certain = has_ended(imap, place);
    guard_leave(&pool->guard);
    if (!certain) return false;
    job_read_outcome(imap->job, place, outcome);
    imap->lent = place + 1;
    imap->given++;
    return true;
}

static void report(prong_imap *imap) {
    prong_progress progress;
    if (!imap->progress || clock_now() < imap->next_report) return;
    if (prong_job_progress(imap->handle, &progress) >= 0) imap->progress(&progress, imap->progress_context);
    imap->next_report = clock_now() + PROGRESS_EVERY;
}

static void report_end(prong_imap *imap) {
    imap->next_report = 0;
    report(imap);
    imap->progress = NULL; /* once */
}

static struct awaited next_awaited(const prong_imap *imap) {
    int64_t place = imap->ordered ? (int64_t)((uint64_t *)arena_at(imap->job->order))[imap->given % imap->capacity]
                                  : await_more_than(imap->given);
    return (struct awaited){imap->handle.offset, imap->handle.generation, place};
}

static prong_status wait_for_next(prong_imap *imap, prong_outcome *outcome, deadline_t deadline) {
    struct await await;
    prong_status status = PRONG_OK;
    struct awaited awaited = next_awaited(imap);
    if (take(imap, outcome)) return PRONG_OK;
    INTERRUPTIBLE;
    await_begin(&await, &awaited, deadline);
    while (status >= 0 && !take(imap, outcome)) {
        status = imap->job->cancel_status ? stopped(imap->job) : await_check(&await);
        if (status < 0) break;
        if (!waitq_wait(&imap->job->progress, something_to_give, imap, deadline) && !something_to_give(imap))
            status = fail_text(PRONG_TIMEOUT, "imap: no result in the time given");
        else
            report(imap);
    }
    await_end(&await);
    return status;
}

prong_status prong_imap_next(prong_imap *imap, prong_outcome *outcome, prong_time timeout) {
    deadline_t deadline = deadline_after(timeout);
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, imap->handle, &job));
    return_lent(imap);
    report(imap);
    if (!object_is_live(KIND_POOL, imap->job->pool, imap->job->pool_generation))
        return fail(PRONG_NOT_RUNNING, "imap: the pool was destroyed");
    prong_status status = feed(imap);
    if (status < 0) return status;
    if (imap->busy == 0) {
        report_end(imap);
        return fail_text(PRONG_EOF, "imap: all results have been taken");
    }
    return wait_for_next(imap, outcome, deadline);
}

void prong_imap_close(prong_imap *imap) {
    if (!imap) return;
    prong_job_close(imap->handle);
    free(imap->used);
    free(imap);
}
