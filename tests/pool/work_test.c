/* Works: every form of function, in each of the three calls that take one. */
#include "../support/test.h"

#define SOON PRONG_SECONDS(15)

static prong_pool pool;
static prong_document *document;

static void begin(int method) {
    ok(prong_document_open(&document, NULL));
    ok(prong_pool_create(&pool, &(prong_pool_options){.processes = 2, .method = (prong_start_method)method}));
}

static void end(void) {
    ok(prong_pool_destroy(pool));
    prong_document_close(document);
    test_arena_is_clean(0);
}

/* --- functions --- */

static int square(void *argument, size_t size, prong_result *result) {
    long number = *(long *)argument;
    check(size == sizeof number);
    if (number < 0) return prong_result_set(result, "negative", 9) < 0 ? 2 : 1;
    number *= number;
    return prong_result_set(result, &number, sizeof number);
}

/* As many bytes as it is told. */
static int so_many(void *argument, size_t size, prong_result *result) {
    char bytes[100];
    (void)size;
    memset(bytes, 'x', sizeof bytes);
    return prong_result_set(result, bytes, *(size_t *)argument);
}

static int half(const void *in, void *out) {
    long number = *(const long *)in;
    *(int *)out = (int)(number / 2);
    return number % 2 ? 7 : 0;
}

static int half_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (half((const long *)in + i, (int *)out + i)) return 8;
    return 0;
}

/* [arguments, keywords]; a failure where there are none. */
static prong_status echo(prong_document *own, prong_value arguments, prong_value keywords, prong_value *result) {
    if (prong_value_size(arguments) == 0) return prong_scan(arguments, "(I)", &(int64_t){0});
    return prong_build(own, result, "[vv]", arguments, keywords);
}

static prong_value value(const char *format) {
    prong_value made;
    ok(prong_build(document, &made, format, 1, 2, 3));
    return made;
}

static void shows(prong_value shown, const char *wanted) {
    char text[300];
    ok(prong_value_repr(shown, text, sizeof text, NULL));
    if (strcmp(text, wanted) != 0) test_failed(__FILE__, __LINE__, "%s is not %s", text, wanted);
}

/* --- an argument a task --- */

METHOD_TEST(tasks_take_an_array_and_fill_one) {
    enum { COUNT = 300 };
    long in[COUNT], out[COUNT];
    size_t sizes[COUNT];
    prong_job job;
    begin(method);
    for (long i = 0; i < COUNT; i++) in[i] = i;
    prong_work work = {.task = square, .in = in, .in_size = sizeof *in, .count = COUNT};
    ok(prong_pool_run(pool, &work, NULL, SOON)); /* nobody wants the results */
    work.form = PRONG_FORM_TASK;                 /* its function's own */
    work.out = out;
    work.out_size = sizeof *out;
    work.sizes = sizes;
    for (int submitted = 0; submitted < 2; submitted++) {
        memset(out, 0, sizeof out);
        memset(sizes, 0, sizeof sizes);
        if (submitted) {
            ok(prong_pool_submit(pool, &work, &job, NULL));
            ok(prong_job_wait(job, SOON));
            ok(prong_job_destroy(job));
        } else {
            ok(prong_pool_run(pool, &work, NULL, SOON));
        }
        for (long i = 0; i < COUNT; i++) check(out[i] == i * i && sizes[i] == sizeof *out);
    }
    end();
}

METHOD_TEST(results_of_tasks_that_succeeded_are_there_when_others_fail) {
    long in[4] = {1, 2, -3, 4}, out[4] = {0};
    prong_job job;
    begin(method);
    prong_work work = {
        .task = square, .in = in, .in_size = sizeof *in, .count = 4, .out = out, .out_size = sizeof *out};
    is(prong_pool_run(pool, &work, NULL, SOON), PRONG_TASK_FAILED);
    says("task 2");
    says("negative");
    check(out[0] == 1 && out[1] == 4 && out[2] == 0 && out[3] == 16);
    memset(out, 0, sizeof out);
    ok(prong_pool_submit(pool, &work, &job, NULL));
    is(prong_job_wait(job, SOON), PRONG_TASK_FAILED);
    check(out[0] == 1 && out[1] == 4 && out[2] == 0 && out[3] == 16);
    out[0] = 99; /* filled once */
    is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TASK_FAILED);
    equal(out[0], 99);
    ok(prong_job_destroy(job));
    end();
}

