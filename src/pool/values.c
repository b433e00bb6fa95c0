/* Tasks that are called with values: the bytes of a call go in, the result's pickle comes out. */
#include "base/error.h"
#include "pool/values.h"
#include "pool/job.h"
#include "pool/submit.h"
#include "process/process.h"
#include "value/classes.h"
#include "value/document.h"

#include <string.h>

static prong_status values_run_task(prong_document *document, const void *argument, size_t size, prong_pickle *pickle) {
    prong_value arguments, keywords, value = prong_make_null();
    any_function *function;
    prong_status status = call_read(document, argument, size, &function, &arguments, &keywords);
    if (status >= 0) status = ((prong_value_task *)function)(document, arguments, keywords, &value);
    return status < 0 ? status : prong_pickle_dumps(document, value, pickle, NULL);
}

int call_task(void *argument, size_t size, prong_result *result) {
    prong_document *document;
    prong_pickle pickle;
    const void *bytes;
    size_t count;
    const char *name = call_of_runtime(argument, size, &bytes, &count);
    if (name) return runtime.call(name, bytes, count, result);
    prong_status status = prong_document_open(&document, NULL);
    if (status < 0) return status;
    status = values_run_task(document, argument, size, &pickle);
    if (status < 0)
        prong_result_set(result, prong_error_message(), strlen(prong_error_message()) + 1);
    else
        status = prong_result_set(result, pickle.data, pickle.size);
    prong_document_close(document);
    return status;
}

/* --- calls --- */

prong_status values_identify(const struct submission *s, struct call_header *header) {
    return call_identify((any_function *)s->work->value_task, s->work->name, &header->function);
}

/* The call for an item: the only argument, or all of them. */
static prong_status values_write_item(prong_document *scratch, const struct call_header *header, const prong_work *work,
                                      prong_value item, prong_bytes *call) {
    void *bytes;
    if (work->each == PRONG_EACH) TRY(prong_make_tuple(scratch, &item, 1, &item));
    TRY(call_write(scratch, &header->function, item, work->keywords, &bytes, &call->size));
    call->data = bytes;
    return PRONG_OK;
}

/* The number of calls. */
static prong_status values_count_calls(const prong_work *work, size_t *count) {
    prong_kind kind = prong_value_kind(work->values);
    *count = 1;
    if (work->each == PRONG_ONCE) return PRONG_OK;
    if (kind != PRONG_KIND_LIST && kind != PRONG_KIND_TUPLE)
        return fail(PRONG_INVALID, "map: the items must be a list or tuple, not %s", prong_kind_name(kind));
    *count = prong_value_size(work->values);
    return PRONG_OK;
}

static prong_status values_write_next(prong_document *scratch, const struct call_header *header, const prong_work *work,
                                      size_t *at, prong_bytes *call, bool *more) {
    prong_value item = work->values;
    size_t next = *at, count;
    TRY(values_count_calls(work, &count));
    if (work->each == PRONG_ONCE)
        *more = next++ == 0;
    else
        *more = prong_value_next(work->values, &next, NULL, &item);
    if (!*more) return PRONG_OK;
    TRY(values_write_item(scratch, header, work, item, call));
    *at = next;
    return PRONG_OK;
}

prong_status values_next(prong_document *scratch, const struct call_header *header, const prong_work *work, size_t *at,
                         prong_bytes *call, bool *more) {
    prong_document_reset(scratch);
    return values_write_next(scratch, header, work, at, call, more);
}

static prong_status values_write_calls(prong_document *scratch, const struct call_header *header,
                                       const prong_work *work, prong_bytes **calls, size_t *count) {
    size_t at = 0;
    bool more;
    TRY(values_count_calls(work, count));
    *calls = document_take(scratch, (*count + 1) * sizeof(**calls));
    if (!*calls) return PRONG_NO_MEMORY;
    for (size_t i = 0; i < *count; i++) {
        prong_status status = values_write_next(scratch, header, work, &at, &(*calls)[i], &more);
        if (status < 0) return work->each ? fail_again(status, "map: item %zu", i) : status;
    }
    return PRONG_OK;
}

