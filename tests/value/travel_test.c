/* Values through queues, connections, processes and pools. */
#include "../support/test.h"
#include <signal.h>
#include <unistd.h>

static const prong_time SOON = PRONG_SECONDS(10);
static prong_document *document;

static void shows(prong_value value, const char *wanted) {
    char text[500];
    ok(prong_value_repr(value, text, sizeof(text), NULL));
    if (strcmp(text, wanted)) test_failed(__FILE__, __LINE__, "%s is not %s", text, wanted);
}

/* --- queues and connections --- */

struct ways {
    prong_queue questions, answers;
    prong_connection end;
};

static int answer(void *argument, size_t size) {
    struct ways *ways = argument;
    prong_value value, doubled;
    (void)size;
    if (prong_document_open(&document, NULL) < 0) return 1;
    if (prong_queue_get_value(ways->questions, document, &value, SOON) < 0) return 2;
    if (prong_build(document, &doubled, "[v,v]", value, value) < 0) return 3;
    if (prong_queue_put_value(ways->answers, doubled, SOON) < 0) return 4;
    if (prong_connection_recv_value(ways->end, document, &value, NULL, SOON) < 0) return 5;
    return prong_connection_send_value(ways->end, value, SOON);
}

METHOD_TEST(values_go_through_queue_and_connection) {
    struct ways ways;
    prong_connection mine;
    prong_value value, back;
    ok(prong_document_open(&document, NULL));
    ok(prong_queue_create(&ways.questions, NULL));
    ok(prong_queue_create(&ways.answers, NULL));
    ok(prong_pipe_create(&mine, &ways.end, NULL));
    prong_process child = start_with(method, answer, ways);
    ok(prong_build(document, &value, "{s:[i,d]}", "a", 1, 2.5));
    ok(prong_queue_put_value(ways.questions, value, SOON));
    ok(prong_queue_get_value(ways.answers, document, &back, SOON));
    shows(back, "[{'a': [1, 2.5]}, {'a': [1, 2.5]}]");
    check(back.pointer);
    ok(prong_connection_send_value(mine, value, SOON));
    ok(prong_connection_recv_value(mine, document, &back, NULL, SOON));
    shows(back, "{'a': [1, 2.5]}");
    equal(test_end(child), 0);
    is(prong_connection_recv_value(mine, document, &back, NULL, SOON), PRONG_EOF);
    is(prong_queue_get_value(ways.answers, document, &back, PRONG_MS(20)), PRONG_EMPTY);
    ok(prong_queue_put(ways.answers, "no pickle", 9, SOON));
    is(prong_queue_get_value(ways.answers, document, &back, SOON), PRONG_INVALID);
    is(prong_queue_get_value(ways.answers, document, &back, PRONG_NOWAIT), PRONG_EMPTY);
}

/* A handle in a value is of use to who gets it. */
static int use_handle(void *argument, size_t size) {
    prong_queue *queue = argument, inner;
    prong_value value;
    (void)size;
    if (prong_document_open(&document, NULL) < 0 || prong_queue_get_value(*queue, document, &value, SOON) < 0) return 1;
    if (prong_dict_get_text(value, "reply to", &value) < 0 || prong_scan(value, "h", "queue", &inner) < 0) return 2;
    return prong_queue_put_value(inner, prong_make_int(7), SOON);
}

METHOD_TEST(a_handle_travels_in_a_value) {
    prong_queue queue, reply;
    prong_value handle, value;
    ok(prong_document_open(&document, NULL));
    ok(prong_queue_create(&queue, NULL));
    ok(prong_queue_create(&reply, NULL));
    prong_process child = start_with(method, use_handle, queue);
    ok(prong_build(document, &handle, "h", "queue", &reply));
    ok(prong_build(document, &value, "{s:v}", "reply to", handle));
    ok(prong_queue_put_value(queue, value, SOON));
    ok(prong_queue_get_value(reply, document, &value, SOON));
    shows(value, "7");
    equal(test_end(child), 0);
}

