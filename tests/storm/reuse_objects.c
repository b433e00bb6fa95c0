/* Queues, pipes, processes, pools, jobs and managers, for reuse_test.c. */
#include "reuse.h"

#include <signal.h>
#include <unistd.h>

/* --- queues: a message has its queue's number --- */

static void make_queue(struct handle *handle) {
    storm_ok(prong_queue_create((prong_queue *)handle->words,
                                &(prong_queue_options){.maxsize = 5, .joinable = handle->number % 3 == 0}));
}

static void queue_take(const struct handle *handle) {
    long number;
    size_t size;
    prong_status got = prong_queue_get(THE(queue, handle), &number, sizeof number, &size, PRONG_MS(storm_random(3)));
    storm_is(got, status >= 0 || status == PRONG_EMPTY || status == PRONG_SHUTDOWN || gone(status));
    if (!got && number != handle->number)
        storm_wrong(__FILE__, __LINE__, "queue %ld has a message for %ld", handle->number, number);
}

static void use_queue(const struct handle *handle) {
    prong_message message;
    size_t count;
    switch (storm_random(6)) {
    case 0:
    case 1:
        storm_is(prong_queue_put(THE(queue, handle), &handle->number, sizeof handle->number, PRONG_MS(storm_random(3))),
                 status >= 0 || status == PRONG_FULL || status == PRONG_SHUTDOWN || gone(status));
        break;
    case 2:
        if (prong_message_reserve(&message, sizeof handle->number) < 0) break;
        memcpy(message.data, &handle->number, sizeof handle->number);
        prong_status put = prong_queue_commit(THE(queue, handle), &message, PRONG_NOWAIT);
        storm_is(put, status >= 0 || status == PRONG_FULL || status == PRONG_SHUTDOWN || gone(status));
        if (put) storm_ok(prong_message_release(&message));
        break;
    case 3:
        storm_is(prong_queue_size(THE(queue, handle), &count, NULL), (status >= 0 && count <= 5) || gone(status));
        break;
    default: queue_take(handle);
    }
}

static void end_queue(const struct handle *handle) {
    if (storm_random(2)) queue_take(handle);
    if (storm_random(4) == 0) storm_ok(prong_queue_shutdown(THE(queue, handle)));
    storm_ok(prong_queue_destroy(THE(queue, handle)));
}

/* --- pipes --- */

static void make_pipe(struct handle *handle) {
    storm_ok(prong_pipe_create((prong_connection *)handle->words, (prong_connection *)(handle->words + 2), NULL));
}

static bool end_is_gone(prong_status status) {
    return status == PRONG_EOF || status == PRONG_BROKEN_PIPE || status == PRONG_CLOSED || gone(status);
}

static void use_pipe(const struct handle *handle) {
    prong_connection ends[2] = {*(const prong_connection *)handle->words,
                                *(const prong_connection *)(handle->words + 2)};
    int i = (int)storm_random(2);
    long number;
    size_t size;
    if (storm_random(2)) {
        storm_is(prong_connection_send_bytes(ends[i], &handle->number, sizeof handle->number, PRONG_NOWAIT),
                 status >= 0 || status == PRONG_TIMEOUT || end_is_gone(status));
    } else {
        prong_status got =
            prong_connection_recv_bytes_into(ends[i], &number, sizeof number, &size, PRONG_MS(storm_random(2)));
        storm_is(got, status >= 0 || status == PRONG_TIMEOUT || end_is_gone(status));
        if (!got && number != handle->number)
            storm_wrong(__FILE__, __LINE__, "pipe %ld has a message for %ld", handle->number, number);
    }
    if (storm_random(4)) return;
    storm_is(prong_connection_close(ends[i]), status >= 0 || end_is_gone(status));
}

/* A process that uses a handle holds the end, until it closes it: all do. */
static void drop_pipe(const struct handle *handle) {
    for (int i = 0; i < WORDS; i += 2)
        storm_is(prong_connection_close(*(const prong_connection *)(handle->words + i)),
                 status >= 0 || end_is_gone(status));
}

