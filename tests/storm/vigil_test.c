/* Sleeping in poll, in stage 2 (src/family/vigil.h): it costs as little as on futexes, and a death is known in time whatever happens
 * to the lookouts, also if all members sleep in poll. TEST_TIME_FACTOR stretches what is measured. */
#include "wakeups.h"

#include "base/periods.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { IN_STAGE_2_MS = 1000, MOST = 20 };

struct scene {
    prong_queue never, pids;
    prong_connection ours, theirs; /* the victim holds theirs */
    prong_event leave;
};

/* Never readable, never at its end. */
static int silent_descriptor(void) {
    int ends[2];
    check(pipe(ends) == 0);
    return ends[0];
}

static struct scene scene_make(void) {
    struct scene scene;
    ok(prong_queue_create(&scene.never, NULL));
    ok(prong_queue_create(&scene.pids, NULL));
    ok(prong_event_create(&scene.leave, NULL));
    ok(prong_pipe_create(&scene.ours, &scene.theirs, NULL));
    ok(prong_connection_hold(scene.ours)); /* else it passes on with the handle */
    return scene;
}

static void scene_end(struct scene *scene) {
    ok(prong_queue_destroy(scene->never));
    ok(prong_queue_destroy(scene->pids));
    ok(prong_event_destroy(scene->leave));
    ok(prong_connection_close(scene->ours));
    test_arena_is_clean(0);
}

/* --- who takes part --- */

static int waits_for(prong_waitable item) {
    prong_waitable items[] = {item, {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = silent_descriptor()}};
    return prong_wait(items, 2, NULL, PRONG_FOREVER) < 0;
}

static int sleeps(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    return waits_for((prong_waitable){.kind = PRONG_WAIT_QUEUE, .queue = scene->never});
}

static int sleeps_until_told(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    waits_for((prong_waitable){.kind = PRONG_WAIT_EVENT, .event = scene->leave});
    pause();
    return 0;
}

static int sleeps_for_descriptors(void *argument, size_t size) {
    (void)argument, (void)size;
    return waits_for((prong_waitable){.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = silent_descriptor()});
}

static int sleeps_on_futex(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    ok(prong_event_wait(scene->leave, PRONG_FOREVER));
    for (;;) pause();
}

static int holds(void *argument, size_t size) {
    struct scene *scene = argument;
    int pid = getpid();
    (void)size;
    ok(prong_connection_close(scene->ours));
    ok(prong_queue_put(scene->pids, &pid, sizeof pid, PRONG_FOREVER));
    for (;;) pause();
}

static int starts_a_holder(void *argument, size_t size) {
    prong_process holder;
    struct scene *scene = argument;
    ok(prong_process_create(
        &holder, &(prong_process_options){
                     .target = holds, .argument = argument, .argument_size = size, .method = PRONG_START_FORK}));
    ok(prong_process_start(holder));
    ok(prong_connection_close(scene->ours));
    ok(prong_connection_close(scene->theirs));
    for (;;) pause();
}

static void start_all(int method, prong_target *target, prong_process *processes, int count,
                      const struct scene *scene) {
    struct scene theirs = *scene;
    memset(&theirs.ours, 0, sizeof theirs.ours);
    memset(&theirs.theirs, 0, sizeof theirs.theirs);
    for (int i = 0; i < count; i++) processes[i] = start_daemon(method, target, theirs);
}

static void send_all(prong_process *processes, int count, int signal) {
    for (int i = 0; i < count; i++) ok(prong_process_signal(processes[i], signal));
}

static void end_all(prong_process *processes, int count) {
    for (int i = 0; i < count; i++) equal(test_end(processes[i]), -SIGKILL);
}

/* --- waiting for the end of a connection --- */

struct killer {
    prong_event leave; /* set before, if it is not zero */
    int victims[MOST + 2], count;
    _Atomic int64_t at;
};

static void *kill_later(void *context) {
    struct killer *killer = context;
    test_sleep_ms(IN_STAGE_2_MS);
    if (killer->leave.offset) {
        ok(prong_event_set(killer->leave));
        test_sleep_ms(IN_STAGE_2_MS);
    }
    atomic_store(&killer->at, test_now());
    for (int i = 0; i < killer->count; i++) kill(killer->victims[i], SIGKILL);
    return NULL;
}

/* Waits for the connection's end, in poll, while a thread kills the holder of the other end, and these. How long after that it
 * was known. */
