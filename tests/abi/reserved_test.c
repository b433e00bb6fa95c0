/* The tails of public structs: what a caller fills must be zero there, what the library fills is. */
#include "../support/test.h"

#include <unistd.h>

static int target(void *argument, size_t size) {
    (void)argument, (void)size;
    return 0;
}

static int task(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)size;
    return prong_result_set(result, "x", 1);
}

static prong_status method(prong_call *call) {
    (void)call;
    return PRONG_OK;
}

#define LAST(options) (sizeof(options).reserved / sizeof *(options).reserved - 1)

/* The call is good, but for the last word of the tail. The struct is the one that the call is handed, by this name. */
#define ROW(name, type, members, call)                                                                                 \
    static prong_status name(void) {                                                                                   \
        type options = {UNPACK members};                                                                               \
        options.reserved[LAST(options)] = &options;                                                                    \
        return call;                                                                                                   \
    }                                                                                                                  \
    static const struct row row_##name = {#name, name};
#define UNPACK(...) __VA_ARGS__

struct row {
    const char *name;
    prong_status (*call)(void);
};

static const char *const argv[] = {"true", NULL};
static prong_lock lock;
static prong_semaphore semaphore;
static prong_condition condition;
static prong_event event;
static prong_barrier barrier;
static prong_shared_value number;
static prong_queue queue;
static prong_share share;
static prong_connection here, there;
static prong_process process;
static prong_popen *popen_running;
static prong_popen *popen_made;
static prong_pool pool;
static prong_job job;
static prong_iterator *iterator;
static prong_document *document, *other;
static prong_value value;
static prong_pickle pickle;
static prong_listener *listener;
static prong_link *client;
static prong_server *server, *server_made;
static prong_manager manager;
static prong_supervisor supervisor;
static const prong_child_options child = {.process = {.target = target}};
static const prong_work work = {.task = task, .count = 1};

ROW(lock_options, prong_lock_options, (0), prong_lock_create(&lock, &options))
ROW(semaphore_options, prong_semaphore_options, (0), prong_semaphore_create(&semaphore, 1, &options))
ROW(condition_options, prong_condition_options, (.name = "x"), prong_condition_create(&condition, &options))
ROW(event_options, prong_event_options, (0), prong_event_create(&event, &options))
ROW(barrier_options, prong_barrier_options, (0), prong_barrier_create(&barrier, 2, &options))
ROW(barrier_wait_options, prong_barrier_wait_options, (0), prong_barrier_wait(barrier, NULL, &options, PRONG_NOWAIT))
ROW(value_options, prong_shared_value_options, (0),
    prong_shared_value_create(&number, PRONG_TYPE_INT, 1, NULL, &options))
ROW(share_options, prong_share_options, (0), prong_share_create(&share, NULL, 0, &options))
ROW(queue_options, prong_queue_options, (0), prong_queue_create(&queue, &options))
ROW(pipe_options, prong_pipe_options, (0), prong_pipe_create(&here, &there, &options))
ROW(family_options, prong_family_options, (0), prong_family_create(&options))
ROW(process_options, prong_process_options, (.target = target), prong_process_create(&process, &options))
ROW(popen_options, prong_popen_options, (0), prong_popen_open(&popen_made, argv, &options))
ROW(popen_stream, prong_stream, (0), prong_popen_open(&popen_made, argv, &(prong_popen_options){.out = options}))
ROW(stop_plan, prong_stop_plan, (.kill = PRONG_SECONDS(5)), prong_popen_stop(popen_running, NULL, &options))
ROW(subprocess_options, prong_subprocess_options, (0), prong_subprocess_run(argv, NULL, &options, PRONG_SECONDS(5)))
ROW(subprocess_popen, prong_popen_options, (0),
    prong_subprocess_run(argv, NULL, &(prong_subprocess_options){.popen = options}, PRONG_SECONDS(5)))
ROW(pool_options, prong_pool_options, (.processes = 1), prong_pool_create(&pool, &options))
ROW(everywhere, prong_everywhere, (.target = target), prong_pool_everywhere(pool, &options, PRONG_SECONDS(5)))
ROW(worker_options, prong_worker_options, (.threads = 1),
    prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .worker = &options}))
