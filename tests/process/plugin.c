/* A shared library that a test loads by hand. */
int plugin_answer(void *argument, unsigned long size);
int plugin_answer(void *argument, unsigned long size) {
    (void)argument;
    (void)size;
    return 42;
}
