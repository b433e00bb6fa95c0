/* The forms in which tasks are submitted: apply, map, starmap. */
#include "base/error.h"
#include "family/member.h"
#include "pool/types.h"

#include <string.h>

enum { CHUNKS_A_WORKER = 4 };

static size_t padded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

/* --- general: bytes in, bytes out --- */

prong_status submit_tasks(prong_pool handle, prong_job *result, prong_task *task, prong_bytes head,
                          const prong_bytes *arguments, size_t count, const prong_task_options *options) {
    struct submission s = {.pool = handle,
                           .form = FORM_TASK,
                           .function = (any_function *)(void *)task,
                           .count = count,
                           .capacity = count,
                           .options = options};
    struct pool *pool;
    struct job *job;
    uint64_t at;
    INSIDE struct visit inside = {0};
    TRY(check_bytes(arguments, count, "pool: arguments"));
    prong_status status = pool_enter(&inside, handle, &pool);
    for (size_t i = 0; i < count && status >= 0; i++) {
        if (arguments[i].size && !arguments[i].data)
            status = fail(PRONG_INVALID, "argument %zu has a size and no bytes", i);
        s.extra += padded(head.size + arguments[i].size);
    }
    if (status >= 0) status = job_create(&s, pool, &job, &at);
    if (status < 0) return status;
    for (size_t i = 0; i < count; i++) {
        struct call *call = job_call(job, i);
        call->argument = at;
        call->argument_size = head.size + arguments[i].size;
        if (head.size) memcpy(arena_at(at), head.data, head.size);
        if (arguments[i].size) memcpy(arena_at(at + head.size), arguments[i].data, arguments[i].size);
        at += padded(call->argument_size);
    }
    *result = (prong_job){arena_offset(job), atomic_load(&job->object.generation)};
    status = job_note(*result, &s, NULL, 0);
    if (status < 0)
        job_discard(job);
    else if ((status = job_submit(pool, job, result)))
        note_remove(*result);
    return status;
}

prong_status prong_pool_starmap_async(prong_pool pool, prong_job *job, prong_task *task, const prong_bytes *arguments,
                                      size_t count, const prong_task_options *options) {
    return submit_tasks(pool, job, task, (prong_bytes){0}, arguments, count, options);
}

prong_status prong_pool_apply_async(prong_pool pool, prong_job *job, prong_task *task, const void *argument,
                                    size_t argument_size, const prong_task_options *options) {
    prong_bytes bytes = {argument, argument_size};
    return prong_pool_starmap_async(pool, job, task, &bytes, 1, options);
}

/* Out of time, or waiting for itself: what has not begun will not be. */
static prong_status wait_or_cancel(prong_job job, prong_time timeout) {
    prong_status status = prong_job_get(job, timeout);
    if (status == PRONG_TIMEOUT || status == PRONG_INTERRUPTED || status == PRONG_DEADLOCK)
        prong_job_cancel(job, false);
    return status == PRONG_TIMEOUT ? fail(PRONG_TIMEOUT, "the tasks were not done in the time given") : status;
}

prong_status prong_pool_starmap(prong_pool pool, prong_job *job, prong_task *task, const prong_bytes *arguments,
                                size_t count, const prong_task_options *options, prong_time timeout) {
    prong_status status = prong_pool_starmap_async(pool, job, task, arguments, count, options);
    return status < 0 ? status : wait_or_cancel(*job, timeout);
}

prong_status prong_pool_apply(prong_pool pool, prong_task *task, const void *argument, size_t argument_size,
                              void *buffer, size_t capacity, size_t *size, const prong_task_options *options,
                              prong_time timeout) {
    prong_job handle;
    struct job *job;
    prong_status status = prong_pool_apply_async(pool, &handle, task, argument, argument_size, options);
    if (status < 0) return status;
    status = wait_or_cancel(handle, timeout);
    INSIDE struct visit inside = {0};
    if (status >= 0 && !job_enter(&inside, handle, &job)) {
        prong_outcome outcome;
        job_read_outcome(job, 0, &outcome);
        if (size) *size = outcome.size;
        if (outcome.size <= capacity)
            memcpy(buffer ? buffer : outcome.data, outcome.data, outcome.size);
        else if (buffer)
            status = fail(PRONG_TOO_LONG, "the result has %zu bytes, the buffer %zu", outcome.size, capacity);
    }
    return job_close_after(handle, status);
}

/* --- typed: arrays in, arrays out --- */

struct array_map {
    const void *in;
    void *out;
    size_t count, in_size, out_size;
};

