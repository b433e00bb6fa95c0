/* Death at every instruction of adding a child to a supervisor, of removing one, and of destroying the supervisor. */
#include "step.h"

static int unused_target(void *argument, size_t size) {
    (void)argument, (void)size;
    return 0;
}

static const prong_child_options child = {.name = "new",
                                          .process = {.target = unused_target, .method = PRONG_START_FORK}};

static void prepare_supervisor(struct stage *stage) {
    prong_child_options first = child;
    first.name = "first";
    ok(prong_supervisor_create(&stage->supervisor, &first, 1, NULL));
}

static void prepare_two_children(struct stage *stage) {
    prepare_supervisor(stage);
    ok(prong_supervisor_add_child(stage->supervisor, &child, PRONG_NOWAIT));
}

static void add_child(struct stage *stage) {
    if (prong_supervisor_add_child(stage->supervisor, &child, PRONG_NOWAIT) < 0) _exit(1);
}

static void remove_child(struct stage *stage) {
    if (prong_supervisor_remove_child(stage->supervisor, "new", PRONG_NOWAIT) < 0) _exit(1);
}

/* It is there, or it is not; and the next one comes and goes. */
static void verify_children(struct stage *stage) {
    prong_child_state states[3];
    size_t count;
    ok(prong_supervisor_children(stage->supervisor, states, 3, &count));
    check(count == 1 || count == 2);
    check(strcmp(states[0].name, "first") == 0);
    if (count == 2) ok(prong_supervisor_remove_child(stage->supervisor, "new", PRONG_NOWAIT));
    ok(prong_supervisor_add_child(stage->supervisor, &child, PRONG_NOWAIT));
    ok(prong_supervisor_remove_child(stage->supervisor, "first", PRONG_NOWAIT));
    ok(prong_supervisor_children(stage->supervisor, states, 3, &count));
    check(count == 1 && strcmp(states[0].name, "new") == 0);
    ok(prong_supervisor_destroy(stage->supervisor));
}

LONG_TEST(adding_a_child, 240) {
    kill_everywhere(&(struct operation){prepare_supervisor, join_family, add_child, verify_children, 47});
}

LONG_TEST(removing_a_child, 240) {
    kill_everywhere(&(struct operation){prepare_two_children, join_family, remove_child, verify_children, 17});
}

static void destroy_supervisor(struct stage *stage) {
    if (prong_supervisor_destroy(stage->supervisor) < 0) _exit(1);
}

/* It is gone, or may be destroyed. */
static void verify_destroyed(struct stage *stage) {
    prong_status status = prong_supervisor_stop(stage->supervisor, PRONG_SECONDS(5));
    check(status == PRONG_OK || status == PRONG_STALE);
    is(prong_supervisor_destroy(stage->supervisor), status);
}

LONG_TEST(destroying_a_supervisor, 240) {
    kill_everywhere(&(struct operation){prepare_two_children, join_family, destroy_supervisor, verify_destroyed, 17});
}