/* --- processes: odd ones end by themselves, with a code of their own --- */

static int code_of(long number) {
    return (int)(1 + number % 90);
}

static int live_a_little(void *argument, size_t size) {
    (void)size;
    usleep(storm_random(2) ? storm_random(3000) : 0);
    return code_of(*(long *)argument);
}

static void make_process(struct handle *handle) {
    char name[30];
    prong_process_state state;
    snprintf(name, sizeof name, "child %ld", handle->number);
    storm_ok(prong_process_create((prong_process *)handle->words,
                                  &(prong_process_options){.target = live_a_little,
                                                           .argument = &handle->number,
                                                           .argument_size = sizeof handle->number,
                                                           .name = name,
                                                           .method = (prong_start_method)stage->method}));
    storm_ok(prong_process_start(THE(process, handle)));
    storm_ok(prong_process_get_state(THE(process, handle), &state));
    storm->shared[FACT + handle->number % FACTS] = state.pid;
}

static bool is_code(int code, const struct handle *handle) {
    return code == code_of(handle->number) || (is_even(handle) && (code == -SIGKILL || code == -SIGTERM));
}

static void use_process(const struct handle *handle) {
    char wanted[48];
    prong_process_state state;
    int code;
    switch (storm_random(6)) {
    case 0:
        storm_is(prong_process_exitcode(THE(process, handle), &code),
                 (status >= 0 && is_code(code, handle)) || status == PRONG_STILL_RUNNING || gone(status));
        break;
    case 1:
        storm_is(prong_process_join(THE(process, handle), PRONG_MS(storm_random(3))),
                 status >= 0 || status == PRONG_TIMEOUT || gone(status));
        break;
    case 2:
        storm_is(prong_process_get_state(THE(process, handle), &state),
                 (status >= 0 && (state.pid == storm->shared[FACT + handle->number % FACTS] ||
                                  storm->shared[NUMBER] > handle->number + 1)) ||
                     gone(status));
        break;
    case 3:
        snprintf(wanted, sizeof wanted, "child %ld", handle->number);
        storm_is(prong_process_get_state(THE(process, handle), &state),
                 (status >= 0 && !strcmp(state.name, wanted)) || gone(status));
        break;
    default:
        if (is_even(handle))
            storm_is(prong_process_signal(THE(process, handle), storm_random(2) ? SIGKILL : SIGTERM),
                     status >= 0 || gone(status));
        else
            storm_is(prong_process_get_state(THE(process, handle), &state), status >= 0 || gone(status));
    }
}

static void end_process(const struct handle *handle) {
    int code;
    storm_ok(prong_process_join(THE(process, handle), storm_patience()));
    storm_ok(prong_process_exitcode(THE(process, handle), &code));
    if (!is_code(code, handle))
        storm_wrong(__FILE__, __LINE__, "child %ld ended with %d, not %d", handle->number, code,
                    code_of(handle->number));
    storm_ok(prong_process_destroy(THE(process, handle)));
}

/* --- pools: a task tells whose worker runs it --- */

static long worker_of;

static int worker_begins(void *argument, size_t size) {
    (void)size;
    worker_of = *(long *)argument;
    return 0;
}

static int tell_pool(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size;
    return prong_result_set(result, &worker_of, sizeof worker_of) != PRONG_OK;
}

static unsigned workers_of(long number) {
    return (unsigned)(1 + number % 3 % 2);
}

static void make_pool(struct handle *handle) {
    storm_ok(prong_pool_create((prong_pool *)handle->words,
                               &(prong_pool_options){.processes = workers_of(handle->number),
                                                     .initializer = worker_begins,
                                                     .initializer_argument = &handle->number,
                                                     .initializer_size = sizeof handle->number,
                                                     .method = (prong_start_method)stage->method}));
}