/* --- processes --- */

static int add_up(prong_document *own, prong_value arguments, prong_value keywords) {
    int64_t sum = 0, number, times = 1;
    prong_value item, given;
    (void)own;
    for (size_t at = 0; prong_value_next(arguments, &at, NULL, &item); sum += number)
        if (prong_get_int(item, &number) < 0) return 99;
    if (prong_value_kind(keywords) == PRONG_KIND_DICT && prong_dict_get_text(keywords, "times", &given) >= 0)
        prong_get_int(given, &times);
    return (int)(sum * times);
}

METHOD_TEST(a_process_is_called_with_arguments_and_keywords) {
    prong_process process;
    prong_value arguments, keywords;
    int code;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &arguments, "(iii)", 1, 2, 3));
    ok(prong_build(document, &keywords, "{s:i}", "times", 10));
    prong_process_options options = {.value_target = add_up,
                                     .values = arguments,
                                     .keywords = keywords,
                                     .method = (prong_start_method)method,
                                     .name = "adder"};
    ok(prong_process_create(&process, &options));
    ok(prong_process_start(process));
    ok(prong_process_join(process, SOON));
    ok(prong_process_exitcode(process, &code));
    equal(code, 60);
    ok(prong_process_destroy(process));
    options.values = options.keywords = prong_make_null();
    ok(prong_process_create(&process, &options));
    ok(prong_process_start(process));
    equal(test_end(process), 0);
    options.values = prong_make_int(1);
    is(prong_process_create(&process, &options), PRONG_INVALID);
    says("must be a tuple, not int");
    options.values = arguments;
    options.keywords = arguments;
    is(prong_process_create(&process, &options), PRONG_INVALID);
    says("must be a dict or None, not tuple");
    options.keywords = prong_make_null();
    options.argument = "x";
    is(prong_process_create(&process, &options), PRONG_INVALID);
    says("an argument of bytes");
}

static int nothing(void *argument, size_t size) {
    (void)argument;
    return (int)size;
}

TEST(a_process_has_one_target_and_what_goes_with_it) {
    prong_process process;
    prong_value arguments;
    ok(prong_document_open(&document, NULL));
    ok(prong_build(document, &arguments, "(i)", 1));
    prong_process_options two = {.value_target = add_up, .target_name = ":add_up"};
    is(prong_process_create(&process, &two), PRONG_INVALID);
    says("more than one of");
    two = (prong_process_options){.target = nothing, .value_target = add_up};
    is(prong_process_create(&process, &two), PRONG_INVALID);
    says("more than one of");
    prong_process_options values = {.target = nothing, .values = arguments};
    is(prong_process_create(&process, &values), PRONG_INVALID);
    says("values for a target that is called with bytes");
}

/* --- pools --- */

static prong_status divide(prong_document *own, prong_value arguments, prong_value keywords, prong_value *result) {
    double a, b;
    (void)keywords;
    prong_status status = prong_scan(arguments, "(dd)", &a, &b);
    if (status < 0) return status;
    if (b == 0) kill(getpid(), SIGKILL);
    return prong_build(own, result, "{s:d}", "ratio", a / b);
}

static prong_status square(prong_document *own, prong_value arguments, prong_value keywords, prong_value *result) {
    int64_t number;
    (void)own, (void)keywords;
    prong_status status = prong_scan(arguments, "(I)", &number);
    if (status >= 0) *result = prong_make_int(number * number);
    return status;
}

