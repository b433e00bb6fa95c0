/* Tasks that are called with values: the bytes of a call go in, the result's pickle comes out. */
#include "base/error.h"
#include "pool/types.h"
#include "process/calls.h"
#include "process/process.h"
#include "value/classes.h"
#include "value/document.h"

#include <prong/pool.h>
#include <string.h>

static prong_status run(prong_document *document, const void *argument, size_t size, prong_pickle *pickle) {
    prong_value arguments, keywords, value = prong_null();
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
    status = run(document, argument, size, &pickle);
    if (status < 0)
        prong_result_set(result, prong_error_message(), strlen(prong_error_message()) + 1);
    else
        status = prong_result_set(result, pickle.data, pickle.size);
    prong_document_close(document);
    return status;
}

/* Which task, and the options but for its name. */
static prong_status identify(prong_value_task *task, const prong_task_options *options, struct function *function,
                             prong_task_options *others) {
    *others = options ? *options : (prong_task_options){0};
    prong_status status = call_identify((any_function *)task, others->task_name, function);
    others->task_name = NULL;
    return status;
}

prong_status prong_pool_apply_value_async(prong_pool pool, prong_job *job, prong_value_task *task,
                                          prong_value arguments, prong_value keywords,
                                          const prong_task_options *options) {
    struct function function;
    prong_task_options by_bytes;
    prong_document *scratch;
    void *bytes;
    size_t size;
    prong_status status = identify(task, options, &function, &by_bytes);
    if (status >= 0) status = prong_document_open(&scratch, NULL);
    if (status < 0) return status;
    status = call_write(scratch, &function, arguments, keywords, &bytes, &size);
    if (status >= 0) status = prong_pool_apply_async(pool, job, call_task, bytes, size, &by_bytes);
    prong_document_close(scratch);
    return status;
}

prong_status prong_job_value(prong_job job, size_t index, prong_document *document, prong_value *result,
                             prong_time timeout) {
    prong_outcome outcome;
    prong_status status = prong_job_outcome(job, index, &outcome, timeout);
    if (status < 0) return status;
    if (outcome.status == PRONG_TASK_FAILED && outcome.data)
        return fail(PRONG_TASK_FAILED, "task %zu: %s", index, (const char *)outcome.data);
    struct job *found;
    INSIDE struct visit inside = {0};
    if (outcome.status) return (status = job_enter(&inside, job, &found)) ? status : job_fail(found, &outcome, "");
    return prong_pickle_loads(document, outcome.data, outcome.size, result, &ANY_CLASS);
}

prong_status prong_pool_apply_value(prong_pool pool, prong_value_task *task, prong_value arguments,
                                    prong_value keywords, prong_document *document, prong_value *result,
                                    const prong_task_options *options, prong_time timeout) {
    prong_job job;
    prong_status status = prong_pool_apply_value_async(pool, &job, task, arguments, keywords, options);
    if (status < 0) return status;
    status = prong_job_value(job, 0, document, result, timeout);
    return job_close_after(job, status);
}

/* --- many --- */

/* The calls for all items: of a starmap each item is the arguments, else the only one. */
static prong_status write_calls(prong_document *scratch, const struct function *task, prong_value items, bool star,
                                prong_bytes **calls, size_t *count) {
    prong_kind kind = prong_value_kind(items);
    if (kind != PRONG_KIND_LIST && kind != PRONG_KIND_TUPLE)
        return fail(PRONG_INVALID, "map: the items must be a list or tuple, not %s", prong_kind_name(kind));
    *count = prong_value_size(items);
    *calls = document_take(scratch, (*count + 1) * sizeof(**calls));
    if (!*calls) return PRONG_NO_MEMORY;
    size_t at = 0, index = 0;
    for (prong_value item; prong_value_next(items, &at, NULL, &item); index++) {
        void *bytes;
        prong_status status = star ? PRONG_OK : prong_make_tuple(scratch, &item, 1, &item);
        if (status >= 0) status = call_write(scratch, task, item, prong_null(), &bytes, &(*calls)[index].size);
        if (status < 0) return fail_again(status, "map: item %zu", index);
        (*calls)[index].data = bytes;
    }
    return PRONG_OK;
}

static prong_status submit(prong_pool pool, prong_job *job, prong_value_task *task, prong_value items, bool star,
                           const prong_task_options *options) {
    struct function function;
    prong_task_options by_bytes;
    prong_document *scratch;
    prong_bytes *calls = NULL;
    size_t count = 0;
    prong_status status = identify(task, options, &function, &by_bytes);
    if (status >= 0) status = prong_document_open(&scratch, NULL);
    if (status < 0) return status;
    status = write_calls(scratch, &function, items, star, &calls, &count);
    if (status >= 0) status = prong_pool_starmap_async(pool, job, call_task, calls, count, &by_bytes);
    prong_document_close(scratch);
    return status;
}

static prong_status collect(prong_job job, size_t count, prong_document *document, prong_value *results) {
    prong_value one;
    prong_status status = prong_make_list(document, NULL, 0, results);
    for (size_t i = 0; i < count && status >= 0; i++) {
        status = prong_job_value(job, i, document, &one, PRONG_NOWAIT);
        if (status >= 0) status = prong_list_append(document, *results, one);
    }
    return status;
}

static prong_status map(prong_pool pool, prong_value_task *task, prong_value items, bool star, prong_document *document,
                        prong_value *results, const prong_task_options *options, prong_time timeout) {
    prong_job job;
    prong_status status = submit(pool, &job, task, items, star, options);
    if (status < 0) return status;
    status = prong_job_wait(job, timeout);
    if (status >= 0) status = collect(job, prong_value_size(items), document, results);
    return job_close_after(job, status);
}

prong_status prong_pool_map_value(prong_pool pool, prong_value_task *task, prong_value items, prong_document *document,
                                  prong_value *results, const prong_task_options *options, prong_time timeout) {
    return map(pool, task, items, false, document, results, options, timeout);
}
prong_status prong_pool_starmap_value(prong_pool pool, prong_value_task *task, prong_value items,
                                      prong_document *document, prong_value *results, const prong_task_options *options,
                                      prong_time timeout) {
    return map(pool, task, items, true, document, results, options, timeout);
}
prong_status prong_pool_starmap_value_async(prong_pool pool, prong_job *job, prong_value_task *task, prong_value items,
                                            const prong_task_options *options) {
    return submit(pool, job, task, items, true, options);
}

/* --- calls that are pickled already --- */

prong_status prong_pool_call_async(prong_pool pool, prong_job *job, const char *name, const prong_bytes *pickles,
                                   size_t count, const prong_task_options *options) {
    struct call_header header;
    if (!name) return fail_text(PRONG_INVALID, "call: no name");
    prong_status status = function_by_name(name, &header.function);
    if (status < 0) return status;
    return submit_tasks(pool, job, call_task, (prong_bytes){&header, sizeof header}, pickles, count, options);
}
