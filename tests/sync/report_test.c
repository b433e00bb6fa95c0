/* The report: who holds, who waits, and who waits in a circle. */
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    prong_lock first, second;
    prong_lock rlock;
    prong_event go, ready[2];
    int me;
};

static struct shared make(void) {
    struct shared s = {0};
    ok(prong_lock_create(&s.first, &(prong_lock_options){.name = "first"}));
    ok(prong_lock_create(&s.second, &(prong_lock_options){.name = "second"}));
    ok(prong_lock_create(&s.rlock, &(prong_lock_options){.recursive = true, .name = "third"}));
    ok(prong_event_create(&s.go, &(prong_event_options){.name = "go"}));
    for (int i = 0; i < 2; i++) ok(prong_event_create(&s.ready[i], NULL));
    return s;
}

static void end(struct shared *s) {
    ok(prong_lock_destroy(s->first));
    ok(prong_lock_destroy(s->second));
    ok(prong_lock_destroy(s->rlock));
    ok(prong_event_destroy(s->go));
    for (int i = 0; i < 2; i++) ok(prong_event_destroy(s->ready[i]));
    test_arena_is_clean(0);
}

static char report[20000];

/* Until it says so: waits come and go. */
static bool reports(const char *text, unsigned wanted) {
    for (int i = 0; i < 400; i++) {
        unsigned deadlocks;
        ok(prong_family_report(report, sizeof report, NULL, &deadlocks));
        if (strstr(report, text) && deadlocks == wanted) return true;
        test_sleep_ms(10);
    }
    fprintf(stderr, "the report does not say \"%s\" with %u deadlocks:\n%s", text, wanted, report);
    return false;
}

static int take_both(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    ok(prong_lock_acquire(s->me ? s->second : s->first, PRONG_SECONDS(5)));
    ok(prong_event_set(s->ready[s->me]));
    ok(prong_event_wait(s->go, PRONG_SECONDS(10)));
    prong_status status = prong_lock_acquire(s->me ? s->first : s->second, PRONG_SECONDS(20));
    return status == PRONG_OK || status == PRONG_OWNER_DIED ? 0 : 1;
}

METHOD_TEST(a_circle_of_two_locks_is_named) {
    struct shared s = make();
    prong_process processes[2];
    char line[200];
    for (s.me = 0; s.me < 2; s.me++) processes[s.me] = start_with(method, take_both, s);
    for (int i = 0; i < 2; i++) ok(prong_event_wait(s.ready[i], PRONG_SECONDS(10)));
    int pid = test_pid(processes[0]);
    snprintf(line, sizeof line, "lock 'first' is held by process %d", pid);
    check(reports(line, 0));
    check(reports("for event 'go'", 0));
    ok(prong_event_set(s.go));
    check(reports("deadlock:", 1));
    char *circle = strstr(report, "deadlock:");
    check(strstr(circle, "lock 'first'") && strstr(circle, "lock 'second'") && strstr(circle, "waits"));
    /* the way out: one of them dies, and its lock goes to the other */
    ok(prong_process_signal(processes[0], SIGKILL));
    equal(test_end(processes[1]), 0);
    equal(test_end(processes[0]), -SIGKILL);
    check(reports("died holding lock 'first'", 0));
    end(&s);
}

static int wait_for_third(void *argument, size_t size) {
    struct shared *s = argument;
    (void)size;
    return prong_lock_acquire(s->rlock, PRONG_SECONDS(20));
}

METHOD_TEST(joining_a_child_that_waits_for_our_lock_is_a_circle) {
    struct shared s = make();
    ok(prong_lock_acquire(s.rlock, PRONG_NOWAIT));
    prong_process child = start_with(method, wait_for_third, s);
    check(reports("for lock 'third'", 0));
    is(prong_process_join(child, PRONG_MS(50)), PRONG_TIMEOUT);
    pid_t watcher = fork(); /* somebody else looks at us while we wait */
    if (watcher == 0) {
        test_sleep_ms(50);
        _exit(reports("deadlock:", 1) ? 0 : 1);
    }
    prong_process_join(child, PRONG_SECONDS(1));
    ok(prong_lock_release(s.rlock));
    equal(test_end(child), PRONG_OK);
    int status;
    check(waitpid(watcher, &status, 0) == watcher && status == 0);
    is(prong_lock_acquire(s.rlock, PRONG_SECONDS(5)), PRONG_OWNER_DIED);
    ok(prong_lock_release(s.rlock));
    end(&s);
}

static void *wait_in_a_thread(void *shared) {
    struct shared *s = shared;
    ok(prong_lock_acquire(s->rlock, PRONG_SECONDS(20)));
    ok(prong_lock_release(s->rlock));
    return NULL;
}

TEST(a_thread_waiting_for_another_is_no_circle) {
    struct shared s = make();
    pthread_t thread;
    ok(prong_lock_acquire(s.rlock, PRONG_NOWAIT));
    check(pthread_create(&thread, NULL, wait_in_a_thread, &s) == 0);
    check(reports("waits", 0));
    ok(prong_lock_release(s.rlock));
    pthread_join(thread, NULL);
    end(&s);
}

static int wait_for_message(void *argument, size_t size) {
    long number;
    (void)size;
    ok(prong_queue_get(*(prong_queue *)argument, &number, sizeof number, NULL, PRONG_SECONDS(20)));
    return (int)number;
}

METHOD_TEST(who_waits_for_a_message_is_named) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    prong_process child = start_with(method, wait_for_message, queue);
    check(reports("s for queue ", 0));
    ok(prong_queue_put(queue, &(long){7}, sizeof(long), PRONG_NOWAIT));
    equal(test_end(child), 7);
    ok(prong_family_report(report, sizeof report, NULL, NULL));
    check(!strstr(report, "s for queue "));
    ok(prong_queue_destroy(queue));
    test_arena_is_clean(0);
}

TEST(a_report_is_cut_at_the_room_it_is_given_and_says_its_length) {
    char text[10] = "x";
    size_t length;
    ok(prong_family_report(NULL, 0, &length, NULL));
    check(length > 10);
    ok(prong_family_report(text, sizeof text, &length, NULL));
    equal(strlen(text), 9);
    check(length > 10);
    ok(prong_family_report(text, 0, &length, NULL)); /* no room for anything */
    equal(strlen(text), 9);
}
