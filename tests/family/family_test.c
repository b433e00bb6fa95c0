/* The family as a program sees it: memory, members, forks of the host's own, threads. */
#include "../support/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(memory_is_one_for_all_members) {
    long *numbers;
    ok(prong_memory_alloc(1000 * sizeof *numbers, (void **)&numbers));
    check((uintptr_t)numbers % 64 == 0);
    uint64_t offset = prong_memory_offset(numbers);
    check(offset != 0 && prong_memory_at(offset) == numbers);
    numbers[5] = 1;
    pid_t pid = fork();
    if (pid == 0) {
        numbers[5] = 77;
        _exit(0);
    }
    check(waitpid(pid, NULL, 0) == pid);
    equal(numbers[5], 77);
    ok(prong_memory_free(numbers));
    is(prong_memory_free(numbers), PRONG_STALE);
    is(prong_memory_free(&offset), PRONG_STALE);
    ok(prong_memory_free(NULL));
    equal(prong_memory_offset(&offset), 0);
    check(prong_memory_at(0) == NULL && prong_memory_at(~0ull) == NULL);
    test_arena_is_clean(0);
}

static int write_there(void *argument, size_t size) {
    long *number = prong_memory_at(*(uint64_t *)argument);
    (void)size;
    *number = 4711;
    return 0;
}

METHOD_TEST(an_offset_means_the_same_in_every_member) {
    long *number;
    ok(prong_memory_alloc(sizeof *number, (void **)&number));
    uint64_t offset = prong_memory_offset(number);
    equal(test_end(start_with(method, write_there, offset)), 0);
    equal(*number, 4711);
}

static int free_it(void *argument, size_t size) {
    (void)size;
    return prong_memory_free(prong_memory_at(*(uint64_t *)argument));
}

METHOD_TEST(one_member_may_free_what_another_allocated) {
    void *memory;
    ok(prong_memory_alloc(100000, &memory));
    uint64_t offset = prong_memory_offset(memory);
    equal(test_end(start_with(method, free_it, offset)), 0);
    is(prong_memory_free(memory), PRONG_STALE);
    test_arena_is_clean(0);
}

TEST(a_corrupted_arena_is_found) {
    uint64_t *memory, *next;
    ok(prong_memory_alloc(64, (void **)&memory));
    ok(prong_memory_alloc(64, (void **)&next));
    ok(prong_family_check(NULL));
    uint64_t before = memory[8];
    memory[8] = 12345; /* one beyond the end */
    is(prong_family_check(NULL), PRONG_SYSTEM);
    says("arena: block");
    memory[8] = before;
    ok(prong_family_check(NULL));
}

TEST(a_process_that_the_host_forked_joins_the_family) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(prong_queue_put(queue, &i, sizeof i, PRONG_FOREVER));
        int status, got;
        check(waitpid(pid, &status, 0) == pid && status == 0);
        ok(prong_queue_get(queue, &got, sizeof got, NULL, PRONG_NOWAIT));
        equal(got, i);
    }
    prong_family_state state;
    ok(prong_family_check(&state));
    equal(state.members, 1);
}

TEST(a_child_of_a_child_that_the_host_forked_has_a_row_of_its_own) {
    prong_queue queue;
    ok(prong_queue_create(&queue, NULL));
    if (fork() == 0) {
        prong_member members[8];
        size_t count;
        ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
        if (fork() == 0) {
            ok(prong_family_members(members, 8, &count));
            equal(count, 3);
            bool found = false;
            for (size_t i = 0; i < count; i++) found |= members[i].pid == getpid();
            check(found);
            _exit(prong_queue_put(queue, "y", 1, PRONG_FOREVER));
        }
        wait(NULL);
        _exit(0);
    }
    char byte;
    ok(prong_queue_get(queue, &byte, 1, NULL, PRONG_SECONDS(5)));
    ok(prong_queue_get(queue, &byte, 1, NULL, PRONG_SECONDS(5)));
    equal(byte, 'y');
    wait(NULL);
}

static int stay(void *argument, size_t size) {
    char byte;
    (void)size;
    prong_queue_get(*(prong_queue *)argument, &byte, 1, NULL, PRONG_SECONDS(10));
    return 0;
}

