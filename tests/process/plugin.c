/* A shared library that a test loads by hand. */
int plugin_answer(void *argument, unsigned long size);
int plugin_answer(void *argument, unsigned long size) {
    (void)argument;
    (void)size;
    return 42;
}

struct prong_result;
int prong_result_set(struct prong_result *result, const void *data, unsigned long size) __attribute__((weak));

/* A pool's task. */
int plugin_task(void *argument, unsigned long size, struct prong_result *result);
int plugin_task(void *argument, unsigned long size, struct prong_result *result) {
    (void)argument;
    (void)size;
    return prong_result_set(result, "done", 4);
}
