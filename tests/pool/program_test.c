/* Functions by name, and workers and processes whose image is another program. */
#include "../support/test.h"

#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#define SOON PRONG_SECONDS(10)
static char *const worker[] = {(char *)(uintptr_t)WORKER, NULL};
static prong_document *document;

static prong_pool make(const prong_pool_options *options) {
    prong_pool pool;
    ok(prong_document_open(&document, NULL));
    ok(prong_pool_create(&pool, options));
    return pool;
}

static prong_pool make_workers(unsigned processes) {
    return make(&(prong_pool_options){.processes = processes, .program = worker});
}

static void end(prong_pool pool) {
    ok(prong_pool_destroy(pool));
    prong_document_close(document);
    test_arena_is_clean(0);
}

/* NAME(arguments) by values. */
static prong_status call(prong_pool pool, const char *name, prong_value arguments, prong_value *result) {
    prong_work work = {
        .name = name, .form = PRONG_FORM_VALUES, .values = arguments, .document = document, .result = result};
    return prong_pool_run(pool, &work, NULL, SOON);
}

static prong_value tuple(const char *format, int64_t a, int64_t b) {
    prong_value made;
    ok(prong_build(document, &made, format, a, b));
    return made;
}

static int64_t whole(prong_value value) {
    int64_t number = -1;
    ok(prong_get_int(value, &number));
    return number;
}

static void in_all_forms(prong_pool pool) {
    prong_value result, items;
    ok(call(pool, TASKS ":add", tuple("(II)", 40, 2), &result));
    equal(whole(result), 42);
    ok(prong_build(document, &items, "[(i,i),(i,i)]", 1, 2, 3, 4));
    ok(prong_pool_run(pool,
                      &(prong_work){.name = TASKS ":add",
                                    .form = PRONG_FORM_VALUES,
                                    .values = items,
                                    .each = PRONG_EACH_SPREAD,
                                    .document = document,
                                    .result = &result},
                      NULL, SOON));
    ok(prong_list_get(result, 1, &result));
    equal(whole(result), 7);
    double in[1000], out[1000];
    for (int i = 0; i < 1000; i++) in[i] = i;
    ok(prong_pool_run(pool,
                      &(prong_work){.name = TASKS ":twice",
                                    .form = PRONG_FORM_RANGE,
                                    .in = in,
                                    .in_size = sizeof *in,
                                    .count = 1000,
                                    .out = out,
                                    .out_size = sizeof *out},
                      NULL, SOON));
    check(out[0] == 0 && out[999] == 1998);
    size_t length, size;
    ok(prong_pool_run(pool,
                      &(prong_work){.name = TASKS ":length",
                                    .form = PRONG_FORM_TASK,
                                    .in = "four",
                                    .in_size = 4,
                                    .count = 1,
                                    .out = &length,
                                    .out_size = sizeof length,
                                    .sizes = &size},
                      NULL, SOON));
    equal(length, 4);
}

METHOD_TEST(a_task_goes_by_name) {
    prong_pool pool = make(&(prong_pool_options){.processes = 2, .method = (prong_start_method)method});
    in_all_forms(pool);
    end(pool);
}

TEST(workers_of_another_program_run_what_libraries_have) {
    prong_pool pool = make_workers(2);
    prong_value result, program;
    const char *path;
    in_all_forms(pool);
    ok(call(pool, TASKS ":whoami", tuple("()", 0, 0), &result));
    ok(prong_list_get(result, 1, &program));
    ok(prong_get_str(program, &path, NULL));
    check(strcmp(path, WORKER) == 0);
    void *library = dlopen(TASKS, RTLD_NOW);
    prong_value_task *add = (prong_value_task *)(uintptr_t)dlsym(library, "add");
    ok(prong_pool_run(
        pool, &(prong_work){.value_task = add, .values = tuple("(II)", 3, 4), .document = document, .result = &result},
        NULL, SOON));
    equal(whole(result), 7);
    end(pool);
}

static int of_this_program(void *argument, size_t size, prong_result *result) {
    (void)argument;
    return (int)prong_result_set(result, &size, sizeof size);
}

TEST(what_is_not_there_is_said) {
    prong_pool pool = make_workers(1);
    prong_value result, none = tuple("()", 0, 0);
    is(call(pool, "./no_such_library.so:add", none, &result), PRONG_TASK_FAILED);
    says("no_such_library.so");
    is(call(pool, TASKS ":no_such_function", none, &result), PRONG_TASK_FAILED);
    says("no_such_function");
    is(call(pool, "neither", none, &result), PRONG_TASK_FAILED);
    says("LIBRARY:SYMBOL");
    is(call(pool, "", none, &result), PRONG_INVALID);
    is(prong_pool_run(pool, &(prong_work){.task = of_this_program, .count = 1}, NULL, SOON), PRONG_NO_FUNCTION);
    says("is not in the child's image");
    prong_work both = {.task = of_this_program, .name = TASKS ":length", .count = 1};
    is(prong_pool_run(pool, &both, NULL, SOON), PRONG_INVALID);
    is(call(pool, TASKS ":add", none, &result), PRONG_TASK_FAILED);
    end(pool);
}

