/* Sleeping in stage 2 (src/family/lookout.h): it costs nothing, and a death is known in time whatever happens to the lookouts. Who
 * waits here holds nothing but its time; TEST_TIME_FACTOR stretches what is measured. */
#include "wakeups.h"

#include "base/periods.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_STAGE_2_MS = 400, SLEEPERS_MOST = 200 };

struct scene {
    prong_lock lock;
    prong_event never, held;
    prong_queue pids;
};

static struct scene scene_make(void) {
    struct scene scene;
    ok(prong_lock_create(&scene.lock, NULL));
    ok(prong_event_create(&scene.never, NULL));
    ok(prong_event_create(&scene.held, NULL));
    ok(prong_queue_create(&scene.pids, NULL));
    return scene;
}

static void scene_end(struct scene *scene) {
    ok(prong_lock_destroy(scene->lock));
    ok(prong_event_destroy(scene->never));
    ok(prong_event_destroy(scene->held));
    ok(prong_queue_destroy(scene->pids));
    test_arena_is_clean(0);
}

/* --- who takes part --- */

static int sleeps(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    return prong_event_wait(scene->never, PRONG_FOREVER) < 0;
}

static int holds(void *argument, size_t size) {
    struct scene *scene = argument;
    int pid = getpid();
    (void)size;
    ok(prong_lock_acquire(scene->lock, PRONG_FOREVER));
    ok(prong_queue_put(scene->pids, &pid, sizeof pid, PRONG_FOREVER));
    ok(prong_event_set(scene->held));
    for (;;) pause();
}

static void *holds_in_a_thread(void *scene) {
    holds(scene, 0);
    return NULL;
}

static void *joins_and_ends(void *scene) {
    ok(prong_lock_acquire(((struct scene *)scene)->lock, PRONG_FOREVER));
    ok(prong_lock_release(((struct scene *)scene)->lock));
    return NULL;
}

/* The parent of the holder, which does not wait for it. */
static int starts_a_holder(void *argument, size_t size) {
    prong_process holder;
    ok(prong_process_create(
        &holder, &(prong_process_options){
                     .target = holds, .argument = argument, .argument_size = size, .method = PRONG_START_FORK}));
    ok(prong_process_start(holder));
    for (;;) pause();
}

static void start_sleepers_by(int method, prong_process *sleepers, int count, const struct scene *scene) {
    for (int i = 0; i < count; i++) sleepers[i] = start_daemon(method, sleeps, *scene);
    test_sleep_ms(IN_STAGE_2_MS);
}

static void start_sleepers(prong_process *sleepers, int count, const struct scene *scene) {
    start_sleepers_by(PRONG_START_FORK, sleepers, count, scene);
}

static void send_all(prong_process *processes, int count, int signal) {
    for (int i = 0; i < count; i++) ok(prong_process_signal(processes[i], signal));
}

static void end_all(prong_process *processes, int count) {
    for (int i = 0; i < count; i++) equal(test_end(processes[i]), -SIGKILL);
}

/* --- waiting for the holder's death --- */

struct killer {
    int victims[SLEEPERS_MOST + 2], count;
    _Atomic int64_t at;
};

static void *kill_later(void *context) {
    struct killer *killer = context;
    test_sleep_ms(IN_STAGE_2_MS);
    atomic_store(&killer->at, test_now());
    for (int i = 0; i < killer->count; i++) kill(killer->victims[i], SIGKILL);
    return NULL;
}

/* Waits for the lock, in stage 2, while a thread kills the holder and these others. How long after that it was taken. */
static int64_t taken_after(struct scene *scene, prong_process *others, int count) {
    struct killer killer = {.count = count + 1};
    pthread_t thread;
    ok(prong_event_wait(scene->held, PRONG_SECONDS(20)));
    ok(prong_queue_get(scene->pids, &killer.victims[0], sizeof(int), NULL, PRONG_SECONDS(20)));
    for (int i = 0; i < count; i++) killer.victims[i + 1] = test_pid(others[i]);
    check(pthread_create(&thread, NULL, kill_later, &killer) == 0);
    is(prong_lock_acquire(scene->lock, PRONG_SECONDS(60)), PRONG_OWNER_DIED);
    int64_t took = test_now() - atomic_load(&killer.at);
    pthread_join(thread, NULL);
    ok(prong_lock_release(scene->lock));
    return took;
}