METHOD_TEST(the_table_tells_who_is_there) {
    prong_queue queue;
    prong_member members[8];
    prong_process child;
    size_t count;
    ok(prong_queue_create(&queue, NULL));
    ok(prong_process_create(
        &child,
        &(prong_process_options){
            .target = stay, .argument = &queue, .method = method, .argument_size = sizeof queue, .name = "stayer"}));
    ok(prong_process_start(child));
    int pid = test_pid(child);
    bool found = false;
    for (int i = 0; i < 500 && !found; i++, test_sleep_ms(5)) {
        ok(prong_family_members(members, 8, &count));
        for (size_t k = 0; k < count; k++)
            if (members[k].pid == pid) {
                found = true;
                check(strcmp(members[k].name, "stayer") == 0);
                equal(members[k].parent_pid, getpid());
                check(members[k].age > 0);
            }
    }
    check(found);
    ok(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
    equal(test_end(child), 0);
}

/* --- threads, and forks among them --- */

struct shared {
    prong_queue queue;
    _Atomic bool stop;
    _Atomic long sum;
};

static void *put_and_get(void *context) {
    struct shared *shared = context;
    for (long i = 1; !shared->stop; i++) {
        long got;
        void *memory;
        ok(prong_queue_put(shared->queue, &i, sizeof i, PRONG_SECONDS(10)));
        shared->sum += i;
        ok(prong_queue_get(shared->queue, &got, sizeof got, NULL, PRONG_SECONDS(10)));
        shared->sum -= got;
        ok(prong_memory_alloc((size_t)(i % 5000), &memory));
        ok(prong_memory_free(memory));
    }
    return NULL;
}

TEST(a_fork_by_the_host_among_busy_threads_neither_hangs_nor_corrupts) {
    enum { THREADS = 4 };
    struct shared shared = {0};
    pthread_t threads[THREADS];
    ok(prong_queue_create(&shared.queue, NULL));
    for (int i = 0; i < THREADS; i++) check(pthread_create(&threads[i], NULL, put_and_get, &shared) == 0);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            void *memory;
            long zero = 0, got;
            ok(prong_queue_put(shared.queue, &zero, sizeof zero, PRONG_SECONDS(10)));
            ok(prong_memory_alloc(10000, &memory));
            ok(prong_memory_free(memory));
            ok(prong_queue_get(shared.queue, &got, sizeof got, NULL, PRONG_SECONDS(10)));
            ok(prong_queue_put(shared.queue, &got, sizeof got, PRONG_SECONDS(10)));
            ok(prong_queue_get(shared.queue, &got, sizeof got, NULL, PRONG_SECONDS(10)));
            shared.sum = 0;
            _exit(0);
        }
        int status;
        check(waitpid(pid, &status, 0) == pid);
        equal(status, 0);
    }
    shared.stop = true;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    ok(prong_queue_destroy(shared.queue));
    test_arena_is_clean(0);
}

TEST(the_table_takes_no_more_than_its_limit_and_is_used_again) {
    /* more forks than rows: the dead are buried as rows are needed */
    prong_queue queue;
    char byte;
    ok(prong_queue_create(&queue, NULL));
    for (int i = 0; i < 4300; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(prong_queue_put(queue, "x", 1, PRONG_FOREVER));
        check(waitpid(pid, NULL, 0) == pid);
        ok(prong_queue_get(queue, &byte, 1, NULL, PRONG_SECONDS(1)));
    }
}

TEST(statuses_have_names_and_texts) {
#define IS_KNOWN(status, number, text)                                                                                 \
    check(strcmp(prong_status_name(status), #status) == 0);                                                            \
    check(strcmp(prong_status_text(status), text) == 0 && strlen(text) > 3);                                           \
    equal(status, number);
    PRONG_STATUSES(IS_KNOWN)
    check(PRONG_OK == 0 && PRONG_OWNER_DIED > 0); /* done, and done with news; all others are failures */
    check(strcmp(prong_status_name((prong_status)1000), "PRONG_UNKNOWN") == 0);
}

TEST(at_least_one_cpu_can_be_used) {
    check(prong_cpu_count() >= 1);
}

TEST(trim_gives_back_and_memory_stays_usable) {
    char *memory, *other;
    ok(prong_memory_alloc(32 << 20, (void **)&memory));
    ok(prong_memory_alloc(64, (void **)&other));
    memset(memory, 1, 32 << 20);
    ok(prong_memory_free(memory));
    ok(prong_family_trim());
    ok(prong_memory_alloc(32 << 20, (void **)&memory));
    memset(memory, 2, 32 << 20);
    ok(prong_memory_free(memory));
    ok(prong_memory_free(other));
    ok(prong_family_trim());
    ok(prong_memory_alloc(1 << 20, (void **)&memory));
    memset(memory, 3, 1 << 20);
    ok(prong_family_check(NULL));
}