METHOD_TEST(a_result_that_is_too_long_is_left_out_and_its_length_told) {
    size_t in[3] = {5, 20, 10}, sizes[3];
    char out[3][10];
    prong_job job;
    begin(method);
    prong_work work = {.task = so_many,
                       .in = in,
                       .in_size = sizeof *in,
                       .count = 3,
                       .out = out,
                       .out_size = sizeof *out,
                       .sizes = sizes};
    for (int submitted = 0; submitted < 2; submitted++) {
        memset(out, 0, sizeof out);
        if (submitted) {
            ok(prong_pool_submit(pool, &work, &job, NULL));
            is(prong_job_wait(job, SOON), PRONG_TOO_LONG);
            says("task 1: its result has 20 bytes");
            is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TOO_LONG);
            ok(prong_job_destroy(job));
        } else {
            is(prong_pool_run(pool, &work, NULL, SOON), PRONG_TOO_LONG);
            says("task 1: its result has 20 bytes");
        }
        check(out[0][4] == 'x' && out[0][5] == 0 && out[1][0] == 0 && out[2][9] == 'x');
        check(sizes[0] == 5 && sizes[1] == 20 && sizes[2] == 10);
    }
    end();
}

METHOD_TEST(an_array_of_arguments_is_iterated_over) {
    long in[50];
    prong_bytes arguments[50];
    prong_iterator *iterator;
    prong_outcome outcome;
    begin(method);
    for (long i = 0; i < 50; i++) {
        in[i] = i;
        arguments[i] = (prong_bytes){&in[i], sizeof in[i]};
    }
    const prong_work works[] = {{.task = square, .in = in, .in_size = sizeof *in, .count = 50},
                                {.task = square, .arguments = arguments, .count = 50}};
    for (int k = 0; k < 4; k++) {
        long sum = 0;
        prong_task_options options = {.buffer = 3, .unordered = k >= 2};
        ok(prong_pool_iterate(pool, &works[k % 2], &iterator, &options));
        for (size_t i = 0; i < 50; i++) {
            ok(prong_iterator_next(iterator, &outcome, SOON));
            ok(outcome.status);
            check(options.unordered || outcome.index == i);
            equal(*(long *)outcome.data, (long)(outcome.index * outcome.index));
            sum += *(long *)outcome.data;
        }
        equal(sum, 49 * 50 * 99 / 6);
        is(prong_iterator_next(iterator, &outcome, SOON), PRONG_EOF);
        prong_iterator_close(iterator);
    }
    end();
}

/* --- elements and ranges --- */

struct chunks {
    const long *in;
    size_t left;
};

static bool next_chunk(prong_bytes *argument, void *context) {
    struct chunks *chunks = context;
    size_t count = chunks->left < 3 ? chunks->left : 3;
    *argument = (prong_bytes){chunks->in, count * sizeof *chunks->in};
    chunks->in += count;
    chunks->left -= count;
    return count > 0;
}

/* Of 100 even numbers in chunks of three, and of the last one. */
static void check_chunks(const prong_work *work, bool unordered) {
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_task_options options = {.chunk_size = 3, .unordered = unordered};
    ok(prong_pool_iterate(pool, work, &iterator, &options));
    for (size_t i = 0; i < 34; i++) {
        ok(prong_iterator_next(iterator, &outcome, SOON));
        ok(outcome.status);
        check(unordered || outcome.index == i);
        check(outcome.size == (outcome.index < 33 ? 3 : 1) * sizeof(int));
        for (size_t k = 0; k < outcome.size / sizeof(int); k++)
            equal(((int *)outcome.data)[k], (int)(outcome.index * 3 + k));
    }
    is(prong_iterator_next(iterator, &outcome, SOON), PRONG_EOF);
    prong_iterator_close(iterator);
}

