/* A size, or a count, with NULL where the bytes should be: an error that names the argument, from every call that takes both. */
#include "../support/test.h"

#include <sys/wait.h>
#include <unistd.h>

static prong_queue queue;
static prong_connection here, there;
static prong_pool pool;
static prong_document *document;
static prong_shared_value array;
static prong_shared_value number;
static prong_share share;
static prong_process process;
static prong_job job;
static prong_value value;
static size_t size;

static int task(void *argument, size_t length, prong_result *result) {
    (void)argument, (void)length, (void)result;
    return 0;
}
static int element(const void *in, void *out) {
    (void)in, (void)out;
    return 0;
}
static int target(void *argument, size_t length) {
    (void)argument, (void)length;
    return 0;
}

static void make_all(void) {
    ok(prong_queue_create(&queue, NULL));
    ok(prong_pipe_create(&here, &there, NULL));
    ok(prong_queue_put(queue, "x", 1, PRONG_NOWAIT));
    ok(prong_connection_send_bytes(here, "x", 1, PRONG_NOWAIT));
    ok(prong_connection_send_bytes(there, "x", 1, PRONG_NOWAIT));
    ok(prong_shared_value_create(&array, PRONG_TYPE_INT, 4, NULL, NULL));
    ok(prong_shared_value_create(&number, PRONG_TYPE_INT, 1, NULL, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1}));
    ok(prong_document_open(&document, NULL));
}

#define ROW(name, argument, call)                                                                                      \
    static prong_status name(void) {                                                                                   \
        return call;                                                                                                   \
    }                                                                                                                  \
    static const struct row row_##name = {#name, argument, name};

struct row {
    const char *name, *argument;
    prong_status (*call)(void);
};

static const prong_link_options no_key = {.authkey_size = 5};
static prong_listener *listener;
static prong_link *client;
static prong_manager manager;
static const char *const argv[] = {"true", NULL};
static prong_completed completed;

ROW(queue_put, "data", prong_queue_put(queue, NULL, 5, PRONG_NOWAIT))
ROW(queue_get, "buffer", prong_queue_get(queue, NULL, 5, &size, PRONG_NOWAIT))
ROW(connection_send, "data", prong_connection_send_bytes(here, NULL, 5, PRONG_NOWAIT))
ROW(connection_recv, "buffer", prong_connection_recv_bytes_into(here, NULL, 5, &size, PRONG_NOWAIT))
ROW(wait_for_items, "items", prong_wait(NULL, 2, NULL, PRONG_NOWAIT))
ROW(pool_run, "work: in ",
    prong_pool_run(pool, &(prong_work){.task = task, .in_size = 5, .count = 1}, NULL, PRONG_NOWAIT))
ROW(pool_submit, "work: in ",
    prong_pool_submit(pool, &(prong_work){.task = task, .in_size = 5, .count = 1}, &job, NULL))
ROW(pool_many, "work: in ", prong_pool_submit(pool, &(prong_work){.task = task, .in_size = 4, .count = 5}, &job, NULL))
ROW(pool_one_of_many, "argument 0",
    prong_pool_submit(pool, &(prong_work){.task = task, .arguments = &(prong_bytes){NULL, 5}, .count = 1}, &job, NULL))
ROW(pool_map_in, "work: in ",
    prong_pool_run(pool, &(prong_work){.element = element, .in_size = 4, .count = 5}, NULL, PRONG_NOWAIT))
ROW(pool_map_out, "work: out ",
    prong_pool_run(pool, &(prong_work){.element = element, .in = "abc", .in_size = 1, .count = 3, .out_size = 1}, NULL,
                   PRONG_NOWAIT))
ROW(pool_context, "work: context",
    prong_pool_submit(pool, &(prong_work){.task = task, .count = 1, .context_size = 5}, &job, NULL))
ROW(pool_workers, "workers", prong_pool_workers(pool, NULL, 5, &size, NULL))
ROW(pool_create, "initializer_argument",
    prong_pool_create(&pool, &(prong_pool_options){.initializer = target, .initializer_size = 5}))
ROW(process_argument, "argument",
    prong_process_create(&process, &(prong_process_options){.target = target, .argument_size = 5}))
ROW(active_children, "children", prong_active_children(NULL, 5, &size))
ROW(preload, "libraries", prong_set_forkserver_preload(NULL, 5, NULL))
ROW(family_members, "members", prong_family_members(NULL, 5, &size))
ROW(share_create, "data", prong_share_create(&share, NULL, 4, NULL))
ROW(array_get, "content", prong_shared_value_get(array, 0, 4, NULL, PRONG_NOWAIT))
ROW(array_set, "content", prong_shared_value_set(array, 0, 4, NULL, PRONG_NOWAIT))
ROW(value_get, "content", prong_shared_value_get(number, 0, 1, NULL, PRONG_NOWAIT))
ROW(value_set, "content", prong_shared_value_set(number, 0, 1, NULL, PRONG_NOWAIT))
ROW(subprocess_input, "input",
    prong_subprocess_run(argv, &completed, &(prong_subprocess_options){.input_size = 5}, PRONG_NOWAIT))