static void use_pool(const struct handle *handle) {
    long number = 0;
    size_t size, count;
    prong_worker workers[4];
    if (storm_random(4) == 0) {
        storm_is(prong_pool_workers(THE(pool, handle), workers, 4, &count, NULL),
                 (status >= 0 && count == workers_of(handle->number)) || gone(status));
        return;
    }
    prong_status done = prong_pool_run(
        THE(pool, handle),
        &(prong_work){.task = tell_pool, .count = 1, .out = &number, .out_size = sizeof number, .sizes = &size}, NULL,
        storm_patience());
    storm_is(done, status >= 0 || status == PRONG_NOT_RUNNING || status == PRONG_CANCELLED || gone(status));
    if (!done && number != handle->number)
        storm_wrong(__FILE__, __LINE__, "a task for pool %ld ran in a worker of %ld", handle->number, number);
    if (is_even(handle) && storm_random(8) == 0)
        storm_is(prong_pool_shutdown(THE(pool, handle)), status >= 0 || gone(status));
}

static void end_pool(const struct handle *handle) {
    usleep(storm_random(4000));
    storm_ok(prong_pool_destroy(THE(pool, handle)));
}

/* --- jobs, of one pool: an odd one is never cancelled --- */

static int nothing(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size, (void)result;
    return 0;
}

static size_t tasks_of(long number) {
    return (size_t)(1 + number % 7);
}

static void make_job(struct handle *handle) {
    prong_bytes arguments[7] = {{NULL, 0}};
    storm_ok(
        prong_pool_submit(THE(pool, &stage->handle),
                          &(prong_work){.task = nothing, .arguments = arguments, .count = tasks_of(handle->number)},
                          (prong_job *)handle->words, NULL));
}

static void use_job(const struct handle *handle) {
    prong_progress progress;
    switch (storm_random(4)) {
    case 0:
        storm_is(prong_job_progress(THE(job, handle), &progress),
                 (status >= 0 && progress.total == tasks_of(handle->number)) || gone(status));
        break;
    case 1:
    case 2:
        storm_is(prong_job_wait(THE(job, handle), PRONG_MS(storm_random(3))),
                 status >= 0 || status == PRONG_TIMEOUT || (status == PRONG_CANCELLED && is_even(handle)) ||
                     gone(status));
        break;
    default:
        if (is_even(handle)) storm_is(prong_job_cancel(THE(job, handle), false), status >= 0 || gone(status));
    }
}

static void end_job(const struct handle *handle) {
    if (storm_random(4) || !is_even(handle))
        storm_is(prong_job_wait(THE(job, handle), storm_patience()),
                 status >= 0 || (is_even(handle) && status == PRONG_CANCELLED));
    storm_ok(prong_job_destroy(THE(job, handle)));
}

/* --- managers: handles of one server of no family --- */

static void make_manager(struct handle *handle) {
    prong_status connected;
    do connected = prong_manager_connect((prong_manager *)handle->words, storm->text, NULL, storm_patience());
    while (connected == PRONG_NOT_FOUND);
    storm_ok(connected);
}

static bool manager_is_gone(prong_status status) {
    return status == PRONG_EOF || status == PRONG_BROKEN_PIPE || gone(status);
}

static void use_manager(const struct handle *handle) {
    prong_manager_info info;
    prong_proxy list;
    if (storm_random(2)) {
        storm_is(prong_manager_get_info(THE(manager, handle), &info),
                 (status >= 0 && !strcmp(info.address, storm->text)) || gone(status));
        return;
    }
    prong_status made = prong_proxy_create(&list, THE(manager, handle), "list", PRONG_SECONDS(60), "()");
    storm_is(made, status >= 0 || manager_is_gone(status));
    if (!made) storm_is(prong_proxy_decref(list), status >= 0 || manager_is_gone(status));
}

static void end_manager(const struct handle *handle) {
    storm_ok(prong_manager_destroy(THE(manager, handle)));
}

const struct kind queue_kind = {"queue", make_queue, use_queue, end_queue};
const struct kind pipe_kind = {"pipe", make_pipe, use_pipe, drop_pipe};
const struct kind process_kind = {"process", make_process, use_process, end_process};
const struct kind pool_kind = {"pool", make_pool, use_pool, end_pool};
const struct kind job_kind = {"job", make_job, use_job, end_job};
const struct kind manager_kind = {"manager", make_manager, use_manager, end_manager};
