/* The context of a job's tasks. */
#include "pool_test.h"

struct scaling {
    long factor, offset;
};

static int scale(const void *in, void *out) {
    size_t size;
    const struct scaling *scaling = prong_task_context(&size);
    if (!scaling || size != sizeof *scaling) return 1;
    *(long *)out = *(const long *)in * scaling->factor + scaling->offset;
    return 0;
}

static int scale_range(const void *in, void *out, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (scale((const long *)in + i, (long *)out + i)) return 1;
    return 0;
}

static int scale_task(void *argument, size_t size, prong_result *result) {
    long number;
    (void)size;
    return scale(argument, &number) || prong_result_set(result, &number, sizeof number);
}

static int has_no_context(const void *in, void *out) {
    size_t size = 1;
    *(long *)out = *(const long *)in;
    return prong_task_context(&size) != NULL || size != 0;
}

static bool next_left(prong_bytes *argument, void *left) {
    static long number;
    number = *(int *)left;
    *argument = (prong_bytes){&number, sizeof number};
    return (*(int *)left)-- > 0;
}

METHOD_TEST(all_tasks_of_a_job_share_its_context) {
    enum { COUNT = 1000 };
    static long in[COUNT], out[COUNT];
    long number = 5, scaled;
    int left = 3;
    prong_pool pool = make(method, 2);
    struct scaling scaling = {3, 7};
    prong_work elements = *PRONG_MAP(scale, in, out), range = *PRONG_MAP(scale_range, in, out);
    prong_work task = *PRONG_TASK(scale_task, number),
               read = {.task = scale_task, .generator = next_left, .generator_context = &left};
    prong_work *const works[] = {&elements, &range, &task, &read};
    prong_job job, other;
    for (long i = 0; i < COUNT; i++) in[i] = i;
    for (int i = 0; i < 4; i++) {
        works[i]->context = &scaling;
        works[i]->context_size = sizeof scaling;
    }
    ok(prong_pool_run(pool, &elements, NULL, PRONG_SECONDS(10)));
    for (long i = 0; i < COUNT; i++) equal(out[i], 3 * i + 7);
    ok(prong_pool_run(pool, &range, NULL, PRONG_SECONDS(10)));
    equal(out[COUNT - 1], 3 * (COUNT - 1) + 7);
    ok(prong_pool_submit(pool, &elements, &job, NULL));
    scaling = (struct scaling){100, 0}; /* the first job has a copy */
    ok(prong_pool_submit(pool, &task, &other, NULL));
    ok(prong_job_wait(job, PRONG_SECONDS(10)));
    equal(out[COUNT - 1], 3 * (COUNT - 1) + 7);
    ok(prong_job_destroy(job));
    prong_outcome outcome;
    ok(prong_job_outcome(other, 0, &outcome, PRONG_SECONDS(10)));
    memcpy(&scaled, outcome.data, sizeof scaled);
    equal(scaled, 500);
    ok(prong_job_destroy(other));
    prong_iterator *iterator;
    ok(prong_pool_iterate(pool, &read, &iterator, NULL));
    for (long i = 3; i > 0; i--) {
        ok(prong_iterator_next(iterator, &outcome, PRONG_SECONDS(10)));
        ok(outcome.status);
        memcpy(&scaled, outcome.data, sizeof scaled);
        equal(scaled, 100 * i);
    }
    prong_iterator_close(iterator);
    ok(prong_pool_run(pool, PRONG_MAP_N(has_no_context, in, out, 10), NULL, PRONG_SECONDS(10)));
    check(prong_task_context(NULL) == NULL);
    elements.context = NULL;
    is(prong_pool_run(pool, &elements, NULL, PRONG_SECONDS(10)), PRONG_INVALID);
    says("work: context is NULL");
    ok(prong_pool_destroy(pool));
    test_arena_is_clean(0);
}

static int asks_its_parents_context(void *argument, size_t size) {
    (void)argument, (void)size;
    return prong_task_context(NULL) ? 1 : 0;
}

static int forks_in_a_task(const void *in, void *out) {
    prong_process child;
    int code;
    prong_process_options options = {.target = asks_its_parents_context, .method = PRONG_START_FORK};
    if (!prong_task_context(NULL) || prong_process_create(&child, &options) < 0 || prong_process_start(child) < 0)
        return 9;
    if (prong_process_join(child, PRONG_SECONDS(10)) < 0 || prong_process_exitcode(child, &code) < 0) return 8;
    *(long *)out = *(const long *)in;
    return code;
}

METHOD_TEST(a_tasks_context_is_not_its_childrens) {
    long number = 1;
    prong_pool pool = make(method, 1);
    prong_work work = *PRONG_MAP_N(forks_in_a_task, &number, &number, 1);
    work.context = "x";
    work.context_size = 1;
    ok(prong_pool_run(pool, &work, NULL, PRONG_SECONDS(10)));
    ok(prong_pool_destroy(pool));
}