METHOD_TEST(elements_and_ranges_are_iterated_over) {
    static long in[100];
    begin(method);
    for (long i = 0; i < 100; i++) in[i] = 2 * i;
    prong_work array = {.in = in, .in_size = sizeof *in, .count = 100, .out_size = sizeof(int)};
    for (int k = 0; k < 4; k++) {
        struct chunks chunks = {in, 100};
        prong_work given = {
            .in_size = sizeof *in, .out_size = sizeof(int), .generator = next_chunk, .generator_context = &chunks};
        array.element = given.element = k % 2 ? half : NULL;
        array.range = given.range = k % 2 ? NULL : half_range;
        check_chunks(&array, k >= 2);
        check_chunks(&given, k >= 2);
    }
    end();
}

METHOD_TEST(a_chunk_that_fails_is_an_outcome_of_the_iterator) {
    long in[3] = {0, 1, 4};
    prong_iterator *iterator;
    prong_outcome outcome;
    char text[200];
    begin(method);
    prong_work work = {.element = half, .in = in, .in_size = sizeof *in, .count = 3, .out_size = sizeof(int)};
    ok(prong_pool_iterate(pool, &work, &iterator, NULL)); /* a chunk an element */
    for (int i = 0; i < 3; i++) {
        ok(prong_iterator_next(iterator, &outcome, SOON));
        equal(outcome.status, i == 1 ? PRONG_TASK_FAILED : PRONG_OK);
        if (i != 1) equal(*(int *)outcome.data, i);
        if (i != 1) continue;
        prong_outcome_text(&outcome, text, sizeof text);
        check(strcmp(text, "task 1 failed with code 7") == 0);
    }
    prong_iterator_close(iterator);
    end();
}

static bool odd_bytes(prong_bytes *argument, void *context) {
    (void)context;
    *argument = (prong_bytes){"abc", 3};
    return true;
}

METHOD_TEST(a_generator_gives_whole_elements) {
    prong_iterator *iterator;
    prong_outcome outcome;
    begin(method);
    prong_work work = {.element = half, .in_size = sizeof(long), .out_size = sizeof(int), .generator = odd_bytes};
    ok(prong_pool_iterate(pool, &work, &iterator, NULL));
    is(prong_iterator_next(iterator, &outcome, SOON), PRONG_INVALID);
    says("3 bytes");
    prong_iterator_close(iterator);
    end();
}

METHOD_TEST(the_macros_take_sizes_from_what_they_are_given) {
    long in[10], number = 12, squared = 0;
    int out[10];
    begin(method);
    for (long i = 0; i < 10; i++) in[i] = 2 * i;
    ok(prong_pool_run(pool, PRONG_MAP(half, in, out), NULL, SOON));
    for (int i = 0; i < 10; i++) equal(out[i], i);
    memset(out, 0, sizeof out);
    ok(prong_pool_run(pool, PRONG_MAP(half_range, in, out), NULL, SOON));
    for (int i = 0; i < 10; i++) equal(out[i], i);
    memset(out, 0, sizeof out);
    const long *from = in;
    int *to = out;
    ok(prong_pool_run(pool, PRONG_MAP_N(half, from, to, 5), NULL, SOON));
    for (int i = 0; i < 10; i++) equal(out[i], i < 5 ? i : 0);
    ok(prong_pool_run(pool, PRONG_APPLY(square, number, squared), NULL, SOON));
    equal(squared, 144);
    ok(prong_pool_run(pool, PRONG_TASK(square, number), NULL, SOON));
    end();
}

/* --- values --- */

static prong_work values_of(const char *format, prong_each each) {
    return (prong_work){.value_task = echo, .values = value(format), .each = each};
}