TEST(a_worker_of_another_program_that_dies_fails_its_task_alone) {
    prong_pool pool = make_workers(2);
    prong_value result;
    is(call(pool, TASKS ":die", tuple("()", 0, 0), &result), PRONG_WORKER_DIED);
    for (int i = 0; i < 20; i++) ok(call(pool, TASKS ":add", tuple("(II)", i, 1), &result));
    prong_task_options again = {.retries = 2};
    is(prong_pool_run(pool,
                      &(prong_work){.name = TASKS ":die",
                                    .form = PRONG_FORM_VALUES,
                                    .values = tuple("()", 0, 0),
                                    .document = document,
                                    .result = &result},
                      &again, SOON),
       PRONG_WORKER_DIED);
    uint64_t deaths;
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    equal(deaths, 4);
    end(pool);
}

TEST(an_initializer_goes_by_name) {
    prong_value result, count;
    ok(prong_document_open(&document, NULL));
    prong_pool_options options = {.processes = 1,
                                  .program = worker,
                                  .initializer_name = TASKS ":begin_at",
                                  .initializer_arguments = tuple("(I)", 5, 0)};
    prong_pool pool;
    ok(prong_pool_create(&pool, &options));
    ok(call(pool, TASKS ":whoami", tuple("()", 0, 0), &result));
    ok(prong_list_get(result, 2, &count));
    equal(whole(count), 5);
    ok(prong_pool_destroy(pool));
    options.method = PRONG_START_SPAWN;                /* as it is with a program anyway */
    options.initializer_arguments = prong_make_null(); /* none: it expects one */
    ok(prong_pool_create(&pool, &options));
    is(call(pool, TASKS ":whoami", tuple("()", 0, 0), &result), PRONG_POOL_BROKEN);
    ok(prong_pool_destroy(pool));
    prong_worker_options worker_options = {.exit_name = TASKS ":begin_at", .exit_arguments = tuple("(I)", -3, 0)};
    options.initializer_arguments = tuple("(I)", 5, 0);
    options.worker = &worker_options;
    ok(prong_pool_create(&pool, &options)); /* its exit is found by name, and fails */
    ok(call(pool, TASKS ":whoami", tuple("()", 0, 0), &result));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, PRONG_SECONDS(15)));
    uint64_t deaths;
    ok(prong_pool_workers(pool, NULL, 0, NULL, &deaths));
    equal(deaths, 1);
    ok(prong_pool_destroy(pool));
    options.worker = NULL;
    options.initializer_arguments = tuple("(I)", -3, 0);
    ok(prong_pool_create(&pool, &options));
    is(call(pool, TASKS ":whoami", tuple("()", 0, 0), &result), PRONG_POOL_BROKEN);
    end(pool);
}

TEST(a_program_that_is_none_breaks_the_pool) {
    char *const others[][2] = {{(char *)(uintptr_t) "true", NULL}, {(char *)(uintptr_t) "false", NULL}};
    for (int i = 0; i < 2; i++) {
        prong_value result;
        prong_pool pool = make(&(prong_pool_options){.processes = 2, .program = others[i]});
        is(call(pool, TASKS ":whoami", tuple("()", 0, 0), &result), PRONG_POOL_BROKEN);
        says(others[i][0]);
        end(pool);
    }
    char *const nothing[] = {(char *)(uintptr_t) "/no/such/program", NULL};
    prong_pool pool;
    is(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .program = nothing}), PRONG_NOT_FOUND);
    says("/no/such/program");
    is(prong_pool_create(&pool, &(prong_pool_options){.program = worker, .method = PRONG_START_FORK}), PRONG_INVALID);
    test_arena_is_clean(0);
}

static int ended(prong_value arguments, prong_process_options *options) {
    prong_process process;
    int code;
    options->values = arguments;
    ok(prong_process_create(&process, options));
    ok(prong_process_start(process));
    ok(prong_process_join(process, SOON));
    ok(prong_process_exitcode(process, &code));
    ok(prong_process_destroy(process));
    return code;
}

METHOD_TEST(a_target_goes_by_name) {
    ok(prong_document_open(&document, NULL));
    prong_process_options options = {.target_name = TASKS ":begin_at", .method = (prong_start_method)method};
    equal(ended(tuple("(I)", -7, 0), &options), 7);
    equal(ended(tuple("(I)", 7, 0), &options), 0);
    options.target_name = TASKS ":nothing";
    equal(ended(tuple("(I)", 7, 0), &options), 125);
    prong_document_close(document);
}

TEST(a_process_may_be_another_program) {
    ok(prong_document_open(&document, NULL));
    prong_process_options options = {.target_name = TASKS ":begin_at", .program = worker};
    equal(ended(tuple("(I)", -7, 0), &options), 7);
    options.no_wait = true;
    equal(ended(tuple("(I)", -8, 0), &options), 8);
    options.no_wait = false;
    prong_process process;
    options.program = (char *const[]){(char *)(uintptr_t) "true", NULL};
    ok(prong_process_create(&process, &options));
    is(prong_process_start(process), PRONG_START_FAILED);
    says("true ended before");
    ok(prong_process_destroy(process));
    prong_document_close(document);
}

TEST(a_queue_reaches_another_program) {
    prong_pool pool = make_workers(1);
    prong_queue queue;
    prong_value handle, arguments, result;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_build(document, &handle, "h", "queue", &queue));
    ok(prong_build(document, &arguments, "(v,s)", handle, "hello"));
    ok(call(pool, TASKS ":put", arguments, &result));
    ok(prong_queue_get_value(queue, document, &result, SOON));
    const char *text;
    ok(prong_get_str(result, &text, NULL));
    check(strcmp(text, "hello") == 0);
    ok(prong_queue_destroy(queue));
    end(pool);
}