ROW(work_run, prong_work, (.task = task, .count = 1), prong_pool_run(pool, &options, NULL, PRONG_SECONDS(5)))
ROW(task_options_run, prong_task_options, (0), prong_pool_run(pool, &work, &options, PRONG_SECONDS(5)))
ROW(task_options_submit, prong_task_options, (0), prong_pool_submit(pool, &work, &job, &options))
ROW(task_options_iterate, prong_task_options, (0), prong_pool_iterate(pool, &work, &iterator, &options))
ROW(supervisor_options, prong_supervisor_options, (0), prong_supervisor_create(&supervisor, &child, 1, &options))
ROW(child_options, prong_child_options, (.process = {.target = target}),
    prong_supervisor_create(&supervisor, &options, 1, NULL))
ROW(child_process_options, prong_process_options, (.target = target),
    prong_supervisor_create(&supervisor, &(prong_child_options){.process = options}, 1, NULL))
ROW(document_options, prong_document_options, (0), prong_document_open(&other, &options))
ROW(object, prong_object, (.module = "m", .name = "n"), prong_make_object(document, &options, &value))
ROW(pickle_options, prong_pickle_options, (0), prong_pickle_dumps(document, prong_make_int(1), &pickle, &options))
ROW(unpickle_options, prong_unpickle_options, (0), prong_pickle_loads(document, "I1\n.", 4, &value, &options))
ROW(listener_options, prong_link_options, (0), prong_listener_open(&listener, "@prong-reserved", &options))
ROW(link_options, prong_link_options, (0), prong_link_connect(&client, "@prong-reserved", &options, PRONG_NOWAIT))
ROW(tls, prong_tls, (0),
    prong_link_connect(&client, "@prong-reserved", &(prong_link_options){.tls = &options}, PRONG_NOWAIT))
ROW(server_options, prong_server_options, (.open = true), prong_server_open(&server_made, &options))
ROW(server_link_options, prong_link_options, (0),
    prong_server_open(&server_made, &(prong_server_options){.open = true, .link = options}))
ROW(method_entry, prong_method_entry, (.name = "m", .method = method),
    prong_server_register(server, &(prong_type_options){.name = "t", .methods = (prong_method_entry[]){options, {0}}}))
ROW(type_options, prong_type_options, (.name = "t", .methods = (prong_method_entry[]){{0}}),
    prong_server_register(server, &options))
ROW(manager_options, prong_manager_options, (0), prong_manager_start(&manager, &options))
ROW(manager_server_options, prong_server_options, (0),
    prong_manager_start(&manager, &(prong_manager_options){.server = options}))
ROW(manager_link_options, prong_link_options, (0),
    prong_manager_connect(&manager, "@prong-reserved", &options, PRONG_NOWAIT))
ROW(waitable, prong_waitable, (.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = 0),
    prong_wait(&options, 1, NULL, PRONG_NOWAIT))

static const struct row *const rows[] = {&row_lock_options,
                                         &row_semaphore_options,
                                         &row_condition_options,
                                         &row_event_options,
                                         &row_barrier_options,
                                         &row_barrier_wait_options,
                                         &row_value_options,
                                         &row_share_options,
                                         &row_queue_options,
                                         &row_pipe_options,
                                         &row_family_options,
                                         &row_process_options,
                                         &row_popen_options,
                                         &row_popen_stream,
                                         &row_stop_plan,
                                         &row_subprocess_options,
                                         &row_subprocess_popen,
                                         &row_pool_options,
                                         &row_worker_options,
                                         &row_everywhere,
                                         &row_work_run,
                                         &row_task_options_run,
                                         &row_task_options_submit,
                                         &row_task_options_iterate,
                                         &row_supervisor_options,
                                         &row_child_options,
                                         &row_child_process_options,
                                         &row_document_options,
                                         &row_object,
                                         &row_pickle_options,
                                         &row_unpickle_options,
                                         &row_listener_options,
                                         &row_link_options,
                                         &row_tls,
                                         &row_server_options,
                                         &row_server_link_options,
                                         &row_method_entry,
                                         &row_type_options,
                                         &row_manager_options,
                                         &row_manager_link_options,
                                         &row_manager_server_options,
                                         &row_waitable};

