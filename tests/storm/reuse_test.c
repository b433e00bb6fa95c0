/* Objects of every kind are made and destroyed in turn, in the same memory, while other processes and threads use their handles,
 * held back at any instruction for up to 300 ms. Each call gives what is right for its own object, or says that it is gone; it
 * never touches the object that follows. Objects have numbers: what may change one is done to even ones alone, so that an odd one
 * shows what was meant for another. */
#include "outside.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { USERS = 3, THREADS = 2, KINDS = 15, WORDS = 4 };

/* As any handle: two of them for a pipe's ends. */
struct handle {
    uint64_t words[WORDS];
    long number;
};

struct kind {
    const char *name;
    void (*make)(struct handle *handle);
    void (*use)(const struct handle *handle);
    void (*end)(const struct handle *handle); /* by the process that made it */
};

struct stage {
    int number, kind, method;
    struct handle handle; /* of an object for good, if the kind needs one */
};

/* storm->shared: the number of the present object (0: none just now), its handle, how often it was used, and not found. */
enum { NUMBER, HANDLE, USED = HANDLE + WORDS, STALE, FOR_GOOD, FACT = 100, FACTS = 100 };

static struct stage *stage;

#define THE(type, handle) (*(const prong_##type *)(handle)->words)

static bool is_even(const struct handle *handle) {
    return handle->number % 2 == 0;
}

static bool gone(prong_status status) {
    if (status == PRONG_STALE) storm->shared[STALE]++;
    return status == PRONG_STALE;
}

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
        if (prong_queue_reserve(THE(queue, handle), sizeof handle->number, &message) < 0) break;
        memcpy(message.data, &handle->number, sizeof handle->number);
        prong_status put = prong_queue_commit(THE(queue, handle), &message, PRONG_NOWAIT);
        storm_is(put, status >= 0 || status == PRONG_FULL || status == PRONG_SHUTDOWN || gone(status));
        if (put) storm_ok(prong_message_release(&message));
        break;
    case 3: storm_is(prong_queue_size(THE(queue, handle), &count), (status >= 0 && count <= 5) || gone(status)); break;
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
    int pid;
    snprintf(name, sizeof name, "child %ld", handle->number);
    storm_ok(prong_process_create((prong_process *)handle->words,
                                  &(prong_process_options){.target = live_a_little,
                                                           .argument = &handle->number,
                                                           .argument_size = sizeof handle->number,
                                                           .name = name,
                                                           .method = (prong_start_method)stage->method}));
    storm_ok(prong_process_start(THE(process, handle)));
    storm_ok(prong_process_pid(THE(process, handle), &pid));
    storm->shared[FACT + handle->number % FACTS] = pid;
}

static bool is_code(int code, const struct handle *handle) {
    return code == code_of(handle->number) || (is_even(handle) && (code == -SIGKILL || code == -SIGTERM));
}

