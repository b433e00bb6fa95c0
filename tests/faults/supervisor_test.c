/* Faults while a supervisor starts, restarts, adds and ends its children, by each method: what fails in a start is a
 * failed start, which is made up for, and nothing is left. */
#include "faults.h"

#include <signal.h>
#include <unistd.h>

static const prong_time SOON = PRONG_SECONDS(20);

static int run_on(void *argument, size_t size) {
    (void)argument;
    (void)size;
    for (;;) pause();
    return 0;
}

static size_t count_children(prong_supervisor supervisor) {
    size_t count = 0;
    prong_child_state states[4];
    sure(prong_supervisor_children(supervisor, states, 4, &count));
    return count;
}

static prong_supervisor made(prong_start_method method) {
    prong_supervisor supervisor;
    const prong_child_options child = {.name = "first", .process = {.target = run_on, .method = method}};
    const prong_supervisor_options options = {
        .intensity = 20, .backoff = PRONG_MS(1), .backoff_most = PRONG_MS(1), .stop_on_signals = true, .stays = true};
    sure(prong_supervisor_create(&supervisor, &child, 1, &options));
    return supervisor;
}

/* Where the call fails as it does the work, the child has been added. */
static prong_status add(prong_supervisor supervisor, const prong_child_options *child) {
    prong_status status = prong_supervisor_add_child(supervisor, child, SOON);
    return status == PRONG_EXISTS ? prong_supervisor_start_child(supervisor, child->name, SOON) : status;
}

static void supervise(prong_start_method method) {
    prong_supervisor supervisor = made(method);
    const prong_child_options child = {.name = "second",
                                       .restart = PRONG_RESTART_TRANSIENT,
                                       .program = (const char *const[]){"/bin/true", NULL},
                                       .process = {.method = method}};
    gives(prong_supervisor_run(supervisor, PRONG_MS(20)), PRONG_TIMEOUT);
    sure(prong_supervisor_start_child(supervisor, "first", SOON));
    sure(add(supervisor, &child));
    must_hold(count_children(supervisor) == 2);
    sure(prong_supervisor_stop_child(supervisor, "first", SOON));
    sure(prong_supervisor_start_child(supervisor, "first", SOON));
    sure(prong_supervisor_remove_child(supervisor, "second", SOON));
    must_hold(count_children(supervisor) == 1);
    sure(prong_supervisor_stop(supervisor, SOON));
    sure(prong_supervisor_destroy(supervisor));
}

FAMILY_SCENARIO(children_are_supervised_by_fork) {
    supervise(PRONG_START_FORK);
}

FAMILY_SCENARIO(children_are_supervised_by_spawn) {
    supervise(PRONG_START_SPAWN);
}

FAMILY_SCENARIO(children_are_supervised_by_a_fork_server) {
    supervise(PRONG_START_FORKSERVER);
}

/* Errors that come again and again, until it gives up. */
SCENARIO(a_supervisor_that_cannot_start_anything_gives_up) {
    prong_supervisor supervisor;
    const prong_child_options child = {.program = (const char *const[]){"/no/such/program", NULL}};
    const prong_supervisor_options options = {.intensity = 2, .backoff = -1};
    sure(prong_supervisor_create(&supervisor, &child, 1, &options));
    gives(prong_supervisor_run(supervisor, SOON), PRONG_GAVE_UP);
    sure(prong_supervisor_destroy(supervisor));
}
