/* A supervisor: a job that fails twice, and a program beside it, which another one replaces while it runs. */
#include "example.h"

/* Fails at the first two tries, as one that comes before what it needs. */
static int work(void *argument, size_t size) {
    const prong_shared_value *tries = argument;
    long before;
    (void)size;
    must(prong_shared_value_add(*tries, 0, 1, &before));
    return before < 2 ? 1 : 0;
}

static void print_child(const prong_child_state *child) {
    printf("%s: ended with %d, after %u restarts\n", child->name, child->exitcode, child->restarts);
}

int main(int argc, char **argv) {
    prong_shared_value tries;
    prong_supervisor supervisor;
    prong_child_state states[2];
    size_t count;
    example_begin(argc, argv);
    must(prong_shared_value_create(&tries, PRONG_TYPE_OF(long), 1, NULL, NULL));
    const prong_child_options children[] = {
        {.name = "helper", .program = (const char *const[]){"sleep", "1000", NULL}},
        {.name = "job",
         .restart = PRONG_RESTART_TRANSIENT,
         .process = {.target = work, .argument = &tries, .argument_size = sizeof tries}},
    };
    must(prong_supervisor_create(&supervisor, children, 2, &(prong_supervisor_options){.backoff = PRONG_MS(10)}));
    do { /* until the job has ended for good */
        prong_status status = prong_supervisor_run(supervisor, PRONG_MS(20));
        if (status != PRONG_TIMEOUT) must(status);
        must(prong_supervisor_children(supervisor, states, 2, &count));
    } while (states[1].phase != PRONG_CHILD_DOWN || !states[0].pid);
    const prong_child_options late = {.name = "late", .program = (const char *const[]){"sleep", "1000", NULL}};
    must(prong_supervisor_add_child(supervisor, &late, PRONG_SECONDS(10)));
    must(prong_supervisor_remove_child(supervisor, "helper", PRONG_SECONDS(10)));
    must(prong_supervisor_stop(supervisor, PRONG_SECONDS(10)));
    must(prong_supervisor_children(supervisor, states, 2, &count));
    for (size_t i = 0; i < count; i++) print_child(&states[i]);
    must(prong_supervisor_destroy(supervisor));
}