static size_t default_chunk(const struct pool *pool, size_t count) {
    size_t chunks = pool->slot_count * CHUNKS_A_WORKER;
    return count ? (count + chunks - 1) / chunks : 1;
}

static prong_status check_map(const struct array_map *map) {
    if (map->count && !map->in_size) return fail(PRONG_INVALID, "map: in_size is 0");
    TRY(check_bytes(map->in, map->count, "map: in"));
    TRY(check_bytes(map->out, map->out_size ? map->count : 0, "map: out"));
    if (map->in_size && map->count > SIZE_MAX / 2 / map->in_size) return fail(PRONG_INVALID, "map: too many elements");
    if (map->out_size && map->count > SIZE_MAX / 2 / map->out_size)
        return fail(PRONG_INVALID, "map: too many elements");
    return PRONG_OK;
}

static prong_status map_async(prong_pool handle, prong_job *result, enum job_form form, any_function *function,
                              const struct array_map *map, const prong_task_options *options) {
    struct pool *pool;
    struct job *job;
    uint64_t at;
    INSIDE struct visit inside = {0};
    prong_status status = check_map(map);
    if (status >= 0) status = pool_enter(&inside, handle, &pool);
    if (status < 0) return status;
    size_t chunk = options && options->chunk_size ? options->chunk_size : default_chunk(pool, map->count);
    size_t tasks = map->count / chunk + (map->count % chunk != 0);
    size_t in_bytes = map->count * map->in_size, out_bytes = map->count * map->out_size;
    bool in_place = arena_contains(map->in, in_bytes), out_place = !out_bytes || arena_contains(map->out, out_bytes);
    struct submission s = {.pool = handle,
                           .form = form,
                           .function = function,
                           .count = tasks,
                           .capacity = tasks,
                           .extra = (in_place ? 0 : padded(in_bytes)) + (out_place ? 0 : out_bytes),
                           .options = options};
    if ((status = job_create(&s, pool, &job, &at))) return status;
    job->in = in_place ? arena_offset(map->in) : at;
    if (!in_place && in_bytes) {
        memcpy(arena_at(at), map->in, in_bytes);
        at += padded(in_bytes);
    }
    job->in_place = map->count && (in_place || (out_place && out_bytes));
    job->out = out_place ? (out_bytes ? arena_offset(map->out) : 0) : at;
    job->in_size = map->in_size;
    job->out_size = map->out_size;
    job->elements = map->count;
    job->chunk = chunk;
    *result = (prong_job){arena_offset(job), atomic_load(&job->object.generation)};
    status = job_note(*result, &s, out_place ? NULL : map->out, out_bytes);
    if (status < 0)
        job_discard(job);
    else if ((status = job_submit(pool, job, result)))
        note_remove(*result);
    return status;
}

static prong_status map_and_wait(prong_pool pool, enum job_form form, any_function *function,
                                 const struct array_map *map, const prong_task_options *options, prong_time timeout) {
    prong_job job;
    prong_status status = map_async(pool, &job, form, function, map, options);
    if (status < 0) return status;
    status = wait_or_cancel(job, timeout);
    job_deliver(job);
    return job_close_after(job, status);
}

prong_status prong_pool_map(prong_pool pool, prong_element *function, const void *in, size_t count, size_t in_size,
                            void *out, size_t out_size, const prong_task_options *options, prong_time timeout) {
    struct array_map map = {in, out, count, in_size, out_size};
    return map_and_wait(pool, FORM_ELEMENT, (any_function *)(void *)function, &map, options, timeout);
}

prong_status prong_pool_map_async(prong_pool pool, prong_job *job, prong_element *function, const void *in,
                                  size_t count, size_t in_size, void *out, size_t out_size,
                                  const prong_task_options *options) {
    struct array_map map = {in, out, count, in_size, out_size};
    return map_async(pool, job, FORM_ELEMENT, (any_function *)(void *)function, &map, options);
}

prong_status prong_pool_map_range(prong_pool pool, prong_range *function, const void *in, size_t count, size_t in_size,
                                  void *out, size_t out_size, const prong_task_options *options, prong_time timeout) {
    struct array_map map = {in, out, count, in_size, out_size};
    return map_and_wait(pool, FORM_RANGE, (any_function *)(void *)function, &map, options, timeout);
}

prong_status prong_pool_map_range_async(prong_pool pool, prong_job *job, prong_range *function, const void *in,
                                        size_t count, size_t in_size, void *out, size_t out_size,
                                        const prong_task_options *options) {
    struct array_map map = {in, out, count, in_size, out_size};
    return map_async(pool, job, FORM_RANGE, (any_function *)(void *)function, &map, options);
}