static int64_t known_after(struct scene *scene, prong_process *others, int count, prong_event leave) {
    struct killer killer = {.leave = leave, .count = count + 1};
    pthread_t thread;
    ok(prong_queue_get(scene->pids, &killer.victims[0], sizeof(int), NULL, PRONG_SECONDS(20)));
    for (int i = 0; i < count; i++) killer.victims[i + 1] = test_pid(others[i]);
    check(pthread_create(&thread, NULL, kill_later, &killer) == 0);
    int descriptor = silent_descriptor();
    prong_waitable items[] = {{.kind = PRONG_WAIT_CONNECTION, .connection = scene->ours},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = descriptor}};
    ok(prong_wait(items, 2, NULL, PRONG_SECONDS(60)));
    int64_t took = test_now() - atomic_load(&killer.at);
    pthread_join(thread, NULL);
    check(items[0].ready && !items[1].ready);
    return took;
}

static prong_process start_holder(int method, struct scene *scene) {
    prong_process holder = start_daemon(method, holds, *scene);
    ok(prong_connection_close(scene->theirs));
    return holder;
}

static void is_known_with(int method, prong_target *target, int count) {
    struct scene scene = scene_make();
    prong_process sleepers[MOST], holder = start_holder(method, &scene);
    start_all(method, target, sleepers, count, &scene);
    check_within(known_after(&scene, NULL, 0, (prong_event){0}), DEAD_KNOWN);
    send_all(sleepers, count, SIGKILL);
    end_all(sleepers, count);
    end_all(&holder, 1);
    scene_end(&scene);
}

LONG_METHOD_TEST(a_death_is_known_in_poll_by_a_member_that_waits_alone, 40) {
    is_known_with(method, NULL, 0);
}

LONG_METHOD_TEST(a_death_is_known_in_poll_when_all_others_sleep_in_poll, 40) {
    is_known_with(method, sleeps, 4);
}

LONG_METHOD_TEST(a_death_is_known_in_poll_when_all_others_sleep_on_futexes, 40) {
    is_known_with(method, sleeps_on_futex, 4);
}

/* Nobody but the one that waits takes a seat. */
LONG_TEST(a_death_is_known_in_poll_when_others_wait_for_descriptors_only, 40) {
    is_known_with(PRONG_START_FORK, sleeps_for_descriptors, 4);
}

LONG_TEST(a_death_is_known_in_poll_when_both_lookouts_die_as_well, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[2], holder = start_holder(PRONG_START_FORK, &scene);
    start_all(PRONG_START_FORK, sleeps, sleepers, 2, &scene);
    test_sleep_ms(IN_STAGE_2_MS);
    check_within(known_after(&scene, sleepers, 2, (prong_event){0}), DEAD_KNOWN);
    end_all(sleepers, 2);
    end_all(&holder, 1);
    scene_end(&scene);
}

LONG_TEST(a_death_is_known_in_poll_when_the_parent_dies_as_well, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[2], parent = start_daemon(PRONG_START_FORK, starts_a_holder, scene);
    ok(prong_connection_close(scene.theirs));
    start_all(PRONG_START_FORK, sleeps, sleepers, 2, &scene);
    check_within(known_after(&scene, &parent, 1, (prong_event){0}), DEAD_KNOWN);
    send_all(sleepers, 2, SIGKILL);
    end_all(sleepers, 2);
    end_all(&parent, 1);
    scene_end(&scene);
}

/* The dead one is not reaped. */
LONG_TEST(a_death_is_known_in_poll_when_the_parent_is_stopped, 40) {
    struct scene scene = scene_make();
    prong_process parent = start_daemon(PRONG_START_FORK, starts_a_holder, scene);
    ok(prong_connection_close(scene.theirs));
    test_sleep_ms(IN_STAGE_2_MS / 4);
    send_all(&parent, 1, SIGSTOP);
    check_within(known_after(&scene, NULL, 0, (prong_event){0}), DEAD_KNOWN);
    send_all(&parent, 1, SIGKILL);
    end_all(&parent, 1);
    scene_end(&scene);
}