/* --- submitting --- */

static prong_status values_submit_written(struct submission *s, const struct call_header *header, prong_job *job) {
    prong_document *scratch;
    prong_bytes *calls = NULL;
    prong_work work = *s->work;
    struct submission written = *s;
    TRY(prong_document_open(&scratch, NULL));
    prong_status status = values_write_calls(scratch, header, s->work, &calls, &written.count);
    work.arguments = calls;
    written.work = &work;
    written.capacity = written.count;
    if (status >= 0) status = submit_tasks(&written, (prong_bytes){0}, job, NULL);
    s->timeout = written.timeout;
    prong_document_close(scratch);
    return status;
}

prong_status values_submit(struct submission *s, prong_job *job) {
    struct call_header header;
    TRY(values_identify(s, &header));
    if (!s->work->arguments) return values_submit_written(s, &header, job);
    return submit_tasks(s, (prong_bytes){&header, sizeof header}, job, NULL); /* pickled already */
}

/* --- results --- */

static prong_status values_read_one(const prong_outcome *outcome, prong_document *document, prong_value *value) {
    return prong_pickle_loads(document, outcome->data, outcome->size, value, &ANY_CLASS);
}

/* What the task has reported, in full. */
static prong_status values_fail_as_task(const prong_outcome *o) {
    return fail(PRONG_TASK_FAILED, "task %zu: %.*s", o->index, (int)o->size, (const char *)o->data);
}

static bool values_has_reported(const prong_outcome *outcome) {
    return outcome->status == PRONG_TASK_FAILED && outcome->size;
}

prong_status prong_outcome_value(const prong_outcome *outcome, prong_document *document, prong_value *value) {
    char text[400];
    if (values_has_reported(outcome)) return values_fail_as_task(outcome);
    if (outcome->status == PRONG_OK) return values_read_one(outcome, document, value);
    prong_outcome_text(outcome, text, sizeof text);
    return fail(outcome->status, "%s", text);
}

static prong_status values_read_task(struct job *job, uint64_t place, prong_document *document, prong_value *value) {
    prong_outcome outcome;
    job_read_outcome(job, place, &outcome);
    if (values_has_reported(&outcome)) return values_fail_as_task(&outcome);
    return outcome.status ? job_fail(job, &outcome, "") : values_read_one(&outcome, document, value);
}

static prong_status values_read_list(struct job *job, prong_document *document, prong_value *list) {
    prong_value one;
    TRY(prong_make_list(document, NULL, 0, list));
    for (uint64_t i = 0; i < job->count; i++) {
        TRY(values_read_task(job, i, document, &one));
        TRY(prong_list_append(document, *list, one));
    }
    return PRONG_OK;
}

/* Of a job that has ended. */
static prong_status values_read_results(prong_job handle, prong_document *document, prong_value *value) {
    struct job *job;
    INSIDE struct visit inside = {0};
    TRY(job_enter(&inside, handle, &job));
    if (job->values == VALUES_LIST) return values_read_list(job, document, value);
    return job->values ? values_read_task(job, 0, document, value) : fail(PRONG_INVALID, "this is not a job of values");
}

prong_status prong_job_value(prong_job job, prong_document *document, prong_value *value, prong_time timeout) {
    uint64_t unused;
    TRY(job_wait_end(job, timeout, &unused));
    return values_read_results(job, document, value);
}

prong_status values_run(struct submission *s) {
    prong_job job;
    uint64_t unused;
    const prong_work *work = s->work;
    TRY(values_submit(s, &job));
    prong_status status = job_wait_or_cancel(job, s->timeout, &unused);
    if (status >= 0)
        status = work->result ? values_read_results(job, work->document, work->result) : job_first_failure(job);
    return job_destroy_after(job, status);
}
