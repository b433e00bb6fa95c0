/* Functions of shared libraries: the child finds them by the library's build-id, and is told where it cannot. */
#include "../support/test.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

static char copied[64];

static void copy(const char *from) {
    char bytes[65536];
    snprintf(copied, sizeof copied, "/tmp/prong-library-%d", (int)getpid());
    int in = open(from, O_RDONLY), out = open(copied, O_WRONLY | O_CREAT | O_EXCL, 0755);
    check(in >= 0 && out >= 0);
    for (ssize_t got; (got = read(in, bytes, sizeof bytes)) > 0;) check(write(out, bytes, (size_t)got) == got);
    close(in);
    close(out);
}

static void *function_of(const char *path, const char *name) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library) test_failed(__FILE__, __LINE__, "%s", dlerror());
    return dlsym(library, name);
}

static prong_status create(prong_process *process, int method, void *target) {
    return prong_process_create(process, &(prong_process_options){.target = (prong_target *)(uintptr_t)target,
                                                                  .method = (prong_start_method)method});
}

METHOD_TEST(a_library_that_is_gone_when_the_child_looks_for_it_is_named) {
    prong_process process;
    copy(PLUGIN);
    ok(create(&process, method, function_of(copied, "plugin_answer")));
    unlink(copied);
    if (method == PRONG_START_FORK) { /* the child has it in its memory */
        ok(prong_process_start(process));
        equal(test_end(process), 42);
        return;
    }
    is(prong_process_start(process), PRONG_NO_FUNCTION);
    says(copied);
    says("is not in the child's image");
    copy(TASKS); /* another library in its place is not taken for it */
    is(prong_process_start(process), PRONG_NO_FUNCTION);
    ok(prong_process_destroy(process));
    unlink(copied);
    test_arena_is_clean(0);
}

METHOD_TEST(a_library_without_a_build_id_is_refused_but_by_fork) {
    prong_process process;
    void *target = function_of(WITHOUT_BUILD_ID, "plugin_answer");
    if (method == PRONG_START_FORK) {
        ok(create(&process, method, target));
        ok(prong_process_start(process));
        equal(test_end(process), 42);
        return;
    }
    is(create(&process, method, target), PRONG_NO_FUNCTION);
    says("has no build-id; link it with -Wl,--build-id");
    test_arena_is_clean(0);
}

METHOD_TEST(a_pools_workers_need_the_build_id_but_by_fork) {
    prong_pool pool;
    prong_task *task = (prong_task *)(uintptr_t)function_of(WITHOUT_BUILD_ID, "plugin_task");
    char got[5] = "";
    prong_work work = {.task = task, .count = 1, .out = got, .out_size = 4};
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 1, .method = (prong_start_method)method}));
    if (method == PRONG_START_FORK) {
        ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(10)));
        check(strcmp(got, "done") == 0);
    } else {
        is(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(10)), PRONG_NO_FUNCTION);
        says("has no build-id");
    }
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

METHOD_TEST(a_name_that_leads_to_no_function_fails_the_child_alone) {
    static const char *const names[] = {":prong_version_text_", "none", "none:", "/no/such/library.so:f", PLUGIN ":f"};
    prong_document *document;
    char too_long[400];
    prong_process process;
    prong_process_options options = {.method = (prong_start_method)method};
    ok(prong_document_open(&document, NULL));
    ok(prong_make_tuple(document, NULL, 0, &options.values));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        options.target_name = names[i];
        ok(prong_process_create(&process, &options));
        ok(prong_process_start(process));
        equal(test_end(process), 125);
    }
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = 0;
    options.target_name = too_long;
    is(prong_process_create(&process, &options), PRONG_INVALID);
    says("a function's name has 1 to 215 bytes");
    options.target_name = "";
    is(prong_process_create(&process, &options), PRONG_INVALID);
    prong_document_close(document);
    test_arena_is_clean(0);
}