LONG_TEST(a_death_is_known_when_others_watch, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[4], holder = start_daemon(PRONG_START_FORK, holds, scene);
    start_sleepers(sleepers, 4, &scene);
    check_within(taken_after(&scene, NULL, 0), DEAD_KNOWN);
    send_all(sleepers, 4, SIGKILL);
    end_all(sleepers, 4);
    end_all(&holder, 1);
    scene_end(&scene);
}

LONG_TEST(a_death_is_known_when_both_lookouts_die_as_well, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[2], holder = start_daemon(PRONG_START_FORK, holds, scene);
    start_sleepers(sleepers, 2, &scene);
    check_within(taken_after(&scene, sleepers, 2), DEAD_KNOWN);
    end_all(sleepers, 2);
    end_all(&holder, 1);
    scene_end(&scene);
}

/* Those that were woken to take the seats may be among the dead: then the next nap finds it. */
LONG_TEST(a_death_is_known_when_all_others_die_as_well, 60) {
    struct scene scene = scene_make();
    prong_process sleepers[20], holder = start_daemon(PRONG_START_FORK, holds, scene);
    start_sleepers(sleepers, 20, &scene);
    check_within(taken_after(&scene, sleepers, 20), LOOKOUT_NAP * 22 * 5 / 4 + DEAD_KNOWN);
    end_all(sleepers, 20);
    end_all(&holder, 1);
    scene_end(&scene);
}

LONG_TEST(a_death_is_known_when_both_lookouts_are_stopped, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[2], holder = start_daemon(PRONG_START_FORK, holds, scene);
    start_sleepers(sleepers, 2, &scene);
    send_all(sleepers, 2, SIGSTOP);
    check_within(taken_after(&scene, NULL, 0), LOOKOUT_NAP * 4 * 5 / 4 + DEAD_KNOWN);
    send_all(sleepers, 2, SIGKILL);
    end_all(sleepers, 2);
    end_all(&holder, 1);
    scene_end(&scene);
}

LONG_TEST(a_death_is_known_when_the_parent_dies_as_well, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[2], parent = start_daemon(PRONG_START_FORK, starts_a_holder, scene);
    start_sleepers(sleepers, 2, &scene);
    check_within(taken_after(&scene, &parent, 1), DEAD_KNOWN);
    send_all(sleepers, 2, SIGKILL);
    end_all(sleepers, 2);
    end_all(&parent, 1);
    scene_end(&scene);
}

/* It forks without the library, and uses it first in a thread that ends. */
LONG_TEST(a_death_is_known_when_the_thread_that_joined_has_ended, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[2];
    int pid = fork();
    check(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, joins_and_ends, &scene);
        pthread_join(thread, NULL);
        holds_in_a_thread(&scene);
    }
    start_sleepers(sleepers, 2, &scene);
    check_within(taken_after(&scene, NULL, 0), DEAD_KNOWN);
    send_all(sleepers, 2, SIGKILL);
    end_all(sleepers, 2);
    scene_end(&scene);
}

/* --- what sleeping costs --- */

/* With a nap of 100 ms each, they would wake up 1,000 times. By spawn: with musl, a forked child may have no pulse. */
LONG_TEST(members_that_sleep_wake_up_seldom, 40) {
    enum { COUNT = 50, MS = 2000 };
    struct scene scene = scene_make();
    prong_process sleepers[COUNT];
    start_sleepers_by(PRONG_START_SPAWN, sleepers, COUNT, &scene);
    test_sleep_ms(IN_STAGE_2_MS);
    long before = switches_of_all(sleepers, COUNT);
    test_sleep_ms(MS);
    long woken = switches_of_all(sleepers, COUNT) - before;
    send_all(sleepers, COUNT, SIGKILL);
    end_all(sleepers, COUNT);
    if (woken > COUNT * 3) test_failed(__FILE__, __LINE__, "%ld wake-ups of %d members in %d ms", woken, COUNT, MS);
    scene_end(&scene);
}

/* More than a lookout can watch. */
LONG_TEST(a_death_among_two_hundred_is_known, 60) {
    static prong_process sleepers[SLEEPERS_MOST];
    struct scene scene = scene_make();
    start_sleepers(sleepers, SLEEPERS_MOST, &scene);
    prong_process holder = start_daemon(PRONG_START_FORK, holds, scene);
    check_within(taken_after(&scene, NULL, 0), DEAD_KNOWN);
    send_all(sleepers, SLEEPERS_MOST, SIGKILL);
    end_all(sleepers, SLEEPERS_MOST);
    end_all(&holder, 1);
    scene_end(&scene);
}
