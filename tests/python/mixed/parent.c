/* A C program with Python workers: says what became of each call, a line each. */
#include <prong/prong.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SOON PRONG_SECONDS(60)
static char *program[4] = {NULL, (char *)(uintptr_t) "-m", (char *)(uintptr_t) "prong.worker", NULL};
static prong_document *document;
static prong_pool pool;

static void say(const char *what, prong_status status, prong_value result) {
    char text[4096];
    if (status < 0)
        snprintf(text, sizeof text, "%s: %.*s", prong_status_name(status), (int)strcspn(prong_error_message(), "\n"),
                 prong_error_message());
    else
        prong_value_repr(result, text, sizeof text, NULL);
    printf("%s = %s\n", what, text);
    fflush(stdout);
}

static prong_value call(const char *name, prong_value arguments, unsigned retries) {
    prong_value result = {0};
    prong_task_options options = {.retries = retries};
    prong_status status = prong_pool_run(
        pool,
        &(prong_work){
            .name = name, .form = PRONG_FORM_VALUES, .values = arguments, .document = document, .result = &result},
        &options, SOON);
    say(name, status, result);
    return result;
}

/* As prong_build. */
#define arguments(...)                                                                                                 \
    ({                                                                                                                 \
        prong_value made_ = {0};                                                                                       \
        prong_status status_ = prong_build(document, &made_, __VA_ARGS__);                                             \
        if (status_) say("arguments", status_, made_);                                                                 \
        made_;                                                                                                         \
    })

static void tasks(void) {
    call("math:sqrt", arguments("(d)", 2.25), 0);
    call("tasks:describe", arguments("([i,s,y],{s:n})", 1, "two", "3", (size_t)1, "four"), 0);
    call("tasks:Nested.method", arguments("(i)", 20), 0);
    call("tasks:worker", arguments("()"), 0);
    call("tasks:fails", arguments("(s)", "as asked"), 0);
    call("tasks:unsendable", arguments("()"), 0);
    call("tasks:has_no_text", arguments("()"), 0);
    call("tasks:not_described", arguments("()"), 0);
    call("no_such_module:function", arguments("()"), 0);
    call("tasks:no_such_function", arguments("()"), 0);
    call("tasks", arguments("()"), 0);
    call("tasks:nested", arguments("(s)", "fork"), 0);
    call("tasks:nested", arguments("(s)", "spawn"), 0);
    call("tasks:nested", arguments("(s)", "forkserver"), 0);
    call("tasks:die", arguments("()"), 0);
    call("tasks:die", arguments("()"), 2);
    call("math:sqrt", arguments("(d)", 4.0), 0);
}

static void many(void) {
    prong_value items = arguments("[]"), results = {0}, last = {0};
    for (int i = 0; i < 1000; i++) prong_list_append(document, items, prong_make_int(i));
    prong_status status = prong_pool_run(pool,
                                         &(prong_work){.name = "tasks:Nested.method",
                                                       .form = PRONG_FORM_VALUES,
                                                       .values = items,
                                                       .each = PRONG_EACH,
                                                       .document = document,
                                                       .result = &results},
                                         NULL, SOON);
    if (status >= 0) status = prong_list_get(results, 999, &last);
    say("many", status, last);
}

static void queues(void) {
    prong_queue queue, theirs;
    prong_value handle, item = {0};
    prong_status status = prong_queue_create(&queue, NULL);
    if (status >= 0) status = prong_build(document, &handle, "h", "queue", &queue);
    if (status >= 0) status = prong_queue_put_value(queue, prong_make_int(7), SOON);
    if (status < 0) return say("queue", status, item);
    call("tasks:echo", arguments("(v)", handle), 0);
    status = prong_queue_get_value(queue, document, &item, SOON);
    say("echoed", status, item);
    prong_value made = call("tasks:make_queue", arguments("()"), 0);
    status = prong_scan(made, "h", "queue", &theirs);
    if (status >= 0) status = prong_queue_get_value(theirs, document, &item, SOON);
    say("theirs", status, item);
}

static void process(const char *name, prong_value with) {
    prong_process made;
    int code = -1;
    prong_process_options options = {.program = program, .target_name = name, .values = with};
    prong_status status = prong_process_create(&made, &options);
    if (status >= 0) status = prong_process_start(made);
    if (status >= 0) status = prong_process_join(made, SOON);
    if (status >= 0) status = prong_process_exitcode(made, &code);
    say(name, status, prong_make_int(code));
}

static void broken(prong_pool_options options) {
    prong_status status = prong_pool_create(&pool, &options);
    if (status < 0) return say("create", status, prong_make_null());
    call("math:sqrt", arguments("(d)", 4.0), 0);
    prong_pool_destroy(pool);
}

/* Tells its worker's pid, and waits to be killed, with one task under way. */
static int wait_for_the_end(void) {
    prong_pool_options options = {.processes = 1, .program = program};
    if (prong_pool_create(&pool, &options) < 0) return 1;
    call("os:getpid", arguments("()"), 0);
    call("time:sleep", arguments("(i)", 100), 0);
    return 1;
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    program[0] = argv[1];
    if (argc > 2) return prong_document_open(&document, NULL) || wait_for_the_end();
    if (prong_document_open(&document, NULL) < 0) return 1;
    prong_pool_options options = {.processes = 2,
                                  .program = program,
                                  .initializer_name = "tasks:begin",
                                  .initializer_arguments = arguments("(i)", 5)};
    if (prong_pool_create(&pool, &options) < 0) return 2;
    tasks();
    many();
    queues();
    prong_pool_destroy(pool);
    process("sys:exit", arguments("(i)", 3));
    process("tasks:returns", arguments("(i)", 4));
    process("tasks:fails", arguments("(s)", "printed"));
    process("tasks:die", arguments("()"));
    options.initializer_arguments = arguments("(i)", -1);
    broken(options);
    char *none[] = {argv[1], (char *)(uintptr_t) "-m", (char *)(uintptr_t) "no_such_module", NULL};
    broken((prong_pool_options){.processes = 1, .program = none});
    prong_document_close(document);
    prong_family_state state;
    prong_status status = prong_family_check(&state);
    printf("the family is whole: %s\n", prong_status_name(status));
    return 0;
}
