/* Threads of a process that make their first call at once: one of them enters the family, and the others wait for it. */
#include "../support/test.h"

#include "family/member.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, PROCESSES = 100 };

static pthread_barrier_t together;
static prong_queue inherited; /* made before the process was forked */

static void put_in_one_of_its_own(void) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    check(member_has_row(self_token()));
    ok(prong_queue_put(queue, "x", 1, PRONG_SECONDS(10)));
    ok(prong_queue_destroy(queue));
}

static void *call_first(void *unused) {
    (void)unused;
    pthread_barrier_wait(&together);
    if (inherited.generation)
        ok(prong_queue_put(inherited, "x", 1, PRONG_SECONDS(10)));
    else
        put_in_one_of_its_own();
    check(member_has_row(self_token()));
    return NULL;
}

static void call_at_once(void) {
    pthread_t threads[THREADS];
    check(pthread_barrier_init(&together, NULL, THREADS) == 0);
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, call_first, NULL) == 0);
    for (int i = 0; i < THREADS; i++) check(pthread_join(threads[i], NULL) == 0);
}

static void call_in_each_process(void) {
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            call_at_once();
            _exit(0);
        }
        check(pid > 0 && waitpid(pid, &status, 0) == pid);
        equal(status, 0);
    }
}

TEST(threads_make_the_first_calls_of_a_family_at_once) {
    call_in_each_process();
}

TEST(threads_of_a_forked_process_use_what_it_inherited_at_once) {
    ok(prong_queue_create(&inherited, NULL));
    call_in_each_process();
    equal(test_queue_size(inherited), THREADS * PROCESSES);
    ok(prong_queue_destroy(inherited));
    test_arena_is_clean(0);
}
