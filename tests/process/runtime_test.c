/* What a language runtime adds (<prong/runtime.h>), by a runtime in C: this program, which sets it before prong_main in each of its
 * images. */
#define _GNU_SOURCE
#include "../support/test.h"

#include <prong/runtime.h>
#include <fcntl.h>
#include <unistd.h>

#define SOON PRONG_SECONDS(10)
enum { KEPT = 200 };
static const char OPEN_STAYS[] = "PRONG_TEST_KEEPS_OPEN";

/* --- the runtime --- */

static int before, in_parent, in_child, handed_to_child = -1;
static _Atomic int after_callbacks;
static _Atomic bool interrupts;

static void note_before(void) {
    before++;
}

static void note_parent(void) {
    in_parent++;
}

static void note_child(void) {
    in_child++;
}

/* 9 becomes 90. */
static int note_end(int code) {
    return code == 9 ? 90 : code;
}

static void note_callbacks(void) {
    after_callbacks++;
}

static bool is_interrupted(void) {
    return interrupts;
}

static void take_handed(int descriptor) {
    handed_to_child = descriptor;
}

/* "add" is its one function. A process's or initializer's code, or a task's result. */
static int call_by_name(const char *name, const void *pickle, size_t size, prong_result *result) {
    prong_document *document;
    prong_value both, sum;
    prong_pickle written;
    int a, b;
    if (strcmp(name, "add") != 0) return result ? prong_result_set(result, "no such name", 12), 1 : 124;
    if (prong_document_open(&document, NULL) < 0) return 123;
    int code = 122;
    if (prong_pickle_loads(document, pickle, size, &both, NULL) >= 0 && prong_scan(both, "((ii)v)", &a, &b, &sum) >= 0)
        code = a + b;
    if (result && prong_pickle_dumps(document, prong_make_int(code), &written, NULL) >= 0)
        code = prong_result_set(result, written.data, written.size) < 0;
    prong_document_close(document);
    return code;
}

static prong_runtime runtime = {.before_fork = note_before,
                                .after_fork_in_parent = note_parent,
                                .after_fork_in_child = note_child,
                                .after_target = note_end,
                                .after_callbacks = note_callbacks,
                                .interrupted = is_interrupted,
                                .call = call_by_name,
                                .kept = {KEPT, KEPT + 1},
                                .kept_count = 2,
                                .take_handed = take_handed};

__attribute__((constructor)) static void runtime_begins(void) {
    runtime.keeps_open = getenv(OPEN_STAYS) != NULL;
    prong_set_runtime(&runtime);
}

/* --- forks and ends --- */

struct counts {
    int before, in_parent, in_child;
};

static int forked_as_told(void *argument, size_t size) {
    const struct counts *was = argument;
    (void)size;
    return before == was->before + 1 && in_parent == was->in_parent && in_child == was->in_child + 1 ? 9 : 1;
}

TEST(hooks_run_once_around_a_fork_and_the_code_goes_through_the_last) {
    struct counts counts = {before, in_parent, in_child};
    prong_process child = start_with(PRONG_START_FORK, forked_as_told, counts);
    check(before == counts.before + 1 && in_parent == counts.in_parent + 1 && in_child == counts.in_child);
    equal(test_end(child), 90);
}

static int return_nine(void *argument, size_t size) {
    (void)argument;
    return size == 4 ? 9 : 1;
}

METHOD_TEST(a_targets_code_goes_through_the_runtime) {
    int none = 0;
    equal(test_end(start_with(method, return_nine, none)), 90);
}

/* --- functions by name --- */

static prong_value sum_of(prong_document *document, int a, int b) {
    prong_value made;
    ok(prong_build(document, &made, "(ii)", a, b));
    return made;
}

METHOD_TEST(a_target_and_an_initializer_are_the_runtimes_functions) {
    prong_document *document;
    prong_process process;
    prong_pool pool;
    prong_value result;
    ok(prong_document_open(&document, NULL));
    prong_process_options options = {
        .target_name = "add", .values = sum_of(document, 40, 2), .method = (prong_start_method)method};
    ok(prong_process_create(&process, &options));
    ok(prong_process_start(process));
    equal(test_end(process), 42);
    options.target_name = "subtract";
    ok(prong_process_create(&process, &options));
    ok(prong_process_start(process));
    equal(test_end(process), 124);
    prong_pool_options workers = {.processes = 1,
                                  .method = (prong_start_method)method,
                                  .initializer_name = "add",
                                  .initializer_arguments = sum_of(document, -1, 1)};
    ok(prong_pool_create(&pool, &workers));
    prong_work work = {.name = "add",
                       .form = PRONG_FORM_VALUES,
                       .values = sum_of(document, 3, 4),
                       .document = document,
                       .result = &result};
    ok(prong_pool_run(pool, &work, NULL, SOON));
    check(prong_value_equal(result, prong_make_int(7)));
    work.name = "subtract";
    is(prong_pool_run(pool, &work, NULL, SOON), PRONG_TASK_FAILED);
    says("no such name");
    ok(prong_pool_destroy(pool));
    workers.initializer_arguments = sum_of(document, 1, 1); /* other than 0: the pool breaks */
    ok(prong_pool_create(&pool, &workers));
    work.name = "add";
    is(prong_pool_run(pool, &work, NULL, SOON), PRONG_POOL_BROKEN);
    ok(prong_pool_destroy(pool));
    prong_document_close(document);
    test_arena_is_clean(0);
}