TEST(a_tail_that_is_not_zero_is_refused_by_every_call) {
    ok(prong_document_open(&document, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1}));
    ok(prong_server_open(&server, &(prong_server_options){.address = "@prong-reserved-server", .open = true}));
    ok(prong_barrier_create(&barrier, 1, NULL));
    ok(prong_popen_open(&popen_running, (const char *const[]){"sleep", "100", NULL}, NULL));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        prong_status status = rows[i]->call();
        if (status != PRONG_INVALID || !strstr(prong_error_message(), "reserved["))
            test_failed(__FILE__, __LINE__, "%s is %s: %s", rows[i]->name, prong_status_name(status),
                        status ? prong_error_message() : "");
    }
    ok(prong_barrier_destroy(barrier));
    ok(prong_popen_stop(popen_running, NULL, NULL));
    ok(prong_popen_close(popen_running));
    ok(prong_server_close(server));
    ok(prong_pool_destroy(pool));
    prong_document_close(document);
}

/* --- what the library fills --- */

#define FILLED(type, name)                                                                                             \
    type name;                                                                                                         \
    memset(&name, 0xff, sizeof name)
#define has_zero_tail(name)                                                                                            \
    for (size_t word = 0; word <= LAST(name); word++) check((name).reserved[word] == NULL)

TEST(what_the_library_fills_is_zero_in_its_tail) {
    prong_process own;
    size_t count;
    FILLED(prong_family_state, state);
    FILLED(prong_member, member);
    FILLED(prong_worker, worker);
    FILLED(prong_process_state, process_told);
    FILLED(prong_progress, progress);
    FILLED(prong_outcome, outcome);
    FILLED(prong_completed, completed);
    FILLED(prong_shared_memory, memory);
    ok(prong_family_check(&state));
    has_zero_tail(state);
    ok(prong_family_members(&member, 1, &count));
    has_zero_tail(member);
    ok(prong_current_process(&own));
    ok(prong_process_get_state(own, &process_told));
    has_zero_tail(process_told);
    FILLED(prong_child_state, child_told);
    ok(prong_supervisor_create(&supervisor, &child, 1, NULL));
    ok(prong_supervisor_children(supervisor, &child_told, 1, &count));
    has_zero_tail(child_told);
    ok(prong_supervisor_destroy(supervisor));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1}));
    ok(prong_pool_workers(pool, &worker, 1, &count, NULL));
    has_zero_tail(worker);
    ok(prong_pool_submit(pool, &work, &job, NULL));
    ok(prong_job_outcome(job, 0, &outcome, PRONG_SECONDS(10)));
    has_zero_tail(outcome);
    ok(prong_job_progress(job, &progress));
    has_zero_tail(progress);
    ok(prong_job_destroy(job));
    ok(prong_pool_iterate(pool, &work, &iterator, NULL));
    memset(&outcome, 0xff, sizeof outcome);
    is(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)), PRONG_OK);
    has_zero_tail(outcome);
    prong_iterator_close(iterator);
    ok(prong_pool_destroy(pool));
    ok(prong_subprocess_run(argv, &completed, NULL, PRONG_SECONDS(10)));
    has_zero_tail(completed);
    ok(prong_shared_memory_create(&memory, NULL, 1));
    has_zero_tail(memory);
    ok(prong_shared_memory_unlink(memory.name));
    ok(prong_shared_memory_close(&memory));
}

TEST(the_state_of_a_barrier_is_zero_in_its_tail) {
    FILLED(prong_barrier_state, state);
    ok(prong_barrier_create(&barrier, 1, NULL));
    ok(prong_barrier_get_state(barrier, &state));
    has_zero_tail(state);
    ok(prong_barrier_destroy(barrier));
}

TEST(what_a_manager_tells_is_zero_in_its_tail) {
    FILLED(prong_manager_info, info);
    ok(prong_manager_start(&manager, &(prong_manager_options){.server.open = true}));
    ok(prong_manager_get_info(manager, &info));
    has_zero_tail(info);
    ok(prong_manager_shutdown(manager, PRONG_SECONDS(10)));
}

TEST(an_object_that_is_taken_apart_is_zero_in_its_tail) {
    FILLED(prong_object, object);
    ok(prong_document_open(&document, NULL));
    ok(prong_make_object(document, &(prong_object){.module = "m", .name = "n"}, &value));
    ok(prong_get_object(value, &object));
    has_zero_tail(object);
    prong_document_close(document);
}