METHOD_TEST(tasks_take_and_give_values) {
    prong_pool pool;
    prong_value arguments, result, items;
    prong_pool_options options = {.processes = 2, .method = (prong_start_method)method};
    ok(prong_document_open(&document, NULL));
    ok(prong_pool_create(&pool, &options));
    ok(prong_build(document, &arguments, "(id)", 1, 4.0));
    ok(prong_pool_run(pool,
                      &(prong_work){.value_task = divide, .values = arguments, .document = document, .result = &result},
                      NULL, SOON));
    shows(result, "{'ratio': 0.25}");
    ok(prong_build(document, &items, "[iiii]", 1, 2, 3, 4));
    ok(prong_pool_run(
        pool,
        &(prong_work){
            .value_task = square, .values = items, .each = PRONG_EACH, .document = document, .result = &result},
        NULL, SOON));
    shows(result, "[1, 4, 9, 16]");
    ok(prong_build(document, &items, "[(ii)(ii)]", 6, 3, 1, 2));
    ok(prong_pool_run(
        pool,
        &(prong_work){
            .value_task = divide, .values = items, .each = PRONG_EACH_SPREAD, .document = document, .result = &result},
        NULL, SOON));
    shows(result, "[{'ratio': 2.0}, {'ratio': 0.5}]");
    ok(prong_build(document, &arguments, "(is)", 1, "two"));
    is(prong_pool_run(pool,
                      &(prong_work){.value_task = divide, .values = arguments, .document = document, .result = &result},
                      NULL, SOON),
       PRONG_TASK_FAILED);
    says("in [1]: expected float, found str");
    ok(prong_pool_destroy(pool));
}

static prong_status value_of(prong_job job, size_t index, prong_value *result) {
    prong_outcome outcome;
    ok(prong_job_outcome(job, index, &outcome, SOON));
    return prong_outcome_value(&outcome, document, result);
}

METHOD_TEST(a_worker_killed_in_a_task_of_values_fails_that_task) {
    prong_pool pool;
    prong_job job;
    prong_value items, result;
    prong_pool_options options = {.processes = 2, .method = (prong_start_method)method};
    ok(prong_document_open(&document, NULL));
    ok(prong_pool_create(&pool, &options));
    ok(prong_build(document, &items, "[(ii)(ii)(ii)]", 6, 3, 1, 0, 1, 2));
    ok(prong_pool_submit(pool, &(prong_work){.value_task = divide, .values = items, .each = PRONG_EACH_SPREAD}, &job,
                         NULL));
    ok(value_of(job, 0, &result));
    shows(result, "{'ratio': 2.0}");
    is(value_of(job, 1, &result), PRONG_WORKER_DIED);
    ok(value_of(job, 2, &result));
    is(prong_job_value(job, document, &result, SOON), PRONG_WORKER_DIED);
    says("signal 9");
    ok(prong_job_destroy(job));
    is(prong_pool_run(pool,
                      &(prong_work){.value_task = divide,
                                    .values = items,
                                    .each = PRONG_EACH_SPREAD,
                                    .document = document,
                                    .result = &result},
                      NULL, SOON),
       PRONG_WORKER_DIED);
    says("signal 9");
    ok(prong_pool_destroy(pool));
}

TEST(a_connection_reads_all_classes_unless_it_is_given_options) {
    prong_connection ours, theirs;
    prong_value own, back;
    prong_object object = {.module = "shop", .name = "Order"};
    const prong_unpickle_options usual = {0};
    const prong_class orders = {.module = "shop", .name = "*"};
    const prong_unpickle_options with_orders = {.classes = &orders, .class_count = 1};
    ok(prong_document_open(&document, NULL));
    ok(prong_pipe_create(&ours, &theirs, NULL));
    ok(prong_build(document, &object.arguments, "(i)", 7));
    ok(prong_make_object(document, &object, &own));
    for (int i = 0; i < 3; i++) ok(prong_connection_send_value(ours, own, SOON));
    ok(prong_connection_recv_value(theirs, document, &back, NULL, SOON));
    check(prong_value_is(back, "shop", "Order"));
    is(prong_connection_recv_value(theirs, document, &back, &usual, SOON), PRONG_PERMISSION);
    says("shop");
    ok(prong_connection_recv_value(theirs, document, &back, &with_orders, SOON));
    check(prong_value_is(back, "shop", "Order"));
    is(prong_connection_recv_value(theirs, document, &back, NULL, PRONG_NOWAIT), PRONG_TIMEOUT); /* each was taken */
    prong_document_close(document);
}