/* --- descriptors --- */

static int write_to_kept(void *argument, size_t size) {
    (void)size;
    if (fcntl(KEPT + 1, F_GETFD) >= 0 || fcntl(*(int *)argument, F_GETFD) >= 0) return 2;
    return write(KEPT, "kept", 4) == 4 ? 0 : 1;
}

TEST(a_spawned_image_keeps_the_runtimes_descriptors_and_no_others) {
    int ends[2];
    char text[5] = "";
    check(pipe(ends) == 0);
    check(dup2(ends[1], KEPT) == KEPT); /* the other that the runtime names is not open */
    equal(test_end(start_with(PRONG_START_SPAWN, write_to_kept, ends[1])), 0);
    check(read(ends[0], text, 4) == 4 && strcmp(text, "kept") == 0);
    close(KEPT);
    int none = -1;
    equal(test_end(start_with(PRONG_START_SPAWN, write_to_kept, none)), 1); /* there is none to be kept */
}

static int return_handed(void *argument, size_t size) {
    (void)argument, (void)size;
    return handed_to_child < 0 ? 1 : write(handed_to_child, "handed", 6) != 6;
}

TEST(a_child_of_the_fork_server_is_handed_the_runtimes_descriptor) {
    int ends[2], none = 0;
    char text[7] = "";
    check(pipe2(ends, O_CLOEXEC) == 0);
    runtime.handed = ends[1];
    prong_set_runtime(&runtime);
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_handed, none)), 0);
    check(read(ends[0], text, 6) == 6 && strcmp(text, "handed") == 0);
    close(ends[1]); /* not open any more: the next child goes without */
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_handed, none)), 1);
}

/* --- its own image --- */

static int count_arguments(void *argument, size_t size) {
    char line[64] = "";
    (void)argument, (void)size;
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t got = read(file, line, sizeof line - 1);
    return got == 16 && strcmp(line, "runtime") == 0 && strcmp(line + 8, "--child") == 0 ? 9 : 1;
}

TEST(spawn_and_fork_server_start_the_runtimes_image_with_its_arguments) {
    static char program[4096];
    static char *const child[] = {"runtime", "--child", NULL}, *const server[] = {"runtime", "--server", NULL};
    int none = 0;
    check(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    runtime.program = program;
    runtime.child_arguments = child;
    runtime.server_arguments = server;
    prong_set_runtime(&runtime);
    equal(test_end(start_with(PRONG_START_SPAWN, count_arguments, none)), 90);
    equal(test_end(start_with(PRONG_START_FORKSERVER, return_nine, none)), 90);
    setenv(OPEN_STAYS, "1", 1); /* the image has descriptors of its own when it calls prong_main */
    equal(test_end(start_with(PRONG_START_SPAWN, count_arguments, none)), 90);
}

/* --- interrupts and callbacks --- */

TEST(a_wait_ends_when_the_runtime_is_interrupted) {
    prong_queue queue;
    char byte;
    ok(prong_queue_create(&queue, NULL));
    interrupts = true;
    check(prong_queue_get(queue, &byte, 1, NULL, PRONG_FOREVER) < 0);
    interrupts = false;
    prong_clear_interrupt();
    is(prong_queue_get(queue, &byte, 1, NULL, PRONG_MS(1)), PRONG_EMPTY);
    ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
    ok(prong_queue_get(queue, &byte, 1, NULL, PRONG_FOREVER));
    ok(prong_queue_destroy(queue));
}

static int succeed(void *argument, size_t size, prong_result *result) {
    (void)argument, (void)result;
    return size != sizeof(int);
}

static void done(prong_job job, void *context) {
    *(_Atomic int *)context = 1;
    ok(prong_job_destroy(job));
}

METHOD_TEST(the_runtime_is_told_when_all_callbacks_have_run) {
    static _Atomic int seen;
    prong_pool pool;
    prong_job job;
    int none = 0;
    seen = 0;
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .method = (prong_start_method)method}));
    ok(prong_pool_submit(pool, PRONG_TASK(succeed, none), &job,
                         &(prong_task_options){.callback = done, .context = &seen}));
    ok(prong_pool_shutdown(pool));
    ok(prong_pool_join(pool, SOON));
    check(seen && after_callbacks > 0);
    ok(prong_pool_destroy(pool));
}