static void use_process(const struct handle *handle) {
    char name[48], wanted[48];
    int code, pid;
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
        storm_is(prong_process_pid(THE(process, handle), &pid),
                 (status >= 0 && (pid == storm->shared[FACT + handle->number % FACTS] ||
                                  storm->shared[NUMBER] > handle->number + 1)) ||
                     gone(status));
        break;
    case 3:
        snprintf(wanted, sizeof wanted, "child %ld", handle->number);
        storm_is(prong_process_name(THE(process, handle), name, sizeof name),
                 (status >= 0 && !strcmp(name, wanted)) || gone(status));
        break;
    default:
        if (is_even(handle))
            storm_is(prong_process_signal(THE(process, handle), storm_random(2) ? SIGKILL : SIGTERM),
                     status >= 0 || gone(status));
        else
            prong_process_is_alive(THE(process, handle));
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
        storm_is(prong_pool_workers(THE(pool, handle), workers, 4, &count),
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

/* --- locks: a stranger releases even ones alone; in an odd one, one is inside --- */

/* Overlapping is seen by those who are inside of the same one: the owner, with its number. */
static void be_inside(const struct handle *handle) {
    static _Thread_local long self;
    if (!self) self = 1 + (long)(storm_self - storm->slots) * 64 + (long)storm_random(64);
    long mine = handle->number << 24 | self, before = atomic_exchange(&storm->shared[FACT], mine);
    if (before >> 24 == handle->number && (before & 0xffffff))
        storm_wrong(__FILE__, __LINE__, "two are inside of object %ld", handle->number);
    for (int i = 0; i < 20; i++) {
        long now = storm->shared[FACT];
        if (now != mine && now >> 24 == handle->number)
            storm_wrong(__FILE__, __LINE__, "another came into object %ld", handle->number);
    }
    atomic_compare_exchange_strong(&storm->shared[FACT], &mine, handle->number << 24);
}

#define HELD(name, type, ...)                                                                                          \
    static void make_##name(struct handle *handle) {                                                                   \
        storm_ok(prong_##type##_create((prong_##type *)handle->words, __VA_ARGS__));                                   \
    }                                                                                                                  \
    static void use_##name(const struct handle *handle) {                                                              \
        if (is_even(handle) && storm_random(3) == 0) {                                                                 \
            storm_is(prong_##type##_release(THE(type, handle)),                                                        \
                     status >= 0 || status == PRONG_NOT_OWNER || gone(status));                                        \
            return;                                                                                                    \
        }                                                                                                              \
        prong_status got = prong_##type##_acquire(THE(type, handle), PRONG_MS(storm_random(20)));                      \
        storm_is(got, status >= 0 || status == PRONG_TIMEOUT || gone(status));                                         \
        if (got) return;                                                                                               \
        if (!is_even(handle)) be_inside(handle);                                                                       \
        storm_is(prong_##type##_release(THE(type, handle)),                                                            \
                 status >= 0 || gone(status) || (is_even(handle) && status == PRONG_NOT_OWNER));                       \
    }                                                                                                                  \
    static void end_##name(const struct handle *handle) {                                                              \
        if (storm_random(2)) use_##name(handle);                                                                       \
        storm_ok(prong_##type##_destroy(THE(type, handle)));                                                           \
    }
HELD(lock, lock, NULL)
HELD(rlock, lock, &(prong_lock_options){.recursive = true})
HELD(semaphore, semaphore, 1, &(prong_semaphore_options){.bounded = true, .recover = handle->number % 4 > 1})

/* --- events: odd ones are never set --- */

static void make_event(struct handle *handle) {
    storm_ok(prong_event_create((prong_event *)handle->words, NULL));
}

static void use_event(const struct handle *handle) {
    prong_event event = THE(event, handle);
    if (is_even(handle) && storm_random(2))
        storm_is(storm_random(4) ? prong_event_set(event) : prong_event_clear(event), status >= 0 || gone(status));
    else if (storm_random(2))
        storm_is(prong_event_wait(event, PRONG_MS(storm_random(2))),
                 (status >= 0 && is_even(handle)) || status == PRONG_TIMEOUT || gone(status));
    else
        storm_check(!prong_event_is_set(event) || is_even(handle));
}

static void end_event(const struct handle *handle) {
    storm_check(!prong_event_is_set(THE(event, handle)) || is_even(handle));
    storm_ok(prong_event_destroy(THE(event, handle)));
}

/* --- conditions: nobody is notified in odd ones --- */

static void make_condition(struct handle *handle) {
    storm_ok(prong_condition_create((prong_condition *)handle->words, NULL));
}

static void use_condition(const struct handle *handle) {
    prong_condition condition = THE(condition, handle);
    prong_status got = prong_condition_acquire(condition, storm_patience());
    storm_is(got, status >= 0 || gone(status));
    if (got) return;
    if (!is_even(handle)) be_inside(handle);
    if (is_even(handle) && storm_random(2))
        storm_is(prong_condition_notify_all(condition), status >= 0 || gone(status));
    else
        storm_is(prong_condition_wait(condition, PRONG_MS(storm_random(3))),
                 (status >= 0 && is_even(handle)) || status == PRONG_TIMEOUT || gone(status));
    storm_is(prong_condition_release(condition), status >= 0 || gone(status));
}

static void end_condition(const struct handle *handle) {
    if (storm_random(2)) use_condition(handle);
    storm_ok(prong_condition_destroy(THE(condition, handle)));
}

/* --- barriers: nobody waits at odd ones, or breaks them --- */

static unsigned parties_of(long number) {
    return (unsigned)(2 + number % 2 * 3);
}

static void make_barrier(struct handle *handle) {
    storm_ok(prong_barrier_create((prong_barrier *)handle->words, parties_of(handle->number), NULL));
}

static void use_barrier(const struct handle *handle) {
    prong_barrier barrier = THE(barrier, handle);
    unsigned index = 0;
    if (!is_even(handle)) {
        unsigned parties = prong_barrier_parties(barrier);
        storm_check(parties == 0 || parties == parties_of(handle->number));
        storm_check(prong_barrier_n_waiting(barrier) == 0 && !prong_barrier_broken(barrier));
        return;
    }
    switch (storm_random(4)) {
    case 0: storm_is(prong_barrier_abort(barrier), status >= 0 || gone(status)); break;
    case 1: storm_is(prong_barrier_reset(barrier), status >= 0 || gone(status)); break;
    default:
        storm_is(prong_barrier_wait(barrier, &index, PRONG_MS(storm_random(5))),
                 status >= 0 || status == PRONG_TIMEOUT || status == PRONG_BROKEN || gone(status));
        storm_check(index < 2);
    }
}

static void end_barrier(const struct handle *handle) {
    use_barrier(handle);
    storm_ok(prong_barrier_destroy(THE(barrier, handle)));
}

/* --- values, arrays: an odd one has its number for good --- */

static void make_value(struct handle *handle) {
    storm_ok(prong_shared_value_create((prong_shared_value *)handle->words, PRONG_TYPE_LONG, 1, &handle->number,
                                       &(prong_shared_value_options){.unlocked = handle->number % 4 > 1}));
}

static void use_value(const struct handle *handle) {
    prong_shared_value value = THE(shared_value, handle);
    long number = -1, other = 0;
    bool done;
    if (!is_even(handle)) {
        prong_status got = prong_shared_value_get(value, 0, 1, &number, storm_patience());
        storm_is(got, (status >= 0 && number == handle->number) || gone(status));
        return;
    }
    switch (storm_random(4)) {
    case 0: storm_is(prong_shared_value_set(value, 0, 1, &other, storm_patience()), status >= 0 || gone(status)); break;
    case 1: storm_is(prong_shared_value_add(value, 0, 1000000, NULL), status >= 0 || gone(status)); break;
    case 2: storm_is(prong_shared_value_exchange(value, 0, &other, &number), status >= 0 || gone(status)); break;
    default:
        storm_is(prong_shared_value_compare_exchange(value, 0, &number, &other, &done), status >= 0 || gone(status));
    }
}

static void end_value(const struct handle *handle) {
    use_value(handle);
    storm_ok(prong_shared_value_destroy(THE(shared_value, handle)));
}

static size_t length_of(long number) {
    return (size_t)(1 + number % 50);
}

static void make_array(struct handle *handle) {
    long cells[50];
    for (size_t i = 0; i < length_of(handle->number); i++) cells[i] = handle->number;
    storm_ok(prong_shared_value_create((prong_shared_value *)handle->words, PRONG_TYPE_LONG, length_of(handle->number),
                                       cells, &(prong_shared_value_options){.unlocked = handle->number % 4 > 1}));
}

static void use_array(const struct handle *handle) {
    prong_shared_value array = THE(shared_value, handle);
    long cells[50] = {0};
    size_t count = length_of(handle->number);
    if (is_even(handle)) {
        storm_is(storm_random(2) ? prong_shared_value_set(array, 0, count, cells, storm_patience())
                                 : prong_shared_value_add(array, count - 1, 5, NULL),
                 status >= 0 || gone(status));
        return;
    }
    prong_status got = prong_shared_value_get(array, 0, count, cells, storm_patience());
    storm_is(got, status >= 0 || gone(status));
    for (size_t i = 0; i < count && !got; i++) storm_check(cells[i] == handle->number);
}

static void end_array(const struct handle *handle) {
    use_array(handle);
    storm_ok(prong_shared_value_destroy(THE(shared_value, handle)));
}

/* --- blocks of bytes: the size tells which --- */

static void make_block(struct handle *handle) {
    void *data;
    storm_ok(prong_shared_value_create((prong_shared_value *)handle->words, PRONG_TYPE_UCHAR,
                                       100 + (size_t)(handle->number % 5000), NULL,
                                       &(prong_shared_value_options){.unlocked = true}));
    storm_ok(prong_shared_value_data(THE(shared_value, handle), &data, NULL));
    memset(data, 255, 100);
}

static void use_block(const struct handle *handle) {
    size_t size;
    storm_is(prong_shared_value_data(THE(shared_value, handle), NULL, &size),
             (status >= 0 && size == 100 + (size_t)(handle->number % 5000)) || gone(status));
}

static void end_block(const struct handle *handle) {
    storm_ok(prong_shared_value_destroy(THE(shared_value, handle)));
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
    char address[200];
    prong_proxy list;
    if (storm_random(2)) {
        storm_is(prong_manager_address(THE(manager, handle), address, sizeof address),
                 (status >= 0 && !strcmp(address, storm->text)) || gone(status));
        return;
    }
    prong_status made = prong_proxy_create(&list, THE(manager, handle), "list", PRONG_SECONDS(60), "()");
    storm_is(made, status >= 0 || manager_is_gone(status));
    if (!made) storm_is(prong_proxy_decref(list), status >= 0 || manager_is_gone(status));
}

static void end_manager(const struct handle *handle) {
    storm_ok(prong_manager_destroy(THE(manager, handle)));
}

/* --- all --- */

static const struct kind kinds[KINDS] = {
    {"queue", make_queue, use_queue, end_queue},
    {"pipe", make_pipe, use_pipe, drop_pipe},
    {"process", make_process, use_process, end_process},
    {"pool", make_pool, use_pool, end_pool},
    {"job", make_job, use_job, end_job},
    {"lock", make_lock, use_lock, end_lock},
    {"rlock", make_rlock, use_rlock, end_rlock},
    {"semaphore", make_semaphore, use_semaphore, end_semaphore},
    {"event", make_event, use_event, end_event},
    {"condition", make_condition, use_condition, end_condition},
    {"barrier", make_barrier, use_barrier, end_barrier},
    {"value", make_value, use_value, end_value},
    {"array", make_array, use_array, end_array},
    {"block", make_block, use_block, end_block},
    {"manager", make_manager, use_manager, end_manager},
};
enum {
    QUEUE,
    PIPE,
    PROCESS,
    POOL,
    JOB,
    LOCK,
    RLOCK,
    SEMAPHORE,
    EVENT,
    CONDITION,
    BARRIER,
    VALUE,
    ARRAY,
    BLOCK,
    MANAGER
};

static bool present(struct handle *handle) {
    handle->number = storm->shared[NUMBER];
    for (int i = 0; i < WORDS; i++) handle->words[i] = (uint64_t)storm->shared[HANDLE + i];
    if (storm->shared[NUMBER] != handle->number) handle->number = 0;
    return handle->number != 0;
}

static void publish(const struct handle *handle) {
    storm->shared[NUMBER] = 0;
    for (int i = 0; i < WORDS; i++) storm->shared[HANDLE + i] = (long)handle->words[i];
    storm->shared[NUMBER] = handle->number;
}

/* The same handle several times, so that it becomes a stale one. */
static void *use_each(void *unused) {
    (void)unused;
    for (long last = 0; !storm->stop;) {
        struct handle handle;
        bool is_new = present(&handle) && handle.number != last;
        if (!is_new && (stage->kind == PROCESS || stage->kind == POOL))
            usleep(storm_random(500)); /* they take long to make */
        if (!handle.number) continue;
        last = handle.number;
        for (unsigned turns = 1 + storm_random(6); turns > 0 && !storm->stop; turns--) kinds[stage->kind].use(&handle);
        if (stage->kind == PIPE) drop_pipe(&handle);
        storm->shared[USED]++;
    }
    return NULL;
}

static int be_user(void *argument, size_t size) {
    pthread_t threads[THREADS];
    (void)size;
    stage = argument;
    storm_begin();
    storm_be_held_back();
    for (int i = 0; i < THREADS; i++) storm_check(pthread_create(&threads[i], NULL, use_each, NULL) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    return 0;
}

/* A turn of the first process. */
static void succeed(void *argument) {
    struct handle handle = {.number = ++storm->shared[FOR_GOOD]};
    (void)argument;
    kinds[stage->kind].make(&handle);
    publish(&handle);
    for (unsigned turns = storm_random(8); turns > 0; turns--) kinds[stage->kind].use(&handle);
    if (storm_random(4)) usleep(storm_random(300));
    kinds[stage->kind].end(&handle);
}

static void reuse(int kind, int method) {
    static struct stage the_stage;
    stage = &the_stage;
    *stage = (struct stage){.kind = kind, .method = method};
    storm_begin();
    storm_be_held_back();
    if (kind == JOB) ok(prong_pool_create((prong_pool *)stage->handle.words, &(prong_pool_options){.processes = 2}));
    storm_crew(&(struct storm_crew){method, USERS, be_user, stage, sizeof *stage, &stage->number, succeed, 20});
    printf("     %s: %ld made, used %ld times, gone already %ld times\n", kinds[kind].name, storm->shared[FOR_GOOD],
           storm->shared[USED], storm->shared[STALE]);
    fflush(stdout);
    storm_check(storm->shared[FOR_GOOD] > 3 && storm->shared[USED] > 0);
    if (kind == JOB) ok(prong_pool_destroy(THE(pool, &stage->handle)));
    storm_orphans_end(method);
    storm_check_remains(-1, 0);
}

static void be_gentle(void) {
    storm->gentle = true;
}

static void serve_strangers(void) {
    storm->gentle = true;
    storm_serve_stranger();
}

#define REUSED(plural, KIND)                                                                                           \
    static void reuse_##plural(int method) {                                                                           \
        reuse(KIND, method);                                                                                           \
    }                                                                                                                  \
    LONG_METHOD_TEST(plural##_follow_each_other, 900) {                                                                \
        storm_outside(method, reuse_##plural, KIND == MANAGER ? serve_strangers : be_gentle);                          \
    }
REUSED(queues, QUEUE)
REUSED(pipes, PIPE)
REUSED(processes, PROCESS)
REUSED(pools, POOL)
REUSED(jobs, JOB)
REUSED(locks, LOCK)
REUSED(rlocks, RLOCK)
REUSED(semaphores, SEMAPHORE)
REUSED(events, EVENT)
REUSED(conditions, CONDITION)
REUSED(barriers, BARRIER)
REUSED(values, VALUE)
REUSED(arrays, ARRAY)
REUSED(blocks, BLOCK)
REUSED(managers, MANAGER)