METHOD_TEST(values_are_run_submitted_and_iterated_over_alike) {
    static const struct {
        const char *format;
        prong_each each;
        const char *wanted; /* of the first */
        const char *all;
    } rows[] = {{"(iii)", PRONG_ONCE, "[(1, 2, 3), {'more': 1}]", "[(1, 2, 3), {'more': 1}]"},
                {"[ii]", PRONG_EACH, "[(1,), {'more': 1}]", "[[(1,), {'more': 1}], [(2,), {'more': 1}]]"},
                {"(((ii))(i))", PRONG_EACH_SPREAD, "[((1, 2),), {'more': 1}]",
                 "[[((1, 2),), {'more': 1}], [(3,), {'more': 1}]]"},
                {"[]", PRONG_EACH, NULL, "[]"}};
    prong_job job;
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_value result;
    begin(method);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        prong_work work = values_of(rows[i].format, rows[i].each);
        ok(prong_build(document, &work.keywords, "{s:i}", "more", 1));
        ok(prong_pool_submit(pool, &work, &job, NULL));
        ok(prong_job_value(job, document, &result, SOON));
        shows(result, rows[i].all);
        ok(prong_job_wait(job, PRONG_NOWAIT));
        ok(prong_job_destroy(job));
        ok(prong_pool_iterate(pool, &work, &iterator, NULL));
        if (rows[i].wanted) {
            ok(prong_iterator_next(iterator, &outcome, SOON));
            ok(prong_outcome_value(&outcome, document, &result));
            shows(result, rows[i].wanted);
        }
        prong_iterator_close(iterator);
        work.document = document;
        work.result = &result;
        ok(prong_pool_run(pool, &work, NULL, SOON));
        shows(result, rows[i].all);
    }
    end();
}

METHOD_TEST(a_task_of_values_that_fails_tells_why_in_each_call) {
    prong_job job;
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_value result;
    begin(method);
    prong_work work = values_of("[(i)()(i)]", PRONG_EACH_SPREAD);
    ok(prong_pool_submit(pool, &work, &job, NULL));
    is(prong_job_value(job, document, &result, SOON), PRONG_TASK_FAILED);
    says("task 1: ");
    is(prong_job_wait(job, PRONG_NOWAIT), PRONG_TASK_FAILED);
    ok(prong_job_destroy(job));
    ok(prong_pool_iterate(pool, &work, &iterator, &(prong_task_options){.buffer = 1}));
    for (int i = 0; i < 3; i++) {
        ok(prong_iterator_next(iterator, &outcome, SOON));
        is(prong_outcome_value(&outcome, document, &result), i == 1 ? PRONG_TASK_FAILED : PRONG_OK);
    }
    says("task 1: ");
    is(prong_iterator_next(iterator, &outcome, SOON), PRONG_EOF);
    prong_iterator_close(iterator);
    is(prong_pool_run(pool, &work, NULL, SOON), PRONG_TASK_FAILED); /* without a result, too */
    end();
}

METHOD_TEST(calls_that_are_pickled_already_are_submitted_and_iterated_over) {
    prong_pickle pickles[2];
    prong_bytes arguments[2];
    prong_job job;
    prong_iterator *iterator;
    prong_outcome outcome;
    prong_value result;
    begin(method);
    for (int i = 0; i < 2; i++) {
        prong_value call;
        ok(prong_build(document, &call, "((i)n)", i + 1));
        ok(prong_pickle_dumps(document, call, &pickles[i], NULL));
        arguments[i] = (prong_bytes){pickles[i].data, pickles[i].size};
    }
    prong_work work = {.value_task = echo, .arguments = arguments, .count = 2};
    ok(prong_pool_submit(pool, &work, &job, NULL));
    ok(prong_job_value(job, document, &result, SOON));
    shows(result, "[[(1,), None], [(2,), None]]");
    ok(prong_job_destroy(job));
    ok(prong_pool_iterate(pool, &work, &iterator, NULL));
    for (int i = 0; i < 2; i++) {
        ok(prong_iterator_next(iterator, &outcome, SOON));
        ok(prong_outcome_value(&outcome, document, &result));
        shows(result, i ? "[(2,), None]" : "[(1,), None]");
    }
    prong_iterator_close(iterator);
    end();
}

/* --- what makes no sense --- */

static bool nothing(prong_bytes *argument, void *context) {
    (void)argument, (void)context;
    return false;
}