ROW(pickle_loads, "data", prong_pickle_loads(document, NULL, 5, &value, NULL))
ROW(make_big_int, "bytes", prong_make_big_int(document, NULL, 5, &value))
ROW(make_str, "text", prong_make_str(document, NULL, 5, &value))
ROW(make_bytes, "data", prong_make_bytes(document, NULL, 5, &value))
ROW(make_bytearray, "data", prong_build(document, &value, "Y", NULL, (size_t)5))
ROW(make_buffer, "data", prong_make_buffer(document, NULL, 5, true, &value))
ROW(make_list, "items", prong_make_list(document, NULL, 5, &value))
ROW(make_tuple, "items", prong_make_tuple(document, NULL, 5, &value))
ROW(make_set, "items", prong_make_set(document, NULL, 5, &value))
ROW(make_dict, "pairs", prong_make_dict(document, NULL, 5, &value))
ROW(make_frozenset, "items", prong_make_frozenset(document, NULL, 5, &value))

ROW(value_repr, "buffer", prong_value_repr(prong_make_int(1), NULL, 5, &size))
ROW(value_json, "buffer", prong_value_json(prong_make_int(1), NULL, 5, &size))
ROW(int_bytes, "bytes", prong_get_big_int(prong_make_int(1), NULL, 5, &size))
ROW(listener_key, "authkey", prong_listener_open(&listener, "@prong-arguments", &no_key))
ROW(client_key, "authkey", prong_link_connect(&client, "@prong-arguments", &no_key, PRONG_NOWAIT))
ROW(manager_key, "authkey", prong_manager_connect(&manager, "@prong-arguments", &no_key, PRONG_NOWAIT))
ROW(manager_argument, "argument", prong_manager_start(&manager, &(prong_manager_options){.argument_size = 5}))

static const struct row *const all_rows[] = {
    &row_value_repr,       &row_value_json,       &row_int_bytes,       &row_listener_key, &row_client_key,
    &row_manager_key,      &row_manager_argument, &row_queue_put,       &row_queue_get,    &row_connection_send,
    &row_connection_recv,  &row_wait_for_items,   &row_pool_run,        &row_pool_submit,  &row_pool_many,
    &row_pool_one_of_many, &row_pool_map_in,      &row_pool_map_out,    &row_pool_context, &row_pool_workers,
    &row_pool_create,      &row_process_argument, &row_active_children, &row_preload,      &row_family_members,
    &row_share_create,     &row_array_get,        &row_array_set,       &row_value_get,    &row_value_set,
    &row_subprocess_input, &row_pickle_loads,     &row_make_big_int,    &row_make_dict,    &row_make_str,
    &row_make_bytes,       &row_make_bytearray,   &row_make_buffer,     &row_make_list,    &row_make_tuple,
    &row_make_set,         &row_make_frozenset};
enum { ROWS = sizeof all_rows / sizeof *all_rows };

/* In a child of its own: a call that reads there would end it. */
static bool names_it(const struct row *row) {
    int code = -1;
    pid_t child = fork();
    if (child == 0) {
        prong_status status = row->call();
        if (status == PRONG_INVALID && strstr(prong_error_message(), row->argument)) _exit(0);
        fprintf(stderr, "%s is %s: %s\n", row->name, prong_status_name(status), status ? prong_error_message() : "");
        _exit(1);
    }
    check(waitpid(child, &code, 0) == child);
    if (WIFSIGNALED(code)) fprintf(stderr, "%s: killed by signal %d\n", row->name, WTERMSIG(code));
    return code == 0;
}

TEST(a_size_without_bytes_is_an_error_that_names_the_argument) {
    bool all_do = true;
    make_all();
    for (int i = 0; i < ROWS; i++) all_do &= names_it(all_rows[i]);
    check(all_do);
    ok(prong_pool_destroy(pool));
}

/* None is no error: nothing is read or written there. */
TEST(no_bytes_at_null_are_none) {
    make_all();
    ok(prong_queue_put(queue, NULL, 0, PRONG_NOWAIT));
    ok(prong_connection_send_bytes(here, NULL, 0, PRONG_NOWAIT));
    ok(prong_pool_run(pool, &(prong_work){.task = task, .count = 1}, NULL, PRONG_SECONDS(10)));
    ok(prong_active_children(NULL, 0, &size));
    ok(prong_family_members(NULL, 0, &size));
    ok(prong_make_list(document, NULL, 0, &value));
    ok(prong_make_bytes(document, NULL, 0, &value));
    is(prong_queue_get(queue, NULL, 0, &size, PRONG_NOWAIT), PRONG_TOO_LONG);
    equal(size, 1);
    ok(prong_pool_destroy(pool));
}
