/* The main process and a child print their names and pids. */
#include "example.h"

static void info(const char *title) {
    prong_process own, parent;
    char name[48] = "", of_parent[48] = "nobody of prong's";
    must(prong_current_process(&own));
    must(prong_process_name(own, name, sizeof name));
    if (prong_parent_process(&parent) >= 0) must(prong_process_name(parent, of_parent, sizeof of_parent));
    printf("%s\n  process: %s\n  started by: %s\n  has a pid: %s\n", title, name, of_parent,
           getpid() > 0 ? "yes" : "no");
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
