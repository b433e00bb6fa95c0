/* What became of a job's tasks: read, delivered, described. */
#include "base/error.h"
#include "family/heap.h"
#include "family/member.h"
#include "os/os.h"
#include "pool/job.h"
#include "pool/notes.h"
#include "pool/schedule.h"
#include "process/process.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 400 };

uint64_t job_word_for_certain(struct job *job, uint64_t place) {
    struct pool *pool = arena_at(job->pool);
    if (job_is_settled(job)) return schedule_word(job, place);
    if (!job_pool_lives(job) || !guard_enter(&pool->guard, PRONG_FOREVER)) return schedule_word(job, place);
    uint64_t word = schedule_word(job, place);
    guard_leave(&pool->guard);
    return word;
}

static bool job_task_succeeded(struct job *job, uint64_t place) {
    uint64_t word = job_word_for_certain(job, place);
    return task_state(word) == TASK_ENDED && !task_status(word);
}

static void job_copy_succeeded_chunks(struct job *job, void *out, size_t out_bytes) {
    size_t step = job->chunk * job->out_size;
    for (uint64_t i = 0; i < job->count; i++) {
        if (!job_task_succeeded(job, i)) continue;
        size_t at = i * step, left = out_bytes - at;
        memcpy((char *)out + at, (char *)arena_at(job->out) + at, left < step ? left : step);
    }
}

static void *call_result(struct call *call) {
    return call->result_block ? arena_at(call->result_block) : call->small;
}

/* The first that does not fit, + 1; 0: they all do. */
static uint64_t job_copy_results(struct job *job, const struct outputs *o) {
    uint64_t too_long = 0;
    for (uint64_t i = 0; i < job->count; i++) {
        if (!job_task_succeeded(job, i)) continue;
        struct call *call = job_call(job, i);
        if (o->sizes) o->sizes[i] = call->result_size;
        if (!o->out) continue;
        if (call->result_size <= o->out_size)
            memcpy((char *)o->out + i * o->out_size, call_result(call), call->result_size);
        else if (!too_long)
            too_long = i + 1;
    }
    return too_long;
}

static uint64_t job_copy_outputs(struct job *job, const struct outputs *o) {
    size_t out_bytes = o->count * o->out_size;
    if (job->calls) return job_copy_results(job, o);
    if (job_is_settled(job) && !job->failed) /* else a failed one may not be counted yet */
        memcpy(o->out, arena_at(job->out), out_bytes);
    else
        job_copy_succeeded_chunks(job, o->out, out_bytes);
    return 0;
}

uint64_t job_deliver(prong_job handle) {
    struct job *job;
    INSIDE struct visit inside = {0};
    return job_enter(&inside, handle, &job) ? 0 : note_deliver(handle, job, job_copy_outputs);
}

uint64_t job_deliver_to(prong_job handle, const struct outputs *outputs) {
    struct job *job;
    INSIDE struct visit inside = {0};
    return job_enter(&inside, handle, &job) ? 0 : job_copy_outputs(job, outputs);
}

void job_read_outcome(struct job *job, uint64_t place, prong_outcome *outcome) {
    uint64_t word = job_word_for_certain(job, place);
    *outcome = (prong_outcome){
        .status = task_status(word), .code = task_code(word), .tries = task_tries(word), .index = place};
    if (!job->calls) return;
    struct call *call = job_call(job, place);
    if (job->order) outcome->index = call->number;
    outcome->size = call->result_size;
    outcome->data = call_result(call);
}

/* --- in words --- */

static void outcome_text_of_death(const prong_outcome *o, char *text, size_t size) {
    if (o->code < 0)
        snprintf(text, size, "task %zu: its worker was killed by signal %d (%s)", o->index, -o->code,
                 strsignal(-o->code));
    else
        snprintf(text, size, "task %zu: its worker exited with code %d while running it", o->index, o->code);
}

void prong_outcome_text(const prong_outcome *o, char *text, size_t size) {
    switch (o->status) {
    case PRONG_WORKER_DIED: outcome_text_of_death(o, text, size); break;
    case PRONG_TASK_FAILED:
        snprintf(text, size, "task %zu failed with code %d%s%.*s", o->index, o->code, o->size ? ": " : "",
                 (int)(o->size < SUMMARY_SIZE ? o->size : SUMMARY_SIZE), o->size ? (const char *)o->data : "");
        break;
    case PRONG_TASK_TIMEOUT: snprintf(text, size, "task %zu ran longer than its limit and was killed", o->index); break;
    case PRONG_TASK_MEMORY:
        snprintf(text, size, "task %zu: its worker used more memory than its limit (memory_hard) and was killed",
                 o->index);
        break;
    case PRONG_CANCELLED: snprintf(text, size, "task %zu was cancelled", o->index); break;
    case PRONG_NO_FUNCTION:
        if (o->size) { /* the worker has said more */
            snprintf(text, size, "task %zu: %.*s", o->index, (int)o->size, (const char *)o->data);
            break;
        } /* fall through */
    default: snprintf(text, size, "task %zu: %s", o->index, prong_status_text(o->status));
    }
}

/* Why nothing of the pool's runs any more, for whoever has not asked for it; NULL: it does. An owner that exits terminates its pools. */
static const char *job_pool_end(const struct job *job) {
    const struct pool *pool = arena_at(job->pool);
    if (!job_pool_lives(job) || !member_alive((uint32_t)pool->owner)) return ": its pool has ended, with its owner";
    return atomic_load(&pool->state) == POOL_TERMINATED ? ": its pool was terminated, or its owner ends" : NULL;
}

prong_status job_fail(const struct job *job, const prong_outcome *outcome, const char *remark) {
    char text[TEXT_SIZE];
    if (outcome->status == PRONG_POOL_BROKEN && job_pool_lives(job)) return job_fail_broken(arena_at(job->pool));
    if (outcome->status == PRONG_NO_FUNCTION && !job->calls && job->function.place == FUNCTION_BY_NAME)
        return fail(PRONG_NO_FUNCTION, "the workers do not find '%s'", job->function.path);
    prong_outcome_text(outcome, text, sizeof text);
    const char *end = outcome->status == PRONG_CANCELLED ? job_pool_end(job) : NULL;
    if (end) remark = end;
    return fail(outcome->status, "%s%s", text, remark);
}

/* Its owner may be told of another worker's end meanwhile, which changes no more than the code. */
prong_status job_fail_broken(const struct pool *pool) {
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
