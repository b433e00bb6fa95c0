/* The report on what several may hold at once: units of semaphores, places at barriers; and on circles through them. */
#include "../support/test.h"

#include <signal.h>

struct shared {
    prong_lock lock;
    prong_semaphore units;
    prong_barrier barrier;
    prong_event go;
    prong_queue ready;
    unsigned rounds;
};

static char report[20000];

static struct shared make(unsigned units) {
    struct shared s = {0};
    ok(prong_lock_create(&s.lock, &(prong_lock_options){.name = "one"}));
    ok(prong_semaphore_create(&s.units, units, &(prong_semaphore_options){.recover = true, .name = "units"}));
    ok(prong_barrier_create(&s.barrier, 2, &(prong_barrier_options){.name = "meeting"}));
    ok(prong_event_create(&s.go, NULL));
    ok(prong_queue_create(&s.ready, NULL));
    return s;
}

static void end(struct shared *s) {
    ok(prong_queue_destroy(s->ready));
    ok(prong_event_destroy(s->go));
    ok(prong_barrier_destroy(s->barrier));
    ok(prong_semaphore_destroy(s->units));
    ok(prong_lock_destroy(s->lock));
    test_arena_is_clean(0);
}

static void tell_ready(const struct shared *s) {
    ok(prong_queue_put(s->ready, "r", 1, PRONG_NOWAIT));
}

static void await_ready(const struct shared *s) {
    char byte;
    ok(prong_queue_get(s->ready, &byte, 1, NULL, PRONG_SECONDS(10)));
}

static int pid_of(prong_process process) {
    int pid;
    pid = test_pid(process);
    return pid;
}

/* Until it has that line and so many deadlocks: waits come and go. */
static bool reports(unsigned deadlocks, const char *format, int pid) {
    char line[200];
    unsigned found = 0;
    snprintf(line, sizeof line, format, pid);
    for (int i = 0; i < 400; i++) {
        ok(prong_family_report(report, sizeof report, NULL, &found));
        if (strstr(report, line) && found == deadlocks) return true;
        test_sleep_ms(10);
    }
    fprintf(stderr, "%u deadlocks, and no \"%s\":\n%s", found, line, report);
    return false;
}

static int take_a_unit_then_the_lock(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_semaphore_acquire(s->units, PRONG_SECONDS(10)));
    tell_ready(s);
    ok(prong_event_wait(s->go, PRONG_SECONDS(10)));
    prong_status status = prong_lock_acquire(s->lock, PRONG_SECONDS(30));
    return status < 0 ? 1 : prong_lock_release(s->lock);
}

static int take_the_lock_then_a_unit(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_lock_acquire(s->lock, PRONG_SECONDS(10)));
    tell_ready(s);
    ok(prong_event_wait(s->go, PRONG_SECONDS(10)));
    return prong_semaphore_acquire(s->units, PRONG_SECONDS(30));
}

static int take_the_lock(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    prong_status status = prong_lock_acquire(s->lock, PRONG_SECONDS(30));
    return status < 0 ? 1 : prong_lock_release(s->lock);
}

METHOD_TEST(a_circle_through_the_only_unit_of_a_semaphore_is_a_deadlock) {
    struct shared s = make(1);
    prong_process with_unit = start_with(method, take_a_unit_then_the_lock, s);
    int pid = pid_of(with_unit);
    await_ready(&s);
    prong_process with_lock = start_with(method, take_the_lock_then_a_unit, s);
    await_ready(&s);
    check(reports(0, "semaphore 'units' is held by process %d", pid));
    ok(prong_event_set(s.go));
    check(reports(1, "deadlock:", 0));
    check(strstr(strstr(report, "deadlock:"), "semaphore 'units'"));
    /* a third, who only waits for one of them, is no part of the circle, and makes no other */
    prong_process third = start_with(method, take_the_lock, s);
    check(reports(1, "process %d", pid_of(third)));
    ok(prong_process_signal(with_unit, SIGKILL));
    equal(test_end(with_unit), -SIGKILL);
    check(test_end(with_lock) >= 0); /* its unit came back */
    equal(test_end(third), 0);
    check(reports(0, "process %d 'Process-1' died holding 1 of semaphore 'units'", pid));
    end(&s);
}

METHOD_TEST(of_several_holders_each_may_give_a_unit_and_there_is_no_deadlock) {
    struct shared s = make(2);
    prong_process holders[2];
    for (int i = 0; i < 2; i++) {
        holders[i] = start_with(method, take_a_unit_then_the_lock, s);
        await_ready(&s);
    }
    prong_process with_lock = start_with(method, take_the_lock_then_a_unit, s);
    await_ready(&s);
    for (int i = 0; i < 2; i++) check(reports(0, "semaphore 'units' is held by process %d", pid_of(holders[i])));
    ok(prong_event_set(s.go));
    check(reports(0, "s for semaphore 'units'", 0));
    ok(prong_process_signal(holders[0], SIGKILL));
    equal(test_end(holders[0]), -SIGKILL);
    check(test_end(with_lock) >= 0);
    check(test_end(holders[1]) >= 0);
    end(&s);
}

static int meet(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    for (unsigned round = 0; round < s->rounds; round++) {
        ok(prong_barrier_wait(s->barrier, NULL, NULL, PRONG_SECONDS(20)));
        tell_ready(s);
    }
    ok(prong_event_wait(s->go, PRONG_SECONDS(20)));
    return 0;
}

/* The report names the party that took part in the last round and has not arrived in this one. */
METHOD_TEST(whom_a_barrier_waits_for_is_named) {
    struct shared s = make(1);
    s.rounds = 2;
    prong_process keen = start_with(method, meet, s);
    s.rounds = 1;
    prong_process slow = start_with(method, meet, s);
    await_ready(&s);
    await_ready(&s);
    check(reports(0, "barrier 'meeting' expects process %d", pid_of(slow)));
    check(reports(0, "s for barrier 'meeting'", 0));
    ok(prong_barrier_wait(s.barrier, NULL, NULL, PRONG_SECONDS(10))); /* whoever it is: two are there */
    ok(prong_event_set(s.go));
    equal(test_end(keen), 0);
    equal(test_end(slow), 0);
    end(&s);
}