/* The one that waits is rung then, and takes a seat. */
static void is_known_after_leaving(prong_target *target) {
    enum { MORE = 12 }; /* so that naps are longer than this test; these do not take seats */
    struct scene scene = scene_make();
    prong_process sleepers[2], more[MORE], holder = start_holder(PRONG_START_FORK, &scene);
    start_all(PRONG_START_FORK, sleeps_for_descriptors, more, MORE, &scene);
    start_all(PRONG_START_FORK, target, sleepers, 2, &scene);
    test_sleep_ms(IN_STAGE_2_MS);
    check_within(known_after(&scene, NULL, 0, scene.leave), DEAD_KNOWN);
    send_all(sleepers, 2, SIGKILL);
    end_all(sleepers, 2);
    send_all(more, MORE, SIGKILL);
    end_all(more, MORE);
    end_all(&holder, 1);
    scene_end(&scene);
}

LONG_TEST(a_death_is_known_in_poll_when_the_lookouts_have_left, 40) {
    is_known_after_leaving(sleeps_until_told);
}

LONG_TEST(a_death_is_known_in_poll_when_lookouts_on_futexes_have_left, 40) {
    is_known_after_leaving(sleeps_on_futex);
}

/* A lookout in poll is told of it. */
static void *starts_a_holder_later(void *context) {
    struct scene *scene = context;
    test_sleep_ms(IN_STAGE_2_MS);
    prong_process holder = start_daemon(PRONG_START_FORK, holds, *scene);
    ok(prong_connection_close(scene->theirs));
    ok(prong_queue_put(scene->pids, &holder, sizeof holder, PRONG_FOREVER));
    return NULL;
}

LONG_TEST(a_death_of_a_member_that_joined_later_is_known_in_poll, 40) {
    struct scene scene = scene_make();
    struct killer killer = {.count = 1};
    prong_process holder;
    pthread_t starter, thread;
    check(pthread_create(&starter, NULL, starts_a_holder_later, &scene) == 0);
    int descriptor = silent_descriptor();
    prong_waitable items[] = {{.kind = PRONG_WAIT_CONNECTION, .connection = scene.ours},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = descriptor}};
    is(prong_wait(items, 2, NULL, PRONG_SECONDS(2)), PRONG_TIMEOUT);
    pthread_join(starter, NULL);
    for (int i = 0; i < 2; i++) {
        char got[sizeof holder];
        size_t size;
        ok(prong_queue_get(scene.pids, got, sizeof got, &size, PRONG_SECONDS(20)));
        memcpy(size == sizeof(int) ? (void *)&killer.victims[0] : (void *)&holder, got, size);
    }
    check(pthread_create(&thread, NULL, kill_later, &killer) == 0);
    ok(prong_wait(items, 2, NULL, PRONG_SECONDS(60)));
    check_within(test_now() - atomic_load(&killer.at), DEAD_KNOWN);
    pthread_join(thread, NULL);
    end_all(&holder, 1);
    scene_end(&scene);
}

/* --- descriptors --- */

/* It has none to ring with. */
static int puts_without_descriptors(void *argument, size_t size) {
    struct scene *scene = argument;
    (void)size;
    test_sleep_ms(IN_STAGE_2_MS);
    check(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3}) == 0);
    int64_t now = test_now();
    ok(prong_queue_put(scene->never, &now, sizeof now, PRONG_NOWAIT));
    test_sleep_ms(IN_STAGE_2_MS / 2);
    ok(prong_queue_put(scene->never, &now, sizeof now, PRONG_NOWAIT));
    pause();
    return 0;
}

/* How long after the put it was known; and the second one. */
static void is_woken_without_a_ring(struct scene *scene, int64_t first) {
    int64_t now, sent;
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = scene->never},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = silent_descriptor()}};
    for (int i = 0; i < 2; i++) {
        ok(prong_wait(items, 2, NULL, PRONG_SECONDS(20)));
        now = test_now();
        ok(prong_queue_get(scene->never, &sent, sizeof sent, NULL, PRONG_NOWAIT));
        check_within(now - sent, i ? PRONG_MS(IN_STAGE_2_MS / 2) + DEAD_KNOWN : first);
    }
}

static void puts_without_ringing(int sleepers_count, int64_t first) {
    struct scene scene = scene_make();
    prong_process sleepers[MOST], putter;
    start_all(PRONG_START_FORK, sleeps_on_futex, sleepers, sleepers_count, &scene);
    start_all(PRONG_START_FORK, puts_without_descriptors, &putter, 1, &scene);
    is_woken_without_a_ring(&scene, first);
    send_all(&putter, 1, SIGKILL);
    end_all(&putter, 1);
    send_all(sleepers, sleepers_count, SIGKILL);
    end_all(sleepers, sleepers_count);
    ok(prong_connection_close(scene.theirs));
    scene_end(&scene);
}