TEST(a_work_that_makes_no_sense_is_refused_and_says_why) {
    static long in[2], out[2];
    static size_t sizes[2];
    static const prong_bytes arguments[2], headless[2] = {{in, 4}, {NULL, 4}};
    prong_value list, dict, result;
    prong_job job;
    prong_iterator *iterator;
    begin(PRONG_START_FORK);
    list = value("[ii]");
    dict = value("{i:i}");
    const struct {
        const char *why;
        prong_work work;
    } rows[] = {
        {"no function", {.count = 1}},
        {"2 functions", {.task = square, .element = half}},
        {"both a function and a name", {.task = square, .name = "x"}},
        {"another form", {.task = square, .form = PRONG_FORM_RANGE}},
        {"no such form", {.name = "x", .form = (prong_form)9}},
        {"more than one of in, arguments", {.task = square, .in = in, .arguments = arguments}},
        {"not arguments", {.element = half, .arguments = arguments, .in_size = 1}},
        {"in_size is 0", {.element = half, .in = in, .count = 2}},
        {"too many", {.task = square, .in = in, .in_size = 8, .count = SIZE_MAX / 4}},
        {"sizes are", {.element = half, .in = in, .in_size = 8, .count = 2, .sizes = sizes}},
        {"a generator is for", {.task = square, .generator = nothing}},
        {"values go with", {.task = square, .values = list}},
        {"no form", {.name = "x", .values = list}},
        {"values go with", {.name = "x", .form = PRONG_FORM_TASK, .values = list}},
        {"values go with", {.range = half_range, .in = in, .in_size = 8, .count = 1, .each = PRONG_EACH}},
        {"arrays go with", {.value_task = echo, .in = in, .in_size = 8, .count = 1}},
        {"arrays go with", {.value_task = echo, .values = list, .out = out, .out_size = 8}},
        {"more than one of values", {.value_task = echo, .values = list, .arguments = arguments}},
        {"no such each", {.value_task = echo, .values = list, .each = (prong_each)9}},
        {"must be a list or tuple", {.value_task = echo, .values = prong_make_int(3), .each = PRONG_EACH}},
        {"must be a tuple", {.value_task = echo, .values = list}},
        {"result and document are for", {.value_task = echo, .values = list, .document = document, .result = &result}},
        {"argument 1 has a size and no bytes", {.task = square, .arguments = headless, .count = 2}},
        {"argument 1 has a size and no bytes", {.value_task = echo, .arguments = headless, .count = 2}},
        {"values go with", {.task = square, .keywords = dict}},
        {"values go with", {.task = square, .document = document}},
        {"values go with", {.task = square, .result = &result}},
        {"arrays go with", {.value_task = echo, .in_size = 8}},
        {"arrays go with", {.value_task = echo, .out_size = 8}},
        {"arrays go with", {.value_task = echo, .sizes = sizes}},
        {"result and document are for", {.value_task = echo, .document = document}},
        {"context is NULL", {.task = square, .context_size = 3}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        is(prong_pool_submit(pool, &rows[i].work, &job, NULL), PRONG_INVALID);
        says(rows[i].why);
    }
    is(prong_pool_submit(pool, NULL, &job, NULL), PRONG_INVALID);
    is(prong_pool_run(pool, &(prong_work){.value_task = echo, .values = list, .result = &result}, NULL, SOON),
       PRONG_INVALID);
    says("no document");
    is(prong_pool_iterate(pool, PRONG_MAP(half, in, out), &iterator, NULL), PRONG_INVALID);
    says("no outputs");
    is(prong_pool_iterate(pool, &(prong_work){.task = square, .in = in, .in_size = 8, .count = 2, .sizes = sizes},
                          &iterator, NULL),
       PRONG_INVALID);
    says("no outputs");
    is(prong_pool_iterate(pool, &(prong_work){.range = half_range, .generator = nothing}, &iterator, NULL),
       PRONG_INVALID);
    says("in_size is 0");
    is(prong_pool_run(pool, &(prong_work){.task = square, .context = in, .context_size = SIZE_MAX / 2}, NULL, SOON),
       PRONG_NO_MEMORY);
    says("a context of");
    is(prong_pool_run(pool, &(prong_work){.task = square, .count = SIZE_MAX / 8}, NULL, SOON), PRONG_NO_MEMORY);
    says("tasks are more than the arena can hold");
    is(prong_pool_run(pool, PRONG_TASK(square, in[0]), &(prong_task_options){.time_limit = -1}, SOON), PRONG_INVALID);
    says("a negative time limit");
    ok(prong_pool_run(pool, PRONG_TASK(square, in[0]), &(prong_task_options){.time_limit = PRONG_FOREVER}, SOON));
    ok(prong_pool_submit(pool, PRONG_TASK(square, in[0]), &job, NULL));
    is(prong_job_value(job, document, &result, SOON), PRONG_INVALID);
    says("not a job of values");
    ok(prong_job_destroy(job));
    end();
}
