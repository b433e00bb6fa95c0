/* The main process and a child print their names and pids. */
#include "example.h"

static void info(const char *title) {
    prong_process own, parent;
    prong_process_state state, of_parent = {.name = "nobody of prong's"};
    must(prong_current_process(&own));
    must(prong_process_get_state(own, &state));
    if (prong_parent_process(&parent) >= 0) must(prong_process_get_state(parent, &of_parent));
    printf("%s\n  process: %s\n  started by: %s\n  has a pid: %s\n", title, state.name, of_parent.name,
           state.pid == getpid() ? "yes" : "no");
    fflush(stdout);
}

static int greet(void *argument, size_t size) {
    info("function greet");
    printf("  hello %.*s\n", (int)size, (char *)argument);
    return 0;
}

int main(int argc, char **argv) {
    example_begin(argc, argv);
    info("main line");
    prong_process child = example_start(greet, "bob", 3);
    must(prong_process_join(child, PRONG_SECONDS(10)));
    must(prong_process_destroy(child));
}