LONG_TEST(a_put_that_cannot_ring_is_found_in_time_when_another_can, 40) {
    puts_without_ringing(10, DEAD_KNOWN);
}

LONG_TEST(a_put_that_cannot_ring_is_found_when_no_other_can, 40) {
    puts_without_ringing(0, LOOKOUT_NAP * 2 * 5 / 4 + DEAD_KNOWN);
}

LONG_TEST(a_long_wait_in_poll_leaves_no_descriptor_open, 40) {
    struct scene scene = scene_make();
    prong_process sleepers[3];
    start_all(PRONG_START_FORK, sleeps, sleepers, 3, &scene);
    prong_waitable items[] = {{.kind = PRONG_WAIT_QUEUE, .queue = scene.never},
                              {.kind = PRONG_WAIT_DESCRIPTOR, .descriptor = silent_descriptor()}};
    int before = test_open_descriptors();
    is(prong_wait(items, 2, NULL, PRONG_MS(1500)), PRONG_TIMEOUT);
    equal(test_open_descriptors(), before);
    send_all(sleepers, 3, SIGKILL);
    end_all(sleepers, 3);
    ok(prong_connection_close(scene.theirs));
    scene_end(&scene);
}

/* --- what sleeping costs --- */

static long wakeups_of(prong_target *target, int count, int ms) {
    struct scene scene = scene_make();
    prong_process sleepers[MOST];
    start_all(PRONG_START_SPAWN, target, sleepers, count, &scene);
    test_sleep_ms(IN_STAGE_2_MS * 2);
    long before = switches_of_all(sleepers, count);
    test_sleep_ms(ms);
    long woken = switches_of_all(sleepers, count) - before;
    send_all(sleepers, count, SIGKILL);
    end_all(sleepers, count);
    ok(prong_connection_close(scene.theirs));
    scene_end(&scene);
    return woken;
}

/* With a nap of 100 ms each, they would wake up 600 times. */
LONG_TEST(members_that_sleep_in_poll_wake_up_seldom, 40) {
    long woken = wakeups_of(sleeps, MOST, 3000);
    if (woken > 60) test_failed(__FILE__, __LINE__, "%ld wake-ups", woken);
}

LONG_TEST(members_that_sleep_for_descriptors_do_not_wake_up, 40) {
    long woken = wakeups_of(sleeps_for_descriptors, MOST, 2000);
    if (woken > 0) test_failed(__FILE__, __LINE__, "%ld wake-ups", woken);
}

static long switches_of_family(void) {
    prong_member members[MOST];
    size_t count;
    long sum = 0;
    ok(prong_family_members(members, MOST, &count));
    for (size_t i = 0; i < count && i < MOST; i++) sum += switches_of_pid(members[i].pid);
    return sum;
}

/* The owners of pools, their workers, and servers. A server wakes up once a second. */
LONG_TEST(idle_pools_and_servers_wake_up_seldom, 40) {
    enum { POOLS = 3, SERVERS = 3, MS = 3000 };
    prong_pool pools[POOLS];
    prong_manager managers[SERVERS];
    for (int i = 0; i < POOLS; i++)
        ok(prong_pool_create(&pools[i], &(prong_pool_options){.processes = 2, .method = PRONG_START_SPAWN}));
    for (int i = 0; i < SERVERS; i++)
        ok(prong_manager_start(&managers[i], &(prong_manager_options){.method = PRONG_START_SPAWN}));
    test_sleep_ms(IN_STAGE_2_MS);
    long before = switches_of_family();
    test_sleep_ms(MS);
    long woken = switches_of_family() - before;
    for (int i = 0; i < POOLS; i++) {
        ok(prong_pool_terminate(pools[i]));
        ok(prong_pool_join(pools[i], PRONG_SECONDS(20)));
        ok(prong_pool_destroy(pools[i]));
    }
    for (int i = 0; i < SERVERS; i++) ok(prong_manager_shutdown(managers[i], PRONG_SECONDS(20)));
    if (woken > 60) test_failed(__FILE__, __LINE__, "%ld wake-ups in %d ms", woken, MS);
    test_arena_is_clean(0);
}
