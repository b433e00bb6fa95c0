/* Supervised processes that are killed and stopped at random, from outside, and a supervisor that is stopped and continued:
 * each end is one restart, no more and no less, and the order holds. PRONG_STORM_KILLS sets how often. */
#include "../pool/supervisor_test.h"

enum { CHILDREN = 5, REFUSES = 1, PROGRAM = 3 }; /* which child is what */

static int storm_kills(void) {
    const char *kills = getenv("PRONG_STORM_KILLS");
    return kills ? atoi(kills) : 60;
}

struct scene {
    prong_queue log;
    prong_supervisor supervisor;
    prong_process boss;
    int pids[CHILDREN];
    unsigned restarts;
};

/* Until all run, after so many restarts in all. */
static void scene_settle(struct scene *scene) {
    prong_child_state states[CHILDREN];
    unsigned restarts = 0;
    size_t count, running = 0;
    for (int i = 0; i < 4000; i++, test_sleep_ms(3)) {
        ok(prong_supervisor_children(scene->supervisor, states, CHILDREN, &count));
        restarts = 0, running = 0;
        for (size_t k = 0; k < count; k++) {
            restarts += states[k].restarts;
            running += states[k].phase == PRONG_CHILD_RUNNING && states[k].pid;
            scene->pids[k] = states[k].pid;
        }
        if (running == CHILDREN && restarts == scene->restarts) return;
    }
    test_failed(__FILE__, __LINE__, "%u restarts and not %u; %zu run", restarts, scene->restarts, running);
}

static struct scene scene_begin(prong_strategy strategy, int method) {
    static struct duty duties[CHILDREN];
    prong_child_options children[CHILDREN];
    struct scene scene = {.log = make_log()};
    for (int i = 0; i < CHILDREN; i++) {
        duties[i] = duty_make(i, scene.log);
        children[i] = duty_child(&duties[i], method);
    }
    children[REFUSES].process.target = refuse;
    children[REFUSES].grace = PRONG_MS(20);
    children[PROGRAM] = (prong_child_options){.program = (const char *const[]){"sleep", "1000", NULL},
                                              .process = {.method = (prong_start_method)method}};
    scene.supervisor =
        make(children, CHILDREN, &(prong_supervisor_options){.strategy = strategy, .intensity = 1000, .backoff = -1});
    scene.boss = start_with(method, run_supervisor, scene.supervisor);
    scene_settle(&scene);
    return scene;
}

/* Stops it: those that tell of their end do so in the reverse order. */
static void scene_end(struct scene *scene) {
    struct event event;
    int last = CHILDREN;
    while (test_queue_size(scene->log)) next_event(scene->log);
    ok(prong_supervisor_stop(scene->supervisor, PRONG_SECONDS(10)));
    while (test_queue_size(scene->log)) {
        event = next_event(scene->log);
        check(event.what == ENDED && event.number < last);
        last = event.number;
    }
    equal(last, 0);
    equal(test_end(scene->boss), 0);
    for (int i = 0; i < CHILDREN; i++) check(test_gone_within(scene->pids[i], 2000));
}

static void scene_strike(struct scene *scene) {
    int victim = rand() % CHILDREN, boss = 0;
    prong_process_state state;
    ok(prong_process_get_state(scene->boss, &state));
    if (rand() % 3 == 0) boss = state.pid;
    if (boss) kill(boss, SIGSTOP);
    if (rand() % 4 == 0) kill(scene->pids[victim], SIGSTOP); /* a stopped one can be killed, too */
    kill(scene->pids[victim], victim == REFUSES || rand() % 2 ? SIGKILL : SIGTERM);
    kill(scene->pids[victim], SIGCONT);
    scene->restarts++;
    if (boss) test_sleep_ms(rand() % 30);
    if (boss) kill(boss, SIGCONT);
}

static void storm(prong_strategy strategy, int method) {
    struct scene scene = scene_begin(strategy, method);
    for (int kills = storm_kills(); kills > 0; kills--) {
        scene_strike(&scene);
        scene_settle(&scene);
        while (test_queue_size(scene.log)) next_event(scene.log);
    }
    scene_end(&scene);
}

METHOD_TEST(each_killed_child_is_restarted_once) {
    storm(PRONG_ONE_FOR_ONE, method);
}

METHOD_TEST(each_killed_child_is_restarted_once_with_those_after_it) {
    storm(PRONG_REST_FOR_ONE, method);
}

/* As many restarts as it may make, and one more. */
METHOD_TEST(it_gives_up_at_the_very_kill_that_is_one_too_many) {
    enum { INTENSITY = 4 };
    prong_queue log = make_log();
    struct duty duties[] = {duty_make(0, log), duty_make(1, log)};
    prong_child_options children[] = {duty_child(&duties[0], method), duty_child(&duties[1], method)};
    for (int round = 0; round < 3; round++) {
        prong_supervisor supervisor =
            make(children, 2,
                 &(prong_supervisor_options){.intensity = INTENSITY, .period = PRONG_SECONDS(600), .backoff = -1});
        prong_process boss = start_with(method, run_supervisor, supervisor);
        for (unsigned kills = 0; kills <= INTENSITY; kills++) {
            size_t victim = (size_t)rand() % 2;
            for (int i = 0; i < 4000; i++, test_sleep_ms(2)) {
                prong_child_state states[] = {child_state(supervisor, 0), child_state(supervisor, 1)};
                check(states[0].restarts + states[1].restarts <= kills);
                if (states[0].restarts + states[1].restarts == kills && states[0].phase == PRONG_CHILD_RUNNING &&
                    states[1].phase == PRONG_CHILD_RUNNING)
                    break;
            }
            check(prong_process_join(boss, PRONG_NOWAIT) == PRONG_TIMEOUT);
            kill(child_state(supervisor, victim).pid, SIGKILL);
        }
        equal(test_end(boss), -PRONG_GAVE_UP);
        equal(child_state(supervisor, 0).phase, PRONG_CHILD_DOWN);
        equal(child_state(supervisor, 1).phase, PRONG_CHILD_DOWN);
        ok(prong_supervisor_destroy(supervisor));
    }
}

/* The supervisor is killed, at any moment of a restart, and another process goes on with its children. */
METHOD_TEST(another_process_goes_on_after_the_death_of_a_supervisor) {
    struct scene scene = scene_begin(PRONG_ONE_FOR_ONE, method);
    for (int kills = storm_kills() / 6; kills > 0; kills--) {
        kill(scene.pids[rand() % CHILDREN], SIGKILL);
        test_sleep_ms(rand() % 4);
        ok(prong_process_signal(scene.boss, SIGKILL));
        equal(test_end(scene.boss), -SIGKILL);
        for (int i = 0; i < CHILDREN; i++) check(test_gone_within(scene.pids[i], 2000));
        scene.restarts = 0;
        scene.boss = start_with(method, run_supervisor, scene.supervisor);
        scene_settle(&scene);
        while (test_queue_size(scene.log)) next_event(scene.log);
    }
    scene_end(&scene);
}
